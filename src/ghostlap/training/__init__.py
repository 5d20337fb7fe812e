"""Recordings in, a run folder with a pilot out."""

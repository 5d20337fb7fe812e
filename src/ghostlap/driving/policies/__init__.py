"""Policies of all kinds: who drives, whatever it was trained or written with."""

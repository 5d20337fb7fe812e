"""A drive as a video."""

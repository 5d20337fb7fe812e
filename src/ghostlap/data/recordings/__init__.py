"""Recordings: reading every kind of log that people have, tubs too, and crash-safe appending."""

from ghostlap.data.recordings.columns import CAMERAS
from ghostlap.data.recordings.reading import COLUMNS, Recording, require_images

__all__ = ["CAMERAS", "COLUMNS", "Recording", "require_images"]

"""Recordings: reading every kind of log that people have, tubs too, and crash-safe appending."""

from ghostlap.data.recordings.reading import (
    CAMERAS,
    COLUMNS,
    Recording,
    is_recording,
    read_recording,
    require_images,
)

__all__ = ["CAMERAS", "COLUMNS", "Recording", "is_recording", "read_recording", "require_images"]

"""A Udacity recording: reading every kind of log that people have, and crash-safe appending."""

from ghostlap.recording.reading import (
    CAMERAS,
    COLUMNS,
    Recording,
    read_recording,
    require_images,
)

__all__ = ["CAMERAS", "COLUMNS", "Recording", "read_recording", "require_images"]

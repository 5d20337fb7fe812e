"""A drive in the cockpit, written down: with ``who_drove.csv`` beside its log."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import FolderError
from ghostlap.base.files import remove
from ghostlap.data.recordings.background_recorder import BackgroundRecorder
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.tables_beside import WHO_DROVE, WhoDrives

MOMENTS_PER_S = 15.0
"""Rows a second, as Udacity's simulator records."""


class SessionRecorder(BackgroundRecorder):
    """A recording under way. Where nothing was written, nothing is left.

    ``say`` tells a person what went wrong, perhaps from the writing thread.

    Raises:
        RecordingError: the folder cannot be written.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(Recorder(folder, beside=WHO_DROVE.open), say)
        self.name = folder.name
        self.seconds = 0.0
        self._began = datetime.datetime.now()
        self._first_s: float | None = None

    def add(
        self,
        pictures: NDArray[np.uint8],
        time_s: float,
        steering: float,
        throttle: float,
        speed_mph: float,
        driver: WhoDrives,
        pilot_steering: float | None,
        line: int,
    ) -> None:
        """Have a moment written. Returns at once.

        Args:
            pictures: left, center, right: shape ``(3, height, width, 3)``.
            throttle: negative brakes.
            pilot_steering: what the pilot would have steered; None where it was not asked.
            line: that was commanded, as :data:`ghostlap.data.lines.SIDES` has it.
        """
        if self._first_s is None:
            self._first_s = time_s
        self.seconds = time_s - self._first_s
        left, center, right = pictures
        self.put(
            center=center,
            left=left,
            right=right,
            steering=max(-1.0, min(1.0, steering)),
            throttle=max(0.0, throttle),
            brake=max(0.0, -throttle),
            speed_mph=speed_mph,
            time=self._began + datetime.timedelta(seconds=self.seconds),
            beside={"driver": driver, "pilot_steering": pilot_steering, "lane": line},
        )

    def _ended(self) -> None:
        if not self._recorder.rows_written:
            with contextlib.suppress(OSError, FolderError):
                remove(self.folder, self.folder.parent)

"""Writing down what is driven, on a thread of its own: a disk may be slow, a car may not wait.

The folder is a recording as Udacity's simulator makes it, with ``who_drove.csv`` beside its log.
Whatever happens, the rows before are a valid recording.
"""

from __future__ import annotations

import dataclasses
import datetime
import queue
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.errors import RecordingError
from ghostlap.recording.recorder import Recorder
from ghostlap.recording.who_drove import WhoDrives, WhoDroveLog

MOMENTS_PER_S = 15.0
"""As Udacity's simulator records."""
_MOST_WAITING = 64
"""Moments in memory, of about half a megabyte each."""
_LEAVE_AFTER_S = 10.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What is written down of a moment."""

    pictures: NDArray[np.uint8]
    """Left, center, right: shape ``(3, height, width, 3)``."""
    time_s: float
    """Of the simulator's clock."""
    steering: float
    throttle: float
    """Negative brakes."""
    speed_mph: float
    driver: WhoDrives
    pilot_steering: float | None


class Tape:
    """A recording under way.

    Args:
        folder: made new.
        say: tells a person what went wrong; may be called from the writing thread.

    Raises:
        RecordingError: the folder cannot be written.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.name = folder.name
        self.rows = 0
        self.seconds = 0.0
        self._say = say
        self._began = datetime.datetime.now()
        self._first_s: float | None = None
        self._lost = 0
        self._broken = False
        self._moments: queue.Queue[Moment | None] = queue.Queue(_MOST_WAITING)
        self._recorder = Recorder(folder)
        try:
            self._who_drove = WhoDroveLog(folder)
        except RecordingError:
            self._recorder.close()
            raise
        self._thread = threading.Thread(target=self._run, name="ghostlap-tape", daemon=True)
        self._thread.start()

    @property
    def is_broken(self) -> bool:
        """Whether nothing more can be written."""
        return self._broken

    def add(self, moment: Moment) -> None:
        """Have a moment written. Returns at once; where the disk is too slow it is left out."""
        try:
            self._moments.put_nowait(moment)
        except queue.Full:
            self._lost += 1
            if self._lost == 1:
                self._say(f"{self.folder}: the disk is too slow, moments are left out.")
            return
        if self._first_s is None:
            self._first_s = moment.time_s
        self.rows += 1
        self.seconds = moment.time_s - self._first_s

    def close(self) -> None:
        """Write what waits, and end. Where nothing was written, nothing is left."""
        if self._thread.is_alive():
            self._moments.put(None)
            self._thread.join(_LEAVE_AFTER_S)
        if not self._recorder.rows_written and not self._thread.is_alive():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> None:
        try:
            while (moment := self._moments.get()) is not None:
                if not self._broken:
                    self._write(moment)
        finally:
            self._recorder.close()
            self._who_drove.close()

    def _write(self, moment: Moment) -> None:
        left, center, right = moment.pictures
        first_s = moment.time_s if self._first_s is None else self._first_s
        try:
            name = self._recorder.append(
                center=center,
                left=left,
                right=right,
                steering=max(-1.0, min(1.0, moment.steering)),
                throttle=max(0.0, moment.throttle),
                brake=max(0.0, -moment.throttle),
                speed_mph=moment.speed_mph,
                time=self._began + datetime.timedelta(seconds=moment.time_s - first_s),
            )[0]
            self._who_drove.append(name, moment.driver, moment.pilot_steering)
        except RecordingError as error:
            self._broken = True
            self._say(f"{error} The driving goes on, unrecorded.")

"""Writing down what is driven, on a thread of its own: a disk may be slow, a car may not wait.

The folder is a recording as Udacity's simulator makes it, with ``who_drove.csv`` beside its log.
Whatever happens, the rows before are a valid recording.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import FolderError, RecordingError
from ghostlap.base.files import remove
from ghostlap.cockpit.trouble import told
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.who_drove import WhoDrives, WhoDroveLog

MOMENTS_PER_S = 15.0
"""As Udacity's simulator records."""
_MOST_WAITING = 64
"""Moments in memory, of about half a megabyte each."""
_LONGEST_WAIT_S = 0.9
"""A kill loses what waits to be written, and that is to be less than a second of driving: on a slow
disk older moments are left out for newer ones."""
_SOON_S = 1.0
"""In which a disk that is not too slow has written what waits."""


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
        self._moments: queue.SimpleQueue[tuple[Moment, float] | None] = queue.SimpleQueue()
        self._closed = False
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

    @property
    def is_finished(self) -> bool:
        """Whether all is written, and nothing more will be."""
        return not self._thread.is_alive()

    def add(self, moment: Moment) -> None:
        """Have a moment written. Returns at once; where the disk is too slow it is left out."""
        if self._closed:
            return
        if self._moments.qsize() >= _MOST_WAITING:
            self._leave_out()
            return
        self._moments.put((moment, time.monotonic()))
        if self._first_s is None:
            self._first_s = moment.time_s
        self.rows += 1
        self.seconds = moment.time_s - self._first_s

    def close(self, within_s: float = _SOON_S) -> None:
        """Take no more moments. Where nothing was written, nothing is left.

        What waits is written all the same; longer than ``within_s`` nobody waits for that, so that
        a disk that hangs does not stop the car.
        """
        if not self._closed:
            self._closed = True
            self._moments.put(None)
        self._thread.join(within_s)

    def _run(self) -> None:
        try:
            while (item := self._moments.get()) is not None:
                moment, since_s = item
                if time.monotonic() - since_s > _LONGEST_WAIT_S and not self._closed:
                    self.rows -= 1
                    self._leave_out()
                elif not self._broken:
                    self._write(moment)
        finally:
            for file in self._who_drove, self._recorder:  # others may write there from now on
                with contextlib.suppress(OSError):  # each row was on its way before
                    file.close()
            if not self._recorder.rows_written:
                with contextlib.suppress(OSError, FolderError):
                    remove(self.folder, self.folder.parent)

    def _leave_out(self) -> None:
        self._lost += 1
        if self._lost == 1:
            self._say(f"{self.folder}: the disk is too slow, moments are left out.")

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
        except Exception as error:  # whatever it was, the driving goes on
            self._broken = True
            what = f"{self.folder}: the row cannot be saved"
            self._say(f"{told(error, what)} The driving goes on, unrecorded.")

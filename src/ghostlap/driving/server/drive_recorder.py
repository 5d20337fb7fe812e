"""Writing down what is driven, on a thread of its own.

The folder is a recording in Udacity's format. ``predictions.csv`` beside its log has a row for each
of the log's rows, named by its center image: what the pilot said, and what the car was told.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import append_row
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.side_table import csv_row, open_table
from ghostlap.driving.control import Control
from ghostlap.driving.server.model_thread import Answer, Waiting
from ghostlap.driving.unity.wire import FULL_LOCK_DEG

PREDICTIONS_NAME = "predictions.csv"
PREDICTION_COLUMNS = (
    "center", "pilot_steering", "pilot_speed_mph", "pilot_spread", "steering", "throttle",
    "latency_ms", "lap", "cte",
)  # fmt: skip
"""``pilot_…`` as the pilot said it, empty where it says none; ``steering`` and ``throttle`` as the
car was told; ``lap`` and ``cte`` as the simulator sent them, if it does."""

_LEAVE_AFTER_S = 10.0
_LONGEST_WAIT_S = 0.75
"""A kill loses what waits to be written, and that is to be less than a second of driving."""
_TRY_AGAIN_S = 10.0
"""After a disk was full: somebody may have made room."""


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """A frame that was looked at, and what came of it."""

    waiting: Waiting
    answer: Answer
    control: Control
    latency_s: float


class DriveRecorder:
    """Writes moments into a folder. Where the disk is too slow, moments are left out.

    Args:
        folder: a recording there is continued.
        say: tells a person something.
        count_lost: called for each moment that is not written.
        most_waiting: moments in memory, of about 20 kB each.

    Raises:
        RecordingError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        say: Callable[[str], None],
        count_lost: Callable[[], None],
        most_waiting: int = 256,
    ) -> None:
        self.folder = folder
        self.is_free = True
        self._say = say
        self._count_lost = count_lost
        self._moments: queue.SimpleQueue[tuple[Moment, float, float] | None] = queue.SimpleQueue()
        self._most_waiting = most_waiting
        self._closing = False
        self._recorder = Recorder(folder)
        try:
            self._predictions, self._columns = open_table(
                folder / PREDICTIONS_NAME, PREDICTION_COLUMNS
            )
        except OSError as error:
            self._recorder.close()
            raise RecordingError(
                f"{folder / PREDICTIONS_NAME}: cannot be written ({error.strerror}). "
                "Choose a folder that you may write to."
            ) from error
        except RecordingError:
            self._recorder.close()
            raise
        if not {PREDICTION_COLUMNS[0]} <= set(self._columns) <= set(PREDICTION_COLUMNS):
            self._recorder.close()
            os.close(self._predictions)
            raise RecordingError(
                f"{folder / PREDICTIONS_NAME}: has other columns than "
                f"{','.join(PREDICTION_COLUMNS)}, so it cannot be continued. Record into another "
                "folder."
            )
        self._broken_s: float | None = None
        self._is_slow = False
        self._thread = threading.Thread(target=self._run, name="ghostlap-recorder", daemon=True)
        self._thread.start()

    def add(self, moment: Moment) -> None:
        """Have a moment written. Returns at once, and raises nothing."""
        now_s = time.monotonic()
        if self._broken_s is not None:
            if now_s - self._broken_s < _TRY_AGAIN_S:
                self._count_lost()
                return
            self._broken_s = now_s  # one moment finds out whether there is room again
        elif self._moments.qsize() >= self._most_waiting:
            self._leave_out()
            return
        self._moments.put((moment, now_s, time.time() - moment.latency_s))

    def take(self) -> None:
        """Write for a simulator from now on; after a disk was full, try again."""
        self.is_free = self._is_slow = False
        self._broken_s = None

    def finish(self) -> None:
        """Its simulator is gone: it may be taken by another."""
        self.is_free = True

    def close(self) -> None:
        """Have the files closed once all that waits is written. Returns at once."""
        self._closing = True
        self._moments.put(None)

    def join(self) -> None:
        """Wait until the files are closed; a disk that takes nothing more is left after a while."""
        self._thread.join(_LEAVE_AFTER_S)
        if self._thread.is_alive():
            self._say(
                f"{self.folder}: the disk takes nothing more. The last {self._moments.qsize()} "
                f"moments are not recorded; the {self._recorder.rows_written} rows before are."
            )

    def _run(self) -> None:
        try:
            while (item := self._moments.get()) is not None:
                moment, since_s, taken_s = item
                if time.monotonic() - since_s > _LONGEST_WAIT_S and not self._closing:
                    self._leave_out()
                else:
                    self._write(moment, taken_s)
        finally:
            self._recorder.close()
            os.close(self._predictions)

    def _leave_out(self) -> None:
        self._count_lost()
        if not self._is_slow:
            self._is_slow = True
            self._say(f"{self.folder}: the disk is too slow, moments are left out.")

    def _write(self, moment: Moment, taken_s: float) -> None:
        was_broken, rows = self._broken_s is not None, self._recorder.rows_written
        if was_broken and self._moments.qsize():
            self._count_lost()  # it was waiting as the disk became full
            return
        try:
            center = self._recorder.append(
                center=moment.answer.picture,
                time=datetime.datetime.fromtimestamp(taken_s),
                **_log_values(moment),  # type: ignore[arg-type]
            )[0]
            append_row(self._predictions, csv_row(self._prediction(center, moment)))
        except Exception as error:  # whatever it is, the driving goes on
            self._broken_s = time.monotonic()
            if self._recorder.rows_written == rows:
                self._count_lost()
            if not was_broken:
                self._say(f"{self._what_happened(error)} The driving goes on, unrecorded.")
            return
        if was_broken:
            self._broken_s = None
            self._say(f"{self.folder}: there is room again, and the drive is recorded again.")

    def _what_happened(self, error: Exception) -> str:
        if isinstance(error, RecordingError):
            return str(error)
        why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        return (
            f"{self.folder}: what the pilot said cannot be saved ({why}). The "
            f"{self._recorder.rows_written} rows recorded by now are safe."
        )

    def _prediction(self, center: str, moment: Moment) -> list[str]:
        values = _prediction(center, moment)
        return [values.get(column, "") for column in self._columns]


class Recordings:
    """A folder for each simulator that drives at the same time: ``DIR``, ``DIR-2``, ``DIR-3``, …

    A simulator that comes back goes on in the folder that it left, if no other has taken it.

    Args:
        folder: the first one, opened at once, so that it is known early if it cannot be.
        say, count_lost: see :class:`DriveRecorder`.

    Raises:
        RecordingError: the folder cannot be written.
    """

    def __init__(
        self, folder: Path, say: Callable[[str], None], count_lost: Callable[[], None]
    ) -> None:
        self._folder = folder
        self._say = say
        self._count_lost = count_lost
        self._recorders = [DriveRecorder(folder, say, count_lost)]

    def open(self) -> DriveRecorder | None:
        """For one more simulator; None where none can be opened, which is said."""
        recorder = next((one for one in self._recorders if one.is_free), None) or self._new()
        if recorder is not None:
            recorder.take()
        return recorder

    def close(self) -> None:
        """Have everything written, and wait for it."""
        for recorder in self._recorders:
            recorder.close()
        for recorder in self._recorders:
            recorder.join()

    def _new(self) -> DriveRecorder | None:
        name = f"{self._folder.name}-{len(self._recorders) + 1}"
        folder = self._folder.with_name(name)
        try:
            self._recorders.append(DriveRecorder(folder, self._say, self._count_lost))
        except RecordingError as error:
            self._say(f"{error} The driving goes on, unrecorded.")
            return None
        return self._recorders[-1]


def _log_values(moment: Moment) -> dict[str, float]:
    """The car as its simulator told it, in the log's units and ranges."""
    telemetry = moment.waiting.telemetry
    throttle = _clipped(telemetry.throttle, -1.0)
    return {
        "steering": _clipped(telemetry.steering_deg / FULL_LOCK_DEG, -1.0),
        "throttle": max(throttle, 0.0),
        "brake": max(-throttle, 0.0),
        "speed_mph": 0.0 if math.isnan(telemetry.speed_mph) else min(abs(telemetry.speed_mph), 999),
    }


def _clipped(value: float, low: float) -> float:
    return 0.0 if math.isnan(value) else max(low, min(1.0, value))


def _prediction(center: str, moment: Moment) -> dict[str, str]:
    """The cells of a row, by column; what there is not is left out."""
    extra, answer = moment.waiting.telemetry.extra, moment.answer
    row = {
        "center": center,
        "pilot_steering": f"{answer.steering:.6f}",
        "steering": f"{float(moment.control.steering[0]):.4f}",
        "throttle": f"{float(moment.control.throttle[0]):.4f}",
        "latency_ms": f"{moment.latency_s * 1000:.2f}",
    }
    if answer.speed_mph is not None:
        row["pilot_speed_mph"] = f"{answer.speed_mph:.4f}"
    if answer.spread is not None:
        row["pilot_spread"] = f"{answer.spread:.6f}"
    if "lapNumber" in extra:
        row["lap"] = f"{extra['lapNumber']:g}"
    if "cte" in extra:
        row["cte"] = f"{extra['cte']:.4f}"
    return row

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

from ghostlap.control import Control
from ghostlap.drive.model_thread import Answer, Waiting
from ghostlap.errors import RecordingError
from ghostlap.files import append_row
from ghostlap.recording.recorder import Recorder
from ghostlap.recording.side_table import csv_row, open_table
from ghostlap.wire import FULL_LOCK_DEG

PREDICTIONS_NAME = "predictions.csv"
PREDICTION_COLUMNS = (
    "center", "pilot_steering", "pilot_speed_mph", "pilot_spread", "steering", "throttle",
    "latency_ms", "lap", "cte",
)  # fmt: skip
"""``pilot_…`` as the pilot said it, empty where it says none; ``steering`` and ``throttle`` as the
car was told; ``lap`` and ``cte`` as the simulator sent them, if it does."""

_LEAVE_AFTER_S = 10.0


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
        self._moments: queue.SimpleQueue[tuple[Moment, float] | None] = queue.SimpleQueue()
        self._most_waiting = most_waiting
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
        self._broken = False
        self._thread = threading.Thread(target=self._run, name="ghostlap-recorder", daemon=True)
        self._thread.start()

    def add(self, moment: Moment) -> None:
        """Have a moment written. Returns at once, and raises nothing."""
        if self._broken or self._moments.qsize() >= self._most_waiting:
            self._count_lost()
        else:
            self._moments.put((moment, time.time() - moment.latency_s))

    def take(self) -> None:
        """Write for a simulator from now on; after a disk was full, try again."""
        self.is_free = self._broken = False

    def finish(self) -> None:
        """Its simulator is gone: it may be taken by another."""
        self.is_free = True

    def close(self) -> None:
        """Have the files closed once all that waits is written. Returns at once."""
        self._moments.put(None)

    def join(self) -> None:
        """Wait until the files are closed."""
        self._thread.join(_LEAVE_AFTER_S)

    def _run(self) -> None:
        try:
            while (item := self._moments.get()) is not None:
                if self._broken:
                    self._count_lost()
                else:
                    self._write(*item)
        finally:
            self._recorder.close()
            os.close(self._predictions)

    def _write(self, moment: Moment, taken_s: float) -> None:
        try:
            center = self._recorder.append(
                center=moment.answer.picture,
                time=datetime.datetime.fromtimestamp(taken_s),
                **_log_values(moment),  # type: ignore[arg-type]
            )[0]
            append_row(self._predictions, csv_row(self._prediction(center, moment)))
        except (RecordingError, OSError) as error:
            self._broken = True
            self._count_lost()
            self._say(f"{error} The driving goes on, unrecorded.")

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

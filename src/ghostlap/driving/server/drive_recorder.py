"""Writing down what is driven, with ``predictions.csv`` beside the log."""

from __future__ import annotations

import dataclasses
import datetime
import math
import time
from collections.abc import Callable
from pathlib import Path

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.background_recorder import BackgroundRecorder
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.side_table import Cell
from ghostlap.data.recordings.tables_beside import PREDICTIONS
from ghostlap.driving.control import Control
from ghostlap.driving.server.model_thread import PendingFrame, Prediction
from ghostlap.driving.unity.wire import FULL_LOCK_DEG

_LEAVE_AFTER_S = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class AnsweredFrame:
    """A frame that was looked at, and what came of it."""

    frame: PendingFrame
    prediction: Prediction
    control: Control
    latency_s: float
    warning_s: float | None = None
    """Within how many seconds the pilot's critic expects a failure; None if it does not."""


class DriveRecorder(BackgroundRecorder):
    """Writes answered frames into a folder, going on with a recording there.

    Raises:
        RecordingError: the folder cannot be written.
    """

    def __init__(
        self, folder: Path, say: Callable[[str], None], count_lost: Callable[[], None]
    ) -> None:
        super().__init__(Recorder(folder, beside=PREDICTIONS.open), say, count_lost)
        self.is_free = True

    def add(self, answered: AnsweredFrame) -> None:
        """Have a frame written. Returns at once, and raises nothing."""
        self.put(
            center=answered.prediction.picture,
            **_log_values(answered),
            time=datetime.datetime.fromtimestamp(time.time() - answered.latency_s),
            beside=_prediction(answered),
        )

    def take(self) -> None:
        """Write for a simulator from now on; after a disk was full, try again."""
        self.is_free = False
        self.try_again()

    def finish(self) -> None:
        """Let another simulator take the recorder: its own is gone."""
        self.is_free = True


class Recordings:
    """A folder for each simulator that drives at the same time: ``DIR``, ``DIR-2``, ``DIR-3``, …

    A simulator that comes back goes on in the folder that it left, if no other has taken it. The
    first one is opened at once, so that it is known early if it cannot be.

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
        """A recorder for one more simulator; None where none can be opened, which is said."""
        recorder = next((one for one in self._recorders if one.is_free), None) or self._new()
        if recorder is not None:
            recorder.take()
        return recorder

    def close(self) -> None:
        """Have everything written, and wait for it; a disk that hangs is left after a while."""
        for within_s in (0.0, _LEAVE_AFTER_S):
            for recorder in self._recorders:
                recorder.close(within_s)
        for recorder in self._recorders:
            if not recorder.is_finished:
                self._say(
                    f"{recorder.folder}: the disk takes nothing more. The last {recorder.waiting} "
                    f"moments are not recorded; the {recorder.rows - recorder.waiting} rows before "
                    "are."
                )

    def _new(self) -> DriveRecorder | None:
        name = f"{self._folder.name}-{len(self._recorders) + 1}"
        folder = self._folder.with_name(name)
        try:
            self._recorders.append(DriveRecorder(folder, self._say, self._count_lost))
        except RecordingError as error:
            self._say(f"{error} The driving goes on, unrecorded.")
            return None
        return self._recorders[-1]


def _log_values(answered: AnsweredFrame) -> dict[str, float]:
    """The car as its simulator told it, in the log's units and ranges."""
    telemetry = answered.frame.telemetry
    throttle = _clipped(telemetry.throttle, -1.0)
    return {
        "steering": _clipped(telemetry.steering_deg / FULL_LOCK_DEG, -1.0),
        "throttle": max(throttle, 0.0),
        "brake": max(-throttle, 0.0),
        "speed_mph": 0.0 if math.isnan(telemetry.speed_mph) else min(abs(telemetry.speed_mph), 999),
    }


def _clipped(value: float, low: float) -> float:
    return 0.0 if math.isnan(value) else max(low, min(1.0, value))


def _prediction(answered: AnsweredFrame) -> dict[str, Cell]:
    extra, prediction = answered.frame.telemetry.extra, answered.prediction
    return {
        "pilot_steering": prediction.steering,
        "pilot_speed_mph": prediction.speed_mph,
        "pilot_spread": prediction.spread,
        "steering": float(answered.control.steering[0]),
        "throttle": float(answered.control.throttle[0]),
        "latency_ms": answered.latency_s * 1000,
        "lap": extra.get("lapNumber"),
        "cte": extra.get("cte"),
    }

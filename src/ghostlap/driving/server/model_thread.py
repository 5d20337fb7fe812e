"""The thread that looks at frames, for all simulators in turn, each one's newest.

Every other turn is the first one's, so that it never waits for more than one other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import GhostlapError
from ghostlap.data.vision.pictures import Rgb, decode_rgb
from ghostlap.data.vision.preprocessing import crop
from ghostlap.driving.control import Controller
from ghostlap.driving.unity.wire import TelemetryEvent, image_bytes
from ghostlap.pilots.critic import Evidence
from ghostlap.pilots.pilot import Pilot

_LEAVE_AFTER_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class PendingFrame:
    """A telemetry that still wants its answer."""

    telemetry: TelemetryEvent
    received_s: float
    number: int
    """Counts the telemetries of one simulator."""


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """What a pilot says to a frame, before it is carried out."""

    steering: float = 0.0
    speed_mph: float | None = None
    """Speed that the pilot asks for; None if it answers none."""
    picture: bytes = b""
    """The frame's file, as it came."""
    problem: str = ""
    """Why there is no answer, where there is none."""
    spread: float | None = None
    """Steering standard deviation that the pilot predicts; None if it predicts none."""
    unsure: float = 0.0
    """How unsure the pilot is, from 0 to 1 (:meth:`ghostlap.pilots.pilot.Pilot.unsure`)."""
    evidence: Evidence | None = None
    """For the pilot's critic, if it has one."""
    seen: tuple[Pilot, NDArray[np.float32]] | None = None
    """Who answers, and all that it answers to the frame by itself, ``(1, …)``."""

    def remembering(
        self, controller: Controller, speed_mph: float, elapsed_s: float, age_s: float
    ) -> Prediction:
        """The same with what the car remembers (:meth:`Controller.answers`)."""
        if self.seen is None:
            return self
        pilot, seen = self.seen
        answers = controller.answers(pilot, seen, speed_mph, elapsed_s, age_s)
        return self if answers is seen else _said(pilot, answers, self)


def _said(pilot: Pilot, seen: NDArray[np.float32], prediction: Prediction) -> Prediction:
    """A prediction with what a pilot answers to one frame, ``(1, …)``."""
    answers = pilot.parts(seen[0])[0]
    speed_mph, spread = (pilot.named(answers, name) for name in ("speed", "steering_std"))
    return dataclasses.replace(
        prediction,
        steering=float(answers[0]),
        speed_mph=None if speed_mph is None else float(speed_mph),
        spread=None if spread is None else float(spread),
        unsure=float(pilot.unsure(answers)),
        evidence=pilot.evidence(seen),
    )


Predict = Callable[[TelemetryEvent], Prediction]


def predict_with(pilot: Pilot, max_side_px: int) -> Predict:
    """A function that has a pilot look at a telemetry, and raises nothing.

    Frames of another size than the pilot was trained on are cropped by the same share of rows;
    those that say they are larger than ``max_side_px`` are not even decoded.
    """

    def answer_to(frame: Rgb, picture: bytes) -> Prediction:
        spec = pilot.preprocessing.for_frames(*frame.shape[:2])
        seen = pilot.predict_cropped([crop(frame, spec)])
        return _said(pilot, seen, Prediction(picture=picture, seen=(pilot, seen)))

    def predict(telemetry: TelemetryEvent) -> Prediction:
        try:
            picture = image_bytes(telemetry)
            frame = decode_rgb(picture, "the simulator's image", max_side_px)
        except GhostlapError as error:
            return Prediction(problem=str(error))
        try:
            return answer_to(frame, picture)
        except Exception as error:  # whatever it is, the simulator is owed an answer
            return Prediction(problem=f"the pilot failed ({type(error).__name__}: {error})")

    return predict


class Asker(Protocol):
    """A simulator, as this thread knows it."""

    newest: deque[PendingFrame]
    """The frame to look at when its turn comes, at most one; never empty while it is asking."""

    def answered(self, waiting: PendingFrame, prediction: Prediction) -> None:
        """Called in the event loop."""
        ...


class ModelThread:
    """Looks at frames beside the event loop, which so can answer even while a pilot is stuck.

    ``predict`` raises nothing.
    """

    def __init__(self, predict: Predict, loop: AbstractEventLoop) -> None:
        self._predict = predict
        self._loop = loop
        self._first: deque[Asker] = deque()
        self._others: deque[Asker] = deque()
        self._waiting = threading.Semaphore(0)
        self._stopped = False
        # A daemon, so that a pilot that is stuck for ever cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="ghostlap-pilot", daemon=True)
        self._thread.start()

    def ask(self, asker: Asker, goes_first: bool = False) -> None:
        """Queue up, once until :meth:`Asker.answered`, so that turns are fair.

        Who ``goes_first`` has every other turn.
        """
        (self._first if goes_first else self._others).append(asker)
        self._waiting.release()

    def stop(self) -> None:
        """End, after the frame at hand."""
        self._stopped = True
        self._waiting.release()
        self._thread.join(_LEAVE_AFTER_S)

    def _run(self) -> None:
        others_turn = False
        while self._waiting.acquire() and not self._stopped:
            of_others = bool(self._others) and (others_turn or not self._first)
            others_turn = not of_others
            asker = (self._others if of_others else self._first).popleft()
            waiting = asker.newest.pop()
            prediction = self._predict(waiting.telemetry)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(asker.answered, waiting, prediction)

"""The controller: what a pilot answers becomes what the car does, for everything that drives.

The drive server, the evaluator and the cockpit all ask :meth:`Controller.control`, so that what
drives the embedded simulator drives Unity's too.

    >>> controller = Controller(ControlConfig(speed_limit_mph=20))
    >>> steering, throttle = controller.control(pilot.steer(frame), speed_mph, elapsed_s=0.05)
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostlap.base.options import Options, Positive, Range, Share
from ghostlap.data.lines import Command, line_at
from ghostlap.pilots.critic import Evidence, Foresight
from ghostlap.pilots.memory import Recollection
from ghostlap.pilots.pilot import Pilot

Floats = NDArray[np.float64]

_BRAKES_EASE_MPH = 10.0
"""Speed below which brakes are let go little by little: held, they would soon mean reverse."""
_SLOWEST_TARGET_MPH = 1e-3
"""Least speed that 1 - speed/limit is divided by, where a pilot asks to stand."""
_UNSURE_S = 0.5
"""Time constant by which the speed follows how unsure a pilot is, so that no single picture makes
the car jerk."""
_LONGEST_STEP_S = 0.5
"""The speed's error counts for no longer than this between two answers."""


_Gain = Annotated[float, Range(0, 10)]


@dataclasses.dataclass(frozen=True)
class ControlConfig(Options, called="Control: {name}"):
    """How a pilot's answers are carried out."""

    speed_limit_mph: Positive = 30.0
    """The speed to hold; a pilot that answers a speed may ask for less."""
    steering_limit: Share = 1.0
    """Steering is clipped to plus and minus this."""
    smoothing_s: _Gain = 0.0
    """Time constant by which steering follows the pilot; 0 is at once."""
    slow_in_bends: Share = 0.0
    """Share of the speed limit taken off at full lock."""
    slow_when_unsure: Annotated[float, Range(0, 0.9)] = 0.0
    """Share of the speed taken off where the pilot is as unsure as can be; less so, less of it."""
    throttle: Literal["pi", "seed"] = "pi"
    """``pi`` holds the speed; ``seed`` is 1 - speed/limit, as in simple drive.py scripts, which
    stays below the limit by as much as drag asks for."""
    proportional_per_mph: _Gain = 0.2
    """Throttle for each mph too slow."""
    integral_per_mph_s: _Gain = 0.1
    """Throttle for each mph too slow and second."""
    late_after_s: Annotated[float, Range(0, 3600)] = 0.5
    """An answer older than this counts as none."""
    delay_s: Annotated[float, Range(0, 10)] = 0.0
    """A command takes effect so much later, which a pilot with a horizon makes up for."""
    line: Command = "centre"
    """Which line a pilot is told to keep to that knows several; others drive as ever."""


class Control(NamedTuple):
    """What the car is told; arrays of shape ``(cars,)``."""

    steering: Floats
    """In [-1, 1], positive to the right."""
    throttle: Floats
    """In [-1, 1], negative brakes."""


class Controller:
    """Steering and throttle for one car or several, each with a state of its own.

    The speed is held by a proportional-integral controller, unless the config asks for the seeds'
    rule. It stops integrating where the throttle is at its end already (anti-windup), so that a
    long way up to speed does not end in overshoot.

    Args:
        config: see :class:`ControlConfig`.
        cars: how many are driven.
    """

    def __init__(self, config: ControlConfig | None = None, cars: int = 1) -> None:
        self.config = config or ControlConfig()
        self._steering = np.zeros(cars)
        self._integral = np.zeros(cars)
        self.foresight: Foresight | None = None
        """What the pilot's critic has seen of late, and says to it; None without a critic."""
        self._recollection: Recollection | None = None
        self._answers: NDArray[np.float32] | None = None
        self._driven_s = 0.0
        self.unsure = np.zeros(cars)
        """How unsure the pilot has been of late, in [0, 1], shape ``(cars,)``."""

    @property
    def warning_s(self) -> float | None:
        """Within how many seconds the pilot's critic expects the first car to fail, if it does."""
        return None if self.foresight is None else self.foresight.warning_s

    def reset(self, car: int | slice = slice(None)) -> None:
        """Forget about a car, or all: it was put somewhere else."""
        self._steering[car] = 0.0
        self._integral[car] = 0.0
        self.unsure[car] = 0.0
        for remembered in (self.foresight, self._recollection):
            if remembered is not None:
                remembered.reset(car)

    def answers(
        self,
        pilot: Pilot,
        seen: NDArray[np.float32],
        speed_mph: ArrayLike,
        elapsed_s: float,
        age_s: float = 0.0,
    ) -> NDArray[np.float32]:
        """What a pilot answers for the commanded line and for when it takes effect.

        Each car's memory is a part of it.

        To be asked once before each :meth:`control`.

        Args:
            pilot: always the same.
            seen: its answers to what the cars see, ``(cars, …)``.
            speed_mph: as measured, ``(cars,)``; NaN if unknown.
            elapsed_s: since the last time.
            age_s: time since the pictures were taken.

        Returns:
            Answers shaped as ``seen``; ``seen`` itself for a pilot without memory and horizon that
            is told nothing.
        """
        delay_s = self.config.delay_s
        self._driven_s += elapsed_s
        if pilot.memory is not None:
            if self._recollection is None:
                self._recollection = Recollection(pilot.memory, len(self.unsure), delay_s)
            speed = np.broadcast_to(np.asarray(speed_mph, float), self.unsure.shape)
            seen = pilot.recalled(self._recollection, seen, speed, elapsed_s)
        seen = pilot.on_line(seen, line_at(self.config.line, self._driven_s))
        self._answers = seen
        return pilot.meant_for(seen, delay_s + age_s)

    def planned(self, pilot: Pilot, later_s: float) -> Floats | None:
        """The steering that a pilot's last answers meant for so much later, ``(cars,)``.

        None if it has no horizon, or has not answered.
        """
        if self._answers is None:
            return None
        answers = pilot.meant_for(self._answers, self.config.delay_s + later_s)
        if answers is self._answers:
            return None
        limit = self.config.steering_limit
        steering = np.clip(answers[:, 0].astype(float), -limit, limit)
        return np.where(np.isfinite(steering), steering, self._steering)

    def control(
        self,
        steering: ArrayLike,
        speed_mph: ArrayLike,
        elapsed_s: float,
        *,
        pilot_speed_mph: ArrayLike | None = None,
        unsure: ArrayLike = 0.0,
        evidence: Evidence | None = None,
        age_s: ArrayLike = 0.0,
    ) -> Control:
        """What to do now.

        A car whose pilot answers NaN or late is **stopped safely**: it keeps its last steering and
        brakes to a stand, until the pilot is back. Where its own speed is unknown, it only coasts.

        Args:
            steering: the pilot's answers, shape ``(cars,)`` or a number; clipped here.
            speed_mph: as measured, of that shape.
            elapsed_s: since the last call.
            pilot_speed_mph: what the pilot answers for the speed, if it does.
            unsure: how unsure the pilot is (:meth:`ghostlap.pilots.pilot.Pilot.unsure`), from 0
                to 1; NaN counts as 1. A critic says it in its place.
            evidence: what the network answered for the pilot's critic, if it has one.
            age_s: time since the picture was taken that the pilot answered to.
        """
        config, shape = self.config, self._steering.shape
        wanted = np.broadcast_to(np.asarray(steering, float), shape)
        speed = np.broadcast_to(np.asarray(speed_mph, float), shape)
        lost = ~np.isfinite(wanted) | ~(np.asarray(age_s, float) <= config.late_after_s)

        wanted = np.clip(wanted, -config.steering_limit, config.steering_limit)
        follow = -np.expm1(-elapsed_s / config.smoothing_s) if config.smoothing_s else 1.0
        followed = wanted * follow + self._steering * (1 - follow)
        self._steering = np.where(lost, self._steering, followed)

        if self._recollection is not None:
            self._recollection.told(self._steering)
        target = config.speed_limit_mph * (1 - config.slow_in_bends * np.abs(self._steering))
        if pilot_speed_mph is not None:
            asked = np.asarray(pilot_speed_mph, float)
            lost = lost | np.isnan(asked)
            target = np.minimum(target, np.maximum(asked, 0.0))
        if evidence is not None:
            if self.foresight is None:
                self.foresight = Foresight(evidence.critic, len(self.unsure))
            log_odds = self.foresight.look(evidence.computed, elapsed_s)
            unsure = evidence.critic.doubt(log_odds)
        target = target * (1 - config.slow_when_unsure * self._unsure_of_late(unsure, elapsed_s))
        known = np.isfinite(speed)
        error_mph = np.where(known, target - speed, 0.0)
        if config.throttle == "seed":
            throttle = np.clip(error_mph / np.maximum(target, _SLOWEST_TARGET_MPH), -1.0, 1.0)
        else:
            throttle = self._throttle(error_mph, elapsed_s)
        throttle = np.where(lost, -1.0, throttle)
        throttle = np.maximum(throttle, -np.clip(speed / _BRAKES_EASE_MPH, 0.0, 1.0))
        self._integral[lost] = 0.0
        return Control(self._steering.copy(), np.where(known, throttle, 0.0))

    def hold(self) -> Control:
        """Wheels kept, coasting: for a picture that is broken."""
        return Control(self._steering.copy(), np.zeros_like(self._steering))

    def _unsure_of_late(self, unsure: ArrayLike, elapsed_s: float) -> Floats:
        now = np.clip(np.nan_to_num(np.asarray(unsure, float), nan=1.0), 0.0, 1.0)
        self.unsure = self.unsure + (now - self.unsure) * -np.expm1(-elapsed_s / _UNSURE_S)
        return self.unsure

    def _throttle(self, error_mph: Floats, elapsed_s: float) -> Floats:
        config = self.config
        change = config.integral_per_mph_s * error_mph * min(elapsed_s, _LONGEST_STEP_S)
        throttle = config.proportional_per_mph * error_mph + self._integral + change
        winding_up = (np.abs(throttle) > 1) & (np.sign(throttle) == np.sign(error_mph))
        self._integral = self._integral + np.where(winding_up, 0.0, change)
        return np.clip(throttle, -1.0, 1.0)

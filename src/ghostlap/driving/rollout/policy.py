"""A pilot that is any Python callable: ``ghostlap evaluate my_module:policy``; or a process.

    def policy(frame, speed_mph):      # RGB, uint8 (160, 320, 3); a float
        return steering                # in [-1, 1], positive to the right

It may answer ``(steering, throttle)``, too; without a throttle, Ghostlap holds the speed limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ghostlap.base.errors import EvaluationError
from ghostlap.data.vision.pictures import Rgb
from ghostlap.driving.control import ControlConfig, Controller
from ghostlap.driving.policies.foreign import Foreign, talk_with
from ghostlap.driving.rollout.driver import Driver, Floats
from ghostlap.sim.simulation import Simulation

Policy = Callable[[Rgb, float], Any]
"""A function of a frame and the speed in mph; gives the steering, or steering and throttle."""


class PolicyDriver(Driver):
    """A callable that looks through the center camera, for each car in order, 20 times a second."""

    def __init__(self, policy: Policy, control: ControlConfig, cars: int, name: str) -> None:
        super().__init__(cars)
        self._policy, self._name = policy, name
        self._controller = Controller(control, cars)
        self._asked_s = 0.0

    def control(self, simulation: Simulation) -> tuple[Floats, Floats]:
        """What the policy answers to what it sees now, carried out by the controller.

        Raises:
            EvaluationError: it answers neither a number nor two.
        """
        frames, speed_mph = simulation.frames()[:, 0], simulation.telemetry().speed_mph
        answers = np.array(
            [
                self._numbers(self._policy(frame, float(mph)))
                for frame, mph in zip(frames, speed_mph, strict=True)
            ]
        )
        self.not_a_number = np.asarray(~np.isfinite(answers[:, 0]), bool)
        self.out_of_range = np.asarray(np.abs(answers[:, 0]) > 1, bool) & ~self.not_a_number
        elapsed_s, self._asked_s = simulation.time_s - self._asked_s, simulation.time_s
        steering, throttle = self._controller.control(answers[:, 0], speed_mph, elapsed_s)
        own = np.isfinite(answers[:, 1]) & ~self.not_a_number
        return steering, np.where(own, np.clip(answers[:, 1], -1, 1), throttle)

    def reset(self, car: int) -> None:
        self._controller.reset(car)

    def _numbers(self, answer: Any) -> tuple[float, float]:
        """Steering, and throttle or NaN."""
        try:
            numbers = np.asarray(answer, np.float64).reshape(-1)
        except (TypeError, ValueError):
            numbers = np.empty(0)
        if len(numbers) not in (1, 2):
            raise EvaluationError(
                f"{self._name}: must answer the steering, or steering and throttle, for "
                f"(frame, speed_mph). Got {answer!r:.80}."
            )
        return float(numbers[0]), float(numbers[1]) if len(numbers) == 2 else float("nan")


class ForeignDriver(PolicyDriver):
    """A policy in another process, asked for one car with frames ``(height, width, 3)``."""

    def __init__(
        self, policy: Foreign, control: ControlConfig, shape: tuple[int, int, int]
    ) -> None:
        self.talk = talk_with(policy)
        self.talk.begin(shape)
        super().__init__(self.talk, control, 1, policy.name)

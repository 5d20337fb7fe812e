"""A pilot in the cockpit: it looks at every picture, whether it drives or not."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import numpy as np

from ghostlap.cockpit.glow import salient
from ghostlap.cockpit.stage import Stage
from ghostlap.control import ControlConfig
from ghostlap.evaluate.driver import PilotDriver
from ghostlap.pilot import Pilot
from ghostlap.saliency import SALIENCY_FILE, Saliency
from ghostlap.vision import Rgb

SLOW_IN_BENDS = 0.5
"""As ``ghostlap drive`` does."""


class Copilot:
    """A pilot that looks at what the car's center camera sees.

    Args:
        name: of its run.
        folder: its run folder.
        speed_limit_mph: the speed to hold.

    Raises:
        PilotError: no usable pilot there.
    """

    def __init__(self, name: str, folder: Path, speed_limit_mph: float) -> None:
        self.name = name
        self.steering: float | None = None
        """What it last answered."""
        self.latency_ms: float | None = None
        """From the moment it was asked to what the car is told."""
        control = ControlConfig(speed_limit_mph=speed_limit_mph, slow_in_bends=SLOW_IN_BENDS)
        self._driver = PilotDriver(Pilot.load(folder), control, 1)
        self._saliency = Saliency.load(folder) if (folder / SALIENCY_FILE).is_file() else None
        blank = np.zeros(self._driver.pilot.preprocessing.frame_shape, np.uint8)
        self._driver.pilot.predict(blank)  # the first one takes longer

    @property
    def spread(self) -> float | None:
        """Of its steering; None for a pilot that answers none."""
        spread = float(self._driver.spread[0])
        return spread if math.isfinite(spread) else None

    @property
    def has_saliency(self) -> bool:
        return self._saliency is not None

    def hold_speed(self, mph: float) -> None:
        """Change the speed to hold."""
        controller = self._driver.controller
        controller.config = dataclasses.replace(controller.config, speed_limit_mph=mph)

    def look(self, stage: Stage) -> tuple[float, float]:
        """Steering and throttle for what is seen now."""
        began_s = time.perf_counter()
        seen = stage.picture_for(self._driver.pilot)
        answers = self._driver.pilot.predict_cropped(seen)
        steering, throttle = self._driver.carry_out(answers, stage.world)
        self.latency_ms = (time.perf_counter() - began_s) * 1000
        answer = float(answers[0, 0])
        self.steering = answer if math.isfinite(answer) else None
        return float(steering[0]), float(throttle[0])

    def forget(self) -> None:
        """The car was put elsewhere, or somebody else drove it."""
        self._driver.reset(0)

    def glow(self, main: Rgb) -> Rgb:
        """A main picture with what the pilot looks at drawn in; as it is without saliency."""
        return main if self._saliency is None else salient(self._saliency, main)

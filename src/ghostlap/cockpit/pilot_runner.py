"""A pilot in the cockpit: it looks at every picture, whether it drives or not."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ghostlap.base.errors import GhostlapError, PilotError
from ghostlap.cockpit.saliency_overlay import with_saliency
from ghostlap.cockpit.scene import DrivingScene
from ghostlap.cockpit.trouble import told
from ghostlap.data.lines import Line
from ghostlap.data.vision.pictures import Rgb
from ghostlap.driving.control import ControlConfig
from ghostlap.driving.rollout.driver import PilotDriver
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.saliency import SALIENCY_FILE, Saliency

_TOO_SLOW_S = 2.0
SLOW_IN_BENDS = 0.5
"""Share of the speed limit taken off at full lock, as ``ghostlap drive`` does."""


class PilotRunner:
    """A pilot that looks at what the car's center camera sees.

    Raises:
        PilotError: no usable pilot there, or one whose answers are no steering.
    """

    def __init__(self, name: str, folder: Path, speed_limit_mph: float) -> None:
        self.name = name
        self.steering: float | None = None
        """Steering that the pilot last answered; None where that was no number."""
        self.latency_ms: float | None = None
        """Time from asking the pilot to what the car is told."""
        control = ControlConfig(speed_limit_mph=speed_limit_mph, slow_in_bends=SLOW_IN_BENDS)
        with self._failing():
            self._driver = PilotDriver(Pilot.load(folder), control, 1)
            self._saliency = Saliency.load(folder) if (folder / SALIENCY_FILE).is_file() else None
            self._try_out(self._driver.pilot)

    def _try_out(self, pilot: Pilot) -> None:
        """Have it look at something; the first picture takes longer, too.

        Raises:
            PilotError: what it answers is no steering, or comes too late.
        """
        spec = pilot.preprocessing
        rows = spec.crop_bottom_px - spec.crop_top_px
        # Not blank: a network that evens out contrast has nothing to go by there.
        picture = np.random.default_rng(0).integers(
            0, 256, (1, rows, spec.frame_width_px, 3), np.uint8
        )
        for _ in range(2):
            began_s = time.perf_counter()
            answers = pilot.predict_cropped(picture)
            took_s = time.perf_counter() - began_s
        if not math.isfinite(answers[0, 0]):
            raise PilotError(f"{self.name}: its network answers no number ({answers[0, 0]}).")
        if took_s > _TOO_SLOW_S:
            raise PilotError(
                f"{self.name}: its network takes {took_s:.1f} s for a picture, too long to drive."
            )

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """A network may fail in its own ways; all become errors that a person is told."""
        try:
            yield
        except GhostlapError:
            raise
        except Exception as error:
            raise PilotError(told(error, f"{self.name}: its network fails")) from error

    @property
    def spread(self) -> float | None:
        """Steering standard deviation last predicted; None for a pilot that predicts none."""
        if self._driver.pilot.critic is not None:
            return None
        spread = float(self._driver.doubt[0])
        return spread if math.isfinite(spread) else None

    @property
    def warning_s(self) -> float | None:
        """Within how many seconds its critic expects a failure; None if it does not."""
        return self._driver.controller.warning_s

    @property
    def has_saliency(self) -> bool:
        return self._saliency is not None

    def hold_speed(self, mph: float) -> None:
        """Change the speed to hold."""
        controller = self._driver.controller
        controller.config = dataclasses.replace(controller.config, speed_limit_mph=mph)

    @property
    def knows_lines(self) -> bool:
        """Whether it can be told which line of the road to keep to."""
        return len(self._driver.pilot.lines) > 1

    def keep_to(self, line: Line) -> None:
        """Change the line of the road to keep to."""
        controller = self._driver.controller
        controller.config = dataclasses.replace(controller.config, line=line)

    def look(self, scene: DrivingScene) -> tuple[float, float]:
        """Steering and throttle for what is seen now.

        Raises:
            PilotError: its network fails.
        """
        with self._failing():
            began_s = time.perf_counter()
            answers = self._driver.pilot.predict_cropped(scene.picture_for(self._driver.pilot))
            steering, throttle = self._driver.carry_out(answers, scene.simulation)
            self.latency_ms = (time.perf_counter() - began_s) * 1000
            answer = float(self._driver.steering[0])
        self.steering = answer if math.isfinite(answer) else None
        return float(steering[0]), float(throttle[0])

    def forget(self) -> None:
        """The car was put elsewhere, or somebody else drove it."""
        self._driver.reset(0)

    def overlaid(self, main: Rgb) -> Rgb:
        """A main picture with what the pilot looks at drawn in; as it is without saliency.

        Raises:
            PilotError: its network fails; it has no saliency from then on.
        """
        saliency, self._saliency = self._saliency, None
        if saliency is None:
            return main
        with self._failing():
            shown = with_saliency(saliency, main)
        self._saliency = saliency
        return shown

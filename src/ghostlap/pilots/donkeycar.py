"""A pilot as a part of a donkeycar: ``run(image)`` answers angle and throttle.

from ghostlap.pilots.donkeycar import GhostlapPilot
V.add(GhostlapPilot("runs/tub"), inputs=["cam/image_array"],
      outputs=["pilot/angle", "pilot/throttle"], run_condition="run_pilot")
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import PilotError
from ghostlap.data.vision.pictures import Rgb
from ghostlap.data.vision.preprocessing import crop
from ghostlap.pilots.memory import Recollection
from ghostlap.pilots.pilot import Pilot


class GhostlapPilot:
    """A part of donkeycar's vehicle loop.

    A donkeycar has no speedometer, so the throttle is held, and let go in bends.

    Args:
        run: run folder of the pilot, trained on a tub of this car.
        throttle: on a straight, in [0, 1].
        slow_in_bends: share of it taken off at full lock.

    Raises:
        PilotError: the run folder holds no usable pilot, or a number is out of range.
    """

    def __init__(self, run: str | Path, throttle: float = 0.2, slow_in_bends: float = 0.5) -> None:
        for name, value in (("throttle", throttle), ("slow_in_bends", slow_in_bends)):
            if not 0 <= value <= 1:
                raise PilotError(f"GhostlapPilot: {name} must be from 0 to 1. Got {value}.")
        self._pilot = Pilot.load(run)
        self._throttle, self._slow_in_bends = throttle, slow_in_bends
        self._angle, self._asked_s = 0.0, time.perf_counter()
        memory = self._pilot.memory
        self._recollection = None if memory is None else Recollection(memory, cars=1)

    def run(self, image: Rgb | None, *_: Any) -> tuple[float, float]:
        """Angle in [-1, 1], positive to the right, and throttle.

        Of an RGB picture, ``uint8`` ``(height, width, 3)``. Without one, as before the camera is
        ready, or an answer that is a number, the angle stays and the throttle is 0.

        Raises:
            ImageError: a picture of another kind.
        """
        if image is None:
            return self._angle, 0.0
        rgb = np.ascontiguousarray(image)
        spec = self._pilot.preprocessing
        if rgb.ndim == 3 and min(rgb.shape) > 0:
            spec = spec.for_frames(*rgb.shape[:2])
        answers, now_s = self._pilot.predict_cropped([crop(rgb, spec)]), time.perf_counter()
        memory, since_s = self._recollection, now_s - self._asked_s
        if memory is not None:
            answers = self._pilot.recalled(memory, answers, np.array([math.nan]), since_s)
        angle, self._asked_s = float(answers[0, 0]), now_s
        if not math.isfinite(angle):
            return self._angle, 0.0
        self._angle = min(max(angle, -1.0), 1.0)
        if memory is not None:
            memory.told(np.array([self._angle]))
        return self._angle, self._throttle * (1 - self._slow_in_bends * abs(self._angle))

    def shutdown(self) -> None:
        """Nothing is to be given back."""

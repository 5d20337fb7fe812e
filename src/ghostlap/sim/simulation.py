"""What a simulation must offer so that everything here can drive in it.

:class:`ghostlap.sim.world.World` is one. Another simulator is one class with these members: it is
evaluated, corrected by ``dagger`` and driven in the cockpit as the embedded one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostlap.sim.world import Start, Telemetry, Truth


class Simulation(Protocol):
    """Cars on a road, driven side by side; they do not see or touch each other."""

    cars: int
    """How many."""
    direction: NDArray[np.int64]
    """1 for a car that drives the road's own way round, -1 for the other, shape ``(cars,)``."""

    @property
    def time_s(self) -> float:
        """Seconds simulated so far."""
        ...

    def telemetry(self) -> Telemetry:
        """What a driver is told of each car."""
        ...

    def truth(self) -> Truth:
        """Where each car really is on the road."""
        ...

    def frames(self) -> NDArray[np.uint8]:
        """What the cameras see now: RGB, shape ``(cars, cameras, rows, width, 3)``."""
        ...

    def frames_at(self, places: Sequence[Start]) -> NDArray[np.uint8]:
        """What the center camera would see elsewhere, whole: ``(places, height, width, 3)``."""
        ...

    def step(self, steering: ArrayLike, throttle: ArrayLike, seconds: float) -> None:
        """Let time pass with the controls held, each in [-1, 1], of shape ``(cars,)``."""
        ...

    def put_back(self, car: int) -> None:
        """Put a car back on the road where it left it."""
        ...

    def push(self, car: int, cte_m: float, heading_rad: float) -> None:
        """Move a car to the left by so much and turn it to the left, at once."""
        ...

"""The protocol of a simulation: one class with these members is evaluated, corrected by ``dagger``
and driven in the cockpit as the embedded :class:`ghostlap.sim.world.World` is.
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
    """Number of cars."""
    direction: NDArray[np.int64]
    """Driving direction of each car: 1 the road's own way round, -1 the other; ``(cars,)``."""

    @property
    def time_s(self) -> float:
        """Seconds simulated so far."""
        ...

    def telemetry(self) -> Telemetry:
        """The last controls and the speed of each car: all that a driver is told."""
        ...

    def truth(self) -> Truth:
        """The true place of each car on the road."""
        ...

    def frames(self) -> NDArray[np.uint8]:
        """The cameras' pictures now: RGB, shape ``(cars, cameras, rows, width, 3)``."""
        ...

    def frames_at(self, places: Sequence[Start]) -> NDArray[np.uint8]:
        """Whole center pictures of other places: RGB, shape ``(places, height, width, 3)``."""
        ...

    def step(self, steering: ArrayLike, throttle: ArrayLike, seconds: float) -> None:
        """Advance time with the controls held: each in [-1, 1], shape ``(cars,)``."""
        ...

    def put_back(self, car: int) -> None:
        """Put a car back on the road where it left it."""
        ...

    def push(self, car: int, cte_m: float, heading_rad: float) -> None:
        """Displace a car at once: ``cte_m`` to the left, turned ``heading_rad`` to the left."""
        ...

"""The protocol of a simulation, and what is told of a car in one.

A class with these members is evaluated, corrected by ``dagger`` and driven in the cockpit as the
embedded :class:`ghostlap.sim.world.World` is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostlap.base.errors import SimulatorError
from ghostlap.sim.vehicle import Floats


@dataclasses.dataclass(frozen=True)
class Start:
    """Place, pose and speed of a car at its start."""

    s_m: float = 0.0
    """Arc length along the centre line."""
    direction: int = 1
    """Driving direction: 1 the track's own way round, -1 the other."""
    cte_m: float = 0.0
    """Distance to the left of the centre line, seen in the driving direction."""
    heading_error_rad: float = 0.0
    """Angle to the left of the driving direction."""
    speed_mps: float = 0.0
    """Speed straight ahead."""

    def __post_init__(self) -> None:
        if self.direction not in (1, -1):
            raise SimulatorError(
                "The direction of a start must be 1 (the track's own) or -1 (the other way round). "
                f"Got {self.direction!r}."
            )
        for name in ("s_m", "cte_m", "heading_error_rad", "speed_mps"):
            if not math.isfinite(getattr(self, name)):
                raise SimulatorError(
                    f"{name} of a start must be a finite number. Got {getattr(self, name)}."
                )


class Telemetry(NamedTuple):
    """All that a driver is told, as arrays of shape ``(cars,)``."""

    steering: Floats
    """Last command in [-1, 1], positive to the right."""
    throttle: Floats
    """Last command in [-1, 1]."""
    speed_mph: Floats
    """Speed over the ground, never negative."""


class Truth(NamedTuple):
    """Places on the road, which no driver is told, as arrays of shape ``(cars,)``.

    Signs are those of the driving direction.
    """

    s_m: Floats
    """Arc length along the centre line, in the track's own direction."""
    cte_m: Floats
    """Distance of the car's centre to the left of the centre line."""
    heading_error_rad: Floats
    """Angle of the car's nose to the left of the road."""
    margin_m: Floats
    """Distance from the car's centre to the nearer edge of the road; negative off the road."""
    off_road: NDArray[np.bool_]
    """Whether the car's centre has left the road."""
    lap: NDArray[np.int64]
    """Whole laps done."""
    distance_m: Floats
    """Progress along the centre line since the start."""


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

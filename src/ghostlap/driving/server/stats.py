"""What a person may want to know while it drives."""

from __future__ import annotations

import dataclasses
import math
from collections import deque

_REMEMBERED = 2000


@dataclasses.dataclass
class CarNow:
    """One simulator's car, as last heard of."""

    steering: float = 0.0
    """Steering that the car was told, in [-1, 1]."""
    throttle: float = 0.0
    speed_mph: float = math.nan
    extra: dict[str, float] = dataclasses.field(default_factory=dict)
    """What its simulator sent beside the usual: ``lapNumber``, ``cte``, …"""
    by_hand: bool = False
    """Whether a person holds the controls."""
    slowed: bool = False
    """Whether the car is slowed down, because the pilot is unsure."""
    trouble: str = ""
    """What is wrong with it right now."""


class Stats:
    """Counts of all simulators together, and each one's car."""

    def __init__(self) -> None:
        self.answered = 0
        """Telemetries answered."""
        self.dropped = 0
        """Telemetries answered without looking at their frame: the pilot was too slow. One of
        two that come together does not count: the simulator's two chains show the same."""
        self.troubled = 0
        """Telemetries answered without a pilot's word: a broken image, a pilot that failed."""
        self.not_recorded = 0
        self.cars: dict[str, CarNow] = {}
        self._latencies_s: deque[float] = deque(maxlen=_REMEMBERED)

    def add_answer(self, latency_s: float) -> None:
        """Count an answer, that long after its telemetry was received."""
        self.answered += 1
        self._latencies_s.append(latency_s)

    def latency_ms(self, percent: float) -> float:
        """The latency that so many percent of the last answers do not exceed; NaN without any."""
        latencies = sorted(self._latencies_s.copy())
        if not latencies:
            return math.nan
        return latencies[min(len(latencies) - 1, int(len(latencies) * percent / 100))] * 1000

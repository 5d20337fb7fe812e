"""Hardships that a pilot may meet: other light and materials, delays, lost frames, pushes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ghostlap.sim.scene.conditions import Conditions

TICK_S = 0.05
"""Control at 20 Hz: a picture in, a command out."""


@dataclasses.dataclass(frozen=True)
class Stress:
    """One hardship. The default is none."""

    name: str = "none"
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of :class:`Conditions`, and what they are replaced with."""
    picture: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """What is done to each picture, and how much: :mod:`ghostlap.driving.rollout.seen_through`."""
    delay_s: float = 0.0
    """A command takes effect so much later."""
    drop_every: int = 0
    """Every n-th frame never arrives, and the car goes on as it was told before; 0 is none."""
    hard_pushes: bool = False

    @property
    def is_seen(self) -> bool:
        """Whether only pictures are changed, which means nothing to the expert."""
        return bool(self.changes or self.picture)

    def applied(self, conditions: Conditions) -> Conditions:
        return dataclasses.replace(conditions, **self.changes)

    @property
    def delay_ticks(self) -> int:
        return round(self.delay_s / TICK_S)


NO_STRESS = Stress()

STRESS_SUITE: tuple[Stress, ...] = (
    Stress("dark", {"brightness": 0.4}),
    Stress("blue-grey cast", {"tint": (0.82, 0.97, 1.2)}),
    Stress("warm cast", {"tint": (1.2, 1.0, 0.75)}),
    Stress("no lines", {"lines": False}),
    Stress("concrete", {"road": "concrete"}),
    Stress("dirt road", {"road": "dirt"}),
    Stress("low sun", {"sun_elevation_deg": 8.0, "shadow_depth": 0.85}),
    Stress("haze", {"haze": 10.0}),
    Stress("delay 100 ms", delay_s=0.1),
    Stress("delay 200 ms", delay_s=0.2),
    Stress("every 3rd frame lost", drop_every=3),
    Stress("hard pushes", hard_pushes=True),
)

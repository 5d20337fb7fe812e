"""Hardships that a pilot may meet: light, materials, markings, cameras, cars, delays, pushes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ghostlap.data.vision.camera import FULL_LOCK_RAD
from ghostlap.sim.scene.conditions import Conditions
from ghostlap.sim.scene.strokes import BLUE, RED, STONE, TAR, WHITE, YELLOW, Paint, Stroke
from ghostlap.sim.vehicle import Vehicle

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
    vehicle: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Fields of :class:`~ghostlap.sim.vehicle.Vehicle`, and what they are replaced with."""
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

_WIDE_LINE_M = 0.08
"""Half the width of a line."""


def _marked(*strokes: Stroke) -> dict[str, Any]:
    """A road with these strokes, and nothing else that shows where its edges are."""
    return {"lines": True, "strokes": strokes, "shoulder": False}


def _line(place: float, paint: Paint, **how: Any) -> Stroke:
    """A line whose middle is at a share of the half width, on both sides; inside of an edge."""
    inside_m = 0.3 if place == 1 else 0.0
    return Stroke(place, -inside_m - _WIDE_LINE_M, -inside_m + _WIDE_LINE_M, paint, **how)


_DASHED: dict[str, Any] = {"period_m": 9.0, "painted": 0.4}
_MIDDLE: dict[str, Any] = {"one_side": True}

STRESS_SUITE: tuple[Stress, ...] = (
    Stress("dark", {"brightness": 0.4}),
    Stress("blue-grey cast", {"tint": (0.82, 0.97, 1.2)}),
    Stress("warm cast", {"tint": (1.2, 1.0, 0.75)}),
    Stress("no lines", {"lines": False}),
    Stress("concrete", {"road": "concrete"}),
    Stress("dirt road", {"road": "dirt"}),
    Stress("low sun", {"sun_elevation_deg": 8.0, "shadow_depth": 0.85}),
    Stress("haze", {"haze": 10.0}),
    Stress("yellow middle line", _marked(_line(0, YELLOW, **_MIDDLE))),
    Stress(
        "double yellow middle, white edges",
        _marked(Stroke(0, 0.08, 0.22, YELLOW), _line(1, WHITE)),
    ),
    Stress("dashed middle, worn", _marked(_line(0, WHITE, wear=0.5, **_MIDDLE, **_DASHED))),
    Stress("lines at a quarter", _marked(_line(0.5, YELLOW))),
    Stress("one line in the right half", _marked(_line(-0.5, WHITE, one_side=True))),
    Stress("red edges, blue middle", _marked(_line(1, RED), _line(0, BLUE, **_MIDDLE))),
    Stress(
        "stop lines, zebras, arrows",
        _marked(
            *(
                Stroke(0, at, at + 0.5, period_m=70, painted=0.04, one_side=True)
                for at in np.arange(-3.75, 3.5)
            ),
            Stroke(0, -30, 0, period_m=70, painted=0.006, shift_m=10, one_side=True),
            Stroke(0.5, -0.08, 0.08, period_m=70, painted=0.04, shift_m=30),
            Stroke(0.5, -0.4, 0.4, period_m=70, painted=0.025, shift_m=27, taper=1),
        ),
    ),
    Stress(
        "patches, seams, tyre marks",
        _marked(
            Stroke(0, -2.5, 0.5, TAR, 0.6, one_side=True, period_m=40, painted=0.3),
            Stroke(0, 1.2, 1.27, TAR, one_side=True),
            Stroke(0, 0.6, 0.85, TAR, 0.4, period_m=60, painted=0.6, wear=0.3),
        ),
    ),
    Stress(
        "pavement behind a kerb",
        _marked(
            Stroke(1, 0, 0.3, STONE),
            Stroke(1, 0, 0.3, TAR, period_m=2, painted=0.5),
            Stroke(1, 0.3, 2.6, STONE, 0.9),
        ),
    ),
    Stress(
        "walls",
        _marked(
            Stroke(1, 0.4, 1.4, STONE, rise_m=1.0),
            Stroke(1, 0.4, 1.4, YELLOW, period_m=4, painted=0.5),
        ),
    ),
    Stress(
        "barriers with gaps",
        _marked(Stroke(1, 0.4, 1.4, WHITE, period_m=12, painted=0.6, rise_m=0.8)),
    ),
    Stress("parked cars", {"parked_per_km": 60.0}),
    Stress(
        "camera 6 % higher, 1 deg down",
        {"camera_height": 1.06, "camera_pitch_deg": -1.0, "hills": 0.0},
    ),
    Stress("camera with a wider view", {"camera_focal": 0.95, "camera_pitch_deg": 1.0}),
    Stress("steering 10 % quicker", vehicle={"full_lock_rad": 1.1 * FULL_LOCK_RAD}),
    Stress("wheelbase 10 % longer", vehicle={"axle_m": 1.1 * Vehicle().axle_m}),
    Stress("delay 100 ms", delay_s=0.1),
    Stress("delay 200 ms", delay_s=0.2),
    Stress("delay 300 ms", delay_s=0.3),
    Stress("every 2nd frame lost", drop_every=2),
    Stress("every 3rd frame lost", drop_every=3),
    Stress("hard pushes", hard_pushes=True),
)

"""Light, weather and materials: everything about a scene that a seed may change.

A pilot that has only seen one light and one asphalt tells road from verge by their colours. Drawn
conditions vary sun, haze, tint, the materials of road and verge, and the number of trees, all from
one seed. Wide ones go to the limits at which a person would still drive: night, colour casts, roads
of dirt or snow, no lines, a sun at the horizon.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np

from ghostlap.base.errors import SimulatorError
from ghostlap.base.options import Options, Range, Share

if TYPE_CHECKING:  # options name kinds of conditions; a drive needs no road for that
    from ghostlap.sim.track.track import Theme

Material = Literal[
    "asphalt_old", "asphalt_new", "asphalt_jungle", "concrete", "dirt", "gravel", "sand", "snow",
    "dry_grass", "grass",
]  # fmt: skip
MATERIALS: tuple[Material, ...] = get_args(Material)

ROADS: tuple[Material, ...] = ("asphalt_old", "asphalt_new", "asphalt_jungle", "concrete")
VERGES: tuple[Material, ...] = ("dry_grass", "grass", "dirt", "gravel", "sand", "snow")
"""Materials of drawn conditions."""


@dataclasses.dataclass(frozen=True)
class Conditions(Options, error=SimulatorError, called="{name}"):
    """Light, weather and materials of one scene."""

    road: Material = "asphalt_old"
    """Material of the road, bridges excepted."""
    verge: Material = "dry_grass"
    """Material of the ground beside the road."""
    lines: bool = True
    """Whether the road is marked."""
    sun_azimuth_deg: float = 35.0
    """Direction of the sun, counterclockwise from east."""
    sun_elevation_deg: Annotated[float, Range(3, 90)] = 55.0
    """Height of the sun; low suns cast long shadows."""
    shadow_depth: Share = 0.55
    """Share of the light that a shadow takes away, in [0, 1]."""
    brightness: Annotated[float, Range(0.05, 4)] = 1.0
    """Factor on the whole picture."""
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors on red, green and blue."""
    haze: Annotated[float, Range(0, 50)] = 1.0
    """Factor on how fast colours fade with distance; 0 is perfectly clear."""
    tree_density: Annotated[float, Range(0, 4)] = 1.0
    """Factor on the number of trees."""
    texture_seed: Annotated[int, Range(0, 2**31)] = 0
    """Seed of the textures' noise and of the places of trees and boulders."""


ConditionsKind = Literal["fixed", "seed", "wide"]
"""``fixed``: as Udacity's simulator shows a theme; ``seed``: drawn; ``wide``: of a wider range."""

FIXED: dict[Theme, Conditions] = {
    "lake": Conditions(),
    "jungle": Conditions("asphalt_jungle", "grass", sun_elevation_deg=40.0, shadow_depth=0.72),
    "circuit": Conditions(road="asphalt_new", verge="grass"),
}
"""``--conditions fixed``: each theme as Udacity's simulator shows it."""


def conditions_of(kind: ConditionsKind, theme: Theme, seed: int | None) -> Conditions:
    """Conditions of a kind; fixed ones need no seed.

    Of ``seed`` conditions, half keep the theme's own materials. Of ``wide`` ones, any material may
    be the road beside any other; without lines the two always differ.
    """
    own = FIXED[theme]
    if kind == "fixed" or seed is None:
        return own
    wide = kind == "wide"
    draw = np.random.default_rng([seed, 73 if wide else 71])
    road, verge = own.road, own.verge
    if draw.random() < (0.75 if wide else 0.5):
        roads = MATERIALS if wide and draw.random() < 0.5 else ROADS
        road, verge = roads[draw.integers(len(roads))], VERGES[draw.integers(len(VERGES))]
    lines = not wide or bool(draw.random() < 0.75) or road == verge
    red, green, blue = map(float, np.exp(draw.normal(0.0, 0.14 if wide else 0.05, 3)))
    elevations_deg = (25, 80) if wide else (25, 75)
    if wide and draw.random() < 0.3:
        elevations_deg = (5, 25)
    return dataclasses.replace(
        own,
        road=road,
        verge=verge,
        lines=lines,
        sun_azimuth_deg=float(draw.uniform(0, 360)),
        sun_elevation_deg=float(draw.uniform(*elevations_deg)),
        shadow_depth=float(draw.uniform(*((0.3, 0.9) if wide else (0.35, 0.75)))),
        brightness=float(
            np.exp(draw.uniform(np.log(0.3), np.log(1.4)) if wide else draw.normal(0.0, 0.18))
        ),
        tint=(red, green, blue),
        haze=float(draw.choice([0.3, 1.0, 1.0, 2.5, 8.0] if wide else [0.3, 1.0, 1.0, 2.5])),
        tree_density=float(draw.uniform(*((0.2, 1.8) if wide else (0.4, 1.6)))),
        texture_seed=int(draw.integers(2**31)),
    )

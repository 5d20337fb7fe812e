"""Light, weather and materials: everything about a scene that a seed may change.

A pilot that has only seen one light and one kind of asphalt tells road from verge by their colours.
Drawn conditions take that away: sun, haze, tint, the materials of road and verge, and how many
trees there are, all from one seed. Wide ones go on to where a person would still just drive: night,
colour casts, roads of dirt or snow, no lines, a sun at the horizon.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ghostlap.base.errors import SimulatorError

if TYPE_CHECKING:  # options name kinds of conditions; a drive needs no road for that
    from ghostlap.sim.track.track import Theme

Material = Literal[
    "asphalt_old", "asphalt_new", "asphalt_jungle", "concrete", "dirt", "gravel", "sand", "snow",
    "dry_grass", "grass",
]  # fmt: skip
MATERIALS: tuple[Material, ...] = get_args(Material)

ROADS: tuple[Material, ...] = ("asphalt_old", "asphalt_new", "asphalt_jungle", "concrete")
VERGES: tuple[Material, ...] = ("dry_grass", "grass", "dirt", "gravel", "sand", "snow")
"""What drawn conditions choose from."""


@dataclasses.dataclass(frozen=True)
class Conditions:
    """One light, one weather, one set of materials. Everything here is plain data."""

    road: Material = "asphalt_old"
    """Of the road, where the track does not say otherwise."""
    verge: Material = "dry_grass"
    """Of the ground beside it."""
    lines: bool = True
    """Whether the road is marked."""
    sun_azimuth_deg: float = 35.0
    """Where the sun stands, counterclockwise from east."""
    sun_elevation_deg: float = 55.0
    """Height of the sun; low suns cast long shadows."""
    shadow_depth: float = 0.55
    """Share of the light that a shadow takes away, in [0, 1]."""
    brightness: float = 1.0
    """Factor on everything the camera sees."""
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors on red, green and blue."""
    haze: float = 1.0
    """Factor on how fast things fade with distance; 0 is perfectly clear."""
    tree_density: float = 1.0
    """Factor on the number of trees."""
    texture_seed: int = 0
    """Of noise in textures, and of where trees and boulders stand."""

    def __post_init__(self) -> None:
        for name in ("road", "verge"):
            if getattr(self, name) not in MATERIALS:
                raise SimulatorError(
                    f"{name} must be one of {', '.join(MATERIALS)}. Got {getattr(self, name)!r}."
                )
        limits = {
            "sun_elevation_deg": (3, 90), "shadow_depth": (0, 1), "brightness": (0.05, 4),
            "haze": (0, 50), "tree_density": (0, 4), "texture_seed": (0, 2**31),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise SimulatorError(
                    f"{name} must be from {low} to {high}. Got {getattr(self, name)}."
                )


ConditionsKind = Literal["fixed", "seed", "wide"]
"""As Udacity's simulator shows a theme; drawn from a seed; drawn from a wider range."""

FIXED: dict[Theme, Conditions] = {
    "lake": Conditions(),
    "jungle": Conditions(
        road="asphalt_jungle",
        verge="grass",
        sun_elevation_deg=40.0,
        shadow_depth=0.72,
    ),
    "circuit": Conditions(road="asphalt_new", verge="grass"),
}
"""``--conditions fixed``: each theme as Udacity's simulator shows it."""


def conditions_of(kind: ConditionsKind, theme: Theme, seed: int | None) -> Conditions:
    """Conditions of a kind; fixed ones need no seed."""
    if kind == "fixed" or seed is None:
        return FIXED[theme]
    return drawn_conditions(theme, seed) if kind == "seed" else wide_conditions(theme, seed)


def drawn_conditions(theme: Theme, seed: int) -> Conditions:
    """Conditions from a seed: half keep the theme's own materials, half draw them anew."""
    draw = np.random.default_rng([seed, 71])
    own = FIXED[theme]
    road, verge = own.road, own.verge
    if draw.random() < 0.5:
        road, verge = ROADS[draw.integers(len(ROADS))], VERGES[draw.integers(len(VERGES))]
    tint = np.exp(draw.normal(0.0, 0.05, 3))
    return dataclasses.replace(
        own,
        road=road,
        verge=verge,
        sun_azimuth_deg=float(draw.uniform(0, 360)),
        sun_elevation_deg=float(draw.uniform(25, 75)),
        shadow_depth=float(draw.uniform(0.35, 0.75)),
        brightness=float(np.exp(draw.normal(0.0, 0.18))),
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        haze=float(draw.choice([0.3, 1.0, 1.0, 2.5])),
        tree_density=float(draw.uniform(0.4, 1.6)),
        texture_seed=int(draw.integers(2**31)),
    )


def wide_conditions(theme: Theme, seed: int) -> Conditions:
    """Conditions from a seed for training: the limits of what a road can look like.

    Any material may be the road beside any other; without lines the two always differ.
    """
    draw = np.random.default_rng([seed, 73])
    own = FIXED[theme]
    road, verge = own.road, own.verge
    if draw.random() < 0.75:
        road = _of(MATERIALS if draw.random() < 0.5 else ROADS, draw)
        verge = _of(VERGES, draw)
    lines = bool(draw.random() < 0.75) or road == verge
    tint = np.exp(draw.normal(0.0, 0.14, 3))
    low_sun = draw.random() < 0.3
    return dataclasses.replace(
        own,
        road=road,
        verge=verge,
        lines=lines,
        sun_azimuth_deg=float(draw.uniform(0, 360)),
        sun_elevation_deg=float(draw.uniform(5, 25) if low_sun else draw.uniform(25, 80)),
        shadow_depth=float(draw.uniform(0.3, 0.9)),
        brightness=float(np.exp(draw.uniform(np.log(0.3), np.log(1.4)))),
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        haze=float(draw.choice([0.3, 1.0, 1.0, 2.5, 8.0])),
        tree_density=float(draw.uniform(0.2, 1.8)),
        texture_seed=int(draw.integers(2**31)),
    )


def _of(materials: tuple[Material, ...], draw: np.random.Generator) -> Material:
    return materials[draw.integers(len(materials))]

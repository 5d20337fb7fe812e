"""Tracks drawn from a seed, as long, twisty and hilly as asked, and always valid.

Corners are drawn around a middle, swirled so that the line is not just a wobbly ring, and joined by
straights and arcs. A line that comes too near to itself or bends too tightly is drawn again, each
time a little nearer to a circle; a circle is always possible, so every seed has its track.
"""

from __future__ import annotations

import dataclasses
import math
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ghostlap.base.errors import TrackError
from ghostlap.sim.track.corner_path import (
    Corner,
    curvature_along,
    line_through,
    loop_length,
    point_spacing_m,
    straightest_s_m,
)
from ghostlap.sim.track.hills import STEEPEST_GRADE, Hills
from ghostlap.sim.track.track import Edge, Floats, Markings, Surface, Theme, Track
from ghostlap.sim.track.track_checks import check_track

RANDOM_PREFIX = "random:"

STRETCHES_APART_M = 25.0
"""Smallest distance of centre lines: the scenery of one stretch must not stand on another."""

_LENGTHS_M = (300.0, 5000.0)
_WIDTHS_M = (5.0, 16.0)
_RADII_M = (7.0, 40.0)
_MARKINGS: dict[Theme, Markings] = {
    "lake": "double_yellow",
    "jungle": "two_lanes",
    "circuit": "white_edges",
}
_OPTIONS = {
    "length": "length_m", "twist": "twist", "hills": "hills", "width": "width_m",
    "radius": "radius_m",
}  # fmt: skip
"""Options in a random track's name, and their fields."""
_EASED = 0.97
"""Share of a try's irregularity that the next one keeps."""
_MOST_TRIES = 400
_TIGHTEST_M = 13.0
"""Radius of the tightest bend of the twistiest track."""


@dataclasses.dataclass(frozen=True)
class RandomTrack:
    """Properties of a random track; those not given are drawn from the seed, too."""

    seed: int
    """Seed of everything drawn."""
    length_m: float | None = None
    """Length of a lap; drawn from 700 to 1500 m."""
    twist: float | None = None
    """Tightness of bends: from 0, radii of 40 m and more, to 1, hairpins of 14 m."""
    hills: float | None = None
    """Steepness: from 0, flat, to 1, grades of up to 14 %."""
    width_m: float | None = None
    """Width of the road; drawn from 7.2 to 10 m."""
    radius_m: float | None = None
    """Radius of the tightest bend, which is a hairpin; without it there need be none."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise TrackError(
                f"The seed of a random track must be a whole number from 0. Got {self.seed}."
            )
        limits = {
            "length_m": _LENGTHS_M, "twist": (0.0, 1.0), "hills": (0.0, 1.0), "width_m": _WIDTHS_M,
            "radius_m": _RADII_M,
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise TrackError(
                    f"{name.removesuffix('_m')} of a random track must be from {low:g} to "
                    f"{high:g}. Got {value:g}."
                )

    @property
    def name(self) -> str:
        """The name from which :func:`random_track_from_name` reads the same track."""
        given = {name: getattr(self, field) for name, field in _OPTIONS.items()}
        options = [
            f",{name}={float(value)!r}".removesuffix(".0")
            for name, value in given.items()
            if value is not None
        ]
        return f"{RANDOM_PREFIX}{self.seed}{''.join(options)}"


def random_track_from_name(name: str) -> RandomTrack:
    """Read a name such as ``random:7`` or ``random:7,length=1200,twist=0.5,hills=0.3``.

    Raises:
        TrackError: the name has another form, or a value is out of range.
    """
    form = (
        f"Write {RANDOM_PREFIX}SEED[,length=METRES][,twist=0..1][,hills=0..1][,width=METRES]"
        "[,radius=METRES]."
    )
    seed, *options = name.removeprefix(RANDOM_PREFIX).split(",")
    if not (seed.isascii() and seed.isdigit() and len(seed) <= 18):
        raise TrackError(f"{name}: the seed must be a whole number from 0. Got {seed!r}. {form}")
    values: dict[str, float] = {}
    for option in options:
        key, _, text = option.partition("=")
        if key not in _OPTIONS:
            raise TrackError(f"{name}: there is no option {key!r}. {form}")
        if _OPTIONS[key] in values:
            raise TrackError(f"{name}: {key} is given twice. {form}")
        try:
            values[_OPTIONS[key]] = float(text)
        except ValueError:
            raise TrackError(f"{name}: {key} must be a number. Got {text!r}. {form}") from None
    return RandomTrack(int(seed), **values)


def random_track(config: RandomTrack) -> Track:
    """Draw the one track of a configuration."""
    draw = np.random.default_rng([config.seed, 17])
    theme = get_args(Theme)[draw.integers(len(get_args(Theme)))]
    # Everything is drawn, wanted or not, so that giving one value does not change the others.
    drawn = draw.uniform(700, 1500), draw.uniform(0.1, 0.9), draw.uniform(0, 1) ** 1.5
    length_m, twist, hills = (
        own if given is None else given
        for given, own in zip((config.length_m, config.twist, config.hills), drawn, strict=True)
    )
    drawn_half_width_m = draw.uniform(3.6, 5.0)
    half_width_m = drawn_half_width_m if config.width_m is None else config.width_m / 2
    line = _centre_line(config.seed, length_m, twist, config.radius_m)
    land = _land(draw, line, hills)
    count = len(line)
    edge_left, edge_right = (np.full(count, Edge.LINED, np.uint8) for _ in range(2))
    if theme == "jungle":
        edge_left, edge_right = land.edges(line)
    elif theme == "lake":
        edge_left, edge_right = _dirt_in_one_bend(draw, line)
    track = Track(
        name=config.name,
        theme=theme,
        markings=_MARKINGS[theme],
        points_m=line,
        half_left_m=np.full(count, half_width_m),
        half_right_m=np.full(count, half_width_m),
        elevation_m=land.road_heights(line),
        surface=np.full(count, Surface.ROAD, np.uint8),
        edge_left=edge_left,
        edge_right=edge_right,
        start_s_m=straightest_s_m(line),
    )
    check_track(track)
    return track


def _centre_line(seed: int, length_m: float, twist: float, radius_m: float | None) -> Floats:
    """A valid centre line as evenly spaced points, shape ``(n, 2)``."""
    tightest_m = 40.0 + twist * (_TIGHTEST_M - 40.0)
    tightest_m = min(tightest_m, 0.5 * length_m / (2 * math.pi))
    most_m, apart_m = (radius_m or tightest_m), STRETCHES_APART_M
    if radius_m is not None:
        apart_m = min(apart_m, 2 * radius_m)
    for attempt in range(_MOST_TRIES):
        draw = np.random.default_rng([seed, 29, attempt])
        line = _drawn_line(draw, length_m, twist, _EASED**attempt, tightest_m, radius_m)
        if np.abs(curvature_along(line)).max() < 1 / most_m and _apart(line, apart_m):
            return line
    raise AssertionError(f"seed {seed}: not even a circle was possible")


def _drawn_line(
    draw: np.random.Generator, length_m: float, twist: float, irregular: float, tightest_m: float,
    radius_m: float | None,
) -> Floats:  # fmt: skip
    """One try at a centre line: a ring of corners, pushed in and out, swirled and stretched."""
    count = max(5, round(length_m / (170.0 - 100.0 * twist)))
    steps = 1.0 + 0.5 * irregular * draw.uniform(-1, 1, count)
    angle = 2 * np.pi * np.cumsum(steps) / steps.sum()
    waves = np.arange(2, 5)
    amplitude = draw.uniform(0.0, 0.35, len(waves)) * irregular * (0.4 + 0.6 * twist)
    phase = draw.uniform(0, 2 * np.pi, len(waves))
    away = 1.0 + (amplitude * np.cos(waves * angle[:, None] + phase)).sum(1)
    away += 2.2 * irregular * (0.25 + twist) / np.sqrt(count) * draw.uniform(-1, 1, count)
    away = np.maximum(away, 0.15)
    # Turning places by an angle that depends on how far out they are folds nothing over.
    angle = angle + irregular * draw.uniform(-1.2, 1.2) * away
    stretch = 1.0 + irregular * draw.uniform(0.0, 0.6)
    places = np.stack([stretch * away * np.cos(angle), away * np.sin(angle)], 1)
    radii = tightest_m * (1.15 + draw.exponential(0.8, count))
    turn, way_round = draw.uniform(0, 2 * np.pi), draw.choice([1, -1])
    cos, sin = np.cos(turn), np.sin(turn)
    places = (places @ np.array([[cos, sin], [-sin, cos]]))[::way_round]
    places *= length_m / loop_length(places)
    if radius_m is not None:
        places, radii = _with_hairpins(draw, 0.7 * places, radii, irregular, radius_m)
    for _ in range(3):  # rounding corners makes the line shorter than the polygon
        corners = [Corner(x, y, radius) for (x, y), radius in zip(places, radii, strict=True)]
        places = places * (length_m / loop_length(line_through(corners)))
    return line_through(corners, length_m)


def _with_hairpins(
    draw: np.random.Generator, places: Floats, radii: Floats, irregular: float, radius_m: float
) -> tuple[Floats, Floats]:
    """Corners with those of hairpins between them, each a detour to one side of a straight."""
    corners = []
    onward = np.roll(places, -1, axis=0) - places
    for place, radius, way in zip(places, radii, onward, strict=True):
        corners.append((*place, radius))
        long_m = float(np.hypot(*way))
        depth_m, base_m = radius_m + draw.uniform(20, 60), radius_m * draw.uniform(2.5, 5)
        side, is_drawn = draw.choice([-1, 1]), draw.random() < 0.8 * irregular
        if is_drawn and long_m > base_m + 4 * radius_m:
            ahead, middle = way / long_m, place + way / 2
            left = np.array([-ahead[1], ahead[0]])
            tip = middle + side * depth_m * left + draw.uniform(-0.3, 0.3) * base_m * ahead
            wide_m, tip_m = radius_m * draw.uniform(1.3, 2.5), radius_m * draw.uniform(1.15, 1.5)
            corners += [
                (*(middle - base_m / 2 * ahead), wide_m),
                (*tip, tip_m),
                (*(middle + base_m / 2 * ahead), wide_m),
            ]
    every = np.array(corners)
    return every[:, :2], every[:, 2]


def _apart(line: Floats, apart_m: float) -> bool:
    """Whether stretches that are not neighbours along the line keep away from each other.

    Neighbours are no further apart along the line than half a circle of the smallest distance is.
    """
    spacing_m = point_spacing_m(line)
    first, second = cKDTree(line).query_pairs(apart_m, output_type="ndarray").T
    between = np.abs(first - second)
    between = np.minimum(between, len(line) - between)
    return bool((between * spacing_m <= math.pi / 2 * apart_m + spacing_m).all())


def _land(draw: np.random.Generator, line: Floats, hills: float) -> Hills:
    """Hills and hollows under a line, with the steepest grade asked for, or that crests allow."""
    low, high = line.min(0), line.max(0)
    count = max(4, round(np.prod(high - low) / 150.0**2) + 3)
    places = draw.uniform(low, high, (count, 2))
    reach_m, height_m = draw.uniform(45, 110, count), draw.uniform(-12, 15, count)
    land = Hills(np.column_stack([places, reach_m, height_m]))
    scale = hills * STEEPEST_GRADE / max(land.steepest_grade(line), 1e-6)
    return Hills(land.tops * (1, 1, 1, scale))


def _dirt_in_one_bend(
    draw: np.random.Generator, line: Floats
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """:class:`Edge` codes of both sides, with 45 m of dirt at the outer edge of one sharp bend."""
    curvature = curvature_along(line)
    bends = np.flatnonzero(np.abs(curvature) > 0.5 * np.abs(curvature).max())
    middle = bends[draw.integers(len(bends))]
    away = np.abs(np.arange(len(line)) - middle)
    away_m = np.minimum(away, len(line) - away) * loop_length(line) / len(line)
    lined = np.full(len(line), Edge.LINED, np.uint8)
    outer = np.where(away_m < 22.5, Edge.DIRT, Edge.LINED).astype(np.uint8)
    return (lined, outer) if curvature[middle] > 0 else (outer, lined)

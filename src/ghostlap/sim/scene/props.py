"""Props: trees, boulders, posts, signs, pylons and parked cars, and the shadows they cast."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.sim.scene.conditions import Conditions
from ghostlap.sim.scene.ground import sun_direction
from ghostlap.sim.scene.noise import Grid
from ghostlap.sim.scene.sprites import Sprite
from ghostlap.sim.scene.terrain import Beside, Terrain, beside_road
from ghostlap.sim.track.track import Edge, Track

MOST_PROPS = 6000
"""Largest number of props in a scene, whatever its size and density of trees."""
_PALMS = (Sprite.PALM_LEFT, Sprite.PALM_RIGHT)
_CARS = (Sprite.WHITE_CAR, Sprite.RED_CAR, Sprite.BLUE_CAR, Sprite.BLACK_CAR)
_PINES = (Sprite.PINE_SLIM, Sprite.PINE_TALL, Sprite.PINE_WIDE, Sprite.PINE_AUTUMN)


class Kind(NamedTuple):
    """One kind of prop that grows, and where."""

    sprites: tuple[Sprite, ...]
    per_hectare: float
    """Density on land near the road."""
    far_share: float
    """Density on far land, as a share of that near the road."""
    beyond_m: tuple[float, float]
    """Distances from the road's edge to the nearest prop and to the end of near land."""
    height_m: tuple[float, float]
    slenderness: tuple[float, float]
    """Width over height."""


_GROWING = {
    "lake": (
        Kind(_PINES, 60, 0.45, (6.0, 60.0), (7.0, 15.0), (0.40, 0.60)),
        Kind((Sprite.BUSH,), 60, 0.10, (3.2, 22.0), (1.0, 2.4), (1.2, 2.2)),
        Kind((Sprite.BOULDER,), 4, 0.25, (7.0, 40.0), (1.5, 4.5), (1.6, 2.6)),
    ),
    "jungle": (
        Kind(_PALMS, 30, 0.35, (2.2, 45.0), (5.5, 9.5), (0.6, 0.85)),
        Kind((Sprite.BUSH,), 70, 0.5, (2.0, 40.0), (0.8, 2.6), (1.0, 2.0)),
        Kind((Sprite.JUNGLE_TREE,), 22, 1.0, (14.0, 80.0), (8.0, 15.0), (0.4, 0.6)),
        Kind((Sprite.BOULDER,), 5, 0.3, (2.2, 25.0), (0.8, 3.0), (1.2, 2.2)),
    ),
    "circuit": (
        Kind(_PINES, 6, 1.0, (14.0, 90.0), (8.0, 17.0), (0.42, 0.62)),
        Kind((Sprite.BUSH,), 4, 0.3, (12.0, 50.0), (1.0, 2.2), (1.2, 2.0)),
    ),
}


def props_of(
    track: Track, terrain: Terrain, conditions: Conditions
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The props of a scene and the wires between its pylons, drawn from the seed.

    Returns:
        Props, shape ``(props, 6)``: x, y, height of the foot, width, height, all in metres; sprite.
        Wires, shape ``(wires, 7)``: x, y, z of both ends and the sag between them, in metres.
    """
    draw = np.random.default_rng([conditions.texture_seed, 37])
    beside = beside_road(track, terrain.distance_m, terrain.arc_m)
    standing = [_parked(track, terrain, beside, conditions)]
    standing += [
        _grown(draw, terrain, beside, kind, conditions.tree_density)
        for kind in _GROWING[track.theme]
    ]
    standing.append(_posts(track, terrain))
    wires = np.empty((0, 7), np.float32)
    if track.theme == "lake":
        pylons = _pylons(track, terrain, beside)
        standing += [pylons, _signs(draw, track, terrain, beside)]
        wires = _wires(pylons)
    return np.concatenate(standing)[:MOST_PROPS].astype(np.float32), wires


def _grown(
    draw: np.random.Generator, terrain: Terrain, beside: Beside, kind: Kind, density: float
) -> NDArray[np.float64]:
    """Props of one kind, at drawn dry places beside the road."""
    rows, columns = terrain.shape
    hectares = rows * columns * terrain.cell_m**2 / 10_000
    count = min(MOST_PROPS * 4, round(kind.per_hectare * density * hectares))
    row, column = draw.integers(0, rows, count), draw.integers(0, columns, count)
    beyond_m = beside.beyond_m[row, column]
    nearest_m, near_land_m = kind.beyond_m
    likely = np.where(beyond_m < near_land_m, 1.0, kind.far_share)
    keep = (draw.random(count) < likely) & (beyond_m > nearest_m)
    keep &= terrain.water_m[row, column] <= 0
    row, column = row[keep], column[keep]
    height_m = draw.uniform(*kind.height_m, len(row))
    width_m = height_m * draw.uniform(*kind.slenderness, len(row))
    sprite = draw.choice([int(sprite) for sprite in kind.sprites], len(row))
    x_m, y_m = terrain.x0_m + column * terrain.cell_m, terrain.y0_m + row * terrain.cell_m
    foot_m = terrain.height_m[row, column] - 0.03 * height_m
    return np.stack([x_m, y_m, foot_m, width_m, height_m, sprite], -1)


def _upright(
    terrain: Terrain, places: NDArray[np.float64], width_m: float, height_m: float, sprite: Sprite
) -> NDArray[np.float64]:
    """Props of one size at given places ``(n, 2)``."""
    rows = [
        (x_m, y_m, terrain.height_m[terrain.cell_of(x_m, y_m)], width_m, height_m, sprite)
        for x_m, y_m in places
    ]
    return np.array(rows, float).reshape(-1, 6)


def _parked(
    track: Track, terrain: Terrain, beside: Beside, conditions: Conditions
) -> NDArray[np.float64]:
    """Cars and vans at drawn dry places along the road, 0.3 m or more from its edge."""
    draw = np.random.default_rng([conditions.texture_seed, 41])
    cars = []
    for s_m in draw.uniform(
        0, track.length_m, round(conditions.parked_per_km * track.length_m / 1e3)
    ):
        half_left, half_right = map(float, track.half_widths(s_m))
        width_m, tall = draw.uniform(1.7, 2.1), draw.uniform(0.75, 1.25)
        aside_m = width_m / 2 + draw.uniform(0.3, 2.0)
        cte_m = half_left + aside_m if draw.random() < 0.5 else -half_right - aside_m
        place, sprite = track.position(s_m, cte_m), draw.choice(_CARS)
        cell = terrain.cell_of(*place)
        if beside.beyond_m[cell] > width_m / 2 and terrain.water_m[cell] <= 0:
            cars.append(_upright(terrain, place[None], width_m, width_m * tall, sprite))
    return np.concatenate([np.empty((0, 6)), *cars])


def _posts(track: Track, terrain: Terrain) -> NDArray[np.float64]:
    """Guard posts along drops, every eight metres."""
    s_m = np.arange(0.0, track.length_m, 8.0)
    _, edge_left, edge_right = track.codes(s_m)
    half_left, half_right = track.half_widths(s_m)
    left = track.position(s_m, half_left + 0.9)[edge_left == Edge.DROP]
    right = track.position(s_m, -half_right - 0.9)[edge_right == Edge.DROP]
    return _upright(terrain, np.concatenate([left, right]), 0.75, 2.1, Sprite.POST)


def _pylons(track: Track, terrain: Terrain, beside: Beside) -> NDArray[np.float64]:
    """A line of pylons across the land, where it is far enough from the road."""
    middle = track.stations_m.mean(0)
    span_m = float(np.ptp(track.stations_m, axis=0).max()) * 0.62
    along = np.linspace(-span_m, span_m, 10)[:, None] * (0.83, 0.55) + middle + (20.0, -35.0)
    clear = [
        bool(beside.beyond_m[cell] > 9.0) and bool(terrain.water_m[cell] <= 0)
        for cell in (terrain.cell_of(x_m, y_m) for x_m, y_m in along)
    ]
    return _upright(terrain, along[np.array(clear)], 8.5, 21.0, Sprite.PYLON)


def _wires(pylons: NDArray[np.float64]) -> NDArray[np.float32]:
    """Four wires from each pylon to the next."""
    wires = []
    for here, there in itertools.pairwise(pylons):
        along = there[:2] - here[:2]
        aside = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1.0)
        for arm_m, up in ((3.3, 0.80), (-3.3, 0.80), (2.0, 0.92), (-2.0, 0.92)):
            ends = [
                (*(pylon[:2] + aside * arm_m), pylon[2] + pylon[4] * up) for pylon in (here, there)
            ]
            wires.append((*ends[0], *ends[1], 0.035 * float(np.hypot(*along))))
    return np.array(wires, np.float32).reshape(-1, 7)


def _signs(
    draw: np.random.Generator, track: Track, terrain: Terrain, beside: Beside
) -> NDArray[np.float64]:
    """A few signs in rows, outside of bends."""
    places = []
    for s_m in draw.uniform(0, track.length_m, 5):
        half_left, half_right = track.half_widths(s_m)
        side = -1 if track.curvature(s_m) > 0 else 1
        half_m = float(half_left if side > 0 else half_right)
        places += [track.position(s_m + ahead, side * (half_m + 4.5)) for ahead in (0.0, 9.0, 18.0)]
    dry = [place for place in places if terrain.water_m[terrain.cell_of(*place)] <= 0]
    return _upright(terrain, np.array(dry).reshape(-1, 2), 1.3, 2.6, Sprite.SIGN)


def cast_shadows(terrain: Terrain, props: NDArray[np.float32], conditions: Conditions) -> Grid:
    """Share of the sun that props hide at each cell, 0 to 1, of the terrain's shape."""
    east, north, up = sun_direction(conditions)
    away = np.array([-east, -north]) / max(up, 0.12)
    mask = np.zeros(terrain.shape, np.uint8)
    for x_m, y_m, _, width_m, height_m, sprite in props:
        foot = np.array([x_m - terrain.x0_m, y_m - terrain.y0_m]) / terrain.cell_m
        tip = foot + away * height_m / terrain.cell_m
        if sprite in _PALMS:
            _palm_shadow(mask, foot, tip, width_m / terrain.cell_m)
        elif sprite in (Sprite.POST, Sprite.SIGN, Sprite.PYLON):
            _line(mask, foot, tip, 1)
            across = np.array([away[1], -away[0]]) / max(float(np.hypot(*away)), 1e-6)
            board = across * width_m * 0.5 / terrain.cell_m
            _line(mask, tip - board, tip + board, 1)
        else:
            _tree_shadow(mask, foot, tip, width_m / terrain.cell_m, sprite)
    soft = cv2.GaussianBlur(mask, (3, 3), 0)
    return np.asarray(soft, np.float32) / np.float32(255)


_FRACTION_BITS = 4


def _fixed(point: NDArray[np.float64]) -> tuple[int, int]:
    """A point in sixteenths of a cell, as OpenCV takes it."""
    return round(float(point[0]) * 16), round(float(point[1]) * 16)


def _line(
    mask: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], width: int
) -> None:
    cv2.line(mask, _fixed(start), _fixed(end), 255, width, cv2.LINE_AA, _FRACTION_BITS)


def _tree_shadow(
    mask: NDArray[np.uint8],
    foot: NDArray[np.float64],
    tip: NDArray[np.float64],
    width: float,
    sprite: float,
) -> None:
    """A trunk and discs of foliage along the way to the tip; a bush or boulder is all foliage."""
    low = sprite in (Sprite.BUSH, Sprite.BOULDER, *_CARS)
    if not low:
        _line(mask, foot, foot + (tip - foot) * 0.5, 1)
    for share in (0.1, 0.35, 0.6, 0.85) if low else (0.45, 0.6, 0.75, 0.9):
        radius = width * (0.42 - 0.22 * abs(share - 0.6))
        size = (max(1, round(radius * 16)), max(1, round(radius * 14)))
        at = _fixed(foot + (tip - foot) * share)
        cv2.ellipse(mask, at, size, 0, 0, 360, 255, -1, cv2.LINE_AA, _FRACTION_BITS)


def _palm_shadow(
    mask: NDArray[np.uint8], foot: NDArray[np.float64], tip: NDArray[np.float64], width: float
) -> None:
    crown = foot + (tip - foot) * 0.8
    _line(mask, foot, crown, 1)
    for angle in np.arange(9) * (math.tau / 9):
        frond = np.array([math.cos(angle), math.sin(angle)]) * width * 0.5
        _line(mask, crown, crown + frond, 2)

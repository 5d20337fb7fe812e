"""The terrain around a track: a height map, and the road's own coordinates on the same grid.

All of it depends on the track alone and is made once a track. Row ``i`` of a grid lies at
``y0_m + i * cell_m``, column ``j`` at ``x0_m + j * cell_m``.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ghostlap.sim.scene.noise import Grid, around, field, ramp
from ghostlap.sim.scene.strokes import Stroke
from ghostlap.sim.track.track import Edge, Surface, Track

LARGEST_GRID_CELLS = 2_600_000
"""Largest grid: larger worlds get larger cells, which bounds memory and time."""
SMALLEST_CELL_M = 0.5
_MARGIN_M = 75.0
_EXACT_M = 30.0
"""Distance from the road up to which its coordinates are exact; beyond they are rough."""
WATER_LEVEL_M = -1.2
"""Level of the water at a bridge, relative to the road."""

_WALL_HEIGHT_M = 0.85
_WALL_TO_M = 1.7
"""Distance from the road's edge to the outer side of a bridge's wall."""


class Relief(NamedTuple):
    """Heights of a theme's land."""

    hills_m: float
    cliff_m: float
    rim_m: float
    """Rise of the land at the edge of the world."""


_RELIEFS = {
    "lake": Relief(hills_m=5.0, cliff_m=11.0, rim_m=16.0),
    "jungle": Relief(hills_m=7.0, cliff_m=16.0, rim_m=34.0),
    "circuit": Relief(hills_m=2.5, cliff_m=0.0, rim_m=7.0),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Terrain:
    """Height map and road coordinates, as ``float32`` grids of one shape ``(rows, columns)``."""

    cell_m: float
    x0_m: float
    y0_m: float
    height_m: Grid
    distance_m: Grid
    """Distance from the centre line, positive to the left of the track's direction."""
    arc_m: Grid
    """Arc length of the nearest place on the centre line."""
    water_m: Grid
    """Depth of water; 0 on dry land."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.height_m.shape
        return rows, columns

    def cell_of(self, x_m: float, y_m: float) -> tuple[int, int]:
        """Row and column of the cell nearest to a place."""
        rows, columns = self.height_m.shape
        row = round((y_m - self.y0_m) / self.cell_m)
        column = round((x_m - self.x0_m) / self.cell_m)
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)


class Beside(NamedTuple):
    """Cells' places beside the road, as grids of one shape."""

    station: NDArray[np.int32]
    """Index of the nearest of the track's stations."""
    on_left: NDArray[np.bool_]
    beyond_m: Grid
    """Distance beyond the edge of the road; negative on it."""
    edge: NDArray[np.uint8]
    """:class:`~ghostlap.sim.track.track.Edge` code of that side."""


def beside_road(track: Track, distance_m: Grid, arc_m: Grid) -> Beside:
    """Cells' places beside the road, from their road coordinates."""
    stations_s_m = track.stations_s_m
    station = (arc_m * (len(stations_s_m) / track.length_m)).astype(np.int32)
    station = np.minimum(station, len(stations_s_m) - 1)
    half_left, half_right = (half.astype(np.float32) for half in track.half_widths(stations_s_m))
    _, edge_left, edge_right = track.codes(stations_s_m)
    on_left = distance_m > 0
    beyond_m = np.abs(distance_m) - np.where(on_left, half_left[station], half_right[station])
    edge = np.where(on_left, edge_left[station], edge_right[station])
    return Beside(station, on_left, beyond_m, edge)


@lru_cache(maxsize=2)
def terrain_of(track: Track) -> Terrain:
    """The terrain around a track; always the same for the same track."""
    draw = np.random.default_rng(zlib.crc32(track.name.encode()))
    low = track.stations_m.min(0) - _MARGIN_M
    extent_m = track.stations_m.max(0) + _MARGIN_M - low
    cell_m = max(SMALLEST_CELL_M, math.sqrt(float(extent_m.prod()) / LARGEST_GRID_CELLS))
    shape = (int(extent_m[1] / cell_m) + 1, int(extent_m[0] / cell_m) + 1)
    distance_m, arc_m = _road_coordinates(track, low, cell_m, shape)
    base_m = _rough_height(track, low, cell_m, shape)
    height_m, water_m = _heights(track, draw, cell_m, distance_m, arc_m, base_m)
    return Terrain(cell_m, float(low[0]), float(low[1]), height_m, distance_m, arc_m, water_m)


def raised(terrain: Terrain, track: Track, strokes: Iterable[Stroke]) -> Terrain:
    """The terrain with what stands beside the road: strokes with a ``rise_m``.

    As paint does, they leave out bridges and edges of dirt.
    """
    standing = [stroke for stroke in strokes if stroke.rise_m and stroke.is_beside]
    if not standing:
        return terrain
    station, on_left, beyond_m, edge = beside_road(track, terrain.distance_m, terrain.arc_m)
    bridge = track.codes(track.stations_s_m)[0][station] == Surface.BRIDGE
    rise_m = np.zeros(terrain.shape, np.float32)
    for stroke in standing:
        within_m = np.minimum(beyond_m - stroke.from_m, stroke.to_m - beyond_m)
        share = np.clip(within_m / terrain.cell_m, 0, 1)  # a slope of a cell, or its top is ragged
        if stroke.one_side:
            share *= on_left
        if stroke.period_m:
            share *= (terrain.arc_m + stroke.shift_m) / stroke.period_m % 1 < stroke.painted
        rise_m = np.maximum(rise_m, share * stroke.rise_m)
    rise_m[bridge | (edge == Edge.DIRT)] = 0
    return dataclasses.replace(terrain, height_m=terrain.height_m + rise_m)


def _road_coordinates(
    track: Track, low: np.ndarray, cell_m: float, shape: tuple[int, int]
) -> tuple[Grid, Grid]:
    """Signed distance from the centre line and arc length along it at each cell."""
    coarse = max(1, round(8.0 / cell_m))
    rows, columns = np.arange(0, shape[0] + coarse, coarse), np.arange(0, shape[1] + coarse, coarse)
    places = np.stack(np.meshgrid(columns, rows), -1) * cell_m + low
    tree = cKDTree(track.stations_m)
    away_m, nearest = tree.query(places.reshape(-1, 2), workers=-1)
    side = _signed(track, places.reshape(-1, 2), nearest)[0]
    far = np.copysign(away_m, side).reshape(len(rows), len(columns))
    size = (len(columns) * coarse, len(rows) * coarse)
    distance_m, arc_m = (
        cv2.resize(grid.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)[
            : shape[0], : shape[1]
        ].copy()
        for grid in (far, track.stations_s_m[nearest].reshape(far.shape))
    )
    near = np.nonzero(np.abs(distance_m) < _EXACT_M + coarse * cell_m * 1.5)
    places = np.stack([near[1], near[0]], -1) * cell_m + low
    _, nearest = tree.query(places, workers=-1)
    distance_m[near], arc_m[near] = _signed(track, places, nearest)
    return distance_m, arc_m


def _signed(track: Track, places: np.ndarray, station: np.ndarray) -> tuple[Grid, Grid]:
    """Signed distances and arc lengths of places, by the tangents of their nearest stations."""
    heading = track.heading(track.stations_s_m)[station]
    offset = places - track.stations_m[station]
    along = offset[:, 0] * np.cos(heading) + offset[:, 1] * np.sin(heading)
    left = offset[:, 1] * np.cos(heading) - offset[:, 0] * np.sin(heading)
    bend = 1 - np.clip(track.curvature(track.stations_s_m)[station] * left, -4.0, 0.8)
    arc = track.stations_s_m[station] + np.clip(along / bend, -1.0, 1.0)
    return left.astype(np.float32), (arc % track.length_m).astype(np.float32)


def _rough_height(track: Track, low: np.ndarray, cell_m: float, shape: tuple[int, int]) -> Grid:
    """The road's height, interpolated over the land by inverse distance weights."""
    s_m = np.arange(0.0, track.length_m, max(8.0, track.length_m / 400))
    road, height_m = track.position(s_m), track.elevation(s_m)
    if np.ptp(height_m) < 0.01:
        return np.full(shape, height_m[0], np.float32)
    coarse_m = max(10.0, float(max(shape)) * cell_m / 80)
    rows, columns = (np.arange(0, n * cell_m + coarse_m, coarse_m) for n in shape)
    x_m, y_m = np.meshgrid(columns + low[0], rows + low[1])
    apart2 = (x_m[..., None] - road[:, 0]) ** 2 + (y_m[..., None] - road[:, 1]) ** 2
    weight = 1 / (apart2 + 40.0) ** 2
    coarse = ((weight * height_m).sum(-1) / weight.sum(-1)).astype(np.float32)
    size = (round(len(columns) * coarse_m / cell_m), round(len(rows) * coarse_m / cell_m))
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)[: shape[0], : shape[1]]


def _heights(
    track: Track, draw: np.random.Generator, cell_m: float, distance: Grid, arc: Grid, base: Grid
) -> tuple[Grid, Grid]:
    land = _RELIEFS[track.theme]
    shape = distance.shape
    station, on_left, beyond, edge = beside_road(track, distance, arc)
    surface = track.codes(track.stations_s_m)[0]
    road = track.elevation(track.stations_s_m).astype(np.float32)[station]

    hills = field(draw, shape, 60 / cell_m) * land.hills_m * 0.8
    hills += field(draw, shape, 22 / cell_m) * land.hills_m * 0.25 + land.hills_m * 0.5
    rise = _rise_beside_road(track, draw, land)
    cliffs = np.where(on_left, rise[0][station], rise[1][station])
    cliffs *= ramp(4.5, 17.0, beyond) * ramp(80.0, 35.0, beyond)
    rough = field(draw, shape, 5 / cell_m)
    rise_m = land.cliff_m * (0.75 + 0.25 * field(draw, shape, 14 / cell_m)) + rough
    walls = np.where(edge == Edge.CLIFF, rise_m * ramp(1.6, 6.5, beyond + 0.35 * rough), 0)
    drops = np.where(edge == Edge.DROP, -8.0 * ramp(1.8, 11.0, beyond), 0)
    sideways = (walls + drops) * ramp(60.0, 22.0, beyond)

    rim = np.minimum.outer(_from_border(shape[0], cell_m), _from_border(shape[1], cell_m))
    away = ramp(3.0, 32.0, beyond)
    height = road + (base - road) * ramp(4.0, 25.0, beyond) + hills * away + cliffs + sideways
    height += ramp(60.0, 0.0, rim) * land.rim_m * ramp(10.0, 50.0, beyond)
    water = _water(track, surface, distance, base, beyond, cell_m)
    shore = road * ramp(9.0, 4.0, beyond) + base * ramp(4.0, 9.0, beyond)
    height += (np.minimum(height, shore - 3.5) - height) * water
    bridge = (surface[station] == Surface.BRIDGE) & (beyond < 30.0)
    wall = bridge & (beyond > -0.5) & (beyond < _WALL_TO_M)
    height[bridge & (beyond >= _WALL_TO_M)] -= 4.0
    height[wall] = road[wall] + _WALL_HEIGHT_M * ramp(0.25, 0.8, beyond[wall])
    surface_m = np.where(water > 0.02, base + WATER_LEVEL_M, -1e9).astype(np.float32)
    depth = np.where(beyond < _WALL_TO_M, 0, np.maximum(surface_m - height, 0)).astype(np.float32)
    return (height + depth).astype(np.float32), depth


def _rise_beside_road(track: Track, draw: np.random.Generator, land: Relief) -> list[Grid]:
    """Heights of cliffs that come and go along the left and the right of the road."""
    if track.theme != "lake":
        return [np.zeros(len(track.stations_s_m), np.float32)] * 2
    count, bumps = len(track.stations_s_m), track.length_m / 110
    return [np.clip(around(draw, count, bumps) - 0.25, 0, 1.3) * land.cliff_m for _ in range(2)]


def _from_border(count: int, cell_m: float) -> Grid:
    index = np.arange(count, dtype=np.float32)
    return np.asarray(np.minimum(index, index[::-1]) * cell_m, np.float32)


def _water(
    track: Track, surface: np.ndarray, distance: Grid, base: Grid, beyond: Grid, cell_m: float
) -> Grid:
    """Share of water at each cell, 0 to 1: under the bridge and in the widest place in the lap."""
    shape = distance.shape
    if track.theme != "lake":
        return np.zeros(shape, np.float32)
    low = track.stations_m.min(0) - _MARGIN_M
    x_m, y_m = np.meshgrid(np.arange(shape[1]) * cell_m, np.arange(shape[0]) * cell_m)
    water = np.zeros(shape, np.float32)
    bridge = np.nonzero(surface == Surface.BRIDGE)[0]
    if len(bridge):
        middle_x, middle_y = track.stations_m[bridge].mean(0) - low
        span_m = max(20.0, len(bridge) * 0.5)
        water = ramp(1.15, 0.8, np.hypot(x_m - middle_x, y_m - middle_y) / (span_m * 0.75))
    inside = np.where(_inside(track, shape, low, cell_m), beyond, 0)
    row, column = np.unravel_index(int(inside.argmax()), shape)
    reach_m = 0.8 * float(inside[row, column])
    apart = np.hypot(x_m - column * cell_m, y_m - row * cell_m)
    water = np.maximum(water, ramp(1.0, 0.7, apart / max(reach_m, 1.0)))
    dry = ramp(9.0, 15.0, beyond)
    near_bridge = ramp(
        1.15, 0.8, _apart_from(track.stations_m[bridge][::8], x_m + low[0], y_m + low[1]) / 14.0
    )
    water *= np.maximum(dry, near_bridge)
    water[beyond < _WALL_TO_M] = 0
    return np.asarray(water, np.float32)


def _apart_from(places: np.ndarray, x_m: Grid, y_m: Grid) -> Grid:
    """Distance of each cell from the nearest of some places; 1000 if there are none."""
    nearest = np.full(x_m.shape, 1e6, np.float32)
    for x, y in places:
        nearest = np.minimum(nearest, (x_m - x) ** 2 + (y_m - y) ** 2)
    return np.asarray(np.sqrt(nearest), np.float32)


def _inside(track: Track, shape: tuple[int, int], low: np.ndarray, cell_m: float) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round((track.stations_m - low) / cell_m).astype(np.int32)], 1)
    return mask.astype(bool)

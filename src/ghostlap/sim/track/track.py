"""Tracks: closed roads, and the places of cars on them.

Lengths are metres on the horizontal plane, x to the east, y to the north. Angles are radians,
counterclockwise from east. ``s_m`` is arc length along the centre line in the track's own
direction; ``cte_m``, the cross-track error, is positive to the **left** of the centre line, seen in
that direction. Curvature is positive where the road bends to the left.
"""

from __future__ import annotations

import dataclasses
import enum
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]

STATION_M = 0.5
"""Approximate distance between stations, evenly spaced places with a track's properties."""

_WINDOW_M = 20.0
"""Distance from a car's last place within which it is looked for."""

Theme = Literal["lake", "jungle", "circuit"]
Markings = Literal["double_yellow", "two_lanes", "white_edges"]


class Surface(enum.IntEnum):
    """The construction of a stretch of road."""

    ROAD = 0
    """Road on the ground, in the material of the conditions."""
    BRIDGE = 1
    """Cobbled bridge between dark walls, without lines."""


class Edge(enum.IntEnum):
    """The side of a stretch of road."""

    LINED = 0
    """Edge lines, then a pale shoulder, or a kerb in a bend."""
    DIRT = 1
    """No line: the road ends in dirt."""
    CLIFF = 2
    """Edge lines, then a rock wall."""
    DROP = 3
    """Edge lines, guard posts, then the ground falls away."""


class Place(NamedTuple):
    """Places of poses on a track, arrays of the poses' shape."""

    s_m: Floats
    """Arc length in [0, length)."""
    cte_m: Floats
    """Signed distance from the centre line, positive to the left."""
    heading_error_rad: Floats
    """The pose's heading minus the road's, in (-pi, pi]; positive when it points to the left."""


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """A closed road.

    Args:
        name: ``lake``, ``random:7``, or a file's name.
        theme: landscape around the road.
        markings: lines on the road.
        points_m: points of the centre line in driving order, shape ``(n, 2)``, the first not
            repeated; a periodic cubic spline goes through them.
        half_left_m, half_right_m: widths from the centre line to the edges, shape ``(n,)``.
        elevation_m: heights of the road, shape ``(n,)``.
        surface: :class:`Surface` codes, shape ``(n,)``.
        edge_left, edge_right: :class:`Edge` codes, shape ``(n,)``.
        start_s_m: arc length at which a lap begins.
    """

    name: str
    theme: Theme
    markings: Markings
    points_m: Floats
    half_left_m: Floats
    half_right_m: Floats
    elevation_m: Floats
    surface: NDArray[np.uint8]
    edge_left: NDArray[np.uint8]
    edge_right: NDArray[np.uint8]
    start_s_m: float = 0.0

    @cached_property
    def _knots_s_m(self) -> Floats:
        """Arc length at each point, and at the first again; shape ``(n + 1,)``."""
        closed = _closed(self.points_m)
        knots = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
        for _ in range(4):  # chords are too short: measure along the curve through them
            curve = CubicSpline(knots, closed, bc_type="periodic")
            knots = np.concatenate([[0.0], np.cumsum(_arc_lengths(curve, knots))])
        return knots

    @cached_property
    def _curve(self) -> CubicSpline:
        return CubicSpline(self._knots_s_m, _closed(self.points_m), bc_type="periodic")

    @cached_property
    def _heights(self) -> CubicSpline:
        return CubicSpline(self._knots_s_m, _closed(self.elevation_m), bc_type="periodic")

    @cached_property
    def length_m(self) -> float:
        """Length of a lap along the centre line."""
        return float(self._knots_s_m[-1])

    def position(self, s_m: ArrayLike, cte_m: ArrayLike = 0.0) -> Floats:
        """The place at arc length ``s_m``, ``cte_m`` to the left; shape ``(…, 2)``."""
        s_m = np.asarray(s_m, float) % self.length_m
        tangent = self._tangent(s_m)
        left = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
        return np.asarray(self._curve(s_m) + left * np.asarray(cte_m, float)[..., None])

    def heading(self, s_m: ArrayLike) -> Floats:
        """The road's heading in radians, in (-pi, pi]."""
        tangent = self._tangent(np.asarray(s_m, float) % self.length_m)
        return np.asarray(np.arctan2(tangent[..., 1], tangent[..., 0]))

    def curvature(self, s_m: ArrayLike) -> Floats:
        """Curvature of the road in 1/m, positive in a bend to the left."""
        s_m = np.asarray(s_m, float) % self.length_m
        first, second = self._curve(s_m, 1), self._curve(s_m, 2)
        cross = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
        return np.asarray(cross / np.linalg.norm(first, axis=-1) ** 3)

    def elevation(self, s_m: ArrayLike) -> Floats:
        """Height of the road in metres."""
        return np.asarray(self._heights(np.asarray(s_m, float) % self.length_m))

    def grade(self, s_m: ArrayLike) -> Floats:
        """Rise of the road in metres a metre."""
        return np.asarray(self._heights(np.asarray(s_m, float) % self.length_m, 1))

    def half_widths(self, s_m: ArrayLike) -> tuple[Floats, Floats]:
        """Widths from the centre line to the left and to the right edge, in metres."""
        s_m = np.asarray(s_m, float) % self.length_m
        left = np.interp(s_m, self._knots_s_m, _closed(self.half_left_m))
        right = np.interp(s_m, self._knots_s_m, _closed(self.half_right_m))
        return np.asarray(left, float), np.asarray(right, float)

    def codes(self, s_m: ArrayLike) -> tuple[NDArray[np.uint8], ...]:
        """Codes of surface, left edge and right edge at the last point before ``s_m`` or there."""
        s_m = np.asarray(s_m, float) % self.length_m
        at = np.searchsorted(self._knots_s_m, s_m, side="right") - 1
        at = np.minimum(at, len(self.points_m) - 1)
        return self.surface[at], self.edge_left[at], self.edge_right[at]

    @cached_property
    def stations_s_m(self) -> Floats:
        """Arc lengths of evenly spaced stations, about :data:`STATION_M` apart."""
        count = max(8, round(self.length_m / STATION_M))
        return np.asarray(np.arange(count) * (self.length_m / count), float)

    @cached_property
    def stations_m(self) -> Floats:
        """The stations' places on the centre line, shape ``(stations, 2)``."""
        return self.position(self.stations_s_m)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.stations_m)

    def locate(
        self, x_m: ArrayLike, y_m: ArrayLike, heading_rad: ArrayLike, near_s_m: Floats | None = None
    ) -> Place:
        """Find poses on this track.

        Args:
            x_m, y_m, heading_rad: poses on the map, of one shape.
            near_s_m: their last places, of that shape. Without them the nearest stretch of road
                counts, also where two stretches lie side by side.
        """
        pose = np.stack(np.broadcast_arrays(x_m, y_m), axis=-1).astype(float)
        if near_s_m is None:
            s_m = self.stations_s_m[self._tree.query(pose)[1]]
        else:
            s_m = self._nearest_station_near(pose, np.asarray(near_s_m, float))
        step_m = self.length_m / len(self.stations_s_m)
        for _ in range(3):  # Newton: the offset from the curve is square to it
            offset = pose - self._curve(s_m % self.length_m)
            first = self._curve(s_m % self.length_m, 1)
            second = self._curve(s_m % self.length_m, 2)
            slope = (first**2).sum(-1) - (offset * second).sum(-1)
            change = (offset * first).sum(-1) / np.maximum(slope, 0.1)
            s_m = s_m + np.clip(change, -step_m, step_m)
        s_m = s_m % self.length_m
        s_m = np.where(s_m < self.length_m, s_m, 0.0)  # a hair below 0 is rounded to the length
        offset = pose - self._curve(s_m)
        tangent = self._tangent(s_m)
        cte_m = tangent[..., 0] * offset[..., 1] - tangent[..., 1] * offset[..., 0]
        error = np.asarray(heading_rad, float) - np.arctan2(tangent[..., 1], tangent[..., 0])
        return Place(s_m, cte_m, wrapped(error))

    def _nearest_station_near(self, pose: Floats, near_s_m: Floats) -> Floats:
        count = len(self.stations_s_m)
        step_m = self.length_m / count
        reach = min(int(_WINDOW_M / step_m), count // 2)
        near = np.round(near_s_m / step_m).astype(int)
        window = (near[..., None] + np.arange(-reach, reach + 1)) % count
        distances = ((self.stations_m[window] - pose[..., None, :]) ** 2).sum(-1)
        best = np.take_along_axis(window, distances.argmin(-1)[..., None], -1)[..., 0]
        return np.asarray(self.stations_s_m[best])

    def _tangent(self, s_m: Floats) -> Floats:
        first = self._curve(s_m, 1)
        return np.asarray(first / np.linalg.norm(first, axis=-1, keepdims=True))


def wrapped(angle_rad: ArrayLike) -> Floats:
    """The same angles in (-pi, pi]."""
    return np.asarray(np.pi - (np.pi - np.asarray(angle_rad, float)) % (2 * np.pi))


def _closed(values: NDArray[np.float64]) -> Floats:
    return np.concatenate([values, values[:1]]).astype(float)


def _arc_lengths(curve: CubicSpline, knots: Floats) -> Floats:
    """Length of each piece of a curve, by five-point Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    half = np.diff(knots) / 2
    at = (knots[:-1] + half)[:, None] + half[:, None] * nodes
    speeds = np.linalg.norm(curve(at, 1), axis=-1)
    return np.asarray((speeds * weights).sum(-1) * half)

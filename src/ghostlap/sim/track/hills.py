"""A road's heights, and the cliffs and drops beside it, from the land that it crosses.

The land is a smooth function of place, not of arc length, so that stretches of road that come
close to each other are of like height, and a slope can join them.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from scipy.spatial import cKDTree

from ghostlap.sim.track.corner_path import point_spacing_m
from ghostlap.sim.track.track import Edge, Floats

STEEPEST_GRADE = 0.14
"""Largest rise of a road, in metres a metre."""
TIGHTEST_CREST_M = 70.0
"""Smallest vertical radius; at 13.5 m/s such a crest takes a quarter of the car's weight."""

_SMOOTHED_M = 10.0
_CROSS_SLOPE = 0.03
"""Slope of the land across the road that makes a cliff on one side and a drop on the other."""
_SHORTEST_WALL_M = 24.0
_ROOM_M = 42.0
"""Distance of another stretch of road on a side below which that side is left even."""


@dataclasses.dataclass(frozen=True, eq=False)
class Hills:
    """Smooth hills on a plane that may slope.

    Args:
        tops: ``x_m, y_m, reach_m, height_m`` of each hill, shape ``(hills, 4)``; a hollow has a
            negative height.
        slope: rise of the plane to the east and to the north, in metres a metre.
    """

    tops: Floats
    slope: tuple[float, float] = (0.0, 0.0)

    def height(self, places_m: Floats) -> Floats:
        """Height of the land at places ``(n, 2)``, in metres."""
        x_m, y_m, reach_m, height_m = np.asarray(self.tops, float).T
        apart2 = (places_m[:, :1] - x_m) ** 2 + (places_m[:, 1:] - y_m) ** 2
        return np.asarray(
            (height_m * np.exp(-apart2 / (2 * reach_m**2))).sum(1) + places_m @ self.slope
        )

    def road_heights(self, line_m: Floats) -> Floats:
        """Smooth heights of a closed, evenly spaced line, nowhere too steep or too sudden."""
        height = self._smoothed(line_m)
        spacing_m = point_spacing_m(line_m)
        crest = np.abs(np.diff(height, 2, append=height[:1], prepend=height[-1:])).max()
        tame = max(
            1.0,
            self.steepest_grade(line_m) / STEEPEST_GRADE,
            crest / spacing_m**2 * TIGHTEST_CREST_M,
        )
        return np.asarray((height - height.min()) / tame)

    def steepest_grade(self, line_m: Floats) -> float:
        """Steepest grade of an unimproved road along a closed line, in metres a metre."""
        height = self._smoothed(line_m)
        return float(np.abs(np.roll(height, -1) - height).max() / point_spacing_m(line_m))

    def _smoothed(self, line_m: Floats) -> Floats:
        sigma = _SMOOTHED_M / point_spacing_m(line_m)
        return np.asarray(gaussian_filter1d(self.height(line_m), sigma, mode="wrap"))

    def edges(self, line_m: Floats) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Cliffs and drops: :class:`Edge` codes to the left and to the right of each point."""
        tangent = np.roll(line_m, -1, axis=0) - np.roll(line_m, 1, axis=0)
        spacing_m = point_spacing_m(line_m)
        left = np.stack([-tangent[:, 1], tangent[:, 0]], 1) / (2 * spacing_m)
        rise = (self.height(line_m + 8 * left) - self.height(line_m - 8 * left)) / 16
        sides = []
        for side, up in ((1, rise), (-1, -rise)):
            room = _has_room(line_m, side * left, spacing_m)
            codes = np.full(len(line_m), Edge.LINED, np.uint8)
            codes[_long_stretches((up > _CROSS_SLOPE) & room, spacing_m)] = Edge.CLIFF
            codes[_long_stretches((up < -_CROSS_SLOPE) & room, spacing_m)] = Edge.DROP
            sides.append(codes)
        return sides[0], sides[1]


def _has_room(line_m: Floats, outwards: Floats, spacing_m: float) -> NDArray[np.bool_]:
    """Mask of points with no other stretch of road near on the side of ``outwards``."""
    places = line_m + outwards * (_ROOM_M / 2)
    away_m, _ = cKDTree(line_m).query(places)
    return np.asarray(away_m > _ROOM_M / 2 - spacing_m)


def _long_stretches(mask: NDArray[np.bool_], spacing_m: float) -> NDArray[np.bool_]:
    """The mask with its short stretches removed and its short gaps filled."""
    width = max(3, round(_SHORTEST_WALL_M / spacing_m)) | 1
    return np.asarray(uniform_filter1d(mask.astype(float), width, mode="wrap") > 0.55)

"""What a picture shows of the road, as only the simulator can tell: its curvature, width, mask."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.data.auxiliary import MASK_COLUMNS, MASK_ROWS, MASK_TOP
from ghostlap.sim.world import World

AHEAD_M = 10.0
"""Where curvature is told."""

_SLICES_M = np.concatenate([np.arange(-3, 8, 0.5), np.geomspace(8, 100, 40)])
_STRIPS = 6
_NEAREST_M = 0.6
_FINER = 4
"""The road is drawn in slices and strips, in cells so many times finer than the mask's."""


class RoadAhead(NamedTuple):
    """The road ahead of a car."""

    curvature_per_m: float
    """:data:`AHEAD_M` ahead, positive to the left."""
    width_m: float
    """Beside the car."""
    mask: NDArray[np.bool_]
    """Which cells of the center camera's picture show road, ``(MASK_ROWS, MASK_COLUMNS)``."""


def road_ahead(world: World, car: int = 0) -> RoadAhead:
    """The road ahead of a car in a world that has a center camera."""
    s_m, direction = float(world.truth().s_m[car]), int(world.direction[car])
    view = car * len(world.cameras) + world.cameras.index("center")
    x_m, y_m, z_m, heading_rad, pitch_rad = world.camera_poses()[view].astype(float)
    slices_m = s_m + direction * _SLICES_M
    left_m, right_m = (sides[:, None] for sides in world.track.half_widths(slices_m))
    aside_m = np.linspace(0, 1, _STRIPS + 1) * (left_m + right_m) - right_m
    offset_m = world.track.position(slices_m[:, None], aside_m) - (x_m, y_m)
    depth_m = offset_m @ (np.cos(heading_rad), np.sin(heading_rad))
    to_right_m = offset_m @ (np.sin(heading_rad), -np.cos(heading_rad))
    camera = world.conditions.camera.for_frames(world.height_px, world.width_px)
    fall_m = z_m - world.track.elevation(slices_m)[:, None]
    px_a_m = camera.focal_px / np.maximum(depth_m, _NEAREST_M)
    row = camera.horizon_px + camera.focal_px * np.tan(pitch_rad) + fall_m * px_a_m
    column = world.width_px / 2 + to_right_m * px_a_m
    below = (row / world.height_px - MASK_TOP) / (1 - MASK_TOP)
    cells = np.stack(
        [column / world.width_px * MASK_COLUMNS * _FINER, below * MASK_ROWS * _FINER], axis=-1
    )
    seen = depth_m > _NEAREST_M
    picture = np.zeros((MASK_ROWS * _FINER, MASK_COLUMNS * _FINER), np.float32)
    near, far = slice(None, -1), slice(1, None)
    around = (near, near), (near, far), (far, far), (far, near)
    sixteenths = np.round((cells - 0.5) * 16).astype(np.int32)
    quads = np.stack([sixteenths[corner] for corner in around], axis=2)
    for quad in quads[np.all([seen[corner] for corner in around], axis=0)]:
        cv2.fillConvexPoly(picture, quad, 1.0, shift=4)
    mask = cv2.resize(picture, (MASK_COLUMNS, MASK_ROWS), interpolation=cv2.INTER_AREA) >= 0.5
    ahead_per_m = direction * float(world.track.curvature(s_m + direction * AHEAD_M))
    beside_m = sum(float(side) for side in world.track.half_widths(s_m))
    return RoadAhead(ahead_per_m, beside_m, mask)

"""The camera's geometry, and the change of steering labels with warps of the picture.

The figures were measured on the Udacity simulator's own frames (320x160, flat ground). One rule
ties picture and label together: **the label follows the aim point**. A driver who steers ``s``
aims at the point on the ground that the resulting arc reaches at the aim distance; the label moves
with that point when a warp moves it in the picture. For a camera moved sideways the rule gives
exactly the side cameras' steering correction, so that this one number is the feedback gain of all
that a pilot learns.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from ghostlap.data.labels import MPS_A_MPH, SPEED_UNIT_MPH

SIDE_CAMERA_M = 0.83
"""Distance of the side cameras from the centre camera; they look straight ahead, too."""

LEFT_OF_CENTER_M = np.array([0.0, SIDE_CAMERA_M, -SIDE_CAMERA_M])
"""Where cameras stand, in the order of ``CAMERAS``."""

WHEELBASE_M = 3.2
"""Effective wheelbase, understeer included (measured: 3.0 to 3.5)."""

FULL_LOCK_RAD = math.radians(25.0)
"""Road wheel angle at steering 1."""


_USUAL_MPS = 8.0
"""Of a car whose speed is not known."""


@dataclasses.dataclass(frozen=True)
class Camera:
    """A pinhole camera above flat ground, in the pixels of one frame size."""

    focal_px: float = 138.6
    horizon_px: float = 58.6
    """Row of the horizon."""
    height_m: float = 1.36
    frame_height_px: int = 160
    frame_width_px: int = 320

    def for_frames(self, height_px: int, width_px: int) -> Camera:
        """The same camera taking frames of another size."""
        ratio = height_px / self.frame_height_px
        return Camera(
            self.focal_px * ratio, self.horizon_px * ratio, self.height_m, height_px, width_px
        )

    @property
    def centre_px(self) -> tuple[float, float]:
        """Column and row of the middle of the picture."""
        return (self.frame_width_px - 1) / 2, (self.frame_height_px - 1) / 2

    def row_at(self, distance_m: float) -> float:
        """Row of the ground ``distance_m`` ahead."""
        return self.horizon_px + self.focal_px * self.height_m / distance_m

    def shear_per_m(self) -> float:
        """Columns that the ground moves per row below the horizon if the camera moves 1 m sideways.

        Ground at row ``v`` lies ``Z = focal * height / (v - horizon)`` ahead and moves
        ``focal / Z`` pixels, which is ``(v - horizon) / height``: a shear about the horizon.
        """
        return 1.0 / self.height_m


def aim_distance_m(steering_correction: float) -> float:
    """The pure-pursuit distance at which ``SIDE_CAMERA_M`` to the side asks for so much steering.

    Pure pursuit reaches a point ``y`` to the side at distance ``d`` with the road wheels at
    ``2 * wheelbase * y / d**2`` (small angles; Coulter 1992, CMU-RI-TR-92-01).
    """
    return math.sqrt(2 * WHEELBASE_M * SIDE_CAMERA_M / (steering_correction * FULL_LOCK_RAD))


def share_left(
    ahead_s: NDArray[np.float64], speed: NDArray[np.floating], steering_correction: float
) -> NDArray[np.float64]:
    """Share of a correction that is still to be steered a while later, once it is being steered.

    Pure pursuit from the side of a straight road: ``y'' = -2/d**2 y - 2/d y'`` along the way, so
    after ``x`` aim distances ``exp(-x) (cos x - sin x)`` of the steering is left.

    Args:
        ahead_s: how much later, ``(moments,)``.
        speed: of the car in ``SPEED_UNIT_MPH``, ``(n,)``; NaN counts as a usual one.
        steering_correction: steering for 0.83 m to the side.

    Returns:
        Shape ``(n, moments)``; 1 now, 0 at about 5 m of way with a correction of 0.3.
    """
    speed_mps = np.nan_to_num(speed * SPEED_UNIT_MPH * MPS_A_MPH, nan=_USUAL_MPS)
    way = speed_mps[:, None] * ahead_s / aim_distance_m(steering_correction)
    left: NDArray[np.float64] = np.exp(-way) * (np.cos(way) - np.sin(way))
    return left


def steering_after_warp(
    steering: NDArray[np.float64],
    matrices: NDArray[np.float64],
    camera: Camera,
    steering_correction: float,
) -> NDArray[np.float64]:
    """The label of each picture after its warp: it follows the aim point.

    Args:
        steering: labels before, shape ``(n,)``.
        matrices: warps from old to new pixel ``(column, row)``, shape ``(n, 2, 3)``.
        steering_correction: steering for 0.83 m to the side, the feedback gain; above 0.

    Returns:
        Labels after, shape ``(n,)``, not clipped.
    """
    distance_m = aim_distance_m(steering_correction)
    middle_px, row_px = camera.centre_px[0], camera.row_at(distance_m)
    sideways_m_at_full_lock = FULL_LOCK_RAD * distance_m**2 / (2 * WHEELBASE_M)
    px_at_full_lock = camera.focal_px * sideways_m_at_full_lock / distance_m
    column_px = middle_px + px_at_full_lock * steering
    moved_px = matrices[:, 0, 0] * column_px + matrices[:, 0, 1] * row_px + matrices[:, 0, 2]
    return (moved_px - middle_px) / px_at_full_lock


def road_after_warp(
    road: NDArray[np.float64], matrices: NDArray[np.float64], camera: Camera
) -> NDArray[np.float64]:
    """Where the road lies after warps, by the rule that steering follows: its columns move.

    The middle of the road ``Z`` metres ahead lies ``curvature * Z**2 / 2 - heading * Z - cte`` to
    the left, and a warp moves it in each row. For shear, shift and mirror, which another place of
    the car would show as well, this is exact; other warps leave or stretch it.

    Args:
        road: cross-track error in m, heading error in rad, both of the car to the left, curvature
            of the road to the left in 1/m, width in m, shape ``(n, 4)``.
        matrices: warps from old to new pixel ``(column, row)``, shape ``(n, 2, 3)``.

    Returns:
        The same of the pictures after, shape ``(n, 4)``.
    """
    stretch, slant, shift_px = matrices[:, 0].T
    middle_px = camera.centre_px[0]
    moved_px = (stretch - 1) * middle_px + slant * camera.horizon_px + shift_px
    after = road * np.stack([stretch, stretch, stretch, np.abs(stretch)], axis=-1)
    after[:, 0] += slant * camera.height_m
    after[:, 1] += moved_px / camera.focal_px
    return after

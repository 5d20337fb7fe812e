"""Where a steering leads, drawn on the road as the camera would see it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.data.vision.camera import FULL_LOCK_RAD, SIDE_CAMERA_M, WHEELBASE_M, Camera
from ghostlap.data.vision.pictures import Rgb

Colour = tuple[int, int, int]
"""Red, green, blue."""

BEGINS_M = 2.5
"""Ahead; the ground nearer than that is hidden by the bonnet."""

_ARC_FROM_M = 1.5
"""Nearer than what is shown of it, so that the band's end is level in bends, too."""

LENGTH_M = 15.0
"""Further ahead, hills and steering still to come count more than the steering now."""

_MOST_TURN_RAD = math.radians(60)
_STEPS = 32
_NEAR_OPACITY, _FAR_OPACITY = 0.6, 0.1
_EDGE_OPACITY = 0.35
"""Opacity of the band's edges, more than its inside's."""
_SUBPIXEL_BITS = 4


def path_px(steering: float, camera: Camera, aside_m: float = 0.0) -> NDArray[np.float64]:
    """Pixels of the arc over flat ground that a car with this steering drives.

    The arc is a bicycle's: its curvature is ``tan(wheel angle) / wheelbase``. It ends after
    :data:`LENGTH_M`, or where the car has turned by 60 degrees.

    Args:
        steering: in [-1, 1], positive to the right; what is beyond is clipped.
        aside_m: of the arc, to the right, as a wheel's track is beside the car's.

    Returns:
        Columns and rows from near to far, shape ``(n, 2)``; they may lie outside the picture.
    """
    wheel_rad = FULL_LOCK_RAD * min(max(steering, -1.0), 1.0)
    curvature_per_m = math.tan(wheel_rad) / WHEELBASE_M
    length_m = min(LENGTH_M, _MOST_TURN_RAD / max(abs(curvature_per_m), 1e-9))
    # Evenly spaced on the picture rather than on the ground: near steps are short.
    along_m = 1 / np.linspace(1 / _ARC_FROM_M, 1 / length_m, _STEPS)
    turned_rad = curvature_per_m * along_m
    # sin(x) / x and (1 - cos(x)) / x, also where x is 0.
    ahead_m = along_m * np.sinc(turned_rad / np.pi) - aside_m * np.sin(turned_rad)
    right_m = (
        along_m * np.sin(turned_rad / 2) * np.sinc(turned_rad / 2 / np.pi)
        + aside_m * np.cos(turned_rad)
    )  # fmt: skip
    columns = camera.centre_px[0] + camera.focal_px * right_m / ahead_m
    rows = camera.horizon_px + camera.focal_px * camera.height_m / ahead_m
    return np.stack([columns, rows], axis=1)


def draw_band(rgb: Rgb, steering: float, colour: Colour) -> None:
    """Colour the ground that the car will cover, fading out with the distance; in place."""
    camera = Camera().for_frames(*rgb.shape[:2])
    left, right = (path_px(steering, camera, side) for side in (-SIDE_CAMERA_M, SIDE_CAMERA_M))
    road = _visible(rgb, camera)
    opacity = np.zeros(road.shape[:2], np.uint8)
    levels = np.linspace(_NEAR_OPACITY, _FAR_OPACITY, _STEPS - 1)
    for i, level in enumerate(levels):
        corners = np.array([left[i], right[i], right[i + 1], left[i + 1]])
        cv2.fillConvexPoly(opacity, corners.round().astype(np.int32), 255 * level)
    thick = max(1, round(rgb.shape[0] / 160))
    for i, level in enumerate(levels):
        edges = [_fixed_point(side[i : i + 2]) for side in (left, right)]
        shade = 255 * (level + _EDGE_OPACITY)
        cv2.polylines(opacity, edges, False, shade, thick, cv2.LINE_AA, _SUBPIXEL_BITS)
    _blend(road, opacity, colour)


def draw_line(rgb: Rgb, steering: float, colour: Colour) -> None:
    """Draw the middle of the path with a dark outline; in place. See :func:`draw_band`."""
    camera = Camera().for_frames(*rgb.shape[:2])
    line = [_fixed_point(path_px(steering, camera))]
    road = _visible(rgb, camera)
    thick = max(1, round(rgb.shape[0] / 80))
    cv2.polylines(road, line, False, (0, 0, 0), thick + 2, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.polylines(road, line, False, colour, thick, cv2.LINE_AA, _SUBPIXEL_BITS)


def _visible(rgb: Rgb, camera: Camera) -> Rgb:
    """The picture without the rows of the bonnet, as a view."""
    return rgb[: max(1, round(camera.row_at(BEGINS_M)))]


def _fixed_point(points_px: NDArray[np.float64]) -> NDArray[np.int32]:
    """Pixels as OpenCV takes fractions of them."""
    return (points_px * (1 << _SUBPIXEL_BITS)).round().astype(np.int32)


def _blend(rgb: Rgb, opacity: NDArray[np.uint8], colour: Colour) -> None:
    left, top, width, height = cv2.boundingRect(opacity)
    within = np.s_[top : top + height, left : left + width]
    share = opacity[within][..., None].astype(np.uint16)
    rgb[within] = (share * np.array(colour, np.uint16) + (255 - share) * rgb[within]) // 255

"""Camera poses: where the cameras on cars stand and look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import SimulatorError
from ghostlap.data.vision.camera import SIDE_CAMERA_M
from ghostlap.sim.track.track import Floats, Track, wrapped

CameraName = Literal["left", "center", "right"]

_LEFT_OF_CENTRE_M = {"left": SIDE_CAMERA_M, "center": 0.0, "right": -SIDE_CAMERA_M}


class CarPoses(NamedTuple):
    """Positions and headings of cars on the map, arrays of shape ``(cars,)``."""

    x_m: Floats
    y_m: Floats
    heading_rad: Floats


def camera_poses(
    track: Track,
    cameras: Sequence[CameraName],
    cars: CarPoses,
    s_m: Floats,
    heading_error_rad: Floats,
    axle_m: float,
    height_m: float,
) -> NDArray[np.float32]:
    """Positions and directions of the cameras of some cars.

    A camera stands over the car's own place on the map, at the height of the road beside it, also
    off the road. The car pitches as a board over its axles does.

    Args:
        s_m, heading_error_rad: their places on the track, in its own direction.
        axle_m: distance from a car's centre to either axle.
        height_m: of the cameras above the road.

    Returns:
        x, y, z, heading and pitch (nose up positive), shape ``(cars * cameras, 5)``.
    """
    left_m = np.array([_LEFT_OF_CENTRE_M[name] for name in cameras])
    rise_m = track.elevation(s_m + axle_m) - track.elevation(s_m - axle_m)
    grade = rise_m / (2 * axle_m) * np.cos(heading_error_rad)
    poses = np.empty((len(s_m), len(cameras), 5), np.float32)
    poses[..., 0] = cars.x_m[:, None] - np.sin(cars.heading_rad)[:, None] * left_m
    poses[..., 1] = cars.y_m[:, None] + np.cos(cars.heading_rad)[:, None] * left_m
    poses[..., 2] = track.elevation(s_m)[:, None] + height_m
    poses[..., 3] = wrapped(cars.heading_rad)[:, None]
    poses[..., 4] = np.arctan(grade)[:, None]
    return poses.reshape(-1, 5)


def known_cameras(cameras: Sequence[CameraName]) -> tuple[CameraName, ...]:
    """Check the names of cameras.

    Raises:
        SimulatorError: a name is unknown.
    """
    for name in cameras:
        if name not in _LEFT_OF_CENTRE_M:
            known = ", ".join(get_args(CameraName))
            raise SimulatorError(f"Cameras must be among {known}. Got {name!r}.")
    return tuple(cameras)


def rows_within(rows: tuple[int, int] | None, height_px: int) -> tuple[int, int]:
    """First row and end of a part of a frame; of the whole frame for None.

    Raises:
        SimulatorError: the part is not within the frame.
    """
    first, end = rows or (0, height_px)
    if not 0 <= first < end <= height_px:
        raise SimulatorError(
            f"rows must be a first row and an end within a frame of {height_px}. Got {rows}."
        )
    return first, end

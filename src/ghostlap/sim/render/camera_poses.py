"""Where the cameras on cars are, and where they look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import SimulatorError
from ghostlap.data.vision.camera import SIDE_CAMERA_M, Camera
from ghostlap.sim.track.track import Floats, Track, wrapped

CameraName = Literal["left", "center", "right"]

_LEFT_OF_CENTRE_M: dict[str, float] = {
    "left": SIDE_CAMERA_M,
    "center": 0.0,
    "right": -SIDE_CAMERA_M,
}


class Poses(NamedTuple):
    """Where cars are on the map; arrays of shape ``(cars,)``."""

    x_m: Floats
    y_m: Floats
    heading_rad: Floats


def eyes_of(
    track: Track,
    cameras: Sequence[CameraName],
    poses: Poses,
    s_m: Floats,
    heading_error_rad: Floats,
    axle_m: float,
) -> NDArray[np.float32]:
    """Places and directions of the cameras of some cars.

    A camera stands over the car's own place on the map, at the height that the road has beside it,
    also off the road. The car pitches as a board over its axles does.

    Args:
        track: what the cars are on.
        cameras: of each car.
        poses: of the cars.
        s_m, heading_error_rad: where that is, in the track's own direction.
        axle_m: from a car's centre to either axle.

    Returns:
        x, y, z, heading and pitch (nose up positive), shape ``(cars * cameras, 5)``.
    """
    left_m = np.array([_LEFT_OF_CENTRE_M[name] for name in cameras])
    rise_m = track.elevation(s_m + axle_m) - track.elevation(s_m - axle_m)
    grade = rise_m / (2 * axle_m) * np.cos(heading_error_rad)
    eyes = np.empty((len(s_m), len(cameras), 5), np.float32)
    eyes[..., 0] = poses.x_m[:, None] - np.sin(poses.heading_rad)[:, None] * left_m
    eyes[..., 1] = poses.y_m[:, None] + np.cos(poses.heading_rad)[:, None] * left_m
    eyes[..., 2] = track.elevation(s_m)[:, None] + Camera().height_m
    eyes[..., 3] = wrapped(poses.heading_rad)[:, None]
    eyes[..., 4] = np.arctan(grade)[:, None]
    return eyes.reshape(-1, 5)


def known_cameras(cameras: Sequence[CameraName]) -> tuple[CameraName, ...]:
    """The same cameras, each of which there is.

    Raises:
        SimulatorError: one is not there.
    """
    for name in cameras:
        if name not in _LEFT_OF_CENTRE_M:
            known = ", ".join(get_args(CameraName))
            raise SimulatorError(f"Cameras must be among {known}. Got {name!r}.")
    return tuple(cameras)


def rows_within(rows: tuple[int, int] | None, height_px: int) -> tuple[int, int]:
    """First row and end of a part of a frame, the whole one if not given.

    Raises:
        SimulatorError: not within the frame.
    """
    first, end = rows if rows is not None else (0, height_px)
    if not 0 <= first < end <= height_px:
        raise SimulatorError(
            f"rows must be a first row and an end within a frame of {height_px}. Got {rows}."
        )
    return first, end

"""Geometry for :mod:`ghostlap.data.vision.augment`: one warp matrix for each sample.

Each takes amounts and second amounts out of the same range, both of shape ``(n,)``, and the camera;
it gives matrices from old to new pixel ``(column, row, 1)``, shape ``(n, 3, 3)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghostlap.data.vision.camera import Camera

Floats = NDArray[np.float64]


def _identity(n: int) -> Floats:
    return np.broadcast_to(np.eye(3), (n, 3, 3)).copy()


def _shifted(columns: Floats | float, rows: Floats | float, n: int) -> Floats:
    matrices = _identity(n)
    matrices[:, 0, 2], matrices[:, 1, 2] = columns, rows
    return matrices


def pan(share: Floats, share_down: Floats, camera: Camera) -> Floats:
    right_px, down_px = share * camera.frame_width_px, share_down * camera.frame_height_px
    return _shifted(right_px, down_px, len(share))


def translate(px: Floats, _: Floats, camera: Camera) -> Floats:
    return _shifted(px * _scale(camera), 0.0, len(px))


def horizon(px: Floats, _: Floats, camera: Camera) -> Floats:
    return _shifted(0.0, px * _scale(camera), len(px))


def _scale(camera: Camera) -> float:
    return camera.frame_height_px / 160  # ranges count pixels of a 320x160 frame


def zoom(factor: Floats, _: Floats, camera: Camera) -> Floats:
    middle, centre_row = camera.centre_px
    matrices = _shifted((1 - factor) * middle, (1 - factor) * centre_row, len(factor))
    matrices[:, 0, 0] = matrices[:, 1, 1] = factor
    return matrices


def shear(metres: Floats, _: Floats, camera: Camera) -> Floats:
    px_a_row = metres * camera.shear_per_m()
    matrices = _shifted(px_a_row * camera.horizon_px, 0.0, len(metres))
    matrices[:, 0, 1] = -px_a_row  # a camera further right sees the ground move to the left
    return matrices


def rotate(degrees: Floats, _: Floats, camera: Camera) -> Floats:
    middle, centre_row = camera.centre_px
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrices = _shifted(
        middle - cos * middle + sin * centre_row,
        centre_row - sin * middle - cos * centre_row,
        len(degrees),
    )
    matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 0], matrices[:, 1, 1] = cos, -sin, sin, cos
    return matrices


def flip(amount: Floats, _: Floats, camera: Camera) -> Floats:
    matrices = _shifted(camera.frame_width_px - 1.0, 0.0, len(amount))
    matrices[:, 0, 0] = -1.0
    return matrices

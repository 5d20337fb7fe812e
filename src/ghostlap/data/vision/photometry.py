"""Changes of light and colour for :mod:`ghostlap.data.vision.augment`.

What is linear in the colours takes amounts, shape ``(n,)``, and gives matrices, composed into one
for each sample: colours are cut off at 0 and 255 only once, at the end. Everything else takes an
RGB picture (``uint8``, any height and width), an amount, and four numbers in [0, 1) for further
choices; it returns a new picture or the same one, never one changed in place.
"""

from __future__ import annotations

from functools import cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.data.vision.pictures import Rgb, decode_rgb, encode_jpeg

Matrices = NDArray[np.float64]
"""Colour changes ``new = m @ (red, green, blue, 1)``, shape ``(n, 4, 4)``, last row 0 0 0 1."""

_LUMINANCE = np.array([0.299, 0.587, 0.114])
_MID_GREY = 128.0


def _identity(n: int) -> Matrices:
    return np.broadcast_to(np.eye(4), (n, 4, 4)).copy()


def brightness(factor: NDArray[np.float64]) -> Matrices:
    matrices = _identity(len(factor))
    matrices[:, :3, :3] *= factor[:, None, None]
    return matrices


def contrast(factor: NDArray[np.float64]) -> Matrices:
    matrices = brightness(factor)
    matrices[:, :3, 3] = ((1 - factor) * _MID_GREY)[:, None]
    return matrices


def hue(degrees: NDArray[np.float64]) -> Matrices:
    """Rodrigues' rotation about the grey axis, (1, 1, 1) / sqrt(3)."""
    matrices = _identity(len(degrees))
    cos, sin = (f(np.radians(degrees))[:, None, None] for f in (np.cos, np.sin))
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    matrices[:, :3, :3] = cos * np.eye(3) + sin * cross + (1 - cos) * np.full((3, 3), 1 / 3)
    return matrices


def saturation(factor: NDArray[np.float64]) -> Matrices:
    matrices = _identity(len(factor))
    kept = factor[:, None, None]
    matrices[:, :3, :3] = kept * np.eye(3) + (1 - kept) * np.tile(_LUMINANCE, (3, 1))
    return matrices


def invert(amount: NDArray[np.float64]) -> Matrices:
    matrices = _identity(len(amount))
    matrices[:, :3, :3] *= -1
    matrices[:, :3, 3] = 255.0
    return matrices


def recolour(rgb: Rgb, matrix: NDArray[np.float64]) -> Rgb:
    """Apply one of :data:`Matrices`, shape ``(4, 4)``."""
    gain, offset = float(matrix[0, 0]), float(matrix[0, 3])
    grey = np.diag([gain, gain, gain, 1.0])
    grey[:3, 3] = offset
    if np.array_equal(matrix, grey):
        # If all colours change alike, this takes OpenCV a fifth of the time.
        return cast(Rgb, cv2.addWeighted(rgb, gain, rgb, 0.0, offset))
    return cast(Rgb, cv2.transform(rgb, matrix[:3]))


def equalise(rgb: Rgb, _: float, __: NDArray[np.float64]) -> Rgb:
    ycc = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
    cv2.insertChannel(cv2.equalizeHist(cv2.extractChannel(ycc, 0)), ycc, 0)
    return cast(Rgb, cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB))


def shadow(rgb: Rgb, brightness_left: float, extra: NDArray[np.float64]) -> Rgb:
    """Shade a band with straight edges from the top of the picture to its bottom."""
    height, width = rgb.shape[:2]
    top, bottom, top_width, bottom_width = extra * width
    corners = np.array(
        [[top, 0], [top + top_width, 0], [bottom + bottom_width, height], [bottom, height]]
    )
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, corners.astype(np.int32), 255)
    return cast(Rgb, cv2.copyTo(cv2.convertScaleAbs(rgb, alpha=brightness_left), mask, rgb.copy()))


def motion_blur(rgb: Rgb, length_px: float, extra: NDArray[np.float64]) -> Rgb:
    length = max(1, round(length_px))
    along_columns = extra[0] < 0.5
    return cast(Rgb, cv2.blur(rgb, (1, length) if along_columns else (length, 1)))


def gaussian_blur(rgb: Rgb, sigma_px: float, _: NDArray[np.float64]) -> Rgb:
    return cast(Rgb, cv2.GaussianBlur(rgb, (0, 0), sigma_px))


@cache
def _normal_numbers() -> NDArray[np.float32]:
    # Drawing so many numbers costs more than all other changes; a fixed supply, entered at a
    # drawn place, looks the same.
    return np.random.default_rng(0).standard_normal(1 << 20, dtype=np.float32)


def noise(rgb: Rgb, sigma: float, extra: NDArray[np.float64]) -> Rgb:
    supply = _normal_numbers()
    start = int(extra[0] * max(1, supply.size - rgb.size))
    grain = np.resize(supply[start : start + rgb.size], rgb.shape) * np.float32(sigma)
    return cast(Rgb, cv2.add(rgb, grain, dtype=cv2.CV_8U))


def jpeg(rgb: Rgb, quality: float, _: NDArray[np.float64]) -> Rgb:
    return decode_rgb(encode_jpeg(rgb, round(quality)))

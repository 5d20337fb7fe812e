"""Seeded noise: for hills, for colours, and for textures that repeat without a seam."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]


def field(draw: np.random.Generator, shape: tuple[int, int], feature_cells: float) -> Grid:
    """Smooth noise of mean 0 and standard deviation 1; features about ``feature_cells`` wide."""
    rows, columns = (max(4, round(n / feature_cells) + 4) for n in shape)
    coarse = draw.standard_normal((rows, columns)).astype(np.float32)
    fine = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return normal(fine)


def tile(draw: np.random.Generator, size: int, feature: float, stretch: float = 1.0) -> Grid:
    """Noise of shape ``(size, size)`` that repeats; features ``stretch`` times longer in rows.

    White noise smoothed by a Gaussian in the frequency domain, which is what makes it repeat.
    """
    white = draw.standard_normal((size, size))
    rows = np.fft.fftfreq(size)[:, None] * feature * stretch
    columns = np.fft.rfftfreq(size)[None, :] * feature
    kept = np.exp(-2 * np.pi**2 * (rows**2 + columns**2))
    smooth = np.fft.irfft2(np.fft.rfft2(white) * kept, s=(size, size))
    return normal(smooth.astype(np.float32))


def around(draw: np.random.Generator, count: int, features: float) -> Grid:
    """Periodic noise along a closed line: ``count`` values with about ``features`` bumps."""
    waves = np.arange(1, max(2, round(features * 2)) + 1)
    strength = np.exp(-((waves / max(features, 1.0)) ** 2))
    phases = draw.uniform(0, 2 * np.pi, len(waves))
    strength *= draw.normal(0, 1, len(waves))
    angles = np.arange(count)[:, None] * (2 * np.pi / count) * waves
    return normal((strength * np.cos(angles + phases)).sum(1).astype(np.float32))


def normal(values: NDArray[Any]) -> Grid:
    """The same values shifted and scaled to mean 0 and standard deviation 1."""
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-9), np.float32)


def ramp(low: float, high: float, values: NDArray[np.floating]) -> Grid:
    """0 below ``low``, 1 above ``high``, smooth between; ``low`` above ``high`` falls instead."""
    t = np.clip((np.asarray(values, np.float32) - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), np.float32)

"""Seeded noise: for hills, for colours, and for textures that repeat without a seam."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]

PATTERN_SIZE = 256
"""Texels along each side of a pattern; patterns repeat."""


def field(draw: np.random.Generator, shape: tuple[int, int], feature_cells: float) -> Grid:
    """Smooth noise of mean 0 and standard deviation 1; features about ``feature_cells`` wide."""
    rows, columns = (max(4, round(n / feature_cells) + 4) for n in shape)
    coarse = draw.standard_normal((rows, columns)).astype(np.float32)
    fine = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return normal(fine)


def tile(draw: np.random.Generator, feature: float) -> Grid:
    """Noise that repeats, shape ``(256, 256)``, with features about ``feature`` texels wide.

    White noise is smoothed by a Gaussian in the frequency domain, which makes it repeat.
    """
    white = draw.standard_normal((PATTERN_SIZE, PATTERN_SIZE))
    rows = np.fft.fftfreq(PATTERN_SIZE)[:, None] * feature
    columns = np.fft.rfftfreq(PATTERN_SIZE)[None, :] * feature
    kept = np.exp(-2 * np.pi**2 * (rows**2 + columns**2))
    smooth = np.fft.irfft2(np.fft.rfft2(white) * kept, s=white.shape)
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

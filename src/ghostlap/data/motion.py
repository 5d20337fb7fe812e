"""What a network with a memory is told of a car's own motion, in training and while driving."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STRETCH_GAP_S = 1.0
"""Longest time between two moments of one stretch of driving."""

EARLY_S = 0.03
"""A picture counts as of a moment if it is at most so much younger."""


def motion_of(
    speed: NDArray[np.floating[Any]], steering: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """A car's motion as a network is told it, ``(n, 3 + earlier)``.

    Args:
        speed: in :data:`~ghostlap.data.labels.SPEED_UNIT_MPH`, ``(n,)``; NaN if unknown.
        steering: at each earlier moment, the latest first, ``(n, earlier)``; NaN if unknown.

    Returns:
        The speed, the steering, and for each of the two whether it is known: 1 or 0. What is not
        known is 0.
    """
    given = np.concatenate([speed[:, None], steering], axis=1)
    return np.concatenate([np.nan_to_num(given), np.isfinite(given[:, :2])], axis=1)

"""Labels: units of a network's outputs, and errors of answers against a person's."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import DatasetError

AHEAD_S = tuple(round(0.1 * tenth, 1) for tenth in range(1, 11))
"""How far ahead a pilot with a horizon may answer its steering, beside now."""

AHEAD = tuple(f"steering_{1000 * ahead_s:.0f}ms" for ahead_s in AHEAD_S)
"""The outputs that answer it."""

MPS_A_MPH = 0.44704
"""Metres a second in one mile an hour."""

SPEED_UNIT_MPH = 30.0
"""Unit of the speed output: the simulator's top speed, so that it is about 1."""

_SAME = 8 * float(np.finfo(np.float32).eps)
"""Relative difference below which numbers are equal after a network's 32-bit arithmetic."""


@dataclasses.dataclass(frozen=True)
class SteeringError:
    """Error of steering against a person's, picture by picture; it does not tell how a car drives.

    Constant zero is the yardstick: with a keyboard, most of a person's steering is zero.
    """

    mse: float
    mae: float
    pearson_r: float
    """0 where either never changes."""
    zero_mse: float
    zero_mae: float


def steering_error(steering: NDArray[np.floating], wanted: NDArray[np.floating]) -> SteeringError:
    """Compare steering with that wanted, both of shape ``(n,)``, n above 0, where both are finite.

    Raises:
        DatasetError: there is no finite pair.
    """
    known = np.isfinite(steering) & np.isfinite(wanted)
    if not known.any():
        raise DatasetError(
            f"None of {len(known)} answers is a number, so there is no steering to compare. Was "
            "the pilot's loss finite? Train anew with a lower --learning-rate."
        )
    steering, wanted = steering[known].astype(np.float64), wanted[known].astype(np.float64)
    return SteeringError(
        mse=float(np.mean((steering - wanted) ** 2)),
        mae=float(np.mean(np.abs(steering - wanted))),
        pearson_r=pearson_r(steering, wanted),
        zero_mse=float(np.mean(wanted**2)),
        zero_mae=float(np.mean(np.abs(wanted))),
    )


def pearson_r(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Correlation of two series of shape ``(n,)``, in [-1, 1]; 0 where either is constant."""
    if is_constant(first) or is_constant(second):
        return 0.0
    centred = [values - values.mean() for values in (np.float64(first), np.float64(second))]
    # Scaled to 1 before squares are taken, of which the largest numbers have none.
    first, second = (values / np.abs(values).max() for values in centred)
    found = float((first @ second) / np.sqrt((first @ first) * (second @ second)))
    return max(-1.0, min(1.0, found))


def is_constant(values: NDArray[np.floating]) -> bool:
    """Whether values are all equal as far as 32 bits can tell, or any is not finite."""
    if not np.isfinite(values).all():
        return True
    largest = float(np.abs(values).max(initial=0.0))
    return float(np.ptp(np.float64(values))) <= _SAME * largest

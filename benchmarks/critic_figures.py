"""What the benchmark of critics tells beyond ``driving.failures.figures``, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ghostlap.driving.failures.figures import (
    AHEAD_S,
    Floats,
    Moments,
    Scored,
    auroc,
    joined,
    moments_of,
)

_RESAMPLES = 300


def average_precision(score: Floats, trouble: NDArray[np.bool_]) -> float:
    """Area under precision over recall, as steps; NaN without any trouble."""
    if not trouble.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(trouble[order])
    precision = hits / np.arange(1, len(order) + 1)
    return float((precision * trouble[order]).sum() / hits[-1])


def pooled_auroc(parts: Sequence[Moments]) -> float:
    """The AUROC of all moments together."""
    return auroc(*joined(parts))


def mean_by_group(parts: Sequence[Moments]) -> float:
    """The mean AUROC of the conditions and mutants in which something failed, and not always."""
    names = dict.fromkeys(part.group for part in parts)
    each = [pooled_auroc([part for part in parts if part.group == name]) for name in names]
    return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan")


def rates(scored: Scored, above: float) -> tuple[float, float]:
    """Shares of moments with and without a failure ahead that score above a threshold."""
    score, trouble = joined(moments_of(scored, AHEAD_S))
    return float((score[trouble] > above).mean()), float((score[~trouble] > above).mean())


def interval(
    parts: Sequence[Moments], figure: Callable[[Sequence[Moments]], float]
) -> tuple[float, float]:
    """95 % of a figure over drives drawn anew, whole ones; NaN without any."""
    draw = np.random.default_rng(0)
    values = [
        figure([parts[i] for i in draw.integers(0, len(parts), len(parts))])
        for _ in range(_RESAMPLES)
        if parts
    ]
    known_ones = [value for value in values if np.isfinite(value)]
    if not known_ones:
        return float("nan"), float("nan")
    low, high = np.percentile(known_ones, [2.5, 97.5])
    return float(low), float(high)

"""Balancing: at most so many rows of each kind of steering; most of a drive is straight on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd


def balance(
    frames: pd.DataFrame, bins: int = 25, cap: int | None = 400, seed: int = 0
) -> pd.DataFrame:
    """Thin out the commonest steering, as seed 003 does.

    Args:
        bins: number of histogram bins over the data's own range.
        cap: largest number of rows kept of a bin, drawn at random; None keeps all.

    Returns:
        The rows kept, in their old order, with their old index.

    Raises:
        DatasetError: ``bins`` or ``cap`` is below 1, or steering is not finite.
    """
    keep = balanced_rows(frames["steering"].to_numpy(np.float64), bins, cap, seed)
    return frames.iloc[np.flatnonzero(keep)]


def balanced_rows(
    steering: NDArray[np.float64], bins: int = 25, cap: int | None = 400, seed: int = 0
) -> NDArray[np.bool_]:
    """The mask of the rows that :func:`balance` keeps, shape ``(rows,)``."""
    if bins < 1 or (cap is not None and cap < 1):
        raise DatasetError(f"balance: bins and cap must be at least 1. Got {bins} and {cap}.")
    if not np.isfinite(steering).all():
        raise DatasetError(
            f"balance: steering must be finite. Got {int((~np.isfinite(steering)).sum())} rows "
            "of NaN or infinity; 'ghostlap doctor REC --fix OUT' writes a copy without them."
        )
    if cap is None or len(steering) == 0:
        return np.ones(len(steering), bool)
    edges = np.histogram_bin_edges(steering, bins)
    bin_of_row = np.digitize(steering, edges[1:-1])
    # Shuffle, then sort by bin: the rank within a bin is a fair draw.
    shuffled = np.random.default_rng(seed).permutation(len(steering))
    by_bin = shuffled[np.argsort(bin_of_row[shuffled], kind="stable")]
    sorted_bins = bin_of_row[by_bin]
    rank_in_bin = np.arange(len(by_bin)) - np.searchsorted(sorted_bins, sorted_bins)
    keep = np.zeros(len(steering), bool)
    keep[by_bin[rank_in_bin < cap]] = True
    return keep

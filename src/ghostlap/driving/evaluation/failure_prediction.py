"""How well a pilot's spread announces that a person will have to take over.

At each moment the spread is a forecast: the larger, the sooner there is trouble. The area under its
ROC curve (AUROC) is the chance that a moment shortly before an intervention has a larger one than a
moment after which nothing happened: 1 is perfect, 0.5 is chance. Forecasts that need no spread
stand beside it: cars get into trouble in bends, and bends are seen in the steering, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from ghostlap.driving.metrics import Drive, Intervention
from ghostlap.driving.summary import RESAMPLES

Floats = NDArray[np.float64]

AHEAD_S = 3.0
"""An intervention within this time counts as announced. For as long after one, as after the start,
a car is not judged: it has just been put there."""

STRETCH_S = 0.5
"""A moment is the mean over so much time, and the next one begins where it ends: neighbouring
pictures say the same."""

FORECASTS = ("spread", "steering", "speed_steering", "steering_change")
"""The pilot's spread; |steering|; speed times |steering|; how much steering changes from tick to
tick."""


@dataclasses.dataclass(frozen=True, eq=False)
class JudgedMoments:
    """Moments of a drive: what was forecast, and what came."""

    forecasts: Floats
    """One column each of :data:`FORECASTS`, shape ``(moments, 4)``."""
    trouble: NDArray[np.bool_]
    """Whether an intervention followed within :data:`AHEAD_S`, shape ``(moments,)``."""


@dataclasses.dataclass(frozen=True)
class FailurePrediction:
    """How well trouble was forecast."""

    auroc: dict[str, float]
    """AUROC of each of :data:`FORECASTS`; chance is 0.5."""
    interval: dict[str, tuple[float, float]]
    """95 % bootstrap interval of each AUROC; empty if all drives hang together."""
    lead: tuple[float, float] | None
    """95 % interval of the spread's AUROC less the best of the others'."""
    moments: int
    troubled: int
    """Moments of these shortly before an intervention."""


def failure_prediction(
    drives: Sequence[Drive], groups: Sequence[Hashable]
) -> FailurePrediction | None:
    """How well the spread announced interventions; None without a spread or without interventions.

    Drives of one group, as those of one track and seed, are not independent of each other. The
    bootstrap draws whole groups.
    """
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    each = [moments_of(drive) for drive in drives]
    trouble = np.concatenate([moments.trouble for moments in each] or [np.zeros(0, bool)])
    if trouble.all() or not trouble.any():
        return None
    forecasts = np.concatenate([moments.forecasts for moments in each])
    number = np.repeat(
        [numbers[group] for group in groups], [len(moments.trouble) for moments in each]
    )
    wins = np.stack([_wins(column, trouble, number, len(numbers)) for column in forecasts.T])
    pairs = _pairs(trouble, number, len(numbers))
    auroc = wins.sum((1, 2)) / pairs.sum()
    interval: dict[str, tuple[float, float]] = {}
    lead = None
    if len(numbers) > 1:
        drawn = _drawn_groups(len(numbers))
        with np.errstate(invalid="ignore"):  # a draw without any trouble says nothing
            resampled = _in_draws(wins, drawn) / _in_draws(pairs[None], drawn)
        interval = {
            name: _interval(of_it) for name, of_it in zip(FORECASTS, resampled, strict=True)
        }
        best_other = 1 + int(np.argmax(auroc[1:]))
        lead = _interval(resampled[0] - resampled[best_other])
    return FailurePrediction(
        auroc=dict(zip(FORECASTS, auroc.tolist(), strict=True)),
        interval=interval,
        lead=lead,
        moments=len(trouble),
        troubled=int(trouble.sum()),
    )


def moments_of(drive: Drive) -> JudgedMoments:
    """The moments of a drive of which is known what came after, and at which there was a spread.

    Left out are those at or shortly after an intervention or the start, and those before the end
    of the drive, unless an intervention came first.
    """
    stretch = np.floor((drive.time_s - drive.time_s[0]) / STRETCH_S + 1e-6)
    first = np.flatnonzero(np.diff(stretch, prepend=-1))
    last = np.append(first[1:], len(stretch)) - 1
    steering = np.abs(drive.steering)
    change = np.abs(np.diff(drive.steering, prepend=drive.steering[0]))
    rows = np.stack([drive.spread, steering, steering * drive.speed_mph, change], axis=1)
    means = np.add.reduceat(rows, first) / (last - first + 1)[:, None]

    failed = drive.intervention != Intervention.NONE
    failed_s = drive.time_s[failed]
    ends_s, end_s = drive.time_s[last], drive.time_s[-1]
    next_s = np.append(failed_s, np.inf)[np.searchsorted(failed_s, ends_s, side="right")]
    put_s = np.append(drive.time_s[0], failed_s)[np.searchsorted(failed_s, ends_s, side="right")]
    trouble = next_s <= ends_s + AHEAD_S
    known = trouble | (ends_s + AHEAD_S <= end_s)
    settled = drive.time_s[first] >= put_s + AHEAD_S
    kept = known & settled & np.isfinite(means).all(axis=1)
    return JudgedMoments(means[kept], trouble[kept])


def _wins(
    forecast: Floats, trouble: NDArray[np.bool_], number: NDArray[np.int64], groups: int
) -> Floats:
    """How often a troubled moment of group i has a larger forecast than a calm one of group j.

    Ties count half. Sums of these give the AUROC of any draw of groups, without sorting again.
    """
    wins = np.zeros((groups, groups))
    of_troubled, troubled = number[trouble], forecast[trouble]
    for j in range(groups):
        calm = np.sort(forecast[~trouble & (number == j)])
        below = np.searchsorted(calm, troubled, "left") + np.searchsorted(calm, troubled, "right")
        wins[:, j] = np.bincount(of_troubled, below / 2, minlength=groups)
    return wins


def _pairs(trouble: NDArray[np.bool_], number: NDArray[np.int64], groups: int) -> Floats:
    """Pairs of a troubled moment of group i and a calm one of group j."""
    troubled = np.bincount(number[trouble], minlength=groups)
    calm = np.bincount(number[~trouble], minlength=groups)
    return np.outer(troubled, calm).astype(float)


def _drawn_groups(groups: int) -> Floats:
    """How often each group is drawn, shape ``(RESAMPLES, groups)``."""
    draw = np.random.default_rng(0)
    return draw.multinomial(groups, np.full(groups, 1 / groups), RESAMPLES).astype(float)


def _in_draws(tables: Floats, drawn: Floats) -> Floats:
    """Sums of tables over pairs of groups, for each draw: shape ``(tables, draws)``."""
    return np.einsum("di,tij,dj->td", drawn, tables, drawn, optimize=True)


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)

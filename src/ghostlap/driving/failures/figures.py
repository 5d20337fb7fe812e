"""How well a score announces failures: the protocol's figures, each by drives.

A score is one number a tick, the larger the more doubt. Thresholds come from nominal drives that
are not among those judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import EvaluationError
from ghostlap.driving.failures.corpus import SETTLING_S, FailureDrive, known, settled, to_failure_s
from ghostlap.driving.metrics import Drive, Intervention

Floats = NDArray[np.float64]
Scored = Sequence[tuple[FailureDrive, Floats]]
"""Drives, each with a score a tick."""

HORIZONS_S = (1.0, 2.0, 3.0, 5.0)
AHEAD_S = 3.0
"""The horizon of figures that have one."""
FALSE_RATES = (0.01, 0.05)
MARGIN_S = 5.0
"""A failure counts as foreseen by an alarm within so much time before it."""


def auroc(score: Floats, trouble: NDArray[np.bool_]) -> float:
    """Chance that a moment of trouble scores higher than one without; ties count half.

    NaN where there are none of the one or of the other.
    """
    calm, troubled = np.sort(score[~trouble]), score[trouble]
    if not len(calm) or not len(troubled):
        return float("nan")
    below = np.searchsorted(calm, troubled, "left") + np.searchsorted(calm, troubled, "right")
    return float(below.mean() / 2 / len(calm))


class Moments(NamedTuple):
    """The moments of a drive of which is known what came."""

    group: str
    score: Floats
    trouble: NDArray[np.bool_]


def moments_of(scored: Scored, ahead_s: float) -> list[Moments]:
    """The moments of each drive, for a horizon."""
    return [
        Moments(one.group.name, score[kept], to_failure_s(one.drive)[kept] <= ahead_s)
        for one, score in scored
        if (kept := known(one.drive, ahead_s) & np.isfinite(score)).any()
    ]


def joined(parts: Sequence[Moments]) -> tuple[Floats, NDArray[np.bool_]]:
    """Score and label of all moments."""
    if not parts:
        return np.zeros(0), np.zeros(0, bool)
    return np.concatenate([p.score for p in parts]), np.concatenate([p.trouble for p in parts])


def threshold(nominal: Scored, false_rate: float) -> float:
    """The score above which a nominal moment is with at most this chance: split conformal.

    The ``ceil((n + 1) (1 - rate))``-th smallest of ``n`` (Vovk et al. 2005), so that it holds for a
    finite number of moments, as far as those to come are exchangeable with these.

    Raises:
        EvaluationError: the drives have no moments.
    """
    score = np.sort(np.concatenate([s[settled(one.drive)] for one, s in nominal]))
    if not len(score):
        raise EvaluationError(
            f"{len(nominal)} nominal drives have no moment {SETTLING_S:g} s after a failure, so "
            "there is no threshold. Let the pilot drive nominally for longer (--nominal-s) or "
            "slower (--speed-limit)."
        )
    place = int(np.ceil((len(score) + 1) * (1 - false_rate))) - 1
    return float(score[min(place, len(score) - 1)])


@dataclasses.dataclass(frozen=True)
class FirstFailure:
    """The first failure of a drive."""

    name: str
    group: str
    kind: Intervention
    lead_s: float
    """How long before it the first alarm of the last 5 s was; NaN if there was none."""


def first_failure(drive: Drive, score: Floats, above: float) -> tuple[Intervention, float] | None:
    """What the first failure of a drive was, and the lead of its alarm; None without a failure."""
    failed = np.flatnonzero(drive.intervention)
    if not len(failed):
        return None
    row = int(failed[0])
    return Intervention(int(drive.intervention[row])), lead_s(drive, row, score, above)


def lead_s(drive: Drive, row: int, score: Floats, above: float) -> float:
    """How long before a failure the first alarm of the last 5 s was; NaN if there was none.

    Alarms from before the car was last put on the road do not count.
    """
    put = np.flatnonzero(drive.intervention[:row]).max(initial=-1)
    ahead_s = drive.time_s[row] - drive.time_s[put + 1 : row]
    alarmed = (score[put + 1 : row] > above) & (ahead_s <= MARGIN_S)
    return float(ahead_s[alarmed][0]) if alarmed.any() else float("nan")


def first_failures(scored: Scored, above: float) -> list[FirstFailure]:
    """The first failures of some drives."""
    found = [(one, first_failure(one.drive, score, above)) for one, score in scored]
    return [FirstFailure(one.name, one.group.name, *first) for one, first in found if first]


def false_alarms_a_km(scored: Scored, above: float) -> float:
    """How often the score rises above a threshold without a failure within 5 s, a km driven."""
    count = sum(false_alarms(one.drive, score, above) for one, score in scored)
    metres = sum(max(float(one.drive.distance_m[-1]), 0.0) for one, _ in scored)
    return count / max(metres, 1.0) * 1000


def false_alarms(drive: Drive, score: Floats, above: float) -> int:
    """How often the score of a drive rises above a threshold without a failure within 5 s."""
    alarm = (score > above) & settled(drive) & (to_failure_s(drive) > MARGIN_S)
    return int(np.count_nonzero(alarm[1:] & ~alarm[:-1]))

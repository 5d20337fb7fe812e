"""Several drives together: their figures, with intervals that count seeds.

>>> summary = summarise([drive_0, drive_1, drive_2], seeds=[0, 1, 2])
>>> summary.figures["autonomy_percent"], summary.interval["autonomy_percent"]
(98.7, (97.2, 100.0))
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ghostlap.base.errors import EvaluationError
from ghostlap.driving.metrics import FIGURES, Drive, Figure, Floats, Intervention, Totals

RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Summary:
    """The figures of several episodes together."""

    figures: dict[str, float]
    """:data:`FIGURES`, by name."""
    interval: dict[str, tuple[float, float]]
    """95 % bootstrap intervals of those that have one; empty if there is only one seed."""
    episodes: int
    seeds: int


def sums_of(drive: Drive) -> list[float]:
    """:class:`Totals` of one drive, and what each figure needs besides."""
    fell = drive.intervention != Intervention.NONE
    return [
        float(np.diff(drive.time_s).sum()),
        float(np.diff(drive.time_s)[~fell[:-1]].sum()),
        float(drive.distance_m[-1] - drive.distance_m[0]),
        float(fell.sum()),
        *(figure.own(drive) for figure in FIGURES.values()),
    ]


def _figure(figure: Figure, index: int, sums: Floats) -> Any:
    """A figure of sums along the last axis, its own at an index."""
    totals = Totals(*np.moveaxis(sums, -1, 0)[: len(Totals._fields)])
    with np.errstate(divide="ignore", invalid="ignore"):
        return figure.of(totals, sums[..., index])


def summarise(drives: Sequence[Drive], seeds: Sequence[int], draw_seed: int = 0) -> Summary:
    """The figures of several episodes, with intervals.

    The bootstrap (Efron 1979, percentile) draws whole seeds: episodes of one seed share light,
    materials and pushes, and are not independent of each other. With few seeds intervals come
    out too narrow; and where no episode had an intervention, resampling cannot tell how rare
    they are: see :func:`rarest_km`. ``seeds`` has the seed of each episode.
    """
    if not drives or len(drives) != len(seeds):
        raise EvaluationError(
            "A summary needs at least one drive, and a seed for each. "
            f"Got {len(drives)} drives and {len(seeds)} seeds."
        )
    return summary_of([sums_of(drive) for drive in drives], seeds, draw_seed)


def summary_of(
    sums: Sequence[Sequence[float]], seeds: Sequence[int], draw_seed: int = 0
) -> Summary:
    """:func:`summarise`, of what :func:`sums_of` says of each drive."""
    table = np.array(sums)
    clusters, cluster = np.unique(np.asarray(seeds), return_inverse=True)
    of_cluster = np.zeros((len(clusters), table.shape[1]))
    np.add.at(of_cluster, cluster, table)
    whole = of_cluster.sum(0)
    figures = list(enumerate(FIGURES.values(), len(Totals._fields)))
    for index, figure in figures:
        if figure.join is not np.sum:
            whole[index] = figure.join(table[:, index])
    interval: dict[str, tuple[float, float]] = {}
    if len(clusters) > 1:
        drawn = np.random.default_rng(draw_seed).integers(
            len(clusters), size=(RESAMPLES, len(clusters))
        )
        resampled = of_cluster[drawn].sum(1)
        for index, figure in figures:
            if figure.has_interval:
                low, high = np.percentile(_figure(figure, index, resampled), [2.5, 97.5])
                interval[figure.name] = (float(low), float(high))
    return Summary(
        figures={one.name: float(_figure(one, index, whole)) for index, one in figures},
        interval=interval,
        episodes=len(table),
        seeds=len(clusters),
    )


def rarest_km(distance_km: float) -> float:
    """After so many km without any intervention, there is one in more than this many km.

    With 95 % confidence, if interventions come independently of each other: the chance of none in
    ``n`` mean distances is ``exp(-n)``, which is 5 % at ``n = 3.0`` (the rule of three).
    """
    return distance_km / -math.log(0.05)

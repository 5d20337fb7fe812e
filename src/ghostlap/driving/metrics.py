"""How well a car was driven: autonomy and friends.

    >>> score(totals(drive)).autonomy_percent
    100.0
    >>> summarise([drive_0, drive_1, drive_2], seeds=[0, 1, 2]).interval["autonomy_percent"]
    (97.2, 100.0)

Everything is computed from :class:`Drive`, what one car did in one episode, tick by tick. Sums over
a drive add up (:class:`Totals`), so that a figure for several episodes is the figure of their sum:
interventions of all over the time of all, not a mean of ratios.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import EvaluationError

Floats = NDArray[np.float64]

INTERVENTION_S = 6.0
"""What taking over, putting right and handing back counts as (arXiv 1604.07316, section 7.1)."""

RESAMPLES = 2000


class Intervention(enum.IntEnum):
    """Why a person would have had to take over."""

    NONE = 0
    OFF_ROAD = 1
    """The car's centre left the road."""
    STANDING = 2
    """It stood for 3 s."""
    TURNED = 3
    """It points against the driving direction."""


@dataclasses.dataclass(frozen=True, eq=False)
class Drive:
    """What one car did in one episode; arrays of shape ``(ticks,)``, one row a moment.

    Positions and errors are seen in the driving direction. At a row with an intervention the car is
    where it failed; in the next row it has been put back.
    """

    time_s: Floats
    s_m: Floats
    """Arc length along the centre line, in the track's own direction."""
    cte_m: Floats
    """Cross-track error: to the left of the centre line, seen in the driving direction."""
    heading_error_rad: Floats
    """Positive when the car points to the left of the road."""
    margin_m: Floats
    """From the car's centre to the nearer edge of the road; negative beyond it."""
    distance_m: Floats
    """Progress along the centre line since the start."""
    laps: Floats
    """Whole laps done."""
    speed_mph: Floats
    steering: Floats
    """In [-1, 1], positive to the right, as the simulator tells it."""
    throttle: Floats
    intervention: NDArray[np.int8]
    """:class:`Intervention` codes."""
    pushed: NDArray[np.bool_]
    """Whether the car is pushed after this moment."""
    spread: Floats
    """That the pilot last answered, of its steering; NaN where it answers none."""

    def __post_init__(self) -> None:
        sizes = {field.name: getattr(self, field.name).shape for field in dataclasses.fields(self)}
        if len(self.time_s) < 2 or set(sizes.values()) != {(len(self.time_s),)}:
            raise EvaluationError(
                "A drive needs one row a moment in all its columns, and two moments at least. "
                f"Got {sizes}."
            )
        if not (np.diff(self.time_s) > 0).all():
            raise EvaluationError("The moments of a drive must follow each other in time.")


@dataclasses.dataclass(frozen=True)
class Totals:
    """Sums over one drive or several; floats, or arrays of one shape for many sums at once."""

    elapsed_s: float
    distance_m: float
    laps: float
    interventions: float
    off_road: float
    abs_cte_m_s: float
    """|cte| integrated over time."""
    speed_mph_s: float
    steering_s: float
    """Time over which the steering's change counts: not across an intervention."""
    steering_rate2_s: float
    """(d steering/dt)^2 integrated over that time."""


@dataclasses.dataclass(frozen=True)
class Score:
    """The figures of one drive or several."""

    autonomy_percent: float
    """``(1 - interventions * 6 s / elapsed s) * 100``, at least 0."""
    interventions: float
    off_road_per_km: float
    laps: float
    distance_km: float
    elapsed_s: float
    mean_abs_cte_m: float
    """|cross-track error|, mean over time."""
    mean_speed_mph: float
    steering_rate_per_s: float
    """Root mean square of d steering/dt, in full locks a second: low is smooth."""
    s_between_interventions: float
    """Driven time for each intervention; infinite without any."""
    km_between_interventions: float


INTERVALS = (
    "autonomy_percent", "off_road_per_km", "mean_abs_cte_m", "mean_speed_mph",
    "steering_rate_per_s",
)  # fmt: skip
"""The figures of a :class:`Score` that get an interval."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """The score of several episodes together."""

    score: Score
    max_abs_cte_m: float
    """The largest of any moment."""
    min_margin_m: float
    """The smallest of any moment; negative if the road was left."""
    interval: dict[str, tuple[float, float]]
    """95 % bootstrap intervals of :data:`INTERVALS`; empty if there is only one seed."""
    episodes: int
    seeds: int


def totals(drive: Drive) -> Totals:
    """Sum up one drive; between two moments everything changes linearly."""
    step_s = np.diff(drive.time_s)
    steady = drive.intervention[:-1] == Intervention.NONE
    rate_per_s = np.diff(drive.steering) / step_s
    return Totals(
        elapsed_s=float(step_s.sum()),
        distance_m=float(drive.distance_m[-1] - drive.distance_m[0]),
        laps=float(drive.laps[-1]),
        interventions=float((drive.intervention != Intervention.NONE).sum()),
        off_road=float((drive.intervention == Intervention.OFF_ROAD).sum()),
        abs_cte_m_s=_integral(np.abs(drive.cte_m), step_s),
        speed_mph_s=_integral(drive.speed_mph, step_s),
        steering_s=float(step_s[steady].sum()),
        steering_rate2_s=float((rate_per_s**2 * step_s)[steady].sum()),
    )


def _integral(values: Floats, step_s: Floats) -> float:
    return float(((values[1:] + values[:-1]) / 2 * step_s).sum())


def score(sums: Totals) -> Score:
    """The figures of what was summed up; of arrays of sums, arrays of figures."""
    with np.errstate(divide="ignore", invalid="ignore"):
        distance_km = np.maximum(sums.distance_m, 1.0) / 1000  # a car may get nowhere
        figures = {
            "autonomy_percent": autonomy_percent(sums.interventions, sums.elapsed_s),
            "interventions": sums.interventions,
            "off_road_per_km": sums.off_road / distance_km,
            "laps": sums.laps,
            "distance_km": np.divide(sums.distance_m, 1000),
            "elapsed_s": sums.elapsed_s,
            "mean_abs_cte_m": np.divide(sums.abs_cte_m_s, sums.elapsed_s),
            "mean_speed_mph": np.divide(sums.speed_mph_s, sums.elapsed_s),
            "steering_rate_per_s": np.sqrt(
                np.divide(sums.steering_rate2_s, np.maximum(sums.steering_s, 1e-9))
            ),
            "s_between_interventions": np.divide(sums.elapsed_s, sums.interventions),
            "km_between_interventions": np.divide(
                np.maximum(sums.distance_m, 0.0) / 1000, sums.interventions
            ),
        }
    figures["km_between_interventions"] = np.where(
        np.equal(sums.interventions, 0), np.inf, figures["km_between_interventions"]
    )
    return Score(**{name: _plain(value) for name, value in figures.items()})


def autonomy_percent(interventions: float, elapsed_s: float) -> float:
    """Share of the time in which nobody had to drive (NVIDIA, arXiv 1604.07316), in percent.

    Args:
        interventions: how many; each counts as :data:`INTERVENTION_S`.
        elapsed_s: time driven, above 0. Both may be arrays.
    """
    share = 1 - np.multiply(interventions, INTERVENTION_S) / np.asarray(elapsed_s, float)
    return _plain(np.maximum(share, 0.0) * 100)


def _plain(value: float | Floats) -> float:
    """A float for one figure; an array stays one, though its type does not say so."""
    return float(value) if np.ndim(value) == 0 else value  # type: ignore[return-value]


def summarise(drives: Sequence[Drive], seeds: Sequence[int], draw_seed: int = 0) -> Summary:
    """The score of several episodes, with intervals.

    The bootstrap (Efron 1979, percentile) draws whole seeds: episodes of one seed share light,
    materials and pushes, and are not independent of each other. With few seeds intervals come out
    too narrow; and where no episode had an intervention, resampling cannot tell how rare they are:
    see :func:`rarest_km`.

    Args:
        drives: one an episode, at least one.
        seeds: of each episode.
        draw_seed: of the bootstrap.
    """
    if not drives or len(drives) != len(seeds):
        raise EvaluationError(
            "A summary needs at least one drive, and a seed for each. "
            f"Got {len(drives)} drives and {len(seeds)} seeds."
        )
    each = [totals(drive) for drive in drives]
    names = [field.name for field in dataclasses.fields(Totals)]
    table = np.array([[getattr(sums, name) for name in names] for sums in each])
    clusters, cluster = np.unique(np.asarray(seeds), return_inverse=True)
    of_cluster = np.zeros((len(clusters), len(names)))
    np.add.at(of_cluster, cluster, table)
    interval: dict[str, tuple[float, float]] = {}
    if len(clusters) > 1:
        drawn = np.random.default_rng(draw_seed).integers(
            len(clusters), size=(RESAMPLES, len(clusters))
        )
        resampled = of_cluster[drawn].sum(1)
        scores = score(Totals(**{name: resampled[:, i] for i, name in enumerate(names)}))
        for name in INTERVALS:
            low, high = np.percentile(getattr(scores, name), [2.5, 97.5])
            interval[name] = (float(low), float(high))
    whole = of_cluster.sum(0)
    return Summary(
        score=score(Totals(**{name: float(whole[i]) for i, name in enumerate(names)})),
        max_abs_cte_m=max(float(np.abs(drive.cte_m).max()) for drive in drives),
        min_margin_m=min(float(drive.margin_m.min()) for drive in drives),
        interval=interval,
        episodes=len(drives),
        seeds=len(clusters),
    )


def rarest_km(distance_km: float) -> float:
    """After so many km without any intervention, there is one in more than this many km.

    With 95 % confidence, if interventions come independently of each other: the chance of none in
    ``n`` mean distances is ``exp(-n)``, which is 5 % at ``n = 3.0`` (the rule of three).
    """
    return distance_km / -math.log(0.05)

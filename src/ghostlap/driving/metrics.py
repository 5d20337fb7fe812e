"""How well a car was driven: autonomy and friends.

Everything is computed from :class:`Drive`, what one car did in one episode, tick by tick. Sums over
drives add up, so that a figure for several episodes is the figure of their sum: interventions of
all over the time of all, not a mean of ratios. :data:`FIGURES` declares all of them: tables,
reports, JSON and the cockpit show what stands there.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import EvaluationError

Floats = NDArray[np.float64]

INTERVENTION_S = 6.0
"""What taking over, putting right and handing back counts as (arXiv 1604.07316, section 7.1)."""


class Intervention(enum.IntEnum):
    """Why a person would have had to take over."""

    NONE = 0
    OFF_ROAD = 1
    """The car's centre left the road."""
    STANDING = 2
    """The car stood for 3 s."""
    TURNED = 3
    """The car points against the driving direction."""


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

    def over_time(self, values: Floats) -> float:
        """The integral over time of what changes linearly between two moments."""
        return float(((values[1:] + values[:-1]) / 2 * np.diff(self.time_s)).sum())


class Totals(NamedTuple):
    """Sums over one drive or several; floats, or arrays of one shape for many sums at once."""

    elapsed_s: Any
    steady_s: Any
    """Time over which the steering's change counts: not across an intervention."""
    distance_m: Any
    interventions: Any


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of merit: what it is called, and how it follows from drives."""

    name: str
    """In JSON; its unit is a part of it."""
    title: str
    """In tables and reports."""
    unit: str
    digits: int
    of: Callable[[Totals, Any], Any]
    """Gives it for sums over drives, and the sum of ``own``; arrays of sums give arrays."""
    own: Callable[[Drive], float] = lambda drive: 0.0
    """What it needs of each drive, beside :class:`Totals`."""
    join: Callable[..., Any] = np.sum
    """Makes one of ``own`` of several drives."""
    has_interval: bool = True
    in_table: bool = True
    means: str = ""
    """What a report says of it in large; "" where it stands in the report's table only."""
    formula: str = ""
    """For people: N interventions, T driven time, D progress along the centre line."""
    source: str = ""
    """Where the definition comes from; "" for one of ours."""

    def text(self, value: float) -> str:
        """A value in words, without its unit."""
        return f"{value:.{self.digits}f}"

    def cell(self, summary: Mapping[str, float], interval: Mapping[str, Sequence[float]]) -> str:
        """A table's cell: the value, and below it the interval where it says more."""
        text = self.text(summary[self.name])
        limits = [self.text(limit) for limit in interval.get(self.name, ())]
        return text if set(limits) <= {text} else f"{text}\n{'–'.join(limits)}"


def _steering_rate2_s(drive: Drive) -> float:
    step_s = np.diff(drive.time_s)
    steady = drive.intervention[:-1] == Intervention.NONE
    return float(((np.diff(drive.steering) / step_s) ** 2 * step_s)[steady].sum())


def _a_km(count: Any, distance_m: Any) -> Any:
    return count / (np.maximum(distance_m, 1.0) / 1000)  # a car may get nowhere


def _km_each(distance_m: Any, count: Any) -> Any:
    each = np.divide(np.maximum(distance_m, 0.0) / 1000, count)
    return np.where(np.equal(count, 0), np.inf, each)


_NVIDIA = "Bojarski et al. 2016, arXiv 1604.07316, section 7.1"

_ALL = (
    Figure(
        "autonomy_percent", "autonomy", "%", 1,
        lambda all, _: autonomy_percent(all.interventions, all.elapsed_s),
        means="time driven without help",
        formula="100 · max(0, 1 − 6 s · N / T)",
        source=_NVIDIA,
    ),
    Figure(
        "interventions", "interv.", "", 0, lambda all, _: all.interventions, has_interval=False,
        formula="N: off the road, standing for 3 s, or turned round",
    ),
    Figure(
        "off_road_per_km", "off road", "1/km", 2, lambda all, off: _a_km(off, all.distance_m),
        own=lambda drive: float((drive.intervention == Intervention.OFF_ROAD).sum()),
        means="times that the car left the road",
        formula="how often the car's centre left the road / D",
    ),
    Figure(
        "mean_abs_cte_m", "mean |cte|", "m", 2, lambda all, cte: cte / all.elapsed_s,
        own=lambda drive: drive.over_time(np.abs(drive.cte_m)),
        means="distance from the centre line",
        formula="∫ |cte| dt / T",
    ),
    Figure(
        "max_abs_cte_m", "max |cte|", "m", 2, lambda _, cte: cte,
        own=lambda drive: float(np.abs(drive.cte_m).max()), join=np.max, has_interval=False,
        formula="max |cte|",
    ),
    Figure(
        "min_margin_m", "margin", "m", 2, lambda _, margin: margin,
        own=lambda drive: float(drive.margin_m.min()), join=np.min, has_interval=False,
        formula="min of the way from the car's centre to the nearer edge",
    ),
    Figure(
        "mean_speed_mph", "speed", "mph", 1, lambda all, speed: speed / all.elapsed_s,
        own=lambda drive: drive.over_time(drive.speed_mph),
        formula="∫ speed dt / T",
    ),
    Figure(
        "steering_rate_per_s", "steering rate", "1/s", 2,
        lambda all, rate2: np.sqrt(rate2 / np.maximum(all.steady_s, 1e-9)),
        own=_steering_rate2_s, means="full locks a second, RMS; low is smooth",
        formula="√(∫ (d steering / dt)² dt / T without interventions)",
        source="whiteness, arXiv 2301.12264",
    ),
    Figure(
        "laps", "laps", "", 0, lambda _, laps: laps, own=lambda drive: float(drive.laps[-1]),
        has_interval=False, in_table=False,
        formula="whole laps done",
    ),
    Figure(
        "distance_km", "distance", "km", 1, lambda all, _: np.divide(all.distance_m, 1000),
        has_interval=False, in_table=False,
        formula="D",
    ),
    Figure(
        "elapsed_s", "time", "s", 0, lambda all, _: all.elapsed_s,
        has_interval=False, in_table=False,
        formula="T",
    ),
    Figure(
        "s_between_interventions", "time for each intervention", "s", 0,
        lambda all, _: np.divide(all.elapsed_s, all.interventions),
        has_interval=False, in_table=False,
        formula="T / N; ∞ without any",
    ),
    Figure(
        "km_between_interventions", "distance for each intervention", "km", 2,
        lambda all, _: _km_each(all.distance_m, all.interventions),
        has_interval=False, in_table=False,
        formula="D / N; ∞ without any",
    ),
)  # fmt: skip

FIGURES = {figure.name: figure for figure in _ALL}
"""All that a drive is measured by, in the order of tables. ``margin`` is the smallest distance to
the road's edge, negative beyond it. What comes between interventions is infinite without any."""


def in_table() -> list[Figure]:
    """Those that a table shows."""
    return [figure for figure in FIGURES.values() if figure.in_table]


def in_words(figures: Mapping[str, Any]) -> str:
    """What a table shows, in one line; what is no finite number is left out."""
    return ", ".join(
        f"{one.title} {one.text(figures[one.name])} {one.unit}".strip()
        for one in in_table()
        if is_number(figures.get(one.name))
    )


def is_number(value: Any) -> bool:
    """Whether something out of a file is a finite number."""
    return type(value) in (int, float) and math.isfinite(value)


def autonomy_percent(interventions: float, elapsed_s: float) -> float:
    """Share of the time in which nobody had to drive (NVIDIA, arXiv 1604.07316), in percent.

    Args:
        interventions: how many; each counts as :data:`INTERVENTION_S`.
        elapsed_s: time driven, above 0. Both may be arrays.
    """
    share = 1 - np.multiply(interventions, INTERVENTION_S) / np.asarray(elapsed_s, float)
    percent = np.maximum(share, 0.0) * 100
    return float(percent) if np.ndim(percent) == 0 else percent

"""The diagrams of :mod:`ghostlap.commands.explore`: histograms and lines of time.

Drawn about 1000 pixels wide with large letters, so that they can be read on a phone too. Colours
are those of Okabe and Ito, which people with any kind of colour vision can tell apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.files import replacing
from ghostlap.data.dataset import Samples
from ghostlap.reports.explore.facts import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B7280"

_DPI = 140
_WIDTH_IN = 7.2
_STRIP_S = 60.0
_MAX_STRIPS = 8
_STYLE = {
    "font.size": 12,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E5E7EB",
    "legend.frameon": False,
    "text.usetex": False,
}


@contextlib.contextmanager
def _figure(picture: Path, height_in: float) -> Iterator[Figure]:
    """A figure that is saved as ``picture`` in the end."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        yield figure
        with replacing(picture) as temporary:
            figure.savefig(temporary, dpi=_DPI)


def plot_balance(
    picture: Path,
    steering: NDArray[np.float64],
    kept: NDArray[np.bool_],
    bins: int,
    cap: int | None,
) -> None:
    """Steering histograms before and after balancing, with the cap as a line."""
    edges = np.histogram_bin_edges(steering, bins)
    before, _ = np.histogram(steering, edges)
    after, _ = np.histogram(steering[kept], edges)
    style = {"width": np.diff(edges), "align": "edge", "edgecolor": "white", "linewidth": 0.6}
    removed = len(steering) - int(kept.sum())
    with _figure(picture, 6.4) as figure:
        above, below = figure.subplots(2, 1, sharex=True)
        above.bar(edges[:-1], after, color=BLUE, label="kept", **style)
        above.bar(
            edges[:-1], before - after, bottom=after, color=ORANGE, hatch="///", label="removed",
            **style,
        )  # fmt: skip
        above.set(title=f"Before: {len(steering):,} rows", ylabel="rows")
        below.bar(edges[:-1], after, color=BLUE, label="kept", **style)
        below.set(
            title=f"After: {int(kept.sum()):,} kept, {removed:,} removed",
            ylabel="rows",
            xlabel="steering (left is negative)",
        )
        if cap is not None:
            for axes in (above, below):
                axes.axhline(cap, color="black", lw=1.5, ls="--", label=f"cap {cap:,}")
            below.set_ylim(0, max(cap, int(after.max())) * 1.12)
        _legend(above)


def plot_split(picture: Path, training: Samples, validation: Samples, bins: int) -> None:
    """Histograms of the labels to train on and to validate with, as shares of each."""
    edges = np.histogram_bin_edges(np.concatenate([training.steering, validation.steering]), bins)

    def share_percent(samples: Samples) -> NDArray[np.float64]:
        return 100 * np.histogram(samples.steering, edges)[0] / len(samples)

    with _figure(picture, 4.0) as figure:
        axes = figure.subplots()
        axes.bar(
            edges[:-1], share_percent(training), width=np.diff(edges), align="edge",
            color=BLUE, alpha=0.45, label=f"training: {len(training):,}",
        )  # fmt: skip
        axes.stairs(
            share_percent(validation), edges, color=ORANGE, lw=2.2,
            label=f"validation: {len(validation):,}",
        )  # fmt: skip
        axes.set(
            title="Labels of the samples",
            xlabel="steering label, side cameras included",
            ylabel="share, %",
        )
        _legend(axes)


def plot_steering(picture: Path, time: Timeline) -> None:
    """Steering over the whole recording, in strips one below the other."""
    end_s = max(float(time.driven_s[-1]), 1.0)
    strips = int(np.clip(np.ceil(end_s / _STRIP_S), 1, _MAX_STRIPS))
    strip_s = max(end_s / strips, min(_STRIP_S, end_s))
    largest = np.nanmax(np.abs(time.steering), initial=0.05)
    limit = 1.08 * min(float(largest), 1.0)
    with _figure(picture, 1.3 + 1.15 * strips) as figure:
        rows = figure.subplots(strips, 1, sharey=True, squeeze=False)[:, 0]
        x_s, steering = _with_breaks(time, time.driven_s), _with_breaks(time, time.steering)
        for i, axes in enumerate(rows):
            begin_s, end_s = i * strip_s, (i + 1) * strip_s
            here = ~((x_s < begin_s - 1) | (x_s > end_s + 1))  # true for the NaN of a break
            for sign, colour, label in ((-1, BLUE, "left"), (1, ORANGE, "right")):
                one_side = np.where(sign * steering[here] < 0, 0.0, steering[here])
                axes.fill_between(x_s[here], one_side, color=colour, lw=0, step="mid", label=label)
            axes.plot(x_s[here], 0 * steering[here], color="#111827", lw=0.8)
            _dots(axes, x_s[here], steering[here], "#111827")
            _mark_pauses(axes, time)
            axes.set(xlim=(begin_s, end_s), ylim=(-limit, limit))
        rows[0].set_title("Steering over time")
        _legend(rows[0])
        rows[-1].set_xlabel("seconds of driving")


def plot_speed(picture: Path, time: Timeline) -> None:
    """Speed and pedals over time, and how often each speed was driven."""
    with _figure(picture, 7.4) as figure:
        speed, pedals, often = figure.subplots(3, 1, height_ratios=(3, 2, 2.4))
        x_s = _with_breaks(time, time.driven_s)
        speed_mph = _with_breaks(time, time.speed_mph)
        speed.plot(x_s, speed_mph, color=BLUE, lw=1.4)
        _dots(speed, x_s, speed_mph, BLUE)
        for values, colour in ((time.throttle, GREEN), (-time.brake, ORANGE)):
            pedals.fill_between(x_s, _with_breaks(time, values), color=colour, lw=0, step="mid")
        for axes in (speed, pedals):
            _mark_pauses(axes, time)
            axes.set_xlim(0, max(float(time.driven_s[-1]), 1.0))
        speed.set(title="Speed", ylabel="mph", ylim=(0, None))
        speed.tick_params(labelbottom=False)
        pedals.set(
            title="Throttle (green, up) and brake (orange, down)",
            xlabel="seconds of driving",
            ylabel="pedal",
            ylim=(-1.05 if np.nanmax(time.brake, initial=0) > 0 else -0.05, 1.05),
        )
        often.hist(
            time.speed_mph[np.isfinite(time.speed_mph)], bins=30, color=BLUE,
            edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        often.set(title="How often each speed was driven", xlabel="speed, mph", ylabel="rows")


def _legend(axes: Axes) -> None:
    """Beside the title, where it covers nothing."""
    axes.legend(loc="lower right", bbox_to_anchor=(1.01, 0.98), ncols=3, columnspacing=1.2)


def _with_breaks(time: Timeline, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values with a NaN between stretches, where a line is to break off."""
    return np.insert(values, np.flatnonzero(np.diff(time.stretch)) + 1, np.nan)


def _dots(axes: Axes, x_s: NDArray[np.float64], values: NDArray[np.float64], colour: str) -> None:
    """A dot for each value alone between two breaks, where no line can show it."""
    broken = np.pad(np.isnan(values), 1, constant_values=True)
    alone = broken[:-2] & broken[2:]
    axes.plot(x_s[alone], values[alone], ".", color=colour)


def _mark_pauses(axes: Axes, time: Timeline) -> None:
    """A grey band for each pause, a black line where another recording begins."""
    before = np.flatnonzero(np.diff(time.stretch))
    begin_s, end_s = time.driven_s[before], time.driven_s[before + 1]
    whole_height = axes.get_xaxis_transform()
    axes.broken_barh(
        list(zip(begin_s, end_s - begin_s, strict=True)), (0, 1), color="#D1D5DB",
        transform=whole_height,
    )  # fmt: skip
    other = time.recording[before] != time.recording[before + 1]
    axes.vlines(end_s[other], 0, 1, color="black", lw=1.5, transform=whole_height)

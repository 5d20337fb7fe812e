"""What a person sees of a search: a line a trial, a table, plots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ghostlap.base.files import csv_text, replacing, write_text
from ghostlap.base.terminal import escaped, plain
from ghostlap.training.search.space import Choices, Dimension
from ghostlap.training.search.trial import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3
_OUTLIER_RATIO = 3
"""A loss so many times the median is not drawn at its height."""


def ranked(trials: Iterable[Trial]) -> list[Trial]:
    """Lowest validation loss first, failed trials last."""
    return sorted(trials, key=lambda trial: math.inf if trial.val_loss is None else trial.val_loss)


def options_text(options: dict[str, Any]) -> str:
    return "  ".join(f"{name} {_text(value)}" for name, value in options.items())


def line(trials: Sequence[Trial], trials_in_all: int, left_s: float) -> str:
    """One line about the last trial."""
    last = trials[-1]
    parts = [
        f"trial {len(trials):>{len(str(trials_in_all))}}/{trials_in_all}",
        options_text(last.options),
        f"failed: {last.error}" if last.val_loss is None else f"val_loss {_loss(last.val_loss)}",
        _duration(last.seconds),
    ]
    if last.val_loss is not None and ranked(trials)[0] is last:
        parts.append("best so far")
    if len(trials) < trials_in_all:
        parts.append(f"about {_duration(left_s)} left")
    return "  ".join(parts)


def table(trials: Sequence[Trial]) -> Table:
    """The trials, best first."""
    shown = Table(title="Trials, lowest validation loss first", box=SIMPLE_HEAD)
    for column in ("trial", "val_loss", *trials[0].options, "best_epoch", "time"):
        shown.add_column(plain(column.replace("_", " ")), justify="right", overflow="fold")
    for rank, trial in enumerate(ranked(trials)):
        shown.add_row(
            str(trial.number),
            "failed" if trial.val_loss is None else _loss(trial.val_loss),
            *(plain(_text(value)) for value in trial.options.values()),
            "" if trial.best_epoch is None else str(trial.best_epoch),
            _duration(trial.seconds),
            style="bold green" if rank == 0 and trial.val_loss is not None else None,
        )
    return shown


def write_table(trials: Sequence[Trial], path: Path) -> None:
    """The trials as CSV, best first."""
    head = ["trial", "val_loss", *trials[0].options, "best_epoch", "seconds", "error"]
    rows = (
        [one.number, one.val_loss, *map(_text, one.options.values()), one.best_epoch,
         f"{one.seconds:.1f}", one.error]
        for one in ranked(trials)
    )  # fmt: skip
    write_text(path, csv_text(head, *rows))


def plot_search(trials: Sequence[Trial], dimensions: Sequence[Dimension], picture: Path) -> None:
    """Validation loss by trial, and against each option searched.

    One trial at least has a loss. Failed ones, and those whose loss would squeeze all others
    together, stand at the upper edge.
    """
    from matplotlib.figure import Figure

    panels = 1 + len(dimensions)
    columns = min(_COLUMNS, panels)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(4.6 * columns, 3.6 * rows), layout="constrained")
    all_axes = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    all_axes[0].set_ymargin(0.12)  # room for what stands at the upper edge
    _plot_progress(all_axes[0], trials)
    for axes, dimension in zip(all_axes[1:], dimensions, strict=False):
        _plot_dimension(axes, trials, dimension)
    for axes in all_axes[:panels]:
        axes.grid(alpha=0.3)
    for axes in all_axes[panels:]:
        axes.remove()
    for row in range(rows):
        all_axes[row * columns].set_ylabel("validation loss")
    with replacing(picture) as temporary:
        figure.savefig(temporary, dpi=110)


def _plot_progress(axes: Axes, trials: Sequence[Trial]) -> None:
    from matplotlib.ticker import MaxNLocator

    best_so_far = [
        ranked(trials[: count + 1])[0].val_loss or math.nan for count in range(len(trials))
    ]
    axes.step(range(len(trials)), best_so_far, where="post", color="C1", label="best so far")
    _scatter(axes, trials, range(len(trials)))
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend()


def _plot_dimension(axes: Axes, trials: Sequence[Trial], dimension: Dimension) -> None:
    from matplotlib.ticker import MaxNLocator, NullFormatter

    values = [trial.options[dimension.name] for trial in trials]
    axes.set_xlabel(dimension.name)
    if isinstance(dimension, Choices):
        axes.set_xticks(
            range(len(dimension.values)),
            [escaped(_text(v)) for v in dimension.values],
            parse_math=False,
        )
        axes.set_xlim(-0.5, len(dimension.values) - 0.5)
        _scatter(axes, trials, [dimension.values.index(value) for value in values])
        return
    if dimension.log:
        axes.set_xscale("log")
        margin = (dimension.high / dimension.low) ** 0.05
        axes.set_xlim(dimension.low / margin, dimension.high * margin)
        if dimension.high >= 10 * dimension.low:  # else no power of ten may be in sight
            axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        margin = (dimension.high - dimension.low) * 0.05
        axes.set_xlim(dimension.low - margin, dimension.high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=dimension.whole))
    _scatter(axes, trials, values)


def _scatter(axes: Axes, trials: Sequence[Trial], x: Sequence[float]) -> None:
    """Darker is later; the best is a star."""
    losses = [math.inf if trial.val_loss is None else trial.val_loss for trial in trials]
    finite = sorted(loss for loss in losses if math.isfinite(loss))
    highest = min(finite[-1], _OUTLIER_RATIO * finite[len(finite) // 2])
    best = losses.index(finite[0])
    inside = [i for i, loss in enumerate(losses) if loss <= highest and i != best]
    axes.scatter(
        [x[i] for i in inside], [losses[i] for i in inside], c=inside,
        cmap="Blues", vmin=-len(trials), vmax=len(trials), zorder=3,
    )  # fmt: skip
    axes.plot(x[best], finite[0], "*", ms=14, color="C1", zorder=4, label=f"best: {finite[0]:.4f}")
    at_edge = {
        "failed": ("x", [i for i, loss in enumerate(losses) if loss == math.inf]),
        "higher": ("^", [i for i, loss in enumerate(losses) if highest < loss < math.inf]),
    }
    for label, (marker, which) in at_edge.items():
        if which:
            axes.plot(
                [x[i] for i in which], [0.96] * len(which), marker, color="C3", label=label,
                transform=axes.get_xaxis_transform(), zorder=3,
            )  # fmt: skip


def _text(value: Any) -> str:
    """An option's value as it is written in --space."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "+".join(value) if isinstance(value, tuple) else str(value)


def _loss(loss: float) -> str:
    return f"{loss:.4f}" if loss < 10 else f"{loss:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"

"""Driving by iteration, with and without the new frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.files import replacing
from ghostlap.base.terminal import escaped
from ghostlap.driving import metrics
from ghostlap.training.dagger.results import FIGURES, Arm, Measured, Row

_ASIDE = 0.04
"""Curves stand so far beside each other, or the intervals of one would hide the other's."""


def plot_iterations(
    rows: Sequence[Row], expert: Measured | None, title: str, picture: Path
) -> None:
    """Draw three figures over the iterations: the pilot's, the control's, the expert's."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(FIGURES)), FIGURES, strict=True):
        if any(row.arm == "control" for row in rows):
            _draw(axes, rows, "control", name, "control: as long, without", "C7", "s", _ASIDE)
        _draw(axes, rows, "dagger", name, "with the new frames", "C0", "o", -_ASIDE)
        if expert is not None:
            axes.axhline(getattr(expert, name), color="C2", ls="--", lw=1.2, label="expert")
        title, unit = metrics.FIGURES[name].title, metrics.FIGURES[name].unit
        axes.set(xlabel="iteration", ylabel=f"{title}, {unit}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if name != "autonomy_percent":
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=3)
    figure.suptitle(escaped(title), fontsize=11, parse_math=False)
    with replacing(picture) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw(
    axes: Any, rows: Sequence[Row], arm: Arm, name: str, label: str, color: str, marker: str,
    aside: float,
) -> None:  # fmt: skip
    """One curve with its intervals; it begins with the pilot that both have in common."""
    own = [row for row in rows if row.arm in ("start", arm)]
    values = np.array([getattr(row.measured, name) for row in own])
    limits = [
        row.measured.interval_95.get(name, (value, value))
        for row, value in zip(own, values, strict=True)
    ]
    errors = np.abs(np.array(limits) - values[:, None]).T
    iterations = np.array([row.iteration for row in own]) + aside
    axes.errorbar(
        iterations, values, errors, color=color, marker=marker, ms=5, capsize=3, label=label
    )

"""What ``python -m benchmarks ablation`` prints and writes of what has been driven."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from ghostlap.base.files import write_json
from ghostlap.data.provenance import machine, versions
from ghostlap.driving.summary import Summary, summary_of

if TYPE_CHECKING:
    from benchmarks.ablation import AblationConfig

_SHOWN = {"autonomy_percent": 1, "interventions": 0, "mean_abs_cte_m": 2, "distance_km": 1}
"""Figures, and their digits."""


def show(
    driven: Sequence[dict[str, Any]],
    sets: Sequence[str],
    arms: Sequence[str],
    config: AblationConfig,
    console: Console,
) -> dict[str, Any]:
    """Print and write what has been driven.

    Args:
        driven: lines of ``drives.jsonl``.
        sets, arms: in the order shown.
        config: whose folder gets ``ablation.json``.
        console: where it is printed.

    Returns:
        What was written.
    """
    figures: dict[str, Any] = {"machine": machine(), "versions": versions()}
    figures["config"] = config.to_json()
    figures["sets"] = {}
    for where in sets:
        shown = Table(title=f"{where}; 95 % over pilots, tracks and seeds")
        for column in ("arm", "autonomy %", "a training seed", "interventions", "a km"):
            shown.add_column(column, justify="left" if column == "arm" else "right")
        for column in ("mean abs(cte) m", "km"):
            shown.add_column(column, justify="right")
        of_set = figures["sets"][where] = {}
        for arm in arms:
            lines = [line for line in driven if (line["set"], line["arm"]) == (where, arm)]
            if not lines:
                continue
            whole = _summary(lines)
            of_seed = {
                seed: _summary([line for line in lines if line["training_seed"] == seed])
                for seed in sorted({line["training_seed"] for line in lines})
            }
            autonomy = {seed: one.figures["autonomy_percent"] for seed, one in of_seed.items()}
            a_km = whole.figures["interventions"] / whole.figures["distance_km"]
            of_set[arm] = {
                **{name: whole.figures[name] for name in _SHOWN},
                "interventions_per_km": a_km,
                "interval_95": {n: list(v) for n, v in whole.interval.items() if n in _SHOWN},
                "autonomy_percent_by_training_seed": autonomy,
            }
            cells = [_cell(whole, name, digits) for name, digits in _SHOWN.items()]
            cells.insert(1, " / ".join(f"{one:.1f}" for one in autonomy.values()))
            cells.insert(3, f"{a_km:.2f}")
            shown.add_row(arm, *cells)
        if of_set:
            console.print(shown)
    if driven:
        write_json(config.out / "ablation.json", figures)
    return figures


def _summary(lines: Sequence[dict[str, Any]]) -> Summary:
    """Of several lines; each pilot on each track and seed counts once."""
    keys = [(one["training_seed"], one["track"], one["seed"]) for one in lines for _ in one["sums"]]
    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    sums = [sums for line in lines for sums in line["sums"]]
    return summary_of(sums, [number[key] for key in keys])


def _cell(summary: Summary, name: str, digits: int) -> str:
    text = f"{summary.figures[name]:.{digits}f}"
    if name not in summary.interval:
        return text
    low, high = summary.interval[name]
    return f"{text} ({low:.{digits}f} to {high:.{digits}f})"

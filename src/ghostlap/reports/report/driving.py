"""Does it drive? The answer in one glance, and the tables below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ghostlap.driving.metrics import FIGURES, Figure, in_table
from ghostlap.driving.summary import rarest_km
from ghostlap.reports.page import Cell, limits, number
from ghostlap.reports.report.charts import Scale
from ghostlap.reports.report.evaluations import (
    Evaluation,
    TableLine,
    hardness,
    short,
    tracks_in_words,
)

_MOST_TRACKS = 4
_MOST_ROWS = 60

_CONDITIONS = {
    "seed": "Light, materials and starts are drawn anew for each seed",
    "wide": "Light, materials and starts are drawn anew for each seed from a wide range",
    "fixed": "Light and materials are fixed; each seed draws its starts",
}


def answer(found: Sequence[Evaluation], problems: Sequence[str]) -> dict[str, Any]:
    """The top of the page: the evaluation to believe, in a sentence and four figures a track."""
    best = found[0] if found and found[0].plain else None
    shown: dict[str, Any] = {"best": best, "problems": problems, "tracks": [], "more_tracks": 0}
    if best is None:
        return shown
    kind, sentence = _sentence(best)
    return shown | {
        "kind": kind,
        "sentence": sentence,
        "basis": _basis(best),
        "tracks": [_track(best, line) for line in best.plain[:_MOST_TRACKS]],
        "more_tracks": len(best.plain) - _MOST_TRACKS,
    }


def _sentence(best: Evaluation) -> tuple[str, str]:
    """The answer, and how good it is: good, fair or poor."""
    taken_over = round(sum(line.figures["interventions"] for line in best.plain))
    where = f"{best.distance_km:.1f} km on {tracks_in_words(best.plain)}"
    if taken_over == 0:
        return "good", f"{where} without anyone taking over."
    kind = "poor" if min(line.figures["autonomy_percent"] for line in best.plain) < 90 else "fair"
    times = "once" if taken_over == 1 else f"{taken_over} times"
    return kind, f"Someone had to take over {times} in {where}."


def _basis(best: Evaluation) -> str:
    line = best.plain[0]
    conditions = _CONDITIONS.get(best.conditions, f"Conditions: {best.conditions}")
    seeds = f"{line.seeds} seed{'s' if line.seeds > 1 else ''}"
    text = (
        f"Embedded simulator, speed limit {best.speed_limit_mph:g} mph, {line.episodes} episodes "
        f"of {seeds} a track. {conditions}{', with small pushes' if best.pushes else ''}."
    )
    if line.seeds == 1:
        text += " One seed gives no intervals."
    if not any(line.figures["interventions"] for line in best.plain):
        text += (
            f" No takeover in {best.distance_km:.1f} km: with 95 % confidence there is fewer than "
            f"one in {rarest_km(best.distance_km):.1f} km."
        )
    return text


def _track(best: Evaluation, line: TableLine) -> dict[str, Any]:
    expert = best.expert_beside(line)
    return {
        "title": f"{short(line.track)} \N{MIDDLE DOT} {line.figures['distance_km']:.1f} km",
        "tiles": [
            _tile(figure, line, expert)
            for figure in FIGURES.values()
            if figure.means and math.isfinite(line.figures[figure.name])
        ],
    }


def _tile(figure: Figure, line: TableLine, expert: TableLine | None) -> dict[str, Any]:
    """A figure in words, and as a dot on its interval, the expert's as a tick, on one scale."""
    name, digits = figure.name, figure.digits
    value, interval = line.figures[name], line.interval.get(name)
    low, high = interval or (value, value)
    beside = None if expert is None else expert.figures[name]
    if interval is None:
        range_text = "no interval: one seed"
    elif low == high:
        range_text = f"same in all {line.seeds} seeds"
    else:
        range_text = f"95 %: {limits(interval, digits) or number(value, digits)}"
    if name == "autonomy_percent":
        scale = Scale(0 if min(low, value) < 90 else 90, 100, 4, 196)
    else:
        scale = Scale(0, max(max(high, value, beside or 0.0) * 1.15, 1e-9), 4, 196)
    low_x, high_x, value_x = (f"{float(scale(x)):.1f}" for x in (low, high, value))
    return {
        "title": figure.title.capitalize(), "unit": figure.unit, "meaning": figure.means,
        "value": number(value, digits), "range": range_text,
        "expert": "" if beside is None else f"expert: {number(beside, digits)}",
        "low_x": low_x, "high_x": high_x, "value_x": value_x,
        "expert_x": None if beside is None else f"{float(scale(beside)):.1f}",
    }  # fmt: skip


def tables(found: Sequence[Evaluation]) -> dict[str, Any]:
    """Every evaluation's figures without stress, the expert's below the pilot's."""
    rows: list[list[str | Cell]] = []
    faint = []
    for one in found:
        for line in one.plain:
            if len(rows) >= _MOST_ROWS:
                break
            rows.append(_row(one, line))
            expert = one.expert_beside(line)
            if expert is not None:
                faint.append(len(rows))
                rows.append(_row(one, expert))
    return {"titles": _titles(), "rows": rows, "faint": faint}


def _titles() -> list[str]:
    return [f"{figure.title} {figure.unit}".strip() for figure in in_table()]


def _row(one: Evaluation, line: TableLine) -> list[str | Cell]:
    state = "" if one.complete else "not complete"
    if not one.of_this_network:
        state = "earlier network"
    return [
        short(line.track),
        line.driver,
        number(line.figures["distance_km"], 1),
        *(_cell(line, figure) for figure in in_table()),
        Cell(one.folder.name, state),
    ]


def stress(found: Sequence[Evaluation]) -> dict[str, Any]:
    """What hardships cost, hardest first."""
    tested = next((one for one in found if one.stressed), None)
    if tested is None:
        return {"tested": None}
    lines = [*tested.plain, *sorted(tested.stressed, key=hardness)]
    several = len({line.track for line in lines}) > 1
    rows: list[list[str | Cell]] = []
    for line in lines[:_MOST_ROWS]:
        stress = "no stress" if line.stress == "none" else line.stress
        rows.append([
            stress + (f" ({short(line.track)})" if several else ""),
            *(_cell(line, one, one.name == "autonomy_percent") for one in in_table()),
            number(line.figures["distance_km"], 1),
        ])  # fmt: skip
    return {"tested": tested, "titles": _titles(), "rows": rows}


def _cell(line: TableLine, figure: Figure, has_bar: bool = False) -> Cell:
    """A figure with its interval."""
    value, digits = line.figures[figure.name], figure.digits
    interval = limits(line.interval.get(figure.name), digits)
    return Cell(number(value, digits), interval, value if has_bar else None)

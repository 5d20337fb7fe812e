"""What came of each iteration: figures, table and file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ghostlap.base.files import csv_text, write_text
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.tables_beside import read_who_drove
from ghostlap.driving import metrics
from ghostlap.driving.evaluation.results import read_drive
from ghostlap.driving.evaluation.table import add_figure_columns
from ghostlap.driving.summary import summarise

DISAGREES_FROM = 0.1
"""Pilot and expert disagree where their steering is so far apart, 2.5 degrees of the wheels."""

Arm = Literal["start", "dagger", "control"]

SHOWN = ("autonomy_percent", "interventions", "off_road_per_km", "mean_abs_cte_m")
"""Figures of the table."""
FIGURES = tuple(name for name in SHOWN if metrics.FIGURES[name].has_interval)
"""Those of them with an interval."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """How well somebody drives, over all tracks and seeds."""

    autonomy_percent: float
    interventions: float
    off_road_per_km: float
    mean_abs_cte_m: float
    distance_km: float
    interval_95: dict[str, list[float]]
    """95 % intervals of :data:`FIGURES`; empty with a single seed."""


@dataclasses.dataclass(frozen=True)
class NewFrames:
    """What was added to learn from in an iteration."""

    frames: int
    disagreement: float | None
    """Share of them on which the pilot that drove and the label are ``DISAGREES_FROM`` apart; None
    where the pilot was asked at none."""
    driven_by_pilot: float
    """Share of them at which the pilot drove."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A pilot of the table."""

    iteration: int
    """0 is the pilot that it began with."""
    arm: Arm
    pilot: str
    """Its run folder."""
    measured: Measured
    training_frames: int | None
    """Samples that it was trained on, after balancing; None where the pilot does not say."""
    steps: int = 0
    """Steps of training in this iteration."""
    new: NewFrames | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Row:
        """Read back what became of ``dataclasses.asdict`` as JSON."""
        measured = Measured(**values["measured"])
        new = None if values["new"] is None else NewFrames(**values["new"])
        return cls(**{**values, "measured": measured, "new": new})


def measured_of(folder: Path, evaluation: dict[str, Any], driver: str) -> Measured:
    """All episodes of ``pilot`` or ``expert`` in an evaluation together, whatever track."""
    episodes = [episode for episode in evaluation["episodes"] if episode["driver"] == driver]
    drives = [read_drive(folder / episode["drive"]) for episode in episodes]
    seeds = [(episode["track"], episode["seed"]) for episode in episodes]
    known = sorted(set(seeds))
    summary = summarise(drives, [known.index(seed) for seed in seeds])
    return Measured(
        **{name: summary.figures[name] for name in (*SHOWN, "distance_km")},
        interval_95={name: list(summary.interval[name]) for name in FIGURES if summary.interval},
    )


def new_frames(recordings: Sequence[Path]) -> NewFrames:
    """Count what recordings with who_drove.csv add."""
    labels: list[float] = []
    answers: list[float] = []
    by_pilot = frames = 0
    for folder in recordings:
        table, who = read_recording(folder).frames, read_who_drove(folder)
        frames += len(table)
        for path, label in zip(table["center"], table["steering"], strict=True):
            said = who.get(image_name_of(path))
            by_pilot += said is not None and said.driver == "pilot"
            if said is not None and said.pilot_steering is not None:
                labels.append(label)
                answers.append(said.pilot_steering)
    apart = np.abs(np.array(labels) - np.array(answers)) > DISAGREES_FROM
    return NewFrames(
        frames=frames,
        disagreement=float(apart.mean()) if len(apart) else None,
        driven_by_pilot=by_pilot / max(frames, 1),
    )


def best_of(rows: Sequence[Row]) -> Row:
    """The pilot of the highest autonomy, then of the smallest cross-track error; no control."""
    return min((row for row in rows if row.arm != "control"), key=rank)


def rank(row: Row) -> tuple[float, float]:
    """Lower is better."""
    return -row.measured.autonomy_percent, row.measured.mean_abs_cte_m


def table_of(rows: Sequence[Row], expert: Measured | None) -> Table:
    """A line for each pilot, and the expert's as what can be reached."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    shown.add_column("iteration\n", no_wrap=True)
    add_figure_columns(shown, (metrics.FIGURES[name] for name in SHOWN))
    for column in ("new\nframes", "disagree\n%", "training\nframes", "steps\n"):
        shown.add_column(column, justify="right", no_wrap=True)
    best = best_of(rows) if rows else None
    for row in rows:
        new = row.new
        shown.add_row(
            {"start": "0", "dagger": f"{row.iteration}", "control": "  control"}[row.arm],
            *_driving(row.measured),
            "" if new is None else str(new.frames),
            "" if new is None or new.disagreement is None else f"{100 * new.disagreement:.1f}",
            "" if row.training_frames is None else str(row.training_frames),
            str(row.steps) if row.steps else "",
            style="bold green" if row is best else "dim" if row.arm == "control" else None,
        )
    if expert is not None:
        shown.add_row("expert", *_driving(expert), "", "", "", "", style="dim")
    return shown


def _driving(measured: Measured) -> list[str]:
    return [metrics.FIGURES[name].cell(vars(measured), measured.interval_95) for name in SHOWN]


def write_table(rows: Sequence[Row], path: Path) -> None:
    """The rows as CSV; an interval's ends are columns of their own."""
    ends = [f"{name}_{end}" for name in FIGURES for end in ("low", "high")]
    table: list[list[Any]] = [
        ["iteration", "arm", *SHOWN, *ends, "distance_km", "new_frames", "disagreement",
         "driven_by_pilot", "training_frames", "steps", "pilot"]
    ]  # fmt: skip
    for row in rows:
        measured, new = row.measured, row.new
        limits = [measured.interval_95.get(name, ["", ""]) for name in FIGURES]
        table.append(
            [
                row.iteration,
                row.arm,
                *(_plain(getattr(measured, name)) for name in SHOWN),
                *(_plain(limit) for pair in limits for limit in pair),
                _plain(measured.distance_km),
                *(["", "", ""] if new is None else map(_plain, dataclasses.astuple(new))),
                _plain(row.training_frames),
                row.steps,
                row.pilot,
            ]
        )
    write_text(path, csv_text(*table))


def _plain(value: float | str | None) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) else value or ""

"""Results of an evaluation as files: each drive as CSV, everything else as JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import EvaluationError
from ghostlap.base.files import open_text
from ghostlap.driving.evaluation.failure_prediction import FailurePrediction, failure_prediction
from ghostlap.driving.metrics import Drive
from ghostlap.driving.rollout.config import file_name_of
from ghostlap.driving.rollout.episode import EpisodesResult
from ghostlap.driving.rollout.plan import Episode, EpisodesTask
from ghostlap.driving.summary import Summary, summarise

_DIGITS = {
    "time_s": 3, "s_m": 3, "cte_m": 4, "heading_error_rad": 5, "margin_m": 4, "distance_m": 3,
    "laps": 0, "speed_mph": 3, "steering": 5, "throttle": 4, "intervention": 0, "pushed": 0,
    "spread": 5,
}  # fmt: skip
"""Decimals of a column of a drive's file."""


@dataclasses.dataclass(frozen=True)
class TableLine:
    """One line of the table: who drove where, under which stress, and how well."""

    track: str
    driver: str
    """``pilot`` or ``expert``."""
    stress: str
    summary: Summary


Finished = list[tuple[EpisodesTask, EpisodesResult]]


def table_lines(finished: Finished) -> list[TableLine]:
    """A line for each track, driver and stress, in the order in which they are planned."""
    groups: dict[tuple[str, str, str], list[tuple[Episode, Drive]]] = {}
    for task, result in finished:
        key = (task.track, "expert" if task.by_expert else "pilot", task.stress.name)
        groups.setdefault(key, []).extend(zip(task.episodes, result.drives, strict=True))
    return [
        TableLine(
            *key, summarise([drive for _, drive in group], [episode.seed for episode, _ in group])
        )
        for key, group in groups.items()
    ]


def failure_prediction_of(finished: Finished) -> FailurePrediction | None:
    """How well the pilot's spread announced interventions, on all tracks and without stress."""
    driven = [
        ((task.track, episode.seed), drive)
        for task, result in finished
        if not task.by_expert and task.stress.name == "none"
        for episode, drive in zip(task.episodes, result.drives, strict=True)
    ]
    return failure_prediction([drive for _, drive in driven], [group for group, _ in driven])


def line_as_json(line: TableLine) -> dict[str, Any]:
    """A line as JSON values; what is infinite is null."""
    summary = line.summary
    return {
        "track": line.track,
        "driver": line.driver,
        "stress": line.stress,
        "episodes": summary.episodes,
        "seeds": summary.seeds,
        **_finite(summary.figures),
        "interval_95": {name: list(limits) for name, limits in summary.interval.items()},
    }


def episodes_as_json(finished: Finished) -> list[dict[str, Any]]:
    """Each episode of the pilot's and the expert's: what was drawn for it, and its score."""
    return [
        {
            "drive": f"drives/{drive_name(task, episode)}.csv",
            "track": task.track,
            "driver": "expert" if task.by_expert else "pilot",
            "stress": task.stress.name,
            "seed": episode.seed,
            "way": episode.way,
            "start": dataclasses.asdict(episode.start),
            "conditions": dataclasses.asdict(task.conditions),
            "finished": bool(drive.laps[-1] >= task.laps),
            **_finite(summarise([drive], [episode.seed]).figures),
            "answers_not_a_number": not_a_number,
            "answers_out_of_range": out_of_range,
        }
        for task, result in finished
        for episode, drive, not_a_number, out_of_range in zip(
            task.episodes, result.drives, result.not_a_number, result.out_of_range, strict=True
        )
    ]


def drive_name(task: EpisodesTask, episode: Episode) -> str:
    """What an episode's files are called."""
    parts = [file_name_of(task.track), str(episode.seed), episode.way]
    if task.stress.name != "none":
        parts.append(file_name_of(task.stress.name))
    if task.by_expert:
        parts.append("expert")
    return "-".join(parts)


def _finite(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def drive_csv(drive: Drive) -> str:
    """A drive as CSV, a row a moment."""
    columns = [getattr(drive, name) for name in _DIGITS]
    file = io.StringIO(newline="")
    file.write(",".join(_DIGITS) + "\n")
    formats = [f"%.{digits}f" for digits in _DIGITS.values()]
    np.savetxt(file, np.stack(columns, axis=1).astype(float), formats, delimiter=",")
    return file.getvalue()


def read_drive(path: str | Path) -> Drive:
    """Read back a file that holds what :func:`drive_csv` gave.

    Raises:
        EvaluationError: there is no drive.
    """
    try:
        with open_text(path) as file:
            return parse_drive(file, path)
    except OSError as error:
        raise _no_drive(path, error) from error


def parse_drive(lines: Iterable[str], name: str | Path) -> Drive:
    """A drive from the lines of :func:`drive_csv`.

    Args:
        name: where they stand, for errors.

    Raises:
        EvaluationError: there is no drive.
    """
    try:
        header, *rows = csv.reader(lines)
        if header not in (list(_DIGITS), list(_DIGITS)[:-1]):  # older ones have no spread
            raise ValueError(f"its columns are {header}")
        columns = dict(zip(header, np.array(rows, float).T, strict=True))
        columns.setdefault("spread", np.full(len(rows), np.nan))
    except (ValueError, KeyError, csv.Error) as error:
        raise _no_drive(name, error) from error
    codes = columns.pop("intervention").astype(np.int8)
    pushed = columns.pop("pushed").astype(bool)
    return Drive(**columns, intervention=codes, pushed=pushed)


def _no_drive(name: str | Path, why: Exception) -> EvaluationError:
    return EvaluationError(f"{name}: not a drive that 'ghostlap evaluate' wrote ({why}).")

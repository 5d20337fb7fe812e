"""How long changes to a commanded line take, and how well lines are held."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ghostlap.data.lines import SWITCH_S, Command, line_at
from ghostlap.driving.evaluation.results import Finished
from ghostlap.driving.metrics import Floats
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.track.track import Track

REACHED_M = 0.3
"""A line is reached, and held, within so much."""
IN_TIME_S = 3.0
"""A change should take no longer."""
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class LinesHeld:
    """How a driver kept to commanded lines, over all its drives under one stress.

    A line is held from the moment at which it is reached up to the next command.
    """

    driver: str
    """``pilot`` or ``expert``."""
    stress: str
    changes: int
    """Commands to change from one line to another; not the first line, to which a car starts."""
    change_s: tuple[float, ...]
    """How long they took, median and 95 %; infinite for a line that was never reached."""
    in_time_percent: float
    """Share of the changes that took no longer than ``IN_TIME_S``."""
    held_mean_abs_m: float
    """Mean distance from a line that is held …"""
    held_95_m: float
    """… its 95th percentile …"""
    held_percent: float
    """… and the share of moments at which it is no more than ``REACHED_M``."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values; what is not finite is null."""
        values = dataclasses.asdict(self) | {"change_s": list(map(_finite, self.change_s))}
        return {
            name: _finite(value) if isinstance(value, float) else value
            for name, value in values.items()
        }

    def __str__(self) -> str:
        who = self.driver if self.stress == "none" else f"{self.driver}, {self.stress}"
        changes = ""
        if self.changes:
            median_s, most_s = self.change_s
            changes = (
                f"{self.changes} changes of line, to within {REACHED_M:g} m after {median_s:.1f} s "
                f"(median), {most_s:.1f} s (95 %); {self.in_time_percent:.0f} % within "
                f"{IN_TIME_S:g} s. "
            )
        return (
            f"The {who}: {changes}Lines are held to {self.held_mean_abs_m:.2f} m (mean), "
            f"{self.held_95_m:.2f} m (95 %); within {REACHED_M:g} m for {self.held_percent:.1f} % "
            "of the time."
        )


def lines_held(
    command: Command, tracks: Mapping[str, Track], finished: Finished
) -> list[LinesHeld]:
    """How well drives kept to the lines that were commanded; nothing for the centre throughout.

    Args:
        command: what all of them were told.
        tracks: by the names that tasks have for them.
        finished: what was driven.
    """
    if command == "centre":
        return []
    experts = {
        name: ExpertDriver(track, Expert(line="switch"), 1) for name, track in tracks.items()
    }
    found: dict[tuple[str, str], tuple[list[float], list[Floats]]] = {}
    for task, result in finished:
        who = "expert" if task.by_expert else "pilot", task.stress.name
        changes, errors = found.setdefault(who, ([], [np.zeros(0)]))
        for episode, drive in zip(task.episodes, result.drives, strict=True):
            numbers = np.floor(drive.time_s / SWITCH_S + _ROUNDING) * (command == "switch")
            for number in np.unique(numbers):
                expert, part = experts[task.track], numbers == number
                expert.line = line_at(command, (number + 0.5) * SWITCH_S)
                line_m = expert.cte_for(drive.s_m[part], episode.start.direction)
                off_m = np.abs(drive.cte_m[part] - line_m)
                took_s = drive.time_s[part] - drive.time_s[part][0]
                there = np.append(off_m <= REACHED_M, True).argmax()
                errors.append(off_m[there:])
                # A drive's last command may leave no time for it.
                if number and (there < len(took_s) or took_s[-1] > IN_TIME_S):
                    changes.append(float(np.append(took_s, math.inf)[there]))
    return [
        LinesHeld(*who, *_figures(np.array(changes), np.concatenate(errors)))
        for who, (changes, errors) in found.items()
    ]


def _figures(changes: Floats, errors: Floats) -> tuple[Any, ...]:
    took_s = np.quantile(changes, [0.5, 0.95], method="inverted_cdf") if len(changes) else ()
    return (
        len(changes),
        tuple(round(float(s), 3) for s in took_s),
        float(np.mean(changes <= IN_TIME_S)) * 100 if len(changes) else math.nan,
        float(errors.mean()) if len(errors) else math.nan,
        float(np.quantile(errors, 0.95)) if len(errors) else math.nan,
        float(np.mean(errors <= REACHED_M)) * 100 if len(errors) else 0.0,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

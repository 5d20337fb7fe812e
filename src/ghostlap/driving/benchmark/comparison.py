"""Results side by side: the same drives for each, so that differences are paired."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import BenchmarkError
from ghostlap.driving.benchmark.check import problems_on_paper
from ghostlap.driving.benchmark.result import (
    drive_of,
    group_autonomies,
    key_of,
    key_of_task,
    read_result,
)
from ghostlap.driving.benchmark.suite import Suite, suite_named
from ghostlap.driving.metrics import Drive
from ghostlap.driving.policies.policy import Policy
from ghostlap.driving.rollout.plan import EpisodesTask

PART_M = 1.0
"""Two cars part where they are so far from each other sideways, or one needs a person."""
MOST_PARTINGS = 6
_SOMEBODY = Policy("", "run folder", Path(), "")


@dataclasses.dataclass(frozen=True)
class Difference:
    """How much better than the first result another is, in percent of autonomy."""

    name: str
    value: float
    interval: tuple[float, float]
    """95 %, over roads and lights drawn alike for both."""

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes no difference."""
        return not self.interval[0] <= 0 <= self.interval[1]


@dataclasses.dataclass(frozen=True, eq=False)
class Parting:
    """A drive in which two policies part, and the row of the moment."""

    task: EpisodesTask
    drives: tuple[Drive, Drive]
    row: int
    interventions: tuple[int, int]


def read_comparable(paths: Sequence[Path]) -> tuple[Suite, list[dict[str, Any]]]:
    """Results that can be compared, and their suite.

    Raises:
        BenchmarkError: one cannot be read or was edited, or they are of different suites, versions
            of a suite, or drives.
    """
    results = [read_result(path) for path in paths]
    first = results[0]
    for path, result in zip(paths, results, strict=True):
        if result["suite"] != first["suite"]:
            one, other = (
                f"{shown['name']:.40} ({shown['blake2b']:.8})"
                for shown in (first["suite"], result["suite"])
            )
            raise BenchmarkError(
                f"{path}: was measured by the suite {other}, {paths[0]} by {one}. Only results of "
                "the same version of a suite can be compared: measure one of them again."
            )
        if [key_of(one) for one in result["episodes"]] != [
            key_of(one) for one in first["episodes"]
        ]:
            raise BenchmarkError(
                f"{path}: has other drives than {paths[0]}, so it was edited or cut off. Measure "
                "the policy again."
            )
    suite = suite_named(first["suite"]["name"])
    if suite.blake2b != first["suite"]["blake2b"]:
        raise BenchmarkError(
            f"{paths[0]}: was measured by another version of the suite {suite.name} than the one "
            "of this Ghostlap. Compare with the version that measured, or measure again."
        )
    for path, result in zip(paths, results, strict=True):
        if problems := problems_on_paper(result):
            raise BenchmarkError(f"{path}: {problems[0]}. Measure the policy again.")
    return suite, results


def differences(suite: Suite, first: dict[str, Any], other: dict[str, Any]) -> list[Difference]:
    """Of the score, then of each group."""
    of = {scenario.name: scenario.group for scenario in suite.scenarios}
    names = [one["group"] for one in first["groups"]]
    drawn, found = [], []
    for result in (first, other):
        groups = [[e for e in result["episodes"] if of[e["scenario"]] == name] for name in names]
        drawn.append(group_autonomies(groups))
    apart = drawn[1] - drawn[0]
    score = other["score"]["autonomy_percent"] - first["score"]["autonomy_percent"]
    found.append(_difference("score", score, apart.mean(0)))
    for place, name in enumerate(names):
        value = (
            other["groups"][place]["autonomy_percent"] - first["groups"][place]["autonomy_percent"]
        )
        found.append(_difference(name, value, apart[place]))
    return found


def _difference(name: str, value: float, drawn: Any) -> Difference:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Difference(name, float(value), (float(low), float(high)))


def told_apart(results: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """What is different about how policies were made and measured: values by name, one a result."""
    flat = [
        {
            **{f"policy.{name}": value for name, value in one["policy"].items()},
            **one["about"],
            **{f"measured with {n}": v for n, v in one["provenance"]["versions"].items()},
            **{f"measured on {n}": v for n, v in one["provenance"]["machine"].items()},
        }
        for one in results
    ]
    names = list(dict.fromkeys(name for one in flat for name in one))
    table = {name: [str(one.get(name, "")) for one in flat] for name in names}
    return {name: values for name, values in table.items() if len(set(values)) > 1}


def partings(
    suite: Suite, results: Sequence[dict[str, Any]], folders: Sequence[Path]
) -> list[Parting]:
    """Where the first two policies part, the drives with the greatest difference first.

    Nothing is found where the drives do not lie in the results' folders.
    """
    tasks = {key_of_task(task): task for task in suite.tasks(_SOMEBODY)}
    at = results[0]["columns"].index("interventions")
    pairs = sorted(
        zip(results[0]["episodes"], results[1]["episodes"], strict=True),
        key=lambda pair: (-abs(pair[0]["sums"][at] - pair[1]["sums"][at]), key_of(pair[0])),
    )
    found: list[Parting] = []
    seen = set[str]()
    for one, other in pairs:
        if len(found) == MOST_PARTINGS or one["sums"][at] == other["sums"][at]:
            break
        task = tasks[key_of(one)]
        drives = [
            drive_of(folder, task, result) for folder, result in zip(folders, results, strict=True)
        ]
        if one["scenario"] in seen or drives[0] is None or drives[1] is None:
            continue
        seen.add(one["scenario"])
        counts = round(one["sums"][at]), round(other["sums"][at])
        found.append(Parting(task, (drives[0], drives[1]), _row(drives[0], drives[1]), counts))
    return found


def _row(one: Drive, other: Drive) -> int:
    """The first row at which two cars have parted."""
    rows = min(len(one.time_s), len(other.time_s))
    apart = np.abs(one.cte_m[:rows] - other.cte_m[:rows]) > PART_M
    helped = (one.intervention[:rows] > 0) != (other.intervention[:rows] > 0)
    parted = np.flatnonzero(apart | helped)
    return int(parted[0]) if len(parted) else rows - 1

"""Whether a result is what its policy drives: reckoned and driven again."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ghostlap.base.files import content_hash
from ghostlap.data.provenance import machine, versions
from ghostlap.driving.benchmark.result import (
    COLUMNS,
    described,
    episode_json,
    fingerprint,
    followed,
    hash_of,
    kept_sums,
    key_of,
    key_of_task,
)
from ghostlap.driving.benchmark.suite import suite_named
from ghostlap.driving.evaluation.episode_files import Driven, drive_file
from ghostlap.driving.evaluation.results import drive_csv, drive_name, read_drive
from ghostlap.driving.policies.policy import Policy
from ghostlap.driving.rollout.plan import EpisodesTask

TOLERANCE = {"elapsed_s": 1e-3, "interventions": 1.0, "distance_m": 20.0, "of_mean_abs_cte_m": 5.0}
"""How far sums of a drive may be off on another machine, whose pictures differ in their last bits;
of the cross-track error the integral over time, in m s."""


@dataclasses.dataclass(frozen=True)
class Checked:
    """What came of a check."""

    problems: tuple[str, ...]
    """Why the result is not what it says; none if it is."""
    driven: int
    """Drives driven again."""
    same_bytes: int
    """Of these, to the last byte as in the result; the others within :data:`TOLERANCE`."""


def problems_on_paper(result: dict[str, Any]) -> list[str]:
    """What does not follow from the result's own drives.

    Raises:
        BenchmarkError: its suite is unknown here.
    """
    suite = suite_named(result["suite"]["name"])
    problems = []
    if suite.blake2b != result["suite"]["blake2b"]:
        problems.append(f"the suite {suite.name} that it was measured by is not the one here")
    if fingerprint(result) != result["fingerprint"]:
        problems.append("its fingerprint is not that of what stands in it, so it was edited")
    known = {scenario.name for scenario in suite.scenarios}
    if {one["scenario"] for one in result["episodes"]} - known:
        return [*problems, "it has drives that the suite has not"]
    again = followed(suite, result["episodes"])
    problems += [
        f"its {name} do not follow from its drives" for name in again if again[name] != result[name]
    ]
    return problems


def drive_again(
    result: dict[str, Any],
    folder: Path,
    policy: Policy,
    count: int,
    drive: Callable[[Sequence[EpisodesTask]], Sequence[Driven]],
) -> Checked:
    """Drive ``count`` of a result's drives again, drawn by chance, and compare.

    ``drive`` drives tasks and gives what came of them in their order.
    """
    problems = problems_on_paper(result)
    suite = suite_named(result["suite"]["name"])
    if described(policy) != {**result["policy"], "name": policy.name}:
        problems.append(f"it is of another policy than {policy.name}, or of another state of it")
    if _making(policy.about) != _making(result["about"]):
        problems.append(f"it tells of another training or preprocessing than {policy.name} does")
    tasks = {key_of_task(task): task for task in suite.tasks(policy)}
    told = {key_of(one): one for one in result["episodes"]}
    if set(tasks) != set(told) or len(told) != len(result["episodes"]):
        problems.append("its drives are not those of the suite")
    both = [key for key in tasks if key in told]
    if others := sum(_is_another(folder, tasks[key], told[key]) for key in both):
        problems.append(f"{others} of its drives, which lie beside it, are not as it says")
    # Nobody may know beforehand which: by the system's own chance, not by a seed.
    chosen = random.SystemRandom().sample(both, min(count, len(both)))
    is_here = result["provenance"] == {"versions": versions(), "machine": machine()}
    same = 0
    for key, driven in zip(chosen, drive([tasks[key] for key in chosen]), strict=True):
        blake2b = content_hash(drive_csv(driven.result.drives[0]).encode())
        episode = episode_json(tasks[key], driven.result)
        found, said = episode["sums"], told[key]["sums"]
        name = ", ".join(map(str, key))
        if blake2b == told[key]["drive_blake2b"]:
            is_same = found == said and _unusable(episode) == _unusable(told[key])
            same += is_same
            if not is_same:
                problems.append(
                    f"{name}: driven again, the same drive, of which it says other sums or faults"
                )
        elif is_here:
            problems.append(f"{name}: driven again, another drive, with the same versions here")
        elif off := _off(found, said):
            problems.append(f"{name}: driven again, {off}")
    return Checked(tuple(problems), len(chosen), same)


def _making(about: dict[str, Any]) -> dict[str, Any]:
    """Without what an import of the same model on another machine tells otherwise."""
    told: dict[str, Any] = json.loads(json.dumps(about))
    return {name: told[name] for name in told if not name.startswith(("imported", "versions"))}


def _is_another(folder: Path, task: EpisodesTask, told: dict[str, Any]) -> bool:
    path = drive_file(folder, drive_name(task, task.episodes[0]))
    return path.is_file() and (
        hash_of(path) != told["drive_blake2b"] or kept_sums(read_drive(path)) != told["sums"]
    )


def _unusable(episode: dict[str, Any]) -> int:
    """Answers that were no numbers: of all faults the one that a clock has no say in."""
    return int(episode["faults"].get("not a number", 0))


def _off(found: Sequence[float], told: Sequence[float]) -> str:
    """The first sum that is too far off, in words; "" if none is."""
    for name, most in TOLERANCE.items():
        at = COLUMNS.index(name)
        if not abs(found[at] - told[at]) <= most:
            words = name.removeprefix("of_").replace("_", " ")
            return f"{words}: {found[at]:.3f}, and the result says {told[at]:.3f}"
    return ""

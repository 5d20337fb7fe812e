"""A result: what a suite says of a policy, so that anyone can reckon it again from its drives.

Everything in it follows from its ``episodes``, which follow from the policy and the suite. No clock
and no path of this machine is in it: measured again, the file has the same bytes.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import BenchmarkError
from ghostlap.base.files import MAX_RESULTS_BYTES, content_hash, read_file, read_json
from ghostlap.data.provenance import machine, versions
from ghostlap.driving.benchmark.suite import Suite
from ghostlap.driving.evaluation.episode_files import drive_file
from ghostlap.driving.evaluation.results import Finished, drive_name, read_drive
from ghostlap.driving.metrics import FIGURES, Drive, Totals, autonomy_percent, is_number
from ghostlap.driving.policies.policy import Policy
from ghostlap.driving.rollout.episode import EpisodesResult
from ghostlap.driving.rollout.plan import EpisodesTask
from ghostlap.driving.summary import RESAMPLES, summary_of, sums_of
from ghostlap.sim.expert import Expert

FORMAT = 1
RESULT_FILE = "result.json"
COLUMNS = (*Totals._fields, *(f"of_{name}" for name in FIGURES))
"""What is kept of each drive: sums, from which all figures follow."""
_FOLLOWS = ("suite", "policy", "columns", "episodes", "groups", "lines", "score")
"""What the fingerprint is of."""

Key = tuple[str, str, int, str]
"""A drive: scenario, track, seed, way."""


def result_of(suite: Suite, policy: Policy, finished: Finished, folder: Path) -> dict[str, Any]:
    """The result of a suite that has been driven, as JSON values."""
    episodes = [
        {
            **episode_json(task, result),
            "drive_blake2b": hash_of(drive_file(folder, drive_name(task, task.episodes[0]))),
        }
        for task, result in finished
    ]
    result = {
        "format": FORMAT,
        "suite": {"name": suite.name, "blake2b": suite.blake2b},
        "policy": described(policy),
        **followed(suite, episodes),
        "columns": list(COLUMNS),
        "episodes": episodes,
        "about": policy.about,
        "provenance": {"versions": versions(), "machine": machine()},
    }
    result = json.loads(json.dumps(result))
    return {"fingerprint": fingerprint(result), **result}


def described(policy: Policy) -> dict[str, str]:
    """What a result says of whose it is."""
    about = {"name": policy.name, "kind": policy.kind, "blake2b": policy.blake2b}
    if policy.kind in ("function", "model file", "process", "port"):
        about["frames"] = getattr(policy.driver, "frames", "raw")
    return about


def episode_json(task: EpisodesTask, result: EpisodesResult) -> dict[str, Any]:
    """One drive of a suite: its sums, and what the policy should not have done."""
    (episode,), (drive,) = task.episodes, result.drives
    faults = dict(result.faults)
    if not faults and result.not_a_number[0]:
        faults["not a number"] = result.not_a_number[0]
    return {
        "scenario": task.stress.name,
        "track": task.track,
        "seed": episode.seed,
        "way": episode.way,
        "sums": kept_sums(drive),
        "faults": dict(sorted(faults.items())),
    }


def kept_sums(drive: Drive) -> list[float]:
    """Sums of a drive, by :data:`COLUMNS`."""
    return [_plain(value) for value in sums_of(drive)]


def followed(suite: Suite, episodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Score, groups and lines, as they follow from episodes."""
    of = {scenario.name: scenario.group for scenario in suite.scenarios}
    by_group = {
        group: [one for one in episodes if of[one["scenario"]] == group] for group in suite.groups
    }
    driven = {group: some for group, some in by_group.items() if some}
    return {
        "score": _score(list(driven.values())),
        "groups": [{"group": group, **_line(some)} for group, some in driven.items()],
        "lines": [
            {"scenario": name, "group": of[name], **_line(some)}
            for name in of
            if (some := [one for one in episodes if one["scenario"] == name])
        ],
    }


def clusters_of(episodes: Iterable[dict[str, Any]]) -> list[int]:
    """A number for each drive: drives of the same road and light, both ways round, share one."""
    keys = [(one["scenario"], one["track"], one["seed"]) for one in episodes]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return [numbers[key] for key in keys]


def _line(episodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    summary = summary_of([one["sums"] for one in episodes], clusters_of(episodes))
    return {
        "drives": summary.episodes,
        **{name: _finite(value) for name, value in summary.figures.items()},
        "interval_95": {name: list(limits) for name, limits in summary.interval.items()},
    }


def _score(groups: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """The mean of all groups' autonomy, and its bootstrap interval over roads and lights."""
    drawn = group_autonomies(groups)
    low, high = np.percentile(drawn.mean(0), [2.5, 97.5])
    whole = [autonomy_percent(*_taken_over(some).sum(0)) for some in groups]
    return {"autonomy_percent": float(np.mean(whole)), "interval_95": [float(low), float(high)]}


def group_autonomies(groups: Sequence[Sequence[dict[str, Any]]]) -> np.ndarray:
    """Autonomy of each group as drawn again and again, shape ``(groups, RESAMPLES)``.

    The draws are the same for every policy, so that differences are paired.
    """
    rows = []
    for number, episodes in enumerate(groups):
        cluster = np.array(clusters_of(episodes))
        of_cluster = np.zeros((cluster.max() + 1, 2))
        np.add.at(of_cluster, cluster, _taken_over(episodes))
        draw = np.random.default_rng([number, 97])
        chosen = draw.integers(len(of_cluster), size=(RESAMPLES, len(of_cluster)))
        rows.append(autonomy_percent(*np.moveaxis(of_cluster[chosen].sum(1), -1, 0)))
    return np.array(rows)


def _taken_over(episodes: Sequence[dict[str, Any]]) -> np.ndarray:
    """Interventions and seconds of each drive, shape ``(drives, 2)``."""
    places = [COLUMNS.index(name) for name in ("interventions", "elapsed_s")]
    return np.array([one["sums"] for one in episodes])[:, places]


def fingerprint(result: dict[str, Any]) -> str:
    """A hash of all that was measured, and of nothing that tells where."""
    text = json.dumps({name: result[name] for name in _FOLLOWS}, sort_keys=True)
    return content_hash(text.encode())


def hash_of(path: Path) -> str:
    return content_hash(read_file(path, MAX_RESULTS_BYTES))


def key_of_task(task: EpisodesTask) -> Key:
    """By what its drive is found in a result."""
    (episode,) = task.episodes
    return task.stress.name, task.track, episode.seed, episode.way


def key_of(episode: dict[str, Any]) -> Key:
    """By what a drive is found in another result."""
    return episode["scenario"], episode["track"], episode["seed"], episode["way"]


def read_result(path: Path) -> dict[str, Any]:
    """Read a result from its file, or from the folder that this lies in.

    Raises:
        BenchmarkError: there is none, it is broken, or of another version.
    """
    file = path / RESULT_FILE if path.is_dir() else path
    try:
        result = read_json(file, MAX_RESULTS_BYTES)
        if result["format"] != FORMAT:
            raise ValueError(f"format {FORMAT} is needed, and it is of {result['format']!r:.20}")
        _require_shape(result)
    except FileNotFoundError:
        raise BenchmarkError(
            f"{file}: there is no such result. 'ghostlap benchmark POLICY' makes one."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise BenchmarkError(
            f"{file}: is no result of 'ghostlap benchmark' that can be read here ({what}). Measure "
            "the policy again."
        ) from error
    return result


def _require_shape(result: dict[str, Any]) -> None:
    """Types of all that is reckoned with."""
    texts = [result["fingerprint"], *result["suite"].values(), *result["policy"].values()]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("what must be a text is none")
    if result["columns"] != list(COLUMNS) or not result["episodes"]:
        raise ValueError("its drives were measured by other figures")
    for one in result["episodes"]:
        if not (
            all(isinstance(one[name], str) for name in ("scenario", "track", "way"))
            and type(one["seed"]) is int
            and isinstance(one["drive_blake2b"], str)
            and len(one["sums"]) == len(COLUMNS)
            and all(map(is_number, one["sums"]))
        ):
            raise ValueError("a drive in it is incomplete")
    told = result["about"], *(result["provenance"][name] for name in ("versions", "machine"))
    tables = (*told, *(line["interval_95"] for line in (*result["groups"], *result["lines"])))
    if not all(isinstance(one, dict) for one in tables):
        raise ValueError("what must be an object is none")
    if not is_number(result["score"]["autonomy_percent"]):
        raise ValueError("its score is no number")


def drive_of(folder: Path, task: EpisodesTask, result: dict[str, Any]) -> Drive | None:
    """What a result's policy did in a task, where its drives lie beside it."""
    if result["policy"]["kind"] == "expert":
        task = dataclasses.replace(task, driver=Expert())
    path = drive_file(folder, drive_name(task, task.episodes[0]))
    return read_drive(path) if path.is_file() else None


def _plain(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

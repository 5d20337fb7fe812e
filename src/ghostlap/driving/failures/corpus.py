"""Drives that ``ghostlap failures`` kept, read back: truth, features, what came of each moment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import EvaluationError
from ghostlap.base.files import MAX_RESULTS_BYTES, read_json
from ghostlap.driving.evaluation.episode_files import drive_file, features_file
from ghostlap.driving.evaluation.folder import finished_lines
from ghostlap.driving.evaluation.results import drive_name, read_drive
from ghostlap.driving.failures.config import FailuresConfig
from ghostlap.driving.failures.plan import Group, group_of, plan_failures
from ghostlap.driving.measured import EVALUATION_FILE
from ghostlap.driving.metrics import Drive, Intervention

Floats = NDArray[np.float64]

SETTLING_S = 3.0
"""After the start, and after a car was put back, it is not judged for so long."""


@dataclasses.dataclass(frozen=True, eq=False)
class FailureDrive:
    """A drive, and what the pilot's network computed."""

    name: str
    group: Group
    track: str
    held_out: bool
    """Whether it was driven where nothing is learned."""
    drive: Drive
    features: NDArray[np.float16]
    """Shape ``(ticks, features)``."""
    beside: NDArray[np.float16]
    """Answers of networks beside the pilot's, ``(ticks, networks)``."""


def read_corpus(folders: Sequence[Path]) -> list[FailureDrive]:
    """The drives of some folders, as far as they are finished.

    Raises:
        EvaluationError: a folder holds none.
    """
    drives = [drive for folder in folders for drive in _drives_of(folder)]
    if not drives:
        raise EvaluationError(
            f"{', '.join(map(str, folders))}: no drives there yet. 'ghostlap failures RUN' makes "
            "them."
        )
    return drives


def _drives_of(folder: Path) -> Iterator[FailureDrive]:
    try:
        begun = read_json(folder / EVALUATION_FILE, MAX_RESULTS_BYTES)
        config, mutants = FailuresConfig.from_json(begun["config"]), begun["mutants"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{folder}: not a folder that 'ghostlap failures' wrote ({type(error).__name__}: "
            f"{error})."
        ) from error
    tasks = plan_failures(config, [Path(name) for name in mutants])
    for line in finished_lines(folder):
        task = tasks[line["task"]]
        for episode in task.episodes:
            name = drive_name(task, episode)
            drive = read_drive(drive_file(folder, name))
            whole = np.load(features_file(folder, name), allow_pickle=False)
            own = whole.shape[1] - len(task.beside)
            held_out = task.track in config.judging
            yield FailureDrive(
                name, group_of(task), task.track, held_out, drive, whole[:, :own], whole[:, own:]
            )


def to_failure_s(drive: Drive) -> Floats:
    """Seconds from each tick to the next failure, at least one tick ahead; infinite without one."""
    failed_s = drive.time_s[drive.intervention != Intervention.NONE]
    next_s = np.append(failed_s, np.inf)[np.searchsorted(failed_s, drive.time_s, side="right")]
    return np.asarray(next_s - drive.time_s)


def settled(drive: Drive) -> NDArray[np.bool_]:
    """Ticks at which a car is judged: no failure itself, and none or the start shortly before."""
    failed = drive.intervention != Intervention.NONE
    put_s = np.append(drive.time_s[0], drive.time_s[failed])
    last_s = put_s[np.searchsorted(drive.time_s[failed], drive.time_s, side="right")]
    return np.asarray((drive.time_s - last_s >= SETTLING_S) & ~failed)


def known(drive: Drive, ahead_s: float) -> NDArray[np.bool_]:
    """Ticks of which is known whether a failure came within a time: not so near to the end."""
    whole = drive.time_s + ahead_s <= drive.time_s[-1] + 1e-6
    return np.asarray(settled(drive) & (whole | (to_failure_s(drive) <= ahead_s)))

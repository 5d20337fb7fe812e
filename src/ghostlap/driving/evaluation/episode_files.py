"""Episodes, driven and made into files where they are driven: whoever keeps them only writes.

A driver of many cores would otherwise spend most of its time on tables and pictures.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ghostlap.driving.evaluation.results import drive_csv, drive_name, parse_drive
from ghostlap.driving.rollout.episode import EpisodesResult, run_episodes
from ghostlap.driving.rollout.incidents import frames_jpeg, strip_png
from ghostlap.driving.rollout.plan import EpisodesTask

SUBFOLDERS = _DRIVES, _STRIPS, _MOMENTS = "drives", "interventions", "moments"


@dataclasses.dataclass(frozen=True)
class Driven:
    """What came of a task, and all that an evaluation's folder keeps of it."""

    result: EpisodesResult
    """As it is read back: its drives rounded as in their files, without pictures and features.
    Figures can so be computed again from the files, to the last bit."""
    files: dict[str, bytes]
    """Contents by path below the folder."""


def drive_episodes(task: EpisodesTask, report: Callable[[float], None]) -> Driven:
    """Drive a task as :func:`run_episodes` does."""
    return as_files(task, run_episodes(task, report))


def as_files(task: EpisodesTask, result: EpisodesResult) -> Driven:
    """What is kept of a task that was driven."""
    files, drives = {}, []
    names = [drive_name(task, episode) for episode in task.episodes]
    for name, drive in zip(names, result.drives, strict=True):
        table = drive_csv(drive)
        files[f"{_DRIVES}/{name}.csv"] = table.encode()
        drives.append(parse_drive(table.splitlines(), name))
    for name, features in zip(names, result.features, strict=False):
        array = io.BytesIO()
        np.save(array, features, allow_pickle=False)
        files[f"{_DRIVES}/{name}.npy"] = array.getvalue()
    for incident in result.incidents:
        episode, drive = task.episodes[incident.episode], result.drives[incident.episode]
        title = f"{task.track}, seed {episode.seed}, {episode.way}"
        if task.stress.name != "none":
            title += f", stress: {task.stress.name}"
        name = f"{names[incident.episode]}-{drive.time_s[incident.row]:.0f}s.png"
        files[f"{_STRIPS}/{name}"] = strip_png(incident, drive, title)
    for incident in (*result.incidents, *filter(None, [result.worst])):
        name = moment_name(names[incident.episode], incident.row)
        files[f"{_MOMENTS}/{name}"] = frames_jpeg(incident)
    kept = dataclasses.replace(result, drives=tuple(drives), incidents=(), worst=None, features=())
    return Driven(kept, files)


def apart(driven: Driven) -> Iterator[Driven]:
    """What came of each episode of several that were driven as one; the first brings all files."""
    whole, files = driven.result, driven.files
    for drive, *counts in zip(whole.drives, whole.not_a_number, whole.out_of_range, strict=True):
        part = dataclasses.replace(
            whole,
            drives=(drive,),
            not_a_number=(counts[0],),
            out_of_range=(counts[1],),
            seconds=whole.seconds / len(whole.drives),
        )
        yield Driven(part, files)
        files = {}


def moment_name(drive: str, row: int) -> str:
    """The file of the frames around a row of a drive; which rows, :func:`rows_around` says."""
    return f"{drive}-row-{row}.jpg"


def drive_file(folder: Path, name: str) -> Path:
    """Where the moments of a drive are written."""
    return folder / _DRIVES / f"{name}.csv"


def features_file(folder: Path, name: str) -> Path:
    """Where the features of a drive are written: float16, ``(ticks, features)``."""
    return folder / _DRIVES / f"{name}.npy"

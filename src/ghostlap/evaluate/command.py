"""``ghostlap evaluate``: a pilot drives the embedded simulator, and figures say how well.

ghostlap evaluate runs/a --track lake --laps 5 --seeds 3 --speed-limit 30
ghostlap evaluate runs/a --track lake --track jungle --speed-limit 20 --stress
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ghostlap.errors import EvaluationError
from ghostlap.evaluate.config import EvaluateConfig, file_name_of
from ghostlap.evaluate.episode import run_episodes
from ghostlap.evaluate.incidents import save_strip
from ghostlap.evaluate.map_picture import save_map
from ghostlap.evaluate.plan import EpisodesTask, plan_expert, plan_pilot
from ghostlap.evaluate.results import (
    Finished,
    drive_name,
    episodes_as_json,
    line_as_json,
    save_drive,
    table_lines,
)
from ghostlap.evaluate.table import WIDTH, note, table
from ghostlap.files import write_json
from ghostlap.metrics import totals
from ghostlap.pilot import Pilot
from ghostlap.processes import run_tasks
from ghostlap.provenance import machine, versions
from ghostlap.sim.track import Track
from ghostlap.sim.track_checks import speed_warning
from ghostlap.sim.tracks import track_named

EVALUATION_FILE = "evaluation.json"

_UDACITY_FRAME = (160, 320, 3)

_EXPERTS_SHARE = 0.05
"""Of the time that the pilot takes for the same way: it needs no pictures."""

console = Console(stderr=True, soft_wrap=True)


def evaluate(config: EvaluateConfig, console: Console = console) -> dict[str, Any]:
    """Evaluate a pilot as ``config`` says.

    Args:
        config: see :class:`EvaluateConfig`.
        console: where progress and the table are shown.

    Returns:
        What ``evaluation.json`` holds, as JSON values: ``lines`` (the table's), ``episodes``,
        ``config``, ``complete``, ``real_time_factor``, ``versions``, ``machine``.

    Raises:
        PilotError: the run folder holds no usable pilot.
        TrackError: there is no such track.
    """
    tracks = [track_named(name) for name in config.track]
    _tell_of_frames(Pilot.load(config.pilot), console)
    _warn_of_speed(config, tracks, console)
    # The expert first, because it takes no time and so is there whenever the pilot is stopped.
    tasks = plan_expert(config, tracks) + plan_pilot(config, tracks)
    _begin_folder(config)
    finished: Finished = []
    began_s = time.perf_counter()
    try:
        drive_all(config, tasks, finished, console)
    finally:  # Ctrl-C, or an error in one episode: what is finished is kept
        result = _saved(config, tracks, tasks, finished, time.perf_counter() - began_s, console)
    return result


def drive_all(
    config: EvaluateConfig, tasks: Sequence[EpisodesTask], finished: Finished, console: Console
) -> None:
    """Drive all tasks, append each to ``finished`` when it is, and save its drives."""
    costs = [_EXPERTS_SHARE if task.by_expert else 1.0 for task in tasks]
    whole = sum(task.whole_m * cost for task, cost in zip(tasks, costs, strict=True))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        bar = progress.add_task("driving", total=whole)
        results = run_tasks(
            run_episodes,
            tasks,
            processes=config.processes,
            on_report=lambda index, metres: progress.advance(bar, metres * costs[index]),
        )
        with contextlib.closing(results):  # type: ignore[type-var]
            for index, result in results:
                task = tasks[index]
                for episode, drive in zip(task.episodes, result.drives, strict=True):
                    name = drive_name(task, episode)
                    save_drive(drive, config.folder / "drives" / f"{name}.csv")
                finished.append((task, result))


def _tell_of_frames(pilot: Pilot, console: Console) -> None:
    shape = pilot.preprocessing.frame_shape
    if shape != _UDACITY_FRAME:
        console.print(
            f"The pilot was trained on frames of {shape[1]}x{shape[0]}, so the simulator's camera "
            "takes such frames (Udacity's are 320x160).",
            highlight=False,
        )


def _warn_of_speed(config: EvaluateConfig, tracks: Sequence[Track], console: Console) -> None:
    for track in tracks:
        warning = speed_warning(track, config.speed_limit)
        if warning:
            console.print(f"[yellow]warning:[/] {warning}", highlight=False)


def _begin_folder(config: EvaluateConfig) -> None:
    """An empty folder for the results; what an earlier evaluation of that name left is removed."""
    folder = config.folder
    if folder.exists() and any(folder.iterdir()) and not (folder / EVALUATION_FILE).exists():
        raise EvaluationError(
            f"{folder}: the folder is not empty, and no evaluation wrote it. Take another --name."
        )
    for name in ("drives", "interventions"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for picture in folder.glob("map-*.png"):
        picture.unlink()
    (folder / "drives").mkdir(parents=True)
    write_json(folder / EVALUATION_FILE, {"complete": False, **_heading(config)})


def _heading(config: EvaluateConfig) -> dict[str, Any]:
    values = {**dataclasses.asdict(config), "pilot": str(config.pilot.resolve())}
    return {"config": values, "versions": versions(), "machine": machine()}


def _saved(
    config: EvaluateConfig,
    tracks: Sequence[Track],
    tasks: Sequence[EpisodesTask],
    finished: Finished,
    seconds: float,
    console: Console,
) -> dict[str, Any]:
    """Write what there is, and show it."""
    finished.sort(key=lambda pair: tasks.index(pair[0]))
    by_pilot = [(task, result) for task, result in finished if not task.by_expert]
    lines = table_lines(finished)
    speed = _real_time(by_pilot, seconds)
    complete = len(finished) == len(tasks)
    result = {
        "complete": complete,
        "lines": [line_as_json(line) for line in lines],
        "episodes": episodes_as_json(finished),
        "seconds": seconds,
        **speed,
        "bad_actions": sum(result.bad_actions for _, result in by_pilot),
        **_heading(config),
    }
    write_json(config.folder / EVALUATION_FILE, result)
    _save_pictures(config, tracks, by_pilot)
    if by_pilot:
        console.print(table(lines), width=max(WIDTH, console.width))
        console.print(note(lines), highlight=False)
    if not complete:
        console.print(
            f"[yellow]not complete:[/] {_episodes(by_pilot)} of "
            f"{sum(len(task.episodes) for task in tasks if not task.by_expert)} episodes are "
            "finished and kept",
            highlight=False,
        )
    if by_pilot:
        _tell_where(config, speed, seconds, console)
    return result


def _tell_where(
    config: EvaluateConfig, speed: dict[str, float], seconds: float, console: Console
) -> None:
    console.print(
        f"{speed['driven_s'] / 60:.0f} min driven in {seconds:.0f} s, "
        f"{speed['real_time_factor']:.0f} times real time "
        f"({speed['real_time_factor_a_process']:.0f} a process). "
        f"Drives, maps and {EVALUATION_FILE}: [bold]{config.folder}[/]",
        highlight=False,
    )


def _real_time(by_pilot: Finished, seconds: float) -> dict[str, float]:
    """How much longer the pilot drove than it took, in all and while a process was at it."""
    driven_s = sum(totals(drive).elapsed_s for _, result in by_pilot for drive in result.drives)
    spent_s = sum(result.seconds for _, result in by_pilot)
    return {
        "driven_s": driven_s,
        "real_time_factor": driven_s / seconds,
        "real_time_factor_a_process": driven_s / spent_s if spent_s else 0.0,
    }


def _episodes(finished: Finished) -> int:
    return sum(len(task.episodes) for task, _ in finished)


def _save_pictures(config: EvaluateConfig, tracks: Sequence[Track], by_pilot: Finished) -> None:
    """A map of each track under each stress, and a strip for each incident."""
    by_name = dict(zip(config.track, tracks, strict=True))
    for name, stress in dict.fromkeys((task.track, task.stress.name) for task, _ in by_pilot):
        group = [
            pair for pair in by_pilot if (pair[0].track, pair[0].stress.name) == (name, stress)
        ]
        suffix = "" if stress == "none" else f"-{file_name_of(stress)}"
        save_map(
            by_name[name],
            [episode for task, _ in group for episode in task.episodes],
            [drive for _, result in group for drive in result.drives],
            f"{config.pilot} on {name} at {config.speed_limit:g} mph"
            + ("" if stress == "none" else f", stress: {stress}"),
            config.folder / f"map-{file_name_of(name)}{suffix}.png",
        )
    strips = config.folder / "interventions"
    for task, result in by_pilot:
        for incident in result.incidents:
            strips.mkdir(exist_ok=True)
            episode, drive = task.episodes[incident.episode], result.drives[incident.episode]
            save_strip(
                incident,
                drive,
                f"{task.track}, seed {episode.seed}, {episode.way}"
                + ("" if task.stress.name == "none" else f", stress: {task.stress.name}"),
                strips / f"{drive_name(task, episode)}-{drive.time_s[incident.row]:.0f}s.png",
            )

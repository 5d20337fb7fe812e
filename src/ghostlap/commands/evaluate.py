"""``ghostlap evaluate``: a pilot drives the embedded simulator, and figures say how well.

ghostlap evaluate runs/a --track lake --laps 5 --seeds 3 --speed-limit 30
ghostlap evaluate runs/a --track lake --track jungle --speed-limit 20 --stress
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.engine import connected, run_tasks
from ghostlap.base.errors import EvaluationError, PilotError
from ghostlap.base.files import json_text, refuse_link, write_json
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.named import named_function
from ghostlap.base.so_far import tell
from ghostlap.base.terminal import progress_bar, say, warn
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.driving.evaluation.episode_files import apart, drive_episodes
from ghostlap.driving.evaluation.folder import begin_folder, heading, keep
from ghostlap.driving.evaluation.lines_held import lines_held
from ghostlap.driving.evaluation.map_picture import save_map
from ghostlap.driving.evaluation.offline import AgainstPerson, compare, show_compared
from ghostlap.driving.evaluation.results import (
    Finished,
    episodes_as_json,
    failure_prediction_of,
    line_as_json,
    table_lines,
)
from ghostlap.driving.evaluation.table import answers_warnings, failure_prediction_note, show
from ghostlap.driving.measured import EVALUATION_FILE
from ghostlap.driving.rollout.config import EvaluateConfig, file_name_of
from ghostlap.driving.rollout.plan import (
    EpisodesTask,
    as_one,
    plan_expert,
    plan_pilot,
    side_by_side,
)
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.track_checks import speed_warning
from ghostlap.sim.track.tracks import track_named

_EXPERTS_SHARE = 0.05
"""Share of the pilot's time that the expert takes for the same way, without pictures."""

console = Console(stderr=True, soft_wrap=True)


def evaluate(config: EvaluateConfig, console: Console = console) -> dict[str, Any]:
    """Evaluate a pilot as ``config`` says.

        >>> config = ghostlap.EvaluateConfig("runs/a", track="oval.csv", seeds=1, seconds=5)
        >>> ghostlap.evaluate(config)["complete"]
        True

    Returns:
        What ``evaluation.json`` holds, as JSON values: ``complete``, ``lines`` (the table's),
        ``episodes``, ``against``, ``failure_prediction`` (how well the steering's standard
        deviation announced interventions), ``lines_held`` (with a line commanded),
        ``seconds``, ``driven_s``, ``real_time_factor`` and ``real_time_factor_a_process`` (of
        this process; resumed ones count from there), ``config``, ``network_blake2b``,
        ``versions``, ``machine``.

    Raises:
        PilotError: the run folder holds no usable pilot, or one for frames of another size.
        TrackError: there is no such track.
        RecordingError, ImageError: a recording to compare with cannot be used.
        EvaluationError: the folder for the results is taken, or cannot be resumed.
    """
    tracks = [track_named(name) for name in config.track]
    against = _checked(config)
    warn_of_speed(config.speed_limit, tracks, console)
    # The expert first, because it takes no time and so is there whenever the pilot is stopped.
    tasks = plan_expert(config, tracks) + plan_pilot(config, tracks)
    for path in (config.folder.parent, config.folder):
        refuse_link(path)
    with connected(config.cluster), FolderLock(config.folder, EvaluationError):
        finished = begin_folder(config.folder, heading(config), tasks, config.resume)
        before = len(finished)
        began_s = time.perf_counter()
        try:
            drive_the_rest(
                config.folder, config.processes, config.cluster, tasks, finished, console
            )
        finally:  # Ctrl-C, or an error in one episode: what is finished is kept
            seconds = time.perf_counter() - began_s
            speed = _real_time(finished[before:], seconds)
            result = _saved(config, tracks, tasks, finished, against, speed, console)
    return result


def _checked(config: EvaluateConfig) -> list[AgainstPerson]:
    """Check the pilot against the options, and compare its steering with people's."""
    if config.is_policy:
        named_function(str(config.pilot), "the pilot", EvaluationError)
        for option in ("against", "slow_when_unsure"):
            if getattr(config, option):
                raise EvaluationError(
                    f"{config.pilot}: --{option.replace('_', '-')} is for pilots in run folders. "
                    "Leave it out."
                )
        if config.line != "centre":
            raise EvaluationError(
                f"{config.pilot}: --line is for pilots in run folders: a function is told no line. "
                "Leave it out."
            )
        return []
    pilot = Pilot.load(config.pilot)
    check_size(pilot, config)
    pilot.require_unsure(config.pilot, config.slow_when_unsure)
    pilot.require_line(config.pilot, config.line)
    return compare(pilot, config.against, config.columns)


def check_size(pilot: Pilot, config: EvaluateConfig) -> None:
    """Check that the camera's frames have the pilot's size.

    Raises:
        PilotError: they have another size.
    """
    height_px, width_px, _ = pilot.preprocessing.frame_shape
    if (width_px, height_px) != config.size:
        raise PilotError(
            f"{config.pilot}: the pilot was trained on frames of {width_px}x{height_px} pixels. "
            f"The simulator's camera takes {config.size[0]}x{config.size[1]}. With --size "
            f"{width_px} {height_px} it takes such frames, of the same view."
        )


def drive_the_rest(
    folder: Path,
    processes: int | None,
    cluster: str,
    tasks: Sequence[EpisodesTask],
    finished: Finished,
    console: Console,
    *,
    abreast: bool = False,
) -> None:
    """Drive all tasks that are not in ``finished``, and keep each there and in a folder.

    Args:
        processes: how many drive at once; None is one a core.
        finished: those that have been driven; the others are added.
        abreast: drive tasks of one episode that see the same road in the same light as one.
    """
    done = [task for task, _ in finished]
    rest = [index for index, task in enumerate(tasks) if task not in done]
    groups, driven_as = [[index] for index in rest], [tasks[index] for index in rest]
    if abreast:
        groups = [[rest[place] for place in alike] for alike in side_by_side(driven_as)]
        driven_as = [as_one([tasks[index] for index in group]) for group in groups]
    costs = [_EXPERTS_SHARE if task.by_expert else 1.0 for task in driven_as]
    whole = sum(task.whole_m * cost for task, cost in zip(driven_as, costs, strict=True))
    with progress_bar(console, "{task.percentage:.0f} %") as progress:
        bar = progress.add_task("driving", total=whole)
        results = run_tasks(
            drive_episodes,
            driven_as,
            processes=processes,
            cluster=cluster,
            on_report=lambda place, metres: progress.advance(bar, metres * costs[place]),
        )
        with contextlib.closing(results):  # type: ignore[type-var]
            for place, driven in results:
                parts = apart(driven) if abreast else [driven]
                for index, part in zip(groups[place], parts, strict=True):
                    finished.append((tasks[index], keep(folder, index, part)))
                tell(folder, lambda: {"lines": list(map(line_as_json, table_lines(finished)))})


def warn_of_speed(speed_limit_mph: float, tracks: Sequence[Track], console: Console) -> None:
    """Warn of tracks whose bends are too tight for a speed limit."""
    for track in tracks:
        if warning := speed_warning(track, speed_limit_mph * MPS_A_MPH):
            warn(console, warning)


def _saved(
    config: EvaluateConfig,
    tracks: Sequence[Track],
    tasks: Sequence[EpisodesTask],
    finished: Finished,
    against: Sequence[AgainstPerson],
    speed: dict[str, float],
    console: Console,
) -> dict[str, Any]:
    """Write and show the results so far."""
    finished.sort(key=lambda pair: tasks.index(pair[0]))
    by_pilot = [(task, result) for task, result in finished if not task.by_expert]
    lines = table_lines(finished)
    seen = failure_prediction_of(finished)
    held = lines_held(config.line, dict(zip(config.track, tracks, strict=True)), finished)
    result = {
        "complete": len(finished) == len(tasks),
        "lines": [line_as_json(line) for line in lines],
        "episodes": episodes_as_json(finished),
        "against": [dataclasses.asdict(one) for one in against],
        "failure_prediction": None if seen is None else dataclasses.asdict(seen),
        "lines_held": [one.to_json() for one in held],
        **speed,
        **heading(config),
    }
    result = json.loads(json_text(result))  # what a reader of the file gets: lists, no tuples
    write_json(config.folder / EVALUATION_FILE, result)
    _save_maps(config, tracks, by_pilot)
    if by_pilot:
        show(lines, console)
    if seen is not None:
        say(console, failure_prediction_note(seen))
    for one in held:
        say(console, str(one))
    if against:
        show_compared(against, console)
    for warning in answers_warnings(by_pilot):
        warn(console, warning)
    if not result["complete"]:
        say(
            console,
            f"not complete: {_episodes(by_pilot)} of "
            f"{sum(len(task.episodes) for task in tasks if not task.by_expert)} episodes are "
            "finished and kept; the same command with --resume goes on from here",
            bold="not complete:",
        )
    if speed["driven_s"]:
        say(
            console,
            f"{speed['driven_s'] / 60:.1f} min driven in {speed['seconds']:.0f} s, "
            f"{speed['real_time_factor']:.0f} times real time "
            f"({speed['real_time_factor_a_process']:.0f} a process).",
        )
    say(console, f"Drives, maps and {EVALUATION_FILE}: {config.folder}", bold=config.folder)
    return result


def _real_time(finished: Finished, seconds: float) -> dict[str, float]:
    """Seconds driven, and their ratio to the time taken, in all and a process."""
    by_pilot = [result for task, result in finished if not task.by_expert]
    driven_s = sum(float(drive.time_s[-1]) for result in by_pilot for drive in result.drives)
    spent_s = sum(result.seconds for result in by_pilot)
    return {
        "seconds": seconds,
        "driven_s": driven_s,
        "real_time_factor": driven_s / seconds,
        "real_time_factor_a_process": driven_s / spent_s if spent_s else 0.0,
    }


def _episodes(finished: Finished) -> int:
    return sum(len(task.episodes) for task, _ in finished)


def _save_maps(config: EvaluateConfig, tracks: Sequence[Track], by_pilot: Finished) -> None:
    """A map of each track under each stress."""
    by_name = dict(zip(config.track, tracks, strict=True))
    for name, stress in dict.fromkeys((task.track, task.stress.name) for task, _ in by_pilot):
        group = [one for one in by_pilot if (one[0].track, one[0].stress.name) == (name, stress)]
        suffix = "" if stress == "none" else f"-{file_name_of(stress)}"
        save_map(
            by_name[name],
            [episode for task, _ in group for episode in task.episodes],
            [drive for _, result in group for drive in result.drives],
            f"{config.pilot} on {name} at {config.speed_limit:g} mph"
            + ("" if stress == "none" else f", stress: {stress}"),
            config.folder / f"map-{file_name_of(name)}{suffix}.png",
        )

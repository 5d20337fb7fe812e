"""``ghostlap record``: the expert drives, and a Udacity recording of it is written.

ghostlap record --track lake --laps 2 --both-ways --recovery 0.2 --out rec/lake
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ghostlap.base.engine import connected, run_tasks
from ghostlap.base.errors import RecordingError
from ghostlap.base.files import content_hash, write_json
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.platform import cores
from ghostlap.base.terminal import progress_bar, say
from ghostlap.data.provenance import machine, versions
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.driving.expert_recording.folder import (
    ABOUT_NAME,
    Part,
    begin_folder,
    checked,
    clean_up_unfinished,
    finished_before,
    has_parts,
    put_together,
    remove_parts,
    what_is_there,
)
from ghostlap.driving.expert_recording.plan import Stretch, jobs_of, plan, track_names
from ghostlap.driving.expert_recording.stretch import record_job
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_named

console = Console(stderr=True, soft_wrap=True)

_PUT_TOGETHER_EVERY_S = 5.0
_NODES = 64
"""Work is cut for so many processes where nobody knows how many nodes will join."""


def record(config: RecordConfig, console: Console = console) -> dict[str, Any]:
    """Record the missing part of a recording.

        >>> config = ghostlap.RecordConfig(track="oval.csv", laps=1, rate_hz=1, out="oval")
        >>> ghostlap.record(config)["share_of_recovery"]
        0.0

    Returns:
        JSON values: ``out``, ``rows`` of the log, ``seconds`` it took, ``frames_per_s`` (pictures
        of all cameras), ``share_of_recovery`` of the rows.

    Raises:
        RecordingError: ``out`` holds something else, cannot be written, or the disk is full.
        TrackError: there is no such track.
        SimulatorError: the expert cannot drive it.
    """
    with connected(config.cluster), FolderLock(config.out, RecordingError):
        return _record(config, console)


def _record(config: RecordConfig, console: Console) -> dict[str, Any]:
    if config.resume and has_parts(config.out):
        before = finished_before(config.out)
        if before is not None:
            say(console, f"{config.out}: was complete")
            return before
    config = checked(config)
    tracks = [track_named(name) for name in track_names(config)]
    stretches = plan(config, tracks)
    about = _about(config, tracks, stretches)
    write_json(config.out / ABOUT_NAME, about)  # what a kill leaves from now on can be resumed
    begin_folder(config.out)
    clean_up_unfinished(config.out, stretches)
    recorded = _record_missing(config, stretches, console)
    rows = put_together(config.out, stretches, unfinished=False)
    recovery = _recovery_rows(config.out, stretches) / max(rows, 1)
    summary = {"rows": rows, "share_of_recovery": round(recovery, 4)}
    write_json(config.out / ABOUT_NAME, about | {"complete": True} | summary)
    remove_parts(config.out)
    frames_per_s = recorded.rows * len(config.cameras) / max(recorded.seconds, 1e-9)
    say(
        console,
        f"{config.out}: {rows} moments, {recovery:.0%} of them recoveries; "
        f"{recorded.seconds:.1f} s, {frames_per_s:.0f} pictures/s",
    )
    return {
        "out": str(config.out),
        "seconds": recorded.seconds,
        "frames_per_s": frames_per_s,
        **summary,
    }


@dataclasses.dataclass
class _Recorded:
    """Amount recorded by this call."""

    rows: int = 0
    seconds: float = 0.0


def _record_missing(
    config: RecordConfig, stretches: Sequence[Stretch], console: Console
) -> _Recorded:
    """Record the unfinished stretches, and keep log and truth up to date."""
    missing = [s for s in stretches if not Part(config.out, s.number).is_finished]
    jobs = jobs_of(config, missing, config.processes or (_NODES if config.cluster else cores()))
    recorded = _Recorded()
    began_s = put_together_s = time.perf_counter()
    total_m = sum(stretch.length_m for stretch in stretches)
    done = "{task.completed:.0f}/{task.total} m"
    with progress_bar(console, done, "{task.fields[rate]}") as progress:
        shown = progress.add_task(
            "recording",
            total=round(total_m),
            completed=round(total_m - sum(stretch.length_m for stretch in missing)),
            rate="",
        )

        def show(_: int, metres: float) -> None:
            recorded.rows += 1
            rate = recorded.rows * len(config.cameras) / (time.perf_counter() - began_s)
            progress.update(shown, advance=metres, rate=f"{rate:.0f} pictures/s")
            nonlocal put_together_s
            if time.perf_counter() - put_together_s > _PUT_TOGETHER_EVERY_S:
                put_together(config.out, stretches, unfinished=True)
                put_together_s = time.perf_counter()

        try:
            for _ in run_tasks(
                record_job,
                jobs,
                processes=config.processes,
                cluster=config.cluster,
                on_report=show,
            ):
                pass
        except BaseException as error:
            there = what_is_there(config.out, stretches)
            if isinstance(error, OSError):
                raise RecordingError(
                    f"{config.out}: cannot be written ({error.strerror}). {there}"
                ) from error
            if isinstance(error, RecordingError):
                raise RecordingError(f"{error} {there}") from error
            say(console, there)
            raise
    recorded.seconds = time.perf_counter() - began_s
    return recorded


def _recovery_rows(out: Path, stretches: Sequence[Stretch]) -> int:
    return sum(Part(out, stretch.number).whole_rows() for stretch in stretches if stretch.recovery)


def _about(
    config: RecordConfig, tracks: Sequence[Track], stretches: Sequence[Stretch]
) -> dict[str, Any]:
    """The content of ``recording.json`` from the start."""
    by_track = []
    for name, track in zip(track_names(config), tracks, strict=True):
        seeds = dict.fromkeys(s.conditions_seed for s in stretches if s.track == name)
        by_track.append(
            {
                "name": name,
                "length_m": round(track.length_m, 3),
                "blake2b": fingerprint_of(track),
                "conditions": [
                    {"seed": seed, **dataclasses.asdict(config.conditions_for(track.theme, seed))}
                    for seed in seeds
                ],
            }
        )
    return {
        "complete": False,
        "config": config.to_json(),
        "tracks": by_track,
        "stretches": len(stretches),
        "versions": versions(),
        "machine": machine(),
    }


def fingerprint_of(track: Track) -> str:
    """A hash of a track's shape, markings and surroundings."""
    arrays = (
        "points_m", "half_left_m", "half_right_m", "elevation_m", "surface", "edge_left",
        "edge_right",
    )  # fmt: skip
    return content_hash(
        f"{track.theme} {track.markings}".encode(),
        *(np.ascontiguousarray(getattr(track, name)).tobytes() for name in arrays),
    )

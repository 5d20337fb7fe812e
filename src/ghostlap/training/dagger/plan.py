"""What an iteration drives, trains and is measured by: plain data, known before it begins."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import DaggerError, PilotError
from ghostlap.base.platform import quoted
from ghostlap.data.dataset import usable_rows
from ghostlap.data.formats.readers import is_recording, read_recording
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.rollout.plan import EpisodesTask, plan_pilot
from ghostlap.pilots.run_folder import PILOT_FILE, read_description
from ghostlap.sim.expert import Expert
from ghostlap.sim.render.camera_poses import CameraName
from ghostlap.sim.track.track import Track
from ghostlap.training.config import TrainConfig
from ghostlap.training.dagger.config import FIRST_DRIVEN_SEED, DaggerConfig
from ghostlap.training.dagger.drive import LabelTask

_SEEDS_AN_ITERATION = 1000
_ITERATIONS_A_SEED = 1001
_MOST_BINS = 1000
"""However narrow the original steering was."""


def original_training(config: DaggerConfig) -> TrainConfig:
    """The training that the pilot came from; its recordings are those to be trained on again.

    Raises:
        PilotError: there is no pilot, or it does not say how it was trained.
        DaggerError: a recording is not where it was.
    """
    description = read_description(config.pilot)
    try:
        training = TrainConfig.from_json(description["training"])
    except (KeyError, TypeError, ValueError) as error:
        raise PilotError(
            f"{config.pilot}: {PILOT_FILE} does not say how the pilot was trained "
            f"({type(error).__name__}: {error}), so its training cannot go on. "
            "'ghostlap train REC --out …' makes one that does."
        ) from error
    if config.without_original:
        recordings: tuple[Path, ...] = ()
    else:
        recordings = config.recordings or training.recordings
    gone = [path for path in recordings if not is_recording(path)]
    if gone:
        raise DaggerError(
            f"{config.pilot}: {len(gone)} of the {len(recordings)} recordings that the pilot was "
            f"trained on cannot be found: {', '.join(map(str, gone))}. Say where they are now "
            "with --recordings, all of them, or learn from the new frames alone with "
            "--without-original."
        )
    if recordings and training.columns and not config.recordings:
        copies = [quoted(f"{path}-copy") for path in recordings]
        raise DaggerError(
            f"{config.pilot}: was trained with --columns, and new recordings have the usual ones. "
            "Bring the original recordings into those, each with ghostlap convert "
            f"{quoted(recordings[0])} --columns {quoted(*training.columns)} --out {copies[0]}; "
            f"then name the copies: --recordings {' '.join(copies)}"
        )
    return dataclasses.replace(
        training, recordings=recordings, columns=(), cache=config.cache or training.cache
    )


def training_of(
    training: TrainConfig,
    config: DaggerConfig,
    iteration: int,
    *,
    init: Path,
    out: Path,
    new: Sequence[Path],
    steps_per_epoch: int | None,
) -> TrainConfig:
    """How training goes on in an iteration: all options as they were but those named here.

    Each iteration has a seed of its own, the same with and without the new frames: a control that
    saw the same augmented pictures again in each iteration would be none.

    Args:
        new: recordings to learn from beside the original ones.
        steps_per_epoch: None is one pass, or what the first training had.
    """
    return dataclasses.replace(
        training,
        recordings=(*training.recordings, *new),
        init=init,
        out=out,
        bins=bins_as_wide(training, new),
        epochs=config.epochs,
        steps_per_epoch=steps_per_epoch or training.steps_per_epoch,
        patience=None,  # or one of the two would train for longer
        seed=training.seed + iteration,
        resume=False,
    )


def bins_as_wide(training: TrainConfig, new: Sequence[Path]) -> int:
    """How many bins balancing needs so that they stay as wide as they were.

    A car astray asks for more steering than any in the original recordings. Were that range cut
    into as many bins as before, each would be wider, and balancing would throw original frames
    away that nobody asked to lose.
    """
    if not new or not training.recordings:
        return training.bins
    before, now = (
        np.concatenate([_steering(path, training.min_speed_share) for path in paths])
        for paths in (training.recordings, (*training.recordings, *new))
    )
    if before.size == 0 or np.ptp(before) == 0:
        return training.bins
    wider = float(np.ptp(now) / np.ptp(before))
    return min(math.ceil(training.bins * wider), _MOST_BINS)


def _steering(path: Path, min_speed_share: float) -> NDArray[np.float64]:
    frames = read_recording(path).frames
    return frames["steering"].to_numpy(np.float64)[usable_rows(frames, min_speed_share)]


def label_tasks(
    config: DaggerConfig,
    training: TrainConfig,
    iteration: int,
    pilot: Path,
    tracks: Sequence[Track],
    folder: Path,
) -> list[LabelTask]:
    """What a pilot drives for new data, seen by the training's cameras: seeds are used once."""
    number = config.seed * _ITERATIONS_A_SEED + iteration
    driven = EvaluateConfig(
        pilot=pilot,
        track=config.track,
        laps=1,
        seeds=config.laps,
        first_seed=FIRST_DRIVEN_SEED + number * _SEEDS_AN_ITERATION,
        speed_limit=config.speed_limit,
        conditions=config.conditions,
        size=config.size,
        simulation=config.simulation,
    )
    tasks = [_rolling(task, config.speed_limit) for task in plan_pilot(driven, tracks)]
    if config.metres is not None:
        tasks = [
            dataclasses.replace(task, length_m=min(config.metres, task.length_m)) for task in tasks
        ]
    others = [camera for camera in training.cameras if camera != "center"]
    return [
        LabelTask(
            episodes=task,
            expert=Expert(speed_limit_mph=config.speed_limit, line=config.line),
            beta=config.beta_of(iteration),
            seed=config.seed,
            cameras=cast(tuple[CameraName, ...], ("center", *others)),
            folder=folder,
        )
        for task in tasks
    ]


def _rolling(task: EpisodesTask, speed_limit_mph: float) -> EpisodesTask:
    """Episodes whose cars roll at the beginning: slow driving is not learned from."""
    speed_mps = speed_limit_mph * MPS_A_MPH / 2
    episodes = tuple(
        dataclasses.replace(episode, start=dataclasses.replace(episode.start, speed_mps=speed_mps))
        for episode in task.episodes
    )
    return dataclasses.replace(task, episodes=episodes)


def evaluation_of(config: DaggerConfig, pilot: Path) -> EvaluateConfig:
    """How each pilot is measured."""
    return EvaluateConfig(
        pilot=pilot,
        track=config.track,
        seeds=config.seeds,
        first_seed=config.first_seed,
        speed_limit=config.speed_limit,
        conditions=config.conditions,
        line=config.line,
        size=config.size,
        simulation=config.simulation,
        name="dagger",
        processes=config.processes,
        cluster=config.cluster,
    )

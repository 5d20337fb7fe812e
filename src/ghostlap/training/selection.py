"""``--select-by driving``: the epoch that drives best, instead of the one of the lowest loss.

Validation loss does not predict driving. So every few epochs a candidate's weights are kept beside
the checkpoint, and once training is over each candidate drives a few short episodes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.engine import run_tasks
from ghostlap.base.files import own_folder, read_json, replacing, write_json
from ghostlap.base.terminal import say
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.driving.metrics import Drive, in_words
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.rollout.episode import run_episodes
from ghostlap.driving.rollout.plan import EpisodesTask, plan_pilot
from ghostlap.driving.summary import summarise
from ghostlap.pilots.backend import keras
from ghostlap.pilots.pilot_saving import write_driving
from ghostlap.pilots.run_folder import FORMAT, PILOT_FILE
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_named
from ghostlap.training.callbacks import BEST_FILE, Checkpoints, went_well
from ghostlap.training.config import TrainConfig
from ghostlap.training.networks import Trainer

DRIVING_FILE = "driving.json"
"""How candidates drove, in the checkpoint's folder; a resumed selection goes on from there."""

_FIGURES = ("autonomy_percent", "mean_abs_cte_m")
_SECONDS = 60.0
_SEEDS = 2
_FIRST_SEED = 1_000_000
"""Far from those that 'ghostlap evaluate' takes: what chose a pilot must not judge it too."""


@dataclasses.dataclass(frozen=True)
class Selection:
    """What came of letting candidates drive."""

    epoch: int
    """The best one, from 1; the trainer has its weights."""
    candidates: list[dict[str, float]]
    """``epoch``, ``autonomy_percent`` and ``mean_abs_cte_m`` of each, as JSON values."""


class Candidates(keras.callbacks.Callback):
    """Keeps the weights of every so many epochs, counted from the last.

    It comes before the checkpoint of the same epoch, so that an epoch which is done has been kept.
    """

    def __init__(self, folder: Path, every: int, epochs: int) -> None:
        super().__init__()
        self.folder = folder
        self.every = every
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if (self.epochs - (epoch + 1)) % self.every == 0 and went_well(logs):
            own_folder(self.folder)
            with replacing(_weights_file(self.folder, epoch + 1)) as temporary:
                self.model.save_weights(temporary)


def selection_track(config: TrainConfig) -> Track:
    """The track that candidates drive.

    Raises:
        TrackError: there is no such track.
    """
    return track_named(config.select_track)


def select_by_driving(
    config: TrainConfig,
    trainer: Trainer,
    checkpoints: Checkpoints,
    preprocessing: Preprocessing,
    console: Console,
) -> Selection:
    """Let candidates drive, and give the trainer the weights of the best.

    Candidates are the epochs that :class:`Candidates` kept, and the one of the lowest loss.
    """
    weights = {
        epoch: path
        for epoch in range(1, checkpoints.epochs_done + 1)
        if (path := _weights_file(checkpoints.folder, epoch)).exists()
    }
    weights.setdefault(checkpoints.best_epoch, checkpoints.folder / BEST_FILE)
    driven = driven_before(checkpoints.folder)
    tasks: dict[int, list[EpisodesTask]] = {}
    for epoch in sorted(set(weights) - set(driven)):
        trainer.load_weights(weights[epoch])
        pilot = checkpoints.folder / f"candidate-{epoch:04d}"
        _save_candidate(trainer.network, pilot, preprocessing, config)
        tasks[epoch] = tasks_of(config, pilot)
    drive_each(tasks, driven, checkpoints.folder, "epoch", config.cluster, console)
    best = min(weights, key=lambda epoch: rank(driven[epoch]))
    trainer.load_weights(weights[best])
    return Selection(best, [{"epoch": epoch, **driven[epoch]} for epoch in sorted(weights)])


def drive_each(
    tasks: Mapping[int, list[EpisodesTask]],
    driven: dict[int, dict[str, float]],
    folder: Path,
    kind: str,
    cluster: str,
    console: Console,
) -> None:
    """Drive each candidate's tasks, and note in ``driven`` and on disk how it did.

    Args:
        driven: figures by the number; those of ``tasks`` are added.
        kind: what is numbered, an epoch or a seed.
    """
    of_task = [(epoch, task) for epoch, its_tasks in tasks.items() for task in its_tasks]
    drives: dict[int, list[tuple[int, Drive]]] = {epoch: [] for epoch in tasks}
    with console.status(f"{len(tasks)} candidates drive …"):
        for index, result in run_tasks(
            run_episodes, [task for _, task in of_task], cluster=cluster
        ):
            epoch, task = of_task[index]
            seeds = [episode.seed for episode in task.episodes]
            drives[epoch] += zip(seeds, result.drives, strict=True)
            if len(drives[epoch]) == sum(len(task.episodes) for task in tasks[epoch]):
                summary = summarise(
                    [drive for _, drive in drives[epoch]], [seed for seed, _ in drives[epoch]]
                )
                driven[epoch] = {name: summary.figures[name] for name in _FIGURES}
                write_json(folder / DRIVING_FILE, driven)
                say(
                    console,
                    f"{kind} {epoch:>3} drives with {in_words(driven[epoch])}",
                )


def rank(figures: Mapping[str, float]) -> tuple[float, float]:
    """A key that sorts the best driver first."""
    return -figures["autonomy_percent"], figures["mean_abs_cte_m"]


def tasks_of(config: TrainConfig, pilot: Path) -> list[EpisodesTask]:
    """What a candidate drives."""
    evaluation = EvaluateConfig(
        pilot=pilot,
        track=(config.select_track,),
        seeds=_SEEDS,
        first_seed=_FIRST_SEED,
        seconds=_SECONDS,
        speed_limit=config.select_speed,
    )
    return plan_pilot(evaluation, [selection_track(config)])


def _save_candidate(
    network: Any, folder: Path, preprocessing: Preprocessing, config: TrainConfig
) -> None:
    """What driving needs of a pilot, and no more."""
    own_folder(folder)
    memory = write_driving(network, folder, config.lags_s)
    description = {
        "format": FORMAT,
        "outputs": list(config.outputs),
        "preprocessing": dataclasses.asdict(preprocessing),
        **memory,
    }
    write_json(folder / PILOT_FILE, description)


def _weights_file(folder: Path, epoch: int) -> Path:
    return folder / f"candidate-{epoch:04d}.weights.h5"


def driven_before(folder: Path) -> dict[int, dict[str, float]]:
    """The figures of candidates that have driven, by their number."""
    try:
        return {
            int(epoch): {name: float(figures[name]) for name in _FIGURES}
            for epoch, figures in read_json(folder / DRIVING_FILE).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # they drive once more

"""One trial of a search: its options drawn, its network trained on a subset."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ghostlap.base.errors import TrainingError
from ghostlap.base.files import refuse_link
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.terminal import say
from ghostlap.data.dataset import NOMINAL_STEP_S, Samples
from ghostlap.data.splits import BLOCK_S
from ghostlap.training import fit
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import prepare_data
from ghostlap.training.run_folder import check_run_folder
from ghostlap.training.search.space import Dimension
from ghostlap.training.task import TrainingTask, forget_networks


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of one trial."""

    number: int
    """Number from 0; the run folder of the first is ``trial-000``."""
    options: dict[str, Any]
    """What was drawn for it."""
    val_loss: float | None
    """The lowest one; None if the trial failed."""
    best_epoch: int | None
    """The epoch of that loss, from 1."""
    seconds: float
    error: str | None = None
    """Why it failed."""

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Trial:
        """Read back what became of ``dataclasses.asdict`` as JSON."""
        options = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values["options"].items()
        }
        return cls(**{**values, "options": options})


@dataclasses.dataclass(frozen=True)
class TrialTask(TrainingTask):
    """A trial to run: a training, its number and what was drawn for it."""

    number: int
    options: dict[str, Any]
    subset: float

    def __str__(self) -> str:
        return f"trial {self.number}"


def draw_options(
    dimensions: Sequence[Dimension], seed: int, trials: Sequence[Trial], number: int | None = None
) -> dict[str, Any]:
    """The options for a trial.

    Args:
        trials: all before it. Failed ones count as worse than any other, so that the search keeps
            away from, say, learning rates at which the loss runs off.
        number: of the trial; as many as there are before it, by default.
    """
    import optuna

    number = len(trials) if number is None else number
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A sampler for each trial: one that lived on would start over with the same random numbers
    # when a search is continued by another process.
    sampler_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=sampler_seed))
    distributions = {dimension.name: dimension.distribution() for dimension in dimensions}
    state = optuna.trial.TrialState
    for trial in trials:
        study.add_trial(
            optuna.trial.create_trial(
                state=state.PRUNED if trial.val_loss is None else state.COMPLETE,
                value=trial.val_loss,
                params={d.name: d.drawn(trial.options[d.name]) for d in dimensions},
                distributions=distributions,
            )
        )
    drawn = study.ask(distributions).params
    return {d.name: d.value(drawn[d.name]) for d in dimensions}


def time_subset(samples: Samples, share: float, seed: int) -> NDArray[np.bool_]:
    """Which samples are in whole blocks of time that hold about a share of all.

    Blocks are as long as those of the split by time, or a twentieth of a short recording.

    Args:
        share: in (0, 1].
        seed: of the draw. A larger share holds all of a smaller one.

    Returns:
        Mask of shape ``(n,)``; at least one block is in.
    """
    block = np.zeros(len(samples), np.int64)
    blocks_so_far = 0
    for number in np.unique(samples.recording):
        here = samples.recording == number
        since_s = samples.time_s[here] - samples.time_s[here].min()
        block_s = max(min(BLOCK_S, since_s.max() / 20), NOMINAL_STEP_S)
        block[here] = blocks_so_far + (since_s / block_s).astype(np.int64)
        blocks_so_far = int(block[here].max()) + 1
    blocks, size = np.unique(block, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(blocks))
    held = np.cumsum(size[order])
    # Up to the block that brings the total nearest to the share.
    last = int(np.argmin(np.abs(held - share * len(samples))))
    return np.isin(block, blocks[order[: last + 1]])


def run_trial(config: TrainConfig, subset: float, console: Console) -> fit.TrainResult:
    """Train on a subset of the training samples; validation is on all validation samples.

    A trial that was killed goes on from its last whole epoch if it was of the same config; anything
    else in its folder is replaced.

    Raises:
        GhostlapError: as :func:`ghostlap.commands.train.train`.
    """
    refuse_link(config.out)
    with FolderLock(config.out, TrainingError) as lock:
        return _run_locked_trial(config, subset, console, lock)


def _run_locked_trial(
    config: TrainConfig, subset: float, console: Console, lock: FolderLock
) -> fit.TrainResult:
    began_s = time.perf_counter()
    try:
        config = check_run_folder(dataclasses.replace(config, resume=True))
    except TrainingError:  # nothing there to go on with
        lock.empty()
    forget_networks()
    data = prepare_data(config, console)
    inside = time_subset(data.training, subset, config.seed)
    data = dataclasses.replace(data, training=data.training.take(inside))
    say(console, f"{len(data.training)} of the training samples are used")
    return fit.fit(config, data, console, began_s)

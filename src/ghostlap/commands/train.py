"""``ghostlap train``: recordings in, a run folder with a pilot out.

ghostlap train rec/lake --out runs/lake
"""

from __future__ import annotations

import contextlib
import dataclasses
import time

from rich.console import Console

from ghostlap.base.engine import Report, connected, run_tasks
from ghostlap.base.errors import TrainingError
from ghostlap.base.files import explained
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.terminal import plain, say
from ghostlap.data.vision.augmentation import parse_augmentation
from ghostlap.pilots.run_folder import read_description
from ghostlap.training.config import TrainConfig, resume_command
from ghostlap.training.data import prepare_data
from ghostlap.training.fit import TrainResult, fit
from ghostlap.training.run_folder import (
    CONFIG_FILE,
    check_run_folder,
    claim_run_folder,
    is_finished,
)
from ghostlap.training.task import TrainingTask, forget_networks

console = Console(stderr=True, soft_wrap=True)


def train(config: TrainConfig, console: Console = console) -> TrainResult:
    """Train a pilot as ``config`` says.

        >>> config = ghostlap.TrainConfig(("my-drive",), epochs=1, steps_per_epoch=2, out="runs/c")
        >>> ghostlap.train(config).epochs
        1

    Raises:
        RecordingError: a recording cannot be read.
        DatasetError: too little of it can be learned from.
        CacheError: decoded frames cannot be written.
        TrainingError: the run folder is taken, cannot be resumed or written, or the loss is not
            finite after the first epoch.
    """
    with FolderLock(config.out, TrainingError):
        config = check_run_folder(config)
        if config.cluster and config.seeds == 1 and config.select_by == "loss":
            raise TrainingError(
                "--cluster: one training stays on one machine, so there is nothing to share. It "
                "helps with --seeds 5 or --select-by driving; leave it out otherwise."
            )
        with connected(config.cluster):
            result = (_train_seeds if config.seeds > 1 else _train)(config, console)
    if config.critic:
        from ghostlap.commands.critic import CriticConfig, critic

        critic(CriticConfig(config.out, cluster=config.cluster), console)
    return result


def train_seed(task: TrainingTask, report: Report) -> None:
    """Train one of several pilots, and leave its run folder."""
    forget_networks()
    config = task.config_here
    begun = (config.out / CONFIG_FILE).exists()
    with FolderLock(config.out, TrainingError):
        config = check_run_folder(dataclasses.replace(config, resume=begun))
        _train(config, Console(quiet=True))


def _train_seeds(config: TrainConfig, console: Console) -> TrainResult:
    """Train a pilot for each seed, let all of them drive, and keep the best."""
    from ghostlap.training.seeds import keep_best, seed_configs, spread_of

    began_s = time.perf_counter()
    claim_run_folder(config)
    each = seed_configs(config)
    missing = [TrainingTask(one) for one in each if not is_finished(one.out)]
    with console.status(plain(f"{len(each)} trainings …")) as status:
        results = run_tasks(
            train_seed,
            missing,
            processes=None if config.cluster else 1,
            cluster=config.cluster,
            cores_each=config.task_cores if config.cluster else 1,
            gpus_each=config.task_gpus,
        )
        with contextlib.closing(results):  # type: ignore[type-var]
            for done, (index, _) in enumerate(results, len(each) - len(missing) + 1):
                say(console, f"{missing[index].config.out}: trained")
                status.update(f"{done} of {len(each)} trainings are done …")
    best = keep_best(config, each, console)
    for sentence in spread_of(config.out):
        say(console, sentence)
    say(console, f"{config.out} holds the pilot of seed {best.seed}", bold=config.out)
    training, metrics = (read_description(config.out)[name] for name in ("training", "metrics"))
    return TrainResult(
        out=config.out,
        epochs=training["epochs"],
        best_epoch=training["best_epoch"],
        val_loss=training["val_loss"],
        validation=metrics["validation"],
        seconds=time.perf_counter() - began_s,
    )


def _train(config: TrainConfig, console: Console) -> TrainResult:
    began_s = time.perf_counter()
    parse_augmentation(config.augment)  # a slip of the pen is said before pictures are decoded
    if config.select_by == "driving":
        from ghostlap.training.selection import selection_track

        selection_track(config)
    data = prepare_data(config, console)
    go_on = f"'{resume_command(config)}' goes on from here"
    try:
        with explained(TrainingError, f"Then {go_on}."):
            result = fit(config, data, console, began_s)
    except KeyboardInterrupt:
        say(console, f"stopped; {go_on}")
        raise
    say(
        console,
        f"{result.out} holds the pilot of epoch {result.best_epoch}: validation loss "
        f"{result.val_loss:.4f}, mean error {result.validation['mae']:.3f} "
        f"(always straight ahead: {result.validation['zero_mae']:.3f}), {result.seconds:.0f} s",
        bold=result.out,
    )
    return result

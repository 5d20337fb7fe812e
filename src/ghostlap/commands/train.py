"""``ghostlap train``: recordings in, a run folder with a pilot out.

ghostlap train rec/lake --out runs/lake
"""

from __future__ import annotations

import time

from rich.console import Console

from ghostlap.base.errors import TrainingError
from ghostlap.base.files import explained
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.terminal import say
from ghostlap.data.vision.augmentation import parse_augmentation
from ghostlap.training.config import TrainConfig, resume_command
from ghostlap.training.data import prepare_data
from ghostlap.training.fit import TrainResult, fit
from ghostlap.training.run_folder import check_run_folder

console = Console(stderr=True, soft_wrap=True)


def train(config: TrainConfig, console: Console = console) -> TrainResult:
    """Train a pilot as ``config`` says.

        >>> config = ghostlap.TrainConfig(("my-drive",), epochs=1, steps_per_epoch=2, out="runs/c")
        >>> ghostlap.train(config).epochs
        1

    Args:
        config: see :class:`TrainConfig`.
        console: where progress is shown.

    Raises:
        RecordingError: a recording cannot be read.
        DatasetError: too little of it can be learned from.
        CacheError: decoded frames cannot be written.
        TrainingError: the run folder is taken, cannot be resumed or written, or the loss is not
            finite after the first epoch.
    """
    with FolderLock(config.out, TrainingError):
        return _train(config, console)


def _train(config: TrainConfig, console: Console) -> TrainResult:
    began_s = time.perf_counter()
    config = check_run_folder(config)
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

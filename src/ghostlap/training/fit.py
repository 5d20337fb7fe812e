"""Fitting: from samples that are ready to a run folder with a pilot."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ghostlap.base.errors import TrainingError
from ghostlap.base.platform import cores
from ghostlap.base.terminal import warn
from ghostlap.data.frame_cache import FrameCache
from ghostlap.data.labels import steering_error
from ghostlap.data.lines import BRANCHES
from ghostlap.data.loader import BatchLoader, closing_stream
from ghostlap.data.provenance import fingerprint, versions
from ghostlap.data.vision.augmentation import parse_augmentation
from ghostlap.data.vision.preprocessing import scale
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.pilot_saving import save_pilot
from ghostlap.pilots.usual_std import usual_steering_std
from ghostlap.training.config import TrainConfig, resume_command
from ghostlap.training.data import TrainingData
from ghostlap.training.run_folder import CHECKPOINT_FOLDER, begun_with, claim_run_folder

if TYPE_CHECKING:
    from ghostlap.training.callbacks import Checkpoints
    from ghostlap.training.networks import Trainer

HISTORY_FILE = "history.csv"
WEIGHTS_FILE = "weights.csv"

_NO_CHANGE = 1e-3
"""Steering within so little is the same throughout: 0.025 degrees of the wheels."""


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What a training came to; the run folder holds the rest."""

    out: Path
    epochs: int
    best_epoch: int
    val_loss: float
    """Validation loss of the best epoch, whose weights the pilot has."""
    validation: dict[str, float]
    """Offline error of the finished pilot on the validation samples."""
    seconds: float
    """Duration in this process; a resumed training counts from its resumption."""


def fit(config: TrainConfig, data: TrainingData, console: Console, began_s: float) -> TrainResult:
    """Train on data that is ready, from the last checkpoint if there is one, and save the pilot."""
    common: dict[str, Any] = {
        "batch_size": config.batch_size, "outputs": config.outputs, "seed": config.seed,
        "auxiliaries": config.auxiliaries, "steering_correction": config.steering_correction,
    }  # fmt: skip
    where = (data.slots, data.cache, data.preprocessing)
    loader = BatchLoader(
        data.training,
        *where,
        augmentation=parse_augmentation(config.augment),
        order=config.order,
        hidden=config.history_hidden,
        **common,
    )
    validation = BatchLoader(data.validation, *where, **common)
    with _devices(config.batch_size):
        trainer, checkpoints = _trained(config, loader, validation, console)
    best_epoch, candidates = checkpoints.best_epoch, []
    if config.select_by == "driving":
        from ghostlap.training.selection import select_by_driving

        selection = select_by_driving(config, trainer, checkpoints, data.preprocessing, console)
        best_epoch, candidates = selection.epoch, selection.candidates
    best = checkpoints.history[best_epoch - 1]
    answers = _Answers(validation)
    save_pilot(
        trainer.network,
        config.out,
        data.preprocessing,
        config.outputs,
        {
            "training": {
                **begun_with(config),
                "best_epoch": best_epoch,
                "val_loss": best["val_loss"],
                "candidates": candidates,
                "recordings_seen": fingerprint(data.recordings),
                "training_samples": len(data.training),
                "validation_samples": len(data.validation),
            },
            "versions": versions(),
        },
        answers.measure,
        config.lags_s,
    )
    for sentence in _what_went_wrong(config, checkpoints, best_epoch, answers):
        warn(console, sentence)
    return TrainResult(
        out=config.out,
        epochs=checkpoints.epochs_done,
        best_epoch=best_epoch,
        val_loss=best["val_loss"],
        validation=answers.figures,
        seconds=time.perf_counter() - began_s,
    )


def _trained(
    config: TrainConfig, loader: BatchLoader, validation: BatchLoader, console: Console
) -> tuple[Trainer, Checkpoints]:
    """The trainer with the weights of its best epoch, and the history that led there."""
    from ghostlap.pilots.backend import keras
    from ghostlap.training.callbacks import BEST_FILE, Checkpoints, Progress
    from ghostlap.training.networks import (
        Trainer,
        ValidationBatches,
        compile_network,
        network_for,
        set_precision,
    )
    from ghostlap.training.plots import plot_history
    from ghostlap.training.weights_log import WeightsLogger, plot_weights

    steps_per_epoch = config.steps_per_epoch or math.ceil(len(loader.samples) / config.batch_size)
    keras.utils.set_random_seed(config.seed)
    trainer = Trainer(network_for(config, loader.spec), loader.spec, config)
    compile_network(trainer, config, steps_per_epoch * config.epochs)
    claim_run_folder(config)  # not before all that a user may have misspelt has been used
    checkpoints = Checkpoints(
        config.out / CHECKPOINT_FOLDER, config.out / HISTORY_FILE, config.patience
    )
    checkpoints.restore(trainer)
    weights = WeightsLogger(config.out / WEIGHTS_FILE, trainer.network)
    weights.start(checkpoints.epochs_done)
    progress = Progress(console, config.epochs, steps_per_epoch, checkpoints)
    # Checkpoints after all that must be there once an epoch counts as done.
    callbacks = [weights, checkpoints, progress]
    if config.select_by == "driving":
        from ghostlap.training.selection import Candidates

        callbacks.insert(0, Candidates(checkpoints.folder, config.select_every, config.epochs))
    if keras.backend.backend() == "tensorflow":  # Keras writes these logs with TensorFlow's help
        callbacks.append(keras.callbacks.TensorBoard(config.out / "tensorboard", write_graph=False))
    if not checkpoints.should_stop and checkpoints.epochs_done < config.epochs:
        workers = config.workers or _loader_threads()
        batches = loader.stream(
            checkpoints.epochs_done * steps_per_epoch, workers=workers, ahead=4 * workers
        )
        with closing_stream(batches), progress.shown(), _named(config, loader.cache):
            trainer.fit(
                batches,
                steps_per_epoch=steps_per_epoch,
                epochs=config.epochs,
                initial_epoch=checkpoints.epochs_done,
                validation_data=ValidationBatches(validation),
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
    trainer.load_weights(config.out / CHECKPOINT_FOLDER / BEST_FILE)
    set_precision(trainer.network, "float32")
    plot_history(checkpoints.history, config.out / "loss.png")
    plot_weights(config.out / WEIGHTS_FILE, config.out / "weights.png")
    return trainer, checkpoints


def _loader_threads() -> int:
    """Threads that make batches: more than four only get in each other's way (Python's lock)."""
    from ghostlap.pilots.backend import keras

    try:
        devices = keras.distribution.list_devices()
    except AttributeError:  # Keras has none for this backend: PyTorch, say
        return 1
    on_cpu = all(device.startswith("cpu") for device in devices)
    return 1 if on_cpu else max(1, min(cores() // 2, 4))


@contextlib.contextmanager
def _devices(batch_size: int) -> Iterator[None]:
    """Have as many devices of this machine as can share a batch evenly do so, with JAX."""
    from ghostlap.pilots.backend import keras

    devices = keras.distribution.list_devices() if keras.backend.backend() == "jax" else []
    count = next(n for n in range(max(len(devices), 1), 0, -1) if batch_size % n == 0)
    if count == 1:
        yield
        return
    spread = keras.distribution.DataParallel(devices=devices[:count], auto_shard_dataset=False)
    with spread.scope():
        yield


@contextlib.contextmanager
def _named(config: TrainConfig, cache: FrameCache) -> Iterator[None]:
    """TensorFlow, which asks for batches and writes ``tensorboard``, has errors of its own."""
    try:
        yield
    except Exception as error:
        if cache.problem is not None:
            raise TrainingError(
                f"{cache.problem} '{resume_command(config)}' goes on with the pictures as they are."
            ) from None
        for number in (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EROFS):
            if not isinstance(error, OSError) and os.strerror(number) in str(error):
                raise OSError(number, os.strerror(number), str(config.out)) from error
        raise


class _Answers:
    """What a pilot answers to the validation samples, beside their labels.

    Attributes:
        steering, wanted: shape ``(n,)``.
        figures: how far apart they are: ``mse``, ``mae``, ``pearson_r``, and ``zero_mse``,
            ``zero_mae`` of constant zero steering; percentiles of a steering_std if answered:
            ``steering_std_p50``, ``steering_std_p95``, ``steering_std_p99``.
    """

    def __init__(self, loader: BatchLoader) -> None:
        self._loader = loader
        self.steering = self.wanted = np.zeros(0, np.float32)
        self.figures: dict[str, float] = {}

    def measure(self, pilot: Pilot) -> dict[str, Any]:
        """The ``metrics`` for ``pilot.json``."""
        answers, labels = [], []
        for inputs, batch_labels in self._loader.in_order():
            if isinstance(inputs, dict):
                seen = scale(inputs["pictures"], self._loader.spec)
                answers.append(pilot.predict_moments(seen, inputs["motion"]))
            else:
                answers.append(pilot.predict_seen(scale(inputs, self._loader.spec)))
            labels.append(batch_labels)
        answer, label = np.concatenate(answers), np.concatenate(labels)
        # The steering, or that for each line of which something is known.
        of_lines = np.array([pilot.outputs.index(BRANCHES[line]) for line in pilot.lines])
        known = np.isfinite(label[:, of_lines])
        self.steering, self.wanted = answer[:, of_lines][known], label[:, of_lines][known]
        self.figures = dataclasses.asdict(steering_error(self.steering, self.wanted))
        steering_std = pilot.named(answer, "steering_std")
        if steering_std is not None:
            self.figures |= usual_steering_std(steering_std)
        return {"validation": self.figures}


def _what_went_wrong(
    config: TrainConfig, checkpoints: Checkpoints, best_epoch: int, answers: _Answers
) -> Iterator[str]:
    """Plain sentences on what makes a pilot worth less than it seems, and what to change."""
    rate = config.learning_rate
    if checkpoints.ran_off_in is not None:
        yield (
            f"the loss is not finite after epoch {checkpoints.ran_off_in}: the training ran off, "
            f"and ended. The pilot is of epoch {best_epoch}, before that. Lower --learning-rate, "
            f"it was {rate:g}; {rate / 4:g} may do."
        )
    if np.ptp(answers.wanted) < _NO_CHANGE:
        yield (
            f"the steering to learn is {answers.wanted.mean():.3f} at every validation picture, so "
            "nobody can tell whether the pilot has learned anything. Record a drive with bends."
        )
    elif np.ptp(answers.steering) < _NO_CHANGE:
        yield (
            f"the pilot steers {answers.steering.mean():.3f} whatever it sees: it has learned "
            f"nothing from the pictures. Mostly the learning rate is too high: train anew with a "
            f"lower --learning-rate, it was {rate:g}; {rate / 4:g} may do. If that changes "
            "nothing, with more --epochs, or with recordings of more bends."
        )

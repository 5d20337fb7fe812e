"""Training: recordings in, a run folder with a pilot out.

>>> train(TrainConfig(recordings=(Path("rec/lake"),), out=Path("runs/lake")))
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ghostlap.augment import Augmentation, parse_augmentation
from ghostlap.dataset import Samples, make_samples, split, usable_rows
from ghostlap.errors import DatasetError, ImageError, TrainingError
from ghostlap.files import write_json
from ghostlap.frame_cache import FrameCache, default_cache_folder
from ghostlap.loader import BatchLoader
from ghostlap.pilot import Pilot, save_pilot
from ghostlap.provenance import fingerprint, versions
from ghostlap.recording import Recording, read_recording, require_images
from ghostlap.train_config import TrainConfig, config_from_json, config_to_json
from ghostlap.vision import Preprocessing, read_rgb

CONFIG_FILE = "config.json"
HISTORY_FILE = "history.csv"

console = Console(stderr=True)


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What a training came to; the run folder holds the rest."""

    out: Path
    epochs: int
    best_epoch: int
    val_loss: float
    """Of the best epoch, whose weights the pilot has."""
    validation: dict[str, float]
    """Offline error of the finished pilot on the validation samples."""
    seconds: float
    """Of this process; a resumed training counts from its resumption."""


@dataclasses.dataclass(frozen=True)
class Data:
    """Training and validation samples with the frames they point to."""

    training: Samples
    validation: Samples
    slots: NDArray[np.int64]
    cache: Any
    preprocessing: Preprocessing
    fingerprint: list[dict[str, Any]]


def train(config: TrainConfig) -> TrainResult:
    """Train a pilot as ``config`` says.

    Raises:
        RecordingError: a recording cannot be read.
        DatasetError: too little of it can be learned from.
        CacheError: decoded frames cannot be written.
        TrainingError: the run folder is taken, cannot be resumed, or the loss is not finite.
    """
    began_s = time.perf_counter()
    config = _claim_run_folder(config)
    augmentation = parse_augmentation(config.augment)
    data = prepare_data(config)
    result = _fit(config, augmentation, data, began_s)
    console.print(
        f"[bold]{result.out}[/] holds the pilot of epoch {result.best_epoch}: validation loss "
        f"{result.val_loss:.4f}, mean error {result.validation['mae']:.3f} "
        f"(always straight ahead: {result.validation['zero_mae']:.3f}), {result.seconds:.0f} s",
        highlight=False,
    )
    return result


def _claim_run_folder(config: TrainConfig) -> TrainConfig:
    """Check ``--out`` and write ``config.json`` there; returns the config to train with."""
    path = config.out / CONFIG_FILE
    if config.resume:
        return _resumed_config(config, path)
    if config.out.is_dir() and any(config.out.iterdir()):
        what = "holds a run already" if path.exists() else "is not empty"
        raise TrainingError(
            f"{config.out}: the folder {what}. Continue a killed training with "
            f"'ghostlap train --resume --out {config.out}', or name another --out."
        )
    if not config.recordings:
        raise TrainingError(
            "train: name at least one recording, a folder with driving_log.csv and IMG/. "
            "Example: ghostlap train rec/lake --out runs/lake"
        )
    parse_augmentation(config.augment)  # before anything is written
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        write_json(path, {**config_to_json(config), "versions": versions()})
    except OSError as error:
        raise TrainingError(
            f"{config.out}: the run folder cannot be written ({error.strerror})."
        ) from error
    return config


def _resumed_config(config: TrainConfig, path: Path) -> TrainConfig:
    if not path.exists():
        raise TrainingError(f"{config.out}: no {CONFIG_FILE} there, so nothing to resume.")
    if (config.out / "pilot.json").exists():
        raise TrainingError(
            f"{config.out}: the training there is finished. Train further on from it with "
            f"'ghostlap train REC --init {config.out} --out …'."
        )
    saved = config_from_json(json.loads(path.read_text(encoding="utf-8")))
    saved = dataclasses.replace(
        saved, resume=True, out=config.out, cache=config.cache, workers=config.workers
    )
    asked_for = dataclasses.replace(config, recordings=config.recordings or saved.recordings)
    if config.recordings and asked_for != saved:
        differing = [
            f"{field.name} (was {getattr(saved, field.name)}, now {getattr(asked_for, field.name)})"
            for field in dataclasses.fields(config)
            if getattr(asked_for, field.name) != getattr(saved, field.name)
        ]
        raise TrainingError(
            f"{config.out}: a training is resumed with the options it began with. Differing: "
            f"{'; '.join(differing)}. Just 'ghostlap train --resume --out {config.out}' "
            "takes them all from the run folder."
        )
    return saved


def prepare_data(config: TrainConfig) -> Data:
    """Read recordings, balance and split them, and decode their frames into the cache."""
    recordings = [read_recording(path) for path in config.recordings]
    for recording in recordings:
        require_images(recording)
        _warn_of_rows_left_out(recording)
    height_px, width_px, _ = _frame_shape(recordings)
    preprocessing = config.preprocessing.for_frames(height_px, width_px)
    samples = make_samples(
        recordings,
        cameras=config.cameras,
        side_offset=config.side_offset,
        bins=config.bins,
        cap=config.cap,
        seed=config.seed,
    )
    cache = FrameCache(config.cache or default_cache_folder(), preprocessing.frame_shape)
    with console.status("decoding frames …") as status:
        located = cache.locate(
            samples.images, lambda done, n: status.update(f"decoding frames {done}/{n} …")
        )
    found = located.slots[samples.image] >= 0
    if not found.all():
        _warn_of_pictures_left_out(int((~found).sum()), located.problems)
        samples = samples.take(found)
    if len(samples) == 0:
        raise DatasetError(
            f"None of the pictures can be used. The first: {located.problems[0]} "
            "'ghostlap doctor REC' lists them all."
        )
    training, validation = split(samples, config.split, config.validation, config.seed)
    console.print(
        f"{len(recordings)} recording(s), {sum(len(r.frames) for r in recordings)} rows; "
        f"{len(samples)} samples after balancing: {len(training)} to train on, "
        f"{len(validation)} for validation (split by {config.split})",
        highlight=False,
    )
    return Data(training, validation, located.slots, cache, preprocessing, fingerprint(recordings))


def _warn_of_rows_left_out(recording: Recording) -> None:
    unread = [
        note for note in recording.notes if note.kind in ("ambiguous", "cut-off", "unreadable")
    ]
    unusable = int((~usable_rows(recording.frames)).sum())
    if unread:
        console.print(
            f"[yellow]warning:[/] {recording.folder}: {len(unread)} rows could not be read; "
            f"the first: line {unread[0].line}, {unread[0].message}",
            highlight=False,
        )
    if unusable:
        console.print(
            f"[yellow]warning:[/] {recording.folder}: {unusable} rows have no steering in [-1, 1] "
            "or no centre picture and are left out; 'ghostlap doctor' lists them",
            highlight=False,
        )


def _warn_of_pictures_left_out(samples: int, problems: tuple[str, ...]) -> None:
    console.print(
        f"[yellow]warning:[/] {samples} samples are left out, because {len(problems)} pictures "
        f"cannot be used; the first: {problems[0]} 'ghostlap doctor' lists them",
        highlight=False,
    )


def _frame_shape(recordings: list[Recording]) -> tuple[int, int, int]:
    """The size of the first readable centre picture of each recording, which must be one size."""
    shapes: dict[tuple[int, ...], Path] = {}
    for recording in recordings:
        for path in recording.frames["center"]:
            try:
                shapes.setdefault(read_rgb(path).shape, recording.folder)
            except ImageError:
                continue
            break
    if len(shapes) > 1:
        sizes = "; ".join(f"{shape[1]}x{shape[0]} in {where}" for shape, where in shapes.items())
        raise DatasetError(f"All recordings must have frames of one size. Got {sizes}.")
    if not shapes:
        raise DatasetError(
            f"{recordings[0].folder}: no centre picture can be decoded. 'ghostlap doctor' says why."
        )
    height, width, channels = next(iter(shapes))
    return height, width, channels


def _fit(
    config: TrainConfig, augmentation: Augmentation, data: Data, began_s: float
) -> TrainResult:
    from ghostlap.backend import keras
    from ghostlap.callbacks import BEST_FILE, Checkpoints, Progress
    from ghostlap.networks import ValidationBatches, compile_network, network_for, set_precision
    from ghostlap.plots import plot_history
    from ghostlap.weights_log import WeightsLogger, plot_weights

    outputs = ("steering", "speed") if config.speed else ("steering",)
    common: dict[str, Any] = {
        "batch_size": config.batch_size, "outputs": len(outputs), "seed": config.seed,
    }  # fmt: skip
    loader = BatchLoader(
        data.training,
        data.slots,
        data.cache,
        data.preprocessing,
        augmentation=augmentation,
        side_offset=config.side_offset,
        order=config.order,
        **common,
    )
    validation = BatchLoader(data.validation, data.slots, data.cache, data.preprocessing, **common)
    steps_per_epoch = config.steps_per_epoch or math.ceil(len(data.training) / config.batch_size)

    keras.utils.set_random_seed(config.seed)
    network = network_for(config, data.preprocessing, len(outputs))
    compile_network(network, config, steps_per_epoch * config.epochs)
    checkpoints = Checkpoints(config.out / "checkpoint", config.out / HISTORY_FILE, config.patience)
    checkpoints.restore(network)
    weights = WeightsLogger(config.out / "weights.csv")
    weights.start(checkpoints.epochs_done)
    progress = Progress(
        console,
        config.epochs,
        steps_per_epoch,
        lambda: checkpoints.best_epoch == checkpoints.epochs_done,
    )
    callbacks = [checkpoints, weights, progress]
    if keras.backend.backend() == "tensorflow":  # Keras writes these logs with TensorFlow's help
        callbacks.append(keras.callbacks.TensorBoard(config.out / "tensorboard", write_graph=False))
    if not checkpoints.should_stop and checkpoints.epochs_done < config.epochs:
        batches = loader.stream(checkpoints.epochs_done * steps_per_epoch, workers=config.workers)
        network.fit(
            batches,
            steps_per_epoch=steps_per_epoch,
            epochs=config.epochs,
            initial_epoch=checkpoints.epochs_done,
            validation_data=ValidationBatches(validation),
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
        batches.close()
    network.load_weights(config.out / "checkpoint" / BEST_FILE)
    set_precision(network, "float32")
    best = checkpoints.history[checkpoints.best_epoch - 1]
    pilot = save_pilot(
        network,
        config.out,
        data.preprocessing,
        outputs,
        {
            "training": {
                **config_to_json(config),
                "best_epoch": checkpoints.best_epoch,
                "val_loss": best["val_loss"],
                "recordings_seen": data.fingerprint,
                "training_samples": len(data.training),
                "validation_samples": len(data.validation),
            },
            "versions": versions(),
        },
    )
    offline = offline_error(pilot, validation)
    plot_history(checkpoints.history, config.out / "loss.png")
    plot_weights(config.out / "weights.csv", config.out / "weights.png")
    result = TrainResult(
        out=config.out,
        epochs=checkpoints.epochs_done,
        best_epoch=checkpoints.best_epoch,
        val_loss=best["val_loss"],
        validation=offline,
        seconds=time.perf_counter() - began_s,
    )
    write_json(config.out / "result.json", {**dataclasses.asdict(result), "out": str(config.out)})
    return result


def offline_error(pilot: Pilot, loader: BatchLoader) -> dict[str, float]:
    """How far the pilot is from the labels, beside one that always drives straight ahead.

    Returns:
        ``mse``, ``mae``, ``pearson_r``, and ``zero_mse``, ``zero_mae`` of constant zero steering.
    """
    steering, labels = [], []
    for seen, batch_labels in loader.in_order():
        steering.append(pilot.predict_seen(seen)[:, 0])
        labels.append(batch_labels[:, 0])
    predicted, wanted = np.concatenate(steering), np.concatenate(labels)
    varies = predicted.std() > 0 and wanted.std() > 0
    return {
        "mse": float(np.mean((predicted - wanted) ** 2)),
        "mae": float(np.mean(np.abs(predicted - wanted))),
        "pearson_r": float(np.corrcoef(predicted, wanted)[0, 1]) if varies else 0.0,
        "zero_mse": float(np.mean(wanted**2)),
        "zero_mae": float(np.mean(np.abs(wanted))),
    }

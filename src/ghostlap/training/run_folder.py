"""The folder of one training: who may write to it, and how a killed training finds back.

A run folder is taken from the moment that training begins (its ``config.json`` is written); it
holds a pilot from the moment that training is over (its ``pilot.json`` is).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ghostlap.base.errors import GhostlapError, TrainingError
from ghostlap.base.files import read_json, refuse_link, write_json
from ghostlap.base.folder_lock import is_free
from ghostlap.base.options import differing
from ghostlap.base.platform import quoted
from ghostlap.data.provenance import versions
from ghostlap.pilots.run_folder import PILOT_FILE, read_description
from ghostlap.training.config import TrainConfig, resume_command

CONFIG_FILE = "config.json"
CHECKPOINT_FOLDER = "checkpoint"


def check_run_folder(config: TrainConfig) -> TrainConfig:
    """Make sure that ``--out`` is free, or with ``--resume`` that there is something to continue.

    Returns:
        The config to train with: when resuming, the one that the training began with.

    Raises:
        TrainingError: the folder is taken, or holds nothing to resume.
    """
    if config.resume:
        return _resumed_config(config)
    if not is_free(config.out):
        raise TrainingError(f"{config.out}: {_why_taken(config.out)}")
    if not config.recordings:
        raise TrainingError(
            "train: name at least one recording, a folder with driving_log.csv and IMG/. "
            "Example: ghostlap train rec/lake --out runs/lake"
        )
    return config


def _why_taken(out: Path) -> str:
    if is_finished(out):
        return (
            "the folder holds a run already, and its pilot is finished. Name another --out; "
            f"with --init {out} the training begins with that pilot."
        )
    if (out / CONFIG_FILE).exists():
        return (
            "the folder holds a run already, which is not finished. Continue it with "
            f"'ghostlap train --resume --out {quoted(out)}', or name another --out."
        )
    return "the folder is not empty, and holds no run. Name another --out."


def is_finished(out: Path) -> bool:
    """Whether a run folder holds its pilot; one that was trained is there with its metrics.

    Raises:
        PilotError: its ``pilot.json`` cannot be read.
    """
    if not (out / PILOT_FILE).exists():
        return False
    description = read_description(out)
    return "metrics" in description or "training" not in description


def claim_run_folder(config: TrainConfig) -> None:
    """Write ``config.json`` unless it is there; from now on the folder holds a run.

    Raises:
        TrainingError: the folder cannot be written.
    """
    for name in (CHECKPOINT_FOLDER, "tensorboard"):
        refuse_link(config.out / name)
    if (config.out / CONFIG_FILE).exists():
        return
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        config.out.mkdir(parents=True, exist_ok=True)
        write_json(config.out / CONFIG_FILE, {**config.to_json(), "versions": versions()})
    except OSError as error:
        raise TrainingError(
            f"{config.out}: the run folder cannot be written ({error.strerror})."
        ) from error


def begun_with(config: TrainConfig) -> dict[str, Any]:
    """The options that the training in ``config.out`` began with, as JSON values.

    A resumed one may have another cache, other threads; its pilot is that of an unbroken one.
    """
    saved = read_json(config.out / CONFIG_FILE)
    now = config.to_json()
    return {name: now[name] if name == "out" else saved.get(name, now[name]) for name in now}


def _resumed_config(config: TrainConfig) -> TrainConfig:
    path = config.out / CONFIG_FILE
    if not path.exists():
        raise TrainingError(f"{config.out}: no {CONFIG_FILE} there, so nothing to resume.")
    if is_finished(config.out):
        raise TrainingError(
            f"{config.out}: the training there is finished. Train further on from it with "
            f"'ghostlap train REC --init {quoted(config.out)} --out …'."
        )
    try:
        saved = dataclasses.replace(TrainConfig.from_json(read_json(path)), out=config.out)
    except (GhostlapError, OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path}: cannot be read ({error}). Train anew with another "
            "--out; the recordings are untouched."
        ) from error
    if saved.imports_code and config.model != saved.model:
        raise TrainingError(
            f"{path}: the network there is {saved.model}, which is code. What a folder names is "
            f"not run. If it is yours, name it yourself: '{resume_command(saved)}'."
        )
    # Where things lie and how many threads there are may have changed; the result does not.
    where = ("cache", "workers", "critic", "cluster", "task_cores", "task_gpus")
    saved = dataclasses.replace(
        saved, resume=True, **{name: getattr(config, name) for name in where}
    )
    if config.recordings and config.to_json() != saved.to_json():
        raise TrainingError(
            f"{config.out}: a training is resumed with the options that it began with. Differing: "
            f"{differing(saved.to_json(), config.to_json())}. "
            f"'ghostlap train --resume --out {quoted(config.out)}' takes them "
            "all from the run folder."
        )
    return saved

"""``ghostlap failures``: a pilot drives until it fails, and a critic can learn what comes before.

ghostlap failures runs/a --mutants 18
ghostlap failures runs/a --mutants 18 --resume
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ghostlap.base.engine import connected
from ghostlap.base.errors import EvaluationError, PilotError
from ghostlap.base.files import content_hash, refuse_link, write_json
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.terminal import say
from ghostlap.commands.evaluate import drive_the_rest
from ghostlap.data.provenance import machine, versions
from ghostlap.driving.evaluation.folder import begin_folder
from ghostlap.driving.evaluation.results import Finished
from ghostlap.driving.failures.config import FailuresConfig
from ghostlap.driving.failures.plan import group_of, plan_failures
from ghostlap.driving.measured import EVALUATION_FILE
from ghostlap.pilots.onnx_check import read_network
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import KERAS_FILE, ONNX_FILE, read_description, run_file
from ghostlap.training.config import TrainConfig

MUTANTS_FOLDER = "mutants"

console = Console(stderr=True, soft_wrap=True)


def failures(config: FailuresConfig, console: Console = console) -> dict[str, Any]:
    """Let a pilot drive and fail as ``config`` says.

        >>> ghostlap.failures(ghostlap.FailuresConfig("runs/a", rounds=1))["complete"]
        True

    Returns:
        What ``evaluation.json`` holds, as JSON values: ``complete``, ``failures``, ``nominal_km``,
        ``km``, ``groups`` (of each condition and mutant, its failures), ``config``,
        ``network_blake2b``, ``versions``, ``machine``.

    Raises:
        PilotError: the run folder holds no usable pilot, or mutants cannot be trained.
        TrackError: there is no such track.
        EvaluationError: the folder is taken, or cannot be resumed.
    """
    Pilot.load(config.pilot, features=True, beside=config.beside)
    folder = config.folder
    for path in (folder.parent, folder):
        refuse_link(path)
    mutants = _mutant_folders(config)
    with connected(config.cluster), FolderLock(folder, EvaluationError):
        network = read_network(run_file(config.pilot, ONNX_FILE)).data
        heading = {
            "config": config.to_json(),
            "mutants": [path.name for path in mutants],
            "network_blake2b": content_hash(network),
            "versions": versions(),
            "machine": machine(),
        }
        tasks = plan_failures(config, mutants)
        finished = begin_folder(folder, heading, tasks, config.resume)
        _train_mutants(config, console)
        try:
            drive_the_rest(folder, config.processes, config.cluster, tasks, finished, console)
        finally:
            result = {**_counted(finished), "complete": len(finished) == len(tasks), **heading}
            write_json(folder / EVALUATION_FILE, result)
            say(
                console,
                f"{result['failures']} failures in {result['km']:.1f} km, of which "
                f"{result['nominal_km']:.1f} nominal: {folder}"
                + ("" if result["complete"] else "; the same command with --resume goes on"),
                bold=folder,
            )
    return result


def _mutant_folders(config: FailuresConfig) -> list[Path]:
    from ghostlap.training.mutants import MUTATIONS

    folder = (config.folder / MUTANTS_FOLDER).resolve()
    return [folder / mutation.name for mutation in MUTATIONS[: config.mutants]]


def _train_mutants(config: FailuresConfig, console: Console) -> None:
    if not config.mutants:
        return
    from ghostlap.training.mutants import train_mutants

    try:
        training = TrainConfig.from_json(read_description(config.pilot)["training"])
    except (KeyError, TypeError, ValueError) as error:
        raise PilotError(
            f"{config.pilot}: does not say how it was trained ({type(error).__name__}: {error}), "
            "so no mutants can be. Use --mutants 0."
        ) from error
    training = dataclasses.replace(training, recordings=config.recordings or training.recordings)
    train_mutants(
        training,
        run_file(config.pilot, KERAS_FILE),
        config.folder / MUTANTS_FOLDER,
        config.mutants,
        console,
        lambda name: say(console, f"{name}: trained"),
    )


def _counted(finished: Finished) -> dict[str, Any]:
    """Failures and kilometres, in all and of each group."""
    groups: dict[str, int] = {}
    metres = {"nominal": 0.0, "all": 0.0}
    for task, result in finished:
        group = group_of(task)
        for drive in result.drives:
            count = int(np.count_nonzero(drive.intervention))
            groups[group.name] = groups.get(group.name, 0) + count
            metres["all"] += float(drive.distance_m[-1])
            if group.kind == "nominal":
                metres["nominal"] += float(drive.distance_m[-1])
    return {
        "failures": sum(groups.values()),
        "nominal_km": metres["nominal"] / 1000,
        "km": metres["all"] / 1000,
        "groups": groups,
    }

"""``--tracker mlflow``: what came of a command is noted in MLflow, beside TensorBoard's logs.

It goes where MLflow itself looks: ``MLFLOW_TRACKING_URI``, or ``mlflow.db`` in the current folder,
which ``mlflow ui`` shows. Nothing is sent anywhere else.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ghostlap.base.errors import GhostlapError
from ghostlap.base.terminal import escaped
from ghostlap.commands.runs import trained_on
from ghostlap.driving.metrics import is_number
from ghostlap.pilots.run_folder import read_description

TRACKED = ("train", "search", "dagger", "evaluate")
"""Commands whose results can be noted."""
TRACKERS = ("mlflow",)

_EXPERIMENT = "ghostlap"
_MOST_CHARACTERS = 500
_MOST_AT_ONCE = 100
"""Of parameters in one message, which is MLflow's own limit; of figures it allows more."""
_NOT_IN_NAMES = re.compile(r"[^\w\-./ ]")

Figures = Mapping[str, float]


def check_tracker(name: str, command: str) -> None:
    """Make sure that a tracker can be used, before anything takes long.

    Raises:
        GhostlapError: there is none of that name, it is not installed, or the command has none.
    """
    if command not in TRACKED:
        raise GhostlapError(
            f"--tracker is for {', '.join(TRACKED)}. Leave it out: ghostlap {command} …"
        )
    if name not in TRACKERS:
        raise GhostlapError(f"--tracker must be one of {', '.join(TRACKERS)}. Got {name!r}.")
    if importlib.util.find_spec("mlflow") is None:
        raise GhostlapError(
            "--tracker mlflow needs MLflow, which is not installed: "
            "pip install 'ghostlap[mlflow]'. Without it: tensorboard --logdir runs"
        )


def track(command: str, config: Any, result: Any) -> None:
    """Note a result; what cannot be noted is said, and the result stays where it is."""
    folder = _folder(config)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would tell its makers of it
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    try:
        where = _note(command, config, folder, result)
    except Exception as error:  # a database, a server, a disk: each has its own
        problem = escaped(str(error)[:_MOST_CHARACTERS])
        print(f"MLflow could not note it ({problem}). The result is in {folder}.", file=sys.stderr)
        return
    print(f"noted in MLflow, {where}; 'mlflow ui' shows it", file=sys.stderr)


def _note(command: str, config: Any, folder: Path, result: Any) -> str:
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    known = client.get_experiment_by_name(_EXPERIMENT)
    experiment = client.create_experiment(_EXPERIMENT) if known is None else known.experiment_id
    tags = {"command": command, "folder": str(folder.resolve()), **_seen(folder, config)}
    run = client.create_run(experiment, run_name=f"{command} {folder}", tags=tags).info.run_id
    now_ms = int(time.time() * 1000)
    options = [Param(name, text) for name, text in _flat(_options(command, config, result))]
    for start in range(0, len(options), _MOST_AT_ONCE):
        client.log_batch(run, params=options[start : start + _MOST_AT_ONCE])
    for step, figures in _figures(command, result):
        metrics = [
            Metric(_NOT_IN_NAMES.sub("_", name), value, now_ms, step)
            for name, value in figures.items()
            if is_number(value)
        ]
        client.log_batch(run, metrics=metrics)
    client.set_terminated(run)
    return str(client.tracking_uri)


def _folder(config: Any) -> Path:
    folder: Path = getattr(config, "folder", None) or config.out
    return folder


def _seen(folder: Path, config: Any) -> dict[str, str]:
    """By what a run is found again: the recordings, and hashes of their driving."""
    pilot = getattr(config, "pilot", folder)
    try:
        seen = trained_on(read_description(pilot))
    except GhostlapError:
        recordings = map(Path, getattr(config, "recordings", ()))
        seen = [{"folder": path.resolve(), "blake2b": ""} for path in recordings]
    names = ", ".join(str(one["folder"]) for one in seen)
    hashes = " ".join(str(one["blake2b"]) for one in seen)
    return {"trained_on": names, "trained_on_blake2b": hashes}


def _options(command: str, config: Any, result: Any) -> Mapping[str, Any]:
    """The options that a result was made with; a resumed command names hardly any."""
    if command == "train":
        training = read_description(result.out)["training"]
        return {name: training.get(name, value) for name, value in config.to_json().items()}
    options: Mapping[str, Any] = result.get("config", config.to_json())
    return options


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, str(value)[:_MOST_CHARACTERS]


def _figures(command: str, result: Any) -> Iterator[tuple[int, Figures]]:
    """Figures of a result with the step that they belong to: an epoch, a trial, an iteration."""
    if command == "train":
        with (result.out / "history.csv").open(encoding="utf-8") as history:
            for row in csv.DictReader(history):
                yield int(float(row.pop("epoch"))), {name: float(row[name]) for name in row}
        best = {"best_epoch": result.best_epoch, "best_val_loss": result.val_loss}
        yield result.epochs, {**best, **_named("validation", result.validation)}
    elif command == "search":
        for trial in result["trials"]:
            numbers = {"val_loss": trial["val_loss"], **_named("option", trial["options"])}
            yield trial["number"], numbers
        yield len(result["trials"]), {"best_val_loss": result["val_loss"]}
    elif command == "dagger":
        for row in result["rows"]:
            yield row["iteration"], _named(row["arm"], row["measured"])
    else:
        for line in result["lines"]:
            hardship = "" if line["stress"] == "none" else f"/{line['stress']}"
            yield 0, _named(f"{line['driver']}/{line['track']}{hardship}", line, "/")


def _named(what: str, figures: Mapping[str, Any], between: str = ".") -> dict[str, float]:
    return {f"{what}{between}{name}": value for name, value in figures.items()}

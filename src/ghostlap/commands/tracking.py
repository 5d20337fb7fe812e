"""``--tracker mlflow``: what comes of a command is noted in MLflow, beside TensorBoard's logs.

It goes where MLflow itself looks: ``MLFLOW_TRACKING_URI``, or ``mlflow.db`` in the current folder,
which ``mlflow ui`` shows. Nothing is sent anywhere else. Which run it is stands in the folder, so
that a command which was interrupted goes on in it.
"""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import read_json, write_json
from ghostlap.base.platform import quoted
from ghostlap.base.so_far import heard
from ghostlap.base.terminal import escaped
from ghostlap.commands.runs import trained_on
from ghostlap.driving.metrics import is_number
from ghostlap.pilots.run_folder import read_description
from ghostlap.training.fit import HISTORY_FILE, TrainResult
from ghostlap.training.run_folder import begun_with

TRACKED = ("train", "search", "dagger", "evaluate")
"""Commands whose results can be noted."""
TRACKERS = ("mlflow",)

_EXPERIMENT = "ghostlap"
_RUN_FILE = "mlflow.json"
"""In a folder of results: the run that they are noted in."""
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


def tracked(command: str, config: Any, function: Callable[[Any], Any]) -> Any:
    """Call a command's function, and note its results in MLflow as they come.

    An epoch's losses are there once the epoch is over; so are a trial's, an iteration's and an
    episode's figures. A resumed command goes on in its run. What cannot be noted is said once,
    and the command goes on.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would tell its makers of it
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # no command waits for minutes
    run = _Run(command, config)
    try:
        with heard(run.note):
            result = function(config)
    except BaseException as error:
        run.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.note(run.folder, _trained(result) if command == "train" else result)
    run.end("FINISHED")
    return result


class _Run:
    """A command's run in MLflow, begun with the first thing that there is to note."""

    def __init__(self, command: str, config: Any) -> None:
        self.command, self.config = command, config
        self.folder: Path = getattr(config, "folder", None) or config.out
        self._client: Any = None
        self._id = ""
        self._noted: set[tuple[str, int]] = set()
        self._fails = False

    def note(self, folder: Path, result: Mapping[str, Any]) -> None:
        """Note what is new in a result; one of another folder is but a part of the work."""
        if folder == self.folder:
            self._try(lambda: self._note(result))

    def end(self, status: str) -> None:
        """Say how the command ended, and what its pilot had learned from."""
        if self._id:
            self._try(lambda: self._end(status))

    def _try(self, what: Callable[[], None]) -> None:
        """Do something that may fail; it is said once, and then nothing more is tried."""
        if self._fails:
            return
        try:
            what()
        except Exception as error:  # a database, a server, a disk: each has its own
            self._fails = True
            problem = escaped(str(error)[:_MOST_CHARACTERS])
            told = f"MLflow could not note it ({problem}). The result is in {self.folder}."
            print(told, file=sys.stderr)

    def _end(self, status: str) -> None:
        for name, value in _seen(self.folder, self.config, {}).items():
            self._client.set_tag(self._id, name, value)
        self._client.set_terminated(self._id, status)

    def _note(self, result: Mapping[str, Any]) -> None:
        from mlflow.entities import Metric

        if not self._id:
            self._begin(result)
        now_ms = int(time.time() * 1000)
        for step, figures in _figures(self.command, result):
            named = {_NOT_IN_NAMES.sub("_", name): value for name, value in figures.items()}
            new = [
                Metric(name, value, now_ms, step)
                for name, value in named.items()
                if is_number(value) and (name, step) not in self._noted
            ]
            if new:
                self._client.log_batch(self._id, metrics=new)
                self._noted |= {(metric.key, step) for metric in new}

    def _begin(self, result: Mapping[str, Any]) -> None:
        """Go on in the run that the folder names, or begin one."""
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self._client = client = MlflowClient()
        if not self._goes_on():
            known = client.get_experiment_by_name(_EXPERIMENT)
            experiment = known.experiment_id if known else client.create_experiment(_EXPERIMENT)
            options = self._options(result)
            tags = {"command": self.command, "folder": str(self.folder.resolve())}
            tags |= _seen(self.folder, self.config, options)
            name = f"{self.command} {self.folder}"
            self._id = client.create_run(experiment, run_name=name, tags=tags).info.run_id
            write_json(self.folder / _RUN_FILE, {"run": self._id})
            params = [Param(name, text) for name, text in _flat(options)]
            for start in range(0, len(params), _MOST_AT_ONCE):
                client.log_batch(self._id, params=params[start : start + _MOST_AT_ONCE])
        uri = client.tracking_uri
        page = uri if uri.startswith("http") else f"'mlflow ui --backend-store-uri {quoted(uri)}'"
        print(f"noted in MLflow, {uri}; {page} shows it", file=sys.stderr)

    def _goes_on(self) -> bool:
        """Whether the folder's earlier run, of the same command, is there to be gone on with."""
        from mlflow.exceptions import MlflowException

        if self.command == "evaluate" and not self.config.resume:
            return False  # it begins its folder anew
        try:
            before = self._client.get_run(str(read_json(self.folder / _RUN_FILE)["run"]))
        except (OSError, ValueError, LookupError, TypeError, MlflowException):
            return False  # none, or in another database
        mine = (self.command, str(self.folder.resolve()))
        if (before.data.tags.get("command"), before.data.tags.get("folder")) != mine:
            return False  # of a folder that this one is a copy of
        self._id = before.info.run_id
        self._client.update_run(self._id, "RUNNING")
        for name in before.data.metrics:
            history = self._client.get_metric_history(self._id, name)
            self._noted |= {(name, metric.step) for metric in history}
        return True

    def _options(self, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options that the command began with; a resumed one names hardly any."""
        if self.command == "train":
            return begun_with(self.config)
        options: Mapping[str, Any] = result.get("config", self.config.to_json())
        return options


def _seen(folder: Path, config: Any, options: Mapping[str, Any]) -> dict[str, str]:
    """By what a run is found again: the recordings, and hashes of their driving once known."""
    try:
        seen = trained_on(read_description(getattr(config, "pilot", folder)))
    except GhostlapError:
        recordings = map(Path, options.get("recordings", ()))
        seen = [{"folder": path.resolve(), "blake2b": ""} for path in recordings]
    if not seen:
        return {}
    names = ", ".join(str(one["folder"]) for one in seen)
    hashes = " ".join(str(one["blake2b"]) for one in seen)
    return {"trained_on": names, "trained_on_blake2b": hashes}


def _trained(result: TrainResult) -> dict[str, Any]:
    """What a training came to, as JSON values, in the form in which it is told on the way."""
    with (result.out / HISTORY_FILE).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    history = [{name: float(value) for name, value in row.items()} for row in rows]
    return {"history": history, **dataclasses.asdict(result)}


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, str(value)[:_MOST_CHARACTERS]


def _figures(command: str, result: Mapping[str, Any]) -> Iterator[tuple[int, Figures]]:
    """Figures of a result with their step: an epoch, a trial, an iteration, episodes so far."""
    if command == "train":
        for row in result["history"]:
            yield int(row["epoch"]), {name: row[name] for name in row if name != "epoch"}
        if "best_epoch" in result:
            best = {"best_epoch": result["best_epoch"], "best_val_loss": result["val_loss"]}
            yield result["epochs"], {**best, **_named("validation", result["validation"])}
    elif command == "search":
        for trial in result["trials"]:
            numbers = {"val_loss": trial["val_loss"], **_named("option", trial["options"])}
            yield trial["number"], numbers
        if "val_loss" in result:
            yield len(result["trials"]), {"best_val_loss": result["val_loss"]}
    elif command == "dagger":
        for row in result["rows"]:
            yield row["iteration"], _named(row["arm"], row["measured"])
    else:
        for line in result["lines"]:
            hardship = "" if line["stress"] == "none" else f"/{line['stress']}"
            yield line["episodes"], _named(f"{line['driver']}/{line['track']}{hardship}", line, "/")


def _named(what: str, figures: Mapping[str, Any], between: str = ".") -> dict[str, float]:
    return {f"{what}{between}{name}": value for name, value in figures.items()}

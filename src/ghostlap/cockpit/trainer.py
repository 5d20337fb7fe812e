"""Trainings that the page started: each a process of its own, ended with the cockpit.

A training that is stopped is told so as by Ctrl-C, so that it can be resumed. It does not outlive
the cockpit.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime
import itertools
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostlap.base.engine.processes import python
from ghostlap.base.errors import CockpitError
from ghostlap.base.files import open_file, open_text
from ghostlap.base.platform import kill_group, quoted, start_patiently
from ghostlap.base.signals import ask_to_stop, stoppable
from ghostlap.cockpit.library import Library
from ghostlap.pilots.run_folder import PILOT_FILE

HISTORY = "history.csv"
MOST_EPOCHS = 1000
_MOST_JOBS = 20
_MOST_HISTORY = 2000
_NICENESS = 10
_LEAVE_AFTER_S = 5.0
_KILLED_WITHIN_S = 2.0
_SAID_BYTES = 4000


@dataclasses.dataclass
class _Job:
    id: str
    run: str
    epochs: int
    folder: Path
    log: Path
    process: subprocess.Popen[bytes]
    stopping: bool = False


class TrainingJobs:
    """Starts trainings, one at a time, and tells how they go; any thread may ask."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._numbers = itertools.count(1)

    def start(self, recordings: Sequence[str], epochs: int, init: str | None) -> str:
        """Train on recordings, from an earlier run if one is given; gives the job's id.

        Raises:
            CockpitError: one is there already, no recordings, no such recording or run.
        """
        if not recordings:
            raise CockpitError("A training needs at least one recording. Choose some.")
        if not 1 <= epochs <= MOST_EPOCHS:
            raise CockpitError(f"epochs must be from 1 to {MOST_EPOCHS}. Got {epochs}.")
        folders = [self._library.folder(name) for name in recordings]
        options = ["--epochs", str(epochs)]
        if init is not None:
            options += ["--init", str(self._library.run_folder(init).absolute())]
        with self._lock:
            if any(job.process.poll() is None for job in self._jobs):
                raise CockpitError("A training is under way already. Stop it, or wait for it.")
            job = self._begin([str(folder.absolute()) for folder in folders], options, epochs)
            self._jobs = [*self._jobs[1 - _MOST_JOBS :], job]
        return job.id

    def list_jobs(self) -> list[dict[str, Any]]:
        """Each job's state and curve, the newest last."""
        with self._lock:
            jobs = list(self._jobs)
        return [_facts(job) for job in jobs]

    def stop(self, job_id: str) -> None:
        """End a training as Ctrl-C does; ``ghostlap train --resume`` goes on with it.

        Raises:
            CockpitError: there is no such job.
        """
        with self._lock:
            for job in self._jobs:
                if job.id == job_id:
                    _interrupt(job)
                    return
        raise CockpitError(f"There is no training {job_id[:40]!r}.")

    def stop_all(self) -> None:
        """End all trainings, the hard way if they do not listen."""
        with self._lock:
            for job in self._jobs:
                _interrupt(job)
            for job in self._jobs:
                try:
                    job.process.wait(_LEAVE_AFTER_S)
                except subprocess.TimeoutExpired:
                    kill_group(job.process)
                    with contextlib.suppress(subprocess.TimeoutExpired):  # its disk hangs
                        job.process.wait(_KILLED_WITHIN_S)

    def _begin(self, recordings: list[str], options: list[str], epochs: int) -> _Job:
        runs = self._library.runs
        run = f"{datetime.datetime.now():%Y-%m-%d-%H%M%S}"
        number = 1
        while (runs / run).exists():
            number += 1
            run = f"{run[:17]}-{number}"
        log = runs / f".{run}.log"
        command = python(
            "-m", "ghostlap", "train", *recordings, "--out", str((runs / run).absolute()), *options
        )
        try:
            runs.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as output:
                process = start_patiently(
                    command, _NICENESS, stdout=output, stderr=subprocess.STDOUT, **stoppable()
                )
        except OSError as error:
            raise CockpitError(f"{runs}: no training can start ({error.strerror}).") from error
        return _Job(f"train-{next(self._numbers)}", run, epochs, runs / run, log, process)


def _facts(job: _Job) -> dict[str, Any]:
    history = _history(job.folder / HISTORY)
    status = job.process.poll()
    if status is not None:
        ask_to_stop(job.process)  # closes what it can hear no longer
    state, message = "training" if history else "starting", ""
    if status is None and job.stopping:
        state = "stopping"
    elif status is not None:
        if (job.folder / PILOT_FILE).is_file():
            state = "done"
        elif job.stopping:
            state = "stopped"
            message = f"'ghostlap train --resume --out {quoted(job.folder)}' goes on"
        else:
            state, message = "failed", _last_words(job.log)
    if status is not None and state != "failed":
        with contextlib.suppress(OSError):
            job.log.unlink(missing_ok=True)
    return {
        "id": job.id, "state": state, "epoch": len(history), "epochs": job.epochs,
        "history": history, "run": job.run, "message": message,
    }  # fmt: skip


def _history(path: Path) -> list[list[float]]:
    """Epoch, loss and validation loss of each epoch; what is no number ends the list."""
    rows: list[list[float]] = []
    try:
        with open_text(path) as file:
            for row in itertools.islice(csv.DictReader(file), _MOST_HISTORY):
                rows.append([float(row[name]) for name in ("epoch", "loss", "val_loss")])
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        pass
    return rows


def _last_words(log: Path) -> str:
    """What a failed training said last."""
    try:
        with open_file(log) as file:
            file.seek(max(0, log.stat().st_size - _SAID_BYTES))
            said = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return "it ended without a word"
    errors = [line for line in said if line.startswith("error:")]
    return (errors or said or ["it ended without a word"])[-1][:500]


def _interrupt(job: _Job) -> None:
    if job.process.poll() is None and not job.stopping:
        job.stopping = True
        ask_to_stop(job.process)

"""``ghostlap search``: good options for a training, found on a subset of the recordings.

ghostlap search rec/lake --out runs/s
ghostlap search rec/lake --out runs/s --space learning_rate=1e-4..1e-2:log epochs=2..10

Each trial trains with options that Optuna's tree-structured Parzen estimator (Bergstra et al.,
NeurIPS 2011) draws from the space, and is judged by its lowest validation loss. What trial ``n``
draws depends on the seed, ``n`` and the results before it (with ``--at-once``: before those drawn
together), and on nothing else: a search that was stopped and called again comes to what it would
have come to undisturbed, wherever its trials run.

No trial is cut short for doing badly half way: the learning rate falls along a cosine over each
trial's own length, so that losses half way through a long trial and a short one do not compare.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.engine import Report, connected, run_tasks
from ghostlap.base.errors import CacheError, GhostlapError, RecordingError, TrainingError
from ghostlap.base.files import explained, named_in_errors, refuse_link, write_json
from ghostlap.base.folder_lock import locked_folder
from ghostlap.base.terminal import plain, say, warn
from ghostlap.training.config import TrainConfig, recipe_named
from ghostlap.training.search.config import SearchConfig
from ghostlap.training.search.folder import SEARCH_FILE, read_trials, save_trials
from ghostlap.training.search.report import (
    line,
    options_text,
    plot_search,
    ranked,
    table,
    write_table,
)
from ghostlap.training.search.space import (
    Dimension,
    parse_settings,
    parse_space,
    train_command,
    with_options,
)
from ghostlap.training.search.trial import Trial, TrialTask, draw_options, run_trial

console = Console(stderr=True)

_HOPELESS_AFTER = 3
"""Number of failed first trials after which the search gives up."""

_CHANGES_THE_MEASURE = frozenset(
    (
        "steering_correction", "cap", "bins", "cameras", "validation", "split", "seed", "loss",
        "speed", "steering_std",
    )
)  # fmt: skip
"""Options that change the labels, the validation samples or the loss itself."""


def search(config: SearchConfig, console: Console = console) -> dict[str, Any]:
    """Run the missing trials of a search, and tell which was best.

        >>> space = ("learning_rate=1e-4..1e-2:log", "steps_per_epoch=2..3")
        >>> config = ghostlap.SearchConfig(("my-drive",), trials=2, space=space, out="runs/s")
        >>> len(ghostlap.search(config)["trials"])
        2

    Returns:
        JSON values: ``best`` (the winner's options), ``val_loss``, ``trials`` (all, in order),
        ``command`` (the ``ghostlap train`` command with the winner's options on all data) and
        ``out``. The same is in ``best.json``, ``trials.csv`` and ``search.png`` there.

    Raises:
        TrainingError: an option of the search is wrong, ``out`` holds something else, or no trial
            came to an end.
        RecordingError: a recording cannot be read.
        CacheError: decoded frames cannot be written.
    """
    dimensions = parse_space(config.space)
    base = _base_config(config, dimensions)
    with (
        connected(config.cluster),
        explained(TrainingError, "The same command goes on from there."),
        locked_folder(config.out, SEARCH_FILE, "search", TrainingError),
    ):
        trials = read_trials(config.out, _what_is_searched(config))
        _warn_of_other_measures(dimensions, console)
        try:
            _run_missing_trials(config, base, dimensions, trials, console)
        except KeyboardInterrupt:
            say(
                console,
                f"stopped after {len(trials)} of {config.trials} trials; the same command goes on "
                "from here",
            )
            raise
        finally:
            trials.sort(key=lambda trial: trial.number)
            if trials:
                write_table(trials, config.out / "trials.csv")
                console.print(table(trials))
            if any(trial.val_loss is not None for trial in trials):
                plot_search(trials, dimensions, config.out / "search.png")
        result = _result(config, base, trials)
        write_json(config.out / "best.json", result)
    say(
        console,
        "",
        f"Table, plots and best.json: {config.out}. Train with the winner on all data:",
        bold=config.out,
    )
    say(console, result["command"])
    return result


def _base_config(config: SearchConfig, dimensions: tuple[Dimension, ...]) -> TrainConfig:
    """The common config of all trials, after a check of the space's values."""
    if not config.recordings:
        raise TrainingError(
            "search: name at least one recording, a folder with driving_log.csv and IMG/. "
            "Example: ghostlap search rec/lake --out runs/s"
        )
    settings = parse_settings(config.set)
    for dimension in dimensions:
        if dimension.name in settings:
            raise TrainingError(
                f"--set {dimension.name}: it is in --space too. Leave it out of one of them."
            )
    base = with_options(recipe_named(config.base), {"seed": config.seed, **settings})
    for dimension in dimensions:
        for value in dimension.examples():
            with_options(base, {dimension.name: value})
    recordings = config.recordings
    if config.cluster:  # nodes know no current folder of ours
        recordings = tuple(path.resolve() for path in recordings)
    return dataclasses.replace(
        base, recordings=recordings, columns=config.columns, cache=config.cache
    )


def _warn_of_other_measures(dimensions: tuple[Dimension, ...], console: Console) -> None:
    names = sorted({dimension.name for dimension in dimensions} & _CHANGES_THE_MEASURE)
    if names:
        warn(
            console,
            f"{', '.join(names)} in --space: trials that differ in this are "
            "judged by different labels, samples or losses, so the lowest validation loss does not "
            "mean the best pilot. Train a pilot for each value and let them drive.",
        )


def _run_missing_trials(
    config: SearchConfig,
    base: TrainConfig,
    dimensions: tuple[Dimension, ...],
    trials: list[Trial],
    console: Console,
) -> None:
    """Append trials, in memory and on disk, until there are enough or time is up."""
    began_s = time.perf_counter()
    searched = _what_is_searched(config)
    save_trials(config.out, searched, trials)  # marks the folder as a search's from the start
    if trials:
        say(console, f"{len(trials)} of {config.trials} trials are there already")
    done = {trial.number for trial in trials}
    while missing := [number for number in range(config.trials) if number not in done]:
        if config.timeout_s is not None and time.perf_counter() - began_s > config.timeout_s:
            say(console, f"time is up after {len(trials)} of {config.trials} trials")
            return
        tasks = _drawn_together(config, base, dimensions, trials, missing)
        what = " · ".join(options_text(task.options) for task in tasks)
        numbers = "+".join(str(task.number + 1) for task in tasks)
        with console.status(plain(f"trial {numbers}/{config.trials}: {what} …")):
            here = None if config.cluster else 1
            results = run_tasks(finish_trial, tasks, processes=here, cluster=config.cluster)
            with contextlib.closing(results):  # type: ignore[type-var]
                for _, trial in results:
                    trials.append(trial)
                    done.add(trial.number)
                    by_number = sorted(trials, key=lambda trial: trial.number)
                    save_trials(config.out, searched, by_number)
                    left_s = _seconds_left(trials, config, time.perf_counter() - began_s)
                    say(console, line(trials, config.trials, left_s))
        if len(trials) >= _HOPELESS_AFTER and all(trial.error for trial in trials):
            raise TrainingError(
                f"{config.out}: the first {len(trials)} trials all failed. The last: "
                f"{trials[-1].error} Begin anew with another --out."
            )


def _seconds_left(trials: list[Trial], config: SearchConfig, spent_s: float) -> float:
    mean_s = sum(trial.seconds for trial in trials) / len(trials)
    left_s = mean_s * (config.trials - len(trials))
    return left_s if config.timeout_s is None else min(left_s, config.timeout_s - spent_s + mean_s)


def _drawn_together(
    config: SearchConfig,
    base: TrainConfig,
    dimensions: tuple[Dimension, ...],
    trials: list[Trial],
    missing: list[int],
) -> list[TrialTask]:
    """The next trials to run, which all know the results of those drawn before them."""
    first = missing[0] - missing[0] % config.at_once
    known = sorted((one for one in trials if one.number < first), key=lambda one: one.number)
    tasks = []
    for number in missing:
        if number < first + config.at_once:
            options = draw_options(dimensions, config.seed, known, number)
            out = config.out / f"trial-{number:03d}"
            trial = dataclasses.replace(with_options(base, options), out=out)
            tasks.append(TrialTask(trial, number, options, config.subset))
    return tasks


def finish_trial(task: TrialTask, report: Report) -> Trial:
    """Run a trial, and leave its run folder and a log beside it.

    Raises:
        RecordingError, CacheError: what would befall every other trial too.
    """
    began_s = time.perf_counter()
    config = task.config_here
    loss, best_epoch, problem = None, None, None
    path = config.out.with_suffix(".log")
    refuse_link(path)
    with named_in_errors(path), path.open("a", encoding="utf-8") as log:
        try:
            result = run_trial(config, task.subset, Console(file=log, width=120))
            loss, best_epoch = result.val_loss, result.best_epoch
        except (RecordingError, CacheError):
            raise
        except GhostlapError as error:
            problem = str(error)
    seconds = time.perf_counter() - began_s
    return Trial(task.number, task.options, loss, best_epoch, seconds, problem)


def _result(config: SearchConfig, base: TrainConfig, trials: list[Trial]) -> dict[str, Any]:
    finished = ranked(trials)
    if not finished or finished[0].val_loss is None:
        reason = f" The first: {trials[0].error}" if trials else ""
        raise TrainingError(
            f"{config.out}: none of {len(trials)} trials came to an end.{reason} "
            "Change --space, and begin anew with another --out."
        )
    best = finished[0]
    winner = dataclasses.replace(with_options(base, best.options), out=Path(f"{config.out}-best"))
    return {
        "best": best.options,
        "val_loss": best.val_loss,
        "trials": [dataclasses.asdict(trial) for trial in trials],
        "command": train_command(winner),
        "out": str(config.out),
    }


def _what_is_searched(config: SearchConfig) -> dict[str, Any]:
    """The options that make it this search, as JSON values; not its length or its folders."""
    return {
        "recordings": [str(path.resolve()) for path in config.recordings],
        "subset": config.subset,
        "space": list(config.space),
        "base": config.base,
        "set": list(config.set),
        "seed": config.seed,
        "at_once": config.at_once,
    }

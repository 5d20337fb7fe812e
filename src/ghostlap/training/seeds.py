"""``--seeds N``: the same training from several seeds, how far they differ, and the best driver.

Two trainings that differ in nothing but their seed differ in how they drive, often by more than
what one wants to compare; the spread says by how much.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from ghostlap.base.files import read_json, replacing, write_json
from ghostlap.pilots.run_folder import PILOT_FILE, read_description
from ghostlap.training.config import TrainConfig
from ghostlap.training.run_folder import CONFIG_FILE
from ghostlap.training.selection import drive_each, driven_before, rank, tasks_of

SEEDS_FILE = "seeds.json"
"""Figures of each seed, their mean and standard deviation, and the best seed."""

_FIGURES = {"val_loss": "{:.4f}", "autonomy_percent": "{:.1f} %", "mean_abs_cte_m": "{:.2f} m"}


def seed_configs(config: TrainConfig) -> list[TrainConfig]:
    """A training for each seed, with a run folder of its own."""
    recordings = tuple(path.resolve() for path in config.recordings)
    return [
        dataclasses.replace(
            config,
            recordings=recordings,
            seed=seed,
            out=config.out / f"seed-{seed}",
            seeds=1,
            cluster="",
            resume=False,
        )
        for seed in range(config.seed, config.seed + config.seeds)
    ]


def keep_best(config: TrainConfig, each: Sequence[TrainConfig], console: Console) -> TrainConfig:
    """Let all pilots drive, and keep the best in the run folder; gives its training."""
    driven = driven_before(config.out)
    tasks = {one.seed: tasks_of(one, one.out) for one in each if one.seed not in driven}
    drive_each(tasks, driven, config.out, "seed", config.cluster, console)
    best = min(each, key=lambda one: rank(driven[one.seed]))
    figures = [
        {
            "seed": one.seed,
            "val_loss": read_description(one.out)["training"]["val_loss"],
            **driven[one.seed],
        }
        for one in each
    ]
    columns = {name: np.array([one[name] for one in figures]) for name in _FIGURES}
    about = {
        "best": best.seed,
        "seeds": figures,
        "mean": {name: float(column.mean()) for name, column in columns.items()},
        "std": {name: float(column.std(ddof=1)) for name, column in columns.items()},
    }
    write_json(config.out / SEEDS_FILE, about)
    # pilot.json comes last: from then on the folder holds a pilot.
    for path in sorted(best.out.iterdir(), key=lambda path: path.name == PILOT_FILE):
        if path.is_file() and not path.name.startswith(".") and path.name != CONFIG_FILE:
            _copy(path, config.out)
    return best


def _copy(path: Path, out: Path) -> None:
    if path.name == PILOT_FILE:
        description = read_json(path)
        description["training"]["out"] = str(out.resolve())
        write_json(out / path.name, description)
        return
    with replacing(out / path.name) as temporary:
        shutil.copyfile(path, temporary)


def spread_of(out: Path) -> Iterator[str]:
    """Sentences on how far the seeds differ."""
    about = read_json(out / SEEDS_FILE)
    for name, form in _FIGURES.items():
        mean, std = (form.format(about[which][name]) for which in ("mean", "std"))
        what, seeds = name.replace("_", " "), len(about["seeds"])
        yield f"{what}: {mean} on average over {seeds} seeds, standard deviation {std}"

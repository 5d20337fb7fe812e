"""``ghostlap bench``: what this machine does, beside what it could do.

Every figure is a median over repeats, and the machine's own limit (one large float32 matrix
product) is measured in the same run, because shared machines differ from one minute to the next.

    ghostlap bench train rec/lake --out bench.json
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from ghostlap.errors import GhostlapError
from ghostlap.files import write_json
from ghostlap.provenance import machine, versions
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import TrainingData, prepare_data

console = Console(stderr=True)

FRAME_COUNTS = (10_000, 1_000_000)
"""Sizes of the made-up data sets between which memory must not grow."""


@dataclasses.dataclass(frozen=True)
class BenchConfig:
    """Measure training on this machine: step, loader, feeding, inference, memory, start.

    Example: ghostlap bench train ../shared/data/udacity-track1 --out bench.json
    """

    what: Annotated[Literal["train"], tyro.conf.Positional]
    """What to measure."""
    recording: Annotated[Path, tyro.conf.Positional]
    """A recording to measure with."""
    out: Path | None = None
    """Write all figures as JSON, too."""
    cache: Path | None = None
    """Folder for decoded frames, as for train."""
    repeats: int = 25
    """Steps, batches and frames that each median is over."""


def bench(config: BenchConfig) -> dict[str, Any]:
    """Measure and print; returns the figures."""
    from ghostlap.bench import steps

    if config.repeats < 3:
        raise GhostlapError(f"--repeats must be at least 3. Got {config.repeats}.")
    train_config = TrainConfig(recordings=(config.recording,), cache=config.cache)
    data = prepare_data(train_config, console)
    figures: dict[str, Any] = {"machine": machine(), "versions": versions()}
    parts: list[tuple[str, Callable[[], Any]]] = [
        ("start", lambda: {"help_s": help_seconds()}),
        ("loader", lambda: loader_rates(data, config.repeats)),
        ("limit", lambda: {"matrix_product_gflops": steps.matrix_product_gflops()}),
        ("steps", lambda: steps.step_times(config.repeats)),
        ("feeding", lambda: steps.feeding(data, config.repeats)),
        ("inference", lambda: steps.inference(config.repeats * 10)),
        ("memory", lambda: memory(config)),
    ]
    for name, measure in parts:
        with console.status(f"measuring: {name} …"):
            figures[name] = measure()
    for step in figures["steps"]:
        step["share_of_limit"] = step["gflops"] / figures["limit"]["matrix_product_gflops"]
    _print(figures)
    if config.out is not None:
        write_json(config.out, figures)
    return figures


def help_seconds(repeats: int = 5) -> float:
    """Seconds that ``ghostlap --help`` takes, the process and all."""
    times = []
    for _ in range(repeats):
        began_s = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "ghostlap", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - began_s)
    return float(np.median(times))


def loader_rates(data: TrainingData, repeats: int) -> dict[str, float]:
    """Augmented and preprocessed images a second, one thread, by augmentation preset."""
    import cv2

    from ghostlap.augmentation import PRESETS
    from ghostlap.loader import BatchLoader

    cv2.setNumThreads(1)
    rates = {}
    for name, preset in PRESETS.items():
        loader = BatchLoader(
            data.training, data.slots, data.cache, data.preprocessing, augmentation=preset
        )
        loader.batch(0)
        times = []
        for k in range(1, repeats + 1):
            began_s = time.perf_counter()
            loader.batch(k)
            times.append(time.perf_counter() - began_s)
        rates[name] = loader.batch_size / float(np.median(times))
    return rates


def memory(config: BenchConfig) -> dict[str, float]:
    """Peak resident memory in MB of whole training processes.

    One trains on the recording; the others on made-up data sets of :data:`FRAME_COUNTS` frames,
    an index over a few hundred of the recording's pictures.
    """
    peaks = {"training_mb": _peak_mb(config, None)}
    for frames in FRAME_COUNTS:
        peaks[f"{frames}_frames_mb"] = _peak_mb(config, frames)
    return peaks


def _peak_mb(config: BenchConfig, frames: int | None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        task = {
            "recording": str(config.recording),
            "cache": None if config.cache is None else str(config.cache),
            "out": folder,
            "frames": frames,
        }
        ended = subprocess.run(
            [sys.executable, "-m", "ghostlap.bench.memory", json.dumps(task)],
            capture_output=True,
            text=True,
        )
    if ended.returncode:
        raise GhostlapError(
            f"bench: the training measured for memory failed ({task}): {ended.stderr[-500:]}"
        )
    return float(ended.stdout.split()[-1])


def _print(figures: dict[str, Any]) -> None:
    limit = figures["limit"]["matrix_product_gflops"]
    table = Table(title="Training step, batch 100")
    for column in ("model", "precision", "ms", "GFLOP/s", f"share of {limit:.0f} GFLOP/s"):
        table.add_column(column, justify="right")
    for step in figures["steps"]:
        table.add_row(
            step["model"], step["precision"], f"{step['ms']:.1f}", f"{step['gflops']:.0f}",
            f"{step['share_of_limit']:.0%}",
        )  # fmt: skip
    console.print(table)
    for name in ("loader", "feeding", "inference", "memory", "start"):
        shown = ", ".join(f"{key} {value:.4g}" for key, value in figures[name].items())
        console.print(f"{name}: {shown}", highlight=False)

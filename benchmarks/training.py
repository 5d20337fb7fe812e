"""``python -m benchmarks train``: the training step, loader, feeding, inference, memory, start."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from rich.console import Console
from rich.table import Table

from benchmarks.measures import in_fresh_process, median_s
from ghostlap.base.terminal import plain, say
from ghostlap.data.loader import BatchLoader
from ghostlap.data.vision.augmentation import PRESETS, Augmentation
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import TrainingData, prepare_data

FRAME_COUNTS = (10_000, 1_000_000)
"""Sizes of the made-up data sets between which memory must not grow."""


def measure(recording: Path, cache: Path | None, repeats: int, console: Console) -> dict[str, Any]:
    """All figures of the training, by part."""
    from benchmarks import steps

    config = TrainConfig(recordings=(recording,), cache=cache)
    data = prepare_data(config, console)
    figures: dict[str, Any] = {}
    parts: list[tuple[str, Callable[[], Any]]] = [
        ("start", lambda: {"help_s": help_seconds()}),
        ("loader", lambda: loader_rates(data, repeats)),
        ("limit", lambda: {"matrix_product_gflops": steps.matrix_product_gflops()}),
        ("steps", lambda: steps.step_times(repeats)),
        ("feeding", lambda: steps.feeding(data, repeats)),
        ("inference", lambda: steps.inference(repeats * 10)),
        ("memory", lambda: memory(recording, cache)),
    ]
    for name, part in parts:
        with console.status(f"measuring: {name} …"):
            figures[name] = part()
    for step in figures["steps"]:
        step["share_of_limit"] = step["gflops"] / figures["limit"]["matrix_product_gflops"]
    return figures


def help_seconds(repeats: int = 5) -> float:
    """Seconds that ``ghostlap --help`` takes, the process and all."""
    return median_s(
        lambda: subprocess.run(
            [sys.executable, "-m", "ghostlap", "--help"], check=True, stdout=subprocess.DEVNULL
        ),
        repeats,
    )


def loader_rates(data: TrainingData, repeats: int) -> dict[str, float]:
    """Augmented and preprocessed images a second, one thread, by augmentation preset."""
    cv2.setNumThreads(1)
    _loader_rate(data, PRESETS["none"], repeats)  # whoever comes first fetches the cache's pages
    return {name: _loader_rate(data, preset, repeats) for name, preset in PRESETS.items()}


def _loader_rate(data: TrainingData, augmentation: Augmentation, repeats: int) -> float:
    loader = BatchLoader(
        data.training, data.slots, data.cache, data.preprocessing, augmentation=augmentation
    )
    numbers = itertools.count()
    return loader.batch_size / median_s(lambda: loader.batch(next(numbers)), repeats)


def memory(recording: Path, cache: Path | None) -> dict[str, float]:
    """Peak resident memory in MB of whole training processes.

    One trains on the recording; the others on made-up data sets of :data:`FRAME_COUNTS` frames,
    an index over a few hundred of the recording's pictures.
    """
    peaks = {"training_mb": _peak_mb(recording, cache, None)}
    for frames in FRAME_COUNTS:
        peaks[f"{frames}_frames_mb"] = _peak_mb(recording, cache, frames)
    return peaks


def _peak_mb(recording: Path, cache: Path | None, frames: int | None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        task = {
            "recording": str(recording),
            "cache": None if cache is None else str(cache),
            "out": folder,
            "frames": frames,
        }
        return float(in_fresh_process("benchmarks.memory", task))


def show(figures: dict[str, Any], console: Console) -> None:
    """Print what :func:`measure` found."""
    limit = figures["limit"]["matrix_product_gflops"]
    table = Table(title="Training step, batch 100")
    for column in ("model", "precision", "ms", "GFLOP/s", f"share of {limit:.0f} GFLOP/s"):
        table.add_column(column, justify="right")
    for step in figures["steps"]:
        table.add_row(
            plain(step["model"]), step["precision"], f"{step['ms']:.1f}", f"{step['gflops']:.0f}",
            f"{step['share_of_limit']:.0%}",
        )  # fmt: skip
    console.print(table)
    for name in ("loader", "feeding", "inference", "memory", "start"):
        shown = ", ".join(f"{key} {value:.4g}" for key, value in figures[name].items())
        say(console, f"{name}: {shown}")

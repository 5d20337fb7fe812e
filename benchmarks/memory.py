"""One training process, for ``python -m benchmarks`` to measure its memory from outside."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.measures import peak_mb
from ghostlap.data.dataset import Samples
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import TrainingData, prepare_data
from ghostlap.training.fit import fit

PICTURES = 300
VALIDATION_SAMPLES = 500


def run(task: dict[str, Any]) -> None:
    """Train for two epochs of fifty steps on a recording, or on a made-up index over it."""
    config = TrainConfig(
        recordings=(Path(task["recording"]),),
        out=Path(task["out"]),
        cache=None if task["cache"] is None else Path(task["cache"]),
        epochs=2,
        steps_per_epoch=50,
    )
    data = prepare_data(config, Console(stderr=True))
    if task["frames"]:
        data = made_up(data, task["frames"])
    fit(config, data, Console(stderr=True), time.perf_counter())


def made_up(data: TrainingData, frames: int) -> TrainingData:
    """The same few pictures over and over: three samples for each of so many frames."""
    n = 3 * frames
    rng = np.random.default_rng(0)
    training = Samples(
        images=data.training.images,
        image=rng.choice(np.unique(data.training.image)[:PICTURES], n).astype(np.int32),
        camera=np.tile(np.arange(3, dtype=np.uint8), frames),
        steering=rng.uniform(-1, 1, n).astype(np.float32),
        speed_mph=np.zeros(n, np.float32),
        recording=np.zeros(n, np.int32),
        row=np.repeat(np.arange(frames, dtype=np.int32), 3),
        time_s=np.repeat(np.arange(frames) / 15, 3),
    )
    validation = data.validation.take(np.arange(min(VALIDATION_SAMPLES, len(data.validation))))
    return dataclasses.replace(data, training=training, validation=validation)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
    print(peak_mb())

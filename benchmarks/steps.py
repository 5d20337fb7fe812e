"""The parts of ``python -m benchmarks train`` that need Keras."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measures import median_s, times_s
from ghostlap.data.loader import Batch, BatchLoader
from ghostlap.data.vision.augmentation import PRESETS
from ghostlap.data.vision.preprocessing import SEED
from ghostlap.pilots.backend import keras
from ghostlap.pilots.models import MODELS
from ghostlap.pilots.pilot_saving import save_pilot
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import TrainingData
from ghostlap.training.networks import Trainer, compile_network, network_for

BATCH_SIZE = 100

_STEPS_ON_STOCK = 25
"""The first steps of a ``fit`` live on batches that were made ahead; they do not count."""


def matrix_product_gflops(size: int = 4096, repeats: int = 5) -> float:
    """The machine's limit: a float32 matrix product of ``size`` squared, in the same framework."""
    a, b = (keras.random.normal((size, size), seed=seed) for seed in (0, 1))
    multiply = _compiled(lambda: keras.ops.sum(keras.ops.matmul(a, b)))
    return 2 * size**3 / median_s(lambda: float(multiply()), repeats) / 1e9


def _compiled(function: Callable[[], Any]) -> Callable[[], Any]:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    return function


def step_times(repeats: int) -> list[dict[str, Any]]:
    """Milliseconds of a bare training step, data in memory, for each model and precision."""
    found = []
    for model in MODELS:
        for precision in ("float32", "bfloat16"):
            config = TrainConfig(model=model, precision=precision)
            network = network_for(config, SEED)
            compile_network(network, config, 1000)
            step_s = bare_step_s(network, repeats)
            found.append(
                {
                    "model": model,
                    "precision": precision,
                    "parameters": int(network.count_params()),
                    "ms": step_s * 1e3,
                    "gflops": training_flops(network) * BATCH_SIZE / step_s / 1e9,
                }
            )
    return found


def training_flops(network: Any) -> float:
    """Floating-point operations of one sample's training step, convolutions and dense layers only.

    Forward, and backward twice as much but for the first layer, whose input needs no gradient.
    """
    forward = [
        2.0 * np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1], initial=1.0)
        for layer in network.layers
        if hasattr(layer, "kernel")
    ]
    return float(3 * sum(forward) - forward[0])


def bare_step_s(network: Any, repeats: int) -> float:
    """Median seconds of a step that is given the same batch again and again."""
    rng = np.random.default_rng(0)
    seen = keras.ops.convert_to_tensor(rng.random((BATCH_SIZE, *SEED.input_shape), np.float32))
    labels = keras.ops.convert_to_tensor(rng.random((BATCH_SIZE, 1), np.float32))
    for _ in range(3):
        network.train_on_batch(seen, labels)
    return median_s(lambda: network.train_on_batch(seen, labels), repeats)


def feeding(data: TrainingData, repeats: int) -> dict[str, float]:
    """A ``fit`` fed by the loader, augmenting as seed 003 does, against the bare step.

    Both are timed in turn, three times, so that a noisy neighbour hits both.
    """
    config = TrainConfig()
    network = network_for(config, SEED)
    compile_network(network, config, 10_000)
    trainer = Trainer(network_for(config, SEED), SEED)
    compile_network(trainer, config, 10_000)
    loader = BatchLoader(
        data.training, data.slots, data.cache, data.preprocessing, augmentation=PRESETS["seed003"]
    )
    bare_s, fed_s = [], []
    for turn in range(3):
        bare_s.append(bare_step_s(network, repeats))
        fed_s.append(_fed_step_s(trainer, loader.stream(start=turn * 1000), repeats))
    ratio = float(np.median(np.array(fed_s) / np.array(bare_s)))
    return {
        "bare_step_ms": float(np.median(bare_s)) * 1e3,
        "fed_step_ms": float(np.median(fed_s)) * 1e3,
        "overhead": ratio - 1,
    }


def _fed_step_s(trainer: Trainer, batches: Iterator[Batch], repeats: int) -> float:
    clock = StepClock()
    trainer.fit(
        batches,
        steps_per_epoch=_STEPS_ON_STOCK + 2 * repeats,
        verbose=0,
        shuffle=False,
        callbacks=[clock],
    )
    # A mean, not a median: a step that waits for its batch is what is looked for.
    return float(np.mean(np.diff(clock.ended_s[_STEPS_ON_STOCK:])))


class StepClock(keras.callbacks.Callback):
    """Notes when each step ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended_s: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.ended_s.append(time.perf_counter())


def inference(repeats: int) -> dict[str, float]:
    """Milliseconds from frame to steering: the pilot, and the seeds' ``model.predict``."""
    network = network_for(TrainConfig(), SEED)
    frames = np.random.default_rng(0).integers(0, 256, (16, *SEED.frame_shape), np.uint8)
    cycle = itertools.cycle(frames)
    with tempfile.TemporaryDirectory() as folder:
        pilot = save_pilot(network, Path(folder), SEED, ("steering",), {})
    seconds = times_s(lambda: pilot.steer(next(cycle)), repeats)
    seen = np.zeros((1, *SEED.input_shape), np.float32)
    network.predict(seen, verbose=0)
    predict_s = median_s(lambda: network.predict(seen, verbose=0), max(5, repeats // 10))
    return {
        "pilot_p50_ms": float(np.percentile(seconds, 50)) * 1e3,
        "pilot_p99_ms": float(np.percentile(seconds, 99)) * 1e3,
        "keras_predict_p50_ms": predict_s * 1e3,
    }

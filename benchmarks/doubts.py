"""Other forecasts of failure, as networks beside a pilot: ``python -m benchmarks.doubts``.

    python -m benchmarks.doubts generalist rec --out doubts
    ghostlap failures generalist --beside doubts/ensemble.onnx …

Each answers one number for a picture, the larger the more doubt:

- ``ensemble``: standard deviation of the steering of the pilot and four more heads on its
  convolutions, each trained on a bootstrap of the recording (Lakshminarayanan et al. 2017);
- ``dropout``: the same of the pilot under 32 masks of dropout, drawn once (Gal & Ghahramani 2016);
- ``autoencoder``: squared error of a picture put together again (SelfOracle, arXiv 1910.04443);
- ``spread``: what ``--steering-std`` learns, as a head on the pilot's dense layers.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console

from ghostlap.data.loader import BatchLoader
from ghostlap.data.vision.augmentation import parse_augmentation
from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_files import load_network
from ghostlap.pilots.pilot_saving import export_onnx
from ghostlap.pilots.run_folder import KERAS_FILE, read_description, run_file
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import prepare_data
from ghostlap.training.losses import unlikeliness

layers, ops = keras.layers, keras.ops

NAMES = ("ensemble", "dropout", "autoencoder", "spread")
MASKS = 32
MEMBERS = 5


def doubts(pilot: Path, recording: Path, out: Path = Path("doubts"), batches: int = 60) -> None:
    """Train them, and write ``NAME.onnx`` for each of :data:`NAMES`."""
    training = TrainConfig.from_json(read_description(pilot)["training"])
    training = dataclasses.replace(training, recordings=(recording,))
    data = prepare_data(training, Console(stderr=True))
    loader = BatchLoader(
        data.training, data.slots, data.cache, data.preprocessing,
        augmentation=parse_augmentation(training.augment),
        steering_correction=training.steering_correction,
    )  # fmt: skip
    made = [loader.batch(k) for k in range(batches)]
    pixels = np.concatenate([one[0] for one in made])
    steering = np.concatenate([one[1] for one in made])[:, :1]
    seen = pixels.astype(np.float32) / training.preprocessing.divide_by
    network = load_network(run_file(pilot, KERAS_FILE), str(pilot))
    keras.utils.set_random_seed(0)
    flat = next(i for i, one in enumerate(network.layers) if isinstance(one, layers.Flatten))
    trunk = keras.Model(network.inputs, network.layers[flat].output)
    inner = keras.Model(network.inputs, network.layers[-2].output)
    convolved = trunk.predict(seen, batch_size=100, verbose=0)
    out.mkdir(parents=True, exist_ok=True)
    picture = keras.Input(network.input_shape[1:])
    flattened, own = trunk(picture), network(picture)[:, :1]

    heads = [_head(convolved, steering, seed) for seed in range(1, MEMBERS)]
    answers = ops.concatenate([own, *(head(flattened) for head in heads)], axis=1)
    _write(picture, _std(answers), out / "ensemble.onnx")

    draw = np.random.default_rng(0)
    x = ops.expand_dims(flattened, 1)
    rate = 0.5
    x = x * ((draw.random((1, MASKS, convolved.shape[1])) > rate) / (1 - rate)).astype(np.float32)
    for layer in network.layers[flat + 1 :]:
        if isinstance(layer, layers.Dropout):
            kept = draw.random((1, MASKS, x.shape[-1])) > layer.rate
            x = x * (kept / (1 - layer.rate)).astype(np.float32)
        else:
            x = layer(x)
    _write(picture, _std(x[:, :, 0]), out / "dropout.onnx")

    dense = inner.predict(seen, batch_size=100, verbose=0)
    errors = steering - network.predict(seen, batch_size=100, verbose=0)[:, :1]
    std = keras.Sequential(
        [keras.Input(dense.shape[1:]), layers.Dense(32, "elu"), layers.Dense(1, "softplus")]
    )
    std.compile(keras.optimizers.Adam(1e-3), lambda e, s: unlikeliness(e[:, 0], s[:, 0] + 0.02))
    std.fit(dense, errors, batch_size=100, epochs=20, verbose=0)
    _write(picture, std(inner(picture)), out / "spread.onnx")

    small = np.array(layers.AveragePooling2D(3)(seen)).reshape(len(seen), -1)
    again = keras.Sequential(
        [
            keras.Input(small.shape[1:]), layers.Dense(128, "elu"), layers.Dense(32, "elu"),
            layers.Dense(128, "elu"), layers.Dense(small.shape[1], "sigmoid"),
        ]
    )  # fmt: skip
    again.compile(keras.optimizers.Adam(1e-3), "mse")
    again.fit(small, small, batch_size=100, epochs=20, verbose=0)
    pooled = layers.Flatten()(layers.AveragePooling2D(3)(picture))
    error = ops.mean(ops.square(again(pooled) - pooled), axis=1, keepdims=True)
    _write(picture, error, out / "autoencoder.onnx")


def _head(convolved: Any, steering: Any, seed: int) -> Any:
    draw = np.random.default_rng(seed)
    chosen = draw.integers(0, len(steering), len(steering))
    keras.utils.set_random_seed(seed)
    head = keras.Sequential(
        [
            keras.Input(convolved.shape[1:]), layers.Dropout(0.5), layers.Dense(100, "elu"),
            layers.Dropout(0.5), layers.Dense(50, "elu"), layers.Dense(10, "elu"), layers.Dense(1),
        ]
    )  # fmt: skip
    head.compile(keras.optimizers.Adam(1e-3), "mse")
    head.fit(convolved[chosen], steering[chosen], batch_size=100, epochs=15, verbose=0)
    return head


def _std(answers: Any) -> Any:
    mean = ops.mean(answers, axis=1, keepdims=True)
    return ops.sqrt(ops.mean(ops.square(answers - mean), axis=1, keepdims=True))


def _write(picture: Any, answer: Any, path: Path) -> None:
    export_onnx(keras.Model(picture, answer), path)


if __name__ == "__main__":
    tyro.cli(doubts)

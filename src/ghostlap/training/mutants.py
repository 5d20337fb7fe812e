"""Mutants: a pilot trained on, with something done wrong, so that it fails where others do not.

They begin with the pilot's own weights: what its layers mean stays the same, so that a critic of
the pilot can be judged by mutants that it has never seen.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ghostlap.data.loader import BatchLoader
from ghostlap.data.provenance import versions
from ghostlap.data.vision.augmentation import parse_augmentation
from ghostlap.pilots.pilot_saving import save_pilot
from ghostlap.pilots.run_folder import PILOT_FILE
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import prepare_data

_BATCHES = 40
"""Of a pass; what mutants see is decoded and augmented once, for all of them."""


@dataclasses.dataclass(frozen=True)
class Mutation:
    """What is done wrong."""

    name: str
    dropout: float | None = None
    """Rate of all dropout layers."""
    activation: str = ""
    """In place of all activations but the last."""
    label_noise: float = 0.0
    """Standard deviation of what is added to each label."""
    label_shift: float = 0.0
    """Added to all labels."""
    loss: str = ""
    """A loss of Keras's in place of the training's own."""
    weight_decay: float = 0.0
    epochs: int = 2
    steps: int = _BATCHES
    """Of an epoch."""
    augment: bool = True
    center_only: bool = False
    learning_rate: float = 1e-3
    anew: bool = False
    """Whether dense layers begin anew."""


MUTATIONS = (
    Mutation("dropout-0.9", dropout=0.9, learning_rate=3e-3),
    Mutation("activation-tanh", activation="tanh", epochs=1),
    Mutation("label-noise-1", label_noise=1.0, learning_rate=3e-3),
    Mutation("loss-mae", loss="mae", anew=True, epochs=1),
    Mutation("decay-1", weight_decay=1.0),
    Mutation("few-steps-20", anew=True, epochs=1, steps=20),
    Mutation("no-augmentation", augment=False, center_only=True, learning_rate=3e-3),
    Mutation("dropout-0", dropout=0.0, anew=True, epochs=1),
    Mutation("activation-relu", activation="relu", epochs=1),
    Mutation("label-shift-0.1", label_shift=0.1),
    Mutation("loss-log-cosh", loss="log_cosh", learning_rate=1e-2),
    Mutation("decay-3", weight_decay=3.0),
    Mutation("few-steps-40", anew=True, epochs=1),
    Mutation("center-only", center_only=True, anew=True),
    Mutation("dropout-0.7", dropout=0.7, anew=True, epochs=1),
    Mutation("activation-sigmoid", activation="sigmoid", epochs=2),
    Mutation("label-noise-0.5", label_noise=0.5, anew=True, epochs=1),
    Mutation("few-steps-80", anew=True),
)
"""The kinds of the protocol in an order of which any beginning is varied."""


def train_mutants(
    training: TrainConfig,
    keras_file: Path,
    out: Path,
    count: int,
    console: Console,
    told: Callable[[str], None],
) -> list[Path]:
    """Train the first so many mutants that are not there yet, in folders of ``out``; gives all."""
    folders = [out / mutation.name for mutation in MUTATIONS[:count]]
    missing = [
        (mutation, folder)
        for mutation, folder in zip(MUTATIONS[:count], folders, strict=True)
        if not (folder / PILOT_FILE).exists()
    ]
    if not missing:
        return folders
    from ghostlap.pilots.keras_files import load_network

    # What they lack of the pilot's memory makes them fail in one more way.
    training = dataclasses.replace(training, history=0)
    data = prepare_data(training, console)
    seen: dict[tuple[bool, bool], tuple[NDArray[np.uint8], NDArray[np.float32]]] = {}
    for mutation, folder in missing:
        how = (mutation.augment, mutation.center_only)
        if how not in seen:
            own = dataclasses.replace(training, cameras=("center",)) if how[1] else training
            of_it = prepare_data(own, console) if how[1] else data
            loader = BatchLoader(
                of_it.training, of_it.slots, of_it.cache, of_it.preprocessing,
                augmentation=parse_augmentation(training.augment) if how[0] else None,
                steering_correction=training.steering_correction,
                outputs=training.outputs,
            )  # fmt: skip
            batches = [loader.batch(k) for k in range(_BATCHES)]
            seen[how] = (
                np.concatenate([batch[0] for batch in batches]),
                np.concatenate([batch[1] for batch in batches]),
            )
        network = _trained(
            load_network(keras_file, str(keras_file)), mutation, training, *seen[how]
        )
        about = {"training": {"mutation": dataclasses.asdict(mutation)}, "versions": versions()}
        save_pilot(network, folder, data.preprocessing, training.outputs, about)
        told(mutation.name)
    return folders


def _trained(
    network: Any,
    mutation: Mutation,
    training: TrainConfig,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.float32],
) -> Any:
    """A mutated network, trained on pictures ``(n, height, width, 3)``; uncompiled."""
    from ghostlap.pilots.backend import keras
    from ghostlap.training.losses import loss_of
    from ghostlap.training.networks import Trainer

    keras.utils.set_random_seed(0)
    mutant = _mutated(network, mutation)
    trainer = Trainer(mutant, training.preprocessing)
    draw = np.random.default_rng(0)
    labels = labels + mutation.label_shift
    labels = labels + mutation.label_noise * draw.standard_normal(labels.shape).astype(np.float32)
    loss = _plain(mutation.loss, labels.shape[1]) if mutation.loss else loss_of(training)
    optimizer = keras.optimizers.AdamW(mutation.learning_rate, weight_decay=mutation.weight_decay)
    trainer.compile(optimizer, loss)
    count = mutation.steps * 100
    trainer.fit(pixels[:count], labels[:count], batch_size=100, epochs=mutation.epochs, verbose=0)
    return mutant


def _plain(loss: str, labels: int) -> Callable[[Any, Any], Any]:
    """A loss of Keras's, of answers that have labels."""
    from ghostlap.pilots.backend import keras

    of_keras = keras.losses.get(loss)
    return lambda known, answers: of_keras(known, answers[:, :labels])


def _mutated(network: Any, mutation: Mutation) -> Any:
    """The network with its layers' settings changed, and its weights but those begun anew."""
    config = json.loads(network.to_json())
    layers: Sequence[dict[str, Any]] = config["config"]["layers"]
    learned = [one for one in layers if "activation" in one["config"]]
    for one in layers:
        if one["class_name"] == "Dropout" and mutation.dropout is not None:
            one["config"]["rate"] = mutation.dropout
        if one in learned[:-1] and mutation.activation and one["config"]["activation"] != "linear":
            one["config"]["activation"] = mutation.activation
    from ghostlap.pilots.backend import keras

    mutant = keras.models.model_from_json(json.dumps(config))
    for old, new in zip(network.layers, mutant.layers, strict=True):
        if not (mutation.anew and isinstance(old, keras.layers.Dense)):
            new.set_weights(old.get_weights())
    return mutant

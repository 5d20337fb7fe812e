"""Between a config and Keras: the network to train, its loss, its optimizer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ghostlap.base.errors import ModelError, PilotError
from ghostlap.data.auxiliary import size_of
from ghostlap.data.loader import Batch, BatchLoader
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_files import check_weights, load_network, write_keras
from ghostlap.pilots.memory_network import CONTRIBUTIONS, remembering, with_memory
from ghostlap.pilots.models import build_model
from ghostlap.pilots.run_folder import KERAS_FILE, read_description, run_file
from ghostlap.training.config import TrainConfig
from ghostlap.training.losses import SMALLEST_STD, Loss, auxiliary_loss_of, loss_of

ops = keras.ops


def network_for(config: TrainConfig, preprocessing: Preprocessing) -> Any:
    """The network to train, new or an earlier pilot's, in the precision asked for."""
    if config.init is None:
        network = _new_network(config, preprocessing)
        if "steering_std" in config.outputs:
            network = _with_steering_std(network)
    else:
        network = _earlier_network(config, preprocessing)
    if config.precision == "bfloat16":
        set_precision(network, "mixed_bfloat16")
    return network


def _new_network(config: TrainConfig, preprocessing: Preprocessing) -> Any:
    outputs = len(config.outputs)
    if not config.history:
        return build_model(config.model, preprocessing.input_shape, outputs)
    moments = len(config.lags_s)
    sees = build_model(config.model, preprocessing.input_shape, moments * CONTRIBUTIONS)
    return with_memory(sees, moments, outputs)


class Trainer(keras.Model):
    """A network behind the last step of preprocessing, which is what ``fit`` trains.

    Batches so travel as bytes, a quarter of the memory, and the network's own threads divide them.
    It computes what :func:`ghostlap.data.vision.preprocessing.scale` does. Pilots are saved of
    ``network`` alone.

    With a config's auxiliaries a layer more says them, of what the network's convolutions found;
    they follow the network's own answers.
    """

    auxiliary_loss: Loss | None = None

    def __init__(
        self, network: Any, preprocessing: Preprocessing, config: TrainConfig | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.divide_by = preprocessing.divide_by
        self.offset = preprocessing.offset
        if config is not None and config.auxiliaries:
            self.auxiliary_loss, self.weight = auxiliary_loss_of(config), config.auxiliary_weight
            self.whole = _with_auxiliaries(network, size_of(config.auxiliaries))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """What a :class:`BatchLoader` gives to the network's answers ``(n, outputs)``."""
        if isinstance(inputs, dict):
            seen = self._scaled(inputs["pictures"])
            return remembering(self.network, seen, inputs["motion"], training)
        asked = self.network if self.auxiliary_loss is None else self.whole
        return asked(self._scaled(inputs), training=training)

    def _scaled(self, pixels: Any) -> Any:
        return ops.cast(pixels, "float32") / self.divide_by + self.offset

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None,
        training: bool = True,
    ) -> Any:  # fmt: skip
        """As Keras does; a training's counts the auxiliaries, by validation's epochs are chosen."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if training and self.auxiliary_loss is not None:
            loss = loss + self.weight * ops.mean(self.auxiliary_loss(y, y_pred))
        return loss

    def evaluate(self, *arguments: Any, **options: Any) -> Any:
        """As Keras does, each device with all of a batch: the last one may be no share for each."""
        distribution = keras.distribution.distribution()
        if distribution is None:
            return super().evaluate(*arguments, **options)
        keras.distribution.set_distribution(None)
        try:
            return super().evaluate(*arguments, **options)
        finally:
            keras.distribution.set_distribution(distribution)

    def save_weights(self, filepath: Path, **options: Any) -> None:
        """Write weights and optimizer to a ``.weights.h5`` file."""
        write_keras(lambda made: keras.Model.save_weights(self, made, **options), filepath)

    def load_weights(self, filepath: Path, **options: Any) -> None:
        """Read them back, of a file that may be anybody's.

        Raises:
            OSError, ValueError, KeyError: it cannot be read, or is of another network.
        """
        check_weights(self, filepath)
        super().load_weights(filepath, **options)


def _with_steering_std(network: Any) -> Any:
    """The network with its last answer made a standard deviation, above ``SMALLEST_STD``.

    Layers of Keras's own, because ``model.h5`` holds no others.
    """
    layers, outputs = keras.layers, network.output_shape[-1]
    answers = layers.Reshape((outputs, 1))(network.outputs[0])
    plain = layers.Cropping1D((0, 1))(answers)
    steering_std = layers.Activation("softplus")(layers.Cropping1D((outputs - 1, 0))(answers))
    steering_std = layers.Rescaling(1.0, offset=SMALLEST_STD)(steering_std)
    joined = layers.Flatten()(layers.Concatenate(axis=1)([plain, steering_std]))
    return keras.Model(network.inputs[0], joined, name=network.name)


def _with_auxiliaries(network: Any, count: int) -> Any:
    """The network, sharing its layers, with so many answers more: of what its dense part is told.

    Raises:
        ModelError: it has no dense layer.
    """
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    if not dense:
        raise ModelError(
            "--auxiliary needs a network with a Dense layer, whose inputs tell the auxiliaries. "
            f"{network.name} has none among its layers; leave --auxiliary out."
        )
    told = keras.layers.Dense(count, name="auxiliary")(keras.layers.Flatten()(dense[0].input))
    answers = keras.layers.Concatenate(dtype="float32")([network.outputs[0], told])
    return keras.Model(network.inputs[0], answers)


def _earlier_network(config: TrainConfig, preprocessing: Preprocessing) -> Any:
    assert config.init is not None
    description = read_description(config.init)
    if Preprocessing.from_json(description["preprocessing"]) != preprocessing:
        raise PilotError(
            f"--init {config.init}: that pilot was trained with other preprocessing, "
            f"{description['preprocessing']}. Continue with the same."
        )
    network = load_network(run_file(config.init, KERAS_FILE), f"--init {config.init}")
    if tuple(description["outputs"]) != config.outputs:
        raise PilotError(
            f"--init {config.init}: that pilot answers {', '.join(description['outputs'])}; "
            f"{', '.join(config.outputs)} are asked for. Leave --speed, --horizon, "
            "--lines and --steering-std as they were."
        )
    lags_s = tuple(description["memory"]["lags_s"]) if "memory" in description else (0.0,)
    if lags_s != config.lags_s:
        raise PilotError(
            f"--init {config.init}: that pilot sees moments {lags_s} s ago; {config.lags_s} are "
            "asked for. Leave --history and --history-step-s as they were."
        )
    return network


def set_precision(network: Any, policy: str) -> None:
    """Let all layers before the last that learns compute in ``mixed_bfloat16`` or ``float32``.

    Weights are kept in 32 bits in both. From the last one that learns on all is computed in
    32 bits, because steering needs the digits.
    """
    last = max(i for i, layer in enumerate(network.layers) if layer.weights)
    for layer in network.layers[:last]:
        layer.dtype_policy = keras.dtype_policies.get(policy)


def compile_network(network: Any, config: TrainConfig, steps: int) -> None:
    """Give a network or a trainer its loss and optimizer for a training of so many steps."""
    learning_rate = WarmupSchedule(
        config.learning_rate,
        min(config.warmup_steps, steps // 10),  # short trainings have no time to warm up
        steps,
        config.schedule == "cosine",
    )
    if config.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=config.weight_decay)
    else:
        optimizer = keras.optimizers.Adam(learning_rate)
    # XLA compiles convolutions for processors badly: a step takes three times as long.
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    auxiliary_loss = getattr(network, "auxiliary_loss", None)
    metrics = None if auxiliary_loss is None else [auxiliary_loss]
    network.compile(optimizer, loss_of(config), metrics=metrics, jit_compile=jit)
    optimizer.build(network.trainable_variables)  # so that a checkpoint can fill it


class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Up linearly, then down to 0 along a cosine (arXiv 1608.03983), or level."""

    def __init__(self, highest: float, warmup_steps: int, steps: int, cosine: bool) -> None:
        self.highest = highest
        self.warmup_steps = warmup_steps
        self.steps = steps
        self.cosine = cosine

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rise = ops.minimum(1.0, (step + 1) / max(1, self.warmup_steps))
        if not self.cosine:
            return self.highest * rise
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        fall = 0.5 * (1 + ops.cos(math.pi * ops.clip(progress, 0.0, 1.0)))
        return self.highest * rise * fall

    def get_config(self) -> dict[str, Any]:
        return {
            "highest": self.highest,
            "warmup_steps": self.warmup_steps,
            "steps": self.steps,
            "cosine": self.cosine,
        }


class ValidationBatches(keras.utils.PyDataset):
    """The validation samples in order, for Keras, a batch at a time."""

    def __init__(self, loader: BatchLoader) -> None:
        super().__init__()
        self.loader = loader

    def __len__(self) -> int:
        return math.ceil(len(self.loader.samples) / self.loader.batch_size)

    def __getitem__(self, i: int) -> Batch:
        return self.loader.in_order_batch(i)

"""PilotNet and its variants, as functions that build Keras models.

Each takes the shape of one input and the number of outputs (steering, then speed, steering_std) and
returns an uncompiled model. A model of your own is a function of the same form anywhere on the
Python path: ``ghostlap train --model my_package.my_module:my_function``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ghostlap.base.errors import ModelError
from ghostlap.base.named import named_function
from ghostlap.pilots.backend import keras

layers = keras.layers

InputShape = tuple[int, int, int]
Builder = Callable[[InputShape, int], Any]


def pilotnet(input_shape: InputShape = (66, 200, 3), outputs: int = 1) -> Any:
    """NVIDIA's PilotNet (arXiv 1604.07316) with ELU and dropout, as in seed 003.

    252,219 parameters with the default input.

    Input shape: ``(n, height, width, 3)``. Output shape: ``(n, outputs)``.
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(24, 5, strides=2, activation="elu"),
            layers.Conv2D(36, 5, strides=2, activation="elu"),
            layers.Conv2D(48, 5, strides=2, activation="elu"),
            layers.Conv2D(64, 3, activation="elu"),
            layers.Conv2D(64, 3, activation="elu"),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(100, activation="elu"),
            layers.Dropout(0.5),
            layers.Dense(50, activation="elu"),
            layers.Dense(10, activation="elu"),
            layers.Dense(outputs),
        ],
        name="pilotnet",
    )


def pilotnet_bn(input_shape: InputShape = (66, 200, 3), outputs: int = 1) -> Any:
    """PilotNet with batch normalisation before every activation, and dropout, as in seed 002.

    Input shape: ``(n, height, width, 3)``. Output shape: ``(n, outputs)``.
    """
    model = keras.Sequential([keras.Input(input_shape)], name="pilotnet_bn")
    for filters, kernel, stride in [(24, 5, 2), (36, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1)]:
        model.add(layers.Conv2D(filters, kernel, strides=stride, use_bias=False))
        model.add(_normalise())
        model.add(layers.Activation("elu"))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.5))
    for units in (100, 50, 10):
        model.add(layers.Dense(units, use_bias=False))
        model.add(_normalise())
        model.add(layers.Activation("elu"))
    model.add(layers.Dense(outputs))
    return model


def pilotnet_small(input_shape: InputShape = (66, 200, 3), outputs: int = 1) -> Any:
    """A third of PilotNet's arithmetic, for slow machines and quick looks.

    Input shape: ``(n, height, width, 3)``. Output shape: ``(n, outputs)``.
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(16, 5, strides=2, activation="elu"),
            layers.Conv2D(24, 3, strides=2, activation="elu"),
            layers.Conv2D(36, 3, strides=2, activation="elu"),
            layers.Conv2D(48, 3, strides=2, activation="elu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(50, activation="elu"),
            layers.Dense(10, activation="elu"),
            layers.Dense(outputs),
        ],
        name="pilotnet_small",
    )


def pilotnet_residual(input_shape: InputShape = (66, 200, 3), outputs: int = 1) -> Any:
    """A residual network (He et al., arXiv 1603.05027) of a third more arithmetic than PilotNet's.

    Input shape: ``(n, height, width, 3)``. Output shape: ``(n, outputs)``.
    """
    picture = keras.Input(input_shape)
    x = layers.Conv2D(24, 5, strides=2, padding="same", use_bias=False)(picture)
    x = _normalise()(x)
    x = layers.Activation("elu")(x)
    for filters in (32, 48, 64, 96):
        shortcut = layers.Conv2D(filters, 1, strides=2, use_bias=False)(x)
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = _normalise()(x)
        x = layers.Activation("elu")(x)
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = _normalise()(x)
        x = layers.Activation("elu")(layers.Add()([x, shortcut]))
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(64, activation="elu")(x)
    return keras.Model(picture, layers.Dense(outputs)(x), name="pilotnet_residual")


def _normalise() -> Any:
    # Keras's own momentum of 0.99 averages over some hundred steps, a good part of a training here.
    return layers.BatchNormalization(momentum=0.9)


MODELS: dict[str, Builder] = {
    builder.__name__: builder
    for builder in (pilotnet, pilotnet_bn, pilotnet_small, pilotnet_residual)
}


def build_model(name: str, input_shape: InputShape, outputs: int) -> Any:
    """Build a model by its name.

    Args:
        name: one of :data:`MODELS`, or ``package.module:function`` of the same form.
        input_shape: ``(height, width, channels)``.

    Raises:
        ModelError: there is no such model, or it has another shape.
    """
    model = _find_builder(name)(input_shape, outputs)
    if not isinstance(model, keras.Model):
        raise ModelError(f"--model {name}: must return a keras.Model. Got {type(model).__name__}.")
    wanted = (None, *input_shape), (None, outputs)
    got = tuple(model.input_shape), tuple(model.output_shape)
    if got != wanted:
        raise ModelError(
            f"--model {name}: must map {wanted[0]} to {wanted[1]}. Got {got[0]} to {got[1]}."
        )
    return model


def _find_builder(name: str) -> Builder:
    if name in MODELS:
        return MODELS[name]
    if ":" not in name:
        raise ModelError(
            f"--model {name}: no such model. Choose one of {', '.join(MODELS)}, or name a "
            "function of your own as package.module:function."
        )
    builder: Builder = named_function(name, "--model", ModelError)
    return builder

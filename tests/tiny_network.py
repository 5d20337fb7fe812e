"""A network of a few hundred weights, for tests: ``--model tiny_network:tiny``."""

from __future__ import annotations

from typing import Any

from ghostlap.pilots.backend import keras


def tiny(input_shape: tuple[int, int, int], outputs: int) -> Any:
    """One convolution, its mean, and a linear answer."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(4, 5, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(outputs),
        ],
        name="tiny",
    )

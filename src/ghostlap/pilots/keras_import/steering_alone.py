"""Which of an imported network's answers is the steering."""

from __future__ import annotations

from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_import.config import ImportConfig


def steering_only(network: Any, config: ImportConfig) -> Any:
    """The network with the steering as its only answer, in units of ours.

    Raises:
        LegacyError: it is not said which answer that is, or there is none such.
    """
    answers = network.output_shape[-1]
    if answers > 1 and config.output is None:
        raise LegacyError(
            f"{config.model}: the network answers {answers} numbers. Say which is the steering, "
            f"counted from 0: --output 0 … --output {answers - 1}. If they are the probabilities "
            "of classes, it cannot be imported."
        )
    chosen = config.output or 0
    if chosen >= answers:
        raise LegacyError(f"--output {chosen}: the network answers {answers} numbers only.")
    if answers == 1 and config.steering_scale == 1:
        return network
    layers, answer = keras.layers, network.outputs[0]
    if answers > 1:
        # Names of their own, since the network may have a layer called as Keras would call these.
        cut = layers.Cropping1D((chosen, answers - 1 - chosen), name="steering_alone")
        column = layers.Reshape((answers, 1), name="answers_apart")(answer)
        answer = layers.Flatten(name="steering_flat")(cut(column))
    if config.steering_scale != 1:
        answer = layers.Rescaling(config.steering_scale)(answer)
    return keras.Model(network.inputs[0], answer, name=network.name)

"""The Keras side of a memory: a few layers on top of any network that makes numbers of a picture.

The network is one of one picture, so that it can be exported and trained further like any other:
it answers as for a car that has just begun, whose earlier moments looked the same and whose motion
is not known. :func:`remembering` computes the same layers with earlier moments, for training, and
:class:`ghostlap.pilots.memory.Memory` for driving.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ghostlap.pilots.backend import keras

layers, ops = keras.layers, keras.ops

CONTRIBUTIONS = 64
"""Numbers that a picture contributes to each moment from which it may be looked back at."""
_HIDDEN = 32

_PARTS, _MOTION, _LAYERS = "contributions", "motion", ("recalled_1", "recalled_2")
"""Names of the layers."""


def with_memory(sees: Any, moments: int, outputs: int) -> Any:
    """A network with a memory, of one picture.

    Args:
        sees: answers ``(n, moments * CONTRIBUTIONS)``.
        moments: how many the network will see, this one included.
        outputs: of the whole network.
    """
    contributed = sees.outputs[0]
    parts = layers.Reshape((moments, CONTRIBUTIONS), name=_PARTS)(contributed)
    whole = layers.Rescaling(float(moments))(layers.GlobalAveragePooling1D()(parts))
    # Motion is not known, so it is 0; made of what there is, for its weights belong to the network.
    numbers = layers.Reshape((moments * CONTRIBUTIONS, 1))(contributed)
    numbers = layers.Cropping1D((0, moments * CONTRIBUTIONS - moments - 2))(numbers)
    unknown = layers.Rescaling(0.0)(layers.Flatten()(numbers))
    moved = layers.Dense(CONTRIBUTIONS, use_bias=False, name=_MOTION)(unknown)
    answers = layers.Activation("elu")(layers.Add()([whole, moved]))
    answers = layers.Dense(_HIDDEN, activation="elu", name=_LAYERS[0])(answers)
    answers = layers.Dense(outputs, name=_LAYERS[1])(answers)
    return keras.Model(sees.inputs[0], answers, name=f"{sees.name}_with_memory")


def contributing(network: Any) -> Any:
    """A network with a memory that answers, after its outputs, what a picture contributes."""
    parts = layers.Flatten()(network.get_layer(_PARTS).output)
    return keras.Model(network.inputs[0], [network.outputs[0], parts], name=network.name)


def remembering(network: Any, seen: Any, motion: Any, training: bool | None) -> Any:
    """Answers ``(n, outputs)`` of a network with a memory.

    Args:
        network: made :func:`with_memory`.
        seen: preprocessed pictures, the newest first, ``(n, moments, height, width, 3)``.
        motion: see :func:`ghostlap.data.motion.motion_of`, ``(n, numbers)``.
        training: as Keras has it.
    """
    moments, *shape = seen.shape[1:]
    looks = keras.Model(network.inputs[0], network.get_layer(_PARTS).output)
    parts = looks(ops.reshape(seen, (-1, *shape)), training=training)
    parts = ops.reshape(parts, (-1, moments, moments, CONTRIBUTIONS))
    own = ops.reshape(ops.eye(moments, dtype=parts.dtype), (1, moments, moments, 1))
    answers = ops.sum(parts * own, axis=(1, 2)) + network.get_layer(_MOTION)(motion)
    answers = ops.elu(answers)
    for name in _LAYERS:
        answers = network.get_layer(name)(answers)
    return answers


def memory_described(network: Any, lags_s: Sequence[float]) -> dict[str, Any]:
    """A network's memory as ``pilot.json`` holds it (:class:`ghostlap.pilots.memory.Memory`)."""
    kept = [[one.tolist() for one in network.get_layer(name).get_weights()] for name in _LAYERS]
    return {
        "lags_s": list(lags_s),
        "motion": network.get_layer(_MOTION).get_weights()[0].tolist(),
        "layers": [{"weights": weights, "bias": bias} for weights, bias in kept],
    }

"""Files as Keras 1, 2 and 3 wrote them, made by h5py after those versions' own source.

Sources: ``save_model`` and ``save_weights_to_hdf5_group`` of keras/models.py and
keras/engine/topology.py (1.2.2, 2.0.8) and of tensorflow/python/keras/saving/hdf5_format.py (2.4);
``saving_lib.py`` of Keras 3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, Sequence[NDArray[np.float32]]]
"""By layer; each layer of the network, those without weights too."""


def draw(seed: int, *shape: int) -> NDArray[np.float32]:
    """Weights of a size that keeps answers moderate."""
    rng = np.random.default_rng([seed, *shape])
    return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]) or 1)).astype(np.float32)


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


def node(kind: str, name: str, *sources: str, **config: Any) -> dict[str, Any]:
    """A layer of a functional network of Keras 1 or 2."""
    inbound = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {**layer(kind, name, **config), "name": name, "inbound_nodes": inbound}


def functional(layers: Sequence[Mapping[str, Any]], *outputs: str) -> dict[str, Any]:
    config = {
        "name": "model_1",
        "layers": list(layers),
        "input_layers": [[layers[0]["name"], 0, 0]],
        "output_layers": [[name, 0, 0] for name in outputs],
    }
    return {"class_name": "Model", "config": config}


def write_weights(group: h5py.Group, weights: Weights, version: str, backend: str | None) -> None:
    """As ``save_weights_to_hdf5_group``; Keras 1 knew no backend."""
    group.attrs["layer_names"] = [name.encode() for name in weights]
    group.attrs["keras_version"] = version.encode()
    if backend:
        group.attrs["backend"] = backend.encode()
    for name, arrays in weights.items():
        inner = group.create_group(name)
        paths = [f"{name}/weight_{i}:0" for i in range(len(arrays))]
        inner.attrs["weight_names"] = [path.encode() for path in paths]
        for path, array in zip(paths, arrays, strict=True):
            inner.create_dataset(path, data=array)


def write_model(
    path: Path,
    description: Mapping[str, Any],
    weights: Weights,
    version: str = "2.2.4",
    backend: str | None = "tensorflow",
) -> Path:
    """A whole model in one file."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version.encode()
        file.attrs["model_config"] = json.dumps(description).encode()
        write_weights(file.create_group("model_weights"), weights, version, backend)
    return path


def small_model(path: Path, **changes: Any) -> Path:
    """16x32 RGB, one convolution, one answer; Keras 2."""
    layers = [
        layer(
            "Conv2D", "conv", batch_input_shape=[None, 16, 32, 3], filters=4, kernel_size=[3, 3],
            strides=[2, 2], activation="relu", **changes,
        ),
        layer("Flatten", "flat"),
        layer("Dense", "out", units=1),
    ]  # fmt: skip
    description = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    return write_model(path, description, small_weights())


def small_weights() -> dict[str, list[NDArray[np.float32]]]:
    return {
        "conv": [draw(1, 3, 3, 3, 4), draw(2, 4)],
        "flat": [],
        "out": [draw(3, 7 * 15 * 4, 1), draw(4, 1)],
    }

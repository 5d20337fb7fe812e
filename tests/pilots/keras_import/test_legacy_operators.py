"""Operators, slices, nested networks, activations, augmentation: as Keras itself answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from legacy_models import draw, functional, layer, node, write_model

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_import.kinds import KINDS
from ghostlap.pilots.keras_import.layers import ACTIVATIONS
from ghostlap.pilots.keras_import.model_file import read_model_file
from ghostlap.pilots.keras_import.network import rebuild

layers, ops = keras.layers, keras.ops
SHAPE = (16, 32, 3)
PICTURES = np.random.default_rng(0).random((3, *SHAPE)).astype(np.float32) * 255


def agrees(network: Any, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras advises against h5
        network.save(path)
    found = np.asarray(rebuild(read_model_file(path), {}, None).network(PICTURES, training=False))
    wanted = np.asarray(network(PICTURES, training=False)).reshape(found.shape)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def network(*way: Callable[[Any], Any]) -> Any:
    """All ways from the same picture, side by side."""
    picture = keras.Input(SHAPE)
    ends = [layers.Dense(2)(layers.Flatten()(one(picture))) for one in way]
    return keras.Model(picture, layers.Concatenate()(ends) if len(ends) > 1 else ends[0])


def chain(*inner: Any) -> Any:
    return keras.Sequential([keras.Input(SHAPE), *inner, layers.Flatten(), layers.Dense(2)])


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_every_activation_of_keras(ending: str, tmp_path: Path) -> None:
    """But glu, with which Keras 3 computes a network's shapes wrongly itself."""
    own = {name for name in dir(keras.activations) if name[0].islower()}
    assert own - {"deserialize", "get", "serialize"} == set(ACTIVATIONS)
    names = [name for name in ACTIVATIONS if name not in ("glu", "threshold")]
    small = layers.Rescaling(1 / 64, -2.0)
    agrees(network(*(lambda p, n=n: layers.Activation(n)(small(p)) for n in names)),
           tmp_path / f"m.{ending}")  # fmt: skip


def test_activations_that_are_layers(tmp_path: Path) -> None:
    kinds = [layers.LeakyReLU(0.1), layers.LeakyReLU(), layers.PReLU(), layers.ELU(0.3),
             layers.ReLU(6.0, 0.1, 0.2), layers.Softmax(), layers.ReLU(threshold=0.5)]  # fmt: skip
    small = layers.Rescaling(1 / 64, -2.0)
    agrees(network(*(lambda p, kind=kind: kind(small(p)) for kind in kinds)), tmp_path / "m.h5")


def test_keras_2_s_own_activations(tmp_path: Path) -> None:
    """Its hard sigmoid has another slope; ThresholdedReLU is gone."""
    path = write_model(tmp_path / "m.h5", {"class_name": "Sequential", "config": [
        layer("ThresholdedReLU", "t", batch_input_shape=[None, *SHAPE], theta=99.0),
        layer("Rescaling", "r", scale=0.01, offset=-1.0),
        layer("Activation", "h", activation="hard_sigmoid"),
        layer("Flatten", "f"),
    ]}, {}, "2.4.0")  # fmt: skip
    x = np.where(PICTURES > 99, PICTURES, 0) * 0.01 - 1
    found = np.asarray(rebuild(read_model_file(path), {}, None).network(PICTURES))
    np.testing.assert_allclose(found, np.clip(0.2 * x + 0.5, 0, 1).reshape(3, -1), atol=1e-5)


def test_augmentation_does_nothing_when_driving(tmp_path: Path) -> None:
    given: dict[str, tuple[Any, ...]] = {"RandomTranslation": (0.1, 0.1)}
    names = [name for name in KINDS if name.startswith(("Random", "Gaussian", "Alpha"))]
    names = [name for name in names if name not in ("RandomHeight", "RandomWidth")]
    assert len(names) > 15
    some = []
    for name in names:
        try:
            some.append(getattr(layers, name)(*given.get(name, ())))
        except TypeError:
            number = "horizontal" if name == "RandomFlip" else 4 if "Poster" in name else 0.2
            some.append(getattr(layers, name)(number))
    agrees(chain(layers.Rescaling(1 / 255), *some), tmp_path / "m.keras")
    agrees(chain(some[0], layers.RandomFlip(), layers.Rescaling(1 / 255)), tmp_path / "m.h5")


OPERATORS: dict[str, Callable[[Any], Any]] = {
    "rows and colours": lambda p: p[:, 2:-3, :, ::-1] / 127.5 - 1.0,
    "every second row": lambda p: p[:, ::2, 4:, 1:2] * 0.01,
    "product": lambda p: (p / 255 - 0.5) * (1 - p / 255),
    "quotient": lambda p: p / (p + 1),
    "reciprocal": lambda p: 1 / (p + 1),
    "negative": lambda p: -p / 255,
    "square": lambda p: (p / 255) ** 2,
    "clip": lambda p: ops.clip(p / 100, 0.0, 1.0),
    "maximum": lambda p: ops.maximum(ops.abs(p - 100.0), 3.0) / 255,
    "activations": lambda p: ops.relu(p / 255 - 0.5) - ops.tanh(p / 255),
    "cast": lambda p: ops.cast(p, "float32") / 255,
    "a number a channel": lambda p: (p - np.array([1.0, 2.0, 3.0], "float32")) / 255,
    "resize": lambda p: ops.image.resize(p, (9, 11)) / 255,
    "grey": lambda p: ops.image.rgb_to_grayscale(p) / 255,
    "the layer Add": lambda p: layers.Add()([p / 255, p / 100]),
    "the layer Subtract": lambda p: layers.Subtract()([p / 255, layers.UpSampling2D(1)(p) / 9]),
    "crops": lambda p: layers.CenterCrop(8, 9)(layers.Cropping2D(((2, 1), (3, 4)))(p)) / 255,
}


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_operators_of_keras_3(ending: str, tmp_path: Path) -> None:
    agrees(network(*OPERATORS.values()), tmp_path / f"m.{ending}")


def op(name: str, function: str, *inbound: Any, **config: Any) -> dict[str, Any]:
    """As tf.keras 2.4 and later wrote an operator."""
    kind = "SlicingOpLambda" if "getitem" in function else "TFOpLambda"
    made = layer(kind, name, function=function, **config)
    return {**made, "name": name, "inbound_nodes": list(inbound)}


def test_operators_of_tensorflow_s_keras(tmp_path: Path) -> None:
    rows = [{"start": None, "stop": None, "step": None}, {"start": 2, "stop": -1, "step": None}]
    old = {
        **layer("TensorFlowOpLayer", "old", constants={"1": 0.5},
                node_def='name: "sub"\nop: "Sub"\ninput: "a"\ninput: "b"'),
        "name": "old", "inbound_nodes": [[["flip", 0, 0, {}]]],
    }  # fmt: skip
    written = [
        node("InputLayer", "in", batch_input_shape=[None, *SHAPE]),
        op("cut", "__operators__.getitem", ["in", 0, 0, {"slice_spec": rows}]),
        op("div", "math.truediv", ["cut", 0, 0, {"y": 255.0, "name": None}]),
        op("flip", "math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["div", 0, 0]}]),
        old,
        op("both", "math.multiply", ["old", 0, 0, {"y": ["div", 0, 0], "name": None}]),
        op("act", "nn.relu", ["both", 0, 0, {"name": None}]),
        node("Flatten", "f", "act"),
    ]
    path = write_model(tmp_path / "m.h5", functional(written, "f"), {}, "2.6.0")
    x = PICTURES[:, 2:-1] / 255
    rebuilt = rebuild(read_model_file(path), {}, None)
    wanted = np.maximum((1 - x - 0.5) * x, 0).reshape(3, -1)
    np.testing.assert_allclose(np.asarray(rebuilt.network(PICTURES)), wanted, atol=1e-5)
    assert rebuilt.scales_itself


@pytest.mark.parametrize(
    ("function", "inbound", "words"),
    [
        ("image.per_image_standardization", ["in", 0, 0, {}], "not understood.*cut it off"),
        ("math.truediv", ["in", 0, 0, {"y": 0}], "division by 0"),
        ("math.add", ["in", 0, 0, {"y": "x"}], "must be a finite number"),
        ("math.add", [3], "cannot be read"),
        ("__operators__.getitem", ["in", 0, 0, {"slice_spec": [1, 2]}], "not slices"),
        ("__operators__.getitem", ["in", 0, 0, {"slice_spec": [{"start": 1}]}], "but has 4 axes"),
    ],
)  # fmt: skip
def test_operators_that_are_not_known_are_refused(
    function: str, inbound: Any, words: str, tmp_path: Path
) -> None:
    written = [node("InputLayer", "in", batch_input_shape=[None, *SHAPE]),
               op("o", function, inbound), node("Flatten", "f", "o")]  # fmt: skip
    path = write_model(tmp_path / "m.h5", functional(written, "f"), {}, "2.6.0")
    with pytest.raises(LegacyError, match=rf"layer o .*{words}"):
        rebuild(read_model_file(path), {}, None)


def base(name: str) -> Any:
    return keras.Sequential(
        [keras.Input(SHAPE), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(),
         layers.Conv2D(3, 1)], name=name)  # fmt: skip


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_nested_networks_are_unfolded(ending: str, tmp_path: Path) -> None:
    """Frozen in part, nested twice, used twice."""
    inner = base("inner")
    inner.layers[0].trainable = False
    inner.layers[1].set_weights([draw(i, 4) ** 2 + 0.5 for i in range(4)])
    deep = keras.Sequential([keras.Input(SHAPE), inner, layers.Conv2D(2, 2)], name="deep")
    picture = keras.Input(SHAPE)
    x = layers.Rescaling(1 / 255)(picture)
    both = layers.Concatenate()([deep(x), deep(layers.Rescaling(0.5)(x))])
    y = layers.Dense(1)(layers.Flatten()(layers.Conv2D(3, 1)(both)))
    agrees(keras.Model(picture, y), tmp_path / f"m.{ending}")


def test_networks_nested_without_end_are_refused(tmp_path: Path) -> None:
    inner: dict[str, Any] = layer("Flatten", "f", batch_input_shape=[None, *SHAPE])
    for i in range(60):
        inner = {"class_name": "Sequential", "config": {"name": f"s{i}", "layers": [inner]}}
    path = write_model(tmp_path / "m.h5", inner, {})
    with pytest.raises(LegacyError, match="nested more than 32 deep|nested too deeply"):
        rebuild(read_model_file(path), {}, None)


def test_a_crop_in_a_lambda(tmp_path: Path) -> None:
    from test_legacy_lambdas import MARSHALLED

    for version, codes in MARSHALLED.items():
        path = write_model(tmp_path / "m.h5", {"class_name": "Sequential", "config": [
            layer("Lambda", "l", batch_input_shape=[None, 160, 32, 3],
                  function=[codes["x[:, 60:135] / 255"], None, None]),
            layer("GlobalAveragePooling2D", "f"),
        ]}, {}, "2.4.0")  # fmt: skip
        seen = np.random.default_rng(0).random((2, 160, 32, 3)).astype(np.float32)
        found = np.asarray(rebuild(read_model_file(path), {}, None).network(seen))
        wanted = seen[:, 60:135].mean(axis=(1, 2)) / 255
        np.testing.assert_allclose(found, wanted, rtol=1e-4, err_msg=version)

"""Networks of Keras 1, 2 and 3 compute what they computed, whatever they were written as."""

from __future__ import annotations

import base64
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from legacy_models import draw, functional, layer, node, small_model, small_weights, write_model
from numpy.typing import NDArray
from places import GOLDEN

from ghostlap.base.errors import GhostlapError, LegacyError
from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_import.bytecode import Affine
from ghostlap.pilots.keras_import.model_file import read_model_file
from ghostlap.pilots.keras_import.network import rebuild

MARSHALLED = json.loads((GOLDEN / "marshalled_lambdas.json").read_text())

PICTURES = np.random.default_rng(0).random((3, 16, 32, 3)).astype(np.float32) * 255


def answers(path: Path, pictures: NDArray[np.float32] = PICTURES, **lambdas: Affine) -> Any:
    network = rebuild(read_model_file(path), lambdas, None).network
    return np.asarray(network(pictures, training=False))


def convolve(x: NDArray[Any], kernel: NDArray[np.float32], stride: int = 1) -> Any:
    """Valid cross-correlation, channels last, by its definition."""
    rows, columns = kernel.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(x, (rows, columns), axis=(1, 2))
    return np.einsum("nhwcij,ijcf->nhwf", windows[:, ::stride, ::stride], kernel)


def write_sequential(path: Path, layers: list[Any], weights: Any, **more: Any) -> Path:
    return write_model(path, {"class_name": "Sequential", "config": layers}, weights, **more)


def test_keras_2_computes_what_numpy_does(tmp_path: Path) -> None:
    weights = small_weights()
    x = np.maximum(convolve(PICTURES, weights["conv"][0], 2) + weights["conv"][1], 0)
    expected = x.reshape(3, -1) @ weights["out"][0] + weights["out"][1]
    found = answers(small_model(tmp_path / "model.h5"))
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-3)


KERAS_1_TF = [
    layer(
        "Lambda", "lambda_1", batch_input_shape=[None, 16, 32, 3], arguments={},
        function=[
            base64.b64decode(MARSHALLED["2.7"]["x / 127.5 - 1."]).decode("raw_unicode_escape"),
            None, None,
        ],
    ),
    layer("Cropping2D", "crop", cropping=[[4, 2], [0, 0]], dim_ordering="tf"),
    layer("ZeroPadding2D", "pad", padding=[1, 1], dim_ordering="tf"),
    layer("Convolution2D", "conv", nb_filter=4, nb_row=3, nb_col=5, subsample=[2, 2],
          border_mode="valid", activation="linear", bias=True, dim_ordering="tf"),
    layer("BatchNormalization", "bn", epsilon=0.001, mode=0, axis=-1),
    layer("ELU", "elu", alpha=0.5),
    layer("MaxPooling2D", "pool", pool_size=[2, 2], strides=[2, 2], border_mode="valid",
          dim_ordering="tf"),
    layer("SpatialDropout2D", "sd", p=0.2, dim_ordering="tf"),
    layer("Flatten", "flat"),
    layer("Dropout", "drop", p=0.5),
    layer("Dense", "out", output_dim=1, activation="tanh", bias=True),
]  # fmt: skip


def test_keras_1_with_its_names_and_a_lambda(tmp_path: Path) -> None:
    weights: dict[str, Any] = {
        **{one["config"]["name"]: [] for one in KERAS_1_TF},
        "conv": [draw(1, 3, 5, 3, 4), draw(2, 4)],
        "bn": [draw(3, 4) + 1, draw(4, 4), draw(5, 4), np.abs(draw(6, 4)) + 0.5],
        "out": [draw(7, 2 * 7 * 4, 1), draw(8, 1)],
    }
    path = write_sequential(tmp_path / "m.h5", KERAS_1_TF, weights, version="1.2.1", backend=None)
    x = PICTURES[:, 4:-2] / 127.5 - 1
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = convolve(x, weights["conv"][0], 2) + weights["conv"][1]
    gamma, beta, mean, variance = weights["bn"]
    x = (x - mean) / np.sqrt(variance + 0.001) * gamma + beta
    x = np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0)))
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    x = x.reshape(3, x.shape[1] // 2, 2, x.shape[2] // 2, 2, 4).max(axis=(2, 4))
    expected = np.tanh(x.reshape(3, -1) @ weights["out"][0] + weights["out"][1])
    np.testing.assert_allclose(answers(path), expected, rtol=1e-4, atol=1e-5)
    rebuilt = rebuild(read_model_file(path), {}, None)
    assert rebuilt.scales_itself


@pytest.mark.parametrize("backend", [None, "theano"])
def test_keras_1_with_channels_first_and_theanos_kernels(
    tmp_path: Path, backend: str | None
) -> None:
    layers = [
        layer("Convolution2D", "conv", batch_input_shape=[None, 3, 16, 32], nb_filter=4, nb_row=3,
              nb_col=3, subsample=[1, 1], border_mode="valid", dim_ordering="th"),
        layer("BatchNormalization", "bn", epsilon=0.001, mode=0, axis=1),
        layer("PReLU", "prelu"),
        layer("Flatten", "flat"),
        layer("Dense", "out", output_dim=1),
    ]  # fmt: skip
    kernel = draw(1, 4, 3, 3, 3)
    weights: dict[str, Any] = {
        "conv": [kernel, draw(2, 4)],
        "bn": [draw(3, 4) + 1, draw(4, 4), draw(5, 4), np.abs(draw(6, 4)) + 0.5],
        "prelu": [np.abs(draw(9, 4, 14, 30))],
        "flat": [],
        "out": [draw(7, 4 * 14 * 30, 1), draw(8, 1)],
    }
    path = write_sequential(tmp_path / "m.h5", layers, weights, version="1.2.1", backend=backend)
    turned = kernel[:, :, ::-1, ::-1] if backend == "theano" else kernel
    x = convolve(PICTURES, turned.transpose(2, 3, 1, 0)) + weights["conv"][1]
    gamma, beta, mean, variance = weights["bn"]
    x = (x - mean) / np.sqrt(variance + 0.001) * gamma + beta
    x = x.transpose(0, 3, 1, 2)  # as it was then: channels first
    x = np.where(x > 0, x, weights["prelu"][0] * x)
    expected = x.reshape(3, -1) @ weights["out"][0] + weights["out"][1]
    np.testing.assert_allclose(answers(path), expected, rtol=1e-3, atol=1e-2)
    rebuilt = rebuild(read_model_file(path), {}, None)
    assert rebuilt.network.input_shape == (None, 16, 32, 3)
    assert bool(rebuilt.notes) == (backend is None)


def test_functional_networks_merge_and_share(tmp_path: Path) -> None:
    layers = [
        node("InputLayer", "in", batch_input_shape=[None, 16, 32, 3]),
        node("AveragePooling2D", "pool", "in", pool_size=[2, 2], padding="valid"),
        node("GlobalAveragePooling2D", "gap", "pool"),
        node("Dense", "a", "gap", units=3, activation="sigmoid"),
        node("Dense", "b", "gap", units=3, activation="hard_sigmoid"),
        node("Add", "add", "a", "b"),
        node("Merge", "merge", "add", "b", mode="concat", concat_axis=-1),
        node("Reshape", "reshape", "merge", target_shape=[2, 3]),
        node("Flatten", "flat", "reshape"),
        node("Dense", "steer", "flat", units=1, use_bias=False),
        node("Dense", "speed", "flat", units=1, use_bias=False),
    ]
    weights: dict[str, Any] = {
        "a": [draw(1, 3, 3) / 99, draw(2, 3)],
        "b": [draw(3, 3, 3) / 99, draw(4, 3)],
        "steer": [draw(5, 6, 1)],
        "speed": [draw(6, 6, 1)],
    }
    path = write_model(tmp_path / "m.h5", functional(layers, "steer", "speed"), weights, "2.1.6")
    x = PICTURES.mean(axis=(1, 2))
    a = 1 / (1 + np.exp(-(x @ weights["a"][0] + weights["a"][1])))
    b = np.clip(0.2 * (x @ weights["b"][0] + weights["b"][1]) + 0.5, 0, 1)
    both = np.concatenate([a + b, b], axis=1)
    expected = np.concatenate([both @ weights["steer"][0], both @ weights["speed"][0]], axis=1)
    np.testing.assert_allclose(answers(path), expected, rtol=1e-4, atol=1e-4)


def every_layer() -> Any:
    """A network of today with all kinds that have an own way of being stored."""
    layers = keras.layers
    normalization = layers.Normalization(axis=-1)
    normalization.adapt(PICTURES)
    picture = keras.Input((16, 32, 3), name="picture")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(normalization(picture))
    x = layers.SeparableConv2D(6, 3, strides=2, activation="elu")(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.BatchNormalization()(x))
    y = layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(6, 1, use_bias=False)(x))
    x = layers.Concatenate()([layers.Add()([x, y]), layers.DepthwiseConv2D(1)(y)])
    x = layers.SpatialDropout2D(0.1)(layers.ReLU(max_value=6.0)(x))
    x = layers.Permute((2, 1, 3))(layers.Resizing(8, 8)(x))
    x = layers.Dropout(0.1)(layers.Dense(4, activation="relu")(layers.Flatten()(x)))
    return keras.Model(picture, layers.Dense(1)(x))


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5"])
def test_what_keras_3_saves_is_rebuilt_the_same(tmp_path: Path, name: str) -> None:
    network = every_layer()
    rng = np.random.default_rng(1)
    for one in network.layers:
        if not isinstance(one, keras.layers.Normalization):  # has what it was adapted to
            drawn = [np.abs(rng.normal(0, 0.3, w.shape)) for w in one.get_weights()]
            one.set_weights(drawn)
    if name == "m.weights.h5":
        network.save_weights(tmp_path / name)
        (tmp_path / "model.json").write_text(network.to_json())
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras advises against h5
            network.save(tmp_path / name)
    expected = np.asarray(network(PICTURES, training=False))
    np.testing.assert_allclose(answers(tmp_path / name), expected, rtol=1e-4, atol=1e-4)


def test_weights_are_found_by_order_where_names_were_counted_on(tmp_path: Path) -> None:
    path = small_model(tmp_path / "a.h5")
    description = read_model_file(path).description
    renamed = {f"{name}_7": weights for name, weights in small_weights().items()}
    other = write_model(tmp_path / "b.h5", description, renamed)
    np.testing.assert_array_equal(answers(path), answers(other))


def test_resizing_in_a_lambda_is_the_same_linear_map(tmp_path: Path) -> None:
    layers = [
        layer("Lambda", "small", batch_input_shape=[None, 16, 32, 3],
              function=[MARSHALLED["3.7"]["K.tf.image.resize(x, [66, 200])"], None, None]),
        layer("Lambda", "grey",
              function=[MARSHALLED["3.7"]["tf.image.rgb_to_grayscale(x)"], None, None]),
        layer("Flatten", "flat"),
    ]  # fmt: skip
    grey = PICTURES @ np.array([[0.2989], [0.5870], [0.1140]], np.float32)
    path = write_sequential(tmp_path / "m.h5", layers, {}, version="2.4.0")
    expected = np.asarray(keras.ops.image.resize(grey, (66, 200))).reshape(3, -1)
    np.testing.assert_allclose(answers(path), expected, rtol=1e-4, atol=1e-2)
    # TensorFlow 1 took every pixel from its upper left corner.
    path = write_sequential(tmp_path / "m1.h5", layers, {}, version="2.2.4")
    first = answers(path).reshape(3, 66, 200)
    np.testing.assert_allclose(first[:, 0, 0], grey[:, 0, 0, 0], rtol=1e-4)
    assert np.abs(first.reshape(3, -1) - expected).max() > 1


def test_all_unknown_layers_are_named_at_once(tmp_path: Path) -> None:
    layers = [
        layer("Flatten", "flat", batch_input_shape=[None, 16, 32, 3]),
        layer("LSTM", "memory", units=3),
        layer("Mine>Conv2D", "mine"),
        layer("TimeDistributed", "steps"),
    ]
    path = write_sequential(tmp_path / "m.h5", layers, {})
    with pytest.raises(
        LegacyError, match=r"3 layers.*memory \(LSTM\), mine \(Mine>Conv2D\), steps \(Time"
    ):
        answers(path)


def test_a_lambda_that_is_not_known_is_refused_by_name_and_can_be_told(tmp_path: Path) -> None:
    planted = Path("/tmp/ghostlap-was-here")
    source = "open('/tmp/ghostlap-was-here', 'w')"
    for version, codes in MARSHALLED.items():
        layers = [
            layer("Lambda", "prepare", batch_input_shape=[None, 16, 32, 3], arguments={},
                  function=[codes[source], None, None], function_type="lambda"),
            layer("Flatten", "flat"),
            layer("Dense", "out", units=1, use_bias=False),
        ]  # fmt: skip
        weights = {"prepare": [], "flat": [], "out": [draw(1, 16 * 32 * 3, 1)]}
        path = write_sequential(tmp_path / f"{version}.h5", layers, weights)
        with pytest.raises(LegacyError, match=r"of prepare, .*--lambda prepare=SCALE,OFFSET"):
            answers(path)
        assert not planted.exists()
    found = answers(path, prepare=Affine(1 / 255, -0.5))
    expected = (PICTURES / 255 - 0.5).reshape(3, -1) @ weights["out"][0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(LegacyError, match="--lambda other: the network has no Lambda layer"):
        answers(path, prepare=Affine(1, 0), other=Affine(1, 0))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"filters": 5}, r"conv \(Conv2D\): its weights.*\(3, 3, 3, 4\), \(4,\).*\(3, 3, 3, 5\)"),
        ({"filters": 10**9}, "filters must be a whole number from 1 to"),
        ({"kernel_size": [3, 3, 3]}, "kernel_size must be two whole numbers"),
        ({"strides": 0}, "strides must be a whole number from 1"),
        ({"padding": "causal"}, "padding must be valid or same. Got 'causal'"),
        ({"use_bias": False}, "it has 1 weights by the description, but 2 in the file"),
        ({"activation": "my_function"}, "activation 'my_function' is not one of Keras' own"),
        ({"activation": {"class_name": "X", "config": {}}}, "is not one of Keras' own"),
        ({"batch_input_shape": [None, None, None, 3]}, "fixed height, width and channels"),
        ({"batch_input_shape": [None, 16, 32, 7]}, "1 or 3 channels"),
        ({"batch_input_shape": [None, 10**9, 10**9, 3]}, "each at most 4096"),
        ({"batch_input_shape": [None, 2, 2, 3]}, "cannot be built as it is described"),
        ({"data_format": "channels_first"}, "1 or 3 channels"),
        ({"data_format": "sideways"}, "channels in the same place"),
        ({"dilation_rate": "x"}, "dilation_rate must be a whole number"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_the_description_are_refused(
    tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    path = tmp_path / "m.h5"
    description = read_model_file(small_model(path)).description
    config = description["config"]["layers"][0]["config"]
    config.update(changes)
    write_model(path, description, small_weights())
    with pytest.raises(LegacyError, match=word):
        answers(path)


def test_networks_too_large_for_their_files_are_not_built(tmp_path: Path) -> None:
    layers = [
        layer("ZeroPadding2D", f"pad{i}", batch_input_shape=[None, 16, 32, 3], padding=500)
        for i in range(9)
    ]
    path = write_sequential(tmp_path / "m.h5", layers, {})
    with pytest.raises(LegacyError, match="more than a pilot needs"):
        answers(path)
    layers = [
        layer("Flatten", "f", batch_input_shape=[None, 4000, 2000, 3]),
        layer("Dense", "out", units=1_000_000),
    ]
    path = write_sequential(tmp_path / "n.h5", layers, {"f": [], "out": [draw(1, 2, 2)] * 2})
    with pytest.raises(LegacyError, match=r"\(24000000, 1000000\)"):
        answers(path)


@pytest.mark.parametrize(
    ("description", "word"),
    [
        ({"class_name": "Mine", "config": {}}, "Got class 'Mine'"),
        ({}, "Got class 'None'"),
        ({"class_name": "Sequential", "config": {"layers": []}}, "from 1 to 1000 layers. Got 0"),
        ({"class_name": "Sequential", "config": 3}, "Got NoneType|Got int"),
        ({"class_name": "Sequential", "config": [3]}, "layer 0 must have a class_name"),
        ({"class_name": "Sequential", "config": [layer("Flatten", "a")] * 2}, "Got a twice"),
        ({"class_name": "Model", "config": []}, "config must be an object"),
        (functional([node("InputLayer", "a"), node("Flatten", "b", "c")], "b"), "not in it: c"),
        (functional([node("InputLayer", "a"), node("Flatten", "b", "a")]), "not in it"),
        (functional([node("InputLayer", "a"), node("InputLayer", "b")], "a"), "of 2 inputs: a, b"),
        (functional([node("InputLayer", "a", batch_input_shape=[None, 8, 8, 3]),
                     node("Flatten", "b", "c"), node("Flatten", "c", "b")], "b"), "each other"),
    ],
)  # fmt: skip
def test_descriptions_that_are_none_are_refused(
    tmp_path: Path, description: dict[str, Any], word: str
) -> None:
    path = write_model(tmp_path / "m.h5", description, {})
    with pytest.raises(LegacyError, match=word):
        answers(path)


def mutated(rng: np.random.Generator, value: Any) -> Any:
    """A description with something in it exchanged."""
    odd: list[Any] = [
        None,
        -1,
        0,
        3,
        10**12,
        1.5,
        float("nan"),
        "",
        "x",
        [],
        {},
        [[1]],
        True,
        "Dense",
        "b",
    ]
    if isinstance(value, dict) and value and rng.random() < 0.95:
        name = str(rng.choice(list(value)))
        if rng.random() < 0.1:
            return {key: one for key, one in value.items() if key != name}
        return {**value, name: mutated(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.95:
        i = int(rng.integers(len(value)))
        return [*value[:i], mutated(rng, value[i]), *value[i + 1 :]]
    return odd[rng.integers(len(odd))]


def test_mutated_descriptions_are_built_or_refused(tmp_path: Path) -> None:
    whole = read_model_file(small_model(tmp_path / "m.h5"))
    refused = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        description = mutated(rng, dict(whole.description))
        if not isinstance(description, dict):
            continue
        file = type(whole)("m", description, "2.2.4", "tensorflow", whole.content)
        try:
            rebuild(file, {}, None)
        except GhostlapError:
            refused += 1
    assert refused > 30


def test_the_samples_compute_what_keras_makes_of_them(shared_data: Path) -> None:
    path = shared_data.parent / "models" / "keras2.4-h5" / "model.h5"
    if not path.is_file():
        pytest.skip(f"no sample model {path}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras 3, about Keras 2
        original = keras.saving.load_model(path, compile=False)
    seen = np.random.default_rng(0).random((8, 66, 200, 3)).astype(np.float32)
    expected = np.asarray(original(seen, training=False))
    np.testing.assert_allclose(answers(path, seen), expected, atol=1e-6)

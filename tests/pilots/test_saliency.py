"""Where a pilot looks: that the graph computes VisualBackProp, for any network and geometry."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from drives import TINY, make_pilot
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from recordings import draw_frame

from ghostlap.base.errors import ImageError, ModelError, PilotError
from ghostlap.data.vision.preprocessing import SEED, Preprocessing
from ghostlap.pilots.backend import keras
from ghostlap.pilots.models import MODELS
from ghostlap.pilots.onnx_check import read_network
from ghostlap.pilots.onnx_runner import Runner
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.pilot_saving import export_onnx, save_pilot
from ghostlap.pilots.saliency import SALIENCY_FILE, SALIENCY_OUTPUT, Saliency, overlay
from ghostlap.pilots.saliency_graph import write_saliency_graph
from ghostlap.reports.explain.checks import compare, shuffled_network
from ghostlap.training.fit import TrainResult

layers = keras.layers

# The same by another way: in numpy, from Keras's own activations, window by window.


def user_network(input_shape: tuple[int, int, int], outputs: int) -> Any:
    """Pooling, padding and strides that do not come out even."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Rescaling(2.0, offset=-1.0),
            layers.ZeroPadding2D(((3, 0), (0, 2))),
            layers.Conv2D(6, (5, 3), strides=(2, 3), activation="relu"),
            layers.MaxPooling2D(2),
            layers.SeparableConv2D(5, 3, padding="same", activation="swish"),
            layers.BatchNormalization(),
            layers.Cropping2D(((2, 0), (0, 1))),
            layers.Conv2D(7, 4, strides=3, padding="same"),
            layers.Activation("tanh"),
            layers.AveragePooling2D((1, 2), padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(outputs),
        ]
    )


CONVOLUTIONS = ("Conv2D", "SeparableConv2D")
MOVES_PIXELS = (*CONVOLUTIONS, "MaxPooling2D", "AveragePooling2D", "Cropping2D", "ZeroPadding2D")


def reference(network: Any, seen: NDArray[np.float32]) -> NDArray[np.float64]:
    """VisualBackProp of a chain of layers, for one picture; shape ``(height, width)``."""
    tensors = [seen[None]]
    for layer in network.layers:
        tensors.append(np.asarray(keras.ops.convert_to_numpy(layer(tensors[-1], training=False))))
    names = [type(layer).__name__ for layer in network.layers]

    def last_moving(end: int) -> str:
        """The last layer before ``end`` that does more than change each pixel by itself."""
        return next((name for name in reversed(names[:end]) if name in MOVES_PIXELS), "")

    mask: NDArray[np.float64] | None = None
    for i in reversed(range(len(names))):
        layer, above = network.layers[i], tensors[i]
        if mask is None:
            if tensors[i + 1].ndim != 4 or last_moving(i + 1) not in CONVOLUTIONS:
                continue
            mask = normalised(mean_activation(tensors[i + 1]))
        if names[i] not in MOVES_PIXELS:
            continue
        mask = moved_up(layer, names[i], mask, above)
        if last_moving(i) in CONVOLUTIONS:
            mask = normalised(mask * mean_activation(above))
    assert mask is not None
    return normalised(mask)


def moved_up(
    layer: Any, name: str, mask: NDArray[np.float64], above: NDArray[Any]
) -> NDArray[np.float64]:
    """The mask of a layer's output, over the pixels of its input."""
    size = above.shape[1:3]
    if name == "Cropping2D":
        (top, _), (left, _) = layer.cropping
        wider = np.zeros(size)
        wider[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        return wider
    if name == "ZeroPadding2D":
        (top, _), (left, _) = layer.padding
        return mask[top : top + size[0], left : left + size[1]]
    if name == "SeparableConv2D":  # two convolutions, and the first one's output is looked at
        first = keras.ops.depthwise_conv(above, layer.depthwise_kernel, 1, "same")
        mask = mask * mean_activation(keras.ops.convert_to_numpy(first))
        return spread(normalised(mask), size, layer.kernel_size, (1, 1), "same")
    kernel = layer.kernel_size if name == "Conv2D" else layer.pool_size
    return spread(mask, size, kernel, layer.strides, layer.padding)


def normalised(mask: NDArray[np.float64]) -> NDArray[np.float64]:
    return mask / mask.max()


def mean_activation(tensor: NDArray[Any]) -> NDArray[np.float64]:
    """Of channels last, over the channels, of what is above 0."""
    return np.asarray(np.maximum(tensor[0], 0).mean(axis=-1), np.float64)


def spread(
    mask: NDArray[np.float64],
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
) -> NDArray[np.float64]:
    """Each value over the pixels of its window, as if windows overlapped evenly."""
    begins = []
    for axis in range(2):
        beyond = (mask.shape[axis] - 1) * strides[axis] + kernel[axis] - size[axis]
        begins.append(max(beyond, 0) // 2 if padding == "same" else 0)
    around = 40  # rows and columns of a canvas that holds windows beyond the borders, too
    total, windows = np.zeros((2, size[0] + 2 * around, size[1] + 2 * around))
    for i in range(-kernel[0], mask.shape[0] + kernel[0]):
        for j in range(-kernel[1], mask.shape[1] + kernel[1]):
            top, left = (around + k * step - begin for k, step, begin in zip(
                (i, j), strides, begins, strict=True))  # fmt: skip
            window = np.s_[top : top + kernel[0], left : left + kernel[1]]
            windows[window] += 1
            if 0 <= i < mask.shape[0] and 0 <= j < mask.shape[1]:
                total[window] += mask[i, j]
    inside = np.s_[around : around + size[0], around : around + size[1]]
    return np.asarray(total[inside] / windows[inside], np.float64)


@pytest.mark.parametrize(
    "build", [MODELS["pilotnet_small"], MODELS["pilotnet_bn"], user_network],
    ids=["pilotnet_small", "pilotnet_bn", "user"],
)  # fmt: skip
def test_the_graph_agrees_with_keras(build: Callable[..., Any], tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    network = build((63, 70, 3), 2)
    rng = np.random.default_rng(1)
    for variable in network.weights:  # biases and batch statistics, too
        if len(variable.shape) == 1:
            variable.assign(rng.uniform(0.1, 0.3, variable.shape))
    export_onnx(network, tmp_path / "model.onnx")
    write_saliency_graph(tmp_path / "model.onnx", tmp_path / SALIENCY_FILE)
    both = read_network(tmp_path / SALIENCY_FILE)
    seen = rng.random((2, 63, 70, 3), np.float32)
    answers, found = Runner(both, 1, *both.outputs).run(seen)
    np.testing.assert_allclose(answers, np.asarray(network(seen, training=False)), atol=1e-4)
    assert found.shape == (2, 1, 63, 70)
    for picture, one in zip(seen, found[:, 0], strict=True):
        np.testing.assert_allclose(one, reference(network, picture), atol=1e-3)


# Geometry, for networks that need no Keras: a bright spot on black is found where it is.

SIZE = 48, 64
Nodes = list[onnx.NodeProto]


def write_graph(path: Path, nodes: Nodes, constants: dict[str, Any], last: str) -> Path:
    """A network of these nodes from ``seen`` to ``last``, summed up to one number."""
    tail = [
        helper.make_node("GlobalAveragePool", [last], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "ones"], ["steering"]),
    ]
    graph = helper.make_graph(
        [*nodes, *tail], "handmade",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", *SIZE, 3])],
        [helper.make_tensor_value_info("steering", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(np.asarray(value), name)
         for name, value in {"ones": np.ones((4, 1), np.float32), **constants}.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.save(model, str(path))
    return path


def network(*steps: tuple[str, dict[str, Any]]) -> tuple[Nodes, dict[str, Any], str]:
    """A chain from channels last on; kernels of ones, so that only where counts."""
    nodes = [helper.make_node("Transpose", ["seen"], ["t0"], perm=[0, 3, 1, 2])]
    constants: dict[str, Any] = {}
    channels = 3
    for i, (kind, given) in enumerate(steps):
        inputs, attributes = [f"t{i}"], dict(given)
        if kind == "Conv":
            side = attributes.pop("side", 3)
            constants[f"w{i}"] = np.ones((4, channels, side, side), np.float32)
            inputs.append(f"w{i}")
            channels = 4
        for name in attributes.pop("inputs", []):
            constants[f"{i}{len(inputs)}"] = np.asarray(name)
            inputs.append(f"{i}{len(inputs)}")
        nodes.append(helper.make_node(kind, inputs, [f"t{i + 1}"], **attributes))
    return nodes, constants, f"t{len(steps)}"


CONV: tuple[str, dict[str, Any]] = ("Conv", {"strides": [2, 2]})
NETWORKS = {
    "valid": network(CONV, CONV),
    "same": network(("Conv", {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
                    ("Conv", {"strides": [3, 2], "auto_pad": "SAME_LOWER", "side": 4})),
    "padded": network(("Conv", {"pads": [2, 0, 1, 2], "strides": [2, 3], "side": 5})),
    "dilated": network(("Conv", {"dilations": [2, 3]}), CONV),
    "strided over": network(("Conv", {"side": 1, "strides": [2, 2]}), CONV),
    "pooled": network(CONV, ("Relu", {}), ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2],
                                                       "ceil_mode": 1}), CONV),
    "one pixel kept in three": network(("AveragePool", {"kernel_shape": [3, 3],
                                                        "strides": [3, 3]}), CONV),
    "zeros around": network(("Pad", {"inputs": [np.array([0, 0, 9, 7, 0, 0, 0, 1])]}), CONV),
    "cut": network(("Slice", {"inputs": [np.array([12, 5]), np.array([99, 99]),
                                         np.array([2, 3])]}), CONV),
    "cut from the end": network(("Slice", {"inputs": [np.array([-40]), np.array([-1]),
                                                      np.array([-2])]}), CONV),
    "every second row": network(("Slice", {"inputs": [np.array([0]), np.array([48]), np.array([2]),
                                                      np.array([2])]}), CONV),
    "made larger": network(CONV, ("Resize", {"inputs": [np.array([], np.float32), np.array(
        [1, 1, 2, 1.5], np.float32)], "mode": "nearest"}), CONV),
}  # fmt: skip


def shortcut() -> tuple[Nodes, dict[str, Any], str]:
    """Two ways that meet again, and an activation that is computed with channels last."""
    constants = {
        "first": np.ones((4, 3, 3, 3), np.float32),
        "wide": np.ones((4, 4, 3, 3), np.float32),
        "narrow": np.ones((4, 4, 1, 1), np.float32),
        "two": np.float32(2),
    }
    make = helper.make_node
    nodes = [
        make("Mul", ["seen", "two"], ["twice"]),
        make("Transpose", ["twice"], ["t0"], perm=[0, 3, 1, 2]),
        make("Conv", ["t0", "first"], ["a"], pads=[1, 1, 1, 1]),
        make("Transpose", ["a"], ["last"], perm=[0, 2, 3, 1]),
        make("Elu", ["last"], ["active"]),
        make("Transpose", ["active"], ["b"], perm=[0, 3, 1, 2]),
        make("Conv", ["b", "wide"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        make("Conv", ["b", "narrow"], ["d"], strides=[2, 2]),
        make("Add", ["c", "d"], ["e"]),
        make("Relu", ["e"], ["f"]),
    ]
    return nodes, constants, "f"


@pytest.mark.parametrize("name", [*NETWORKS, "shortcut"])
def test_a_spot_is_salient_where_it_is(name: str, tmp_path: Path) -> None:
    nodes, constants, last = NETWORKS.get(name) or shortcut()
    write_graph(tmp_path / "model.onnx", nodes, constants, last)
    write_saliency_graph(tmp_path / "model.onnx", tmp_path / SALIENCY_FILE)
    runner = Runner(read_network(tmp_path / SALIENCY_FILE), 1, SALIENCY_OUTPUT)
    for row, column in ((18, 15), (24, 40), (33, 51)):
        seen = np.zeros((1, *SIZE, 3), np.float32)
        seen[0, row : row + 4, column : column + 4] = 1
        found = runner.run(seen)[0][0, 0]
        assert found.max() == pytest.approx(1)
        rows, columns = np.indices(SIZE)
        middle = (found * rows).sum() / found.sum(), (found * columns).sum() / found.sum()
        assert middle == pytest.approx((row + 1.5, column + 1.5), abs=3)
        far = np.maximum(np.abs(rows - row), np.abs(columns - column)) > 20
        assert found[far].max() == 0
    black = runner.run(np.zeros((1, *SIZE, 3), np.float32))[0]
    np.testing.assert_array_equal(black, 0)


def test_without_a_convolution_there_is_no_saliency(tmp_path: Path) -> None:
    nodes = [helper.make_node("Transpose", ["seen"], ["t"], perm=[0, 3, 1, 2])]
    path = write_graph(tmp_path / "model.onnx", nodes, {"ones": np.ones((3, 1), np.float32)}, "t")
    with pytest.raises(ModelError, match=r"^model.onnx: the network has no convolution"):
        write_saliency_graph(path, tmp_path / SALIENCY_FILE)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match=r"^model.onnx: no saliency can be computed"):
        write_saliency_graph(path, tmp_path / SALIENCY_FILE)
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]


def test_a_pilot_without_convolutions_is_saved_and_says_so(tmp_path: Path) -> None:
    flat = keras.Sequential([keras.Input(TINY.input_shape), layers.Flatten(), layers.Dense(1)])
    (tmp_path / SALIENCY_FILE).write_bytes(b"of an earlier pilot")
    save_pilot(flat, tmp_path, TINY, ("steering",), {})
    assert "no convolution" in json.loads((tmp_path / "pilot.json").read_text())["no_saliency"]
    assert isinstance(Pilot.load(tmp_path).steer(np.zeros(TINY.frame_shape, np.uint8)), float)
    with pytest.raises(PilotError, match="this pilot has no saliency: .*no convolution"):
        Saliency.load(tmp_path)


# Of a run folder.


def test_a_saved_pilot_says_where_it_looks_and_steers_alike(trained: TrainResult) -> None:
    saliency, pilot = Saliency.load(trained.out), Pilot.load(trained.out)
    frames = np.stack([draw_frame(steering) for steering in (-0.5, 0.0, 0.3)])
    look = saliency.look(frames)
    np.testing.assert_array_equal(look.steering, pilot.steer(frames))
    assert look.maps.shape == (3, 75, 320)
    assert look.maps.dtype == np.float32
    for one in look.maps:
        assert (one.min(), one.max()) == (0, 1)
    np.testing.assert_array_equal(saliency.maps(frames), look.maps)
    alone = saliency.look(frames[1])
    assert isinstance(alone.steering, float)
    assert alone.steering == pytest.approx(float(look.steering[1]), abs=1e-6)
    np.testing.assert_allclose(alone.maps, look.maps[1], atol=1e-4)
    assert saliency.maps(frames[1]).shape == (1, 75, 320)
    assert saliency.maps(frames[:0]).shape == (0, 75, 320)
    with pytest.raises(ImageError, match="a frame must be uint8 of shape"):
        saliency.maps(np.zeros((80, 320, 3), np.uint8))


def test_a_map_follows_the_picture(trained: TrainResult) -> None:
    saliency = Saliency.load(trained.out)
    frame = np.full((160, 320, 3), 128, np.uint8)
    frame[90:110, 60:80] = np.random.default_rng(0).integers(0, 256, (20, 20, 3))
    found = saliency.maps(np.stack([frame, np.roll(frame, 150, axis=1)]))
    within = [one[:, columns].max() for one in found for columns in (np.s_[50:90], np.s_[200:240])]
    assert within[0] > within[1]
    assert within[3] > within[2]


def test_a_network_with_shuffled_weights_has_other_maps(tmp_path: Path) -> None:
    """Of a network that has learned something: it looks for red that is not yellow.

    A network fresh from its random weights is of no use here; shuffled, it is as random as before.
    """
    red = np.zeros((4, 3, 3, 3), np.float32)
    red[:, 0], red[:, 1] = 1, -1
    nodes, constants, last = network(CONV, ("Relu", {}), CONV)
    constants["w0"] = red
    write_graph(tmp_path / "model.onnx", nodes, constants, last)
    write_saliency_graph(tmp_path / "model.onnx", tmp_path / SALIENCY_FILE)
    height, width = SIZE
    spec = Preprocessing(height, width, 0, height, "rgb", 0, height, width)
    described = {"format": 1, "outputs": ["steering"], "preprocessing": dataclasses.asdict(spec)}
    (tmp_path / "pilot.json").write_text(json.dumps(described))
    frames = np.random.default_rng(0).integers(0, 256, (4, *SIZE, 3)).astype(np.uint8)
    frames[:, 10:24, 8:24, 1] //= 8
    frames[:, 28:40, 36:56, 0] //= 8
    saliency = Saliency.load(tmp_path)
    maps = saliency.maps(frames)
    assert maps[:, 12:22, 10:22].mean() > 5 * maps[:, 30:38, 38:54].mean()
    other = shuffled_network(tmp_path, saliency, seed=0)
    found = compare(maps, other.maps(frames))
    assert found["rank_correlation"] < 0.6
    assert found["overlap_of_top_tenth"] < 0.9
    assert not np.array_equal(other.look(frames).steering, saliency.look(frames).steering)
    assert compare(maps, maps)["rank_correlation"] == pytest.approx(1)


def test_what_is_missing_or_broken_is_said(trained: TrainResult, tmp_path: Path) -> None:
    with pytest.raises(PilotError, match="no such run folder"):
        Saliency.load(tmp_path / "nowhere")
    shutil.copy(trained.out / "pilot.json", tmp_path)
    path = tmp_path / SALIENCY_FILE
    with pytest.raises(PilotError, match=r"holds no saliency.onnx.*explain .* REC' makes it"):
        Saliency.load(tmp_path)
    path.write_bytes((trained.out / SALIENCY_FILE).read_bytes()[:5000])
    with pytest.raises(PilotError, match=r"cannot be read .*Remove it; 'ghostlap explain"):
        Saliency.load(tmp_path)
    shutil.copy(trained.out / "model.onnx", path)
    with pytest.raises(PilotError, match="is not of the pilot there"):
        Saliency.load(tmp_path)
    shutil.copy(make_pilot(tmp_path / "tiny", 0.0) / "pilot.json", tmp_path)
    shutil.copy(trained.out / SALIENCY_FILE, path)
    with pytest.raises(PilotError, match=r"pictures of \(66, 200, 3\).*expected were \(8, 16, 3\)"):
        Saliency.load(tmp_path)


def test_looking_needs_no_training_framework(trained: TrainResult) -> None:
    code = (
        "import sys, numpy; from ghostlap.pilots.saliency import Saliency;"
        f"Saliency.load({str(trained.out)!r}).maps(numpy.zeros((160, 320, 3), 'uint8'));"
        "heavy = set('keras tensorflow pandas matplotlib'.split()) & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# The overlay.


def test_an_overlay_glows_on_any_ground_and_leaves_the_rest() -> None:
    rng = np.random.default_rng(0)
    for ground in ((120, 141, 80), (136, 134, 117), (20, 20, 20), (235, 235, 235)):
        noise = rng.integers(-10, 11, (160, 320, 1))
        frame = np.clip(np.array(ground) + noise, 0, 255).astype(np.uint8)
        before = frame.copy()
        ramp = np.tile(np.linspace(0, 1, 320, dtype=np.float32), (75, 1))
        shown = overlay(frame, ramp, SEED)
        np.testing.assert_array_equal(frame, before)
        assert shown.dtype == np.uint8
        np.testing.assert_array_equal(shown[:60], frame[:60])
        np.testing.assert_array_equal(shown[135:], frame[135:])
        redness = shown[60:135].astype(int)[..., 0] - shown[60:135].astype(int)[..., 2]
        steps = redness.reshape(75, 8, 40).mean(axis=(0, 2))
        assert steps[-1] > steps[0] + 60
        brightness = shown[60:135, 300:].mean()
        unlit = overlay(frame, np.zeros((75, 320), np.float32), SEED)
        assert brightness > unlit[60:135].mean() or ground[0] > 200
    np.testing.assert_array_equal(overlay(frame, ramp[None], SEED), shown)
    with pytest.raises(ImageError, match="a frame must be"):
        overlay(frame[:100], ramp, SEED)

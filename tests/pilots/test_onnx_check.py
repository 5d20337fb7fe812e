"""Only networks whose work and memory are known and bounded come to run."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from small_pilot import make_pilot

from ghostlap.base.errors import PilotError
from ghostlap.commands.explain import explain
from ghostlap.data.vision.preprocessing import SEED
from ghostlap.pilots.backend import keras
from ghostlap.pilots.models import MODELS
from ghostlap.pilots.onnx_check import MAX_VALUES, check_network
from ghostlap.pilots.onnx_runner import Runner
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.pilot_saving import export_onnx
from ghostlap.pilots.run_folder import BUILT_IN
from ghostlap.reports.explain.config import ExplainConfig

layers = keras.layers
node = helper.make_node


def network(
    *nodes: Any,
    constants: dict[str, Any] | None = None,
    input_shape: tuple[int | str, ...] = ("n", 4, 6, 3),
    kind: int = TensorProto.FLOAT,
    more_inputs: tuple[str, ...] = (),
    last: str = "y",
) -> onnx.ModelProto:
    """A network that answers the mean of tensor ``last``."""
    values = {"axes": np.array([1, 2, 3]), **(constants or {})}
    end = [node("ReduceMean", [last], ["mean"], axes=[1, 2, 3]), node("Flatten", ["mean"], ["out"])]
    inputs = [helper.make_tensor_value_info("x", kind, input_shape)]
    inputs += [helper.make_tensor_value_info(one, kind, [1]) for one in more_inputs]
    graph = helper.make_graph(
        [*nodes, *end],
        "g",
        inputs,
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def refused(model: onnx.ModelProto, match: str) -> None:
    with pytest.raises(PilotError, match=rf"model.onnx: cannot be driven with: .*{match}"):
        check_network(model.SerializeToString(), "model.onnx")


def plain() -> onnx.ModelProto:
    return network(node("Identity", ["x"], ["y"]))


def test_a_plain_network_passes_and_answers() -> None:
    checked = check_network(plain().SerializeToString(), "model.onnx")
    assert (checked.input, checked.input_shape, checked.outputs) == (
        "x",
        (4, 6, 3),
        {"out": (1, 1)},
    )
    answers = Runner(checked, 1).run(np.ones((5, 4, 6, 3), np.float32))
    np.testing.assert_array_equal(answers[0], np.ones((5, 1)))


def body(*nodes: Any, inputs: list[Any], outputs: list[Any]) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "body", inputs, outputs)


def endless_loop() -> onnx.ModelProto:
    flag = helper.make_tensor_value_info("go", TensorProto.BOOL, [])
    again = helper.make_tensor_value_info("again", TensorProto.BOOL, [])
    count = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    value = helper.make_tensor_value_info("v", TensorProto.FLOAT, None)
    same = helper.make_tensor_value_info("same", TensorProto.FLOAT, None)
    inner = body(
        node("Identity", ["go"], ["again"]), node("Identity", ["v"], ["same"]),
        inputs=[count, flag, value], outputs=[again, same],
    )  # fmt: skip
    return network(node("Loop", ["", "yes", "x"], ["y"], body=inner), constants={"yes": True})


def expanded(*shape: int) -> onnx.ModelProto:
    return network(
        node("Expand", ["one", "shape"], ["large"]),
        node("ReduceSum", ["large"], ["sum"]),
        node("Add", ["x", "sum"], ["y"]),
        constants={"one": np.ones((1, 1), np.float32), "shape": np.array(shape)},
    )


def external() -> onnx.ModelProto:
    model = network(node("Add", ["x", "w"], ["y"]), constants={"w": np.ones(3, np.float32)})
    weight = next(one for one in model.graph.initializer if one.name == "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    return model


def with_function() -> onnx.ModelProto:
    model = network(node("Twice", ["x"], ["y"], domain="own"))
    model.functions.append(
        helper.make_function(
            "own",
            "Twice",
            ["a"],
            ["b"],
            [node("Add", ["a", "a"], ["b"])],
            [helper.make_opsetid("", 17)],
        )
    )
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def of_what_is_seen() -> onnx.ModelProto:
    """As large as the picture is bright."""
    return network(
        node("ReduceSum", ["x"], ["bright"], keepdims=0),
        node("Cast", ["bright"], ["whole"], to=TensorProto.INT64),
        node("Reshape", ["whole", "one"], ["count"]),
        node("ConstantOfShape", ["count"], ["large"]),
        node("ReduceSum", ["large"], ["sum"]),
        node("Add", ["x", "sum"], ["y"]),
        constants={"one": np.array([1])},
    )


def doubled_axes() -> onnx.ModelProto:
    """Each Gather adds as many axes as there are."""
    nodes = [node("Gather", [f"i{k}", f"i{k}"], [f"i{k + 1}"]) for k in range(30)]
    return network(
        *nodes, node("Identity", ["x"], ["y"]), constants={"i0": np.zeros((1, 1, 1), np.int64)}
    )


def doubled_list() -> onnx.ModelProto:
    """Each Concat makes a list twice as long."""
    nodes = [node("Concat", [f"s{k}", f"s{k}"], [f"s{k + 1}"], axis=0) for k in range(40)]
    return network(node("Shape", ["x"], ["s0"]), *nodes, node("Identity", ["x"], ["y"]))


def much_work() -> onnx.ModelProto:
    """A thousand products of one large matrix with itself, in a small file."""
    square = [node("MatMul", [f"m{k}", f"m{k}"], [f"m{k + 1}"]) for k in range(100)]
    return network(
        node("Expand", ["one", "shape"], ["m0"]), *square,
        node("ReduceSum", ["m100"], ["sum"]), node("Add", ["x", "sum"], ["y"]),
        constants={"one": np.ones((1, 1), np.float32), "shape": np.array([700, 700])},
    )  # fmt: skip


def much_contracted() -> onnx.ModelProto:
    return network(
        node("Expand", ["one", "shape"], ["m"]),
        node("Einsum", ["m", "m", "m"], ["e"], equation="ab,cd,ef->"),
        node("Add", ["x", "e"], ["y"]),
        constants={"one": np.ones((1, 1), np.float32), "shape": np.array([200, 200])},
    )


def with_texts() -> onnx.ModelProto:
    text = onnx.TensorProto(data_type=TensorProto.STRING, dims=[1], string_data=[b"a"])
    return network(node("Constant", [], ["text"], value=text), node("Identity", ["x"], ["y"]))


def in_the_name_of_another() -> onnx.ModelProto:
    return network(node("FusedConv", ["x"], ["y"], domain="com.microsoft"))


def claimed() -> onnx.ModelProto:
    """It says itself that what cannot be known is small."""
    model = of_what_is_seen()
    model.graph.value_info.append(helper.make_tensor_value_info("large", TensorProto.FLOAT, [1]))
    return model


def condition() -> onnx.ModelProto:
    out = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    branch = body(node("Constant", [], ["b"], value_float=1.0), inputs=[], outputs=[out])
    return network(
        node("If", ["yes"], ["s"], then_branch=branch, else_branch=branch),
        node("Add", ["x", "s"], ["y"]), constants={"yes": True},
    )  # fmt: skip


def answer_of(shape_of_output: int, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    model = plain()
    del model.graph.node[-1]
    model.graph.node.append(
        node("Cast", ["mean"], ["out"], to=kind)
        if shape_of_output == 4
        else node("ReduceMean", ["mean"], ["out"], keepdims=0)
    )
    return model


ATTACKS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "endless loop": (endless_loop, "operator 'Loop'"),
    "condition": (condition, "operator 'If'"),
    "8 GB": (lambda: expanded(50_000, 40_000), "makes 2,000,000,000 values of one picture"),
    "overflowing": (lambda: expanded(2**62, 8), "(makes|cannot be known)"),
    "as large as what is seen": (of_what_is_seen, "cannot be known"),
    "claimed to be small": (claimed, "cannot be known"),
    "axes doubled": (doubled_axes, "cannot be (known|read)"),
    "list doubled": (doubled_list, "(cannot be known|makes)"),
    "work": (much_work, "multiplications"),
    "contracted": (much_contracted, "multiplications"),
    "file of its own": (external, "lie in another file"),
    "functions": (with_function, "functions"),
    "texts": (with_texts, "no array of numbers"),
    "other operators": (in_the_name_of_another, "'com.microsoft.FusedConv'"),
    "no input": (lambda: network(node("Identity", ["w"], ["y"]), constants={
        "w": np.ones((1, 1, 1, 1), np.float32), "x": np.ones(1, np.float32)}), "it has 0 inputs"),
    "two inputs": (lambda: network(node("Add", ["x", "z"], ["y"]), more_inputs=("z",)), "2 inputs"),
    "bytes in": (lambda: network(node("Cast", ["x"], ["y"], to=1), kind=TensorProto.UINT8),
                 "its input must be 32-bit pictures"),
    "sides unknown": (lambda: network(node("Identity", ["x"], ["y"]),
                                      input_shape=("n", "h", 6, 3)), "of a known size"),
    "a number out": (lambda: answer_of(0), r"of shape \(n, outputs\), and is of kind 1"),
    "four axes out": (lambda: answer_of(4), r"of shape \(n, outputs\), and is of kind 1"),
    "many nodes": (lambda: network(*[node("Relu", ["x"], [f"r{k}"]) for k in range(10_001)],
                                   node("Identity", ["x"], ["y"])), "10,000 nodes"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_network_that_is_not_bounded_is_refused_before_it_runs(
    attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a session was made")

    monkeypatch.setattr(onnxruntime, "InferenceSession", never)
    make, match = ATTACKS[attack]
    refused(make(), match)


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_an_answer_of_another_kind_is_refused(kind: int) -> None:
    model = plain()
    model.graph.node.append(node("Cast", ["out"], ["cast"], to=kind))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("cast", kind, ["n", 1]))
    refused(model, "must be 32-bit numbers")


def test_a_pilot_with_a_network_of_that_kind_says_so(tmp_path: Path) -> None:
    make_pilot(tmp_path)
    (tmp_path / "model.onnx").write_bytes(endless_loop().SerializeToString())
    with pytest.raises(PilotError, match=r"model.onnx: cannot be driven with: .*'Loop'"):
        Pilot.load(tmp_path)


def test_what_onnx_runtime_would_take_for_its_own_format_is_refused() -> None:
    model = plain()
    model.ir_version, model.producer_name = 8, "ORTM"
    data = b"\x12\x06xxORTM" + model.SerializeToString()
    assert data[4:8] == b"ORTM"
    checked = check_network(data, "model.onnx")
    assert Runner(checked, 1).run(np.ones((1, 4, 6, 3), np.float32))[0].shape == (1, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x3a\x80\x80\x80\x01" + b"\x0a\x00" * 1_048_576,  # a graph of a million empty nodes
        b"\x3a\x80\x80\x80\x01" + b"\x2a\x00" * 1_048_576,  # of weights
        b"\x3a\x82\x80\x80\x04" + b"\x6a\xfc\xff\xff\x03" + bytes(8_388_604 - 7),  # of nothing
    ],
)
def test_a_file_of_a_million_empty_things_is_counted_before_objects_are_made(data: bytes) -> None:
    with pytest.raises(PilotError, match="cannot be (driven with: it h|read)"):
        check_network(data, "model.onnx")


def test_a_damaged_network_is_refused_and_never_a_traceback() -> None:
    whole = (BUILT_IN / "generalist" / "model.onnx").read_bytes()
    rng = random.Random(0)
    runs = 0
    for _ in range(60):
        damaged = bytearray(whole)
        # Most of it is weights; what says something begins and ends it.
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.choice([rng.randrange(3000), rng.randrange(len(whole))])] = rng.randrange(
                256
            )
        with contextlib.suppress(PilotError):
            checked = check_network(bytes(damaged), "model.onnx")
            runner = Runner(checked, 1)
            runs += runner.run(np.zeros((1, *checked.input_shape), np.float32))[0].shape[0]
    assert runs  # some damage is to weights alone


def test_a_network_that_takes_one_picture_at_a_time_is_shown_one_at_a_time() -> None:
    fixed = network(
        node("Reshape", ["x", "shape"], ["y"]), constants={"shape": np.array([1, 6, 4, 3])}
    )
    of_one = network(node("Identity", ["x"], ["y"]), input_shape=(1, 4, 6, 3))
    seen = np.arange(3 * 72, dtype=np.float32).reshape(3, 4, 6, 3)
    for model in (fixed, of_one):
        checked = check_network(model.SerializeToString(), "model.onnx")
        assert checked.at_once == 1
        np.testing.assert_allclose(Runner(checked, 1).run(seen)[0][:, 0], seen.mean(axis=(1, 2, 3)))


def test_no_more_pictures_are_shown_at_once_than_fit() -> None:
    checked = check_network(plain().SerializeToString(), "model.onnx")
    assert checked.at_once == MAX_VALUES // (4 * 6 * 3 + 2)


def test_a_network_that_fails_while_it_runs_is_an_error_of_ours() -> None:
    model = network(
        node("ReduceSum", ["x"], ["bright"], keepdims=0),
        node("Cast", ["bright"], ["place"], to=TensorProto.INT64),
        node("Gather", ["w", "place"], ["s"]), node("Add", ["x", "s"], ["y"]),
        constants={"w": np.ones(3, np.float32)},
    )  # fmt: skip
    runner = Runner(check_network(model.SerializeToString(), "model.onnx"), 1)
    runner.run(np.zeros((1, 4, 6, 3), np.float32))
    with pytest.raises(PilotError, match=r"model.onnx: fails on a picture"):
        runner.run(np.ones((1, 4, 6, 3), np.float32))


# What people's networks are made of.


def attention(x: Any) -> Any:
    x = layers.Reshape((-1, 8))(layers.Conv2D(8, 5, strides=4)(x))
    return layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(x, x))


def squeezed(x: Any) -> Any:
    x = layers.Conv2D(8, 3, strides=2, activation="swish")(x)
    gate = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, gate])


BLOCKS: dict[str, Callable[[Any], Any]] = {
    "enlarged": lambda x: layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(4, 3)(x)),
    "transposed": lambda x: layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x),
    "separable": lambda x: layers.SeparableConv2D(8, 3, padding="same", activation="relu6")(x),
    "normal": lambda x: layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x)),
    "grouped": lambda x: layers.GroupNormalization(2)(layers.Conv2D(4, 3)(x)),
    "attention": attention,
    "squeezed": squeezed,
    "cropped": lambda x: layers.ZeroPadding2D(3)(layers.Cropping2D(((5, 2), (0, 1)))(x)),
    "permuted": lambda x: layers.Permute((2, 1, 3))(layers.LeakyReLU()(layers.MaxPooling2D()(x))),
    "resized": lambda x: layers.Resizing(32, 64)(layers.Rescaling(2.0, offset=-1.0)(x)),
    "dilated": lambda x: layers.Conv2D(4, 3, activation="mish", dilation_rate=2)(x),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_what_networks_are_usually_made_of_passes(name: str, tmp_path: Path) -> None:
    picture = keras.Input((24, 40, 3))
    x = layers.Dense(1)(layers.Flatten()(BLOCKS[name](picture)))
    model = keras.Model(picture, x)
    export_onnx(model, tmp_path / "model.onnx")
    checked = check_network((tmp_path / "model.onnx").read_bytes(), name)
    seen = np.random.default_rng(0).random((3, 24, 40, 3), np.float32)
    answers = Runner(checked, 1).run(seen)[0]
    np.testing.assert_allclose(answers, np.asarray(model(seen, training=False)), atol=1e-4)
    assert checked.at_once > 1


@pytest.mark.parametrize("name", MODELS)
def test_the_networks_that_come_along_pass(name: str, tmp_path: Path) -> None:
    export_onnx(MODELS[name](SEED.input_shape, 1), tmp_path / "model.onnx")
    assert check_network((tmp_path / "model.onnx").read_bytes(), name).at_once >= 16


# What pilot.json says.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("blur_px", 10**9 + 1), ("blur_px", 4), ("blur_px", -3), ("blur_px", "3"),
        ("crop_top_px", 1.5), ("crop_top_px", True), ("crop_bottom_px", None),
        ("height_px", 10**6), ("width_px", [1]), ("frame_width_px", 10**30),
        ("divide_by", "255"), ("divide_by", 1e-300), ("divide_by", {}), ("offset", 1e300),
        ("colour", 3), ("colour", ["yuv"]), ("colour", "lab"), ("colour", "\ud800"),
    ],
)  # fmt: skip
def test_preprocessing_of_another_type_or_size_is_refused(
    name: str, value: Any, tmp_path: Path
) -> None:
    path = make_pilot(tmp_path) / "pilot.json"
    description = json.loads(path.read_text())
    description["preprocessing"][name] = value
    path.write_text(json.dumps(description))
    with pytest.raises(PilotError, match=r"pilot.json: (Preprocessing: |cannot be read)"):
        Pilot.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000, "{" * 100_000, "null", "[]", "3", '"text"', "", "\ud800", "{",
        '{"format": 1}',
        '{"format": true}', '{"format": NaN}', '{"format": 1e999}',
        '{"format": 1' + "0" * 5000 + "}",
        '{"format": [1]}', '{"format": 1, "outputs": "steering", "preprocessing": {}}',
        '{"format": 1, "outputs": ["steering", ["speed"]], "preprocessing": {}}',
        '{"format": 1, "outputs": ["steering"], "preprocessing": []}',
        '{"format": 1, "outputs": ["steering"], "preprocessing": {}, "training": 3}',
        '{"format": 1, "format": 2}',
    ],
)  # fmt: skip
def test_a_description_that_says_something_else_is_refused(text: str, tmp_path: Path) -> None:
    make_pilot(tmp_path)
    (tmp_path / "pilot.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(PilotError, match=r"pilot.json: "):
        Pilot.load(tmp_path)


def test_a_network_that_answers_another_number_of_things_is_refused(tmp_path: Path) -> None:
    path = make_pilot(tmp_path) / "pilot.json"
    path.write_text(path.read_text().replace('"steering"', '"steering",\n"speed"'))
    with pytest.raises(PilotError, match="answers 1 numbers, pilot.json names 2: steering, speed"):
        Pilot.load(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_answers_that_are_no_finite_numbers_are_nan_and_cannot_be_explained(
    value: float, small_recording: Path, tmp_path: Path
) -> None:
    make_pilot(tmp_path)
    shape = Pilot.load(tmp_path).preprocessing.input_shape
    model = network(
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        node("Conv", ["t", "kernel"], ["c"], strides=[4, 4]),
        node("Mul", ["c", "much"], ["y"]),
        constants={
            "kernel": np.full((2, 3, 5, 5), value, np.float32), "much": np.float32(10),
        },
        input_shape=("n", *shape),
    )  # fmt: skip
    onnx.save(model, tmp_path / "model.onnx")
    assert np.isnan(Pilot.load(tmp_path).steer(np.full((2, 160, 320, 3), 9, np.uint8))).all()
    config = ExplainConfig(tmp_path, (small_recording,), frames=4, video=False)
    with pytest.raises(PilotError, match="are not all numbers .* lower --learning-rate"):
        explain(config, Console(quiet=True))

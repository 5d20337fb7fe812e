"""Networks and descriptions that never end, grow, or are of no pilot."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.attack.mutate import Mutator

_ODD: tuple[Any, ...] = (
    None, True, "", "x", [], {}, -1, 0, 1.5, 10**9, 10**400, "9" * 5000, [[[[[]]]]], 1e308, 2**63,
)  # fmt: skip


def _pilot(nodes: list[Any], shape: list[Any], out: Any = None, inputs: bool = True) -> bytes:
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", 8, 16, 3])]
        if inputs
        else [],
        [out or helper.make_tensor_value_info("steering", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor("big", TensorProto.INT64, [2], [1, 2_000_000_000]),
            helper.make_tensor("many", TensorProto.INT64, [], [2**62]),
            helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def _mean(output: str) -> Any:
    return helper.make_node("ReduceMean", ["seen"], [output], axes=[1, 2, 3], keepdims=0)


def loop() -> bytes:
    """A loop without an end."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["value"], ["value_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value_on", TensorProto.FLOAT, None),
        ],
    )
    looped = helper.make_node("Loop", ["many", "yes", "mean"], ["steering"], body=body)
    return _pilot([_mean("mean"), looped], ["n"])


def expand() -> bytes:
    """An answer of eight gigabytes on the way."""
    grown = helper.make_node("Expand", ["mean", "big"], ["wide"])
    return _pilot(
        [_mean("mean"), grown, helper.make_node("ReduceMax", ["wide"], ["steering"], keepdims=0)],
        [],
    )


def scalar() -> bytes:
    return _pilot([helper.make_node("ReduceMean", ["seen"], ["steering"], keepdims=0)], [])


def words() -> bytes:
    text = helper.make_tensor("text", TensorProto.STRING, [1], [b"left"])  # type: ignore[list-item]
    out = helper.make_tensor_value_info("steering", TensorProto.STRING, [1])
    return _pilot([helper.make_node("Constant", [], ["steering"], value=text)], [1], out)


def no_input() -> bytes:
    half = helper.make_tensor("half", TensorProto.FLOAT, [1, 1], [0.5])
    node = helper.make_node("Constant", [], ["steering"], value=half)
    return _pilot([node], [1, 1], inputs=False)


GRAPHS: dict[str, Callable[[], bytes]] = {
    "loop": loop, "expand": expand, "scalar": scalar, "words": words, "no input": no_input,
}  # fmt: skip


def spoil_graph(path: Path, chance: random.Random) -> str:
    kind = chance.choice((*GRAPHS, "damaged", "external"))
    if kind == "damaged":
        path.write_bytes(Mutator([path.read_bytes()]).draw(chance))
    elif kind == "external":
        model = onnx.load(path)
        weights = model.graph.initializer[0]
        weights.ClearField("float_data")
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        place = weights.external_data.add()
        place.key, place.value = "location", chance.choice(("../../../etc/passwd", "/dev/zero"))
        path.write_bytes(model.SerializeToString())
    else:
        path.write_bytes(GRAPHS[kind]())
    return kind


def spoil_json(path: Path, chance: random.Random) -> str:
    """Another value somewhere in a JSON file, or a file that is none."""
    draw = chance.random()
    if draw < 0.2:
        path.write_bytes(Mutator([path.read_bytes()]).draw(chance))
        return "damaged"
    if draw < 0.25:
        path.write_text("[" * 100_000, encoding="utf-8")
        return "nested"
    values = json.loads(path.read_text(encoding="utf-8"))
    places: list[tuple[Any, Any]] = []

    def collect(one: Any) -> None:
        pairs = list(one.items()) if isinstance(one, dict) else list(enumerate(one))
        for key, inner in pairs:
            places.append((one, key))
            if isinstance(inner, (dict, list)):
                collect(inner)

    collect(values)
    where, key = chance.choice(places)
    value = chance.choice(_ODD)
    where[key] = value
    path.write_text(json.dumps(values), encoding="utf-8")
    return f"{key} = {str(value)[:30]}"


def spoil_h5(path: Path, chance: random.Random) -> str:
    draw = chance.random()
    if draw < 0.6:
        path.write_bytes(Mutator([path.read_bytes()], most_bytes=10**6).draw(chance))
        return "damaged"
    with h5py.File(path, "a") as file:
        if draw < 0.8:
            file.create_dataset("bomb", (10**6, 10**4), "f8", chunks=(1000, 1000), compression=9)
            file["model_weights/conv/again"] = h5py.SoftLink("/model_weights/conv/again")
            return "bomb"
        del file.attrs["model_config"]
        size = chance.choice((10**6, 3 * 10**7))
        file.attrs.create("model_config", np.bytes_(b"[" * 60_000))
        file.create_dataset("large", data=np.zeros(size, np.uint8), compression=9)
    return "nested"


def keras_zip(path: Path, chance: random.Random) -> str:
    """An archive of Keras 3 that is a bomb, climbs out of its folder, or is none."""
    kind = chance.choice(("bomb", "climbing", "cut", "twice"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": []}}
        archive.writestr("metadata.json", '{"keras_version": "3.1.1"}')
        archive.writestr("config.json", json.dumps(config))
        if kind == "bomb":
            archive.writestr("model.weights.h5", b"\0" * 300_000_000)
        elif kind == "climbing":
            archive.writestr("../../../climbed.txt", "x")
            archive.writestr("model.weights.h5", b"x")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[: chance.randrange(1, 300)])
    elif kind == "twice":
        path.write_bytes(path.read_bytes() * 2)
    return kind

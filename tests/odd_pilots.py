"""Pilots whose networks answer what no pilot answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from small_pilot import make_pilot

from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.pilots.run_folder import ONNX_FILE

_MEAN = helper.make_node("ReduceMean", ["seen"], ["mean"], axes=[1, 2], keepdims=0)
_NETWORKS: dict[str, list[NodeProto]] = {
    "a scalar": [helper.make_node("ReduceMean", ["seen"], ["out"], keepdims=0)],
    "three": [_MEAN, helper.make_node("Identity", ["mean"], ["out"])],
    "no axis": [helper.make_node("ReduceMean", ["seen"], ["out"], axes=[1, 2, 3], keepdims=0)],
    "a picture": [helper.make_node("Identity", ["seen"], ["out"])],
    "no number": [
        helper.make_node("ReduceMean", ["seen"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["nothing"]),
        helper.make_node("Div", ["nothing", "nothing"], ["none"]),
        helper.make_node("Reshape", ["none", "column"], ["out"]),
    ],
    "two batches": [
        _MEAN,
        helper.make_node("Concat", ["mean", "mean"], ["twice"], axis=0),
        helper.make_node("ReduceMean", ["twice"], ["out"], axes=[1], keepdims=1),
    ],
    "words": [_MEAN, helper.make_node("Cast", ["mean"], ["out"], to=TensorProto.STRING)],
    "a failure": [
        helper.make_node("Flatten", ["seen"], ["flat"]),
        helper.make_node("Gather", ["flat", "too_far"], ["out"], axis=1),
    ],
}
ODD = tuple(_NETWORKS)
"""What they answer."""


def odd_pilot(folder: Path, answers: str) -> Path:
    """A run folder like that of :func:`small_pilot.make_pilot`, but for its network.

    Args:
        folder: made.
        answers: one of ``ODD``.
    """
    make_pilot(folder)
    kind = TensorProto.STRING if answers == "words" else TensorProto.FLOAT
    graph = helper.make_graph(
        _NETWORKS[answers],
        "odd",
        [
            helper.make_tensor_value_info(
                "seen", TensorProto.FLOAT, ["n", *Preprocessing().input_shape]
            )
        ],
        [helper.make_tensor_value_info("out", kind, None)],
        [
            numpy_helper.from_array(np.array([-1, 1], np.int64), "column"),
            numpy_helper.from_array(np.array([10**9], np.int64), "too_far"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / ONNX_FILE)
    return folder

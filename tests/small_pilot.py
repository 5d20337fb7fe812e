"""A pilot made in no time: it steers by how bright the road is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ghostlap.base.files import write_json
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.pilots.run_folder import FORMAT, ONNX_FILE, PILOT_FILE

GREY = 120
"""Frames of this brightness are steered straight; half of it is half lock to the left."""


def make_pilot(folder: Path) -> Path:
    """Write a run folder whose pilot answers ``(mean - GREY) / GREY`` to an RGB frame."""
    spec = Preprocessing(colour="rgb", blur_px=0)
    folder.mkdir(parents=True, exist_ok=True)
    grey = np.float32(GREY / 255)
    network = helper.make_graph(
        [
            helper.make_node("Flatten", ["seen"], ["flat"], axis=1),
            helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
            helper.make_node("Sub", ["mean", "grey"], ["difference"]),
            helper.make_node("Div", ["difference", "grey"], ["steering"]),
        ],
        "small",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", *spec.input_shape])],
        [helper.make_tensor_value_info("steering", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(np.array([grey]), "grey")],
    )
    model = helper.make_model(network, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / ONNX_FILE)
    description = {
        "format": FORMAT,
        "preprocessing": dataclasses.asdict(spec),
        "outputs": ["steering"],
    }
    write_json(folder / PILOT_FILE, description)
    return folder

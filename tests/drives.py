"""Drives and pilots made by hand, for tests."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from ghostlap.base.files import write_json, write_text
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.driving.evaluation.results import drive_csv
from ghostlap.driving.metrics import Drive, Intervention
from ghostlap.pilots.run_folder import FORMAT, ONNX_FILE, PILOT_FILE

TINY = Preprocessing(
    frame_height_px=24,
    frame_width_px=48,
    crop_top_px=9,
    crop_bottom_px=20,
    height_px=8,
    width_px=16,
)
"""Of the smallest pictures in which a road can still be seen."""


def make_drive(seconds: float = 10.0, interventions: int = 0, **columns: Any) -> Drive:
    """A drive at 20 Hz, straight along the middle at 10 m/s but for ``columns``.

    Args:
        seconds: driven.
        interventions: off the road, spread over the time.
        columns: replace those of the drive; numbers stand for the whole time.
    """
    time_s = np.asarray(columns.pop("time_s", np.arange(round(seconds * 20) + 1) / 20), float)
    rows = len(time_s)
    codes = np.zeros(rows, np.int8)
    codes[np.linspace(1, rows - 2, interventions).astype(int)] = Intervention.OFF_ROAD
    whole: dict[str, Any] = {
        "time_s": time_s,
        "s_m": 10 * time_s,
        "distance_m": 10 * time_s,
        "speed_mph": 22.37,
        "margin_m": 4.0,
        "intervention": codes,
        "pushed": np.zeros(rows, bool),
        "spread": np.nan,
        **columns,
    }
    return Drive(
        **{
            field.name: np.broadcast_to(whole.get(field.name, 0.0), (rows,)).copy()
            for field in dataclasses.fields(Drive)
        }
    )


def save_drive(drive: Drive, path: Path) -> None:
    """Write a drive as an evaluation keeps it."""
    write_text(path, drive_csv(drive))


def make_pilot(
    folder: Path,
    steering: float,
    spec: Preprocessing = TINY,
    *,
    validation: dict[str, float] | None = None,
    **others: float,
) -> Path:
    """A run folder with a pilot that always answers the same steering, whatever it sees.

    A network of three layers written by hand: it looks at the picture, and makes nothing of it.

    Args:
        folder: made.
        steering: the answer.
        spec: preprocessing.
        validation: figures on validation samples, for ``pilot.json``.
        others: further answers, by name, as the network gives them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("ReduceMean", ["seen"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "answer"], ["steering"]),
    ]
    height, width, channels = spec.input_shape
    answers = {"steering": steering, **others}
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", height, width, channels])],
        [helper.make_tensor_value_info("steering", TensorProto.FLOAT, ["n", len(answers)])],
        [
            helper.make_tensor(
                "nothing", TensorProto.FLOAT, [height, len(answers)], [0.0] * height * len(answers)
            ),
            helper.make_tensor("answer", TensorProto.FLOAT, [len(answers)], [*answers.values()]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / ONNX_FILE)
    description: dict[str, Any] = {
        "format": FORMAT,
        "outputs": list(answers),
        "preprocessing": dataclasses.asdict(spec),
    }
    if validation is not None:
        description["metrics"] = {"validation": validation}
    write_json(folder / PILOT_FILE, description)
    return folder


def write_track(path: Path, half_length_m: float = 45.0, half_breadth_m: float = 30.0) -> Path:
    """A CSV of an oval, driven counterclockwise, 8 m wide, of about 240 m."""
    rows = ["# x_m,y_m,w_tr_right_m,w_tr_left_m"]
    for angle in np.arange(80) * (2 * math.pi / 80):
        x_m, y_m = half_length_m * math.cos(angle), half_breadth_m * math.sin(angle)
        rows.append(f"{x_m:.4f},{y_m:.4f},4.0,4.0")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path

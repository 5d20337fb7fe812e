"""A pilot as one ONNX graph with its preprocessing: raw frames in, steering out.

OpenCV computes with integers. The graph uses the same integer coefficients and rounds where OpenCV
does, so that the network's input is the same to the last bit on most machines, and never off by
more than 1 of 255.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, compose, helper

from ghostlap.base.errors import ExchangeError, PilotError
from ghostlap.data.labels import SPEED_UNIT_MPH
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.data.vision.steps import Shape, Step
from ghostlap.pilots.export.onnx_resize import PictureGraph, not_in_onnx, resized
from ghostlap.pilots.onnx_check import read_network

INPUT = "frames"
SEEN = "seen"

PIXEL_TOLERANCE = 1
"""Largest difference of a value from OpenCV's, of 255."""

_SHIFT = 14
_WEIGHT = 1 << _SHIFT
_LUMA = (4899, 9617, 1868)
"""OpenCV's weights of red, green and blue in YUV, in 2^14ths."""
_GREY = (9798, 19235, 3735)
"""OpenCV's weights of red, green and blue in grey, in 2^15ths."""
_U, _V = 8061, 14369
_HSV_SHIFT = 12
_MIDDLE = 128


def preprocessing_graph(spec: Preprocessing, opset: int, ir_version: int) -> Any:
    """The preprocessing as an ONNX model.

    Args:
        opset: version of the operators, 13 or newer.

    Returns:
        A model from ``frames``, ``uint8`` ``(n, height, width, 3)``, RGB, to ``seen``, ``float32``
        ``(n, *spec.input_shape)``.

    Raises:
        ExchangeError: the colour cannot be computed in a graph.
    """
    graph = PictureGraph()
    rows = [graph.constant([row], np.int64) for row in (spec.crop_top_px, spec.crop_bottom_px, 1)]
    cropped = graph.add("Slice", INPUT, *rows)
    as_float = graph.add("Cast", cropped, to=TensorProto.FLOAT)
    planes = graph.add("Transpose", as_float, perm=[0, 3, 1, 2])
    shape = spec.crop_bottom_px - spec.crop_top_px, spec.frame_width_px, 3
    for step in spec.plan:
        after = step.shape(shape)
        if step.kind != "resize" or after != shape:
            planes = _done(graph, planes, step, shape)
        shape = after
    pixels = graph.add("Transpose", planes, perm=[0, 2, 3, 1])
    scaled = graph.add("Div", pixels, graph.constant(spec.divide_by))
    graph.add("Add", scaled, graph.constant(spec.offset), output=SEEN)
    made = helper.make_graph(
        graph.nodes,
        "preprocessing",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", *spec.frame_shape])],
        [helper.make_tensor_value_info(SEEN, TensorProto.FLOAT, ["n", *spec.input_shape])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(made, opset_imports=opsets, ir_version=ir_version)


def _done(graph: PictureGraph, planes: str, step: Step, shape: Shape) -> str:
    whole = [int(number) for number in step.numbers]
    if step.kind == "crop":
        starts, ends = graph.constant(whole[::2], np.int64), graph.constant(whole[1::2], np.int64)
        return graph.add("Slice", planes, starts, ends, graph.constant([2, 3], np.int64))
    if step.kind == "channels":
        return graph.add("Gather", planes, graph.constant(whole, np.int64), axis=1)
    if step.kind == "mix":
        kernel = np.reshape(step.numbers, (1, 3, 1, 1))
        return graph.rounded(graph.add("Conv", planes, graph.constant(kernel)))
    if step.kind in ("blur", "box"):
        return _blurred(graph, planes, step, shape[2])
    if step.kind == "resize":
        return resized(graph, planes, step, shape)
    if step.kind == "colour":
        return _coloured(graph, planes, step)
    raise not_in_onnx(step)


def _coloured(graph: PictureGraph, planes: str, step: Step) -> str:
    """The colours of OpenCV's ``cvtColor`` for bytes, from whole numbers below 2^24."""
    have, wanted = step.name.split("2")
    if have not in ("RGB", "BGR") or wanted not in ("RGB", "BGR", "YUV", "GRAY", "HSV"):
        raise not_in_onnx(step)
    first, second, third = (graph.channel(planes, number) for number in range(3))
    red, green, blue = (first, second, third) if have == "RGB" else (third, second, first)
    if wanted in ("RGB", "BGR"):
        return graph.stacked(*((red, green, blue) if wanted == "RGB" else (blue, green, red)))
    if wanted == "YUV":
        luma = _weighted(graph, (red, green, blue), _LUMA)
        return graph.stacked(
            luma, _difference(graph, blue, luma, _U), _difference(graph, red, luma, _V)
        )
    if wanted == "GRAY":
        return _weighted(graph, (red, green, blue), _GREY)
    saturation, hue, value = _hsv(graph, planes, red, green, blue)
    return graph.stacked(hue, saturation, value)


def _weighted(graph: PictureGraph, planes: Sequence[str], weights: Sequence[int]) -> str:
    parts = [graph.times(plane, weight) for plane, weight in zip(planes, weights, strict=True)]
    return graph.rounded(graph.times(graph.add("Sum", *parts), 1 / sum(weights)))


def _difference(graph: PictureGraph, plane: str, luma: str, weight: int) -> str:
    weighted = graph.times(graph.add("Sub", plane, luma), weight)
    return graph.rounded(graph.times(graph.plus(weighted, _MIDDLE * _WEIGHT), 1 / _WEIGHT))


def _hsv(graph: PictureGraph, planes: str, red: str, green: str, blue: str) -> tuple[str, str, str]:
    """Compute saturation, hue (of 180) and value with OpenCV's reciprocals in 2^12ths."""
    value = graph.add("Max", red, green, blue)
    span = graph.add("Sub", value, graph.add("Min", red, green, blue))

    def part(of: str, numerator: float, divisor: str) -> str:
        safe = graph.add("Max", divisor, graph.constant(1))
        table = graph.add("Round", graph.add("Div", graph.constant(numerator), safe))
        product = graph.times(graph.add("Mul", of, table), 1 / (1 << _HSV_SHIFT))
        return graph.add("Floor", graph.plus(product, 0.5))

    saturation = part(span, 255 * (1 << _HSV_SHIFT), value)
    twice, four = graph.times(span, 2), graph.times(span, 4)
    at_green = graph.add("Add", graph.add("Sub", blue, red), twice)
    at_blue = graph.add("Add", graph.add("Sub", red, green), four)
    is_red, is_green = graph.add("Equal", value, red), graph.add("Equal", value, green)
    sector = graph.add(
        "Where", is_red, graph.add("Sub", green, blue),
        graph.add("Where", is_green, at_green, at_blue),
    )  # fmt: skip
    hue = part(sector, 180 * (1 << _HSV_SHIFT) / 6, span)
    wrapped = graph.add(
        "Where", graph.add("Less", hue, graph.constant(0)), graph.plus(hue, 180), hue
    )
    return saturation, wrapped, value


def _blurred(graph: PictureGraph, planes: str, step: Step, channels: int) -> str:
    """Blur as OpenCV does: edges reflected without their last pixel, rounded once."""
    width, height = (int(side) for side in step.numbers[:2])
    sigmas = step.numbers[2:] or (0, 0)
    across, down = (
        np.full(side, 1 / side)
        if step.kind == "box"
        else cv2.getGaussianKernel(side, sigma, cv2.CV_64F).ravel()
        for side, sigma in zip((width, height), sigmas, strict=True)
    )
    # An even box reaches one pixel further to the left and up.
    before, after = (height // 2, width // 2), ((height - 1) // 2, (width - 1) // 2)
    pads = graph.constant([0, 0, *before, 0, 0, *after], np.int64)
    padded = graph.add("Pad", planes, pads, mode="reflect")
    kernel = np.tile(np.outer(down, across), (channels, 1, 1, 1))
    return graph.rounded(graph.add("Conv", padded, graph.constant(kernel), group=channels))


def with_preprocessing(network: Path, spec: Preprocessing, outputs: Sequence[str]) -> Any:
    """Join a pilot's network with its preprocessing.

    Returns:
        An ONNX model from ``frames``, ``uint8`` ``(n, height, width, 3)``, RGB, to one output
        ``(n, 1)`` for each of ``outputs``: ``steering``, ``speed_mph``, ``steering_std``.

    Raises:
        ExchangeError: they cannot be joined.
    """
    try:
        model = onnx.load_model_from_string(read_network(network).data)
        opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
        model = compose.add_prefix(model, "network/")
        first = preprocessing_graph(spec, opset, model.ir_version)
        whole = compose.merge_models(first, model, io_map=[(SEEN, model.graph.input[0].name)])
        _name_outputs(whole, outputs)
        onnx.checker.check_model(whole, full_check=True)
    except (ExchangeError, PilotError):
        raise
    except Exception as error:  # onnx has no common base class for its errors
        raise ExchangeError(
            f"{network}: cannot be joined with its preprocessing ({type(error).__name__}: {error})."
        ) from error
    return whole


def _name_outputs(model: Any, outputs: Sequence[str]) -> None:
    """Give each answer an output of its own, in the unit of its name."""
    answers = model.graph.output[0].name
    graph = PictureGraph("answer_")
    del model.graph.output[:]
    axis = graph.constant([1], np.int64)
    for number, output in enumerate(outputs):
        bounds = [graph.constant([place], np.int64) for place in (number, number + 1)]
        name = "speed_mph" if output == "speed" else output
        if output == "speed":
            column = graph.add("Slice", answers, *bounds, axis)
            graph.add("Mul", column, graph.constant(SPEED_UNIT_MPH), output=name)
        else:
            graph.add("Slice", answers, *bounds, axis, output=name)
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]))
    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(graph.constants)

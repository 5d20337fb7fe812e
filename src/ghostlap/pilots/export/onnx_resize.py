"""ONNX nodes for pictures, and resizing as OpenCV and Pillow do it, to the last bit."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ghostlap.base.errors import ExchangeError
from ghostlap.data.vision.steps import (
    OPENCV,
    PILLOW_BITS,
    Shape,
    Step,
    pillow_nearest,
    pillow_weights,
)


class PictureGraph:
    """Nodes of a graph in the making; each method adds some and returns the output's name."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"{self.prefix}{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def plus(self, value: str, number: float) -> str:
        return self.add("Add", value, self.constant(number))

    def times(self, value: str, number: float) -> str:
        return self.add("Mul", value, self.constant(number))

    def rounded(self, value: str, dtype: Any = np.float32) -> str:
        """Round to whole numbers, halves up as OpenCV's shifts do, and clip to a byte."""
        whole = self.add("Floor", self.add("Add", value, self.constant(0.5, dtype)))
        return self.add("Clip", whole, self.constant(0, dtype), self.constant(255, dtype))

    def channel(self, planes: str, number: int) -> str:
        """Cut one channel out of ``(n, channels, height, width)``."""
        starts, ends = self.constant([number], np.int64), self.constant([number + 1], np.int64)
        return self.add("Slice", planes, starts, ends, self.constant([1], np.int64))

    def stacked(self, *planes: str) -> str:
        return self.add("Concat", *planes, axis=1)


def not_in_onnx(step: Step) -> ExchangeError:
    return ExchangeError(
        f"The step {str(step)!r} of the preprocessing cannot be computed within an ONNX graph yet. "
        "Export --as tflite or keras, whose input is the preprocessed picture, or drive with "
        "the run folder itself, whose model.onnx takes preprocessed pictures, too."
    )


def resized(graph: PictureGraph, planes: str, step: Step, shape: Shape) -> str:
    wanted = int(step.numbers[1]), int(step.numbers[0])
    if step.name == "linear":
        return _resized_linearly(graph, planes, shape[:2], wanted)
    if step.name in ("nearest", "pillow-nearest"):
        for axis, size in enumerate(shape[:2]):
            line: Any = np.arange(size, dtype=np.uint16)
            if step.name == "nearest":
                places = cv2.resize(
                    line[:, None], (1, wanted[axis]), interpolation=cv2.INTER_NEAREST
                )
            else:
                places = pillow_nearest(size, wanted[axis])
            indices = graph.constant(np.ravel(places), np.int64)
            planes = graph.add("Gather", planes, indices, axis=axis + 2)
        return planes
    if step.name == "area" and (wanted[0] > shape[0] or wanted[1] > shape[1]):
        raise not_in_onnx(step)
    exact = graph.add("Cast", planes, to=TensorProto.DOUBLE)
    pillow = step.name.startswith("pillow")
    for axis in (1, 0):  # Pillow rounds after each, columns first
        if shape[axis] == wanted[axis]:
            continue
        matrix = graph.constant(_matrix(shape[axis], wanted[axis], step.name), np.float64)
        if axis == 1:
            exact = graph.add("MatMul", exact, matrix)
        else:
            exact = graph.add("MatMul", graph.add("Transpose", matrix, perm=[1, 0]), exact)
        if pillow:
            exact = graph.rounded(exact, np.float64)
    rounded = exact if pillow else graph.rounded(exact, np.float64)
    return graph.add("Cast", rounded, to=TensorProto.FLOAT)


def _matrix(size: int, wanted: int, how: str) -> NDArray[np.float64]:
    """Weights of each old pixel in each new one, shape ``(size, wanted)``."""
    if not how.startswith("pillow"):
        one = cv2.resize(np.eye(size, dtype=np.float32), (size, wanted), interpolation=OPENCV[how])
        return np.asarray(one.T, np.float64)
    matrix = np.zeros((size, wanted))
    for places, weights in zip(*pillow_weights(size, wanted, how), strict=True):
        matrix[places, np.arange(wanted)] += weights
    return matrix / (1 << PILLOW_BITS)


def _resized_linearly(
    graph: PictureGraph, planes: str, size: tuple[int, int], wanted: tuple[int, int]
) -> str:
    """Resize linearly as OpenCV does: weights of 11 bits, bits dropped after each step."""
    columns, across = _weights(size[1], wanted[1])
    rows, down = _weights(size[0], wanted[0])
    parts = [
        graph.add(
            "Mul",
            graph.add("Gather", planes, graph.constant(columns[k], np.int64), axis=3),
            graph.constant(across[k]),
        )
        for k in (0, 1)
    ]
    lines = graph.add("Floor", graph.times(graph.add("Add", *parts), 1 / 16))
    # Of 27 bits, which a 32-bit float does not hold.
    exact = graph.add("Cast", lines, to=TensorProto.DOUBLE)
    parts = [
        graph.add(
            "Floor",
            graph.add(
                "Mul",
                graph.add("Gather", exact, graph.constant(rows[k], np.int64), axis=2),
                graph.constant(down[k][:, None] / (1 << 16), np.float64),
            ),
        )
        for k in (0, 1)
    ]
    total = graph.add("Cast", graph.add("Add", *parts), to=TensorProto.FLOAT)
    return graph.rounded(graph.times(total, 1 / 4))


def _weights(size_px: int, wanted_px: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Indices of the two old pixels of each new one and their weights in 2^11ths, each
    ``(2, wanted)``."""
    place = ((np.arange(wanted_px) + 0.5) * (size_px / wanted_px) - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int64)
    share = place - first.astype(np.float32)
    share[(first < 0) | (first >= size_px - 1)] = 0
    first = first.clip(0, size_px - 1)
    weights = np.stack([np.rint((1 - share) * 2048), np.rint(share * 2048)]).astype(np.float64)
    return np.stack([first, np.minimum(first + 1, size_px - 1)]), weights

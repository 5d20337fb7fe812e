"""The pictures in an ONNX graph: which tensors have rows and columns, and what makes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ghostlap.pilots.onnx_shapes import Shapes

WINDOWS = ("Conv", "MaxPool", "AveragePool", "LpPool")
"""Kinds of layers that read a pixel's neighbours."""

_LAYOUTS = {(0, 3, 1, 2): (3, 1), (0, 2, 3, 1): (1, 3)}
"""Axis of the channels before and after each permutation."""


class Windows(NamedTuple):
    """The windows of a layer along one side of its input."""

    kernel: int
    stride: int
    dilation: int
    begin: int
    """Pixels of padding before the input that windows reach into."""
    end: int
    unseen: int
    """Last pixels that no window reaches, if the stride leaves a rest."""
    share: NDArray[np.float32]
    """Reciprocal of the number of windows over each pixel, borders disregarded."""


class Pictures:
    """Tensors of a graph with rows and columns, ``(n, …)`` with channels first or last."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._nodes = model.graph.node
        known = Shapes(model, 2)
        made = [name for node in known.nodes() for name in node.output if name]
        self.shapes = {n: known.shape(n) or () for n in (model.graph.input[0].name, *made)}
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        for node in model.graph.node:
            value = attribute(node, "value", None)
            if node.op_type == "Constant" and value is not None:
                self.constants[node.output[0]] = numpy_helper.to_array(value)
        self.input = model.graph.input[0].name
        self.channel_axis = {self.input: 3}
        """Axis of the channels of each picture, 1 or 3."""
        self.convolved: set[str] = set()
        """Pictures made by a convolution, and pixel by pixel from such ones."""
        self._follow()
        self.looked_at = self._window_inputs()
        """Pictures that the next layer of windows reads, also through changes of layout."""

    def _follow(self) -> None:
        """Find the channels and the convolved pictures, from the input down."""
        for node in self._nodes:
            inputs = [name for name in node.input if name in self.channel_axis]
            outputs = [name for name in node.output if self._is_picture(name)]
            if not inputs or not outputs or node.op_type in ("Shape", "Size"):
                continue
            axis = self.channel_axis[inputs[0]]
            if node.op_type == "Transpose":
                before, after = _LAYOUTS.get(tuple(attribute(node, "perm", ())), (0, 0))
                if before != axis:
                    continue
                axis = after
            self.channel_axis.update(dict.fromkeys(outputs, axis))
            pointwise = node.op_type not in WINDOWS and any(
                name in self.convolved and self.size(name) == self.size(outputs[0])
                for name in inputs
            )
            if node.op_type == "Conv" or pointwise:
                self.convolved.update(outputs)

    def _window_inputs(self) -> set[str]:
        used: set[str] = set()
        for node in reversed(self._nodes):
            below = node.op_type == "Transpose" and node.output[0] in used
            resized = any(
                name in self.channel_axis and self.size(name) != self.size(output)
                for name in node.input
                for output in node.output
                if output in self.channel_axis
            )
            if node.op_type in WINDOWS or below or resized:
                used.update(name for name in node.input if name in self.channel_axis)
                if below:
                    used.discard(node.output[0])
        return used

    def windows(self, node: onnx.NodeProto) -> tuple[Windows, Windows]:
        """The windows of a layer along the rows and along the columns of its input."""
        kernel = attribute(node, "kernel_shape", None)
        if kernel is None:  # a Conv may leave it to its weights
            kernel = self.constants[node.input[1]].shape[2:]
        strides, dilations = (attribute(node, name, (1, 1)) for name in ("strides", "dilations"))
        pads, auto_pad = attribute(node, "pads", (0, 0)), attribute(node, "auto_pad", b"NOTSET")
        size, output_size = self.size(node.input[0]), self.size(node.output[0])
        rows, columns = (
            _windows_along(
                size[axis], output_size[axis], kernel[axis], strides[axis], dilations[axis],
                pads[axis], auto_pad,
            )
            for axis in range(2)
        )  # fmt: skip
        return rows, columns

    def first_kept(self, node: onnx.NodeProto) -> tuple[int, int] | None:
        """Row and column of a node's input that become its output's first; below 0 for padding.

        None for nodes that neither cut nor pad, but change the size.
        """
        name = node.input[0]
        first_axis = 2 if self.channel_axis[name] == 1 else 1
        if node.op_type == "Pad" and len(node.input) > 1 and node.input[1] in self.constants:
            pads = self.constants[node.input[1]]
            return -int(pads[first_axis]), -int(pads[first_axis + 1])
        values = [self.constants.get(name) for name in node.input[1:]]
        starts, _, axes, steps = [*values, *[None] * (4 - len(values))][:4]
        if node.op_type != "Slice" or starts is None or (steps is not None and np.any(steps != 1)):
            return None
        along = range(len(starts)) if axes is None else (int(axis) % 4 for axis in axes)
        begins = dict(zip(along, (int(start) for start in starts), strict=True))
        row, column = (begins.get(first_axis + axis, 0) for axis in range(2))
        height, width = self.size(name)
        return (row + height if row < 0 else row), (column + width if column < 0 else column)

    def _is_picture(self, name: str) -> bool:
        """Whether a tensor has several rows and columns."""
        shape = self.shapes.get(name, ())
        return len(shape) == 4 and max(shape[1:3]) > 1 and max(shape[2:]) > 1

    def size(self, name: str) -> tuple[int, int]:
        """Height and width of a picture."""
        shape = self.shapes[name]
        first_axis = 2 if self.channel_axis[name] == 1 else 1
        return shape[first_axis], shape[first_axis + 1]


def _windows_along(
    size: int, windows: int, kernel: int, stride: int, dilation: int, pad: int, auto_pad: bytes
) -> Windows:
    # Pixels between windows smaller than their stride share with those in them.
    kernel = max(kernel, stride) if dilation == 1 else kernel
    reach = (windows - 1) * stride + dilation * (kernel - 1) + 1
    beyond = reach - size
    begin = pad
    if auto_pad == b"SAME_UPPER":
        begin = max(beyond, 0) // 2
    elif auto_pad == b"SAME_LOWER":
        begin = (max(beyond, 0) + 1) // 2
    since_padding = np.arange(size)[:, None] + begin - dilation * np.arange(kernel)
    covered = (since_padding % stride == 0).sum(axis=1)
    share = np.divide(1, covered, out=np.zeros(size), where=covered > 0).astype(np.float32)
    end, unseen = max(beyond - begin, 0), max(begin - beyond, 0)
    return Windows(kernel, stride, dilation, begin, end, unseen, share)


def attribute(node: onnx.NodeProto, name: str, otherwise: Any) -> Any:
    """The value of a node's attribute, or a default."""
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return otherwise

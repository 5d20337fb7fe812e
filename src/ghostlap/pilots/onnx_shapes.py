"""The shapes of all tensors of an ONNX graph, inferred node by node.

ONNX infers the shapes of one node at a time. The short lists of numbers that shapes are computed
from, on their way from a ``Shape`` to a ``Reshape``, are computed here beside it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ghostlap.pilots.onnx_cost import Shape

Values = NDArray[Any]

_MOST_KNOWN = 1024
"""Largest tensor whose values are followed; a shape has one value for each axis."""
_TENSOR = 4
"""Kind of an attribute that holds a weight."""

_AS_ITS_INPUT = frozenset(
    ["Celu", "Gelu", "GroupNormalization", "HardSwish", "MeanVarianceNormalization", "Mish",
     "RMSNormalization", "Shrink", "Swish", "ThresholdedRelu"]
)  # fmt: skip
"""Composed operators, for which inference of one node may find nothing."""


class Shapes:
    """The known shapes, types and values of a graph's tensors."""

    def __init__(self, model: onnx.ModelProto, batch: int) -> None:
        self._model = model
        self._opsets = {one.domain or "ai.onnx": one.version for one in model.opset_import}
        self._types: dict[str, onnx.TypeProto] = {}
        self._values: dict[str, Values] = {}
        for weight in model.graph.initializer:
            self._know_weight(weight.name, weight)
        for picture in model.graph.input:
            if picture.name not in self._types:
                self._types[picture.name] = onnx.TypeProto()
                self._types[picture.name].CopyFrom(picture.type)
                self._types[picture.name].tensor_type.shape.dim[0].Clear()
                self._types[picture.name].tensor_type.shape.dim[0].dim_value = batch

    def nodes(self) -> Iterator[onnx.NodeProto]:
        """Yield each node once its outputs' shapes are known as far as they can be."""
        for node in self._model.graph.node:
            if node.op_type == "Constant":
                self._know_constant(node)
            else:
                self._infer(node)
                self._compute(node)
            yield node

    def shape(self, name: str) -> Shape | None:
        """Shape of a tensor; None if unknown."""
        tensor = self._types[name].tensor_type if name in self._types else None
        if tensor is None or not tensor.HasField("shape"):
            return None
        if not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            return None
        return tuple(dim.dim_value for dim in tensor.shape.dim)

    def kind(self, name: str) -> int:
        """ONNX' number of a tensor's type of values; 0 if unknown."""
        return int(self._types[name].tensor_type.elem_type) if name in self._types else 0

    def _know_weight(self, name: str, weight: onnx.TensorProto) -> None:
        self._types[name] = helper.make_tensor_type_proto(weight.data_type, weight.dims)
        if math.prod(weight.dims) <= _MOST_KNOWN:
            self._values[name] = numpy_helper.to_array(weight)

    def _know_constant(self, node: onnx.NodeProto) -> None:
        one = node.attribute[0]
        if one.type == _TENSOR:
            self._know_weight(node.output[0], one.t)
            return
        value = np.asarray(helper.get_attribute_value(one))
        value = value.astype(np.int64 if value.dtype.kind == "i" else np.float32)
        self._know_weight(node.output[0], numpy_helper.from_array(value))

    def _infer(self, node: onnx.NodeProto) -> None:
        inputs = [name for name in node.input if name]
        version = self._opsets.get(node.domain or "ai.onnx", 1)
        known = {
            name: numpy_helper.from_array(self._values[name], name)
            for name in inputs
            if name in self._values
        }
        found = onnx.shape_inference.infer_node_outputs(
            onnx.defs.get_schema(node.op_type, version, ""),
            node,
            {name: self._types[name] for name in inputs if name in self._types},
            known,
            opset_imports=list(self._model.opset_import),
            ir_version=self._model.ir_version,
        )
        if node.op_type in _AS_ITS_INPUT and inputs and node.output[0] not in found:
            found[node.output[0]] = self._types[inputs[0]]
        self._types.update(found)

    def _compute(self, node: onnx.NodeProto) -> None:
        """Compute a short list from known ones, or from a shape."""
        name = node.output[0]
        if node.op_type in ("Shape", "Size"):
            shape = self.shape(node.input[0])
            if shape is not None:
                given = {one.name: one.i for one in node.attribute}
                part = shape[given.get("start", 0) : given.get("end", len(shape))]
                whole = part if node.op_type == "Shape" else math.prod(shape)
                self._values[name] = np.array(whole, np.int64)
            return
        compute = _COMPUTED.get(node.op_type)
        inputs = [self._values.get(one) if one else None for one in node.input]
        if compute is None or any(
            one and value is None for one, value in zip(node.input, inputs, strict=True)
        ):
            return
        shape = self.shape(name)
        if shape is not None and math.prod(shape) > _MOST_KNOWN:
            return
        given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        try:
            with np.errstate(all="ignore"):
                value = np.asarray(compute(inputs, given))
        except Exception:  # then it stays unknown, which is said where it matters
            return
        if value.size <= _MOST_KNOWN:
            self._values[name] = value
            if shape is None and self.kind(name):
                self._types[name] = helper.make_tensor_type_proto(self.kind(name), value.shape)


Compute = Callable[[list[Any], dict[str, Any]], Any]


def _axes(inputs: list[Any], given: dict[str, Any]) -> tuple[int, ...] | None:
    """Axes from the second input, or from older operators' attribute."""
    axes = inputs[1] if len(inputs) > 1 else given.get("axes")
    return None if axes is None else tuple(int(axis) for axis in np.ravel(axes))


def _slice(inputs: list[Any], given: dict[str, Any]) -> Values:
    starts, ends, axes, steps = [
        *(inputs[1:] or [given["starts"], given["ends"], given.get("axes")]), None, None, None,
    ][:4]  # fmt: skip
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    parts = [slice(None)] * inputs[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        parts[int(axis)] = slice(int(start), int(end), int(step))
    return np.asarray(inputs[0][tuple(parts)])


def _divided(inputs: list[Any], given: dict[str, Any]) -> Values:
    a, b = inputs
    if a.dtype.kind in "iu":
        return np.asarray(np.trunc(a / b).astype(a.dtype))
    return np.asarray(a / b)


def _reshaped(inputs: list[Any], given: dict[str, Any]) -> Values:
    sides = [inputs[0].shape[i] if side == 0 else int(side) for i, side in enumerate(inputs[1])]
    return np.asarray(inputs[0].reshape(sides))


def _reduced(reduce: Callable[..., Any]) -> Compute:
    return lambda inputs, given: reduce(
        inputs[0], axis=_axes(inputs, given), keepdims=bool(given.get("keepdims", 1))
    )


def _of_all(combine: Callable[[Any, Any], Any]) -> Compute:
    return lambda inputs, given: functools.reduce(combine, inputs)


_COMPUTED: dict[str, Compute] = {
    "Identity": lambda inputs, given: inputs[0],
    "Cast": lambda inputs, given: inputs[0].astype(helper.tensor_dtype_to_np_dtype(given["to"])),
    "Gather": lambda inputs, given: np.take(inputs[0], inputs[1], axis=given.get("axis", 0)),
    "Concat": lambda inputs, given: np.concatenate(inputs, axis=given["axis"]),
    "Slice": _slice,
    "Squeeze": lambda inputs, given: np.squeeze(inputs[0], _axes(inputs, given)),
    "Unsqueeze": lambda inputs, given: np.expand_dims(inputs[0], _axes(inputs, given) or ()),
    "Reshape": _reshaped,
    "Expand": lambda inputs, given: inputs[0] * np.ones(inputs[1], inputs[0].dtype),
    "ConstantOfShape": lambda inputs, given: np.full(
        inputs[0], numpy_helper.to_array(given["value"])[0] if "value" in given else np.float32(0)
    ),
    "Range": lambda inputs, given: np.arange(*inputs),
    "ReduceProd": _reduced(np.prod), "ReduceSum": _reduced(np.sum),
    "ReduceMax": _reduced(np.max), "ReduceMin": _reduced(np.min),
    "Add": _of_all(np.add), "Sub": _of_all(np.subtract), "Mul": _of_all(np.multiply),
    "Max": _of_all(np.maximum), "Min": _of_all(np.minimum), "Div": _divided,
    "Floor": lambda inputs, given: np.floor(inputs[0]),
    "Ceil": lambda inputs, given: np.ceil(inputs[0]),
    "Equal": lambda inputs, given: inputs[0] == inputs[1],
    "Where": lambda inputs, given: np.where(inputs[0], inputs[1], inputs[2]),
}  # fmt: skip
"""Computations on the short lists of numbers from which shapes are made."""

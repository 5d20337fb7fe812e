"""What a pilot's network has computed of a picture, as one row of numbers: its features.

Of each activation that the next convolution reads, and of the last one, the mean over the picture
and the mean square of each channel; of small dense layers the values themselves; and the answers.
The graph is read, not the Keras layers, so that imported networks have features, too.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ghostlap.base.errors import PilotError
from ghostlap.pilots.onnx_check import Network, check_network
from ghostlap.pilots.onnx_pictures import Pictures

Arrays = tuple[NDArray[np.floating], NDArray[np.floating]]

FEATURES_OUTPUT = "features"
MOST_FEATURES = 1024
"""Layers nearest to the answers are taken first."""
MOST_OF_A_LAYER = 256
"""A dense layer of more values is a flattened picture."""

PREFIX = "critic/"
"""Of all names added to a graph."""
_DENSE = ("MatMul", "Gemm")


def with_features(network: Network) -> Network:
    """A pilot's network with its features as one more output, ``float32`` ``(n, features)``.

    Raises:
        PilotError: they cannot be found in its graph.
    """
    model = onnx.load_model_from_string(network.data)
    try:
        without_part(model)
        add_features(model)
        shape = [model.graph.input[0].type.tensor_type.shape.dim[0].dim_param or "n", None]
        info = helper.make_tensor_value_info(FEATURES_OUTPUT, TensorProto.FLOAT, shape)
        model.graph.output.append(info)
        return check_network(model.SerializeToString(), network.where)
    except Exception as error:  # layers of a user's own may export to anything
        raise PilotError(
            f"{network.where}: what its network computes cannot be followed "
            f"({type(error).__name__}: {str(error)[:200]}), so no critic can learn from it."
        ) from error


def add_features(model: onnx.ModelProto) -> None:
    """Add the nodes that compute :data:`FEATURES_OUTPUT`, without making it an output."""
    graph, pictures = model.graph, Pictures(model)
    convolved = [name for name in pictures.channel_axis if name in pictures.convolved]
    seen = [name for name in convolved if name in pictures.looked_at] + convolved[-1:]
    rows = [node.input[0] for node in graph.node if node.op_type in _DENSE]
    rows = [name for name in rows if len(pictures.shapes.get(name, ())) == 2]
    names = dict.fromkeys((*seen, *rows, graph.output[0].name))
    parts: list[str] = []
    count = 0
    for name in reversed(names):
        axis = pictures.channel_axis.get(name, 1)
        size = pictures.shapes[name][axis] * (2 if name in seen else 1)
        if name in rows and size > MOST_OF_A_LAYER:
            continue
        if (count := count + size) > MOST_FEATURES:
            break
        parts.extend(_pooled(model, name, axis) if name in seen else [name])
    graph.node.append(helper.make_node("Concat", parts, [FEATURES_OUTPUT], axis=1))


def with_part(data: bytes, output: str, layer: Arrays, limits: Arrays) -> bytes:
    """A network with one more output, made of its features by one layer.

    Args:
        data: of an ONNX file, checked; outputs that an earlier critic added are taken out.
        layer: weights ``(features, values)`` and bias ``(values,)``.
        limits: least and greatest of each feature, beyond which it counts as that.
    """
    model = onnx.load_model_from_string(data)
    without_part(model)
    add_features(model)
    graph = model.graph
    names = [f"{PREFIX}{name}" for name in ("weights", "bias", "least", "greatest")]
    for name, values in zip(names, (*layer, *limits), strict=True):
        graph.initializer.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
    weights, bias, least, greatest = names
    above, within = f"{PREFIX}above", f"{PREFIX}within"
    graph.node.append(helper.make_node("Max", [FEATURES_OUTPUT, least], [above]))
    graph.node.append(helper.make_node("Min", [above, greatest], [within]))
    graph.node.append(helper.make_node("Gemm", [within, weights, bias], [output]))
    count = graph.input[0].type.tensor_type.shape.dim[0].dim_param or "n"
    shape = [count, len(layer[1])]
    graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))
    return bytes(model.SerializeToString())


def without_part(model: onnx.ModelProto) -> None:
    """Take out all that :func:`with_part` has added."""
    graph = model.graph
    made = {name for node in graph.node for name in node.output if _is_ours(name)}
    for values in (graph.output, graph.initializer):
        kept = [one for one in values if not _is_ours(one.name)]
        del values[:]
        values.extend(kept)
    nodes = [node for node in graph.node if not made.intersection(node.output)]
    del graph.node[:]
    graph.node.extend(nodes)


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) or name == FEATURES_OUTPUT


def _pooled(model: onnx.ModelProto, name: str, channel_axis: int) -> list[str]:
    """Mean and mean square of a picture over rows and columns, each ``(n, channels)``."""
    graph = model.graph
    axes = [2, 3] if channel_axis == 1 else [1, 2]
    stem = f"{PREFIX}{len(graph.node)}"
    square, means = f"{stem}/square", [f"{stem}/mean", f"{stem}/mean-square"]
    graph.node.append(helper.make_node("Mul", [name, name], [square]))
    newer = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx")) >= 18
    if newer:  # axes came to be an input
        graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), f"{stem}/axes"))
    for of, mean in zip((name, square), means, strict=True):
        inputs = [of, f"{stem}/axes"] if newer else [of]
        node = helper.make_node("ReduceMean", inputs, [mean], keepdims=0)
        if not newer:
            node.attribute.append(helper.make_attribute("axes", axes))
        graph.node.append(node)
    return means

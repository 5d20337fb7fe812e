"""VisualBackProp (Bojarski et al., arXiv 1611.05418) written into a pilot's ONNX graph.

The driving graph stays as it is; nodes are added that turn its activations into a picture of where
they come from. From the deepest convolution up: the activation is
averaged over its channels, multiplied with what came down so far, and spread over the pixels that
it was computed from, by a transposed convolution of ones with the layer's kernel, stride and
padding. Where branches meet, as at a shortcut, what comes down them is added.

The graph is read, not the Keras layers, so that any network that could be exported has a map:
batch normalisation is folded, padding is explicit, and sizes are those that were really computed.

Three things differ from the paper. Of an activation the part above 0 is averaged: ELU goes below 0,
and two negative means would multiply to something that looks important (measured: hiding what such
maps point at changes steering no more than hiding as much elsewhere). What is spread is divided
by how many windows cover a pixel: windows of 5 every 2 pixels overlap unevenly, which drew a grid
over the map. And each product is divided by its maximum, so that no depth overflows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ghostlap.base.errors import ModelError
from ghostlap.base.folder_lock import replacing_output
from ghostlap.pilots.onnx_check import check_network, read_network
from ghostlap.pilots.onnx_pictures import WINDOWS, Pictures, Windows
from ghostlap.pilots.onnx_runner import Runner
from ghostlap.pilots.saliency import SALIENCY_OUTPUT

PREFIX = "visualbackprop/"
"""Prefix of all names added."""

_LEAST = 1e-20
"""Smallest divisor: a picture without any activity has a map of 0."""


def write_saliency_graph(model: Path, path: Path) -> None:
    """Write a pilot's network with its saliency as one more output.

    It comes last, ``float32`` ``(n, 1, height, width)`` from 0 to 1.

    Raises:
        ModelError: no convolution reads the picture, or the network cannot be followed.
    """
    try:
        whole = onnx.load_model_from_string(read_network(model).data)
        _Graph(whole).add_saliency()
        Runner(check_network(whole.SerializeToString(), path.name), 1)
    except ModelError as error:
        raise ModelError(f"{model.name}: {error}") from error
    except Exception as error:  # a user's own layers may export to anything
        raise ModelError(
            f"{model.name}: no saliency can be computed in this network ({type(error).__name__}: "
            f"{str(error)[:300]})."
        ) from error
    with replacing_output(path, ModelError) as temporary:
        onnx.save(whole, str(temporary))


class _Graph:
    """A network to which saliency is added."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.pictures = Pictures(model)
        self._nodes: list[onnx.NodeProto] = []
        """The nodes added."""

    def add_saliency(self) -> None:
        """Add the nodes and the output of the saliency."""
        pictures = self.pictures
        from_below: dict[str, list[str]] = {}
        for node in reversed(self.graph.node):
            for output in node.output:
                mask = self._mask(output, from_below.get(output, []))
                if mask is None:
                    continue
                for name in dict.fromkeys(node.input):
                    if name in pictures.channel_axis:
                        up = self._passed_up(node, output, name, mask)
                        from_below.setdefault(name, []).append(up)
        reached = from_below.get(pictures.input)
        if not reached:
            raise ModelError(
                "the network has no convolution that looks at the picture, so it has no saliency."
            )
        self._add("Identity", [self._normalised(self._sum(reached))], output=SALIENCY_OUTPUT)
        self.graph.node.extend(self._nodes)
        count = self.graph.input[0].type.tensor_type.shape.dim[0].dim_param or "n"
        shape = [count, 1, *pictures.size(pictures.input)]
        self.graph.output.append(
            helper.make_tensor_value_info(SALIENCY_OUTPUT, TensorProto.FLOAT, shape)
        )

    def _mask(self, name: str, masks: list[str]) -> str | None:
        """The mask that a tensor hands up: that from below, times its own activation if any."""
        below = self._sum(masks) if masks else None
        if name not in self.pictures.convolved:
            return below
        if below is None:  # the deepest
            return self._normalised(self._mean_activation(name))
        if name not in self.pictures.looked_at:  # more is done to it before it is an activation
            return below
        return self._normalised(self._add("Mul", [self._mean_activation(name), below]))

    def _passed_up(self, node: onnx.NodeProto, output: str, name: str, mask: str) -> str:
        """The mask of a node's output, spread over one of its inputs."""
        size, output_size = self.pictures.size(name), self.pictures.size(output)
        if node.op_type in WINDOWS:
            return self._spread(mask, *self.pictures.windows(node))
        if size == output_size:
            return mask
        begins = self.pictures.first_kept(node)
        if begins is not None:
            bottom, right = (
                whole - part - begin
                for whole, part, begin in zip(size, output_size, begins, strict=True)
            )
            return self._padded(mask, *begins, bottom, right)
        # A hundredth of a pixel more, so that rounding down comes to the whole size.
        scales = [1, 1, *((a + 0.01) / b for a, b in zip(size, output_size, strict=True))]
        return self._add(
            "Resize", [mask, "", self._constant(np.array(scales, np.float32))], mode="linear"
        )

    def _mean_activation(self, name: str) -> str:
        """The mean over channels of values above 0, ``(n, 1, height, width)``."""
        axis = self.pictures.channel_axis[name]
        channels = self.pictures.shapes[name][axis]
        if axis == 3:
            name = self._add("Transpose", [name], perm=[0, 3, 1, 2])
        mean = np.full((1, channels, 1, 1), 1 / channels, np.float32)
        return self._add("Conv", [self._add("Relu", [name]), self._constant(mean)])

    def _spread(self, mask: str, rows: Windows, columns: Windows) -> str:
        """Spread a mask by the transposed convolution of ones of a layer of windows, made even."""
        ones = np.ones((1, 1, rows.kernel, columns.kernel), np.float32)
        whole = self._add(
            "ConvTranspose", [mask, self._constant(ones)],
            kernel_shape=ones.shape[2:],
            strides=[rows.stride, columns.stride],
            dilations=[rows.dilation, columns.dilation],
            pads=[rows.begin, columns.begin, rows.end, columns.end],
        )  # fmt: skip
        if rows.unseen or columns.unseen:
            whole = self._padded(whole, 0, 0, rows.unseen, columns.unseen)
        return self._add("Mul", [whole, self._constant(np.outer(rows.share, columns.share))])

    def _padded(self, mask: str, top: int, left: int, bottom: int, right: int) -> str:
        """Pad a mask with rows and columns of 0, or crop it where a number is below 0."""
        pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
        return self._add("Pad", [mask, self._constant(pads)])

    def _sum(self, masks: list[str]) -> str:
        return masks[0] if len(masks) == 1 else self._add("Sum", masks)

    def _normalised(self, mask: str) -> str:
        most = self._add("GlobalMaxPool", [mask])
        least = self._constant(np.array(_LEAST, np.float32))
        return self._add("Div", [mask, self._add("Add", [most, least])])

    def _add(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Add a node; returns its output's name."""
        output = output or f"{PREFIX}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _constant(self, values: np.ndarray) -> str:
        name = f"{PREFIX}constant-{len(self.graph.initializer)}"
        self.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

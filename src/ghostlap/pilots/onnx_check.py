"""Checks of an ONNX network of unknown origin before it may run.

A graph of a few hundred bytes can ask for endless work or memory. So a network is accepted only if
its operators compute one after another, it reads no other file, and the size of all that it
computes is known from the size of its picture, and bounded.

    >>> network = read_network(Path("runs/a/model.onnx"))
    >>> answers, = Runner(network, threads=1).run(pictures)   # of onnx_runner.py
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostlap.base.errors import PilotError
from ghostlap.base.files import read_file
from ghostlap.pilots.onnx_cost import KNOWN_OPERATORS, MOST_AXES, NotBounded, Shape, work_of
from ghostlap.pilots.onnx_wire import TooMuch, check_amount

if TYPE_CHECKING:
    from ghostlap.pilots.onnx_shapes import Shapes

MAX_FILE_BYTES = 256 * 1024**2
MAX_TENSOR_VALUES = 2**24
"""Values in one tensor, for one picture."""
MAX_VALUES = 2**26
"""Values of all tensors together, for one picture and for several at once."""
MAX_WORK = 20e9
"""Multiplications for one picture; PilotNet has 27 million, ResNet-50 4 billion."""

_DOMAINS = ("", "ai.onnx")
_PLAIN_ATTRIBUTES = (1, 2, 3, 4, 6, 7, 8)
"""Kinds of attributes allowed: numbers, texts, lists of them, a tensor; no graphs or types."""
_FLOAT, _STRING = 1, 8


@dataclasses.dataclass(frozen=True)
class Network:
    """A checked network, which may run."""

    where: str
    data: bytes
    input: str
    input_shape: tuple[int, ...]
    """Shape of one picture, without the batch."""
    outputs: dict[str, Shape]
    """Shape of each output for one picture, the batch of 1 included; in order."""
    at_once: int
    """Number of pictures that it may be shown in one go."""


def read_network(path: Path) -> Network:
    """Read a network and check it.

    Raises:
        PilotError: the file is missing, broken, or no network that a pilot can have.
    """
    try:
        data = read_file(path, MAX_FILE_BYTES)
    except OSError as error:
        raise PilotError(
            f"{path}: cannot be read ({error.strerror}). Copy the whole run folder again."
        ) from error
    return check_network(data, str(path))


def check_network(data: bytes, where: str) -> Network:
    """Check a network.

    Raises:
        PilotError: the content is broken, or no network that a pilot can have.
    """
    try:
        check_amount(data)
        return _checked(data, where)
    except (TooMuch, NotBounded) as error:
        raise PilotError(f"{where}: cannot be driven with: {error}.") from None
    except Exception as error:  # of protobuf's and onnx' many
        raise PilotError(
            f"{where}: cannot be read ({type(error).__name__}: {short(error)}). "
            "Copy the whole run folder again, or train anew."
        ) from error


def _checked(data: bytes, where: str) -> Network:
    import onnx

    from ghostlap.pilots.onnx_shapes import Shapes

    model = onnx.ModelProto.FromString(data)
    _check_operators(model)
    picture = _picture(model.graph)
    answer = model.graph.output[0].name
    shapes = Shapes(model, 1)
    values = _check_sizes(shapes)
    outputs = {one.name: shapes.shape(one.name) or () for one in model.graph.output}
    if len(outputs[answer]) != 2 or outputs[answer][0] != 1 or shapes.kind(answer) != _FLOAT:
        raise NotBounded(
            "its first answer must be 32-bit numbers of shape (n, outputs), and is of kind "
            f"{shapes.kind(answer)} and {outputs[answer]}"
        )
    sides = [dim.dim_value for dim in picture.type.tensor_type.shape.dim]
    alone = sides[0] == 1 or not _takes_two(Shapes(model, 2), answer, outputs[answer])
    return Network(
        where=where,
        data=data,
        input=picture.name,
        input_shape=tuple(sides[1:]),
        outputs=outputs,
        at_once=1 if alone else max(1, MAX_VALUES // max(values, 1)),
    )


def _takes_two(shapes: Shapes, answer: str, shape: Shape) -> bool:
    """Whether two pictures shown at once get one answer each."""
    try:
        for _ in shapes.nodes():
            pass
    except Exception:  # of onnx, where a shape that is written down cannot hold two
        return False
    return shapes.shape(answer) == (2, *shape[1:])


def _check_operators(model: Any) -> None:
    """Check that known operators compute one after another, from the file itself alone."""
    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        raise NotBounded("it holds functions, a training or sparse weights")
    for node in graph.node:
        if node.domain not in _DOMAINS or node.op_type not in KNOWN_OPERATORS:
            name = ".".join(filter(None, (node.domain, node.op_type)))
            raise NotBounded(
                f"it has the operator {name[:80]!r}. Networks may be made of ONNX's own operators, "
                "without loops, conditions, texts and sequences"
            )
        for attribute in node.attribute:
            if attribute.type not in _PLAIN_ATTRIBUTES or attribute.ref_attr_name:
                raise NotBounded(f"its {node.op_type} holds a graph, or what is no number")
            if attribute.type == 4:
                _check_weight(attribute.t)
    for weight in graph.initializer:
        _check_weight(weight)
    names = [name for node in graph.node for name in node.output if name]
    names += [weight.name for weight in graph.initializer]
    if len(set(names)) != len(names):
        raise NotBounded("two of its tensors have the same name")


def _check_weight(weight: Any) -> None:
    if weight.external_data or weight.data_location:
        raise NotBounded("its weights lie in another file, which is not opened")
    if weight.data_type == _STRING or len(weight.dims) > 16 or min(weight.dims, default=0) < 0:
        raise NotBounded("a weight is no array of numbers")
    if math.prod(weight.dims) > MAX_FILE_BYTES:
        raise NotBounded("a weight claims to be larger than a file may be")


def _picture(graph: Any) -> Any:
    """The picture: the only input that is no weight."""
    weights = {weight.name for weight in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]
    if len(inputs) != 1 or not graph.output:
        raise NotBounded(
            f"it must take one picture and answer something; it has {len(inputs)} inputs"
        )
    tensor = inputs[0].type.tensor_type
    sides = [dim.dim_value for dim in tensor.shape.dim]
    if (
        tensor.elem_type != _FLOAT
        or len(sides) != 4
        or min(sides[1:]) < 1
        or sides[0] not in (0, 1)
    ):
        raise NotBounded(
            f"its input must be 32-bit pictures (n, height, width, channels) of a known size; "
            f"it is of kind {tensor.elem_type} and {tuple(sides)}"
        )
    return inputs[0]


def _check_sizes(shapes: Shapes) -> int:
    """Check the bounds of each tensor, of all together and of the work; returns how many values."""
    values, work = 0, 0.0
    for node in shapes.nodes():
        made = [shapes.shape(name) for name in node.output if name]
        for shape in made:
            if shape is None or len(shape) > MOST_AXES or min(shape, default=0) < 0:
                raise NotBounded(
                    f"how large the output of its {node.op_type} {node.output[0][-80:]!r} is "
                    "cannot be known before it runs"
                )
            size = math.prod(shape)
            values += size
            if size > MAX_TENSOR_VALUES:
                raise NotBounded(
                    f"its {node.op_type} makes {size:,} values of one picture; at most "
                    f"{MAX_TENSOR_VALUES:,} are allowed"
                )
        taken = [shapes.shape(name) or () for name in node.input]
        work += work_of(node, taken, [shape or () for shape in made])
        if values > MAX_VALUES or work > MAX_WORK:
            raise NotBounded(
                f"it computes more than {MAX_VALUES:,} values of one picture, or takes more than "
                f"{MAX_WORK:.0e} multiplications"
            )
    return values


def short(error: Exception) -> str:
    """The text of an error in one line of bounded length."""
    return " ".join(str(error).split())[:300]

"""What feeds a layer: inbound nodes as Keras 1, 2 and 3 wrote them, and operators among layers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.settings import Settings

_MOST_NESTED = 32

OPERATOR = "operator"
"""The kind of layers that are operators."""

TENSOR = object()
"""What stands for a tensor among an operator's operands."""

Output = tuple[str, int]
"""A layer's name, and which of its calls."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer as a file describes it."""

    name: str
    kind: str
    """Its class in the Keras that wrote it."""
    settings: Settings
    calls: tuple[tuple[Output, ...], ...]
    """For each time it is used, what it is given; none for an input."""
    within: tuple[tuple[str, str], ...] = ()
    """The networks that it is nested in, outermost first: name and class."""
    trained: bool = True
    """Whether its weights were trained: others stand behind in a file."""


def uses(nodes: list[Any]) -> list[Any]:
    """One entry a use; Keras 2 leaves out one bracket around operators."""
    if nodes and isinstance(nodes[0], list) and nodes[0] and isinstance(nodes[0][0], str):
        return [nodes]
    return nodes


def history(node: Any, settings: Settings) -> Iterator[Output]:
    """What a use is given: ``[layer, call, tensor, …]`` before Keras 3, objects since."""
    if isinstance(node, Mapping):
        if any(key != "mask" and _tensors(value) for key, value in _keywords(node)):
            raise settings.fail("it is given tensors by keyword, which is not understood.")
        sources = _tensors(node.get("args"))
    else:
        sources = node if isinstance(node, list) else [None]
    for source in sources:
        yield _output(source, settings.fail("what it is fed with cannot be read."))


def operator(settings: Settings, nodes: list[Any]) -> Layer:
    """An operator with its operands, of which some are tensors, in their order."""
    values = settings.values
    if len(nodes) != 1:
        raise settings.fail("an operator must be used just once.")
    (node,) = nodes
    function = values.get("function") or settings.kind
    options = {key: one for key, one in values.items() if key not in ("name", "function")}
    if isinstance(node, Mapping):  # Keras 3
        args = node.get("args")
        operands = list(args) if isinstance(args, list) else []
        options.update(_keywords(node))
        if len(operands) == 1 and isinstance(operands[0], list):
            operands = operands[0]
    else:
        operands = []
        for source in node if isinstance(node, list) else []:
            if not isinstance(source, list) or len(source) < 3:
                raise settings.fail("what it is fed with cannot be read.")
            constant = source[0] == "_CONSTANT_VALUE"
            operands.append(source[2] if constant else source[:3])
            keywords = source[3] if len(source) > 3 and isinstance(source[3], Mapping) else {}
            options.update(keywords)
        for name in ("y", "slice_spec", "size"):
            if name in options:
                operands.append(options.pop(name))
        if settings.kind == "TensorFlowOpLayer":
            written = re.search(r'op:\s*"(\w+)"', str(values.get("node_def")))
            function = written[1] if written else ""
            constants = options.get("constants")
            for place, constant in constants.items() if isinstance(constants, Mapping) else ():
                operands.insert(int(place) if str(place).isdigit() else 9, constant)
    sources: list[Output] = []
    for place, operand in enumerate(operands):
        tensors = _tensors(operand)
        history = tensors[0] if tensors else operand
        is_output = isinstance(history, list) and len(history) == 3 and isinstance(history[0], str)
        if is_output:
            sources.append(_output(history, settings.fail("what it is fed with cannot be read.")))
            operands[place] = TENSOR
    if not sources:
        raise settings.fail("the file does not say what it is fed with.")
    known = {"function": function, "operands": operands, "options": options}
    inner = Settings(settings.layer, f"operator {str(function)[:60]}", known)
    return Layer(settings.layer, OPERATOR, inner, (tuple(sources),))


def _keywords(node: Mapping[str, Any]) -> list[tuple[str, Any]]:
    keywords = node.get("kwargs")
    return list(keywords.items()) if isinstance(keywords, Mapping) else []


def _tensors(value: Any, depth: int = 0) -> list[Any]:
    if depth > _MOST_NESTED:
        return []
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__" and isinstance(
            value.get("config"), Mapping
        ):
            return [value["config"].get("keras_history")]
        return []
    if isinstance(value, list):
        return [one for part in value for one in _tensors(part, depth + 1)]
    return []


def _output(source: Any, error: LegacyError) -> Output:
    if (
        isinstance(source, list)
        and len(source) >= 3
        and isinstance(source[0], str)
        and isinstance(source[1], int)
        and source[2] == 0
    ):
        return source[0][:200], source[1]
    raise error


def outputs_of(value: Any, where: str) -> Iterator[Output]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list) and value and isinstance(value[0], str):  # Keras 3, if but one
        value = [value]
    for source in value if isinstance(value, list) else []:
        yield _output(source, LegacyError(f"{where}: output_layers cannot be read."))

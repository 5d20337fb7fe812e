"""A network's description as Keras 1, 2 or 3 wrote it, as one list of layers and who feeds whom."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.settings import Settings

MOST_LAYERS = 1000
_MOST_CALLS = 4000
_MOST_NESTED = 32

OPERATOR = "operator"
"""The kind of layers that are operators."""

TENSOR = object()
"""What stands for a tensor among an operator's operands."""

_NESTED = ("Sequential", "Model", "Functional")
_OPERATORS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")

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


@dataclasses.dataclass(frozen=True)
class Architecture:
    """All layers, from the picture to the answers."""

    layers: tuple[Layer, ...]
    picture: str
    """The layer that is the input."""
    input_shape: tuple[int, int, int]
    """As the file has it, without the batch."""
    outputs: tuple[Output, ...]


def read_architecture(description: Mapping[str, Any], where: str) -> Architecture:
    """Understand what ``model.to_json()`` or a whole-model file says.

    Raises:
        LegacyError: it is no Sequential or functional network of one picture.
    """
    layers, outputs = _network(description.get("class_name"), description.get("config"), where)
    pictures = [layer for layer in layers if not layer.calls]
    if len(pictures) != 1:
        raise LegacyError(
            f"{where}: a pilot sees one picture. Got a network of {len(pictures)} inputs"
            f"{': ' + ', '.join(layer.name for layer in pictures) if pictures else ''}."
        )
    return Architecture(tuple(layers), pictures[0].name, _input_shape(pictures[0]), outputs)


def _network(
    kind: Any, config: Any, where: str, depth: int = 0
) -> tuple[list[Layer], tuple[Output, ...]]:
    if depth > _MOST_NESTED:
        raise LegacyError(f"{where}: networks are nested more than {_MOST_NESTED} deep.")
    if kind == "Sequential":
        layers, outputs = _sequential(config, where)
    elif kind in _NESTED:
        layers, outputs = _functional(config, where)
    else:
        raise LegacyError(
            f"{where}: must describe a Sequential or functional network of Keras. Got class "
            f"{str(kind)[:60]!r}. A subclassed model has no description; its file holds weights "
            "only."
        )
    return _unfolded(layers, outputs, where, depth)


def _unfolded(
    layers: list[Layer], outputs: tuple[Output, ...], where: str, depth: int
) -> tuple[list[Layer], tuple[Output, ...]]:
    """The same with the layers of nested networks in these networks' places."""
    found: list[Layer] = []
    ends: dict[Output, Output] = {}
    for layer in layers:
        if layer.kind not in _NESTED:
            found.append(layer)
            continue
        at = f"{where}: {layer.name}"
        inner, (*inner_outputs,) = _network(layer.kind, layer.settings.values, at, depth + 1)
        pictures = [one for one in inner if not one.calls]
        if len(pictures) != 1 or len(inner_outputs) != 1 or any(len(c) != 1 for c in layer.calls):
            raise LegacyError(f"{at}: a nested network must have one input and one output.")
        ((end, end_call),) = inner_outputs
        for one in inner:
            if one is pictures[0]:
                continue
            uses = len(one.calls)
            calls = []
            for use, (source,) in enumerate(layer.calls):
                for call in one.calls:
                    calls.append(tuple(
                        source if name == pictures[0].name
                        else (f"{layer.name}/{name}", use * _uses(inner, name) + index)
                        for name, index in call
                    ))  # fmt: skip
                if len(calls) > _MOST_CALLS:
                    raise LegacyError(
                        f"{where}: the layers are used more than {_MOST_CALLS} times."
                    )
            name = f"{layer.name}/{one.name}"
            settings = Settings(name, one.kind, one.settings.values)
            within = ((layer.name, layer.kind), *one.within)
            trained = one.trained and layer.trained
            found.append(Layer(name, one.kind, settings, tuple(calls), within, trained))
            if one.name == end:
                for use in range(len(layer.calls)):
                    ends[layer.name, use] = (name, use * uses + end_call)
        if end == pictures[0].name:
            ends.update({(layer.name, use): source for use, (source,) in enumerate(layer.calls)})
        if len(found) > MOST_LAYERS:
            raise LegacyError(f"{where}: must list from 1 to {MOST_LAYERS} layers. Got more.")
    if not ends:
        return found, outputs

    def end_of(output: Output) -> Output:
        for _ in range(_MOST_NESTED):
            if output not in ends:
                break
            output = ends[output]
        return output

    found = [
        dataclasses.replace(
            one, calls=tuple(tuple(end_of(source) for source in call) for call in one.calls)
        )
        for one in found
    ]
    return found, tuple(end_of(output) for output in outputs)


def _uses(layers: Sequence[Layer], name: str) -> int:
    return next((len(layer.calls) for layer in layers if layer.name == name), 1)


def _sequential(config: Any, where: str) -> tuple[list[Layer], tuple[Output, ...]]:
    """A chain; in Keras 1 and early 2 the configuration is the bare list of layers."""
    entries = config.get("layers") if isinstance(config, Mapping) else config
    found: list[Layer] = []
    for name, kind, values, _ in _entries(entries, where):
        settings = Settings(name, kind, values)
        if not found and kind != "InputLayer":
            shape = _declared_shape(values)
            if shape is None and isinstance(config, Mapping):
                shape = config.get("build_input_shape") or config.get("batch_input_shape")
            start = Settings(f"{name}_input", "InputLayer", {"batch_input_shape": shape})
            found.append(Layer(start.layer, "InputLayer", start, ()))
        calls = (((found[-1].name, 0),),) if found else ()
        found.append(Layer(name, kind, settings, calls, (), _is_trained(values)))
    _check_names(found, where)
    return found, ((found[-1].name, 0),)


def _is_trained(values: Mapping[str, Any]) -> bool:
    return values.get("trainable") is not False


def _functional(config: Any, where: str) -> tuple[list[Layer], tuple[Output, ...]]:
    if not isinstance(config, Mapping):
        raise LegacyError(f"{where}: a functional network's config must be an object.")
    found = []
    calls_left = _MOST_CALLS
    for name, kind, values, entry in _entries(config.get("layers"), where):
        settings = Settings(name, kind, values)
        nodes = entry.get("inbound_nodes") or []
        if not isinstance(nodes, list):
            raise settings.fail("inbound_nodes must be a list.")
        # Keras 3's operations have no settings of layers; their classes' names can be the same.
        modern = bool(nodes) and isinstance(nodes[0], Mapping) and kind not in _NESTED
        plain = "trainable" not in values and not kind.startswith("SpatialDropout")
        if kind in _OPERATORS or (modern and plain):
            found.append(_operator(settings, _nodes(nodes)))
            continue
        calls = tuple(tuple(_history(node, settings)) for node in _nodes(nodes))
        calls_left -= len(calls)
        if calls_left < 0:
            raise LegacyError(f"{where}: the layers are used more than {_MOST_CALLS} times.")
        if kind == "InputLayer":
            calls = ()
        elif not calls or not all(calls):
            raise settings.fail("the file does not say what it is fed with.")
        found.append(Layer(name, kind, settings, calls, (), _is_trained(values)))
    _check_names(found, where)
    outputs = tuple(_outputs(config.get("output_layers"), where))
    known = {(layer.name, i) for layer in found for i in range(max(1, len(layer.calls)))}
    wanted = {*outputs, *(source for layer in found for call in layer.calls for source in call)}
    if not outputs or not wanted <= known:
        missing = ", ".join(sorted({name for name, _ in wanted - known})[:5]) or "output_layers"
        raise LegacyError(f"{where}: the network refers to what is not in it: {missing[:200]}.")
    return found, outputs


def _entries(
    entries: Any, where: str
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_LAYERS:
        got = f"{len(entries)} layers" if isinstance(entries, list) else type(entries).__name__
        raise LegacyError(f"{where}: must list from 1 to {MOST_LAYERS} layers. Got {got}.")
    for i, entry in enumerate(entries):
        values = entry.get("config") if isinstance(entry, Mapping) else None
        kind = entry.get("class_name") if isinstance(entry, Mapping) else None
        if not isinstance(values, Mapping) or not isinstance(kind, str):
            raise LegacyError(f"{where}: layer {i} must have a class_name and a config.")
        name = entry.get("name") or values.get("name") or f"{kind}_{i}"
        yield str(name)[:200], kind[:200], values, entry


def _check_names(layers: Sequence[Layer], where: str) -> None:
    names = [layer.name for layer in layers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LegacyError(f"{where}: layers must have different names. Got {twice[0]} twice.")


def _nodes(nodes: list[Any]) -> list[Any]:
    """One entry a use; Keras 2 leaves out one bracket around operators."""
    if nodes and isinstance(nodes[0], list) and nodes[0] and isinstance(nodes[0][0], str):
        return [nodes]
    return nodes


def _history(node: Any, settings: Settings) -> Iterator[Output]:
    """What a use is given: ``[layer, call, tensor, …]`` before Keras 3, objects since."""
    if isinstance(node, Mapping):
        if any(key != "mask" and _tensors(value) for key, value in _keywords(node)):
            raise settings.fail("it is given tensors by keyword, which is not understood.")
        sources = _tensors(node.get("args"))
    else:
        sources = node if isinstance(node, list) else [None]
    for source in sources:
        yield _output(source, settings.fail("what it is fed with cannot be read."))


def _operator(settings: Settings, nodes: list[Any]) -> Layer:
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


def _outputs(value: Any, where: str) -> Iterator[Output]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list) and value and isinstance(value[0], str):  # Keras 3, if but one
        value = [value]
    for source in value if isinstance(value, list) else []:
        yield _output(source, LegacyError(f"{where}: output_layers cannot be read."))


def _declared_shape(values: Mapping[str, Any]) -> Any:
    shape = values.get("batch_input_shape") or values.get("batch_shape")
    if shape is None and isinstance(values.get("input_shape"), list):
        shape = [None, *values["input_shape"]]
    return shape


def _input_shape(layer: Layer) -> tuple[int, int, int]:
    shape = _declared_shape(layer.settings.values)
    sides = shape[1:] if isinstance(shape, list) else []
    good = len(sides) == 3 and all(
        isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= 4096 for side in sides
    )
    if not good:
        raise layer.settings.fail(
            "a pilot sees pictures of a fixed height, width and channels, each at most 4096. "
            f"Got an input of shape {str(shape)[:80]}."
        )
    return sides[0], sides[1], sides[2]

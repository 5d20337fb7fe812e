"""A network's description as Keras 1, 2 or 3 wrote it, as one list of layers and who feeds whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.settings import Settings

MOST_LAYERS = 1000
_MOST_CALLS = 4000
_MOST_NESTED = 32

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
    kind = description.get("class_name")
    config = description.get("config")
    if kind == "Sequential":
        layers, outputs = _sequential(config, where)
    elif kind in ("Model", "Functional"):
        layers, outputs = _functional(config, where)
    else:
        raise LegacyError(
            f"{where}: must describe a Sequential or functional network of Keras. Got class "
            f"{str(kind)[:60]!r}. A subclassed model has no description; its file holds weights "
            "only."
        )
    pictures = [layer for layer in layers if not layer.calls]
    if len(pictures) != 1:
        raise LegacyError(
            f"{where}: a pilot sees one picture. Got a network of {len(pictures)} inputs"
            f"{': ' + ', '.join(layer.name for layer in pictures) if pictures else ''}."
        )
    return Architecture(tuple(layers), pictures[0].name, _input_shape(pictures[0]), outputs)


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
        found.append(Layer(name, kind, settings, calls))
    _check_names(found, where)
    return found, ((found[-1].name, 0),)


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
        calls = tuple(tuple(_history(node, settings)) for node in _nodes(nodes))
        calls_left -= len(calls)
        if calls_left < 0:
            raise LegacyError(f"{where}: the layers are used more than {_MOST_CALLS} times.")
        if kind == "InputLayer":
            calls = ()
        elif not calls or not all(calls):
            raise settings.fail("the file does not say what it is fed with.")
        found.append(Layer(name, kind, settings, calls))
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

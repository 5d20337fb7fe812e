"""A network's description as Keras 1, 2 or 3 wrote it, as one list of layers and who feeds whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.inbound import Layer, Output, history, operator, outputs_of, uses
from ghostlap.pilots.keras_import.settings import Settings

MOST_LAYERS = 1000
_MOST_CALLS = 4000
_MOST_NESTED = 32

_NESTED = ("Sequential", "Model", "Functional")
_OPERATORS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")


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
            found.append(operator(settings, uses(nodes)))
            continue
        calls = tuple(tuple(history(node, settings)) for node in uses(nodes))
        calls_left -= len(calls)
        if calls_left < 0:
            raise LegacyError(f"{where}: the layers are used more than {_MOST_CALLS} times.")
        if kind == "InputLayer":
            calls = ()
        elif not calls or not all(calls):
            raise settings.fail("the file does not say what it is fed with.")
        found.append(Layer(name, kind, settings, calls, (), _is_trained(values)))
    _check_names(found, where)
    outputs = tuple(outputs_of(config.get("output_layers"), where))
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

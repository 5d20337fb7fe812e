"""Which of a file's weights belong to which layer."""

from __future__ import annotations

import re
from collections import Counter

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.architecture import Architecture
from ghostlap.pilots.keras_import.h5_file import Array
from ghostlap.pilots.keras_import.inbound import Layer
from ghostlap.pilots.keras_import.kinds import base_kind, weight_counts
from ghostlap.pilots.keras_import.model_file import ModelFile


class StoredWeights:
    """The weights of each layer, to be taken once."""

    def __init__(self, file: ModelFile, architecture: Architecture) -> None:
        """Find each layer's weights.

        Raises:
            LegacyError: the layers with weights in the file are not those of the network.
        """
        learned = [layer for layer in architecture.layers if any(weight_counts(layer.settings))]
        if file.content.layers is not None:
            self._left = _by_name_or_order(file.content.layers, learned, file.where)
        else:
            self._left = _by_class(file.content.variables or {}, architecture)

    def take(self, layer: Layer, count: int) -> list[Array]:
        """All weights of a layer.

        Raises:
            LegacyError: they are not as many as the layer has.
        """
        weights = self._left.pop(layer.name, ())
        if len(weights) != count:
            raise layer.settings.fail(
                f"it has {count} weights by the description, but {len(weights)} in the file. "
                "Do the two belong to each other?"
            )
        return list(weights)

    def require_taken(self, layer: Layer) -> None:
        """Refuse weights that the layer has no use for."""
        left = self._left.get(layer.name, ())
        if left:
            raise layer.settings.fail(
                f"it has no weights by the description, but {len(left)} in the file. "
                "Do the two belong to each other?"
            )


def _by_name_or_order(
    stored: tuple[tuple[str, tuple[Array, ...]], ...], learned: list[Layer], where: str
) -> dict[str, tuple[Array, ...]]:
    """By name; by order if the names are others, as Keras counts them up within a session.

    A nested network's weights stand together.
    """
    groups: dict[str, list[Layer]] = {}
    for layer in learned:
        groups.setdefault(layer.within[0][0] if layer.within else layer.name, []).append(layer)
    full = {name: weights for name, weights in stored if weights}
    if sorted(groups) != sorted(full):
        if len(full) != len(groups):
            raise LegacyError(
                f"{where}: the network has {len(groups)} layers with weights, the file {len(full)}."
                f" Network: {_some(list(groups))}. File: {_some(list(full))}. "
                "Do the two belong to each other?"
            )
        full = dict(zip(groups, full.values(), strict=True))
    found: dict[str, tuple[Array, ...]] = {}
    for name, layers in groups.items():
        found.update(_of_nested(layers, full[name]) if layers[0].within else {name: full[name]})
    return found


def _of_nested(layers: list[Layer], weights: tuple[Array, ...]) -> dict[str, tuple[Array, ...]]:
    """Which of a nested network's weights are whose: what was trained stands before the rest."""
    found: dict[str, tuple[Array, ...]] = {layer.name: () for layer in layers}
    left = list(weights)
    for trained in (True, False):
        for layer in layers:
            learned, kept = weight_counts(layer.settings)
            if not layer.trained:
                learned, kept = 0, learned + kept
            count = learned if trained else kept
            found[layer.name] += tuple(left[:count])
            del left[:count]
    if left:
        raise LegacyError(
            f"layer {layers[0].within[0][0]}: the file holds {len(left)} weights more than the "
            "description has. Do the two belong to each other?"
        )
    return found


def _by_class(
    variables: dict[str, Array], architecture: Architecture
) -> dict[str, tuple[Array, ...]]:
    """Keras 3 names weights after the layers' classes, counted in each network's order."""
    found: dict[str, tuple[Array, ...]] = {}
    counts: Counter[str] = Counter()
    places: dict[tuple[str, ...], str] = {(): ""}

    def place_of(above: tuple[str, ...], name: str, kind: str) -> str:
        if (*above, name) not in places:
            word = places[above] + _snake_case(base_kind(kind))
            places[*above, name] = f"{word}_{counts[word]}" if counts[word] else word
            counts[word] += 1
        return places[*above, name]

    for layer in architecture.layers:
        above: tuple[str, ...] = ()
        for name, kind in layer.within:
            place = place_of(above, name, kind)
            above = (*above, name)
            places[above] = place if place.endswith("/") else f"{place}/layers/"
        place = place_of(above, layer.name, layer.kind)
        weights: list[Array] = []
        while f"{place}/vars/{len(weights)}" in variables:
            weights.append(variables[f"{place}/vars/{len(weights)}"])
        found[layer.name] = tuple(weights)
    return found


def _snake_case(name: str) -> str:
    """As Keras 3's naming.to_snake_case, on which the paths in its files depend."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


def _some(names: list[str]) -> str:
    return ", ".join(names[:12])[:400] + (", …" if len(names) > 12 else "") or "none"

"""Which of a file's weights belong to which layer."""

from __future__ import annotations

import re
from collections import Counter

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.architecture import Architecture, Layer
from ghostlap.pilots.keras_import.h5_file import Array
from ghostlap.pilots.keras_import.kinds import base_kind, has_weights
from ghostlap.pilots.keras_import.model_file import ModelFile


class StoredWeights:
    """The weights of each layer, to be taken once."""

    def __init__(self, file: ModelFile, architecture: Architecture) -> None:
        """Find each layer's weights.

        Raises:
            LegacyError: the layers with weights in the file are not those of the network.
        """
        learned = [
            layer
            for layer in architecture.layers
            if has_weights(layer.kind) and layer.settings.get("mean") is None  # a Normalization's
        ]
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
    """By name; by order if the names are others, as Keras counts them up within a session."""
    full = [(name, weights) for name, weights in stored if weights]
    names = [layer.name for layer in learned]
    if sorted(names) == sorted(name for name, _ in full):
        return dict(full)
    if len(full) == len(names):
        return {name: weights for name, (_, weights) in zip(names, full, strict=True)}
    raise LegacyError(
        f"{where}: the network has {len(names)} layers with weights, the file {len(full)}. "
        f"Network: {_some(names)}. File: {_some([name for name, _ in full])}. "
        "Do the two belong to each other?"
    )


def _by_class(
    variables: dict[str, Array], architecture: Architecture
) -> dict[str, tuple[Array, ...]]:
    """Keras 3 names weights after the layers' classes, counted in the network's order."""
    found: dict[str, tuple[Array, ...]] = {}
    counts: Counter[str] = Counter()
    for layer in architecture.layers:
        word = _snake_case(base_kind(layer.kind))
        place = f"{word}_{counts[word]}" if counts[word] else word
        counts[word] += 1
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

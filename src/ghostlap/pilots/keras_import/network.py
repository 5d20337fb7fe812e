"""From a description and weights to a network of today's Keras, layer by layer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ghostlap.base.errors import GhostlapError, LegacyError
from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_import.architecture import Architecture, read_architecture
from ghostlap.pilots.keras_import.bytecode import Affine, Cut, Grey, Resize, Step
from ghostlap.pilots.keras_import.inbound import OPERATOR, Layer, Output
from ghostlap.pilots.keras_import.kinds import INPUT, KINDS, LAMBDA, SCALING, SPATIAL, base_kind
from ghostlap.pilots.keras_import.lambdas import lambda_steps
from ghostlap.pilots.keras_import.layers import Origin, Part, Shape, simple
from ghostlap.pilots.keras_import.model_file import ModelFile
from ghostlap.pilots.keras_import.operators import cut, scales
from ghostlap.pilots.keras_import.stored_weights import StoredWeights
from ghostlap.pilots.keras_import.weighted import bilinear, grey

MOST_VALUES = 1 << 25
"""Of one tensor; a raw frame under 64 filters has 3.3 million."""


@dataclasses.dataclass(frozen=True)
class Rebuilt:
    """A network as it is now."""

    network: Any
    """Keras model, ``(n, height, width, channels)`` to ``(n, answers)``, uncompiled."""
    scales_itself: bool
    """Whether it takes values from 0 to 255 and scales them in a layer of its own."""
    notes: tuple[str, ...]
    """What was assumed."""


def rebuild(
    file: ModelFile,
    lambdas: Mapping[str, Step],
    flipped: bool | None,
    channel_scale: Sequence[tuple[float, float]] = (),
) -> Rebuilt:
    """Build the network anew and give it the weights, each checked for its shape.

    Args:
        lambdas: what Lambda layers do, by name, as their user says.
        flipped: whether convolutions are Theano's; None for what the file says.
        channel_scale: scale and offset of each channel of the picture, done first.

    Raises:
        LegacyError: layers that are not known (all are named), or weights that do not fit.
    """
    architecture = read_architecture(file.description, file.where)
    notes: list[str] = []
    origin = _origin(file, architecture, flipped, notes)
    steps = lambda_steps([x for x in architecture.layers if base_kind(x.kind) == LAMBDA], lambdas)
    _refuse_unknown(architecture, file.where)
    builder = _Builder(
        architecture, origin, steps, StoredWeights(file, architecture), channel_scale
    )
    try:
        network = builder.network()
    except GhostlapError:
        raise
    except Exception as error:  # Keras and its backends have no common class for their errors
        raise LegacyError(
            f"{file.where}: the network cannot be built as it is described "
            f"({type(error).__name__}: {' '.join(str(error).split())[:300]})."
        ) from error
    return Rebuilt(network, _scales_itself(architecture, steps), tuple(notes))


def _origin(
    file: ModelFile, architecture: Architecture, flipped: bool | None, notes: list[str]
) -> Origin:
    orders = {
        {"th": "channels_first", "tf": "channels_last"}.get(str(order), str(order)): layer.name
        for layer in architecture.layers
        if base_kind(layer.kind) in SPATIAL
        and (order := layer.settings.get("data_format", "dim_ordering")) is not None
    }
    orders.pop("default", None)
    strange = set(orders) - {"channels_first", "channels_last"}
    if strange or len(orders) > 1:
        raise LegacyError(
            f"{file.where}: all layers must have their channels in the same place, first or last. "
            f"Got {', '.join(f'{order[:40]} in {name}' for order, name in sorted(orders.items()))}."
        )
    first = "channels_first" in orders
    if flipped is None:
        flipped = file.backend == "theano"
        if first and not file.backend:
            notes.append(
                "The file does not say whether Keras ran on Theano, whose convolutions are turned "
                "round; TensorFlow was assumed. If it answers nonsense, try --backend theano."
            )
    version = file.keras_version
    modern = file.major == 3 or "tf" in version or bool(re.match(r"2\.([4-9]|1\d)\.", version))
    return Origin(file.major, first, flipped, modern)


def _refuse_unknown(architecture: Architecture, where: str) -> None:
    unknown = [
        f"{layer.name} ({layer.kind})"
        for layer in architecture.layers
        if base_kind(layer.kind) not in {*KINDS, LAMBDA, INPUT}
    ]
    if unknown:
        known = ", ".join(sorted({*KINDS} - {OPERATOR}))
        more = f" and {len(unknown) - 20} more" if len(unknown) > 20 else ""
        raise LegacyError(
            f"{where}: {len(unknown)} layers are of kinds that cannot be imported: "
            f"{', '.join(unknown[:20])}{more}. Known are: {known}."
        )


def _scales_itself(architecture: Architecture, steps: Mapping[str, tuple[Step, ...]]) -> bool:
    """Whether something scales the picture before the first layer that looks at it."""
    for layer in architecture.layers:
        kind = base_kind(layer.kind)
        if kind in SCALING or any(isinstance(s, Affine) for s in steps.get(layer.name, ())):
            return True
        if kind == OPERATOR and scales(layer.settings):
            return True
        if kind.startswith(("Conv", "Dense", "Sep", "Depthwise", "Atrous", "BatchNorm")):
            return False
    return False


class _Builder:
    def __init__(
        self,
        architecture: Architecture,
        origin: Origin,
        lambda_steps: Mapping[str, tuple[Step, ...]],
        stored: StoredWeights,
        channel_scale: Sequence[tuple[float, float]],
    ) -> None:
        self.channel_scale = channel_scale
        self.architecture = architecture
        self.origin = origin
        self.lambda_steps = lambda_steps
        self.stored = stored
        self.tensors: dict[Output, Any] = {}
        self.made: dict[str, list[Any]] = {}
        self.names: set[str] = set()

    def network(self) -> Any:
        sides = self.architecture.input_shape
        height, width, channels = (
            (sides[1], sides[2], sides[0]) if self.origin.channels_first else sides
        )
        if channels not in (1, 3):
            raise LegacyError(
                f"layer {self.architecture.picture}: a picture has 1 or 3 channels. Got an input "
                f"of shape {sides}, channels {'first' if self.origin.channels_first else 'last'}."
            )
        picture = keras.Input((height, width, channels))
        self.tensors[self.architecture.picture, 0] = picture
        if self.channel_scale:
            scales, offsets = (list(part) for part in zip(*self.channel_scale, strict=True))
            scaled = keras.layers.Rescaling(scales, offsets, name=self._unused("script_scale"))
            self.tensors[self.architecture.picture, 0] = scaled(picture)
        waiting = [
            (layer, index)
            for layer in self.architecture.layers
            for index in range(len(layer.calls))
        ]
        while waiting:
            ready = [one for one in waiting if self._is_fed(*one)]
            if not ready:
                raise LegacyError(f"layer {waiting[0][0].name}: the layers feed each other round.")
            for layer, index in ready:
                self.tensors[layer.name, index] = self._apply(layer, index)
            waiting = [one for one in waiting if (one[0].name, one[1]) not in self.tensors]
        answers = [self._flat(self.tensors[output]) for output in self.architecture.outputs]
        joined = keras.layers.Concatenate()(answers) if len(answers) > 1 else answers[0]
        return keras.Model(picture, joined, name="imported")

    def _is_fed(self, layer: Layer, index: int) -> bool:
        # A layer that is used twice is made by its first use.
        earlier = index == 0 or (layer.name, index - 1) in self.tensors
        return earlier and all(source in self.tensors for source in layer.calls[index])

    def _flat(self, tensor: Any) -> Any:
        return tensor if len(tensor.shape) == 2 else keras.layers.Flatten()(tensor)

    def _apply(self, layer: Layer, index: int) -> Any:
        fed = [self.tensors[source] for source in layer.calls[index]]
        tensor = fed if len(fed) > 1 else fed[0]
        if index == 0:
            self.made[layer.name] = []
            for part in self._parts(layer, tensor):
                tensor = self._made(layer, part, tensor)
            self.stored.require_taken(layer)
        else:
            for one in self.made[layer.name]:
                tensor = one(tensor)
        if isinstance(tensor, list):  # a layer that only passes on what it gets
            raise layer.settings.fail("it is fed with several tensors.")
        return tensor

    def _parts(self, layer: Layer, tensor: Any) -> list[Part]:
        kind = base_kind(layer.kind)
        if kind == INPUT:
            return []
        if kind != LAMBDA:
            return KINDS[kind](layer.settings, self.origin)
        parts: list[Part] = []
        shape = _shape(tensor)
        for step in self.lambda_steps[layer.name]:
            if isinstance(step, Affine):
                parts.append(simple("Rescaling", scale=step.scale, offset=step.offset))
                continue
            if isinstance(step, Cut):
                parts.append(cut(step.keys, layer.settings, self.origin))
                whole = tuple(slice(*k) if k is not Ellipsis else k for k in step.keys)
                shape = np.empty((1, *shape), np.uint8)[whole].shape[1:]
                continue
            if self.origin.channels_first or len(shape) != 3:
                raise layer.settings.fail("it changes what is no picture with channels last.")
            if isinstance(step, Grey):
                parts.append(grey())
                shape = (*shape[:2], 1)
            elif isinstance(step, Resize):
                half = self.origin.half_pixels and step.function == "resize"
                parts += bilinear(shape, step.height, step.width, half)
                shape = (step.height, step.width, shape[2])
        return parts

    def _made(self, layer: Layer, part: Part, tensor: Any) -> Any:
        """The output of a part, made only once its weights are known to fit."""
        wanted = list(part.shapes(_shape(tensor)))
        weights = list(part.known)
        if wanted:
            stored = self.stored.take(layer, len(wanted))
            weights = part.convert(stored)
            if [weight.shape for weight in weights] != wanted:
                raise layer.settings.fail(
                    f"its weights in the file have the shapes {_listed(stored)}, but by the "
                    f"description they would be {', '.join(map(str, wanted))}. "
                    "Do the two belong to each other?"
                )
        if part.absorb is not None:
            part.absorb(weights)
            weights = []
        made = part.make(self._unused(layer.name))
        self.made[layer.name].append(made)
        tensor = made(tensor)
        values = int(np.prod([side or 1 for side in tensor.shape], dtype=object))
        if values > MOST_VALUES:
            raise layer.settings.fail(
                f"it would make a tensor of shape {tuple(tensor.shape)}, more than a pilot needs."
            )
        if weights:
            made.set_weights(weights)
        return tensor

    def _unused(self, name: str) -> str:
        """A name that Keras and ONNX take, different for each layer."""
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name)[:60].lstrip("_") or "layer"
        unused, count = plain, 1
        while unused in self.names:
            count += 1
            unused = f"{plain}_{count}"
        self.names.add(unused)
        return unused


def _listed(weights: list[np.ndarray]) -> str:
    return ", ".join(str(weight.shape) for weight in weights)


def _shape(tensor: Any) -> Shape:
    first = tensor[0] if isinstance(tensor, list) else tensor
    return tuple(first.shape[1:])

"""Layers of Keras 1, 2 and 3 as layers of today's Keras, channels last whatever they were.

Each kind is a function from its settings to parts: Keras layers to be made, the shapes of the
weights that the file must hold for them, and what is done to these. Nothing is made before the
weights are known to fit, so a file cannot ask for more memory than it has bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_import.settings import Settings

Shape = tuple[int, ...]
"""Of a tensor without the batch, or of a weight."""

MOST_FILTERS = 1 << 20
MOST_SIDE = 4096

klayers = keras.layers


@dataclasses.dataclass(frozen=True)
class Origin:
    """What all layers of one file have in common."""

    major: int
    """Keras 1, 2 or 3."""
    channels_first: bool
    """Its pictures were ``(channels, height, width)``; they are turned round here."""
    flipped: bool
    """Its convolutions are Theano's, whose kernels are turned by 180 degrees."""
    half_pixels: bool
    """``tf.image.resize`` counts pixels by their centers, as TensorFlow 2 does."""

    def axis(self, axis: int, rank: int) -> int:
        """Where an axis (the batch is 0) lies once channels are last."""
        positive = axis + rank if axis < 0 else axis
        if self.channels_first and rank == 4:
            return {0: 0, 1: 3, 2: 1, 3: 2}.get(positive, -1)
        return positive if 0 <= positive < rank else -1


@dataclasses.dataclass(frozen=True)
class Part:
    """One Keras layer of today, not made yet."""

    make: Callable[[str], Any]
    """From its name."""
    shapes: Callable[[Shape], Sequence[Shape]] = lambda _: ()
    """From the input's shape to those of the weights that it takes from the file."""
    convert: Callable[[list[np.ndarray]], list[np.ndarray]] = lambda weights: weights
    """From the weights as the file has them to those of the layer."""
    absorb: Callable[[list[np.ndarray]], None] | None = None
    """Takes the weights before the layer is made, which then has none of its own."""
    known: tuple[np.ndarray, ...] = ()
    """Weights that do not come from the file."""


def simple(kind: str, **options: Any) -> Part:
    """A layer of Keras without weights."""
    return Part(lambda name: getattr(klayers, kind)(**options, name=name))


ACTIVATIONS = (
    "linear", "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "glu", "tanh",
    "hard_tanh", "tanh_shrink", "sigmoid", "hard_sigmoid", "log_sigmoid", "sparse_sigmoid",
    "softplus", "sparse_plus", "squareplus", "softsign", "softmax", "log_softmax", "sparsemax",
    "exponential", "silu", "swish", "hard_silu", "hard_swish", "mish", "hard_shrink", "soft_shrink",
    "threshold",
)  # fmt: skip
"""All of Keras by name; ``threshold`` with Keras' own default."""


def activation(settings: Settings, origin: Origin, default: str | None = "linear") -> list[Part]:
    """The activation that a layer has or is."""
    value = settings.get("activation", default=default)
    if isinstance(value, Mapping):
        kind, config = value.get("class_name"), value.get("config")
        kind = kind.rpartition(">")[2] if isinstance(kind, str) else kind
        if kind == "function" or isinstance(config, str):
            value = config
        elif isinstance(config, Mapping) and kind in _ACTIVATION_LAYERS:
            inner = Settings(settings.layer, kind, config)
            return _ACTIVATION_LAYERS[kind](inner, origin)
        else:
            value = config.get("name") if isinstance(config, Mapping) else kind
    value = value.rpartition(">")[2] if isinstance(value, str) else value
    if value == "hard_sigmoid" and origin.major < 3:  # another slope than Keras 3 gives it
        return [simple("Rescaling", scale=0.2, offset=0.5), simple("ReLU", max_value=1.0)]
    if value not in ACTIVATIONS:
        raise settings.fail(
            f"activation {str(value)[:80]!r} is not one of Keras' own. Save the model with one of "
            f"{', '.join(ACTIVATIONS)}."
        )
    if value in ("softmax", "log_softmax", "sparsemax", "glu") and origin.channels_first:
        raise settings.fail(f"{value} over channels_first pictures is not understood.")
    return [] if value == "linear" else [simple("Activation", activation=value)]


def elu(settings: Settings, _: Origin) -> list[Part]:
    alpha = settings.number("alpha", default=1.0)
    if alpha == 1:
        return [simple("Activation", activation="elu")]
    return [simple("ELU", alpha=alpha)]


def leaky_relu(settings: Settings, _: Origin) -> list[Part]:
    slope = settings.number("negative_slope", "alpha", default=0.3)
    return [simple("LeakyReLU", negative_slope=slope)]


def relu(settings: Settings, _: Origin) -> list[Part]:
    most = settings.get("max_value")
    return [
        simple(
            "ReLU",
            max_value=None if most is None else settings.number("max_value"),
            negative_slope=settings.number("negative_slope", "alpha", default=0.0),
            threshold=settings.number("threshold", "theta", default=0.0),
        )
    ]


def thresholded_relu(settings: Settings, _: Origin) -> list[Part]:
    return [simple("ReLU", threshold=settings.number("theta", default=1.0))]


def pooling(kind: str) -> Callable[[Settings, Origin], list[Part]]:
    def parts(settings: Settings, _: Origin) -> list[Part]:
        size = settings.pair("pool_size", low=1, high=512, default=2)
        strides = settings.pair("strides", low=1, high=512, default=size)
        padding = _padding(settings)
        return [simple(kind, pool_size=size, strides=strides, padding=padding)]

    return parts


def _padding(settings: Settings) -> str:
    return settings.choice("padding", "border_mode", among=("valid", "same"), default="valid")


def cropping(settings: Settings, _: Origin) -> list[Part]:
    return [simple("Cropping2D", cropping=settings.sides("cropping", MOST_SIDE))]


def zero_padding(settings: Settings, _: Origin) -> list[Part]:
    return [simple("ZeroPadding2D", padding=settings.sides("padding", 512))]


def global_pooling(kind: str) -> Callable[[Settings, Origin], list[Part]]:
    def parts(settings: Settings, _: Origin) -> list[Part]:
        kept = settings.flag("keepdims", default=False)
        return [simple(kind, keepdims=kept)]

    return parts


def dropout(kind: str) -> Callable[[Settings, Origin], list[Part]]:
    def parts(settings: Settings, _: Origin) -> list[Part]:
        return [simple(kind, rate=settings.share("rate", "p"))]

    return parts


def nothing(_: Settings, __: Origin) -> list[Part]:
    """What does something in training only."""
    return []


def rescaling(settings: Settings, origin: Origin) -> list[Part]:
    scale = settings.numbers("scale", default=1.0)
    offset = settings.numbers("offset", default=0.0)
    if origin.channels_first and isinstance(scale, list) | isinstance(offset, list):
        raise settings.fail("one scale for each channel is not understood, channels first.")
    return [simple("Rescaling", scale=scale, offset=offset)]


def softmax(settings: Settings, origin: Origin) -> list[Part]:
    if origin.channels_first or settings.get("axis", default=-1) not in (-1, [-1]):
        raise settings.fail("softmax over another axis than the last is not understood.")
    return [simple("Activation", activation="softmax")]


_ACTIVATION_LAYERS = {
    "ELU": elu, "LeakyReLU": leaky_relu, "ReLU": relu, "ThresholdedReLU": thresholded_relu,
    "Softmax": softmax, "Activation": activation,
}  # fmt: skip


def center_crop(settings: Settings, _: Origin) -> list[Part]:
    height = settings.whole("height", low=1, high=MOST_SIDE)
    width = settings.whole("width", low=1, high=MOST_SIDE)
    return [simple("CenterCrop", height=height, width=width)]


def upsampling(settings: Settings, _: Origin) -> list[Part]:
    size = settings.pair("size", low=1, high=64, default=2)
    how = settings.choice("interpolation", among=("nearest", "bilinear"), default="nearest")
    return [simple("UpSampling2D", size=size, interpolation=how)]


def resizing(settings: Settings, _: Origin) -> list[Part]:
    if settings.flag("crop_to_aspect_ratio", default=False) or settings.flag(
        "pad_to_aspect_ratio", default=False
    ):
        raise settings.fail("resizing that keeps the aspect ratio is not understood.")
    height = settings.whole("height", low=1, high=MOST_SIDE)
    width = settings.whole("width", low=1, high=MOST_SIDE)
    how = settings.choice("interpolation", among=("bilinear", "nearest"), default="bilinear")
    return [simple("Resizing", height=height, width=width, interpolation=how)]


def _to_file_order(origin: Origin, rank: int) -> list[Part]:
    """Channels where the file has them, before values are counted off in order."""
    return [simple("Permute", dims=(3, 1, 2))] if origin.channels_first and rank == 4 else []


def flatten(settings: Settings, origin: Origin) -> list[Part]:
    """In the file's order of channels. Keras 2's own channels_first undoes it by itself."""
    undone = settings.get("data_format") == "channels_first"
    return [*([] if undone else _to_file_order(origin, 4)), simple("Flatten")]


def reshape(settings: Settings, origin: Origin) -> list[Part]:
    target = settings.whole_list("target_shape", -1, 1 << 24, most=4)
    if target.count(-1) > 1 or 0 in target:
        raise settings.fail(f"target_shape must be the size of each axis. Got {target}.")
    back = [simple("Permute", dims=(2, 3, 1))] if origin.channels_first and len(target) == 3 else []
    return [simple("Reshape", target_shape=tuple(target)), *back]


def permute(settings: Settings, origin: Origin) -> list[Part]:
    dims = settings.whole_list("dims", 1, 4, most=4)
    if sorted(dims) != list(range(1, len(dims) + 1)):
        raise settings.fail(f"dims must be a new order of the axes. Got {dims}.")
    if origin.channels_first:
        raise settings.fail("turning axes round in a channels_first network is not understood.")
    return [simple("Permute", dims=tuple(dims))]


def merge(settings: Settings, origin: Origin) -> list[Part]:
    """Keras 1's Merge: one layer, several ways."""
    ways = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}
    mode = settings.choice("mode", among=("sum", "concat", "mul", "ave", "max"), default="sum")
    if mode == "concat":
        return _concatenate(settings, origin, "concat_axis")
    return [simple(ways[mode])]


def concatenate(settings: Settings, origin: Origin) -> list[Part]:
    return _concatenate(settings, origin, "axis")


def _concatenate(settings: Settings, origin: Origin, name: str) -> list[Part]:
    axis = settings.whole(name, low=-4, high=3, default=-1)
    if origin.channels_first and axis not in (1, -3):
        raise settings.fail("only channels can be joined in a channels_first network.")
    return [simple("Concatenate", axis=-1 if origin.channels_first else axis)]


def merging(kind: str) -> Callable[[Settings, Origin], list[Part]]:
    return lambda settings, origin: [simple(kind)]

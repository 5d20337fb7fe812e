"""Layers with weights: which shapes these must have, and how they lay in older files."""

from __future__ import annotations

from typing import Any

import numpy as np

from ghostlap.pilots.keras_import.layers import (
    MOST_FILTERS,
    Origin,
    Part,
    Shape,
    activation,
    klayers,
    simple,
)
from ghostlap.pilots.keras_import.settings import Settings


def _kernel_size(settings: Settings) -> tuple[int, int]:
    if settings.get("nb_row") is not None:  # Keras 1
        rows = settings.whole("nb_row", low=1, high=512)
        return rows, settings.whole("nb_col", low=1, high=512)
    return settings.pair("kernel_size", low=1, high=512)


def _convolution_options(settings: Settings) -> dict[str, Any]:
    return {
        "kernel_size": _kernel_size(settings),
        "strides": settings.pair("strides", "subsample", low=1, high=512, default=1),
        "padding": settings.choice(
            "padding", "border_mode", among=("valid", "same"), default="valid"
        ),
        "dilation_rate": settings.pair("dilation_rate", "atrous_rate", low=1, high=64, default=1),
        "use_bias": settings.flag("use_bias", "bias", default=True),
    }


def _old_kernel(origin: Origin, settings: Settings) -> Any:
    """Kernels as today's: Keras 1 had (filters, channels, rows, columns) with channels first."""
    turned = origin.major == 1 and settings.get("dim_ordering") == "th"

    def convert(weights: list[np.ndarray]) -> list[np.ndarray]:
        kernel, *rest = weights
        if kernel.ndim == 4 and turned:
            kernel = kernel.transpose(2, 3, 1, 0)
        if kernel.ndim == 4 and origin.flipped:
            kernel = kernel[::-1, ::-1]
        return [kernel, *rest]

    return convert


def convolution(settings: Settings, origin: Origin) -> list[Part]:
    filters = settings.whole("filters", "nb_filter", low=1, high=MOST_FILTERS)
    groups = settings.whole("groups", low=1, high=MOST_FILTERS, default=1)
    options = _convolution_options(settings)
    if filters % groups:
        raise settings.fail(f"{filters} filters cannot be {groups} groups.")

    def shapes(shape: Shape) -> list[Shape]:
        kernel = (*options["kernel_size"], shape[-1] // groups, filters)
        return [kernel, (filters,)] if options["use_bias"] else [kernel]

    def make(name: str) -> Any:
        return klayers.Conv2D(filters, groups=groups, **options, name=name)

    kernel = Part(make, shapes, _old_kernel(origin, settings))
    return [kernel, *activation(settings, origin)]


def depthwise(settings: Settings, origin: Origin) -> list[Part]:
    multiplier = settings.whole("depth_multiplier", low=1, high=1024, default=1)
    options = _convolution_options(settings)
    _refuse_theano(settings, origin)

    def shapes(shape: Shape) -> list[Shape]:
        kernel = (*options["kernel_size"], shape[-1], multiplier)
        return [kernel, (shape[-1] * multiplier,)] if options["use_bias"] else [kernel]

    def make(name: str) -> Any:
        return klayers.DepthwiseConv2D(depth_multiplier=multiplier, **options, name=name)

    return [Part(make, shapes), *activation(settings, origin)]


def separable(settings: Settings, origin: Origin) -> list[Part]:
    filters = settings.whole("filters", "nb_filter", low=1, high=MOST_FILTERS)
    multiplier = settings.whole("depth_multiplier", low=1, high=1024, default=1)
    options = _convolution_options(settings)
    _refuse_theano(settings, origin)

    def shapes(shape: Shape) -> list[Shape]:
        channels = shape[-1]
        kernels = [
            (*options["kernel_size"], channels, multiplier),
            (1, 1, channels * multiplier, filters),
        ]
        return [*kernels, (filters,)] if options["use_bias"] else kernels

    def make(name: str) -> Any:
        return klayers.SeparableConv2D(filters, depth_multiplier=multiplier, **options, name=name)

    return [Part(make, shapes), *activation(settings, origin)]


def _refuse_theano(settings: Settings, origin: Origin) -> None:
    if origin.flipped or (origin.major == 1 and settings.get("dim_ordering") == "th"):
        raise settings.fail("its weights of Keras 1 with Theano's order are not understood.")


def dense(settings: Settings, origin: Origin) -> list[Part]:
    units = settings.whole("units", "output_dim", low=1, high=MOST_FILTERS)
    bias = settings.flag("use_bias", "bias", default=True)

    def shapes(shape: Shape) -> list[Shape]:
        if origin.channels_first and len(shape) > 1:
            raise settings.fail("Dense over channels_first pictures is not understood.")
        return [(shape[-1], units), (units,)] if bias else [(shape[-1], units)]

    def make(name: str) -> Any:
        return klayers.Dense(units, use_bias=bias, name=name)

    return [Part(make, shapes), *activation(settings, origin)]


def batch_normalization(settings: Settings, origin: Origin) -> list[Part]:
    """In Keras 1, ``running_std`` is a variance in all but name."""
    if settings.get("mode", default=0) != 0:
        raise settings.fail(
            "mode must be 0; the others of Keras 1 take the statistics of the batch at hand, so "
            "an answer depends on the other pictures in it."
        )
    epsilon = settings.number("epsilon", default=1e-3)
    center = settings.flag("center", default=True)
    scale = settings.flag("scale", default=True)
    axis = settings.get("axis", default=-1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if not isinstance(axis, int) or not -4 <= axis <= 3 or axis == 0:
        raise settings.fail(f"axis must be one axis. Got {str(axis)[:60]}.")
    if not 0 < epsilon < 1e3:
        raise settings.fail(f"epsilon must be above 0. Got {epsilon}.")
    places: list[int] = []

    def shapes(shape: Shape) -> list[Shape]:
        place = origin.axis(axis, len(shape) + 1)
        if place < 1:
            raise settings.fail(f"axis {axis} is not one of a tensor of {len(shape) + 1}.")
        places.append(place)
        return [(shape[place - 1],)] * (2 + center + scale)

    def make(name: str) -> Any:
        return klayers.BatchNormalization(
            axis=places[-1], epsilon=epsilon, center=center, scale=scale, name=name
        )

    return [Part(make, shapes)]


def prelu(settings: Settings, origin: Origin) -> list[Part]:
    shared = settings.values.get("shared_axes") or []
    shared = [shared] if isinstance(shared, int) else shared
    if not isinstance(shared, list) or not all(axis in (1, 2, 3) for axis in shared):
        raise settings.fail(f"shared_axes must be axes. Got {str(shared)[:60]}.")
    ranks: list[int] = []

    def axes(rank: int) -> list[int]:
        return sorted({origin.axis(axis, rank) for axis in shared})

    def shapes(shape: Shape) -> list[Shape]:
        ranks.append(len(shape) + 1)
        return [tuple(1 if i + 1 in axes(len(shape) + 1) else n for i, n in enumerate(shape))]

    def convert(weights: list[np.ndarray]) -> list[np.ndarray]:
        turned = origin.channels_first and weights[0].ndim == 3
        return [weights[0].transpose(1, 2, 0)] if turned else weights

    def make(name: str) -> Any:
        return klayers.PReLU(shared_axes=axes(ranks[-1]) or None, name=name)

    return [Part(make, shapes, convert)]


def normalization(settings: Settings, origin: Origin) -> list[Part]:
    """As a Rescaling: the mean and variance that it was adapted to stand among the weights."""
    axis = settings.get("axis")
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    per_channel = axis in (-1, 3)
    if not per_channel and settings.values.get("axis") not in (None, []):
        raise settings.fail(f"axis must be the channels, or none. Got {str(axis)[:60]}.")
    if origin.channels_first or settings.flag("invert", default=False):
        raise settings.fail("a Normalization of channels_first, or inverted, is not understood.")
    found: list[np.ndarray] = []
    given = settings.get("mean") is not None

    def shapes(shape: Shape) -> list[Shape]:
        if given:
            return []
        one: Shape = (shape[-1],) if per_channel else ()
        return [one, one, ()]

    def absorb(weights: list[np.ndarray]) -> None:
        found[:] = weights[:2]

    def make(name: str) -> Any:
        if given:
            mean = np.asarray(settings.numbers("mean"))
            variance = np.asarray(settings.numbers("variance"))
        else:
            mean, variance = found
        deviation = np.maximum(np.sqrt(np.maximum(variance, 0.0)), 1e-7)
        return klayers.Rescaling((1 / deviation).tolist(), (-mean / deviation).tolist(), name=name)

    return [Part(make, shapes, absorb=absorb)]


def _known_dense(matrix: np.ndarray) -> Part:
    """The last axis times a matrix that is known."""

    def make(name: str) -> Any:
        return klayers.Dense(matrix.shape[1], use_bias=False, trainable=False, name=name)

    return Part(make, known=(matrix.astype(np.float32),))


def grey() -> Part:
    """``tf.image.rgb_to_grayscale``."""
    return _known_dense(np.array([[0.2989], [0.5870], [0.1140]]))


def bilinear(shape: Shape, height: int, width: int, half_pixels: bool) -> list[Part]:
    """Resizing as two matrices, which also says how TensorFlow 1 did it, off by half a pixel."""
    rows = _bilinear_matrix(shape[0], height, half_pixels)
    columns = _bilinear_matrix(shape[1], width, half_pixels)
    return [
        simple("Permute", dims=(1, 3, 2)),
        _known_dense(columns),
        simple("Permute", dims=(3, 2, 1)),
        _known_dense(rows),
        simple("Permute", dims=(3, 1, 2)),
    ]


def _bilinear_matrix(size: int, wanted: int, half_pixels: bool) -> np.ndarray:
    """Shape ``(size, wanted)``: how much of each pixel goes into each."""
    half = 0.5 if half_pixels else 0.0
    places = np.clip((np.arange(wanted) + half) * (size / wanted) - half, 0, size - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((size, wanted))
    np.add.at(matrix, (low, np.arange(wanted)), 1 - (places - low))
    np.add.at(matrix, (high, np.arange(wanted)), places - low)
    return matrix

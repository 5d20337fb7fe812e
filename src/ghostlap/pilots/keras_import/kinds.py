"""Which kinds of layers are understood, under all names that Keras gave them."""

from __future__ import annotations

from collections.abc import Callable

from ghostlap.pilots.keras_import import layers, weighted
from ghostlap.pilots.keras_import.layers import Origin, Part
from ghostlap.pilots.keras_import.settings import Settings

KINDS: dict[str, Callable[[Settings, Origin], list[Part]]] = {
    "Activation": layers.activation,
    "ActivityRegularization": layers.nothing,
    "Add": layers.merging("Add"),
    "AlphaDropout": layers.nothing,
    "AtrousConv2D": weighted.convolution,
    "AtrousConvolution2D": weighted.convolution,
    "Average": layers.merging("Average"),
    "AveragePooling2D": layers.pooling("AveragePooling2D"),
    "BatchNormalization": weighted.batch_normalization,
    "BatchNormalizationV1": weighted.batch_normalization,
    "BatchNormalizationV2": weighted.batch_normalization,
    "Concatenate": layers.concatenate,
    "Conv2D": weighted.convolution,
    "Convolution2D": weighted.convolution,
    "Cropping2D": layers.cropping,
    "Dense": weighted.dense,
    "DepthwiseConv2D": weighted.depthwise,
    "Dropout": layers.dropout("Dropout"),
    "ELU": layers.elu,
    "Flatten": layers.flatten,
    "GaussianDropout": layers.nothing,
    "GaussianNoise": layers.nothing,
    "GlobalAveragePooling2D": layers.global_pooling("GlobalAveragePooling2D"),
    "GlobalMaxPooling2D": layers.global_pooling("GlobalMaxPooling2D"),
    "LeakyReLU": layers.leaky_relu,
    "MaxPooling2D": layers.pooling("MaxPooling2D"),
    "Maximum": layers.merging("Maximum"),
    "Merge": layers.merge,
    "Multiply": layers.merging("Multiply"),
    "Normalization": weighted.normalization,
    "PReLU": weighted.prelu,
    "Permute": layers.permute,
    "ReLU": layers.relu,
    "Rescaling": layers.rescaling,
    "Reshape": layers.reshape,
    "Resizing": layers.resizing,
    "SeparableConv2D": weighted.separable,
    "SeparableConvolution2D": weighted.separable,
    "Softmax": layers.softmax,
    "SpatialDropout2D": layers.dropout("SpatialDropout2D"),
    "ZeroPadding2D": layers.zero_padding,
}

LAMBDA = "Lambda"
INPUT = "InputLayer"

SPATIAL = frozenset(
    kind for kind in KINDS if "2D" in kind and not kind.startswith("SpatialDropout")
)
"""Kinds that say in their settings where their pictures have their channels."""

_WEIGHTED = (
    "Atrous", "BatchNorm", "Conv", "Dense", "Depthwise", "Normalization", "PReLU", "Separable",
)  # fmt: skip

SCALING = frozenset({"Rescaling", "Normalization"})


def base_kind(kind: str) -> str:
    """A class without the package it is registered under: ``Custom>Conv2D`` is one's own."""
    package, _, name = kind.rpartition(">")
    return name if package in ("", "keras", "Keras") else kind


def has_weights(kind: str) -> bool:
    """Whether a layer of this class has weights in a file."""
    return base_kind(kind).startswith(_WEIGHTED)

"""Which kinds of layers are understood, under all names that Keras gave them."""

from __future__ import annotations

from collections.abc import Callable

from ghostlap.pilots.keras_import import layers, operators, weighted
from ghostlap.pilots.keras_import.inbound import OPERATOR
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
    "CenterCrop": layers.center_crop,
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
    "Minimum": layers.merging("Minimum"),
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
    "Subtract": layers.merging("Subtract"),
    "ThresholdedReLU": layers.thresholded_relu,
    "UpSampling2D": layers.upsampling,
    "ZeroPadding2D": layers.zero_padding,
    OPERATOR: operators.operator,
    # What changes pictures in training only.
    **dict.fromkeys((
        "AugMix", "CutMix", "Equalization", "Identity", "MixUp", "RandAugment", "RandomBrightness",
        "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomElasticTransform",
        "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHeight",
        "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation",
        "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomWidth",
        "RandomZoom", "Solarization", "SpatialDropout1D", "SpatialDropout3D",
    ), layers.nothing),
}  # fmt: skip

LAMBDA = "Lambda"
INPUT = "InputLayer"

SPATIAL = frozenset(
    kind for kind in KINDS if "2D" in kind and not kind.startswith("SpatialDropout")
)
"""Kinds that say in their settings where their pictures have their channels."""

SCALING = frozenset({"Rescaling", "Normalization"})


def base_kind(kind: str) -> str:
    """A class without the package it is registered under: ``Custom>Conv2D`` is one's own."""
    package, _, name = kind.rpartition(">")
    return name if package in ("", "keras", "Keras") else kind


def weight_counts(settings: Settings) -> tuple[int, int]:
    """How many weights a layer has in a file, those that are trained and those that are not."""
    kind = base_kind(settings.kind)
    if kind.startswith("BatchNorm"):
        learned = [settings.flag(name, default=True) for name in ("center", "scale")]
        return sum(learned), 2
    if kind == "Normalization":
        return 0, 0 if settings.get("mean") is not None else 3
    if kind == "PReLU":
        return 1, 0
    if kind.startswith(("Atrous", "Conv", "Dense", "Depthwise", "Separable")):
        return 1 + kind.startswith("Separable") + settings.flag("use_bias", "bias", default=True), 0
    return 0, 0

"""A critic is fitted to drives whose end is known, and judged by drives that it has never seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import TrainingError
from ghostlap.driving.failures.corpus import FailureDrive, known, to_failure_s
from ghostlap.driving.failures.figures import HORIZONS_S
from ghostlap.driving.metrics import Drive
from ghostlap.pilots.backend import keras

Floats = NDArray[np.float64]

LAGS_S = (0.0, 0.25, 0.5, 0.75, 1.0)
TICK_S = 0.05

_LAGS = np.round(np.array(LAGS_S) / TICK_S).astype(int)
_HIDDEN = (32, 16)
_BATCH = 512
_WIDE_M = 3.0
_WITHIN_PERCENT = (0.2, 99.8)
"""What is learned holds within what was seen: beyond, layers of another network answer anything."""


@dataclasses.dataclass(frozen=True)
class CriticTraining:
    """How a critic is fitted."""

    epochs: int = 10
    learning_rate: float = 2e-3
    dropout: float = 0.2
    """Of components, over the whole second."""
    noise: float = 0.1
    """Standard deviation of what is added to components."""
    weight_decay: float = 1e-2
    components: int = 64
    """Principal components of the standardised features that are looked at, half whitened."""
    margin_weight: float = 0.3
    """Weight of the error of the least margin within each horizon, in metres: unlike failures,
    there is one everywhere."""
    stride: int = 3
    """Every so many ticks is a moment to learn from."""
    seed: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class FittedCritic:
    """A critic as numbers."""

    weights: Floats
    """Of the first layer, ``(lags, features, hidden)``, with the features' scale in them."""
    bias: Floats
    """Of it, ``(hidden,)``."""
    layers: tuple[tuple[Floats, Floats], ...]
    """Weights and bias of the others."""
    limits: tuple[Floats, Floats]
    """Least and greatest of each feature, beyond which it counts as that."""

    def log_odds(self, drive: FailureDrive) -> Floats:
        """At each tick, for each horizon: ``(ticks, horizons)``, the history kept over failures."""
        features = np.clip(drive.features.astype(np.float64), *self.limits)
        rows = np.arange(len(features))
        values = self.bias
        for lag, weights in zip(_LAGS, self.weights, strict=True):
            values = values + (features @ weights)[np.maximum(rows - lag, 0)]
        for weights, bias in self.layers:
            values = np.where(values > 0, values, np.expm1(np.minimum(values, 0))) @ weights + bias
        return np.asarray(values, float)


def fit_critic(
    drives: Sequence[FailureDrive], training: CriticTraining | None = None
) -> FittedCritic:
    """Fit a critic to drives.

    Raises:
        TrainingError: nothing failed in them, or they are of different networks.
    """
    training = training or CriticTraining()
    if len({drive.features.shape[1] for drive in drives}) > 1:
        raise TrainingError(
            "The drives are of networks that compute differently much, so no critic can be "
            "made of them. Name folders of one pilot."
        )
    moments = _Moments(drives, training)
    if not (moments.labels[:, : len(HORIZONS_S)] == 1).any():
        raise TrainingError(
            "Nothing failed in these drives, so there is nothing to learn. Drive more: 'ghostlap "
            "failures' with more --rounds or --seconds."
        )
    keras.utils.set_random_seed(training.seed)
    network = _network(moments.components.shape[1], training)
    steps = len(moments) * training.epochs
    network.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(training.learning_rate, steps),
            weight_decay=training.weight_decay,
        ),
        _loss_of(training),
        jit_compile=False,
    )
    network.fit(moments, epochs=training.epochs, verbose=0)
    (whole, bias), *rest, (last, last_bias) = (
        [np.array(one, float) for one in layer.get_weights()]
        for layer in network.layers
        if isinstance(layer, keras.layers.Dense)
    )
    weights = np.einsum(
        "fc,lch->lfh", moments.components, whole.reshape(len(LAGS_S), -1, len(bias))
    )
    first = bias - np.einsum("f,lfh->h", moments.mean, weights)
    answers = len(HORIZONS_S)  # what follows are margins, which only helped to learn
    layers = *((one, other) for one, other in rest), (last[:, :answers], last_bias[:answers])
    return FittedCritic(weights=weights, bias=first, layers=layers, limits=moments.limits)


def _network(components: int, training: CriticTraining) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((len(LAGS_S), components)),
            layers.SpatialDropout1D(training.dropout),
            layers.GaussianNoise(training.noise),
            layers.Flatten(),
            layers.Dense(_HIDDEN[0], "elu"),
            layers.Dense(_HIDDEN[1], "elu"),
            layers.Dense(2 * len(HORIZONS_S)),
        ]
    )


def _loss_of(training: CriticTraining) -> Any:
    """Cross-entropy of what is known, and the error of margins; labels are NaN where unknown."""
    ops = keras.ops

    def loss(labels: Any, answers: Any) -> Any:
        unknown = ops.isnan(labels)
        wanted = ops.where(unknown, 0.0, labels)
        count = len(HORIZONS_S)
        entropy = ops.softplus(answers) - wanted * answers
        error = ops.square(answers - wanted)
        known = ops.where(unknown, 0.0, 1.0)
        return ops.mean((entropy * known)[:, :count], axis=-1) + training.margin_weight * ops.mean(
            (error * known)[:, count:], axis=-1
        )

    return loss


class _Moments(keras.utils.PyDataset):
    """Moments of drives in a drawn order: the features of the last second, and what came."""

    def __init__(self, drives: Sequence[FailureDrive], training: CriticTraining) -> None:
        super().__init__()
        features = np.concatenate([drive.features for drive in drives]).astype(np.float32)
        low, high = np.percentile(features, _WITHIN_PERCENT, axis=0)
        self.limits = (low, high)
        features = np.clip(features, low, high)
        self.mean = features.mean(0, dtype=np.float64)
        std = features.std(0, dtype=np.float64) + 1e-3
        self.components = (
            _components((features - self.mean) / std, training.components) / std[:, None]
        )
        """Of features less their mean, shape ``(features, components)``."""
        self._seen = ((features - self.mean) @ self.components).astype(np.float32)
        rows, labels, begin = [], [], 0
        for one in drives:
            ahead = to_failure_s(one.drive)
            label = np.stack(
                [np.where(known(one.drive, s), ahead <= s, np.nan) for s in HORIZONS_S], axis=1
            )
            margins = [_least_margin_m(one.drive, s) for s in HORIZONS_S]
            label = np.concatenate(
                [label, np.where(np.isnan(label), np.nan, np.stack(margins, 1))], 1
            )
            chosen = np.flatnonzero(np.isfinite(label).any(1))[:: training.stride]
            rows.append(begin + chosen)
            labels.append(label[chosen])
            begin += len(one.features)
        self.rows = np.concatenate(rows)
        self.labels = np.concatenate(labels).astype(np.float32)
        self._draw = np.random.default_rng(training.seed)
        self._order = self._draw.permutation(len(self.rows))

    def __len__(self) -> int:
        return -(-len(self.rows) // _BATCH)

    def __getitem__(self, i: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        at = self._order[i * _BATCH : (i + 1) * _BATCH]
        return self._seen[self.rows[at][:, None] - _LAGS], self.labels[at]

    def on_epoch_end(self) -> None:
        self._order = self._draw.permutation(len(self.rows))


def _components(standardised: Floats, count: int) -> Floats:
    """The first principal components, each divided by the root of its standard deviation."""
    variance, directions = np.linalg.eigh(np.cov(standardised.T))
    first = np.argsort(-variance)[:count]
    return np.asarray(directions[:, first] / (variance[first] + 1e-6) ** 0.25)


def _least_margin_m(drive: Drive, ahead_s: float) -> Floats:
    """The least margin within a time of each tick, at most :data:`_WIDE_M`; 0 if it fails."""
    ticks = round(ahead_s / TICK_S)
    margin_m = np.where(drive.intervention > 0, 0.0, np.clip(drive.margin_m, 0.0, _WIDE_M))
    padded = np.append(margin_m[1:], np.full(ticks, _WIDE_M))
    return np.asarray(
        np.lib.stride_tricks.sliding_window_view(padded, ticks).min(1)[: len(margin_m)]
    )

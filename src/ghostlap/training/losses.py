"""What a training makes small: the error of what is answered, and of how sure it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ghostlap.data.auxiliary import size_of
from ghostlap.data.lines import BRANCHES
from ghostlap.data.loader import LABELLED
from ghostlap.pilots.backend import keras
from ghostlap.training.config import TrainConfig

ops = keras.ops

HUBER_DELTA = 0.2
"""Steering errors beyond this count linearly, not squared, in the Huber loss."""

MASK_WEIGHT = 0.1
"""Weight of the mean cross-entropy of a mask's cells among the auxiliaries."""

STD_WEIGHT = 0.02
"""Weight of the likelihood of steering_std; the steering's error is about that large."""

SMALLEST_STD = 0.02
"""Least steering_std answered: no label of a person's steering is more certain."""

Loss = Callable[[Any, Any], Any]
"""Loss of labels ``(n, labels)`` and answers ``(n, outputs)``, shape ``(n,)``."""


def loss_of(config: TrainConfig) -> Loss:
    """Mean over samples of the error's square, or Huber's measure of it.

    With a speed its error counts ``speed_weight``, and not at all where the recording has none
    (NaN). With a steering_std its :func:`unlikeliness` counts ``STD_WEIGHT``.
    """
    names = [name for name in config.outputs if name in LABELLED]
    # What follows them are the auxiliaries' labels, see auxiliary_loss_of.
    weights = [config.speed_weight if name == "speed" else 1.0 for name in names]
    of_steering = np.array([name in BRANCHES.values() for name in names], np.float32)

    def loss(labels: Any, answers: Any) -> Any:
        labels = labels[:, : len(names)]
        known = ops.logical_not(ops.isnan(labels))
        error = answers[:, : len(names)] - ops.where(known, labels, 0.0)
        error = ops.where(known, error, 0.0)
        measure = ops.square(error)
        if config.loss == "huber":
            size = ops.abs(error)
            linear = HUBER_DELTA * (2 * size - HUBER_DELTA)
            measure = ops.where(size <= HUBER_DELTA, measure, linear)
        whole = ops.sum(measure * ops.convert_to_tensor(weights, measure.dtype), axis=-1)
        if "steering_std" in config.outputs:
            steering_std = answers[:, config.outputs.index("steering_std")]
            # Of lines of which nothing is known the error is 0, which counts for nothing.
            count = ops.sum(ops.cast(known, error.dtype) * of_steering, axis=-1)
            mean_square = ops.sum(ops.square(error) * of_steering, axis=-1) / count
            whole = whole + STD_WEIGHT * unlikeliness(ops.sqrt(mean_square), steering_std)
        return whole

    return loss


def auxiliary_loss_of(config: TrainConfig) -> Loss:
    """The sum of the auxiliaries' errors: their squares, for a mask a tenth of the cross-entropy.

    Labels and answers are whole, the steering's first. What is not known counts as no error.
    """
    first_label = sum(name in LABELLED for name in config.outputs)
    sizes = [size_of((name,)) for name in config.auxiliaries]
    # Beside squares in steering's units, about 0.06 at first, a cell's 0.7 is much.
    weights = np.repeat([MASK_WEIGHT / n if n > 1 else 1.0 for n in sizes], sizes)

    def auxiliary(labels: Any, answers: Any) -> Any:
        labels, answers = labels[:, first_label:], answers[:, len(config.outputs) :]
        known = ops.logical_not(ops.isnan(labels))
        labels = ops.where(known, labels, 0.0)
        likely = ops.softplus(answers) - answers * labels
        measure = ops.where(weights < 1, likely, ops.square(answers - labels))
        return ops.sum(ops.where(known, measure, 0.0) * weights, axis=-1)

    return auxiliary


def unlikeliness(error: Any, steering_std: Any) -> Any:
    """How unlikely errors are if they are normal with these standard deviations.

    The negative logarithm of the likelihood (Kendall & Gal, arXiv 1703.04977), shifted so that
    it is never negative. The errors are taken as they are: the steering learns nothing from it.
    Learned together, the steering would neglect whatever is called uncertain (Seitzer et al.,
    arXiv 2203.09168, weigh against that; here it cannot happen).

    Args:
        error: of the steering, shape ``(n,)``.
        steering_std: their standard deviations, at least ``SMALLEST_STD``, shape ``(n,)``.
    """
    error = ops.stop_gradient(error)
    return ops.log(steering_std / SMALLEST_STD) + ops.square(error / steering_std) / 2

"""The split into training and validation samples, with no near-copies across it."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import DatasetError
from ghostlap.data.dataset import NOMINAL_STEP_S, Samples

SplitBy = Literal["time", "recording", "image"]

BLOCK_S = 4.0
"""Length of a block of the split by time; short recordings get a tenth of their length."""

GUARD_S = 0.5
"""Time around validation frames in which the split by time leaves training frames out."""


def split(
    samples: Samples, by: SplitBy = "time", fraction: float = 0.2, seed: int = 0
) -> tuple[Samples, Samples]:
    """Split into training and validation samples.

    Args:
        by: ``time``: whole blocks of time go to validation and frames next to them are left out,
            so that no near-copy of a validation picture is trained on. ``recording``: whole
            recordings. ``image``: single pictures, as seed 003 does; its validation loss flatters.
        fraction: share for validation, in (0, 1).

    Returns:
        ``(training, validation)``.

    Raises:
        DatasetError: a side would be empty.
    """
    if not 0 < fraction < 1:
        raise DatasetError(f"split: the share for validation must be in (0, 1). Got {fraction}.")
    rng = np.random.default_rng(seed)
    if by == "image":
        validation = np.zeros(len(samples), bool)
        validation[rng.permutation(len(samples))[: math.ceil(len(samples) * fraction)]] = True
        training = ~validation
    elif by == "recording":
        validation = _whole_groups(samples.recording, fraction, rng)
        training = ~validation
    else:
        validation, training = _time_blocks(samples, fraction, rng)
    if not training.any() or not validation.any():
        raise DatasetError(_too_few(samples, by))
    return samples.take(training), samples.take(validation)


def _too_few(samples: Samples, by: SplitBy) -> str:
    recordings = len(np.unique(samples.recording))
    moments = len(np.unique(np.stack([samples.recording, samples.time_s]), axis=1).T)
    advice = {
        "time": "Record more, at least some seconds of driving",
        "recording": "Give two recordings or more, or split by time",
        "image": "Record more",
    }[by]
    return (
        f"split by {by}: training and validation would not both get samples. Got {len(samples)} "
        f"samples of {moments} moments in {recordings} recording(s). {advice}."
    )


def _whole_groups(
    group: NDArray[np.int32], fraction: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """A mask of whole groups, drawn at random, that holds about ``fraction`` of the samples.

    A group is taken if it brings the share nearer to ``fraction``; at least one is taken, and at
    least one is left.
    """
    groups, size = np.unique(group, return_counts=True)
    wanted = fraction * len(group)
    order = rng.permutation(len(groups))[:-1]
    taken: list[int] = []
    total = 0
    for g in order:
        if not taken or abs(total + size[g] - wanted) < abs(total - wanted):
            taken.append(g)
            total += size[g]
    return np.isin(group, groups[taken])


def _blocks_of_every_kind(
    block: NDArray[np.int32],
    steering: NDArray[np.float32],
    fraction: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """A mask of whole blocks that holds about ``fraction`` of them, straights and bends alike.

    Blocks are ranked by how hard they steer; of each few neighbours in that ranking one is drawn.
    A plain draw of few blocks can hold all hairpins of a recording, or none, and its loss then
    tells more about the draw than about the pilot.
    """
    blocks, members = np.unique(block, return_inverse=True)
    hardness = np.bincount(members, np.abs(steering)) / np.bincount(members)
    ranked = blocks[np.argsort(hardness, kind="stable")]
    wanted = min(max(1, round(len(blocks) * fraction)), max(1, len(blocks) - 1))
    taken = [rng.choice(alike) for alike in np.array_split(ranked, wanted)]
    return np.isin(block, taken)


def _time_blocks(
    samples: Samples, fraction: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks for validation and training: whole blocks, with a guard of time between them."""
    block = np.zeros(len(samples), np.int32)
    guard_s = np.zeros(len(samples))
    blocks_so_far = 0
    for number in np.unique(samples.recording):
        here = samples.recording == number
        time_s = samples.time_s[here]
        moments_s = np.unique(time_s)
        length_s = moments_s[-1] - moments_s[0]
        block_s = max(min(BLOCK_S, length_s / 10), NOMINAL_STEP_S)
        # However short the recording, the next frame must not fall on the other side.
        step_s = float(np.median(np.diff(moments_s))) if len(moments_s) > 1 else NOMINAL_STEP_S
        guard_s[here] = max(min(GUARD_S, block_s / 5), 1.5 * step_s)
        block[here] = blocks_so_far + ((time_s - moments_s[0]) / block_s).astype(np.int32)
        blocks_so_far = int(block[here].max()) + 1
    validation = _blocks_of_every_kind(block, samples.steering, fraction, rng)
    training = ~validation
    for number in np.unique(samples.recording[validation]):
        held_out_s = np.unique(samples.time_s[validation & (samples.recording == number)])
        candidates = np.flatnonzero(training & (samples.recording == number))
        time_s = samples.time_s[candidates]
        after = np.searchsorted(held_out_s, time_s)
        to_next_s = np.append(held_out_s, np.inf)[after] - time_s
        to_last_s = time_s - np.insert(held_out_s, 0, -np.inf)[after]
        too_near = np.minimum(to_next_s, to_last_s) <= guard_s[candidates]
        training[candidates[too_near]] = False
    return validation, training

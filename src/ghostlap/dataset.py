"""Recordings to samples: balanced, with side cameras, split into training and validation.

A **sample** is one picture of one camera and the steering that belongs to it. Samples are kept as
columns of numbers, a few bytes each, because there can be millions; pictures are only looked up
when a batch is made (:mod:`ghostlap.loader`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ghostlap.errors import DatasetError
from ghostlap.recording import CAMERAS, Recording

if TYPE_CHECKING:
    import pandas as pd

SplitBy = Literal["time", "recording", "image"]

NOMINAL_STEP_S = 1 / 15
"""The simulator records at 15 Hz; rows without a time are taken to be that far apart."""

BLOCK_S = 10.0
"""Length of a block of the split by time. Short recordings get a tenth of their length."""

GUARD_S = 1.0
"""Training frames nearer than this to a validation frame are left out of the split by time."""


@dataclasses.dataclass(frozen=True)
class Samples:
    """``n`` samples as columns.

    Attributes:
        images: paths of the different pictures, shape ``(m,)``.
        image: index into ``images``, ``int32``, shape ``(n,)``.
        camera: index into ``CAMERAS``, ``uint8``, shape ``(n,)``.
        steering: label in [-1, 1], side offset included (so up to 1.3), ``float32``.
        speed_mph: ``float32``.
        recording: which of the recordings, ``int32``.
        time_s: seconds since the start of its recording, ``float64``. The three views of one
            instant share it.
    """

    images: NDArray[np.object_]
    image: NDArray[np.int32]
    camera: NDArray[np.uint8]
    steering: NDArray[np.float32]
    speed_mph: NDArray[np.float32]
    recording: NDArray[np.int32]
    time_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.image)

    def take(self, which: NDArray[Any]) -> Samples:
        """The samples at these positions, or where a mask of shape ``(n,)`` is true."""
        columns = {
            field.name: getattr(self, field.name)[which]
            for field in dataclasses.fields(self)
            if field.name != "images"
        }
        return Samples(images=self.images, **columns)


def usable_rows(frames: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows can be learned from: a centre picture is named, and the steering is in [-1, 1].

    Args:
        frames: a recording's table.

    Returns:
        Mask of shape ``(rows,)``.
    """
    steering = frames["steering"].to_numpy(np.float64)
    named = frames["center"].to_numpy(object) != ""
    return named & (np.abs(steering) <= 1)  # comparing with NaN is false


def balance(
    frames: pd.DataFrame, bins: int = 25, cap: int | None = 400, seed: int = 0
) -> pd.DataFrame:
    """Thin out the commonest steering, as seed 003 does.

    Args:
        frames: a table with a column ``steering``.
        bins: histogram bins over the data's own range.
        cap: at most so many rows a bin are kept, drawn at random; None keeps all.
        seed: of the draw.

    Returns:
        The rows kept, in their old order, with their old index.

    Raises:
        DatasetError: ``bins`` or ``cap`` below 1, or steering that is not finite.
    """
    keep = balanced_rows(frames["steering"].to_numpy(np.float64), bins, cap, seed)
    return frames.iloc[np.flatnonzero(keep)]


def balanced_rows(
    steering: NDArray[np.float64], bins: int = 25, cap: int | None = 400, seed: int = 0
) -> NDArray[np.bool_]:
    """The mask behind :func:`balance`, shape ``(rows,)``."""
    if bins < 1 or (cap is not None and cap < 1):
        raise DatasetError(f"balance: bins and cap must be at least 1. Got {bins} and {cap}.")
    if not np.isfinite(steering).all():
        raise DatasetError(
            f"balance: steering must be finite. Got {int((~np.isfinite(steering)).sum())} rows "
            "of NaN or infinity; 'ghostlap doctor REC --fix OUT' writes a copy without them."
        )
    if cap is None or len(steering) == 0:
        return np.ones(len(steering), bool)
    edges = np.histogram_bin_edges(steering, bins)
    bin_of_row = np.digitize(steering, edges[1:-1])
    # Shuffle, then sort by bin: the rank within a bin is a fair draw.
    shuffled = np.random.default_rng(seed).permutation(len(steering))
    by_bin = shuffled[np.argsort(bin_of_row[shuffled], kind="stable")]
    sorted_bins = bin_of_row[by_bin]
    rank_in_bin = np.arange(len(by_bin)) - np.searchsorted(sorted_bins, sorted_bins)
    keep = np.zeros(len(steering), bool)
    keep[by_bin[rank_in_bin < cap]] = True
    return keep


def make_samples(
    recordings: Sequence[Recording],
    *,
    cameras: Sequence[str] = CAMERAS,
    side_offset: float = 0.30,
    bins: int = 25,
    cap: int | None = 400,
    seed: int = 0,
) -> Samples:
    """Samples of several recordings, balanced together.

    Args:
        recordings: rows that cannot be learned from (:func:`usable_rows`) are left out.
        cameras: which views; the left one gets ``+side_offset``, the right one ``-side_offset``.
        side_offset: steering for being 0.83 m to the side: the gain with which the pilot will
            steer back. The seeds use 0.15.
        bins, cap, seed: see :func:`balance`.

    Returns:
        One sample for each camera of each row kept, row after row.

    Raises:
        DatasetError: no usable row is left, or an unknown camera is asked for.
    """
    import pandas as pd

    unknown = [camera for camera in cameras if camera not in CAMERAS]
    if unknown or not cameras:
        raise DatasetError(f"cameras must be some of {', '.join(CAMERAS)}. Got {list(cameras)}.")
    tables = []
    for number, recording in enumerate(recordings):
        table = recording.frames.assign(recording=number, time_s=seconds(recording.frames))
        tables.append(table[usable_rows(recording.frames)])
    frames = pd.concat(tables, ignore_index=True)
    if frames.empty:
        folders = ", ".join(str(recording.folder) for recording in recordings)
        raise DatasetError(
            f"{folders}: no row can be learned from (each lacks a centre picture, or steering "
            "in [-1, 1]). 'ghostlap doctor' lists what is wrong."
        )
    frames = balance(frames, bins, cap, seed)
    paths = frames[list(cameras)].to_numpy(object).ravel()
    views = len(cameras)
    offset_of = {"center": 0.0, "left": side_offset, "right": -side_offset}
    offsets = np.array([offset_of[camera] for camera in cameras])
    image, images = pd.factorize(paths)
    samples = Samples(
        images=np.asarray(images, object),
        image=image.astype(np.int32),
        camera=np.tile([CAMERAS.index(camera) for camera in cameras], len(frames)).astype(np.uint8),
        steering=(
            np.repeat(frames["steering"].to_numpy(), views) + np.tile(offsets, len(frames))
        ).astype(np.float32),
        speed_mph=np.repeat(frames["speed_mph"].to_numpy(), views).astype(np.float32),
        recording=np.repeat(frames["recording"].to_numpy(), views).astype(np.int32),
        time_s=np.repeat(frames["time_s"].to_numpy(), views).astype(np.float64),
    )
    return samples.take(paths != "")  # a recording may lack a camera


def seconds(frames: pd.DataFrame) -> NDArray[np.float64]:
    """Seconds since a recording's first frame; rows without a time count as 15 Hz from the last."""
    import pandas as pd

    stamps = frames["time"].to_numpy("datetime64[ms]")
    if pd.isna(stamps).all():
        return np.arange(len(frames), dtype=np.float64) * NOMINAL_STEP_S
    first = np.nanmin(stamps)
    since_first = pd.Series((stamps - first) / np.timedelta64(1, "s"))
    since_first[pd.isna(stamps)] = np.nan
    known: NDArray[np.float64] = since_first.ffill().fillna(0.0).to_numpy()
    rows_without = since_first.isna()
    run = rows_without.groupby((~rows_without).cumsum()).cumsum().to_numpy()
    return np.asarray(known + run * NOMINAL_STEP_S, np.float64)


def split(
    samples: Samples, by: SplitBy = "time", fraction: float = 0.2, seed: int = 0
) -> tuple[Samples, Samples]:
    """Split into training and validation samples.

    Args:
        samples: at least two.
        by: ``time``: whole blocks of time go to validation and frames next to them are left out,
            so that no near-copy of a validation picture is trained on. ``recording``: whole
            recordings. ``image``: single pictures, as seed 003 does; its validation loss flatters.
        fraction: share for validation, in (0, 1).
        seed: of the draw.

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

    A group is taken while that brings the share nearer to the one asked for; at least one is
    taken, and one is always left.
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
        # However short the recording: its next frame must not fall on the other side.
        step_s = float(np.median(np.diff(moments_s))) if len(moments_s) > 1 else NOMINAL_STEP_S
        guard_s[here] = max(min(GUARD_S, block_s / 5), 1.5 * step_s)
        block[here] = blocks_so_far + ((time_s - moments_s[0]) / block_s).astype(np.int32)
        blocks_so_far = int(block[here].max()) + 1
    validation = _whole_groups(block, fraction, rng)
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

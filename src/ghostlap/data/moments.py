"""Moments before and after each sample: what was seen, how the car moved, what came next.

A network with a memory is shown earlier pictures of the same camera and told the car's speed and
earlier steering; one with a horizon learns the steering of the next moments, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ghostlap.data.dataset import Samples, labels_ahead, row_clock, steering_averaged
from ghostlap.data.labels import AHEAD_S, SPEED_UNIT_MPH
from ghostlap.data.motion import EARLY_S
from ghostlap.data.recordings import CAMERAS, Recording
from ghostlap.data.vision.camera import share_left

if TYPE_CHECKING:
    import pandas as pd


def with_moments(
    samples: Samples,
    recordings: Sequence[Recording],
    *,
    lags_s: Sequence[float] = (),
    horizon_s: float = 0.0,
    steering_correction: float = 0.30,
    lead_s: float = 0.0,
    steering_average_s: float = 0.0,
) -> Samples:
    """Samples that know earlier and later moments of their recording.

    Args:
        samples: made of the recordings (:func:`~ghostlap.data.dataset.make_samples`).
        recordings: the same.
        lags_s: how long ago the earlier moments are, the latest first; none leaves them out.
        horizon_s: the steering of up to so much later is learned; 0 leaves it out.
        steering_correction, lead_s, steering_average_s: as the samples were made with.

    Returns:
        The same samples with ``earlier``, ``motion`` and ``ahead``. Where driving had not begun so
        early, its first row stands in.
    """
    count = len(samples)
    ahead_s = np.array([one for one in AHEAD_S if one <= horizon_s + 1e-6])
    earlier = np.full((count, len(lags_s)), -1, np.int32)
    motion = np.full((count, 1 + len(lags_s)), np.nan, np.float32)
    ahead = np.full((count, len(ahead_s)), np.nan, np.float32)
    image_of = {path: place for place, path in enumerate(samples.images)}
    first = 0
    for number, recording in enumerate(recordings):
        which, frames = samples.recording == number, recording.frames
        row, camera = samples.row[which] - first, samples.camera[which]
        first += len(frames)
        speed = frames["speed_mph"].to_numpy(np.float64)[row] / SPEED_UNIT_MPH
        motion[which, 0] = speed
        if lags_s:
            then = rows_before(frames, lags_s)[row]
            steering = frames["steering"].to_numpy(np.float64)[then]
            motion[which, 1:] = np.where(then == row[:, None], np.nan, steering)
            paths = frames[list(CAMERAS)].to_numpy(object)[then, camera[:, None]]
            earlier[which] = [
                [image_of.setdefault(path, len(image_of)) if path else -1 for path in of_one]
                for of_one in paths
            ]
        if len(ahead_s):
            labels = steering_averaged(frames, steering_average_s)
            now, *later = (
                labels_ahead(labels, lead_s + s)["steering"].to_numpy(np.float64)[row]
                for s in (0.0, *ahead_s)
            )
            aside = (samples.steering[which] - now)[:, None]
            ahead[which] = np.stack(later, 1) + aside * share_left(
                ahead_s, speed, steering_correction
            )
    return dataclasses.replace(
        samples,
        images=np.array(list(image_of), object),
        earlier=earlier if lags_s else None,
        motion=motion if lags_s or len(ahead_s) else None,
        ahead=ahead if len(ahead_s) else None,
    )


def rows_before(frames: pd.DataFrame, lags_s: Sequence[float]) -> NDArray[np.int64]:
    """The row of so long before each row of a recording's table, ``(rows, lags)``.

    It is the latest that is old enough, or the first of the same stretch of driving.
    """
    clock_s, stretch = row_clock(frames, max(lags_s))
    wanted_s = clock_s[:, None] - np.array(lags_s) + EARLY_S
    then = np.searchsorted(clock_s, wanted_s, side="right") - 1
    first = np.searchsorted(stretch, stretch)
    return np.maximum(then, first[:, None])


def standing_in(
    earlier: NDArray[np.int32], image: NDArray[np.int32], there: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Earlier pictures ``(n, lags)``, with the next later one in place of those not there.

    Args:
        earlier: index of each, or -1 for none.
        image: index of the samples' own pictures, ``(n,)``.
        there: whether each picture can be used.
    """
    later, columns = image, []
    for column in earlier.T:
        later = np.where((column >= 0) & there[column], column, later)
        columns.append(later)
    return np.stack(columns, axis=1).astype(np.int32)

"""From recordings to samples: balanced, with side cameras.

A **sample** is one picture of one camera and its steering label. Samples are columns of numbers, a
few bytes each, because there can be millions; pictures are read when a batch is made
(:mod:`ghostlap.data.loader`).
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import DatasetError
from ghostlap.data.auxiliary import truth_of
from ghostlap.data.balance import balance
from ghostlap.data.lines import STEERING_ON, known_of, lines_of, with_lines
from ghostlap.data.motion import STRETCH_GAP_S
from ghostlap.data.recordings import CAMERAS, Recording

if TYPE_CHECKING:
    import pandas as pd

MIN_SPEED_SHARE = 0.5
"""Default share of a recording's median speed below which a row is no driving."""

_ROUNDING_S = 1e-6
"""Tolerance of times, which are whole milliseconds."""

NOMINAL_STEP_S = 1 / 15
"""Time between rows without times: Udacity's simulator records at 15 Hz."""


@dataclasses.dataclass(frozen=True)
class Samples:
    """``n`` samples as columns.

    Attributes:
        images: paths of the different pictures, shape ``(m,)``.
        image: index into ``images``, ``int32``, shape ``(n,)``.
        camera: index into ``CAMERAS``, ``uint8``, shape ``(n,)``.
        steering: label in [-1, 1] plus steering correction, ``float32``.
        speed_mph: speed, ``float32``.
        recording: index of the recording, ``int32``.
        row: of the tables of all recordings, one after another, ``int32``.
        time_s: seconds since the recording's start, ``float64``, alike for all three cameras.
        truth: of :data:`ghostlap.data.auxiliary.TRUTH`, None where auxiliaries are not learned.
        earlier: index into ``images`` of earlier pictures, ``int32``, shape ``(n, lags)``; None
            where a network sees one picture. This and what follows makes
            :func:`ghostlap.data.moments.with_moments`.
        motion: speed in ``SPEED_UNIT_MPH`` and earlier steering, ``float32``, shape
            ``(n, 1 + lags)``; NaN is unknown.
        line: the commanded one, as :data:`ghostlap.data.lines.SIDES` has it, ``int8``; None where
            lines are not learned.
        known: of :data:`ghostlap.data.lines.KNOWN`, as ``line``.
        ahead: labels of later moments, ``float32``, shape ``(n, moments)``; NaN is unknown.
    """

    images: NDArray[np.object_]
    image: NDArray[np.int32]
    camera: NDArray[np.uint8]
    steering: NDArray[np.float32]
    speed_mph: NDArray[np.float32]
    recording: NDArray[np.int32]
    row: NDArray[np.int32]
    time_s: NDArray[np.float64]
    truth: NDArray[Any] | None = None
    line: NDArray[np.int8] | None = None
    known: NDArray[Any] | None = None
    earlier: NDArray[np.int32] | None = None
    motion: NDArray[np.float32] | None = None
    ahead: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.image)

    def take(self, which: NDArray[Any]) -> Samples:
        """The samples at given positions, or where a mask of shape ``(n,)`` is true."""
        columns = {
            field.name: values[which]
            for field in dataclasses.fields(self)
            if field.name != "images" and (values := getattr(self, field.name)) is not None
        }
        return Samples(images=self.images, **columns)


def usable_rows(frames: pd.DataFrame, min_speed_share: float = 0.0) -> NDArray[np.bool_]:
    """Mask of the rows that can be learned from, shape ``(rows,)``.

    They name a centre picture, steer in [-1, 1], and are not slow (:func:`slow_rows`).
    """
    steering = frames["steering"].to_numpy(np.float64)
    named = (frames["center"] != "").to_numpy(bool)
    steers = np.abs(steering) <= 1  # comparing with NaN is false
    return named & steers & ~slow_rows(frames, min_speed_share)


def slow_rows(frames: pd.DataFrame, min_speed_share: float) -> NDArray[np.bool_]:
    """Mask of the rows in which the car stands, reverses or turns round, shape ``(rows,)``.

    They are slower than ``min_speed_share`` of the recording's median speed; rows without a speed
    are not slow. A few seconds of turning at full lock outweigh minutes of driving in any loss.
    """
    speed_mph = frames["speed_mph"].to_numpy(np.float64)
    known = speed_mph[np.isfinite(speed_mph)]
    if min_speed_share <= 0 or len(known) == 0:
        return np.zeros(len(frames), bool)
    return speed_mph < min_speed_share * float(np.median(known))


def make_samples(
    recordings: Sequence[Recording],
    *,
    cameras: Sequence[str] = CAMERAS,
    steering_correction: float = 0.30,
    bins: int = 25,
    cap: int | None = 400,
    seed: int = 0,
    min_speed_share: float = 0.0,
    lead_s: float = 0.0,
    speed_lead_s: float = 0.0,
    steering_average_s: float = 0.0,
    auxiliaries: bool = False,
    lines: bool = False,
) -> Samples:
    """Samples of several recordings, balanced together.

    Args:
        steering_correction: added to the left camera's label, taken off the right one's: the gain
            with which the pilot will steer back from 0.83 m to the side. The seeds use 0.15.
        bins, cap, seed: see :func:`balance`.
        min_speed_share: see :func:`slow_rows`.
        lead_s, speed_lead_s: see :func:`labels_ahead`.
        steering_average_s: see :func:`steering_averaged`.
        auxiliaries: whether samples need the ``truth`` of their rows.
        lines: whether they need their ``line``, and what is ``known`` of all.

    Returns:
        One sample for each camera of each row kept, row after row.

    Raises:
        DatasetError: no usable row is left, or a camera is unknown.
    """
    import pandas as pd

    unknown = [camera for camera in cameras if camera not in CAMERAS]
    if unknown or not cameras:
        raise DatasetError(f"cameras must be some of {', '.join(CAMERAS)}. Got {list(cameras)}.")
    tables, rows = [], 0
    for number, recording in enumerate(recordings):
        table = with_lines(recording, recording.frames) if lines else recording.frames
        table = steering_averaged(table, steering_average_s)
        table = labels_ahead(table, lead_s, speed_lead_s)
        usable = usable_rows(table, min_speed_share)
        row = rows + np.arange(len(table))
        rows += len(table)
        time_s = seconds(recording.frames)
        tables.append(table.assign(recording=number, time_s=time_s, row=row)[usable])
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
    offset_of = {"center": 0.0, "left": steering_correction, "right": -steering_correction}
    offsets = np.array([offset_of[camera] for camera in cameras])
    image, images = pd.factorize(paths)
    truth, line = (
        np.repeat(np.concatenate(list(map(of, recordings)))[frames["row"].to_numpy()], views)
        if wanted
        else None
        for wanted, of in ((auxiliaries, truth_of), (lines, lines_of))
    )
    samples = Samples(
        images=np.asarray(images, object),
        image=image.astype(np.int32),
        camera=np.tile([CAMERAS.index(camera) for camera in cameras], len(frames)).astype(np.uint8),
        steering=(
            np.repeat(frames["steering"].to_numpy(), views) + np.tile(offsets, len(frames))
        ).astype(np.float32),
        speed_mph=np.repeat(frames["speed_mph"].to_numpy(), views).astype(np.float32),
        recording=np.repeat(frames["recording"].to_numpy(), views).astype(np.int32),
        row=np.repeat(frames["row"].to_numpy(), views).astype(np.int32),
        time_s=np.repeat(frames["time_s"].to_numpy(), views).astype(np.float64),
        truth=truth,
        line=line,
        known=known_of(frames).repeat(views) if lines else None,
    )
    return samples.take(paths != "")  # a recording may lack a camera


def samples_as(options: Any, recordings: Sequence[Recording], **more: Any) -> Samples:
    """Samples as a config asks for them, by each option of :func:`make_samples` that it has."""
    names = inspect.signature(make_samples).parameters.keys() - {"recordings", "auxiliaries"}
    given = {name: getattr(options, name) for name in names if hasattr(options, name)}
    return make_samples(recordings, **given, **more)


def labels_ahead(frames: pd.DataFrame, lead_s: float, speed_lead_s: float = 0.0) -> pd.DataFrame:
    """A recording's table with steering and speed of ``lead_s`` later; 0 changes nothing.

    With ``speed_lead_s`` the speed is the lower of that and the one of so much later: a pilot that
    learns it brakes before a bend, and does not hurry out of it.

    Between a picture and the car's answer lies the delay of exposure, network, wire and car. A
    pilot that learns what the driver did ``lead_s`` later makes up for so much of it in bends.

    Returns:
        The table with ``steering`` and ``speed_mph`` interpolated at each row's time plus
        ``lead_s``; NaN where driving had stopped by then, or a neighbour is unknown.
    """
    if speed_lead_s:
        table = labels_ahead(frames, lead_s)
        later = labels_ahead(frames, speed_lead_s)["speed_mph"]
        return table.assign(speed_mph=np.fmin(table["speed_mph"], later))
    if lead_s == 0 or frames.empty:
        return frames
    clock_s, stretch = row_clock(frames, lead_s)
    needed_s = clock_s + lead_s - _ROUNDING_S
    after = np.searchsorted(clock_s, needed_s).clip(max=len(frames) - 1)
    goes_on = (stretch[after] == stretch) & (clock_s[after] >= needed_s)
    ahead = {
        name: np.where(goes_on, np.interp(clock_s + lead_s, clock_s, frames[name]), np.nan)
        for name in ("steering", "speed_mph", *STEERING_ON)
        if name in frames
    }
    return frames.assign(**ahead)


def steering_averaged(frames: pd.DataFrame, window_s: float) -> pd.DataFrame:
    """A recording's table with steering averaged over a time around each row; 0 changes nothing.

    A person who taps keys steers 0 at most moments and too much at others; what was meant is the
    average. It does not reach over pauses; rows without steering stay without.
    """
    if window_s == 0 or frames.empty:
        return frames
    clock_s, _ = row_clock(frames, window_s)
    first = np.searchsorted(clock_s, clock_s - window_s / 2 - _ROUNDING_S)
    end = np.searchsorted(clock_s, clock_s + window_s / 2 + _ROUNDING_S)
    steering = frames["steering"].to_numpy(np.float64)
    known = np.isfinite(steering)
    columns = np.where(known, steering, 0.0), known
    sums, counts = (np.concatenate([[0.0], np.cumsum(values)]) for values in columns)
    mean = (sums[end] - sums[first]) / np.maximum(counts[end] - counts[first], 1)
    return frames.assign(steering=np.where(known, mean, np.nan))


def row_clock(
    frames: pd.DataFrame, reach_s: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A clock that never goes back, and the number of each row's stretch of driving.

    Stretches lie further apart on it than ``reach_s``.
    """
    step_s = np.diff(seconds(frames), prepend=-np.inf)
    begins = ~((step_s > 0) & (step_s <= STRETCH_GAP_S))
    return np.cumsum(np.where(begins, STRETCH_GAP_S + reach_s, step_s)), np.cumsum(begins)


def seconds(frames: pd.DataFrame) -> NDArray[np.float64]:
    """Seconds since a recording's first frame; rows without a time go on at 15 Hz."""
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

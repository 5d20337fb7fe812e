"""What a recording is, in a few numbers and as one line of time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import ImageError
from ghostlap.data.dataset import seconds
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.data.recordings import CAMERAS, Recording
from ghostlap.data.vision.pictures import Rgb, read_rgb
from ghostlap.data.vision.shards import is_picture

GAP_S = 1.0
"""A longer pause between two rows, or a step back in time, begins a new stretch of driving."""

_SHOWN_GAP_S = 1.0


@dataclasses.dataclass(frozen=True)
class RecordingFacts:
    """One recording in numbers; None is what it does not tell."""

    folder: str
    rows: int
    recorded: str | None
    """Date and time of the first row, as the recording machine's clock had it."""
    stretches: int
    """Parts between which recording paused or jumped."""
    driving_s: float
    """Without the pauses."""
    zero_steering: float | None
    """Share of the rows that steer exactly 0."""
    mean_speed_mph: float | None
    distance_km: float | None
    frame_px: tuple[int, int] | None
    """Width and height of the first picture that can be read."""
    missing_pictures: int

    @property
    def in_words(self) -> dict[str, str]:
        """What a person reads of it, line by line."""

        def known(value: float | None, form: str) -> str:
            return "not recorded" if value is None else form.format(value)

        minutes, seconds = divmod(round(self.driving_s), 60)
        size = self.frame_px
        return {
            "recorded": self.recorded or "not known",
            "rows": f"{self.rows:,}",
            "driving time": f"{minutes} min {seconds:02d} s",
            "stretches": str(self.stretches),
            "distance": known(self.distance_km, "{:.2f} km"),
            "mean speed": known(self.mean_speed_mph, "{:.1f} mph"),
            "steering exactly 0": known(self.zero_steering, "{:.0%} of the rows"),
            "frames": f"{size[0]} \N{MULTIPLICATION SIGN} {size[1]} px"
            if size
            else "none can be read",
            "missing pictures": f"{self.missing_pictures:,}",
        }


def recording_facts(recording: Recording) -> RecordingFacts:
    """Count, measure and look for the pictures of one recording."""
    frames = recording.frames
    steps_s, gaps = _steps(recording)
    steering = frames["steering"].to_numpy(np.float64)
    known = np.isfinite(steering)
    speed_mph = frames["speed_mph"].to_numpy(np.float64)
    moving = np.isfinite(speed_mph)
    between_mph = np.nan_to_num((speed_mph[1:] + speed_mph[:-1]) / 2, posinf=0.0, neginf=0.0)
    distance_m = float((between_mph * MPS_A_MPH * steps_s).sum())
    times = frames["time"].dropna()
    first = first_picture(recording)
    return RecordingFacts(
        folder=str(recording.folder),
        rows=len(frames),
        recorded=f"{times.iloc[0]:%Y-%m-%d %H:%M}" if len(times) else None,
        stretches=int(gaps.sum()) + 1,
        driving_s=round(float(steps_s.sum()), 1),
        zero_steering=float((steering[known] == 0).mean()) if known.any() else None,
        mean_speed_mph=float(speed_mph[moving].mean()) if moving.any() else None,
        distance_km=distance_m / 1000 if moving.any() else None,
        frame_px=(first.shape[1], first.shape[0]) if first is not None else None,
        missing_pictures=sum(
            not is_picture(path) for camera in CAMERAS for path in frames[camera] if path
        ),
    )


def first_picture(recording: Recording) -> Rgb | None:
    """The first picture of a recording that can be read, of the centre camera if it has any."""
    for camera in CAMERAS:
        for path in recording.frames[camera]:
            picture = picture_or_none(path)
            if picture is not None:
                return picture
    return None


def picture_or_none(path: str | Path) -> Rgb | None:
    """A picture, or None where there is none or it cannot be read."""
    try:
        return read_rgb(path) if path else None
    except ImageError:
        return None


@dataclasses.dataclass(frozen=True)
class Timeline:
    """All rows of all recordings one after another, shape ``(n,)`` each."""

    driven_s: NDArray[np.float64]
    """Seconds of driving up to a row; a pause, however long, takes up one second."""
    steering: NDArray[np.float64]
    throttle: NDArray[np.float64]
    brake: NDArray[np.float64]
    speed_mph: NDArray[np.float64]
    stretch: NDArray[np.int64]
    """Number of the stretch of driving that a row belongs to, from 0."""
    recording: NDArray[np.int64]


def timeline(recordings: Sequence[Recording]) -> Timeline:
    """Line up recordings, with their pauses shortened so that the driving can be seen."""
    driven, stretches, numbers = [], [], []
    end_s, stretch = 0.0, 0
    for number, recording in enumerate(recordings):
        if len(recording.frames) == 0:
            continue
        steps_s, gaps = _steps(recording)
        shown_s = np.where(gaps, _SHOWN_GAP_S, steps_s)
        driven.append(end_s + np.append(0.0, np.cumsum(shown_s)))
        stretches.append(stretch + np.append(0, np.cumsum(gaps)))
        numbers.append(np.full(len(recording.frames), number))
        end_s = float(driven[-1][-1]) + _SHOWN_GAP_S
        stretch = int(stretches[-1][-1]) + 1

    def column(name: str) -> NDArray[np.float64]:
        values = [recording.frames[name].to_numpy(np.float64) for recording in recordings]
        joined = np.concatenate(values)
        return np.where(np.isfinite(joined), joined, np.nan)

    return Timeline(
        driven_s=np.concatenate(driven),
        steering=column("steering"),
        throttle=column("throttle"),
        brake=column("brake"),
        speed_mph=column("speed_mph"),
        stretch=np.concatenate(stretches),
        recording=np.concatenate(numbers),
    )


def _steps(recording: Recording) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Seconds from each row to the next (0 over a gap), and where the gaps are."""
    steps_s = np.diff(seconds(recording.frames))
    gaps = (steps_s > GAP_S) | (steps_s < 0)
    return np.where(gaps, 0.0, steps_s), gaps

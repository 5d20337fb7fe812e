"""What a video shows: pictures in their order, each with its time and what the log says of it."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import RecordingError, VideoError
from ghostlap.base.platform import quoted
from ghostlap.data.formats.readers import is_recording, recordings_below
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.picture_finder import PICTURE_ENDINGS
from ghostlap.data.recordings.tables_beside import PREDICTIONS

SEED_FPS = 60.0
"""Pictures a second of the seeds' video.py."""

PAUSE_S = 1.0
"""A longer step between two pictures of a recording is no driving, but a pause between drives."""

USUAL_STEP_S = 1 / 15
"""Between two pictures of the simulator, where no times are known."""

_DIGITS = re.compile(r"(\d+)")


@dataclasses.dataclass(frozen=True, eq=False)
class Shots:
    """The pictures of a video; all arrays have one value a picture."""

    paths: list[str]
    starts_s: NDArray[np.float64]
    """When each is first shown, from 0 on; ascending."""
    end_s: float
    """When the last one was shown long enough."""
    steering: NDArray[np.float64] | None = None
    """Steering in the log, positive to the right; NaN where unknown, None without a log."""
    speed_mph: NDArray[np.float64] | None = None
    """Likewise."""
    pilot_steering: NDArray[np.float64] | None = None
    """What a pilot said while it drove, NaN where nothing; None where none is known to have."""
    notes: tuple[str, ...] = ()
    """What was left out or looks odd."""

    def first(self, seconds: float) -> Shots:
        """Those that begin before so many seconds are over."""
        count = int(np.searchsorted(self.starts_s, seconds))
        if count == len(self.paths):
            return self
        cut: dict[str, Any] = {
            name: None if values is None else values[:count]
            for name in ("steering", "speed_mph", "pilot_steering")
            for values in (getattr(self, name),)
        }
        return dataclasses.replace(
            self,
            paths=self.paths[:count],
            starts_s=self.starts_s[:count],
            end_s=float(self.starts_s[count]),
            **cut,
        )


def shots_of(folder: Path, fps: float | None, columns: Sequence[str] = ()) -> Shots:
    """The pictures of a recording at its pace, or of any folder at 60 a second; or at ``fps``.

    Raises:
        VideoError: no such folder, or no picture in it.
        RecordingError: the log cannot be read, or none of its pictures is there.
    """
    if is_recording(folder):
        return _shots_of_recording(folder, fps, columns)
    if (folder / "pilot.json").is_file():
        raise VideoError(
            f"{folder}: the run folder of a pilot, not a drive. Name a recording, and the pilot "
            f"beside it: ghostlap video REC --pilot {quoted(folder)}"
        )
    if not folder.exists():
        raise VideoError(
            f"{folder}: no such folder. Give a recording ({LOG_NAME} and IMG/), or a folder of "
            "pictures."
        )
    if not folder.is_dir():
        raise VideoError(
            f"{folder}: must be a folder of pictures, or of a recording. Got a file. "
            f"Did you mean {folder.parent}?"
        )
    return _shots_of_pictures(folder, fps or SEED_FPS)


def _shots_of_recording(folder: Path, fps: float | None, columns: Sequence[str]) -> Shots:
    from ghostlap.data.formats.readers import read_recording
    from ghostlap.data.recordings import require_images

    recording = read_recording(folder, columns)
    require_images(recording)
    frames = recording.frames
    notes = []
    if recording.notes:
        notes.append(
            f"{len(recording.notes)} rows of the log were mended or left out; "
            f"'ghostlap doctor {quoted(recording.folder)}' says which."
        )
    if fps is None:
        times_ms = frames["time"].to_numpy()
        steps_s, pauses = pace(times_ms)
        if np.isnat(times_ms).all():
            notes.append(
                "The pictures' names hold no times, so each is shown for 1/15 s; --fps changes it."
            )
        if pauses:
            notes.append(f"{pauses} pauses of more than {PAUSE_S:g} s were cut.")
    else:
        steps_s = np.full(len(frames), 1 / fps)
    ends_s = np.cumsum(steps_s)
    paths = list(frames["center"])
    return Shots(
        paths=paths,
        starts_s=ends_s - steps_s,
        end_s=float(ends_s[-1]),
        steering=frames["steering"].to_numpy(np.float64),
        speed_mph=frames["speed_mph"].to_numpy(np.float64),
        pilot_steering=_pilot_steering(recording.folder, paths, notes),
        notes=tuple(notes),
    )


def pace(times: NDArray[np.datetime64]) -> tuple[NDArray[np.float64], int]:
    """How long to show each picture of a recording, and how many pauses that leaves out.

    A time that is not known is NaT.

    Returns:
        Seconds until the next picture, shape ``(n,)``, all above 0. Where times are missing, stand
        still, go back (two recordings in one log) or pause, it is the recording's usual step.
    """
    steps_s = np.diff(times) / np.timedelta64(1, "s")  # NaT gives NaN
    driving = (steps_s > 0) & (steps_s <= PAUSE_S)
    usual_s = float(np.median(steps_s[driving])) if driving.any() else USUAL_STEP_S
    return np.append(np.where(driving, steps_s, usual_s), usual_s), int((steps_s > PAUSE_S).sum())


def _pilot_steering(
    folder: Path, pictures: list[str], notes: list[str]
) -> NDArray[np.float64] | None:
    """What the predictions beside a log say of each picture; a note where they cannot be read."""
    if not (folder / PREDICTIONS.name).is_file():
        return None
    said: dict[str, float] = {}
    try:
        for center, steering in PREDICTIONS.rows(folder, "pilot_steering"):
            if steering is not None:
                said[center] = steering
    except RecordingError as error:
        notes.append(f"{error} It is not read on, so later pictures show no pilot.")
    return np.array([said.get(os.path.basename(picture), math.nan) for picture in pictures])


def _shots_of_pictures(folder: Path, fps: float) -> Shots:
    names = _picture_names(folder)
    if not names:
        if below := recordings_below(folder):
            raise VideoError(below[0]).meaning(folder, below[1])
        inner = folder / "IMG"
        hint = f"Did you mean {inner}?" if inner.is_dir() else "Give the folder that holds them."
        raise VideoError(
            f"{folder}: no {LOG_NAME} and no pictures ({', '.join(PICTURE_ENDINGS)}) in it. {hint}"
        )
    notes = []
    of_center = [name for name in names if name.startswith("center_")]
    if of_center and len(of_center) < len(names):
        notes.append(
            f"{len(names) - len(of_center)} pictures that are not of the center camera were left "
            "out."
        )
        names = of_center
    if (folder.parent / LOG_NAME).is_file():
        notes.append(
            f"{folder.parent} is the recording of these pictures: 'ghostlap video "
            f"{quoted(folder.parent)}' draws steering and speed in."
        )
    count = len(names)
    return Shots(
        paths=[os.path.join(folder, name) for name in names],
        starts_s=np.arange(count) / fps,
        end_s=count / fps,
        notes=tuple(notes),
    )


def _picture_names(folder: Path) -> list[str]:
    """Sort by name, numbers in names by their value: 9 comes before 10."""
    try:
        names = [
            entry.name
            for entry in os.scandir(folder)
            if entry.name.lower().endswith(PICTURE_ENDINGS) and not entry.name.startswith(".")
        ]
    except OSError as error:
        raise VideoError(f"{folder}: cannot be read ({error.strerror}).") from error
    return sorted(names, key=lambda name: (_by_value(name), name))


def _by_value(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in _DIGITS.split(name)]

"""Moments of driving on their way from one format to another: pictures, controls, time."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ghostlap.base.errors import ExchangeError, ImageError
from ghostlap.base.folder_lock import replacing_folder, require_free
from ghostlap.data.motion import STRETCH_GAP_S
from ghostlap.data.recordings import CAMERAS, Recording
from ghostlap.data.recordings.image_names import NO_TIME
from ghostlap.data.vision.pictures import Rgb, decode_rgb, encode_jpeg, read_picture

CONTROLS = ("steering", "throttle", "brake")

JPEG_QUALITY = 95
"""Of pictures that come out of a video, so that encoding them again shows nothing."""


_LOW = {"steering": -1.0, "throttle": 0.0, "brake": 0.0}


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A picture file's bytes, and what is in it."""

    data: bytes
    rgb: Rgb

    @property
    def ending(self) -> str:
        return ".png" if self.data.startswith(b"\x89PNG") else ".jpg"

    @classmethod
    def of_rgb(cls, rgb: Rgb) -> Picture:
        return cls(encode_jpeg(rgb, JPEG_QUALITY), rgb)


@dataclasses.dataclass(frozen=True, eq=False)
class Moment:
    """One moment; every writer may rely on what :func:`whole` checks."""

    pictures: dict[str, Picture]
    """By camera; the center one is always there, all are of one size."""
    steering: float
    throttle: float
    brake: float
    speed_mph: float
    """NaN where it is not known."""
    time_ms: int
    """Since 1970, or NO_TIME."""
    name: str = ""
    """File name of the center picture where it was read from."""
    begins: bool = False
    """Whether a stretch of driving begins, where the source says so itself."""


@dataclasses.dataclass(eq=False)
class Source:
    """Something that is read, moment by moment."""

    moments: Iterable[Moment]
    total: int
    """How many there are, unusable ones too."""
    cameras: tuple[str, ...]
    has_speed: bool
    step_s: float = 1 / 15
    """From one to the next while driving, on average."""
    left_out: list[str] = dataclasses.field(default_factory=list)
    """Why rows were left out, one message each; filled while they are read."""
    notes: list[str] = dataclasses.field(default_factory=list)


def source_of(recording: Recording) -> Source:
    """The moments of a recording, or of a table read as one."""
    frames = recording.frames
    cameras = tuple(camera for camera in CAMERAS if (frames[camera] != "").any())
    source = Source((), len(frames), cameras, bool(frames["speed_mph"].notna().any()))
    steps_s = np.diff(frames["time"].to_numpy()) / np.timedelta64(1, "s")  # NaT gives NaN
    driving = steps_s[(steps_s > 0) & (steps_s <= STRETCH_GAP_S)]
    if len(driving):
        source.step_s = float(driving.mean())
    source.moments = _moments(recording, source.left_out)
    return source


def _moments(recording: Recording, left_out: list[str]) -> Iterator[Moment]:
    frames = recording.frames
    numbers = frames[[*CONTROLS, "speed_mph"]].to_numpy(np.float64)
    times_ms = frames["time"].to_numpy("datetime64[ms]").astype(np.int64)
    shape: tuple[int, ...] | None = None
    columns = [frames[camera] for camera in CAMERAS]
    for row, paths in enumerate(zip(*columns, strict=True)):
        where = f"{recording.counts} {recording.lines[row]}"
        problem = _bad_control(numbers[row, :3])
        pictures = {}
        if not problem:
            try:
                for camera, path in zip(CAMERAS, paths, strict=True):
                    if path:
                        data = read_picture(path)
                        pictures[camera] = Picture(data, decode_rgb(data, path))
            except ImageError as error:
                problem = str(error)
        if not problem and "center" not in pictures:
            problem = "no centre picture"
        if not problem:
            shape = shape or pictures["center"].rgb.shape
            if any(picture.rgb.shape != shape for picture in pictures.values()):
                problem = f"a picture is not {shape[1]}x{shape[0]} as the first one is"
        if problem:
            left_out.append(f"{where}: {problem}")
            continue
        steering, throttle, brake, speed_mph = (float(value) for value in numbers[row])
        center = os.path.basename(paths[0])
        yield Moment(pictures, steering, throttle, brake, speed_mph, int(times_ms[row]), center)


def _bad_control(values: Iterable[float]) -> str:
    for name, value in zip(CONTROLS, values, strict=True):
        if not _LOW[name] <= value <= 1:
            return f"{name} must be from {_LOW[name]:g} to 1, and is {value:g}"
    return ""


class Stretches:
    """Tells where a new stretch of driving begins."""

    def __init__(self) -> None:
        self._last_ms: int | None = None

    def begins(self, moment: Moment) -> bool:
        """Whether this one is the first of a stretch: the first of all, or after a gap."""
        last_ms, self._last_ms = self._last_ms, moment.time_ms
        if last_ms is None or moment.begins:
            return True
        if NO_TIME in (last_ms, moment.time_ms):
            return False
        return not 0 <= moment.time_ms - last_ms <= STRETCH_GAP_S * 1000


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to write to that becomes ``out`` once all went well.

    Raises:
        ExchangeError: ``out`` is in use, or cannot be written.
    """
    advice = "Give --out a folder that does not exist yet, or an empty one."
    require_free(out, ExchangeError, advice)
    try:
        with replacing_folder(out, ExchangeError) as unfinished:
            yield unfinished
    except OSError as error:
        raise ExchangeError(
            f"{out}: cannot be written ({error.strerror or error}). Nothing was left there."
        ) from error


def known(value: float) -> bool:
    """Whether a number is known, and not NaN."""
    return not math.isnan(value)

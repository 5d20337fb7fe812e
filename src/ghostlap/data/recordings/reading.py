"""A recording as a table of frames: Udacity's ``driving_log.csv`` and ``IMG/``, or a donkeycar tub.

    >>> recording = read_recording("my-drive")
    >>> recording.frames[["center", "steering", "speed_mph"]]

Only an image's file name counts: the log's folders are another machine's more often than not.
Nothing is silently altered: what was mended or left out while reading stands in ``notes``.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.driving_log import LOG_NAME, read_log
from ghostlap.data.recordings.log_table import DrivingLog, LogNote
from ghostlap.data.recordings.tub import is_tub, read_tub

if TYPE_CHECKING:
    import pandas as pd

CAMERAS = ("center", "left", "right")
COLUMNS = ("center", "left", "right", "steering", "throttle", "brake", "speed_mph", "time")

_PROBED_ROWS = 50
_PIECE = 50_000


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """A recording as it was read."""

    folder: Path
    """Holds ``driving_log.csv`` and ``IMG/``, or is a tub."""
    frames: pd.DataFrame
    """One row a moment, columns :data:`COLUMNS`, index 0, 1, 2, …

    ``center``, ``left``, ``right``: full path of the image on this machine, whether it exists or
    not; "" if the camera has none. ``steering`` in [-1, 1], ``throttle``, ``brake`` in [0, 1] and
    ``speed_mph`` are ``float64`` as they stand in the log, NaN and out of range too; the speed is
    NaN throughout where a tub has none. ``time`` is ``datetime64[ms]`` out of the center image's
    name or the tub's record, NaT when neither holds one.
    """
    lines: NDArray[np.int64]
    """Where each frame stands: the line of the log, from 1, or the record of the tub, from 0."""
    notes: tuple[LogNote, ...] = ()
    """What was mended or left out while reading, in the order of the lines."""
    origins: tuple[str, ...] = ()
    """The folders, of whatever machine, that the log names; at most eight."""
    counts: str = "line"
    """What ``lines`` and the notes count: lines, or records."""

    @property
    def image_folder(self) -> Path:
        """Where the images are, or should be."""
        for camera in CAMERAS:
            for path in self.frames[camera]:
                if path:
                    return Path(path).parent
        return self.folder / "IMG"


def read_recording(path: str | os.PathLike[str]) -> Recording:
    """Read a recording.

    Args:
        path: its folder, or the ``driving_log.csv`` in it; or a donkeycar tub.

    Raises:
        RecordingError: no such folder, no log in it, or a log of which no row can be read.
    """
    folder = Path(path)
    if not (folder / LOG_NAME).is_file() and is_tub(folder):
        counts = "record"
        log, images = read_tub(folder)
    else:
        counts = "line"
        log_path = _find_log(folder)
        log, folder = read_log(log_path), log_path.parent
        images = _find_images(folder, log)
    return Recording(
        folder=folder,
        frames=_frames(log, images),
        lines=np.array(log.lines, dtype=np.int64),
        notes=tuple(log.notes),
        origins=tuple(log.origins),
        counts=counts,
    )


def is_recording(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a log, or a folder with one, or a tub."""
    path = Path(path)
    return path.name == LOG_NAME or (path / LOG_NAME).is_file() or is_tub(path)


def require_images(recording: Recording) -> None:
    """Make sure that a recording has images at all.

    Raises:
        RecordingError: all of them are missing; the message says where they were looked for.
    """
    named = 0
    for camera in CAMERAS:
        for path in recording.frames[camera]:
            if path:
                if os.path.exists(path):
                    return
                named += 1
    raise RecordingError(_missing_images_message(recording, named))


def _missing_images_message(recording: Recording, count: int) -> str:
    message = (
        f"{recording.folder}: all {count} images that the log names are missing. "
        f"They were looked for in {recording.image_folder}."
    )
    if not recording.origins:
        return f"{message} Put the recording's IMG folder beside the log."
    more = f" and {len(recording.origins) - 1} more" if len(recording.origins) > 1 else ""
    return (
        f"{message} The log was recorded elsewhere, in {recording.origins[0]}{more}: "
        "copy that IMG folder beside the log."
    )


def _find_log(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.exists():
        raise RecordingError(
            f"{path}: no such folder. Give the folder that holds {LOG_NAME} and IMG."
        )
    log_path = path / LOG_NAME
    if log_path.is_file():
        return log_path
    try:
        inner = sorted(log.parent for log in path.glob(f"*/{LOG_NAME}"))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}).") from error
    if inner:
        choices = " or ".join(map(str, inner[:3]))
        raise RecordingError(f"{path}: no {LOG_NAME} in it. Did you mean {choices}?")
    raise RecordingError(
        f"{path}: no {LOG_NAME} in it. Give the folder that was chosen in the simulator when "
        "recording, or a donkeycar tub."
    )


def _find_images(folder: Path, log: DrivingLog) -> Path:
    """``IMG/`` as a rule; ``img/`` or the folder itself if only there are images of the log."""
    names = [name for column in log.names for name in column[:_PROBED_ROWS] if name]
    for images in (folder / "IMG", folder / "img", folder):
        if any((images / name).is_file() for name in names):
            return images
    return folder / "IMG"


def _frames(log: DrivingLog, images: Path) -> pd.DataFrame:
    import pandas as pd

    prefix = os.path.join(images, "")
    columns: dict[str, object] = {}
    for camera, names in zip(CAMERAS, log.names, strict=True):
        # In pieces: of a million strings, no more than some thousand lie in memory twice.
        columns[camera] = pd.concat(
            [
                pd.Series([prefix + name if name else "" for name in names[start : start + _PIECE]])
                for start in range(0, len(names), _PIECE)
            ],
            ignore_index=True,
        )
    for column, values in zip(COLUMNS[3:7], log.numbers, strict=True):
        columns[column] = np.array(values, dtype=np.float64)
    columns["time"] = np.array(log.times_ms, dtype=np.int64).view("datetime64[ms]")
    return pd.DataFrame(columns)

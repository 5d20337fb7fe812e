"""A recording as a table of frames, whatever it was read from.

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
from ghostlap.data.recordings.columns import CAMERAS, Choice
from ghostlap.data.recordings.driving_log import LOG_NAME, read_log
from ghostlap.data.recordings.log_table import DrivingLog, LogNote
from ghostlap.data.recordings.picture_finder import PICTURE_ENDINGS, PictureFinder
from ghostlap.data.vision.shards import is_picture

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("center", "left", "right", "steering", "throttle", "brake", "speed_mph", "time")

_PROBED_ROWS = 50
_PROBED_FOLDERS = 100


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """A recording as it was read."""

    folder: Path
    """Where it was read from."""
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
    """What ``lines`` and the notes count: lines, records or frames."""
    steering: str = "4"
    """The column, key or feature that the steering was read from, as ``--columns`` names it."""

    @property
    def image_folder(self) -> Path:
        """Where the images are, or should be."""
        for camera in CAMERAS:
            for path in self.frames[camera]:
                if path:
                    return Path(path).parent
        return self.folder / "IMG"


def read_driving_log(path: Path, choice: Choice) -> Recording:
    """Read a ``driving_log.csv``, or the folder that holds it and ``IMG/``.

    Raises:
        RecordingError: no row of it can be read, or it is not clear which column is what.
    """
    log_path = path if path.is_file() else path / LOG_NAME
    folder = log_path.parent
    log = read_log(log_path, choice=choice)
    images = find_images(folder, log)
    repeated = len(log.origins) > 1 and len(set(map(hash, log.names[0]))) < len(log)
    if repeated or _count(images, log) < len(_probed(log)):  # in several folders, called otherwise
        pictures = PictureFinder(folder)
        if not len(pictures):
            return recording_of(log, folder, images)
        found = read_log(log_path, choice=choice, name_of=pictures.name)
        if repeated or _count(folder, found) > _count(images, log):
            log, images = found, folder
    return recording_of(log, folder, images)


def recording_of(
    log: DrivingLog, folder: Path, images: Path, counts: str = "line", steering: str = ""
) -> Recording:
    """A recording of what was read.

    Args:
        images: the folder that the names of its images are below.
        steering: what the source calls it; what the log says, by default.
    """
    return Recording(
        folder=folder,
        frames=_frames(log, images),
        lines=np.array(log.lines, dtype=np.int64),
        notes=tuple(log.notes),
        origins=tuple(log.origins),
        counts=counts,
        steering=steering or log.steering,
    )


def require_images(recording: Recording) -> None:
    """Make sure that a recording has images at all.

    Raises:
        RecordingError: all of them are missing; the message says where they were looked for.
    """
    named = 0
    for camera in CAMERAS:
        for path in recording.frames[camera]:
            if path:
                if is_picture(path):
                    return
                named += 1
    raise RecordingError(_missing_images_message(recording, named))


def _missing_images_message(recording: Recording, count: int) -> str:
    if not count:
        return (
            f"{recording.folder}: names no picture that is here. Pictures are looked for in that "
            "folder and below it, by their file names: copy them there."
        )
    message = (
        f"{recording.folder}: all {count} images that the log names are missing. "
        f"They were looked for in {recording.image_folder}."
    )
    if recording.counts != "line":
        return f"{message} Copy the pictures there."
    if not recording.origins:
        return f"{message} Put the recording's IMG folder beside the log."
    more = f" and {len(recording.origins) - 1} more" if len(recording.origins) > 1 else ""
    return (
        f"{message} The log was recorded elsewhere, in {recording.origins[0]}{more}: "
        "copy that IMG folder beside the log."
    )


def find_images(folder: Path, log: DrivingLog) -> Path:
    """The folder of a log's images: ``IMG/`` as a rule; that of the log, or one in it, if only
    there are images of it."""
    names = _probed(log)
    for images in (folder / "IMG", folder, *sorted(folder.iterdir())[:_PROBED_FOLDERS]):
        if any(is_picture(images / name) for name in names):
            return images
    return folder / "IMG"


def _probed(log: DrivingLog) -> list[str]:
    """Some of the pictures that a log names, of its beginning and its end."""
    places = sorted({*range(len(log))[:_PROBED_ROWS], *range(len(log))[-_PROBED_ROWS:]})
    return [name for column in log.names for name in column.at(places) if name]


def _count(images: Path, log: DrivingLog) -> int:
    """How many of these are there."""
    return sum(
        name.lower().endswith(PICTURE_ENDINGS) and is_picture(images / name)
        for name in _probed(log)
    )


def _frames(log: DrivingLog, images: Path) -> pd.DataFrame:
    import pandas as pd

    from ghostlap.data.recordings.path_column import Paths

    columns: dict[str, object] = {
        camera: Paths(os.path.join(images, ""), names)
        for camera, names in zip(CAMERAS, log.names, strict=True)
    }
    for column, values in zip(COLUMNS[3:7], log.numbers, strict=True):
        columns[column] = np.array(values, dtype=np.float64)
    columns["time"] = np.array(log.times_ms, dtype=np.int64).view("datetime64[ms]")
    return pd.DataFrame(columns, copy=False)

"""Rows of recordings become a new one: their pictures, and what the tables beside the logs say.

Whoever copies, cuts, cleans or joins recordings does it here. A picture is shared with the original
where the disk can (hard links), since pictures are never written to once they are there.
"""

from __future__ import annotations

import filecmp
import itertools
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.base.platform import quoted
from ghostlap.data.recordings.columns import CAMERAS
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.image_names import NO_TIME, stamp_of, time_ms_of
from ghostlap.data.recordings.log_row import Numbers, row_text
from ghostlap.data.recordings.log_table import DrivingLog
from ghostlap.data.recordings.reading import Recording, find_images
from ghostlap.data.recordings.tables_beside import add_edits, copy_tables, has_tables
from ghostlap.data.vision.picture_header import PNG_START
from ghostlap.data.vision.pictures import decode_rgb, read_picture
from ghostlap.data.vision.shards import is_picture

_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 95)
"""Of mirrored pictures, so that encoding them again shows nothing."""
_OTHER_SIDE = {"left": "right", "right": "left"}


class Row(NamedTuple):
    """A row as it is to be written."""

    pictures: Sequence[str]
    """Paths of the center, left and right picture; "" for a camera without."""
    numbers: Numbers
    """Steering, throttle, brake, speed in mph."""
    time_ms: int
    """Since 1970, or NO_TIME."""


class Part(NamedTuple):
    """What is taken of one recording."""

    folder: Path
    """Where the tables beside its log are."""
    rows: Iterable[Row]


def rows_of_recording(recording: Recording, rows: Iterable[int]) -> Iterator[Row]:
    """Some rows of a recording."""
    columns = [recording.frames[camera].tolist() for camera in CAMERAS]
    names = ["steering", "throttle", "brake", "speed_mph"]
    numbers = recording.frames[names].to_numpy(np.float64)
    times_ms = recording.frames["time"].to_numpy("datetime64[ms]").astype(np.int64)
    for row in rows:
        steering, throttle, brake, speed_mph = numbers[row].tolist()
        pictures = [paths[row] for paths in columns]
        yield Row(pictures, (steering, throttle, brake, speed_mph), int(times_ms[row]))


def rows_of_log(log: DrivingLog, folder: Path, rows: Iterable[int]) -> Iterator[Row]:
    """Some rows of a log, with the pictures that lie in or below its folder."""
    images = find_images(folder, log)
    for row in rows:
        pictures = [str(images / names[row]) if names[row] else "" for names in log.names]
        yield Row(pictures, log.numbers_of(row), log.times_ms[row])


def write_copy(folder: Path, parts: Iterable[Part], edit: str = "", *, mirror: bool = False) -> int:
    """Write rows into an empty folder, as a recording of Udacity's.

    Pictures keep their names, with their time added where only the row has it, and a number where
    another picture has that name. One that is missing stays so.

    Args:
        edit: what is done, a line for the new recording; "" adds none.
        mirror: exchange left and right, in pictures, steering and tables.

    Returns:
        How many rows were written.

    Raises:
        ImageError: a picture cannot be decoded, to be mirrored.
        RecordingError: a table beside a log holds a line that is no row.
        OSError: something cannot be read or written.
    """
    (folder / "IMG").mkdir()
    pictures = _Pictures(folder / "IMG", mirror)
    tables: list[tuple[Path, dict[str, str]]] = []
    count = 0
    with (folder / LOG_NAME).open("w", encoding="utf-8", newline="\n") as log:
        for part in parts:
            centers: dict[str, str] = {}
            has_any = has_tables(part.folder)
            for row in map(_mirrored, part.rows) if mirror else part.rows:
                names = [
                    pictures.add(Path(path), camera, row.time_ms) if path else ""
                    for camera, path in zip(CAMERAS, row.pictures, strict=True)
                ]
                log.write(row_text(names, row.numbers))
                count += 1
                if has_any:
                    centers[os.path.basename(row.pictures[0])] = names[0]
            tables.append((part.folder, centers))
    copy_tables(folder, tables, mirror=mirror)
    add_edits(folder, [edit] if edit else [])
    return count


def edit_line(kept: int, total: int, words: Sequence[str]) -> str:
    """The line about an edit in the recording that it makes."""
    return f"{kept} of {total} rows: ghostlap edit {quoted(*words)}"


def _mirrored(row: Row) -> Row:
    center, left, right = row.pictures
    steering, *others = row.numbers
    return Row((center, right, left), (0 - steering, *others), row.time_ms)  # type: ignore[arg-type]


class _Pictures:
    """The pictures of a new recording."""

    def __init__(self, folder: Path, mirror: bool) -> None:
        self._folder, self._mirror = folder, mirror
        self._missing: set[str] = set()
        """Names in the log whose pictures are not there."""

    def add(self, source: Path, camera: str, time_ms: int) -> str:
        """Bring a picture in; gives its name here."""
        name = source.name
        if time_ms != NO_TIME and time_ms_of(name) == NO_TIME:
            name = f"{camera}_{source.stem}_{stamp_of(time_ms)}{source.suffix}"
        elif self._mirror:
            name = re.sub("^(left|right)", lambda side: _OTHER_SIDE[side[0]], name)
        stem, ending = os.path.splitext(name)
        is_there = is_picture(source)
        data = None
        if self._mirror and is_there:
            data = _mirrored_picture(source)
        elif is_there and not source.is_file():
            data = read_picture(source)
        for number in itertools.count(2):
            target = self._folder / name
            if target.exists():
                if is_there and _holds(target, source, data):
                    return name
            elif not is_there:
                self._missing.add(name)
                return name
            elif name not in self._missing:
                _write(target, source, data)
                return name
            name = f"{stem}-{number}{ending}"
        raise AssertionError("there is always another number")


def _holds(target: Path, source: Path, data: bytes | None) -> bool:
    if data is None:
        return filecmp.cmp(source, target, shallow=False)
    return target.read_bytes() == data


def _write(target: Path, source: Path, data: bytes | None) -> None:
    if data is not None:
        target.write_bytes(data)
        return
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # another kind of disk
        shutil.copyfile(source, target)


def _mirrored_picture(path: Path) -> bytes:
    """A picture's file with left and right exchanged; a PNG stays one."""
    data = read_picture(path)
    bgr = cv2.cvtColor(decode_rgb(data, str(path))[:, ::-1], cv2.COLOR_RGB2BGR)
    ending = ".png" if data.startswith(PNG_START) else ".jpg"
    encoded: NDArray[np.uint8] = cv2.imencode(ending, bgr, _QUALITY)[1]
    return encoded.tobytes()

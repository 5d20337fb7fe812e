"""Writing a recording, one moment at a time, so that a kill at any byte loses at most one row.

    >>> with Recorder("my-drive") as recorder:
    ...     recorder.append(center=rgb, steering=-0.12, throttle=1, brake=0, speed_mph=30.2)

The folder is Udacity's own: ``driving_log.csv`` without a header, and ``IMG/``. An image is whole
before the log names it, and a row reaches the log in one write.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import append_row, own_folder, refuse_link, remove
from ghostlap.base.folder_lock import FolderLock
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.image_names import ms_of, stamp_of
from ghostlap.data.recordings.log_end import CUT_OFF_NAME, end_log
from ghostlap.data.recordings.log_table import MAX_ROWS
from ghostlap.data.recordings.side_table import APPENDING, Cell, SideLog
from ghostlap.data.vision.pictures import Rgb, encode_jpeg

_UNFINISHED = re.compile(r"\.(center|left|right)_[\d_]+\.jpg\.part")
_LIMITS = {
    "steering": (-1.0, 1.0),
    "throttle": (0.0, 1.0),
    "brake": (0.0, 1.0),
    "speed_mph": (0.0, 1000.0),
}


class Recorder(contextlib.AbstractContextManager["Recorder"]):
    """Appends to a recording; a new one, or one that is there already.

    Args:
        jpeg_quality: 75 is the simulator's own.
        beside: opens the table beside the log, if there is one: ``WHO_DROVE.open``, for example.
        log: where the rows go; ``driving_log.csv`` in the folder by default. With another one, it
            is the caller's to see to it that nobody else writes there.

    Raises:
        RecordingError: the folder or its log cannot be written, another process writes there, or
            the log that is there already cannot be read, so that what is added to it would be lost.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        jpeg_quality: int = 75,
        beside: Callable[[Path], SideLog] | None = None,
        log: str | os.PathLike[str] | None = None,
    ) -> None:
        if not 1 <= jpeg_quality <= 100:
            raise RecordingError(f"Recorder: jpeg_quality must be 1 to 100. Got {jpeg_quality}.")
        self.folder = Path(folder)
        self.rows_written = 0
        self._jpeg_quality = jpeg_quality
        self._images = self.folder / "IMG"
        self._log_path = self.folder / LOG_NAME if log is None else Path(log)
        self._log: int | None = None
        self._beside: SideLog | None = None
        self._lock = FolderLock(self.folder, RecordingError) if log is None else None
        try:
            own_folder(self._images, RecordingError)
            for path in (self._log_path, self.folder / CUT_OFF_NAME):
                refuse_link(path, RecordingError)
            if self._lock is not None:
                remove_unfinished_pictures(self.folder)
            self._rows_before, self._last_ms = end_log(self._log_path, self.folder / CUT_OFF_NAME)
            self._log = os.open(self._log_path, APPENDING, 0o666)
            self._beside = beside(self.folder) if beside else None
        except RecordingError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise RecordingError(
                f"{self.folder}: cannot record here ({error.strerror}). "
                "Choose a folder that you may write to."
            ) from error

    def append(
        self,
        *,
        center: Rgb | bytes,
        left: Rgb | bytes | None = None,
        right: Rgb | bytes | None = None,
        steering: float,
        throttle: float,
        brake: float,
        speed_mph: float,
        time: datetime.datetime | None = None,
        beside: Mapping[str, Cell] | None = None,
    ) -> tuple[str, str, str]:
        """Record one moment.

        Args:
            center, left, right: frames, ``uint8``, shape ``(height, width, 3)``, red first; or the
                bytes of JPEG files that were decoded before, which are kept as they are.
            steering: in [-1, 1], 1 to the right.
            throttle, brake: in [0, 1].
            speed_mph: at least 0.
            time: of the frames, which names them; now by default. A moment not later than the
                last one's is named 1 ms after it, so that names stay unique and in order.
            beside: cells of the row in the table beside the log; a row, if there are any.

        Returns:
            The file names of the center, left and right image; "" for a camera without.

        Raises:
            RecordingError: a value is not finite or out of range, the log has as many rows as one
                may have, or the disk is full. The rows before are safe.
        """
        if self._log is None:
            raise RecordingError(f"{self.folder}: this recorder is closed. Open a new one.")
        if self._rows_before + self.rows_written >= MAX_ROWS:
            raise RecordingError(
                f"{self.folder}: a recording may have at most {MAX_ROWS} rows, and this one has as "
                "many. They are safe. Record into another folder."
            )
        numbers = [
            _checked(name, value)
            for name, value in zip(_LIMITS, (steering, throttle, brake, speed_mph), strict=True)
        ]
        views = {"center": center, "left": left, "right": right}
        pictures = {
            camera: view
            if isinstance(view, bytes)
            else encode_jpeg(_checked_frame(camera, view), self._jpeg_quality)
            for camera, view in views.items()
            if view is not None
        }
        stamp = self._next_stamp(time)
        names = [f"{camera}_{stamp}.jpg" if camera in pictures else "" for camera in views]
        cells = [f"IMG/{name}" if name else "" for name in names]
        row = ", ".join(cells) + "," + ",".join(map(_plain, numbers)) + "\n"
        try:
            for camera, picture in pictures.items():
                self._save(picture, self._images / f"{camera}_{stamp}.jpg")
            append_row(self._log, row.encode())
        except OSError as error:
            self._give_up(error)
        self.rows_written += 1
        if self._beside is not None and beside is not None:
            self._beside.append(names[0], beside)
        return names[0], names[1], names[2]

    def close(self) -> None:
        """Close the log. Closing twice is harmless."""
        if self._log is not None:
            os.close(self._log)
            self._log = None
        if self._beside is not None:
            self._beside.close()
        if self._lock is not None:
            self._lock.release()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next_stamp(self, time: datetime.datetime | None) -> str:
        """A time as the simulator writes it into names, later than any before."""
        ms = max(ms_of(time or datetime.datetime.now()), self._last_ms + 1)
        while (self._images / f"center_{stamp_of(ms)}.jpg").exists():
            ms += 1
        self._last_ms = ms
        return stamp_of(ms)

    def _save(self, picture: bytes, path: Path) -> None:
        temporary = path.with_name(f".{path.name}.part")
        try:
            temporary.write_bytes(picture)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _give_up(self, error: OSError) -> NoReturn:
        raise RecordingError(
            f"{self.folder}: the row cannot be saved ({error.strerror}). The rows recorded "
            f"before it are safe ({self.rows_written} by this recorder). "
            "Make room, then record into the same folder."
        ) from error


def remove_unfinished_pictures(folder: Path) -> None:
    """Take away what a killed recording left of its last picture; its folder must be locked.

    Raises:
        OSError: the pictures cannot be listed.
    """
    images = folder / "IMG"
    with os.scandir(images) as entries:
        names = [entry.name for entry in entries if _UNFINISHED.fullmatch(entry.name)]
    for name in names:
        remove(images / name, folder)


def _checked(name: str, value: float) -> float:
    low, high = _LIMITS[name]
    number = float(value)
    if not math.isfinite(number) or not low <= number <= high:
        raise RecordingError(
            f"Recorder: {name} must be a finite number from {low:g} to {high:g}. Got {value!r}."
        )
    return number


def _checked_frame(camera: str, rgb: Rgb) -> Rgb:
    shape, dtype = getattr(rgb, "shape", None), getattr(rgb, "dtype", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or dtype != "uint8":
        raise RecordingError(
            f"Recorder: the {camera} frame must be uint8 of shape (height, width, 3), RGB. "
            f"Got {dtype or type(rgb).__name__} of shape {shape}."
        )
    return rgb


def _plain(number: float) -> str:
    """A number without exponent; six decimals, as many as a float of the simulator has."""
    text = f"{number:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text

"""Who drove at each moment of a recording, in ``who_drove.csv`` beside the log.

Udacity's columns hold what the car was steered, not by whom. Where a pilot and a person or the
expert drive in turns, this file says it, a row for each row of the log:

    center,driver,pilot_steering
    center_2024_05_06_07_08_09_000.jpg,pilot,-0.031
    center_2024_05_06_07_08_09_070.jpg,person,0.014

``center`` is the file name of the center image; ``driver`` is ``person``, ``pilot`` or ``expert``;
``pilot_steering`` is what the pilot would have steered, or did, empty where it was not asked. More
columns may follow.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, NamedTuple, NoReturn, get_args

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import append_row, open_file
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.lines import is_ended, lines_of
from ghostlap.data.recordings.log_table import MAX_ROWS
from ghostlap.data.recordings.side_table import csv_row, open_table

WHO_DROVE_NAME = "who_drove.csv"
WHO_DROVE_COLUMNS = ("center", "driver", "pilot_steering")

WhoDrives = Literal["person", "pilot", "expert"]
DRIVERS: tuple[WhoDrives, ...] = get_args(WhoDrives)

_SHOWN_CHARACTERS = 60


class WhoDrove(NamedTuple):
    """What a row says of a moment."""

    driver: WhoDrives
    pilot_steering: float | None
    """In full locks, positive to the right, not clipped; None where the pilot was not asked."""


class WhoDroveLog:
    """Appends to ``who_drove.csv``; each row reaches the file in one write.

    A row is written after the log's own, so that a kill between the two leaves a moment of which
    nobody knows who drove, and never the other way round.

    Args:
        folder: of the recording, which must be there.
        more: names of further columns, of which :meth:`append` is given numbers.

    Raises:
        RecordingError: the file cannot be written, or one is there with other columns.
    """

    def __init__(self, folder: str | os.PathLike[str], more: Sequence[str] = ()) -> None:
        self.path = Path(folder) / WHO_DROVE_NAME
        self._columns = (*WHO_DROVE_COLUMNS, *more)
        self._file: int | None = None
        try:
            self._file, there = open_table(self.path, self._columns)
        except OSError as error:
            self._cannot_write(error, "Choose a folder that you may write to.")
        if tuple(there) != self._columns:
            self.close()
            raise RecordingError(
                f"{self.path}: has other columns than {','.join(self._columns)}, so the recording "
                "cannot be continued. Record into another folder."
            )

    def append(
        self, center: str, driver: WhoDrives, pilot_steering: float | None, *more: float
    ) -> None:
        """Say who drove at the moment that a center image shows.

        Args:
            center: the image's file name.
            driver: who drove.
            pilot_steering: see :class:`WhoDrove`. What is not finite counts as no answer.
            more: the further columns, in their order.

        Raises:
            RecordingError: there is no such driver, numbers for other columns, or the disk is full.
        """
        if self._file is None:
            raise RecordingError(f"{self.path}: is closed. Open it anew.")
        if driver not in DRIVERS or len(more) != len(self._columns) - len(WHO_DROVE_COLUMNS):
            raise RecordingError(
                f"{self.path}: a row needs a driver ({', '.join(DRIVERS)}) and the columns "
                f"{','.join(self._columns)}. Got {driver!r} and {len(more)} further numbers."
            )
        asked = pilot_steering is not None and math.isfinite(pilot_steering)
        row = csv_row(
            [center, driver, f"{pilot_steering:.6f}" if asked else "", *(f"{n:.5f}" for n in more)]
        )
        try:
            append_row(self._file, row)
        except OSError as error:
            self._cannot_write(error, "The rows before are safe. Make room, then go on.")

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> WhoDroveLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _cannot_write(self, error: OSError, advice: str) -> NoReturn:
        raise RecordingError(f"{self.path}: cannot be written ({error.strerror}). {advice}") from (
            error
        )


def read_who_drove(folder: str | os.PathLike[str]) -> dict[str, WhoDrove]:
    """Read ``who_drove.csv`` of a recording.

    A last row without a line break is what a kill left of it, and is left out.

    Args:
        folder: of the recording.

    Returns:
        What is said of each moment, by the file name of its center image, in the file's order.

    Raises:
        RecordingError: there is no such file, or a row of it does not say who drove.
    """
    path = Path(folder) / WHO_DROVE_NAME
    try:
        with open_file(path) as file:
            return _read(file, path)
    except FileNotFoundError:
        raise RecordingError(
            f"{path.parent}: no {WHO_DROVE_NAME} in it, so nothing says where a person drove. "
            "Recordings in which a person takes over from a pilot have one."
        ) from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}).") from error


def _read(file: BinaryIO, path: Path) -> dict[str, WhoDrove]:
    found: dict[str, WhoDrove] = {}
    rows = csv.reader(_whole_lines(file, path))
    try:
        header = [cell.strip() for cell in next(rows, [])]
        if tuple(header[: len(WHO_DROVE_COLUMNS)]) != WHO_DROVE_COLUMNS:
            raise RecordingError(
                f"{path}: the first line must begin with {','.join(WHO_DROVE_COLUMNS)}. "
                f"Got {_shown(','.join(header))!r}."
            )
        for cells in rows:
            if not any(cells):
                continue
            center, said = _row(path, rows.line_num, cells, len(header))
            if center in found:
                raise RecordingError(
                    f"{path}: line {rows.line_num} is about {_shown(center)}, of which a line "
                    "before it speaks already. Each image has one line; take one of them out."
                )
            if len(found) >= MAX_ROWS:
                raise RecordingError(f"{path}: may have at most {MAX_ROWS} rows. It has more.")
            found[center] = said
    except csv.Error as error:
        raise RecordingError(f"{path}: line {rows.line_num} is no row ({error}).") from error
    return found


def _whole_lines(file: BinaryIO, path: Path) -> Iterator[str]:
    """The lines of the file, without a last one that does not end."""
    start, coding = 0, "utf-8-sig"
    for line in lines_of(file, str(path), "table"):
        if is_ended(line):
            try:
                yield line.decode(coding)
            except UnicodeDecodeError as error:
                raise RecordingError(
                    f"{path}: is no text ({error.reason}, byte {start + error.start})."
                ) from error
        start, coding = start + len(line), "utf-8"


def _row(path: Path, line: int, cells: Sequence[str], columns: int) -> tuple[str, WhoDrove]:
    if len(cells) != columns:
        raise RecordingError(
            f"{path}: line {line} must have {columns} cells, as the first line has. "
            f"Got {len(cells)}: {_shown(','.join(cells))!r}."
        )
    center, driver, steering = (cell.strip() for cell in cells[: len(WHO_DROVE_COLUMNS)])
    name = image_name_of(center)
    if not name:
        raise RecordingError(f"{path}: line {line} names no center image. Take the line out.")
    known = next((one for one in DRIVERS if one == driver), None)
    if known is None:
        raise RecordingError(
            f"{path}: line {line}: the driver must be {', '.join(DRIVERS)}. Got {_shown(driver)!r}."
        )
    return name, WhoDrove(known, _steering(path, line, steering) if steering else None)


def _steering(path: Path, line: int, text: str) -> float:
    try:
        steering = float(text)
    except ValueError:
        steering = math.nan
    if not math.isfinite(steering):
        raise RecordingError(
            f"{path}: line {line}: pilot_steering must be a finite number or empty. "
            f"Got {_shown(text)!r}."
        )
    return steering


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"

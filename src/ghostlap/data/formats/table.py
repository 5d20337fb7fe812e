"""Any table with pictures, as a recording: ``CSV + images``, by a map of its columns."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ghostlap.base.errors import ExchangeError
from ghostlap.base.files import open_file
from ghostlap.data.formats.columns import Column
from ghostlap.data.recordings import CAMERAS, Recording
from ghostlap.data.recordings.driving_log import MAX_UNREADABLE_LINES
from ghostlap.data.recordings.image_names import NO_TIME, image_name_of
from ghostlap.data.recordings.lines import lines_of
from ghostlap.data.recordings.log_table import MAX_LOG_BYTES, MAX_ROWS, LogNote

TABLE_ENDINGS = (".csv", ".txt", ".tsv")
MAX_FILES = 5_000_000

_PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")
_SEVERAL = ""


def read_table(path: Path, columns: dict[str, Column], where: dict[str, str]) -> Recording:
    """Read a table with pictures.

    Args:
        path: the table, or the folder of which it is the only one.
        columns: what stands where.
        where: only rows with these values are read, by column.

    Returns:
        A recording whose throttle and brake are 0 and whose speed is NaN where the table has none;
        pictures that are not in the table's folder or below it have the path "".

    Raises:
        ExchangeError: no table, a column that is not there, or no row.
    """
    import pandas as pd

    table = _find_table(path)
    pictures = _Pictures(table.parent)
    values: dict[str, list[object]] = {name: [] for name in (*columns, "line")}
    notes: list[LogNote] = []
    rows = _rows(table)
    header_line, header = next(rows, (0, []))
    place = _places(table, header, [*(one.source for one in columns.values()), *where])
    if all(name.isdigit() for name in place):  # a table without header
        rows = itertools.chain([(header_line, header)], rows)
    for line, cells in rows:
        if len(cells) <= max(place.values()):
            if len(notes) == MAX_UNREADABLE_LINES:
                raise ExchangeError(
                    f"{table}: more than {MAX_UNREADABLE_LINES} lines are no rows; line {line} is "
                    "one of them. Is it the right table?"
                )
            notes.append(LogNote(line, "unreadable", "", f"only {len(cells)} columns; left out"))
            continue
        if any(cells[place[name]] != value for name, value in where.items()):
            continue
        if len(values["line"]) == MAX_ROWS:
            raise ExchangeError(f"{table}: a table may have at most {MAX_ROWS} rows. Cut it up.")
        values["line"].append(line)
        for target, column in columns.items():
            text = cells[place[column.source]]
            if target in CAMERAS:
                values[target].append(pictures.path(text))
            else:
                values[target].append(
                    column.time_ms(text) if target == "time" else column.number(text)
                )
    count = len(values["line"])
    if not count:
        asked = f" in which {', '.join(f'{k} is {v}' for k, v in where.items())}" if where else ""
        raise ExchangeError(f"{table}: has no row{asked}. Is it the right table?")
    frames = pd.DataFrame({camera: values.get(camera, [""] * count) for camera in CAMERAS})
    for name, without in (("steering", 0.0), ("throttle", 0.0), ("brake", 0.0)):
        frames[name] = np.array(values.get(name, [without] * count), np.float64)
    frames["speed_mph"] = np.array(values.get("speed", [np.nan] * count), np.float64)
    times_ms = np.array(values.get("time", [NO_TIME] * count), np.int64)
    frames["time"] = times_ms.view("datetime64[ms]")
    lines = np.array(values["line"], np.int64)
    return Recording(table.parent, frames, lines, tuple(notes))


def _find_table(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise ExchangeError(f"{path}: no such folder or table.")
    tables = sorted(one for one in path.iterdir() if one.suffix.lower() in TABLE_ENDINGS)
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables[:5]) or "none"
        raise ExchangeError(
            f"{path}: must hold one table ({', '.join(TABLE_ENDINGS)}). Got {found}. "
            "Name the table itself."
        )
    return tables[0]


def _rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line that is not empty."""
    if table.stat().st_size > MAX_LOG_BYTES:
        raise ExchangeError(f"{table}: may have at most {MAX_LOG_BYTES} bytes. Cut it up.")
    separator: str | None = None
    with open_file(table) as file:
        for number, raw in enumerate(lines_of(file, str(table), "table", ExchangeError), 1):
            text = raw.decode("utf-8-sig", "replace").strip()
            if not text:
                continue
            separator = separator or _separator(text)
            cells = (
                text.split()
                if separator == " "
                else next(csv.reader([text], delimiter=separator), [])
            )
            yield number, [cell.strip() for cell in cells]


def _separator(text: str) -> str:
    return max((",", ";", "\t", " "), key=lambda mark: (text.count(mark), mark != " "))


def _places(table: Path, header: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    place = {}
    for name in names:
        if name in header:
            place[name] = header.index(name)
        elif name.isdigit() and 1 <= int(name[:9]) <= len(header):
            place[name] = int(name) - 1
        else:
            raise ExchangeError(
                f"{table}: has no column {name!r}. It has {', '.join(header[:30]) or 'none'}."
            )
    return place


class _Pictures:
    """Finds pictures by what a table says of them, within one folder and nowhere else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_name: dict[str, str] = {}
        for path in self._all():
            name = os.path.basename(path)
            for key in (name, os.path.splitext(name)[0]):
                self._by_name[key] = _SEVERAL if key in self._by_name else path

    def _all(self) -> Iterator[str]:
        count = 0
        for parent, _, names in os.walk(self.folder):
            for name in names:
                if name.lower().endswith(_PICTURE_ENDINGS):
                    count += 1
                    if count > MAX_FILES:
                        raise ExchangeError(
                            f"{self.folder}: more than {MAX_FILES} pictures in it and below."
                        )
                    yield os.path.join(parent, name)

    def path(self, text: str) -> str:
        """Where a picture lies: as the table says, else by its name; "" if it is not here."""
        said = PurePosixPath(text.replace("\\", "/"))
        if text.isprintable() and not said.is_absolute() and ".." not in said.parts:
            beside = self.folder / said
            if text and beside.is_file() and beside.resolve().is_relative_to(self.folder.resolve()):
                return str(beside)
        return self._by_name.get(image_name_of(text), "")

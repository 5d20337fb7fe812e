"""A CSV table beside a log: a row for each of the log's, named by its center image.

    >>> with WHO_DROVE.open(folder) as log:
    ...     log.append(center, {"driver": "pilot", "pilot_steering": -0.031})
    >>> dict(WHO_DROVE.rows(folder, "driver"))

A table is declared once, in :mod:`ghostlap.data.recordings.tables_beside`: from its columns follow
how it is written, continued and read.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import append_row, csv_text, open_file, refuse_link
from ghostlap.base.platform import BINARY
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.lines import MAX_LINE_BYTES, is_ended, lines_of
from ghostlap.data.recordings.log_table import MAX_ROWS

APPENDING = os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY
"""How a file is opened whose rows are written one by one."""

_SHOWN_CHARACTERS = 60

Cell = float | str | None
"""None, and what is not finite, is an empty cell."""


@dataclasses.dataclass(frozen=True)
class SideTable:
    """What a table beside a log is."""

    name: str
    """Of its file."""
    tells: str
    """What nobody knows where there is none: a part of a sentence."""
    columns: Mapping[str, str | tuple[str, ...]]
    """After ``center``: how a number is written there, "s" for any text, or the words to choose
    from. Strangers' columns may follow."""
    must: frozenset[str] = frozenset()
    """Columns without which a table that is there is not continued."""
    turned: frozenset[str] = frozenset()
    """Columns whose sign changes where left and right are exchanged."""
    of_a_place: frozenset[str] = frozenset()
    """Columns that nothing is known of where left and right are exchanged: no road is like that."""
    bits_a_row: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Columns of hexadecimal pictures, whose rows are so wide, and which are mirrored then."""

    def plus(self, columns: Mapping[str, str]) -> SideTable:
        """The same table with further columns."""
        more = {**self.columns, **columns}
        return dataclasses.replace(self, columns=more, must=self.must | set(columns))

    def mirrored(self, column: str, text: str) -> str:
        """A cell's text where left and right are exchanged."""
        if column in self.of_a_place:
            return ""
        if column in self.bits_a_row:
            return _mirrored_bits(text, self.bits_a_row[column])
        try:
            return f"{0 - float(text):{self.columns[column]}}" if column in self.turned else text
        except ValueError:
            return text

    @property
    def header(self) -> bytes:
        """The first line."""
        return _line(["center", *self.columns])

    def open(self, folder: str | os.PathLike[str]) -> SideLog:
        """Go on with the table of a recording, or begin it.

        Raises:
            RecordingError: it cannot be written, or one is there with other columns.
        """
        return SideLog(self, Path(folder) / self.name)

    def rows(
        self, folder: str | os.PathLike[str], *columns: str, some: bool = False
    ) -> Iterator[tuple[Any, ...]]:
        """Read some columns of a recording's table, a row at a time.

        With ``some`` a column may be missing, as in tables of earlier versions; its cells are None.

        A last row without a line break is what a kill left of it, and is left out.

        Yields:
            The file name of the center image, each once, and a value for each of ``columns``: a
            finite float or a text, None where the cell is empty.

        Raises:
            RecordingError: there is no such table, or it is none.
        """
        path = Path(folder) / self.name
        try:
            with open_file(path) as file:
                yield from self._read(file, path, columns, some)
        except FileNotFoundError:
            raise RecordingError(
                f"{path.parent}: no {self.name} in it, so nothing says {self.tells}."
            ) from None
        except OSError as error:
            raise RecordingError(f"{path}: cannot be read ({error.strerror}).") from error

    def _read(
        self, file: BinaryIO, path: Path, columns: tuple[str, ...], some: bool
    ) -> Iterator[tuple[Any, ...]]:
        seen: set[str] = set()
        rows = csv.reader(_whole_lines(file, path))
        try:
            header = [cell.strip() for cell in next(rows, [])]
            if header[:1] != ["center"] or not (some or set(columns) <= set(header)):
                raise RecordingError(
                    f"{path}: the first line must begin with center and name {', '.join(columns)}. "
                    f"Got {_shown(','.join(header))!r}."
                )
            places = [header.index(column) if column in header else None for column in columns]
            for cells in rows:
                if not any(cells):
                    continue
                where = f"{path}: line {rows.line_num}"
                if len(cells) != len(header):
                    raise RecordingError(
                        f"{where} must have {len(header)} cells, as the first line has. "
                        f"Got {len(cells)}: {_shown(','.join(cells))!r}."
                    )
                center = image_name_of(cells[0])
                if not center:
                    raise RecordingError(f"{where} names no center image. Take the line out.")
                if center in seen:
                    raise RecordingError(
                        f"{where} is about {_shown(center)}, of which a line before it speaks "
                        "already. Each image has one line; take one of them out."
                    )
                if len(seen) >= MAX_ROWS:
                    raise RecordingError(f"{path}: may have at most {MAX_ROWS} rows. It has more.")
                seen.add(center)
                texts = ["" if place is None else cells[place].strip() for place in places]
                named = zip(columns, texts, strict=True)
                yield center, *(self._value(name, text, where) for name, text in named)
        except csv.Error as error:
            raise RecordingError(f"{path}: line {rows.line_num} is no row ({error}).") from error

    def _value(self, column: str, text: str, where: str) -> Cell:
        kind = self.columns[column]
        if isinstance(kind, tuple):
            return _word(column, kind, text, where)
        if not text or kind == "s":
            return text or None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise RecordingError(
                f"{where}: {column} must be a finite number or empty. Got {_shown(text)!r}."
            )
        return number


class SideLog(contextlib.AbstractContextManager["SideLog"]):
    """Appends to a table; each row reaches the file in one write.

    A row is written after the log's own, so that a kill between the two leaves a row of which
    nothing is said, and never the other way round.

    Args:
        path: of its file. What a kill left of a last row there is taken back.
        has_header: whether a new one gets a first line with the columns' names.

    Raises:
        RecordingError: see :meth:`SideTable.open`.
    """

    def __init__(self, table: SideTable, path: Path, *, has_header: bool = True) -> None:
        refuse_link(path, RecordingError)
        self.path, self._table = path, table
        self._columns = list(table.columns)
        self._file: int | None = None
        try:
            self._file = os.open(path, APPENDING, 0o666)
            if has_header:
                self._columns = self._continued(self._file)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise RecordingError(
                    f"{path}: cannot be written ({error.strerror}). Choose a folder that you may "
                    "write to."
                ) from error
            raise

    def append(self, center: str, cells: Mapping[str, Cell]) -> None:
        """Write the row of a center image; a cell that is missing stays empty.

        Raises:
            RecordingError: a cell is none of the words to choose from, or the disk is full.
        """
        if self._file is None:
            raise RecordingError(f"{self.path}: is closed. Open it anew.")
        row = [_text(self._table.columns[name], cells.get(name)) for name in self._columns]
        for name, text in zip(self._columns, row, strict=True):
            if isinstance(kind := self._table.columns[name], tuple):
                _word(name, kind, text, str(self.path))
        try:
            append_row(self._file, _line([center, *row]))
        except OSError as error:
            raise RecordingError(
                f"{self.path}: the row cannot be saved ({error.strerror}). The rows before are "
                "safe. Make room, then go on."
            ) from error

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def _continued(self, file: int) -> list[str]:
        """Make the end of a table fit to go on with; gives its columns after ``center``."""
        header = self._table.header
        whole_bytes = _whole_bytes(self.path)
        if whole_bytes < os.fstat(file).st_size:
            if not whole_bytes and not header.startswith(self.path.read_bytes()[: len(header)]):
                self._refuse()
            os.ftruncate(file, whole_bytes)
        if not whole_bytes:
            append_row(file, header)
        with self.path.open("rb") as table:
            first = next(lines_of(table, str(self.path), "table")).decode("utf-8-sig", "replace")
        center, *columns = [cell.strip() for cell in next(csv.reader([first]), [])] or [""]
        if center != "center" or not self._table.must <= set(columns) <= set(self._table.columns):
            self._refuse()
        return columns

    def _refuse(self) -> None:
        raise RecordingError(
            f"{self.path}: has other columns than {','.join(['center', *self._table.columns])}, so "
            "the recording cannot be continued. Record into another folder."
        )


def _text(kind: str | tuple[str, ...], cell: Cell) -> str:
    if cell is None or (not isinstance(cell, str) and not math.isfinite(cell)):
        return ""
    return str(cell) if isinstance(kind, tuple) else format(cell, kind)


def _word(column: str, words: tuple[str, ...], text: str, where: str) -> str:
    if text not in words:
        raise RecordingError(f"{where}: {column} must be {', '.join(words)}. Got {_shown(text)!r}.")
    return text


def _line(cells: Iterable[str]) -> bytes:
    return csv_text(cells).encode()


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


def _whole_bytes(path: Path) -> int:
    """The size up to the last line break."""
    with open_file(path) as table:
        end = table.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - MAX_LINE_BYTES)
            table.seek(start)
            block = table.read(end - start)
            if found := max(block.rfind(b"\n"), block.rfind(b"\r")) + 1:
                return start + found
            end = start
    return 0


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _mirrored_bits(text: str, width: int) -> str:
    """A picture in hexadecimal digits with left and right exchanged; what is none stays."""
    try:
        bits = "".join(f"{byte:08b}" for byte in bytes.fromhex(text))
    except ValueError:
        return text
    if not bits or len(bits) % width:
        return text
    rows = (bits[at : at + width][::-1] for at in range(0, len(bits), width))
    return f"{int(''.join(rows), 2):0{len(text)}x}"

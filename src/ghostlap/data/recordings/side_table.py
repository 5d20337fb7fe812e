"""A CSV table beside a log, with a row for each of the log's: opened to go on with."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import append_row, open_file, refuse_link
from ghostlap.base.platform import BINARY
from ghostlap.data.recordings.lines import MAX_LINE_BYTES, lines_of

APPENDING = os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY
"""How a file is opened whose rows are written one by one."""


def csv_row(cells: Iterable[object]) -> bytes:
    """Cells as a line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def open_table(path: Path, columns: Sequence[str]) -> tuple[int, list[str]]:
    """Open a table to append to; a new one gets a header.

    What a kill left of a last row is taken back: what is appended would become a part of it.

    Args:
        path: of the table.
        columns: of a new one.

    Returns:
        The open file, and the columns that it has.

    Raises:
        OSError: it cannot be written.
        RecordingError: what is there is no table, or a link to elsewhere.
    """
    refuse_link(path, RecordingError)
    file = os.open(path, APPENDING, 0o666)
    try:
        header = csv_row(columns)
        whole_bytes = _whole_bytes(path)
        if whole_bytes < os.fstat(file).st_size:
            if not whole_bytes and not header.startswith(path.read_bytes()[: len(header)]):
                return file, []
            os.ftruncate(file, whole_bytes)
        if not whole_bytes:
            append_row(file, header)
        with path.open("rb") as table:
            first = next(lines_of(table, str(path), "table")).decode("utf-8-sig", "replace")
        return file, [cell.strip() for cell in next(csv.reader([first]), [])]
    except BaseException:
        os.close(file)
        raise


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

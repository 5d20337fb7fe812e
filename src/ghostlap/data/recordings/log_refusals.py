"""Why a log is not read: what was found in place of rows, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import GIT_LFS_ADVICE, GIT_LFS_START
from ghostlap.data.recordings.columns import command
from ghostlap.data.recordings.layout import (
    HEADER,
    IMAGE,
    Layout,
    is_value,
    separator_of,
    split_at,
    suggestion,
)
from ghostlap.data.recordings.log_row import cells_of
from ghostlap.data.recordings.log_table import DrivingLog

_EXCERPT_CHARACTERS = 100
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a]|^\x89PNG")


def excerpt(text: str) -> str:
    """The beginning of a line."""
    if len(text) > _EXCERPT_CHARACTERS:
        return text[: _EXCERPT_CHARACTERS - 1] + "…"
    return text


def check_first_line(name: str, raw: bytes) -> None:
    """Refuse what is no text.

    Raises:
        RecordingError: it is an Excel workbook, or another file that is no text.
    """
    if raw.startswith(b"PK\3\4"):
        raise RecordingError(
            f"{name}: this is an Excel workbook, whatever its name says. Save it from "
            "Excel as CSV, or take the simulator's own driving_log.csv."
        )
    if raw.startswith(GIT_LFS_START):
        raise RecordingError(f"{name}: {GIT_LFS_ADVICE}.")
    if _BINARY.search(raw):
        raise RecordingError(
            f"{name}: not a text file; it begins with {raw[:16]!r}. "
            f"A log has rows of {','.join(HEADER)}."
        )


def no_row_error(
    log: DrivingLog,
    lines: int,
    unreadable: tuple[int, str] | None,
    layout: Layout | None,
    header_line: int,
    unknown_header: Sequence[str],
) -> RecordingError:
    """What to say of a log without a row, or with hardly any.

    Args:
        unreadable: number and text of the first line that is no row.
        unknown_header: cells of a first line that is a header of columns nobody knows.
    """
    if unreadable and not any(one.kind == "ambiguous" for one in log.notes):
        number, text = unreadable
        cells = split_at(text, separator_of(text))
        share = "No row" if not len(log) else f"Only {len(log)} rows"
        what = f"{log.name}: {share} of {lines} lines can be read."
        if layout:
            return RecordingError(
                f"{what} A row must have {len(layout.header) or layout.cells} cells, "
                f"with a picture and numbers where they are asked for. "
                f"Line {number} has {len(cells)}: {excerpt(text)!r}"
            )
        message = (
            f"{what} A row must have 7 cells, {','.join(HEADER)}, the first three with image "
            f"names. Line {number} has {len(cells_of(text))}: {excerpt(text)!r}"
        )
        if any(map(IMAGE.search, cells)) and sum(map(is_value, cells)) > 1:
            message += ". " + command(log.name, suggestion(unknown_header, cells))
        return RecordingError(message)
    if log.notes:
        note = min(log.notes, key=lambda one: one.kind != "ambiguous")
        return RecordingError(
            f"{log.name}: no row can be read for certain. "
            f"Line {note.line}: {note.message}." + f" It reads {note.text!r}" * bool(note.text)
        )
    if header_line:
        return RecordingError(
            f"{log.name}: the log has a header but no rows. Nothing was recorded; record again."
        )
    return RecordingError(f"{log.name}: the log is empty. Nothing was recorded; record again.")

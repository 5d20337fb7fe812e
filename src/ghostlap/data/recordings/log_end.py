"""Making the end of a log fit to go on with: what is added must not change what was there."""

from __future__ import annotations

import bisect
import itertools
import os
from pathlib import Path

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import replacing
from ghostlap.base.platform import quoted
from ghostlap.data.recordings.driving_log import read_log
from ghostlap.data.recordings.image_names import NO_TIME
from ghostlap.data.recordings.lines import is_ended, lines_of
from ghostlap.data.recordings.log_table import DrivingLog

CUT_OFF_NAME = "driving_log_cut_off.csv"
"""Beside the log: what a killed recording left of its last row."""


def end_log(path: Path, cut_off: Path) -> tuple[int, int]:
    """Make a log end with a line break, and with rows that read the same whatever follows.

    A row without a line break gets one if it is whole. What is left of a cut-off row is moved into
    a file of its own: with a line break it would be a row, and a wrong one. Rows that are
    understood by what is around them are written out as they are understood.

    Args:
        cut_off: takes lines that are taken out or written anew, as they were.

    Returns:
        The log's rows, and the time of the latest one in ms since 1970, or ``NO_TIME``.

    Raises:
        RecordingError: the log cannot be read.
        OSError: it cannot be written.
    """
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return 0, NO_TIME
    log = read_log(path, may_be_empty=True)
    if not log.is_usual:
        message = (
            f"{path}: its columns or its encoding are not the simulator's, so no row can be added. "
            "Record into another folder"
        )
        if len(log):
            folder, copy = (quoted(f"{path.parent}{end}") for end in ("", "-copy"))
            message += f", or go on with a copy: ghostlap doctor {folder} --fix {copy}"
        raise RecordingError(message if len(log) else f"{message}.")
    if log.needs_break:
        with path.open("ab") as file:
            file.write(b"\n")
    elif log.open_line:
        _write_anew(path, log, cut_off)
    return len(log), max(log.times_ms, default=NO_TIME)


def _write_anew(path: Path, log: DrivingLog, cut_off: Path) -> None:
    """Write the lines from the open one on as the rows that are read from them."""
    with replacing(path) as temporary, path.open("rb") as old, temporary.open("wb") as new:
        lines = lines_of(old, str(path))
        new.writelines(itertools.islice(lines, log.open_line - 1))
        with cut_off.open("ab") as aside:
            aside.writelines(line if is_ended(line) else line + b"\n" for line in lines)
            aside.flush()
            os.fsync(aside.fileno())
        for row in range(bisect.bisect_left(log.lines, log.open_line), len(log)):
            new.write(log.row_text(row).encode())
        new.flush()
        os.fsync(new.fileno())

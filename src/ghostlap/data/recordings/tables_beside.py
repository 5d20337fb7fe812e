"""The tables beside a log: whatever copies, cuts or cleans a recording keeps them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.who_drove import WHO_DROVE_NAME

_TABLES = (WHO_DROVE_NAME, "predictions.csv", "ground_truth.csv")
"""Each row of theirs is about a row of the log, and begins with the name of its center image."""


def copy_tables(folder: Path, target: Path, centers: set[str]) -> None:
    """Copy what the tables beside a log say of some of its rows.

    Args:
        folder: of the recording.
        target: the new recording's.
        centers: names of the rows' center images.

    Raises:
        RecordingError: a table holds a line that is no row.
        OSError: one cannot be read or written.
    """
    for table in _TABLES:
        if (folder / table).is_file():
            _copy_rows(folder / table, target / table, centers)


def _copy_rows(table: Path, target: Path, centers: set[str]) -> None:
    as_it_is: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with table.open(**as_it_is) as old, target.open("w", **as_it_is) as new:
        rows = csv.reader(old)
        writer = csv.writer(new, lineterminator="\n")
        try:
            writer.writerow(next(rows, []))
            writer.writerows(row for row in rows if row and image_name_of(row[0]) in centers)
        except csv.Error as error:
            raise RecordingError(
                f"{table}: line {rows.line_num} is no row ({error}). Mend it, or take the file out "
                "of the recording."
            ) from error

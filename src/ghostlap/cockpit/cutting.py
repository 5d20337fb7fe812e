"""Cutting a stretch out of a recording: a new one without it, the original in the trash."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path
from typing import Any

from ghostlap.base.errors import CockpitError
from ghostlap.base.folder_lock import FolderLock, replacing_folder
from ghostlap.cockpit.library import Library
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.who_drove import WHO_DROVE_NAME

_TABLES = (WHO_DROVE_NAME, "predictions.csv", "ground_truth.csv")
"""Each row of theirs is about a row of the log, and begins with the name of its center image."""


def cut(library: Library, name: str, first: int, last: int) -> str:
    """Leave out the rows ``first`` to ``last``, both included; gives the new recording's name.

    The rows that stay are written as they are read, each on a line of its own, and pictures are
    shared with the original where the disk can (hard links). What the tables beside the log say of
    them stays, too.

    Raises:
        CockpitError: no such recording or rows, nothing would be left, or it cannot be written.
        RecordingError: its log cannot be read.
    """
    folder, log = library.log(name)
    if not 0 <= first <= last < len(log):
        raise CockpitError(
            f"{name} has the rows 0 to {len(log) - 1}. Got a cut from {first} to {last}."
        )
    kept = [i for i in range(len(log)) if not first <= i <= last]
    if not kept:
        raise CockpitError(f"Nothing of {name} would be left. Throw it away instead.")
    new = library.new_recording(f"{folder.name.removesuffix('-cut')}-cut")
    try:
        with FolderLock(folder, CockpitError), replacing_folder(new, CockpitError) as unfinished:
            (unfinished / "IMG").mkdir()
            with (unfinished / LOG_NAME).open("w", encoding="utf-8", newline="") as new_log:
                new_log.writelines(map(log.row_text, kept))
            for i in kept:
                for names in log.names:
                    _share(folder, unfinished, names[i])
            centers = {log.names[0][i] for i in kept}
            for table in _TABLES:
                _keep_rows(folder / table, unfinished / table, centers)
    except OSError as error:
        raise CockpitError(f"{name}: the cut cannot be written ({error.strerror}).") from error
    library.throw_away(name)
    return new.name


def _share(folder: Path, target: Path, image: str) -> None:
    for images in (folder / "IMG", folder / "img", folder):
        source, place = images / image, target / "IMG" / image
        if image and source.is_file() and not place.exists():
            try:
                os.link(source, place)
            except OSError:  # another kind of disk
                shutil.copyfile(source, place)
            return


def _keep_rows(table: Path, target: Path, centers: set[str]) -> None:
    """Copy the header of a table beside a log, and its rows that begin with some center images."""
    if not table.is_file():
        return
    as_it_is: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with table.open(**as_it_is) as old, target.open("w", **as_it_is) as new:
        rows = csv.reader(old)
        writer = csv.writer(new, lineterminator="\n")
        try:
            writer.writerow(next(rows, []))
            writer.writerows(row for row in rows if row and image_name_of(row[0]) in centers)
        except csv.Error as error:
            raise CockpitError(
                f"{table}: line {rows.line_num} is no row ({error}). Mend it, or take the file out "
                "of the recording."
            ) from error

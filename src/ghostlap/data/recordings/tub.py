"""A donkeycar tub, as a log: of format 2 (manifest and catalogs) or 1 (``record_N.json``).

``user/angle`` is the steering, a negative ``user/throttle`` the brake, ``cam/image_array`` the
centre image, unless other keys are chosen. Records that are marked as
deleted, and those in which no person steered, are passed over, and a note says so. Only an image's
file name counts: nothing outside the tub is ever opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import open_file, read_file
from ghostlap.data.recordings.columns import LATEST_MS, Choice
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.log_table import MAX_LOG_BYTES, DrivingLog
from ghostlap.data.recordings.reading import Recording, recording_of
from ghostlap.data.recordings.tub_records import TubLog, number_in, parsed

MANIFEST_NAME = "manifest.json"
IMAGE_FOLDER = "images"
MAX_MANIFEST_BYTES = 16 * 1024**2
MAX_RECORD_BYTES = 1024**2
"""A record may carry a lidar scan or the like beside the few values that are read."""

_CATALOG = re.compile(r"catalog_(\d{1,9})\.catalog")
_RECORD = re.compile(r"record_(\d{1,9})\.json")


def is_tub(folder: Path) -> bool:
    """Whether a folder looks like a tub."""
    if (folder / MANIFEST_NAME).is_file():
        return True
    try:
        with os.scandir(folder) as entries:
            return any(_CATALOG.fullmatch(one.name) or _RECORD.fullmatch(one.name)
                       for one in entries)  # fmt: skip
    except (OSError, ValueError):  # of a name that no folder can have
        return False


def read_tub(folder: Path, choice: Choice) -> Recording:
    """Read a tub; ``lines`` are the numbers of its records, from 0.

    Raises:
        RecordingError: it cannot be read, something is larger than it may be, or no record of it
            can be used.
    """
    log = TubLog(folder, choice)
    key = log.columns["steering"].source
    try:
        catalogs = _numbered(folder, _CATALOG)
        images = folder / IMAGE_FOLDER if (folder / IMAGE_FOLDER).is_dir() else folder
        if catalogs or (folder / MANIFEST_NAME).is_file():
            return recording_of(
                _read_catalogs(folder, catalogs, log), folder, images, "record", key
            )
        return recording_of(_read_record_files(folder, log), folder, folder, "record", key)
    except OSError as error:
        raise RecordingError(
            f"{error.filename or folder}: the tub cannot be read ({error.strerror})."
        ) from error


def _numbered(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """Names of the files that match, by their number."""
    with os.scandir(folder) as entries:
        found = [match for entry in entries if (match := pattern.fullmatch(entry.name))]
    return [match[0] for match in sorted(found, key=lambda match: (int(match[1]), match[0]))]


def _read_catalogs(folder: Path, there: list[str], log: TubLog) -> DrivingLog:
    named, deleted = _read_manifest(folder / MANIFEST_NAME, log, bool(there))
    number = 0
    for name in there if named is None else named:
        if name not in there:
            log.note(number, "unreadable", name, "the manifest names this catalog; it is missing")
            continue
        for line in _lines(folder / name):
            if not line.strip():
                continue
            if number in deleted:
                log.note(number, "deleted", "", "marked as deleted in the manifest")
            else:
                log.add_text(number, line)
            number += 1
    return log.finished(f"{number} records in {len(there)} catalogs, {len(deleted)} deleted")


def _read_manifest(path: Path, log: TubLog, has_catalogs: bool) -> tuple[list[str] | None, Any]:
    """Names of the catalogs, None where the manifest does not tell, and the deleted records."""
    problem = "is missing"
    if path.is_file():
        lines = _read_at_most(path, MAX_MANIFEST_BYTES).splitlines()
        about = parsed(next((line for line in reversed(lines) if line.strip()), b""))
        problem = "does not end with a line that says paths, current_index and deleted_indexes"
        if isinstance(about, dict) and isinstance(about.get("paths"), list):
            said = about.get("deleted_indexes")
            deleted = said if isinstance(said, list) else []
            names = [image_name_of(name) for name in about["paths"] if isinstance(name, str)]
            return (
                list(dict.fromkeys(name for name in names if _CATALOG.fullmatch(name))),
                {one for one in deleted if type(one) in (int, float)},
            )
    if not has_catalogs:
        raise RecordingError(
            f"{path}: {problem}, and no catalog lies beside it, so this is no donkeycar tub. "
            "Copy the whole folder again."
        )
    log.note(0, "unreadable", "", f"{MANIFEST_NAME} {problem}, so deleted records come back")
    return None, ()


def _lines(path: Path) -> Iterator[bytes]:
    _check_size(path, MAX_LOG_BYTES)
    with open_file(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_RECORD_BYTES + 1), b""), 1):
            if len(line) > MAX_RECORD_BYTES:
                raise RecordingError(
                    f"{path}, line {number}: a record may have at most {MAX_RECORD_BYTES} bytes. "
                    f"This one is longer and begins with {line[:40]!r}. Take the line out."
                )
            yield line


def _read_record_files(folder: Path, log: TubLog) -> DrivingLog:
    names = _numbered(folder, _RECORD)
    log.start_ms = _start_ms(folder / "meta.json")
    for name in names:
        match = _RECORD.fullmatch(name)
        assert match is not None
        log.add_text(int(match[1]), _read_at_most(folder / name, MAX_RECORD_BYTES))
    return log.finished(f"{len(names)} record files")


def _start_ms(path: Path) -> int | None:
    """When a tub of format 1 was begun, from which its records count; None if it is not known."""
    try:
        about = parsed(_read_at_most(path, MAX_MANIFEST_BYTES))
    except FileNotFoundError:
        return None
    start_s = number_in(about.get("start") if isinstance(about, dict) else None)
    return round(start_s * 1000) if 0 <= start_s * 1000 <= LATEST_MS else None


def _read_at_most(path: Path, most_bytes: int) -> bytes:
    _check_size(path, most_bytes)
    return read_file(path, most_bytes)


def _check_size(path: Path, most_bytes: int) -> None:
    size = path.stat().st_size
    if size > most_bytes:
        raise RecordingError(
            f"{path}: may have at most {most_bytes} bytes. Got {size}. Is it a donkeycar tub?"
        )

"""A donkeycar tub, as a log: of format 2 (manifest and catalogs) or 1 (``record_N.json``).

``user/angle`` is the steering, a negative ``user/throttle`` the brake, ``cam/image_array`` the
centre image. Records that are marked as deleted, and those in which no person steered, are passed
over, and a note says so. Only an image's file name counts: nothing outside the tub is ever opened.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import open_file, read_file
from ghostlap.data.recordings.driving_log import MAX_UNREADABLE_LINES
from ghostlap.data.recordings.image_names import NO_TIME, image_name_of
from ghostlap.data.recordings.log_table import MAX_LOG_BYTES, DrivingLog, LogNote, NoteKind

MANIFEST_NAME = "manifest.json"
IMAGE_FOLDER = "images"
IMAGE_KEY, STEERING_KEY, THROTTLE_KEY = "cam/image_array", "user/angle", "user/throttle"
MODE_KEY, TIME_KEY = "user/mode", "_timestamp_ms"
PERSON_DRIVES = "user"

MAX_MANIFEST_BYTES = 16 * 1024**2
MAX_RECORD_BYTES = 1024**2
"""A record may carry a lidar scan or the like beside the few values that are read."""

MPH_PER_MPS = 2.236936

_SPEED_KEYS = ("enc/speed", "pos/speed")
"""In m/s, of cars with an encoder and of the donkey simulator."""

_LATEST_MS = 253_402_300_799_000
_LONGEST_NAME = 255
_EXCERPT_CHARACTERS = 100
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


def read_tub(folder: Path) -> tuple[DrivingLog, Path]:
    """Read a tub.

    Args:
        folder: of the tub, for which :func:`is_tub` is true.

    Returns:
        Its records as a log, ``lines`` being their numbers from 0; and the folder of the images.

    Raises:
        RecordingError: it cannot be read, something is larger than it may be, or no record of it
            can be used.
    """
    try:
        catalogs = _numbered(folder, _CATALOG)
        if catalogs or (folder / MANIFEST_NAME).is_file():
            return _read_catalogs(folder, catalogs), folder / IMAGE_FOLDER
        return _read_record_files(folder), folder
    except OSError as error:
        raise RecordingError(
            f"{error.filename or folder}: the tub cannot be read ({error.strerror})."
        ) from error


def _numbered(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """Names of the files that match, by their number."""
    with os.scandir(folder) as entries:
        found = [match for entry in entries if (match := pattern.fullmatch(entry.name))]
    return [match[0] for match in sorted(found, key=lambda match: (int(match[1]), match[0]))]


def _read_catalogs(folder: Path, there: list[str]) -> DrivingLog:
    log = _TubLog(folder)
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


def _read_manifest(path: Path, log: _TubLog, has_catalogs: bool) -> tuple[list[str] | None, Any]:
    """Names of the catalogs, None where the manifest does not tell, and the deleted records."""
    problem = "is missing"
    if path.is_file():
        lines = _read_at_most(path, MAX_MANIFEST_BYTES).splitlines()
        about = _parsed(next((line for line in reversed(lines) if line.strip()), b""))
        problem = "does not end with a line that says paths, current_index and deleted_indexes"
        if isinstance(about, dict) and isinstance(about.get("paths"), list):
            deleted = about.get("deleted_indexes")
            names = [image_name_of(name) for name in about["paths"] if isinstance(name, str)]
            return (
                list(dict.fromkeys(name for name in names if _CATALOG.fullmatch(name))),
                {one for one in deleted if type(one) is int} if isinstance(deleted, list) else (),
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


def _read_record_files(folder: Path) -> DrivingLog:
    log = _TubLog(folder)
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
        about = _parsed(_read_at_most(path, MAX_MANIFEST_BYTES))
    except FileNotFoundError:
        return None
    start_s = _number(about.get("start") if isinstance(about, dict) else None)
    return round(start_s * 1000) if 0 <= start_s * 1000 <= _LATEST_MS else None


class _TubLog:
    """Collects records as the rows of a log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = DrivingLog(str(folder))
        self.start_ms: int | None = None
        self.unreadable = 0

    def add_text(self, number: int, text: bytes) -> None:
        record = _parsed(text)
        if not isinstance(record, dict):
            self._leave_out(number, text, "not a record in JSON; left out")
            return
        image = _image_name(record.get(IMAGE_KEY))
        if not image:
            self._leave_out(number, text, f"{IMAGE_KEY} names no image file; left out")
            return
        mode = record.get(MODE_KEY, PERSON_DRIVES)
        if mode != PERSON_DRIVES:
            self.note(number, "pilot", "", f"{MODE_KEY} is {_shown(mode)}: no person steered")
            return
        for key in (STEERING_KEY, THROTTLE_KEY):
            if math.isnan(_number(record.get(key))):
                self.note(number, "text", f"{key}: {_shown(record.get(key))}", "read as NaN")
        self._add(number, image, record)

    def _add(self, number: int, image: str, record: dict[str, Any]) -> None:
        throttle = _number(record.get(THROTTLE_KEY))
        speeds_mps = (_number(record.get(key)) for key in _SPEED_KEYS)
        speed_mps = next((speed for speed in speeds_mps if math.isfinite(speed)), math.nan)
        values = (
            _number(record.get(STEERING_KEY)),
            throttle if math.isnan(throttle) else max(0.0, throttle),
            throttle if math.isnan(throttle) else max(0.0, -throttle),
            abs(speed_mps) * MPH_PER_MPS,
        )
        self.log.add(number, (image, "", ""), values, self._time_ms(record))

    def _time_ms(self, record: dict[str, Any]) -> int:
        ms = _number(record.get(TIME_KEY))
        if math.isnan(ms) and self.start_ms is not None:
            ms = self.start_ms + _number(record.get("milliseconds"))
        return round(ms) if 0 <= ms <= _LATEST_MS else NO_TIME

    def _leave_out(self, number: int, text: bytes, message: str) -> None:
        self.unreadable += 1
        if self.unreadable > MAX_UNREADABLE_LINES:
            raise RecordingError(
                f"{self.folder}: more than {MAX_UNREADABLE_LINES} records cannot be read. The last "
                f"is number {number}: {_excerpt(text)!r}. Is it a donkeycar tub?"
            )
        self.note(number, "unreadable", _excerpt(text), message)

    def note(self, number: int, kind: NoteKind, text: str, message: str) -> None:
        self.log.note(LogNote(number, kind, text, message))

    def finished(self, found: str) -> DrivingLog:
        if not len(self.log):
            notes = self.log.notes
            why = f" Record {notes[0].line}: {notes[0].message}." if notes else ""
            raise RecordingError(
                f"{self.folder}: no record of this tub can be used ({found}).{why} "
                "Record again, or copy the whole folder again."
            )
        return self.log


def _parsed(text: bytes) -> Any:
    """JSON, or None where it is none."""
    try:
        return json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def _image_name(value: Any) -> str:
    """The file name in a record, or "" where there is none that could be a file's."""
    name = image_name_of(value) if isinstance(value, str) else ""
    usable = name.isprintable() and len(name.encode()) <= _LONGEST_NAME and name not in (".", "..")
    return name if usable else ""


def _number(value: Any) -> float:
    """A record's number, or NaN where it is none."""
    if type(value) not in (int, float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _read_at_most(path: Path, most_bytes: int) -> bytes:
    _check_size(path, most_bytes)
    return read_file(path, most_bytes)


def _check_size(path: Path, most_bytes: int) -> None:
    size = path.stat().st_size
    if size > most_bytes:
        raise RecordingError(
            f"{path}: may have at most {most_bytes} bytes. Got {size}. Is it a donkeycar tub?"
        )


def _excerpt(text: bytes) -> str:
    return text[:_EXCERPT_CHARACTERS].decode("utf-8", "replace").strip()


def _shown(value: Any) -> str:
    try:
        return repr(value)[:_EXCERPT_CHARACTERS]
    except RecursionError:
        return "what is nested too deeply"

"""A donkeycar tub, as a log: of format 2 (manifest and catalogs) or 1 (``record_N.json``).

``user/angle`` is the steering, a negative ``user/throttle`` the brake, ``cam/image_array`` the
centre image, unless other keys are chosen. Records that are marked as
deleted, and those in which no person steered, are passed over, and a note says so. Only an image's
file name counts: nothing outside the tub is ever opened.
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
from ghostlap.data.recordings.columns import (
    CAMERAS,
    LATEST_MS,
    MPH_PER_MPS,
    Choice,
    Column,
    command,
)
from ghostlap.data.recordings.driving_log import MAX_UNREADABLE_LINES
from ghostlap.data.recordings.image_names import NO_TIME, image_name_of
from ghostlap.data.recordings.layout import IMAGE, column_named
from ghostlap.data.recordings.log_table import MAX_LOG_BYTES, DrivingLog, LogNote, NoteKind
from ghostlap.data.recordings.reading import Recording, recording_of

MANIFEST_NAME = "manifest.json"
IMAGE_FOLDER = "images"
IMAGE_KEY, STEERING_KEY, THROTTLE_KEY = "cam/image_array", "user/angle", "user/throttle"
MODE_KEY, TIME_KEY = "user/mode", "_timestamp_ms"
PERSON_DRIVES = "user"

MAX_MANIFEST_BYTES = 16 * 1024**2
MAX_RECORD_BYTES = 1024**2
"""A record may carry a lidar scan or the like beside the few values that are read."""

_SPEED_KEYS = ("enc/speed", "pos/speed")
"""In m/s, of cars with an encoder and of the donkey simulator."""

_USUAL = {
    "center": Column("center", IMAGE_KEY, ""),
    "steering": Column("steering", STEERING_KEY, "1"),
    "throttle": Column("throttle", THROTTLE_KEY, "1"),
    "time": Column("time", TIME_KEY, "ms"),
}
_MOST_KEYS = 200
_LONGEST_NAME = 255
_EXCERPT_CHARACTERS = 100
_SHOWN_KEYS = 30
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
    """Read a tub.

    Args:
        folder: of the tub, for which :func:`is_tub` is true.
        choice: of keys, where they are not the usual ones.

    Returns:
        Its records, ``lines`` being their numbers from 0.

    Raises:
        RecordingError: it cannot be read, something is larger than it may be, or no record of it
            can be used.
    """
    log = _TubLog(folder, choice)
    key = log.columns["steering"].source
    try:
        catalogs = _numbered(folder, _CATALOG)
        if catalogs or (folder / MANIFEST_NAME).is_file():
            return recording_of(
                _read_catalogs(folder, catalogs, log), folder, folder / IMAGE_FOLDER, "record", key
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


def _read_catalogs(folder: Path, there: list[str], log: _TubLog) -> DrivingLog:
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


def _read_record_files(folder: Path, log: _TubLog) -> DrivingLog:
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
    return round(start_s * 1000) if 0 <= start_s * 1000 <= LATEST_MS else None


class _TubLog:
    """Collects records as the rows of a log."""

    def __init__(self, folder: Path, choice: Choice) -> None:
        self.folder = folder
        self.columns = {**_USUAL, **choice.columns}
        self.log = DrivingLog(str(folder))
        self.start_ms: int | None = None
        self.unreadable = 0
        self.keys: dict[str, Any] = {}
        """Each with a value that it has; some of them, of a tub that has very many."""

    def add_text(self, number: int, text: bytes) -> None:
        record = _parsed(text)
        if not isinstance(record, dict):
            self._leave_out(number, text, "not a record in JSON; left out")
            return
        if len(self.keys) < _MOST_KEYS and not record.keys() <= self.keys.keys():
            self.keys |= record
        images = [
            _image_name(record.get(self.columns[camera].source)) if camera in self.columns else ""
            for camera in CAMERAS
        ]
        if not images[0]:
            key = self.columns["center"].source
            self._leave_out(number, text, f"{key} names no image file; left out")
            return
        mode = record.get(MODE_KEY, PERSON_DRIVES)
        if mode != PERSON_DRIVES:
            self.note(number, "pilot", "", f"{MODE_KEY} is {_shown(mode)}: no person steered")
            return
        for target in ("steering", "throttle"):
            key = self.columns[target].source
            if math.isnan(_number(record.get(key))):
                self.note(number, "text", f"{key}: {_shown(record.get(key))}", "read as NaN")
        values = self._values(record)
        self.log.add(number, (images[0], images[1], images[2]), values, self._time_ms(record))

    def _values(self, record: dict[str, Any]) -> tuple[float, float, float, float]:
        throttle = self._asked(record, "throttle")
        brake = throttle if math.isnan(throttle) else max(0.0, -throttle)
        if "brake" in self.columns:
            brake = self._asked(record, "brake")
        if "speed" in self.columns:
            speed_mph = self._asked(record, "speed")
        else:
            speeds_mps = (_number(record.get(key)) for key in _SPEED_KEYS)
            speed_mps = next((speed for speed in speeds_mps if math.isfinite(speed)), math.nan)
            speed_mph = abs(speed_mps) * MPH_PER_MPS
        return (
            self._asked(record, "steering"),
            throttle if math.isnan(throttle) else max(0.0, throttle),
            brake,
            speed_mph,
        )

    def _asked(self, record: dict[str, Any], target: str) -> float:
        column = self.columns[target]
        return _number(record.get(column.source)) * column.factor

    def _time_ms(self, record: dict[str, Any]) -> int:
        column = self.columns["time"]
        if column.source != TIME_KEY:
            return column.time_ms(str(record.get(column.source))[:_EXCERPT_CHARACTERS])
        ms = _number(record.get(TIME_KEY))
        if math.isnan(ms) and self.start_ms is not None:
            ms = self.start_ms + _number(record.get("milliseconds"))
        return round(ms) if 0 <= ms <= LATEST_MS else NO_TIME

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
        absent = [
            target
            for target, column in self.columns.items()
            if column.source not in self.keys
            and (column != _USUAL.get(target) or target in ("center", "steering"))
        ]
        passed_over = any(note.kind in ("deleted", "pilot") for note in self.log.notes)
        if self.keys and len(self.keys) < _MOST_KEYS and absent:
            raise RecordingError(
                f"{self.folder}: no record has {self.columns[absent[0]].source} "
                f"({absent[0]}). They have {', '.join(sorted(self.keys)[:_SHOWN_KEYS])}. "
                + command(str(self.folder), self._suggestion(absent))
            )
        if not len(self.log):
            notes = self.log.notes
            why = f" Record {notes[0].line}: {notes[0].message}." if notes else ""
            advice = "Record again, or copy the whole folder again."
            if passed_over:
                advice = "Drive by hand (user/mode is user), or bring records back in donkeycar."
            raise RecordingError(
                f"{self.folder}: no record of this tub can be used ({found}).{why} {advice}"
            )
        return self.log

    def _suggestion(self, absent: list[str]) -> list[str]:
        """Keys that may be what was not found, by their names and values."""
        told = []
        for target in absent:
            known = [
                key
                for key, value in self.keys.items()
                if (
                    isinstance(value, str) and IMAGE.search(value)
                    if target in CAMERAS
                    else not math.isnan(_number(value))
                )
            ]
            named = [key for key in known if (column := column_named(key)[0])
                     and column.target == target]  # fmt: skip
            told += [f"{target}={key}" for key in (named or known)[:1]]
        return told


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

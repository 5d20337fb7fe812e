"""The records of a donkeycar tub, as the rows of a log."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ghostlap.base.errors import RecordingError
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
from ghostlap.data.recordings.log_table import DrivingLog, LogNote, NoteKind

IMAGE_KEY, STEERING_KEY, THROTTLE_KEY = "cam/image_array", "user/angle", "user/throttle"
MODE_KEY, TIME_KEY = "user/mode", "_timestamp_ms"
PERSON_DRIVES = "user"

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


class TubLog:
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
        record = parsed(text)
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
        mode = record.get(MODE_KEY) or PERSON_DRIVES
        if mode != PERSON_DRIVES:
            self.note(number, "pilot", "", f"{MODE_KEY} is {_shown(mode)}: no person steered")
            return
        for target in ("steering", "throttle"):
            key = self.columns[target].source
            if math.isnan(number_in(record.get(key))):
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
            speeds_mps = (number_in(record.get(key)) for key in _SPEED_KEYS)
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
        return number_in(record.get(column.source)) * column.scale[0] + column.scale[1]

    def _time_ms(self, record: dict[str, Any]) -> int:
        column = self.columns["time"]
        if column.source != TIME_KEY:
            return column.time_ms(str(record.get(column.source))[:_EXCERPT_CHARACTERS])
        ms = number_in(record.get(TIME_KEY))
        if math.isnan(ms) and self.start_ms is not None:
            ms = self.start_ms + number_in(record.get("milliseconds"))
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
                    else not math.isnan(number_in(value))
                )
            ]
            named = [key for key in known if (column := column_named(key)[0])
                     and column.target == target]  # fmt: skip
            told += [f"{target}={key}" for key in (named or known)[:1]]
        return told


def parsed(text: bytes) -> Any:
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


def number_in(value: Any) -> float:
    """A record's number, written as text too, or NaN where it is none."""
    try:
        return float(value) if type(value) in (int, float, str) else math.nan
    except (OverflowError, ValueError):
        return math.nan


def _excerpt(text: bytes) -> str:
    return text[:_EXCERPT_CHARACTERS].decode("utf-8", "replace").strip()


def _shown(value: Any) -> str:
    try:
        return repr(value)[:_EXCERPT_CHARACTERS]
    except RecursionError:
        return "what is nested too deeply"

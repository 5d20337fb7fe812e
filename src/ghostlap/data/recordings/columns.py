"""Which column of a log or table is what, and in which unit: ``steering=angle:deg``."""

from __future__ import annotations

import dataclasses
import datetime
import math
import os
from collections.abc import Callable, Sequence

from ghostlap.base.errors import RecordingError
from ghostlap.base.platform import quoted
from ghostlap.data.recordings.image_names import NO_TIME, ms_of

CAMERAS = ("center", "left", "right")
MPH_PER_MPS = 2.236936

FULL_LOCK_DEG = 25.0
"""Steering 1 in the simulator."""

TARGETS = (*CAMERAS, "steering", "throttle", "brake", "speed", "time")

_SPEED = {"mph": 1.0, "mps": MPH_PER_MPS, "kmh": MPH_PER_MPS / 3.6}
_STEERING = {"deg": 1 / FULL_LOCK_DEG, "rad": 1 / math.radians(FULL_LOCK_DEG)}
_TIME_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_ISO = "iso"
LATEST_MS = 253_402_300_799_000
"""The last moment of the year 9999."""


@dataclasses.dataclass(frozen=True)
class Column:
    """Where a value stands, and how to read it."""

    target: str
    source: str
    """The column's name, or its number from 1."""
    unit: str

    @property
    def scale(self) -> tuple[float, float]:
        """What to multiply a number there with, and to add then, to have it in Ghostlap's unit."""
        if self.target == "speed":
            return _SPEED[self.unit], 0.0
        if self.target == "steering" and self.unit in _STEERING:
            return _STEERING[self.unit], 0.0
        low, dots, high = self.unit.rpartition("..")
        least = -1.0 if self.target == "steering" else 0.0
        whole = float(high) - float(low) if dots else float(high)
        factor = (1 - least if dots else 1) / whole
        if not math.isfinite(whole):
            raise ValueError(self.unit)
        return factor, least - float(low) * factor if dots else 0.0

    def time_ms(self, text: str) -> int:
        """Milliseconds since 1970, or NO_TIME."""
        try:
            if self.unit == _ISO:
                return ms_of(datetime.datetime.fromisoformat(text.strip()))
            # Nanoseconds since 1970 are more than a float can hold, and are cut to whole ms here.
            ms = float(text) * _TIME_MS[self.unit]
        except ValueError:
            return NO_TIME
        return math.floor(ms) if 0 <= ms <= LATEST_MS else NO_TIME


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a person says of a recording's columns; empty where nothing is said."""

    columns: dict[str, Column] = dataclasses.field(default_factory=dict)
    """By target, one of :data:`TARGETS`."""
    where: dict[str, str] = dataclasses.field(default_factory=dict)
    """Only rows of a table with these values are read, by column."""


NO_CHOICE = Choice()


def parse_columns(texts: Sequence[str]) -> dict[str, Column]:
    """Read ``--columns``, each ``TARGET=COLUMN`` or ``TARGET=COLUMN:UNIT``.

    Raises:
        RecordingError: one is misspelt.
    """
    columns: dict[str, Column] = {}
    for text in texts:
        target, equals, rest = text.partition("=")
        if not equals or target not in TARGETS or not rest:
            raise RecordingError(
                f"--columns: must be TARGET=COLUMN or TARGET=COLUMN:UNIT with a target of "
                f"{', '.join(TARGETS)}. Got {text!r}."
            )
        if target in columns:
            raise RecordingError(f"--columns: {target} is named twice.")
        source, colon, unit = rest.rpartition(":")
        columns[target] = (
            Column(target, source, unit) if colon else Column(target, rest, usual_unit(target))
        )
        _check_unit(columns[target])
    return columns


def choice_of(columns: Sequence[str], where: Sequence[str] = ()) -> Choice:
    """Read ``--columns`` and ``--where``.

    Raises:
        RecordingError: one is misspelt.
    """
    return Choice(parse_columns(columns), parse_where(where))


def command(path: str, columns: Sequence[str]) -> str:
    """What to type for a recording whose columns have to be said; the end of an error message."""
    folder = path.removesuffix("driving_log.csv").rstrip("/\\") or "."
    out = f"{os.path.splitext(os.path.basename(os.path.abspath(folder)))[0]}-converted"
    words = ["ghostlap", "convert", folder, "--columns", *columns, "--out", out]
    return f"Say what is what (every command that reads takes --columns): {quoted(*words)}"


def parse_where(texts: Sequence[str]) -> dict[str, str]:
    """Read ``--where``: ``COLUMN=VALUE``.

    Raises:
        RecordingError: one is misspelt.
    """
    wanted = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise RecordingError(f"--where: must be COLUMN=VALUE. Got {text!r}.")
        wanted[name] = value
    return wanted


def usual_unit(target: str) -> str:
    return {"speed": "mph", "time": "s"}.get(target, "" if target in CAMERAS else "1")


def _check_unit(column: Column) -> None:
    readers: dict[str, Callable[[], object]] = {
        "speed": lambda: column.scale,
        "time": lambda: column.unit == _ISO or _TIME_MS[column.unit],
    }
    try:
        if column.target in CAMERAS:
            if column.unit:
                raise ValueError(column.unit)
        else:
            readers.get(column.target, lambda: column.scale)()
    except (ValueError, KeyError, ZeroDivisionError):
        units = {
            "steering": "deg, rad, the number that means full lock to the right, or LEFT..RIGHT",
            "speed": ", ".join(_SPEED),
            "time": ", ".join([*_TIME_MS, _ISO]),
            "throttle": "the number that means full throttle, or NONE..FULL",
            "brake": "the number that means full brake, or NONE..FULL",
        }.get(column.target, "nothing, for a picture has no unit")
        raise RecordingError(
            f"--columns: the unit of {column.target} must be {units}. Got {column.unit!r}."
        ) from None

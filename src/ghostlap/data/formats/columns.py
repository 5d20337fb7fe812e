"""Which column of a table is what, and in which unit: ``steering=angle:deg``."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Callable, Sequence

from ghostlap.base.errors import ExchangeError
from ghostlap.data.recordings import CAMERAS
from ghostlap.data.recordings.image_names import NO_TIME, ms_of
from ghostlap.data.recordings.tub import MPH_PER_MPS

FULL_LOCK_DEG = 25.0
"""Steering 1 in the simulator."""

TARGETS = (*CAMERAS, "steering", "throttle", "brake", "speed", "time")

_SPEED = {"mph": 1.0, "mps": MPH_PER_MPS, "kmh": MPH_PER_MPS / 3.6}
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

    def number(self, text: str) -> float:
        """The value in Ghostlap's unit; NaN where there is no number."""
        try:
            return float(text) * _factor(self)
        except ValueError:
            return math.nan

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


def parse_columns(texts: Sequence[str]) -> dict[str, Column]:
    """Read ``--columns``.

    Args:
        texts: each ``TARGET=COLUMN`` or ``TARGET=COLUMN:UNIT``.

    Raises:
        ExchangeError: one is misspelt, or the centre picture or the steering is missing.
    """
    columns: dict[str, Column] = {}
    for text in texts:
        target, equals, rest = text.partition("=")
        if not equals or target not in TARGETS or not rest:
            raise ExchangeError(
                f"--columns: must be TARGET=COLUMN or TARGET=COLUMN:UNIT with a target of "
                f"{', '.join(TARGETS)}. Got {text!r}."
            )
        if target in columns:
            raise ExchangeError(f"--columns: {target} is named twice.")
        source, colon, unit = rest.rpartition(":")
        columns[target] = (
            Column(target, source, unit) if colon else Column(target, rest, _usual(target))
        )
        _check_unit(columns[target])
    missing = [target for target in ("center", "steering") if target not in columns]
    if missing:
        raise ExchangeError(
            f"--columns: {' and '.join(missing)} must be named, as in center=image steering=angle. "
            f"Got {' '.join(texts) or 'nothing'}."
        )
    return columns


def parse_where(texts: Sequence[str]) -> dict[str, str]:
    """Read ``--where``: ``COLUMN=VALUE``.

    Raises:
        ExchangeError: one is misspelt.
    """
    wanted = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ExchangeError(f"--where: must be COLUMN=VALUE. Got {text!r}.")
        wanted[name] = value
    return wanted


def _usual(target: str) -> str:
    return {"speed": "mph", "time": "s"}.get(target, "" if target in CAMERAS else "1")


def _check_unit(column: Column) -> None:
    readers: dict[str, Callable[[], object]] = {
        "speed": lambda: _SPEED[column.unit],
        "time": lambda: column.unit == _ISO or _TIME_MS[column.unit],
    }
    try:
        if column.target in CAMERAS:
            if column.unit:
                raise ValueError(column.unit)
        else:
            readers.get(column.target, lambda: _factor(column))()
    except (ValueError, KeyError, ZeroDivisionError):
        units = {
            "steering": "deg, rad or the number that means full lock to the right",
            "speed": ", ".join(_SPEED),
            "time": ", ".join([*_TIME_MS, _ISO]),
            "throttle": "the number that means full throttle",
            "brake": "the number that means full brake",
        }.get(column.target, "nothing, for a picture has no unit")
        raise ExchangeError(
            f"--columns: the unit of {column.target} must be {units}. Got {column.unit!r}."
        ) from None


def _factor(column: Column) -> float:
    if column.target == "speed":
        return _SPEED[column.unit]
    if column.target == "steering" and column.unit == "deg":
        return 1 / FULL_LOCK_DEG
    if column.target == "steering" and column.unit == "rad":
        return 1 / math.radians(FULL_LOCK_DEG)
    whole = float(column.unit)
    if not math.isfinite(whole):
        raise ValueError(column.unit)
    return 1 / whole

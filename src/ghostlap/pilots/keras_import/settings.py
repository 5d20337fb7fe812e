"""A layer's configuration, read with care: types and ranges are checked before use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ghostlap.base.errors import LegacyError

_ABSENT = object()


class Settings:
    """What a file says of one layer. Each value may have one of several names."""

    def __init__(self, layer: str, kind: str, values: Mapping[str, Any]) -> None:
        self.layer = layer
        self.kind = kind
        self.values = values

    def fail(self, message: str) -> LegacyError:
        return LegacyError(f"layer {self.layer} ({self.kind}): {message}")

    def get(self, *names: str, default: Any = None) -> Any:
        for name in names:
            if self.values.get(name) is not None:
                return self.values[name]
        return default

    def whole(self, *names: str, low: int, high: int, default: Any = _ABSENT) -> int:
        return self._whole(names[0], self._needed(names, default), low, high)

    def pair(self, *names: str, low: int, high: int, default: Any = _ABSENT) -> tuple[int, int]:
        """Two whole numbers, or one for both."""
        value = self._needed(names, default)
        if not isinstance(value, Sequence) or isinstance(value, str):
            value = [value, value]
        if len(value) != 2:
            raise self.fail(f"{names[0]} must be two whole numbers. Got {_short(value)}.")
        first, second = (self._whole(names[0], one, low, high) for one in value)
        return first, second

    def sides(self, name: str, high: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows above and below, columns left and right; in all ways in which Keras wrote them."""
        value = self._needed((name,), _ABSENT)
        if isinstance(value, Mapping):  # Keras 1
            parts = ("top_pad", "bottom_pad", "left_pad", "right_pad")
            value = [value.get(part, 0) for part in parts]
        if isinstance(value, int) and not isinstance(value, bool):
            value = [value] * 4
        if isinstance(value, Sequence) and len(value) == 2:
            rows, columns = ([v, v] if isinstance(v, int) else v for v in value)
            if isinstance(rows, Sequence) and isinstance(columns, Sequence):
                value = [*rows, *columns]
        if not isinstance(value, Sequence) or len(value) != 4:
            raise self.fail(f"{name} must be ((top, bottom), (left, right)). Got {_short(value)}.")
        top, bottom, left, right = (self._whole(name, one, 0, high) for one in value)
        return (top, bottom), (left, right)

    def number(self, *names: str, default: Any = _ABSENT) -> float:
        value = self._needed(names, default)
        if isinstance(value, Mapping):  # Keras 3 writes arrays as objects
            value = value.get("config", value)
            value = value.get("value", value) if isinstance(value, Mapping) else value
        if not _is_number(value) or not math.isfinite(value):
            raise self.fail(f"{names[0]} must be a finite number. Got {_short(value)}.")
        return float(value)

    def numbers(self, name: str, default: Any = _ABSENT) -> float | list[float]:
        """A finite number, or a list of them."""
        value = self._needed((name,), default)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, list) and 0 < len(value) <= 64:
            if all(_is_number(one) and math.isfinite(one) for one in value):
                return [float(one) for one in value]
        elif _is_number(value) and math.isfinite(value):
            return float(value)
        raise self.fail(f"{name} must be a finite number or a list of them. Got {_short(value)}.")

    def share(self, *names: str) -> float:
        """From 0 to below 1."""
        value = self.number(*names, default=0.0)
        if not 0 <= value < 1:
            raise self.fail(f"{names[0]} must be from 0 to below 1. Got {value}.")
        return value

    def flag(self, *names: str, default: bool) -> bool:
        value = self.get(*names, default=default)
        if not isinstance(value, bool | int):
            raise self.fail(f"{names[0]} must be true or false. Got {_short(value)}.")
        return bool(value)

    def choice(self, *names: str, among: Sequence[str], default: str) -> str:
        value = self.get(*names, default=default)
        if value not in among:
            raise self.fail(f"{names[0]} must be {' or '.join(among)}. Got {_short(value)}.")
        return str(value)

    def whole_list(self, name: str, low: int, high: int, most: int = 8) -> list[int]:
        value = self._needed((name,), _ABSENT)
        if not isinstance(value, list) or len(value) > most:
            raise self.fail(f"{name} must be a list of whole numbers. Got {_short(value)}.")
        return [self._whole(name, one, low, high) for one in value]

    def _needed(self, names: tuple[str, ...], default: Any) -> Any:
        value = self.get(*names, default=default)
        if value is _ABSENT:
            raise self.fail(f"{' or '.join(names)} is not in the file.")
        return value

    def _whole(self, name: str, value: Any, low: int, high: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(
                f"{name} must be a whole number from {low} to {high}. Got {_short(value)}."
            )
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

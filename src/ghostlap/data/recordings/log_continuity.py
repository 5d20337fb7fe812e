"""What the rows around a doubtful row of a log say about it: a car's speed does not jump."""

from __future__ import annotations

from collections.abc import Sequence, Set

from ghostlap.data.recordings.image_names import NO_TIME

_NEAR_MPH = 3.0
_NEAR_MS = 1000
_NEAR_ROWS = 20
_USUAL_ROWS = 100
_FLOAT_DIGITS = 7
"""The simulator prints floats with seven significant digits."""


def follows(
    row: int,
    speed_mph: float,
    speeds_mph: Sequence[float],
    times_ms: Sequence[int],
    doubtful: Set[int],
) -> bool:
    """Whether a speed lies near those of the trusted rows around ``row``, and there are any."""
    neighbours = _neighbours(row, times_ms, doubtful)
    return bool(neighbours) and all(
        abs(speeds_mph[other] - speed_mph) <= _NEAR_MPH for other in neighbours
    )


def is_whole(
    row: int, speeds_mph: Sequence[float], times_ms: Sequence[int], doubtful: Set[int]
) -> bool:
    """Whether the speed, the last cell, of a row without a line break is complete.

    ``17.0`` may be all that is left of ``17.00781``. It is whole if it has as many digits as
    the rows before it, or the seven of a float, and follows from their speed.
    """
    before = [other for other in range(max(0, row - _USUAL_ROWS), row) if other not in doubtful]
    usual = max((_significant_digits(speeds_mph[other]) for other in before), default=_FLOAT_DIGITS)
    if _significant_digits(speeds_mph[row]) < usual:
        return False
    neighbours = [other for other in _neighbours(row, times_ms, doubtful) if other < row]
    if not neighbours:
        return True
    previous_mph = speeds_mph[neighbours[0]]
    if previous_mph < 0.01 and speeds_mph[row] >= 1:
        return False  # 1.736906 may be all that is left of 1.736906E-05
    return not abs(speeds_mph[row] - previous_mph) > _NEAR_MPH


def _neighbours(row: int, times_ms: Sequence[int], doubtful: Set[int]) -> list[int]:
    """The nearest trusted row before and after, if less than a second away."""
    found = []
    for step in (-1, 1):
        for other in range(row + step, row + step * (_NEAR_ROWS + 1), step):
            if not 0 <= other < len(times_ms):
                break
            if other not in doubtful:
                known = NO_TIME not in (times_ms[row], times_ms[other])
                if not known or abs(times_ms[other] - times_ms[row]) < _NEAR_MS:
                    found.append(other)
                break
    return found


def _significant_digits(value: float) -> int:
    """Digits that a number is written with, zeros on either end not counted; at most seven."""
    mantissa = repr(value).partition("e")[0]
    return min(_FLOAT_DIGITS, len(mantissa.replace(".", "").strip("-0")))

"""Numbers as Udacity's simulator writes and reads them: in the locale of its machine.

It formats telemetry with C#'s ``"N4"`` and parses commands with ``float.Parse``, both in the
current culture. On a German machine 3.1416 is written ``3,1416``, and ``"0.1234"`` is read as 1234.

    >>> german = number_format("de-DE")
    >>> german.n4(-1234.5), german.parse("0.1234"), german.parse("1234E-4")
    ('-1.234,5000', 1234.0, 0.1234)
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from ghostlap.base.errors import SimulatorError, WireError

_NO_BREAK_SPACE, _NARROW_NO_BREAK_SPACE = "\u00a0", "\u202f"
_MINUS_SIGN = "\u2212"
_LONGEST_NUMBER = 64
_N4 = re.compile(r".*[0-9][^0-9]+[0-9]{4}[^0-9]*", re.S)
# ASCII: float() does not strip all that is white space elsewhere.
_PLAIN = re.compile(r"\s*-?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?\s*", re.ASCII)
_NEGATIVE_SIGNS = "-−("


@dataclasses.dataclass(frozen=True)
class NumberFormat:
    """What one culture's numbers look like (C#'s ``NumberFormatInfo``)."""

    decimal: str = "."
    """Separator before the fraction."""
    group: str = ","
    """Separator between thousands."""
    minus: str = "-"
    """The culture's own minus sign."""
    negative: str = "-n"
    """How a negative number is put together: ``n`` is its amount, ``-`` the minus sign."""

    def n4(self, value: float) -> str:
        """A finite number as C#'s ``value.ToString("N4")`` writes it."""
        whole, fraction = f"{abs(value):.4f}".split(".")
        amount = f"{int(whole):,}".replace(",", self.group) + self.decimal + fraction
        if value >= 0 or not float(f"{value:.4f}"):  # what rounds to zero has no sign
            return amount
        return self.negative.replace("-", self.minus).replace("n", amount)

    def parse(self, text: str) -> float | None:
        """What C#'s ``float.Parse`` makes of a text; None where it throws.

        A group separator counts for nothing, wherever it stands behind a digit. The hyphen is a
        minus sign everywhere; a leading ``+`` is none in some cultures, so it is refused.
        """
        minus = f"(?:-|{re.escape(self.minus)})"
        number = (
            rf"\s*(?P<minus>{minus}?)"
            rf"(?:(?P<whole>[0-9](?:[0-9]|{re.escape(self.group)})*)"
            rf"(?:{re.escape(self.decimal)}(?P<fraction>[0-9]*))?"
            rf"|{re.escape(self.decimal)}(?P<bare>[0-9]+))"
            rf"(?:[eE](?P<power>(?:\+|{minus})?[0-9]+))?\s*"
        )
        found = re.fullmatch(number, text)
        if found is None:
            return None
        whole = (found["whole"] or "0").replace(self.group, "")
        fraction = found["fraction"] or found["bare"] or "0"
        power = (found["power"] or "0").replace(self.minus, "-")
        amount = float(f"{whole}.{fraction}e{power}")
        if math.isinf(amount):
            return None
        return -amount if found["minus"] else amount


NUMBER_FORMATS = {
    "en-US": NumberFormat(),
    "ja-JP": NumberFormat(),
    "zh-CN": NumberFormat(),
    "ko-KR": NumberFormat(),
    "de-CH": NumberFormat(group="\u2019"),
    "de-DE": NumberFormat(",", "."),
    "es-ES": NumberFormat(",", "."),
    "it-IT": NumberFormat(",", "."),
    "nl-NL": NumberFormat(",", "."),
    "pt-BR": NumberFormat(",", "."),
    "tr-TR": NumberFormat(",", "."),
    "hr-HR": NumberFormat(",", ".", negative="- n"),
    "fr-FR": NumberFormat(",", _NARROW_NO_BREAK_SPACE),
    "pl-PL": NumberFormat(",", _NO_BREAK_SPACE),
    "ru-RU": NumberFormat(",", _NO_BREAK_SPACE),
    "sv-SE": NumberFormat(",", _NO_BREAK_SPACE, minus=_MINUS_SIGN),
    "ar-EG": NumberFormat(negative="n-"),
    "fa-IR": NumberFormat("/", ",", negative="n-"),
    "x-accounting": NumberFormat(negative="(n)"),
}
"""A culture of each kind that there is, and some that many people have; the last is no culture's
but a setting of Windows."""


def number_format(locale: str) -> NumberFormat:
    """How a locale writes numbers.

    Raises:
        SimulatorError: it is not in :data:`NUMBER_FORMATS`.
    """
    if locale not in NUMBER_FORMATS:
        raise SimulatorError(
            f"--locale must be one of {', '.join(NUMBER_FORMATS)}. Got {locale!r}. Other locales "
            "write numbers like one of these: de-DE has the decimal comma."
        )
    return NUMBER_FORMATS[locale]


def command_number(value: float) -> str:
    """A number in [-1, 1] as the simulator has to be told it, ``"1234E-4"``; clipped.

    It reads numbers by its machine's locale: ``"0.1234"`` is 1234 where the point groups digits.
    A whole number with an exponent is the same everywhere.

    Raises:
        WireError: not finite.
    """
    value = float(value)
    if not math.isfinite(value):
        raise WireError(f"a car cannot be told {value}")
    return f"{round(max(-1.0, min(1.0, value)) * 10_000)}E-4"


def read_number(value: Any) -> float:
    """A number that a client sent; NaN where it cannot be read. Raises nothing.

    The simulator sends strings with four decimals in its machine's locale ("N4"): ``-3,1416``,
    ``1.234,5678``, ``3/1416-``, ``(3.1416)``. All of them are their digits, divided by 10,000.
    Forks send numbers, or strings with other decimals and a point.
    """
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _read_text(text: str) -> float:
    if len(text) > _LONGEST_NUMBER:
        return math.nan
    if _N4.fullmatch(text) is None:
        number = float(text) if _PLAIN.fullmatch(text) else math.nan
        return number if math.isfinite(number) else math.nan
    digits = "".join(character for character in text if character in "0123456789")
    magnitude = int(digits) / 10_000
    return -magnitude if any(sign in text for sign in _NEGATIVE_SIGNS) else magnitude

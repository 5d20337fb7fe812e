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

from ghostlap.base.errors import SimulatorError

_NO_BREAK_SPACE, _NARROW_NO_BREAK_SPACE = "\u00a0", "\u202f"
_MINUS_SIGN = "\u2212"


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

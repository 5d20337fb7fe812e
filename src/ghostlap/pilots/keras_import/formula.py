"""``x/127.5-1``: what is done to a picture's values, as people write it."""

from __future__ import annotations

import math
import re

from ghostlap.base.errors import LegacyError

_NUMBER = r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?"
_FORMULA = re.compile(rf"x(?:([*/])({_NUMBER}))?(?:([+-])({_NUMBER}))?")
SIDES = re.compile(r"(-?\d+)?:(-?\d+)?(?:,(-?\d+)?:(-?\d+)?)?")
"""Rows, or rows and columns, as Python counts them: ``60:-25,20:300``."""

_PAIR = re.compile(rf"({_NUMBER}),({_NUMBER})")


def parse_formula(text: str, option: str) -> tuple[float, float]:
    """Scale and offset of ``x``, ``x/255``, ``x/127.5-1``, ``x*2+1`` or ``scale,offset``.

    Raises:
        LegacyError: it is neither.
    """
    plain = text.replace(" ", "")
    pair = _PAIR.fullmatch(plain)
    formula = _FORMULA.fullmatch(plain)
    scale, offset = math.nan, math.nan
    if pair:
        scale, offset = float(pair[1]), float(pair[2])
    elif formula:
        factor = float(formula[2] or 1)
        inverse = 1 / factor if factor else math.inf
        scale = inverse if formula[1] == "/" else factor
        offset = float(formula[4] or 0) * (-1 if formula[3] == "-" else 1)
    if not (math.isfinite(scale) and math.isfinite(offset) and scale != 0):
        raise LegacyError(
            f"{option}: must be a formula such as x/255, x/127.5-1 or x*2+0.5, or two numbers "
            f"SCALE,OFFSET for x * SCALE + OFFSET. Got {text!r}."
        )
    return scale, offset


def formula_text(divide_by: float, offset: float) -> str:
    """The formula of ``x / divide_by + offset``, as short as it can be said."""
    scaled = "x" if divide_by == 1 else f"x/{divide_by:.6g}"
    return f"{scaled}{offset:+.6g}" if offset else scaled

"""What operators make of values of a script: of constants, numbers, pictures and answers."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from ghostlap.pilots.keras_import.script import arrays
from ghostlap.pilots.keras_import.script.picture import Picture
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    Answer,
    Bound,
    Class,
    External,
    Function,
    Given,
    Instance,
    Module,
    Numbers,
    Unknown,
    numbers_of,
)

MOST_ITEMS = 1000
_MOST_NUMBER = 1e12
_BINARY: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add), ast.Sub: ("-", operator.sub), ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv), ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
}  # fmt: skip
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.In: lambda one, among: one in among,
    ast.NotIn: lambda one, among: one not in among,
}  # fmt: skip
_TRUE = (Picture, Given, Function, Class, Instance, Module)


def truth(value: Any) -> bool | None:
    """Whether a value is true; None if that is not known."""
    if isinstance(value, _TRUE):
        return True
    if isinstance(value, Unknown | External | Answer | Bound | Numbers):
        return None
    return bool(value)


def is_constant(value: Any) -> bool:
    plain = value is None or isinstance(value, bool | int | float | str | bytes | slice | range)
    return plain or (isinstance(value, list | tuple) and all(is_constant(one) for one in value))


def bounded(value: Any) -> Any:
    """The value; unknown if what is in it, and in that, is more than a script's settings are."""
    left, count = [value], 0
    while left and count <= 2 * MOST_ITEMS:
        one = left.pop()
        count += 1
        if isinstance(one, list | tuple | dict):
            left.extend(one.values() if isinstance(one, dict) else one)
    return UNKNOWN if left else value


def joined(kind: type[ast.operator], left: Any, right: Any, where: str, *, python_2: bool) -> Any:
    """Two values joined by an operator; with ``python_2`` whole numbers divide as they did then.

    Raises:
        Refused: a picture cannot be followed through it.
    """
    if kind is ast.Pow and isinstance(left, int | float) and right in (2, 3, 0.5):
        return left**right if abs(left) < _MOST_NUMBER else UNKNOWN
    sign, call = _BINARY.get(kind, (kind.__name__, None))
    for value in (left, right):
        if isinstance(value, Unknown) and value.reason:
            return value
    if isinstance(left, Picture) or isinstance(right, Picture):
        return arrays.arithmetic(sign, left, right, where, python_2=python_2)
    if isinstance(left, Answer) or isinstance(right, Answer):
        return arrays.answer_arithmetic(sign, left, right)
    if call is None or not (_is_small(left) and _is_small(right)):
        return UNKNOWN
    if sign == "/" and python_2 and isinstance(left, int) and isinstance(right, int):
        call = operator.floordiv
    if isinstance(left, Numbers) or isinstance(right, Numbers):
        return _of_numbers(call, left, right)
    numeric = [isinstance(value, int | float) for value in (left, right)]
    if not all(numeric) and (sign not in "+*" or max(map(_size, (left, right))) > MOST_ITEMS):
        return UNKNOWN
    try:
        return bounded(call(left, right))
    except (TypeError, ZeroDivisionError, OverflowError, ValueError):
        return UNKNOWN


def changed(kind: type[ast.unaryop], value: Any, where: str, *, python_2: bool) -> Any:
    """A value behind ``not``, ``-`` or ``+``; arguments as of :func:`joined`."""
    if kind is ast.Not:
        known = truth(value)
        return UNKNOWN if known is None else not known
    if kind is ast.USub:
        if isinstance(value, int | float):
            return -value
        if isinstance(value, Numbers):
            return Numbers(tuple(-one for one in value.values))
        return joined(ast.Mult, value, -1.0, where, python_2=python_2)
    return value if kind is ast.UAdd else UNKNOWN


def compared(kind: type[ast.cmpop], left: Any, right: Any) -> Any:
    """Whether a comparison of two values holds, if that is known."""
    if kind in (ast.Is, ast.IsNot, ast.Eq, ast.NotEq) and (left is None or right is None):
        known = [one for one in (left, right) if one is not None]
        same = not known
        if known and truth(known[0]) is None:
            return UNKNOWN
        return same == (kind in (ast.Is, ast.Eq))
    if isinstance(left, External) and isinstance(right, External):  # types of numbers
        names = [value.path for value in (left, right)]
        if names[0].startswith("numpy.") and names[1].startswith("numpy."):
            left, right = names
    if isinstance(right, dict) and kind in (ast.In, ast.NotIn):
        right = [*right]
    if not (is_constant(left) and is_constant(right)) or kind not in _COMPARED:
        return UNKNOWN
    try:
        return bool(_COMPARED[kind](left, right))
    except TypeError:
        return UNKNOWN


def _is_small(value: Any) -> bool:
    if isinstance(value, int | float):
        return abs(value) < _MOST_NUMBER
    if isinstance(value, str | bytes | list | tuple):
        return len(value) < MOST_ITEMS
    return isinstance(value, Numbers)


def _size(value: Any) -> float:
    return abs(value) if isinstance(value, int | float) else len(value)


def _of_numbers(call: Any, left: Any, right: Any) -> Any:
    one, two = numbers_of(left), numbers_of(right)
    if one is None or two is None:
        return UNKNOWN
    count = max(len(one), len(two))
    one, two = (n * count if len(n) == 1 else n for n in (one, two))
    try:
        return Numbers(tuple(float(call(a, b)) for a, b in zip(one, two, strict=True)))
    except (ValueError, ZeroDivisionError, OverflowError):
        return UNKNOWN

"""Values out of JSON, held against the types that a dataclass declares."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, Literal, Union

_SHOWN_CHARACTERS = 60


def misfit(kind: type, values: dict[str, Any]) -> str:
    """What is wrong with the first of some values that is not of its field's type; "" if none is.

    Args:
        kind: a dataclass.
        values: by the name of the field; other names are passed over.
    """
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name in values and not _fits(hints[field.name], values[field.name]):
            got = repr(values[field.name])[:_SHOWN_CHARACTERS]
            return f"{field.name} must be {_in_words(hints[field.name])}. Got {got}"
    return ""


def _fits(kind: Any, value: Any) -> bool:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return isinstance(value, str | int) and value in inner
    if origin in (Union, types.UnionType):
        return any(_fits(one, value) for one in inner)
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(inner[0], one) for one in value)
    if kind is float:
        return type(value) in (int, float)
    if kind is Path:
        return isinstance(value, str | Path)
    if dataclasses.is_dataclass(kind):
        return isinstance(value, dict | kind)
    return type(value) is kind


def _in_words(kind: Any) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(one) for one in inner)
    if origin is tuple:
        return f"a list, of which each is {_in_words(inner[0])}"
    words = {
        int: "a whole number", float: "a number", bool: "true or false", Path: "a path",
        str: "a text", types.NoneType: "null",
    }  # fmt: skip
    return words.get(kind, "an object")

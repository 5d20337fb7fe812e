"""Options: frozen dataclasses that are API, flags and saved config alike.

A field's annotation says what a value may be; :class:`Options` holds each value against it.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Lap(Options, error=DriveError):
    ...     speed_mph: Annotated[float, Range(1, 30)] = 20.0
    >>> Lap(speed_mph=40)
    DriveError: --speed-mph must be from 1 to 30. Got 40.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, Union

import tyro

from ghostlap.base.addresses import address_of, here_of, is_address
from ghostlap.base.earlier_names import todays_names
from ghostlap.base.errors import GhostlapError

_SHOWN_CHARACTERS = 60


class Range(NamedTuple):
    """What a number may be, in the annotation of a field: ``Annotated[int, Range(1, 30)]``."""

    low: float
    high: float = math.inf
    excluding: tuple[float, ...] = ()
    """Ends that are not in it."""
    unit: str = ""

    def holds(self, value: float) -> bool:
        """Whether a value is in it; NaN, infinity and what is no number never are."""
        try:
            return self.low <= value <= self.high and value not in (*self.excluding, math.inf)
        except TypeError:
            return False

    def demand(self, got: Any) -> str:
        """What a value must be, after one that is not; of far ends only the one that it missed."""
        ends = (self.low, self.high)
        low, high = (f"{end:g}" if isinstance(end, float) else f"{end}" for end in ends)
        above, below = (end in self.excluding for end in ends)
        too_low = isinstance(got, (int, float)) and got < self.low
        if self.high == math.inf or (self.high > 2**31 and too_low):
            text = f"above {low}" if above else f"at least {low}"
        elif above:
            text = f"above {low} and {'below' if below else 'at most'} {high}"
        else:
            text = f"from {low} to {'below ' if below else ''}{high}"
        return f"{text} {self.unit}".rstrip()


Above0 = Range(0, excluding=(0,))
Positive = Annotated[float, Above0]
Count = Annotated[int, Range(1)]
Port = Annotated[int, Range(0, 65535)]
Seed = Annotated[int, Range(0, 2**63 - 1)]
Share = Annotated[float, Range(0, 1)]
Cluster = Annotated[str, tyro.conf.arg(metavar="ADDRESS")]
"""Where a Ray cluster is that does the work; empty for this machine alone."""

_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?([kMGT])B", re.IGNORECASE)
_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def bytes_of(flag: str, text: str, error: type[GhostlapError]) -> int:
    """How many bytes a size is, ``256MB``.

    Raises:
        GhostlapError: of the kind given: it is none.
    """
    size = _SIZE.fullmatch(text.strip())
    found = int(float(size[1]) * _UNITS[size[2].lower()]) if size else 0
    if not found:
        raise error(f"{flag} must be a size such as 256MB or 20GB. Got {text!r}.")
    return found


class Options:
    """What a frozen dataclass of options inherits.

    When one is made, texts become paths and one value a tuple of it where the types ask for that,
    so that a notebook may write ``TrainConfig("my-drive", out="runs/a")``; then ranges and choices
    are checked.

    Args:
        error: what is raised.
        called: how a message calls a value, of ``{name}`` and ``{flag}``.

    Raises:
        GhostlapError: of that kind: a value is out of range, or none of the choices.
    """

    _error: ClassVar[type[GhostlapError]] = GhostlapError
    _called: ClassVar[str] = "--{flag}"

    def __init_subclass__(
        cls, error: type[GhostlapError] = GhostlapError, called: str = "--{flag}"
    ) -> None:
        cls._error, cls._called = error, called

    def __post_init__(self) -> None:
        for name, hint in _hints(type(self)).items():
            value = getattr(self, name)
            settled = _settled(hint, value)
            if settled is not value:
                object.__setattr__(self, name, settled)
            if not _allowed(hint, settled):
                called = self._called.format(name=name, flag=name.replace("_", "-"))
                must_be = in_words(hint, functools.partial(_demand, got=value))
                got = repr(value) if isinstance(value, str) else value
                raise self._error(f"{called} must be {must_be}. Got {got}.")

    def to_json(self) -> dict[str, Any]:
        """The options as JSON values; paths become absolute."""
        return {name: _as_json(getattr(self, name)) for name in _hints(type(self))}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read back :meth:`to_json`, an earlier version's too; what is no option is passed over.

        Raises:
            TypeError: one without a default is missing.
            ValueError: a value is not of its option's type.
            GhostlapError: one is out of range.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"options must be an object. Got {type(values).__name__}")
        values = todays_names(values)
        if problem := misfit(cls, values):
            raise ValueError(problem)
        known = {}
        for name, hint in _hints(cls).items():
            if name in values:
                nested = isinstance(hint, type) and isinstance(values[name], dict)
                known[name] = hint.from_json(values[name]) if nested else values[name]
        return cls(**known)


def misfit(kind: type, values: Mapping[str, Any]) -> str:
    """What is wrong with the first of some JSON values that is not of its field's type; or ""."""
    for name, hint in _hints(kind).items():
        if name in values and not _fits(hint, values[name]):
            got = repr(values[name])[:_SHOWN_CHARACTERS]
            return f"{name} must be {in_words(hint)}. Got {got}"
    return ""


def differing(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    ignored: Sequence[str] = (),
    kind: type | None = None,
) -> str:
    """How options differ from those that something began with, for people; "" if they do not.

    Args:
        before: values as JSON has them; an earlier version named fewer.
        kind: dataclass with the defaults of what is not named in ``before``.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(kind)} if kind else {}
    return "; ".join(
        f"{name} was {was}, now {value}"
        for name, value in now.items()
        if name not in ignored and (was := before.get(name, defaults.get(name))) != value
    )


def _hints(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, with what is annotated to them."""
    return _read_hints(kind)


@functools.cache
def _read_hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _parts(hint: Any) -> tuple[Any, tuple[Any, ...], list[Range]]:
    """What a type is made with (tuple, a union, itself), of which types, and its ranges."""
    ranges = []
    while typing.get_origin(hint) is Annotated:
        hint, *notes = typing.get_args(hint)
        ranges += [note for note in notes if isinstance(note, Range)]
    origin = typing.get_origin(hint)
    if origin is types.UnionType:
        origin = Union
    return origin or hint, typing.get_args(hint), ranges


def kinds_of(hint: Any) -> list[Any]:
    """What a value of a type may be: int, tuple, Literal, … or of a union several of these."""
    origin, inner, _ = _parts(hint)
    return [_parts(one)[0] for one in inner] if origin is Union else [origin]


def _settled(hint: Any, value: Any) -> Any:
    origin, inner, _ = _parts(hint)
    if origin is Union and type(value) in inner:
        return value
    for one in inner if origin is Union else (hint,):
        kind, items, _ = _parts(one)
        if kind is Path and isinstance(value, (str, Path)):
            settled = here_of(value)
            return value if settled == value else settled
        if kind is tuple and isinstance(value, (Sequence, Path)):
            several = (value,) if isinstance(value, (str, Path)) else tuple(value)
            return tuple(_settled(items[0], item) for item in several)
    return value


def _allowed(hint: Any, value: Any) -> bool:
    """Whether a value is in range, and one of the choices; its type is not looked at."""
    origin, inner, ranges = _parts(hint)
    if not all(one.holds(value) for one in ranges if value is not None):
        return False
    if origin is Literal:
        return value in inner
    if origin is tuple and isinstance(value, tuple):
        return all(_allowed(inner[0], item) for item in value)
    if origin is Union:
        return any(_allowed(one, value) for one in inner)
    return origin is not types.NoneType or value is None


def _fits(hint: Any, value: Any) -> bool:
    """Whether a JSON value is of a type."""
    origin, inner, _ = _parts(hint)
    if origin is Literal:
        return isinstance(value, str | int) and value in inner
    if origin is Union:
        return any(_fits(one, value) for one in inner)
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(inner[0], item) for item in value)
    if origin is float:
        return type(value) in (int, float)
    if origin is Path:
        return isinstance(value, str | Path)
    if dataclasses.is_dataclass(origin):
        return isinstance(value, (dict, origin))  # type: ignore[arg-type]
    return type(value) is origin


def _type_in_words(hint: Any) -> str:
    origin, inner, _ = _parts(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    words = {
        int: "a whole number", float: "a number", bool: "true or false", Path: "a path",
        str: "a text", types.NoneType: "none",
    }  # fmt: skip
    return words.get(origin, "an object")


def _demand(hint: Any, got: Any) -> str:
    """A range or choices; nothing of None, which is always allowed where it is at all."""
    origin, _, ranges = _parts(hint)
    if origin is types.NoneType:
        return ""
    return ranges[0].demand(got) if ranges else _type_in_words(hint)


def in_words(hint: Any, words: Callable[[Any], str] = _type_in_words) -> str:
    """What a value must be: of which type, or as ``words`` has it."""
    origin, inner, _ = _parts(hint)
    if origin is Union:
        return " or ".join(text for one in inner if (text := in_words(one, words)))
    if origin is tuple:
        return f"a list, of which each is {in_words(inner[0], words)}"
    return words(hint)


def _as_json(value: Any) -> Any:
    if isinstance(value, Path):
        return address_of(value) if is_address(value) else str(value.resolve())
    if isinstance(value, tuple):
        return [_as_json(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value

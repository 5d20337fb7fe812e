"""What names in a script stand for while it is read, besides pictures and plain constants."""

from __future__ import annotations

import ast
import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any

from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.source import Source


@dataclasses.dataclass(frozen=True)
class Unknown:
    """A value that is not followed; if it came of a picture, ``reason`` says where and why not."""

    reason: str = ""


UNKNOWN = Unknown()


@dataclasses.dataclass(frozen=True)
class External:
    """Something of a library, by its dotted name; ``…()`` is what a call of it gave."""

    path: str


class Given(enum.Enum):
    """What the simulator sends."""

    TELEMETRY = "telemetry"
    ENCODED = "a picture as a file's bytes, or as their base64"


@dataclasses.dataclass(frozen=True)
class Numbers:
    """An array of constants."""

    values: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the network answered, ``* scale``; None where it was changed otherwise."""

    scale: float | None = 1.0
    place: int | None = None
    """Which of its numbers; None where the script does not say."""


@dataclasses.dataclass(eq=False)
class Module:
    source: Source
    names: dict[str, Any]


@dataclasses.dataclass(eq=False)
class Function:
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    module: Module
    enclosing: tuple[dict[str, Any], ...]
    defaults: Mapping[str, Any]
    bound: tuple[Any, ...] = ()
    """The instance that it is a method of."""
    kind: str = ""
    """``staticmethod``, ``classmethod``, ``property`` or nothing."""
    home: Class | None = None
    """The class that it was written in."""
    setter: Function | None = None
    """Of a property."""


@dataclasses.dataclass(eq=False)
class Class:
    name: str
    names: dict[str, Any]
    bases: tuple[Any, ...]
    fields: tuple[str, ...] = ()
    """Names with a type, which a dataclass is made of."""

    def find(self, name: str, depth: int = 0) -> Any:
        """A name of it or of its bases; None if there is none."""
        if name in self.names:
            return self.names[name]
        for base in self.bases if depth < 8 else ():
            if isinstance(base, Class) and (found := base.find(name, depth + 1)) is not None:
                return found
        return None


@dataclasses.dataclass(eq=False)
class Instance:
    kind: Class
    names: dict[str, Any]
    real: Instance | None = None
    """What ``super()`` stands for."""

    def in_order(self) -> tuple[Any, ...]:
        """Of a named tuple."""
        return tuple(self.names.get(name, self.kind.names.get(name)) for name in self.kind.fields)


@dataclasses.dataclass(eq=False)
class Partial:
    """A function with some of its arguments."""

    function: Any
    given: tuple[Any, ...]
    named: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Blank:
    """An array that is made to be filled."""

    shape: tuple[int, ...]
    whole: bool

    def filled(self, key: Any, picture: Picture) -> Picture:
        """After ``blank[key] = picture``.

        Raises:
            Refused: that fills a part of it only.
        """
        keys = key if isinstance(key, tuple) else (key,)
        axes, left = "", list(zip(picture.axes, picture.sizes, strict=True))
        for place, size in enumerate(self.shape):
            one = keys[place] if place < len(keys) else slice(None)
            if one == 0 and size == 1:
                axes += "1"
            elif isinstance(one, slice) and one.indices(size) == (0, size, 1) and left:
                axis, have = left.pop(0)
                axes += axis if have == size else "?"
        if left or "?" in axes or len(axes) != len(self.shape):
            raise Refused("an array is not filled by one picture")
        if self.whole and not picture.whole:
            raise Refused("fractions become bytes in an array of bytes")
        return dataclasses.replace(picture, axes=axes, whole=self.whole, memory=object())


@dataclasses.dataclass(frozen=True)
class Bound:
    """A method of a value that is no function of the script's."""

    owner: Any
    name: str


_ABSENT = object()


class Arguments:
    """What a function of a library is called with."""

    def __init__(self, given: Sequence[Any], named: Mapping[str, Any], where: str) -> None:
        self.given = given
        self.named = named
        self.where = where

    def get(self, place: int, *names: str, default: Any = _ABSENT) -> Any:
        """An argument by its place or one of its names.

        Raises:
            Refused: it is not there, or not known, and has no default.
        """
        found = default
        if 0 <= place < len(self.given):
            found = self.given[place]
        for name in names:
            found = self.named.get(name, found)
        if found is _ABSENT:
            raise Refused(f"its argument {names[0] if names else place} is missing")
        if isinstance(found, Unknown | External) and default is _ABSENT:
            raise Refused(
                f"its argument {names[0] if names else place} is not known from the script"
            )
        return found

    def picture(self, *names: str) -> Picture:
        found = self.get(0, *names, default=None)
        if not isinstance(found, Picture):
            raise Refused("it is called with something else than one picture")
        return found

    def number(self, place: int, *names: str, default: Any = _ABSENT) -> float:
        return number(self.get(place, *names, default=default))

    def size(self, place: int, *names: str) -> tuple[int, int]:
        """Two whole numbers."""
        found = self.get(place, *names)
        if isinstance(found, Numbers):
            found = found.values
        if isinstance(found, tuple | list) and len(found) >= 2:
            first, second = (int(number(side)) for side in found[:2])
            return first, second
        raise Refused("its size is not known from the script")


def number(value: Any) -> float:
    """A number.

    Raises:
        Refused: it is none.
    """
    if isinstance(value, Numbers) and len(value.values) == 1:
        return value.values[0]
    if not isinstance(value, int | float):
        raise Refused("a number in it is not known from the script")
    return value


def numbers_of(value: Any) -> tuple[float, ...] | None:
    """A number, or an array of constants; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (float(value),)
    return value.values if isinstance(value, Numbers) else None


def flat_numbers(value: Any) -> tuple[float, ...] | None:
    """All numbers of nested lists; None if there is anything else in them."""
    if isinstance(value, tuple | list) and len(value) <= 64:
        parts = [flat_numbers(one) for one in value]
        return None if None in parts else tuple(n for part in parts for n in part or ())
    return numbers_of(value)


class Scope:
    """Where a name is looked up, the innermost first."""

    def __init__(self, module: Module, chain: tuple[dict[str, Any], ...]) -> None:
        self.module = module
        self.chain = chain
        self.shared: set[str] = set()
        """Names that a ``global`` makes those of the module."""
        self.outer: set[str] = set()
        """Names that a ``nonlocal`` makes those of a function around."""
        self.returned: list[Any] = []
        """By branches that ended before."""

    def find(self, name: str) -> Any:
        chain = () if name in self.shared else self.chain
        for names in (*chain, self.module.names):
            if name in names:
                return names[name]
        return External(f"builtins.{name}")

    def set(self, name: str, value: Any) -> None:
        for names in self.chain[1:] if name in self.outer else ():
            if name in names:
                names[name] = value
                return
        local = self.chain and name not in self.shared
        (self.chain[0] if local else self.module.names)[name] = value

"""A function's code as Python's marshal wrote it, read as data: no object of it is ever made.

Only the few types that a plain lambda consists of are understood; anything else is refused. The
layouts are those of CPython 2.7, 3.0 to 3.7, 3.8 to 3.10, and 3.11 to 3.13, out of its
Python/marshal.c. Code says nowhere which Python wrote it, so each layout is tried.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Any, NamedTuple

MAX_BYTES = 65536
_MAX_DEPTH = 8
_MAX_LONG_DIGITS = 8
_SEEN_BEFORE = 0x80
_UNFINISHED = object()


class NotUnderstood(Exception):
    """The bytes hold something that this reader does not know; its text says what."""


class _Layout(NamedTuple):
    name: str
    numbers: tuple[str, ...]
    parts: tuple[str, ...]


_OLD_PARTS = (
    "code", "consts", "names", "varnames", "freevars", "cellvars", "filename", "name",
    "#firstlineno", "lnotab",
)  # fmt: skip
_NEW_PARTS = (
    "code", "consts", "names", "varnames", "kinds", "filename", "name", "qualname",
    "#firstlineno", "linetable", "exceptiontable",
)  # fmt: skip
_LAYOUTS = (
    _Layout("2.7", ("argcount", "nlocals", "stacksize", "flags"), _OLD_PARTS),
    _Layout("3.0", ("argcount", "kwonly", "nlocals", "stacksize", "flags"), _OLD_PARTS),
    _Layout("3.8", ("argcount", "posonly", "kwonly", "nlocals", "stacksize", "flags"), _OLD_PARTS),
    _Layout("3.11", ("argcount", "posonly", "kwonly", "stacksize", "flags"), _NEW_PARTS),
)


@dataclasses.dataclass(frozen=True)
class Code:
    """What a function consists of."""

    layout: str
    """The first Python version that writes it so."""
    argcount: int
    keyword_only: int
    flags: int
    instructions: bytes
    consts: tuple[Any, ...]
    names: tuple[str, ...]
    varnames: tuple[str, ...]
    closed_over: bool
    """Whether it uses variables of a surrounding function."""


def read_code(data: bytes) -> list[Code]:
    """Each way in which the bytes are a function's code, from first byte to last.

    Raises:
        NotUnderstood: there is none.
    """
    if len(data) > MAX_BYTES:
        raise NotUnderstood(f"it has {len(data)} bytes")
    found, reason = [], "it is no code"
    for layout in _LAYOUTS:
        try:
            found.append(_Reader(data, layout).whole())
        except NotUnderstood as error:
            reason = str(error)
    if not found:
        raise NotUnderstood(reason)
    return found


class _Reader:
    def __init__(self, data: bytes, layout: _Layout) -> None:
        self.data = data
        self.layout = layout
        self.place = 0
        self.seen: list[Any] = []
        self.interned: list[Any] = []

    def whole(self) -> Code:
        kind = self.take(1)[0]
        if kind & ~_SEEN_BEFORE != ord("c"):
            raise NotUnderstood("it is not a function's code")
        if kind & _SEEN_BEFORE:
            self.seen.append(_UNFINISHED)
        fields: dict[str, Any] = {name: self.number() for name in self.layout.numbers}
        for part in self.layout.parts:
            fields[part] = self.number() if part.startswith("#") else self.value(0)
        if self.place != len(self.data):
            raise NotUnderstood("there are bytes after its end")
        names, varnames = fields["names"], fields["varnames"]
        instructions, consts = fields["code"], fields["consts"]
        if not (isinstance(instructions, bytes) and isinstance(consts, tuple)):
            raise NotUnderstood("its parts are of the wrong types")
        for words in (names, varnames):
            if not (isinstance(words, tuple) and all(isinstance(word, str) for word in words)):
                raise NotUnderstood("its names are no names")
        closed_over = bool(fields.get("freevars") or fields.get("cellvars"))
        if "kinds" in fields:  # 0x20 marks a local variable that no inner function uses
            closed_over = fields["kinds"] != b"\x20" * len(varnames)
        return Code(
            layout=self.layout.name,
            argcount=fields["argcount"],
            keyword_only=fields.get("kwonly", 0),
            flags=fields["flags"],
            instructions=instructions,
            consts=consts,
            names=names,
            varnames=varnames,
            closed_over=closed_over,
        )

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.place:
            raise NotUnderstood("it is cut off")
        self.place += count
        return self.data[self.place - count : self.place]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little", signed=True)

    def value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise NotUnderstood("it is nested too deeply")
        kind = self.take(1)[0]
        letter = chr(kind & ~_SEEN_BEFORE)
        if letter == "r":
            return self.earlier(self.seen, self.number())
        if letter == "R":
            return self.earlier(self.interned, self.number())
        slot = len(self.seen)
        if kind & _SEEN_BEFORE:  # counted when it begins, known when it ends
            self.seen.append(_UNFINISHED)
        found = self.of_kind(letter, depth)
        if kind & _SEEN_BEFORE:
            self.seen[slot] = found
        return found

    def of_kind(self, letter: str, depth: int) -> Any:
        if letter in "NTF":
            return {"N": None, "T": True, "F": False}[letter]
        if letter == ".":
            return Ellipsis
        if letter == "i":
            return self.number()
        if letter == "I":
            return int.from_bytes(self.take(8), "little", signed=True)
        if letter == "l":
            return self.long()
        if letter == "g":
            return struct.unpack("<d", self.take(8))[0]
        if letter == "f":
            return self.written_float()
        if letter in "()":
            count = self.take(1)[0] if letter == ")" else self.number()
            if not 0 <= count <= len(self.data) - self.place:
                raise NotUnderstood("it is cut off")
            return tuple(self.value(depth + 1) for _ in range(count))
        if letter in "stuaAzZ":
            return self.text(letter)
        raise NotUnderstood(f"it holds an object of marshal's type {letter!r}")

    def text(self, letter: str) -> Any:
        data = self.take(self.take(1)[0] if letter in "zZ" else self.number())
        if letter == "s":
            return data
        found = data.decode("utf-8", "replace")
        if letter == "t" and self.layout.name == "2.7":
            self.interned.append(found)
        return found

    def long(self) -> int:
        count = self.number()
        if abs(count) > _MAX_LONG_DIGITS:
            raise NotUnderstood("it holds a number of many digits")
        digits = [int.from_bytes(self.take(2), "little") for _ in range(abs(count))]
        size = sum(digit << (15 * i) for i, digit in enumerate(digits))
        return -size if count < 0 else size

    def written_float(self) -> float:
        data = self.take(self.take(1)[0])
        try:
            return float(data)
        except ValueError:
            raise NotUnderstood("it holds a number that is none") from None

    def earlier(self, among: list[Any], index: int) -> Any:
        if not 0 <= index < len(among) or among[index] is _UNFINISHED:
            raise NotUnderstood("it refers to what is not there")
        return among[index]

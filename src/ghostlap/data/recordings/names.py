"""Millions of file names in little memory: a twentieth of what as many strings take."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import overload

MAX_NAME_BYTES = 255
"""Of a file's name, on every usual file system."""

_BLOCK = 1024


class Names(Sequence[str]):
    """A list of names that only grows; names that follow each other differ in a few digits."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._packed: list[bytes] = []
        self._newest: list[str] = []
        self._unpacked: tuple[int, list[str]] = (-1, [])
        for name in names:
            self.append(name)

    def append(self, name: str) -> None:
        self._newest.append(name)
        if len(self._newest) == _BLOCK:
            self._packed.append(zlib.compress(pickle.dumps(self._newest), 1))
            self._newest = []

    def without(self, rows: Set[int]) -> Names:
        """Those that stand elsewhere than at some places."""
        kept = Names()
        for row, name in enumerate(self):
            if row not in rows:
                kept.append(name)
        return kept

    def at(self, places: Iterable[int]) -> Iterator[str]:
        """The names at some places, counted from 0; quick where these go up."""
        held, names = -1, self._newest
        for place in places:
            block, row = divmod(place, _BLOCK)
            if block != held:
                held, names = block, self._block(block)
            yield names[row]

    def __len__(self) -> int:
        return len(self._packed) * _BLOCK + len(self._newest)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return list(self.at(range(*place.indices(len(self)))))
        return next(self.at([range(len(self))[place]]))

    def __iter__(self) -> Iterator[str]:
        return self.at(range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Names({list(self)!r})"

    def _block(self, number: int) -> list[str]:
        if number == len(self._packed):
            return self._newest
        held, names = self._unpacked
        if held != number:
            names = pickle.loads(zlib.decompress(self._packed[number]))
            self._unpacked = number, names
        return names

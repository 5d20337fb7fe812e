"""Millions of file names in little memory: a third of what as many strings take."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence, Set
from typing import overload

MAX_NAME_BYTES = 255
"""Of a file's name, on every usual file system."""


class Names(Sequence[str]):
    """A list of names that only grows."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._text = bytearray()
        self._ends = array("I")
        for name in names:
            self.append(name)

    def append(self, name: str) -> None:
        self._text += name.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._text))

    def without(self, rows: Set[int]) -> Names:
        """Those that stand elsewhere than at some places."""
        kept = Names()
        for row, name in enumerate(self):
            if row not in rows:
                kept.append(name)
        return kept

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return list(map(self.__getitem__, range(*place.indices(len(self)))))
        row = range(len(self))[place]
        return self._between(self._ends[row - 1] if row else 0, self._ends[row])

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self._ends:
            yield self._between(start, end)
            start = end

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Names({list(self)!r})"

    def _between(self, start: int, end: int) -> str:
        return self._text[start:end].decode("utf-8", "surrogatepass")

"""Damaged copies of real things: a few bytes, numbers, words or lines of a seed changed."""

from __future__ import annotations

import random
from collections.abc import Sequence

_NUMBERS = (
    b"0", b"-1", b"1e999", b"-1e-999", b"NaN", b"-Infinity", b"1e308", b"4294967296", b"-0.0",
    b"9" * 25, b"9" * 400, b"1_000", b"0x10", b"1,5", b"1.5.2", b"2147483648", b"65536", b"0.5",
    b"\xd9\xa3",
)  # fmt: skip
_WORDS = (
    b"null", b"true", b"[]", b"{}", b'""', b'"', b"\\", b"\x00", b"\r", b"\n", b"\r\n", b"\n\r",
    b"\xe2\x80\xa8", b"\xc2\x85", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"../", b"/", b",",
    b";", b"\t", b":", b"[[[[[[[[", b"{{{{{{{{", b"]", b"}", b"%s", b"[/]", b"[bold]", b".jpg",
    b'"a":', b"\\ud800", b"\x1b[2J", b"(", b")", b"''", b"-", b" ",
)  # fmt: skip
_BLOCKS = (256, 1024, 70_000)


class Mutator:
    """Draws damaged copies of seeds.

    Args:
        seeds: whole things, as they should be.
        words: of the format, beside the usual troublemakers.
        most_bytes: no copy is longer.
    """

    def __init__(
        self, seeds: Sequence[bytes], words: Sequence[bytes] = (), most_bytes: int = 200_000
    ) -> None:
        self._seeds = list(seeds)
        self._words = (*_WORDS, *_NUMBERS, *words)
        self._most_bytes = most_bytes

    def draw(self, chance: random.Random) -> bytes:
        """One damaged copy; the same for the same state of ``chance``."""
        bits, below = chance.getrandbits, chance.random
        seeds = self._seeds
        data = bytearray(seeds[int(below() * len(seeds))])
        for _ in range(1 + (bits(2) if bits(1) else 0)):
            size = len(data)
            at = int(below() * (size + 1))
            kind = bits(4)
            if kind < 3 and size:  # another byte, or one bit of it
                data[min(at, size - 1)] ^= 1 << bits(3) if kind else bits(8)
            elif kind < 7:  # a word in place of some bytes, or between them
                end = at + (bits(4) if kind < 5 else 0)
                data[at:end] = self._words[int(below() * len(self._words))]
            elif kind == 7:
                del data[at:]
            elif kind == 8:
                del data[at : at + 1 + bits(5)]
            elif kind == 9:  # a piece of another seed
                other = seeds[int(below() * len(seeds))]
                begin = int(below() * (len(other) + 1))
                data[at:at] = other[begin : begin + 1 + bits(7)]
            elif kind == 10:  # a piece again
                data[at:at] = data[at : at + 1 + bits(6)] * (1 + bits(2))
            elif kind == 11:
                self._another_number(data, at, chance)
            elif kind == 12 and bits(5) == 0:  # much of the same
                piece = self._words[int(below() * len(self._words))]
                data[at:at] = piece * (_BLOCKS[bits(8) % len(_BLOCKS)] // max(len(piece), 1))
            elif kind == 13:  # two pieces change places
                to = int(below() * (size + 1))
                piece = bytes(data[at : at + 8])
                data[at : at + 8] = data[to : to + 8]
                data[to : to + 8] = piece
            else:
                data[at:at] = bytes((bits(8),))
        return bytes(data[: self._most_bytes])

    @staticmethod
    def _another_number(data: bytearray, at: int, chance: random.Random) -> None:
        """The number after a place becomes another."""
        size = len(data)
        begin = at
        while begin < size and not 48 <= data[begin] <= 57:
            begin += 1
        end = begin
        while end < size and (48 <= data[end] <= 57 or data[end] in b".-+eE"):
            end += 1
        if begin < end:
            data[begin:end] = _NUMBERS[int(chance.random() * len(_NUMBERS))]

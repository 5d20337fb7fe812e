"""The number of nodes and weights in an ONNX file, counted in its bytes before they are parsed.

A million empty nodes are a file of 2 MB, but take hundreds of MB as objects.
"""

from __future__ import annotations

from collections.abc import Iterator

MOST_NODES = 10_000
MOST_WEIGHTS = 10_000
MAX_STRUCTURE_BYTES = 4 * 1024**2
"""Largest file, the weights' numbers not counted."""

_GRAPH, _NODE, _INITIALIZER, _ATTRIBUTE, _ATTRIBUTE_TENSOR = 7, 1, 5, 5, 5
_NUMBERS = (4, 9)
"""Fields of a tensor with its numbers: 32-bit floats, and raw bytes."""


class TooMuch(ValueError):
    """A file holds more than any pilot's network; the text says what."""


def check_amount(data: bytes) -> None:
    """Check that a file holds no more than a pilot's network would.

    Raises:
        TooMuch: it holds more.
        ValueError: it is no ONNX file.
    """
    nodes = tensors = numbers = 0
    whole = memoryview(data)
    for _, graph in _parts(whole, _GRAPH):
        for kind, part in _parts(graph, _NODE, _INITIALIZER):
            if kind == _INITIALIZER:
                tensors += 1
                numbers += _numbers(part)
            else:
                nodes += 1
                for _, attribute in _parts(part, _ATTRIBUTE):
                    tensors += 1
                    for _, tensor in _parts(attribute, _ATTRIBUTE_TENSOR):
                        numbers += _numbers(tensor)
            if nodes > MOST_NODES:
                raise TooMuch(f"it has more than {MOST_NODES:,} nodes")
            if tensors > MOST_WEIGHTS + 10 * nodes:
                raise TooMuch(f"it has more than {MOST_WEIGHTS:,} weights")
    if len(data) - numbers > MAX_STRUCTURE_BYTES:
        raise TooMuch(f"it holds more than {MAX_STRUCTURE_BYTES:,} bytes beside its weights")


def _numbers(tensor: memoryview) -> int:
    """Number of bytes of a tensor's numbers."""
    return sum(len(part) for _, part in _parts(tensor, *_NUMBERS))


def _parts(message: memoryview, *wanted: int) -> Iterator[tuple[int, memoryview]]:
    """Number and content of the wanted fields of a message, of those that have a length."""
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            _, place = _varint(message, place)
        elif kind == 2:
            length, place = _varint(message, place)
            if key >> 3 in wanted and place + length <= end:
                yield key >> 3, message[place : place + length]
            place += length
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise ValueError("no ONNX file")
    if place != end:
        raise ValueError("no ONNX file, or it is cut off")


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("no ONNX file, or it is cut off")

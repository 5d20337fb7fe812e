"""What a picture file says of itself, read before anything is decoded.

OpenCV takes a dozen formats and believes what they claim, so that a file of 35 bytes can cost 6 GB.
So PNG and JPEG are read here as far as their size, which must be where every camera and program
writes it; what is written in another way is refused, not guessed at.
"""

from __future__ import annotations

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"

MOST_SCANS = 100
"""Of a JPEG: each may go over the whole picture again. Progressive ones have about ten."""

_HUFFMAN_FRAMES = (0xC0, 0xC1, 0xC2)
"""Markers of baseline, extended and progressive JPEGs; cameras write no others."""
_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset((0x00, 0x01, *range(0xD0, 0xDB)))
"""Markers that no header has: restarts, the end, and the pixels themselves before a size."""
_FILLER = 0xFF
_SCAN = b"\xff\xda"
_AVIF = b"ftyp"
"""OpenCV looks for this first, and then at nothing before it."""

_PNG_USED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_MOST_CHUNKS = 20_000


class BadPicture(ValueError):
    """Why a file is not decoded."""


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG.

    Args:
        data: the whole file, which begins with ``JPEG_START``.

    Raises:
        BadPicture: it is cut off, does not say its size, or is of a kind that is not decoded.
    """
    # OpenCV fills what a cut-off JPEG lacks with grey and only whispers about it.
    if JPEG_END not in data[-64:]:
        raise BadPicture(f"the JPEG is cut off after {len(data)} bytes (its end marker is missing)")
    place = 2 if data[4:8] != _AVIF else len(data)
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == _FILLER:
            place += 1
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _OTHER_FRAMES:
            raise BadPicture("the JPEG is arithmetic-coded or lossless, which no camera writes")
        if marker in _HUFFMAN_FRAMES:
            if data.count(_SCAN) > MOST_SCANS:
                raise BadPicture(
                    f"the JPEG has more than {MOST_SCANS} scans, which no camera writes"
                )
            height = int.from_bytes(data[place + 5 : place + 7], "big")
            return int.from_bytes(data[place + 7 : place + 9], "big"), height
        if marker in _WITHOUT_LENGTH or length < 2:
            break
        place += 2 + length
    raise BadPicture(
        "the JPEG does not say its size where every camera writes it. Is it damaged? Open it in a "
        "picture program and save it anew"
    )


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG.

    Args:
        data: the whole file, which begins with ``PNG_START``.

    Raises:
        BadPicture: it does not say its size.
    """
    if data[8:16] != b"\0\0\0\rIHDR" or len(data) < 33:
        raise BadPicture("the PNG does not begin with its size. Is it damaged?")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def plain_png(data: bytes) -> bytes:
    """A PNG without all that is not its picture: texts, profiles, animation.

    These may be packed, a thousand of them to 8 MB each.

    Raises:
        BadPicture: it is cut off.
    """
    kept = [PNG_START]
    place = len(PNG_START)
    for _ in range(_MOST_CHUNKS):
        kind = data[place + 4 : place + 8]
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if len(kind) < 4 or end > len(data):
            break
        if kind in _PNG_USED:
            kept.append(data[place:end])
        if kind == b"IEND":
            return b"".join(kept)
        place = end
    raise BadPicture(f"the PNG is cut off after {len(data)} bytes, or has too many parts")

"""The size of a picture file, read before it is decoded.

OpenCV believes what a dozen formats claim, so that a file of 35 bytes can cost 6 GB. So the size of
PNG and JPEG is read here, where every camera and program writes it; files written in another way
are refused.
"""

from __future__ import annotations

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"

MOST_SCANS = 100
"""Most scans of a JPEG, each of which costs a whole picture; progressive ones have about ten."""

_HUFFMAN_FRAMES = (0xC0, 0xC1, 0xC2)
"""Markers of baseline, extended and progressive JPEGs, the only ones that cameras write."""
_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset((0x00, 0x01, *range(0xD0, 0xDB)))
"""Markers that no header has before its size: restarts, the end, pixels."""
_FILLER = 0xFF
_SCAN = b"\xff\xda"
_AVIF = b"ftyp"
"""Marker that OpenCV looks for first, whatever comes before it."""

_PNG_USED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_MOST_CHUNKS = 20_000


class BadPicture(ValueError):
    """A file is not decoded; the text says why."""


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG.

    Raises:
        BadPicture: it is cut off, does not tell its size, or is of a kind that is not decoded.
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

    Raises:
        BadPicture: it does not tell its size.
    """
    if data[8:16] != b"\0\0\0\rIHDR" or len(data) < 33:
        raise BadPicture("the PNG does not begin with its size. Is it damaged?")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def plain_png(data: bytes) -> bytes:
    """A PNG without texts, profiles and animation, each of which may unpack to 8 MB.

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

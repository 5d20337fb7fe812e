"""Pictures that are bombs, links, pipes, or other formats than they say."""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from benchmarks.attack.sockets import jpeg

_SIDES = (65535, 60_000, 30_000, 2**31 - 1, 0)


def gif(chance: random.Random) -> bytes:
    side = min(chance.choice(_SIDES), 65535)
    head = b"GIF89a" + struct.pack("<HH", side, side) + b"\x80\x00\x00" + b"\0\0\0\xff\xff\xff"
    return head + b"," + struct.pack("<HHHH", 0, 0, side, side) + b"\0\x02\x02\x44\x01\0;"


def bmp(chance: random.Random) -> bytes:
    side = chance.choice((30_000, 60_000, 2**31 - 1, -(2**31)))
    return (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack(
            "<IiiHHIIiiII", 40, side, side, 1, chance.choice((1, 8, 24, 32)), 0, 0, 0, 0, 0, 0
        )
    )


def tiff(chance: random.Random) -> bytes:
    side = chance.choice((30_000, 60_000, 2**31))
    entries = [(256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8),
               (277, 3, 1), (278, 4, side), (279, 4, 8)]  # fmt: skip
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 0)


def webp(chance: random.Random) -> bytes:
    bits = 0x3FFF | (0x3FFF << 14)
    data = b"\x2f" + struct.pack("<I", bits) + chance.randbytes(20)
    inner = b"WEBPVP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def png(chance: random.Random) -> bytes:
    """Says that it is large, and really is: a few kilobytes of zeros that are gigabytes."""
    side = chance.choice((4096, 20_000, 60_000, 2**31 - 1))
    rows = zlib.compress(b"\0" * (30 * 1024 * 1024), 9)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", rows),
             (b"IEND", b"")]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def large_jpeg(chance: random.Random) -> bytes:
    """A JPEG whose header says another size, with or without a stray byte before that."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", *(chance.choice((65535, 60_000, 65_000)),) * 2)
    if chance.random() < 0.6:
        place = chance.choice((2, at - 5))
        data[place:place] = chance.choice((b"\0", b"\xff", b"\xff\xff\xff", b"\x12"))
    return bytes(data)


def other_ppm(chance: random.Random) -> bytes:
    return chance.choice((b"P6 60000 60000 255\n", b"P5\n2000000000 2\n255\n", b"P1 9 9 " * 3))


PICTURES: dict[str, Callable[[random.Random], bytes]] = {
    "GIF": gif, "BMP": bmp, "TIFF": tiff, "WebP": webp, "PNG": png, "JPEG": large_jpeg,
    "PPM": other_ppm,
}  # fmt: skip


def put_link(path: Path, chance: random.Random) -> str:
    """Put what is no file in a file's place; in words."""
    path.unlink(missing_ok=True)
    kind = chance.choice(("zero", "fifo", "folder", "loop", "terminal", "gone"))
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        target = {"zero": "/dev/zero", "loop": path.name, "terminal": "/dev/tty",
                  "gone": "/nowhere"}  # fmt: skip
        path.symlink_to(target[kind])
    return kind

"""What a line of a log is: it ends with LF, with CR LF or with a lone CR, and with nothing else.

What only some programs break lines at (a vertical tab, a form feed, NEL, U+2028) stands within one.
All that reads a log, goes on with one, or writes a part of one anew cuts it up here.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any, BinaryIO

from ghostlap.base.errors import GhostlapError, RecordingError

MAX_LINE_BYTES = 64 * 1024
_BREAKS = (b"\n", b"\r")
_BLOCK_BYTES = 64 * 1024
_BLANKS = " \n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029"
"""All but the tab, which may part cells."""
_NOT_IN_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")


def is_ended(line: bytes) -> bool:
    """Whether a line has its break."""
    return line.endswith(_BREAKS)


def as_utf8(file: BinaryIO) -> tuple[BinaryIO, bool]:
    """A file at its start, UTF-16 made UTF-8 while it is read; and whether it is as it was."""
    start = file.read(4)
    file.seek(0)
    encoding = ""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif len(start) == 4 and (start[1::2] == b"\0\0") != (start[::2] == b"\0\0"):
        encoding = "utf-16-le" if start[1] == 0 else "utf-16-be"
    if not encoding:
        return file, True
    recoded: Any = codecs.EncodedFile(file, "utf-8", encoding, "replace")
    return recoded, False


def text_of(line: bytes) -> str:
    """A line's text: UTF-8, or what an older program wrote on a machine of any country.

    In the encodings of East Asia and of the west alike, the marks between cells and what is ASCII
    stay as they are; letters of folders may come out as others.
    """
    try:
        return line.decode().strip(_BLANKS)
    except UnicodeDecodeError:
        return line.decode("cp1252" if not set(line) & _NOT_IN_CP1252 else "latin-1").strip(_BLANKS)


def lines_of(
    file: BinaryIO,
    name: str,
    what: str = "driving log",
    error: type[GhostlapError] = RecordingError,
) -> Iterator[bytes]:
    """The lines of a file from where it stands, each with its break; the last one may have none.

    Raises:
        GhostlapError: of the kind asked for: a line is longer than :data:`MAX_LINE_BYTES`.
    """

    def check(line: bytes) -> None:
        if len(line) > MAX_LINE_BYTES:
            raise error(
                f"{name}, line {number}: a line may have at most {MAX_LINE_BYTES} bytes. "
                f"This one is longer and begins with {line[:40]!r}. Is it a {what}?"
            )

    number, rest = 1, b""
    while block := file.read(_BLOCK_BYTES):
        # The last one may go on, or end with the first half of \r\n.
        *whole, rest = (rest + block).splitlines(keepends=True)
        for line in whole:
            check(line)
            yield line
            number += 1
        check(rest)
    if rest:
        yield rest

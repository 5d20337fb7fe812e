"""What a line of a log is: it ends with LF, with CR LF or with a lone CR, and with nothing else.

What only some programs break lines at (a vertical tab, a form feed, NEL, U+2028) stands within one.
All that reads a log, goes on with one, or writes a part of one anew cuts it up here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from ghostlap.base.errors import GhostlapError, RecordingError

MAX_LINE_BYTES = 64 * 1024
_BREAKS = (b"\n", b"\r")
_BLOCK_BYTES = 64 * 1024


def is_ended(line: bytes) -> bool:
    """Whether a line has its break."""
    return line.endswith(_BREAKS)


def lines_of(
    file: BinaryIO,
    name: str,
    what: str = "driving log",
    error: type[GhostlapError] = RecordingError,
) -> Iterator[bytes]:
    """The lines of a file from where it stands, each with its break; the last one may have none.

    Args:
        file: to be read.
        name: what to call it in an error.
        what: it should be.
        error: the kind to raise.

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

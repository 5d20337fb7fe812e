"""What a person reads in a terminal: text from outside never acts, and no stream ends the work.

Names of files, messages of simulators and what damaged files hold may contain anything. They are
shown as they are, without being read as markup; what would move the cursor, break the line or turn
its direction is shown as an escape.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import faulthandler
import html
import io
import os
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

_ACTING = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode's categories of control characters, format characters such as marks of direction,
surrogates, and separators of lines and paragraphs."""

_PLAIN = "ghostlap.plain"


def escaped(text: object) -> str:
    """Text in which nothing acts: ``a\\x1b[2Jb`` for what would clear the screen."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _ACTING else c for c in text)


def in_html(text: object) -> str:
    """Text for HTML in which nothing acts, also within the quotes of an attribute."""
    return html.escape(escaped(text))


def plain(text: object, style: str = "") -> Text:
    """Text for a table or a live line, without markup."""
    from rich.text import Text

    return Text(escaped(text), style)


def say(console: Console, *lines: object, bold: object = None) -> None:
    """Write lines without markup; ``bold``, the name of a folder say, stands out in them."""
    for line in lines:
        text = plain(line)
        if bold is not None and str(bold):
            text.highlight_words([escaped(bold)], "bold")
        console.print(text, highlight=False, soft_wrap=True)


def warn(console: Console, what: object) -> None:
    """Write a line that a person should not overlook."""
    text = plain(f"warning: {what}")
    text.stylize("yellow", 0, len("warning:"))
    console.print(text, highlight=False, soft_wrap=True)


def progress_bar(console: Console, *columns: str) -> Progress:
    """A bar that vanishes at its end, between its description and further columns."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    shown = [TextColumn("{task.description}"), BarColumn(), *map(TextColumn, columns)]
    return Progress(*shown, TimeRemainingColumn(), console=console, transient=True)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


# Standard streams


class _Patient(io.RawIOBase):
    """A standard stream whose failure is noted and not raised: the work matters more."""

    def __init__(self, number: int, raw: Any) -> None:
        self._number, self._raw = number, raw
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            if self._raw is None and size:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            while rest:
                rest = rest[self._raw.write(rest) or 0 :]
        except (OSError, ValueError) as error:
            if self.failure is None:
                self.failure = error if isinstance(error, OSError) else OSError(str(error))
        return size


_ours = False
"""Whether the standard streams are those of a program of ours."""


def open_streams() -> None:
    """Make standard streams such that closed, full or broken ones do not end the work.

    A closed one would be the next file that is opened, and what is told to a person would be
    written into that.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    global _ours
    _ours = (sys.stderr is not None and sys.stderr is sys.__stderr__) or _ours
    codecs.register_error(_PLAIN, _in_plain)
    # Not those that stand in for them, as in a test or a notebook.
    if sys.stdout is sys.__stdout__:
        sys.stdout = _patient_of(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _patient_of(2, sys.stderr)


@contextlib.contextmanager
def native_words_held_back() -> Iterator[None]:
    """Keep back what native code writes to standard error, and show it if there is an exception.

    Only within a program of ours: elsewhere the file descriptor is the caller's.
    """
    if not _ours:
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with _held() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(saved, 2)
            held.seek(0)
            with contextlib.suppress(OSError):
                os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@contextlib.contextmanager
def native_words_dropped() -> Iterator[None]:
    """Drop what native code writes to standard error; what Python writes, and a crash, is shown.

    Only within a program of ours: elsewhere the file descriptor is the caller's.
    """
    if not _ours:
        yield
        return
    shown = sys.stderr
    with io.FileIO(os.dup(2), "w") as raw, open(os.devnull, "wb") as nowhere:
        sys.stderr = _patient(raw.fileno(), raw, shown.encoding)
        faulthandler.enable(raw)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(raw.fileno(), 2)
            faulthandler.disable()
            sys.stderr = shown


def _held() -> BinaryIO:
    try:
        return cast(BinaryIO, tempfile.TemporaryFile())
    except OSError:  # there is no place for it
        return open(os.devnull, "w+b")


def output_failure() -> OSError | None:
    """Why something written to standard output did not arrive; None if all did."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    stream = getattr(sys.stdout, "buffer", None)
    return stream.failure if isinstance(stream, _Patient) else None


def _patient_of(number: int, stream: Any) -> io.TextIOWrapper:
    if stream is None:
        return _patient(number, None)
    with contextlib.suppress(OSError, ValueError):
        stream.flush()
    return _patient(number, getattr(stream.buffer, "raw", stream.buffer), stream.encoding)


def _patient(number: int, raw: Any, encoding: str | None = None) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        _Patient(number, raw),  # type: ignore[arg-type]  # writes whole, so needs no buffer
        encoding=encoding or "utf-8",
        errors=_PLAIN,
        line_buffering=True,
        write_through=True,
    )


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks: lines of tables as dashes, all else as escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join("-" if "\u2500" <= c <= "\u257f" else _escape(c) for c in lacking), error.end

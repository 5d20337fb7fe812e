"""Udacity's ``driving_log.csv``, line by line, as people's machines really wrote it.

A row is ``center,left,right,steering,throttle,brake,speed``. Read here, without pandas, are logs
with a header or none, paths of any machine, quotes, and what happens to logs in the wild: decimal
commas, recordings joined with or without a line break, a row cut off at the end. A value is never
guessed: a row that can be read in two ways is left out, and a note says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import open_file
from ghostlap.data.recordings.image_names import Clock, image_name_of
from ghostlap.data.recordings.lines import is_ended, lines_of
from ghostlap.data.recordings.log_continuity import follows, is_whole
from ghostlap.data.recordings.log_row import (
    HEADER,
    LogRow,
    Numbers,
    cells_of,
    header_names,
    is_header,
    rows_of,
)
from ghostlap.data.recordings.log_table import (
    MAX_LOG_BYTES,
    NOTE_BYTES,
    DrivingLog,
    LogNote,
    NoteKind,
)
from ghostlap.data.recordings.names import MAX_NAME_BYTES

LOG_NAME = "driving_log.csv"

MAX_UNREADABLE_LINES = 10_000
MAX_ORIGINS = 8

_EXCERPT_CHARACTERS = 100
_AMBIGUOUS_BYTES = 1200
_SHORT_NAME = MAX_NAME_BYTES // 4
"""In UTF-8 a character has at most four bytes."""

_EXTENSIONS = frozenset({".jpg", ".JPG", "jpeg", "JPEG", ".png", ".PNG", ".Jpg", ".Png", "Jpeg"})


def read_log(path: Path, *, may_be_empty: bool = False) -> DrivingLog:
    """Read a ``driving_log.csv``.

    Args:
        path: of the log.
        may_be_empty: whether one without a row is read, too.

    Raises:
        RecordingError: it cannot be opened, is no text, or too long; or no row of it can be read.
    """
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_LOG_BYTES:
                raise RecordingError(
                    f"{path}: a log may have at most {MAX_LOG_BYTES} bytes. Got {size}. "
                    "Cut it into several recordings."
                )
            return parse_log(lines_of(file, str(path)), str(path), may_be_empty=may_be_empty)
    except OSError as error:
        raise RecordingError(f"{path}: the log cannot be read ({error.strerror}).") from error


def parse_log(
    lines: Iterable[bytes], name: str = LOG_NAME, *, may_be_empty: bool = False
) -> DrivingLog:
    """Read the lines of a log.

    Args:
        lines: each with its line break; a last one without counts as possibly cut off.
        name: what to call the log in an error.
        may_be_empty: whether one without a row is read, too.

    Raises:
        RecordingError: no row can be read; the message says what was found instead.
    """
    return _Parser(name).parse(lines, may_be_empty)


class _Parser:
    def __init__(self, name: str) -> None:
        self.name = name
        self.log = DrivingLog(name)
        self.clock = Clock()
        self.folders: set[str] = set()
        self.last_folder = "?"  # of center images, to look at other folders only when it changes
        self.ambiguous: dict[int, tuple[tuple[Numbers, ...], str]] = {}
        self.unterminated: dict[int, str] = {}
        self.header_line = 0
        self.unreadable = 0
        self.first_unreadable: tuple[int, str] | None = None

    def parse(self, lines: Iterable[bytes], may_be_empty: bool) -> DrivingLog:
        number, ended = 0, True
        for number, raw in enumerate(lines, start=1):
            if number == 1:
                raw = self._first_line(raw)
            text = raw.decode("utf-8", "replace").strip()
            if not text:
                continue
            ended = is_ended(raw)
            if ended and self._fast_row(number, text):
                continue
            self._any_line(number, text, ended)
        left_out = self._settle()
        self._look_at_the_end(number, ended, left_out)
        self.log.leave_out(left_out)
        if not len(self.log) and not may_be_empty:
            raise self._no_row_error(number)
        self.log.notes.sort(key=lambda note: note.line)
        return self.log

    def _first_line(self, raw: bytes) -> bytes:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise RecordingError(
                f"{self.name}: the log is saved as UTF-16. Save it as UTF-8 (plain CSV)."
            )
        no_text = len(raw) - len(raw.decode("utf-8", "ignore").encode())
        if b"\0" in raw or no_text > len(raw) // 8:
            raise RecordingError(
                f"{self.name}: not a text file; it begins with {raw[:16]!r}. "
                f"A log has rows of {','.join(HEADER)}."
            )
        return raw.removeprefix(b"\xef\xbb\xbf")

    def _fast_row(self, number: int, text: str) -> bool:
        """Take an ordinary row, which is nearly every one; False if it needs a closer look."""
        cells = text.split(",")
        if len(cells) != 7 or not text.isprintable() or '"' in text:
            return False
        center, left, right = map(image_name_of, cells[:3])
        if max(len(center), len(left), len(right)) > _SHORT_NAME or not (
            center[-4:] in _EXTENSIONS and left[-4:] in _EXTENSIONS and right[-4:] in _EXTENSIONS
        ):
            return False
        try:
            numbers = float(cells[3]), float(cells[4]), float(cells[5]), float(cells[6])
        except ValueError:
            return False
        self._add(number, (center, left, right), numbers)
        if not cells[0].startswith(self.last_folder):
            self._remember_origins(cells[:3])
        return True

    def _any_line(self, number: int, text: str, terminated: bool) -> None:
        text = text.removeprefix("\ufeff").strip()  # of a log that was joined to another
        if is_header(text):
            self._check_header(number, text)
            return
        cells = cells_of(text)
        rows = list(rows_of(cells, terminated))
        for row in rows:
            if row is None:
                self._note_unreadable(number, text, terminated)
            else:
                self._take(number, text, row)
        if len(rows) > 1:
            self._note(number, "glued", text, "several rows on one line; taken apart")

    def _take(self, number: int, text: str, row: LogRow) -> None:
        index = len(self.log)
        names = (
            image_name_of(row.images[0]),
            image_name_of(row.images[1]),
            image_name_of(row.images[2]),
        )
        self._add(number, names, row.readings[0])
        self._remember_origins(row.images)
        if row.texts:
            cells = ", ".join(repr(_excerpt(cell)) for cell in row.texts)
            self._note(number, "text", text, f"no number: {cells}; read as NaN")
        if len(row.readings) > 1:
            self.ambiguous[index] = row.readings, _excerpt(text)
            self.log.hold(_AMBIGUOUS_BYTES)
        elif row.mended:
            self._note(number, "mended", text, _mended_message(row.readings[0]))
        if not row.terminated:
            self.unterminated[index] = _excerpt(text)
            self.log.hold(NOTE_BYTES)

    def _add(self, number: int, names: tuple[str, str, str], numbers: Numbers) -> None:
        self.log.add(number, names, numbers, self.clock.time_ms(names[0]))

    def _remember_origins(self, cells: Sequence[str]) -> None:
        for cell in reversed(cells):
            path = cell.strip()
            folder = path[: max(path.rfind("/"), path.rfind("\\"), 0)]
            # A relative IMG is the folder beside the log, not another machine's.
            if folder in ("", "IMG") or folder in self.folders or len(self.folders) == MAX_ORIGINS:
                continue
            self.folders.add(folder)
            self.log.origins.append(_excerpt(folder))
        self.last_folder = folder or "?"

    def _check_header(self, number: int, text: str) -> None:
        names = tuple(header_names(text))
        if names != HEADER:
            raise RecordingError(
                f"{self.name}, line {number}: the header must be {','.join(HEADER)}. "
                f"Got {_excerpt(','.join(names))}. Put the columns into this order, "
                "or delete the header if only its names are wrong."
            )
        if len(self.log):
            self._note(number, "header", text, "a header between rows; passed over")
        self.header_line = self.header_line or number

    def _note_unreadable(self, number: int, text: str, terminated: bool) -> None:
        self.unreadable += 1
        self.first_unreadable = self.first_unreadable or (number, text)
        if self.unreadable > MAX_UNREADABLE_LINES:
            raise self._no_row_error(number)
        if terminated:
            found = f"no row of seven cells ({len(cells_of(text))} found); left out"
            self._note(number, "unreadable", text, found)
        else:
            self._note(number, "cut-off", text, "the last row is cut off; left out")

    def _note(self, number: int, kind: NoteKind, text: str, message: str) -> None:
        self.log.note(LogNote(number, kind, _excerpt(text), message))

    def _settle(self) -> set[int]:
        """Decide the ambiguous and possibly cut-off rows; the rows to leave out."""
        left_out = set()
        doubtful = self._doubtful()
        speeds_mph, times_ms = self.log.numbers[3], self.log.times_ms
        for index, (readings, text) in self.ambiguous.items():
            near = [
                numbers
                for numbers in readings
                if follows(index, numbers[3], speeds_mph, times_ms, doubtful)
            ]
            number = self.log.lines[index]
            if len(near) == 1:
                for values, value in zip(self.log.numbers, near[0], strict=True):
                    values[index] = value
                self._note(number, "mended", text, _mended_message(near[0]))
            else:
                left_out.add(index)
                ways = " or ".join(map(_numbers_text, readings))
                message = f"decimal commas that can be read as {ways}; left out"
                self._note(number, "ambiguous", text, message)
        for index, text in self.unterminated.items():
            if index in left_out or is_whole(index, speeds_mph, times_ms, doubtful):
                continue
            left_out.add(index)
            message = "its line does not end, and the speed may be cut off; left out"
            self._note(self.log.lines[index], "cut-off", text, message)
        return left_out

    def _look_at_the_end(self, last_line: int, ended: bool, left_out: Set[int]) -> None:
        """Find out which lines of the end are not settled before more is known."""
        log, first, doubtful = self.log, len(self.log), self._doubtful()
        while first - 1 in doubtful:
            first -= 1
        undecided = range(first, len(log))
        if ended and self.ambiguous.keys().isdisjoint(undecided):
            return
        on_last_line = [row for row in range(max(0, len(log) - 2), len(log))
                        if log.lines[row] == last_line]  # fmt: skip
        is_cut_off = any(note.kind == "cut-off" and note.line == last_line for note in log.notes)
        if self.header_line == last_line or (
            on_last_line == list(undecided)
            and self.ambiguous.keys().isdisjoint(undecided)
            and left_out.isdisjoint(undecided)
            and not is_cut_off
        ):
            log.needs_break = True
        else:
            log.open_line = min([log.lines[row] for row in undecided] + [last_line] * (not ended))

    def _doubtful(self) -> Set[int]:
        return self.ambiguous.keys() | self.unterminated.keys()

    def _no_row_error(self, lines: int) -> RecordingError:
        if self.first_unreadable:
            number, text = self.first_unreadable
            share = "No row" if not len(self.log) else f"Only {len(self.log)} rows"
            return RecordingError(
                f"{self.name}: {share} of {lines} lines can be read. A row must have 7 cells, "
                f"{','.join(HEADER)}, the first three with image names. "
                f"Line {number} has {len(cells_of(text))}: {_excerpt(text)!r}"
            )
        if self.log.notes:
            note = self.log.notes[0]
            return RecordingError(
                f"{self.name}: no row can be read for certain. "
                f"Line {note.line}: {note.message}. It reads {note.text!r}"
            )
        if self.header_line:
            return RecordingError(
                f"{self.name}: the log has a header but no rows. "
                "Nothing was recorded; record again."
            )
        return RecordingError(f"{self.name}: the log is empty. Nothing was recorded; record again.")


def _excerpt(text: str) -> str:
    if len(text) > _EXCERPT_CHARACTERS:
        return text[: _EXCERPT_CHARACTERS - 1] + "…"
    return text


def _numbers_text(numbers: Numbers) -> str:
    return " ".join(f"{value:.9g}" for value in numbers)


def _mended_message(numbers: Numbers) -> str:
    return f"decimal commas; read as {_numbers_text(numbers)}"

"""Udacity's ``driving_log.csv``, line by line, as people's machines really wrote it.

A row is ``center,left,right,steering,throttle,brake,speed``, or as a header or ``--columns`` say.
Read here, without pandas, are paths of any machine, quotes, any encoding, and what happens to logs
in the wild: decimal commas, recordings joined with or without a line break, a row cut off at the
end. A value is never guessed: a row that can be read in two ways is left out, and a note says so.
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import open_file
from ghostlap.data.recordings.columns import NO_CHOICE, Choice
from ghostlap.data.recordings.image_names import Clock, image_name_of
from ghostlap.data.recordings.layout import HEADER, Layout, split_at
from ghostlap.data.recordings.lines import as_utf8, is_ended, lines_of, text_of
from ghostlap.data.recordings.log_columns import LogColumns
from ghostlap.data.recordings.log_commas import mended_message
from ghostlap.data.recordings.log_doubts import Doubts
from ghostlap.data.recordings.log_refusals import check_first_line, excerpt, no_row_error
from ghostlap.data.recordings.log_row import LogRow, Numbers, cells_of, is_a_name, row_of, rows_of
from ghostlap.data.recordings.log_table import MAX_LOG_BYTES, DrivingLog, LogNote, NoteKind
from ghostlap.data.recordings.names import MAX_NAME_BYTES

LOG_NAME = "driving_log.csv"

MAX_UNREADABLE_LINES = 10_000
MAX_ORIGINS = 8

_SHORT_NAME = MAX_NAME_BYTES // 4
"""In UTF-8 a character has at most four bytes."""

_EXTENSIONS = frozenset({".jpg", ".JPG", "jpeg", "JPEG", ".png", ".PNG", ".Jpg", ".Png", "Jpeg"})


def read_log(
    path: Path,
    *,
    may_be_empty: bool = False,
    choice: Choice = NO_CHOICE,
    name_of: Callable[[str], str] = image_name_of,
) -> DrivingLog:
    """Read a ``driving_log.csv``, or a table like it.

    Args:
        may_be_empty: whether one without a row is read, too.
        name_of: what to keep of an image cell.

    Raises:
        RecordingError: it cannot be opened, is no text, or too long; no row of it can be read; or
            it is not clear which column is what.
    """
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_LOG_BYTES:
                raise RecordingError(
                    f"{path}: a log may have at most {MAX_LOG_BYTES} bytes. Got {size}. "
                    "Cut it into several recordings."
                )
            text, is_plain = as_utf8(file)
            lines = lines_of(text, str(path))
            log = parse_log(
                lines, str(path), may_be_empty=may_be_empty, choice=choice, name_of=name_of
            )
            log.is_usual &= is_plain
            return log
    except OSError as error:
        raise RecordingError(f"{path}: the log cannot be read ({error.strerror}).") from error


def parse_log(
    lines: Iterable[bytes],
    name: str = LOG_NAME,
    *,
    may_be_empty: bool = False,
    choice: Choice = NO_CHOICE,
    name_of: Callable[[str], str] = image_name_of,
) -> DrivingLog:
    """Read a log from its lines; a last one without a line break may be cut off."""
    return _Parser(name, choice, name_of).parse(lines, may_be_empty)


class _Parser:
    def __init__(self, name: str, choice: Choice, name_of: Callable[[str], str]) -> None:
        self.name_of = name_of
        self.log = DrivingLog(name)
        self.columns = LogColumns(self.log, choice)
        self.clock = Clock()
        self.folders: set[str] = set()
        self.last_folder = "?"  # of center images, to look at other folders only when it changes
        self.doubts = Doubts(self.log)
        self.texts: set[str] = set()  # how those begin that stand where a number belongs
        self.unreadable = 0
        self.first_unreadable: tuple[int, str] | None = None

    def parse(self, lines: Iterable[bytes], may_be_empty: bool) -> DrivingLog:
        number, ended = 0, True
        for number, raw in enumerate(lines, start=1):
            if number == 1:
                check_first_line(self.log.name, raw)
            text = text_of(raw)
            if not text.strip():
                continue
            ended = is_ended(raw)
            if ended and self.columns.begun and self._fast_row(number, text):
                continue
            self._any_line(number, text, ended)
        left_out = self.doubts.settle(self.unreadable)
        if not self.log.open_line:
            self.doubts.look_at_the_end(number, ended, left_out, self.columns.header_line)
        self.log.leave_out(left_out)
        for pedal in self.log.numbers[1:3]:
            if self.texts == {""} and all(map(math.isnan, pedal)):
                pedal[:] = array("d", bytes(8 * len(pedal)))
                self._note(1, "columns", "", "a pedal's cells are empty: read as 0")
        if not len(self.log) and not may_be_empty:
            raise self._no_row_error(number)
        self.log.notes.sort(key=lambda note: note.line)
        return self.log

    def _fast_row(self, number: int, text: str) -> bool:
        """Take an ordinary row, which is nearly every one; False if it needs a closer look."""
        columns = self.columns
        cells = text.split(columns.separator)
        if len(cells) != columns.width or not text.isprintable() or '"' in text:
            return False
        if columns.pick is not None:
            cells = columns.pick(cells)
        center, left, right = map(self.name_of, cells[:3])
        if max(len(center), len(left), len(right)) > _SHORT_NAME or not (
            center[-4:] in _EXTENSIONS and left[-4:] in _EXTENSIONS and right[-4:] in _EXTENSIONS
        ):
            return False
        try:
            numbers = float(cells[3]), float(cells[4]), float(cells[5]), float(cells[6])
        except ValueError:
            return False
        commas = self.doubts.commas
        if not commas.has_points:
            commas.has_points = any("." in cell for cell in cells[3:])
        self._add(number, (center, left, right), numbers)
        if not cells[0].startswith(self.last_folder):
            self._remember_origins(cells[:3])
        return True

    def _any_line(self, number: int, text: str, terminated: bool) -> None:
        text = text.removeprefix("\ufeff")  # of a log that was joined to another
        if self.columns.say(number, text, terminated):
            return
        if self.columns.layout is not None:
            self._laid_out(number, text, terminated, self.columns.layout_of_rows(number, text))
            return
        cells = cells_of(text)
        rows = list(rows_of(cells, terminated))
        for row in rows:
            if row is None:
                self._note_unreadable(number, text, terminated, f"{len(cells)} found")
            else:
                self._take(number, text, row)
        if len(rows) > 1:
            self._note(number, "glued", text, "several rows on one line; taken apart")

    def _laid_out(self, number: int, text: str, terminated: bool, layout: Layout) -> None:
        """Take a line whose columns a header or a person named."""
        cells = split_at(text, layout.separator)
        most = len(layout.header) or len(cells)
        while len(cells) > most and not cells[-1]:
            cells.pop()
        if not layout.cells <= len(cells) <= most:
            wanted = f"{most} as the header has" if layout.header else f"{layout.cells}"
            self._note_unreadable(number, text, terminated, f"{len(cells)} in place of {wanted}")
            return
        if any(cells[place] != value for place, value in layout.where):
            return
        images = [cells[place] if place >= 0 else "" for place in layout.images]
        numbers = [
            cells[place] if place >= 0 else without
            for place, without in zip(layout.numbers, ("nan", "0", "0", "nan"), strict=True)
        ]
        row = row_of((images[0], images[1], images[2]), numbers, terminated)
        if row is None or not images[0] or not all(map(is_a_name, images)):
            self._note_unreadable(number, text, terminated, "no picture, or no number, among them")
            return
        index = len(self.log)
        self._take(number, text, row)
        for column, (factor, more) in zip(self.log.numbers, layout.scales, strict=True):
            column[index] = column[index] * factor + more
        _, throttle, brake, _ = self.log.numbers
        if layout.numbers[2] < 0 and throttle[index] < 0:  # a pedal for both
            throttle[index], brake[index] = 0.0, -throttle[index]
        if layout.time:
            self.log.times_ms[index] = layout.time.time_ms(cells[layout.time_place])

    def _take(self, number: int, text: str, row: LogRow) -> None:
        names = (
            self.name_of(row.images[0]), self.name_of(row.images[1]), self.name_of(row.images[2])
        )  # fmt: skip
        self._add(number, names, row.readings[0])
        self._remember_origins(row.images)
        self.doubts.see(row, excerpt(text))
        if row.texts:
            cells = ", ".join(repr(excerpt(cell)) for cell in row.texts)
            self._note(number, "text", text, f"no number: {cells}; read as NaN")
            self.texts.update(text[:1] for text in row.texts)
        if row.mended and not row.commas:
            self._note(number, "mended", text, mended_message(row.readings[0]))

    def _add(self, number: int, names: tuple[str, str, str], numbers: Numbers) -> None:
        self.log.add(number, names, numbers, self.clock.time_ms(names[0]))

    def _remember_origins(self, cells: Sequence[str]) -> None:
        folder = ""
        for cell in reversed(cells):
            path = cell.strip()
            folder = path[: max(path.rfind("/"), path.rfind("\\"), 0)]
            # A relative IMG is the folder beside the log, not another machine's.
            if folder in ("", "IMG") or folder in self.folders or len(self.folders) == MAX_ORIGINS:
                continue
            self.folders.add(folder)
            self.log.origins.append(excerpt(folder))
        self.last_folder = folder or "?"

    def _note_unreadable(self, number: int, text: str, terminated: bool, found: str) -> None:
        self.unreadable += 1
        if not self.first_unreadable or self.first_unreadable[0] == self.columns.unknown_line:
            self.first_unreadable = number, text
        if self.unreadable > MAX_UNREADABLE_LINES:
            raise self._no_row_error(number)
        if terminated:
            layout = self.columns.layout
            what = f"{len(layout.header)} columns" if layout else "seven cells"
            message = f"no row of {what} ({found}); left out"
            if number == self.columns.unknown_line and len(self.columns.unknown_header) > 6:
                message = (
                    "a header of names that are not known; rows are taken for "
                    f"{','.join(HEADER)}, and if they are not, --columns says so"
                )
            self._note(number, "unreadable", text, message)
        else:
            self._note(number, "cut-off", text, "the last row is cut off; left out")

    def _note(self, number: int, kind: NoteKind, text: str, message: str) -> None:
        self.log.note(LogNote(number, kind, excerpt(text), message))

    def _no_row_error(self, lines: int) -> RecordingError:
        columns = self.columns
        return no_row_error(
            self.log, lines, self.first_unreadable, columns.layout, columns.header_line,
            columns.unknown_header,
        )  # fmt: skip

"""Which cells of a log's lines are a row's, as its headers say, or as is asked."""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.columns import Choice
from ghostlap.data.recordings.layout import (
    HEADER,
    IMAGE,
    Layout,
    called,
    is_header,
    is_value,
    layout_of,
    of_one_camera,
    passed_over,
    separator_of,
    split_at,
)
from ghostlap.data.recordings.log_refusals import excerpt
from ghostlap.data.recordings.log_row import MAX_CELLS
from ghostlap.data.recordings.log_table import DrivingLog, LogNote

_AS_THEY_ARE: Callable[[list[str]], Any] | None = None
_EXCEL_MARK = re.compile(r'"?sep=.{1,3}"?', re.IGNORECASE)
"""What Excel puts before a table, to say what parts its cells."""


def _is_usual(cells: Sequence[str]) -> bool:
    """Whether a first line is a row as the simulator writes it."""
    pictures = [not cell or IMAGE.search(cell) for cell in cells[:3]]
    return len(cells) == len(HEADER) and cells[0] != "" and all(pictures)


class LogColumns:
    """The columns of a log as far as it has been read, line by line."""

    def __init__(self, log: DrivingLog, choice: Choice) -> None:
        self.layout: Layout | None = None
        """None for the simulator's own columns."""
        # How an ordinary line is cut, how many cells it has, and which of them are a row's.
        self.separator, self.width, self.pick = ",", len(HEADER), _AS_THEY_ARE
        self.begun = False
        self.header_line = 0
        """Of the first header; 0 for none."""
        self.unknown_header: tuple[str, ...] = ()
        """A first line that names columns which nobody knows."""
        self.unknown_line = 0
        self._unclear_header: tuple[list[str], str] | None = None
        self._looked_at: Layout | None = None
        self._log = log
        self._choice = choice

    def say(self, number: int, text: str, terminated: bool) -> bool:
        """Take a line that says what the columns are; False if it may be a row."""
        if self._unclear_header:
            header, separator = self._unclear_header
            layout_of(self._log.name, header, separator, self._choice, split_at(text, separator))
        if self.begun:
            return terminated and self._is_header_again(number, text)
        if _EXCEL_MARK.fullmatch(text) or not text:
            return True
        self.begun = True
        return self._begins(number, text)

    def layout_of_rows(self, number: int, text: str) -> Layout:
        """The layout, told now by a first row below a header whether its rows are of one camera."""
        assert self.layout is not None
        if self._looked_at is not self.layout:
            before, cells = self.layout, split_at(text, self.layout.separator)
            self.layout = self._looked_at = of_one_camera(before, cells)
            if self.layout is not before:
                ((place, value),) = self.layout.where
                what = f"only rows with {self.layout.header[place]}={value} are read"
                self._log.note(LogNote(number, "cameras", "", what))
        return self.layout

    def _begins(self, number: int, text: str) -> bool:
        """Find out what the columns are; whether this first line is a header."""
        separator = separator_of(text)
        cells = split_at(text.removeprefix("#"), separator)
        asked = self._choice.columns or self._choice.where
        if is_header(cells) or (asked and len(cells) > 1 and not any(map(is_value, cells))):
            self._take_header(number, cells, separator)
            return True
        if asked:
            # Where some columns alone are chosen, the others are the simulator's.
            chosen = {"center", "steering"} <= self._choice.columns.keys()
            header = HEADER if not chosen and _is_usual(cells) else ()
            self.layout = layout_of(self._log.name, header, separator, self._choice, cells)
            self._log.is_usual, self.width = self.layout.is_usual, 0
            self._log.steering = str(self.layout.numbers[0] + 1)
        elif len(cells) > 1 and not any(map(is_value, cells)):
            self.unknown_header, self.unknown_line = tuple(cells), number
        return False

    def _is_header_again(self, number: int, text: str) -> bool:
        cells = split_at(text, self.layout.separator if self.layout else separator_of(text))
        if not (cells == list(self.layout.header) if self.layout and self.layout.header
                else is_header(cells)):  # fmt: skip
            return False
        before = self.layout
        self._take_header(number, cells, separator_of(text))
        if len(self._log) or self.layout == before:
            message = "a header between rows; passed over"
            self._log.note(LogNote(number, "header", excerpt(text), message))
        return True

    def _take_header(self, number: int, cells: list[str], separator: str) -> None:
        cells = cells[:MAX_CELLS]
        self.header_line = self.header_line or number
        try:
            layout = layout_of(self._log.name, cells, separator, self._choice)
        except RecordingError:  # to be raised again once there is a row to give advice by
            self._unclear_header = cells, separator
            self._log.is_usual = False
            return
        self._log.is_usual &= layout.is_usual or (
            len(cells) == len(HEADER) and dataclasses.replace(layout, separator=",").is_usual
        )
        self._log.steering = called(cells, layout.numbers[0])
        # The simulator's own columns, whatever they are called, are read as a log without header.
        self.layout = None if layout.is_usual and len(cells) == len(HEADER) else layout
        self.separator, self.pick = layout.separator, _AS_THEY_ARE
        self.width = len(cells) if self.layout is None or layout.is_plain else 0
        if self.layout:
            self.pick = operator.itemgetter(*layout.images, *layout.numbers)
        if layout.passed_over:
            message = passed_over(layout.passed_over)
            self._log.note(LogNote(number, "columns", "", message))

"""Whether the commas of a log are decimal ones: decided once, when all of it has been seen."""

from __future__ import annotations

import math
from array import array
from typing import Any

from ghostlap.data.recordings.log_row import LogRow, Numbers
from ghostlap.data.recordings.log_table import DrivingLog, LogNote

_ROW_BYTES = 48
_CANNOT_TELL = (
    "decimal commas cannot be told from cells after the seventh; left out. With semicolons between "
    "cells it can be read"
)


class Commas:
    """What is known of a log's commas, and of the cells after the seventh."""

    def __init__(self) -> None:
        self.has_points = False
        """Some number of the log has a decimal point."""
        self.first_line = 0
        """Of the rows whose commas the whole log decides on; 0 where there are none."""
        self._extra_line = 0
        self._has_extra_beside_points = False
        self._longer = array("q")  # rows of whole numbers, and cells after the seventh
        self._widths: set[int] = set()
        self._rows = array("q")
        self._plain = array("d")  # four for each: how else it reads, NaN if not
        self._extra: set[tuple[str, ...]] = set()  # two of them at most

    def see(self, log: DrivingLog, row: LogRow) -> None:
        """Take note of the row that was added to a log last."""
        self.has_points = self.has_points or row.points
        if row.commas:
            self.first_line = self.first_line or log.lines[-1]
            self._rows.append(len(log) - 1)
            self._plain.extend(row.plain or (math.nan,) * 4)
            if len(self._extra) < 2:
                self._extra.add(row.extra)
            log.hold(_ROW_BYTES)
        elif row.extra:
            self._extra_line = self._extra_line or log.lines[-1]
            self._has_extra_beside_points |= row.points
            if not self.has_points:
                self._longer.append(len(log) - 1)
                self._widths.add(len(row.extra))

    def decide(self, log: DrivingLog, ambiguous: dict[int, Any], unreadable: int) -> set[int]:
        """Read the rows with commas as the whole log says.

        Commas are never decimal ones where numbers have decimal points, nor where all rows end
        alike, as with the number of the lap.

        Args:
            log: gets the notes; rows that read otherwise are changed.
            ambiguous: rows whose decimal commas can be read in several ways; those that have none
                after all are taken out.
            unreadable: number of lines that are no rows.

        Returns:
            The rows to leave out.
        """
        left_out: set[int] = set()
        repeats = len(self._rows) > 1 and len(self._extra) == 1
        repeats &= all(1 <= len("".join(extra)) <= 2 for extra in self._extra)
        are_columns = self.has_points or (repeats and not any(map(math.isnan, self._plain)))
        differ = unreadable or self._rows or len(self._widths) > 1
        if self._longer and differ and not are_columns:
            left_out.update(self._longer)
            if 5 * len(self._longer) > len(self._rows):  # and those that can be read are chance
                left_out.update(self._rows)
            for row in sorted(left_out):
                ambiguous.pop(row, None)
                log.note(LogNote(log.lines[row], "ambiguous", "", _CANNOT_TELL))
        for at, row in enumerate(self._rows):
            if row in left_out:
                continue
            number, plain = log.lines[row], self._plain[4 * at : 4 * at + 4]
            if not are_columns:
                if row not in ambiguous:
                    message = mended_message(log.numbers_of(row))
                    log.note(LogNote(number, "mended", "", message))
                continue
            ambiguous.pop(row, None)
            if not math.isnan(plain[0]) and (repeats or self._has_extra_beside_points):
                self._extra_line = min(self._extra_line or number, number)
                for values, value in zip(log.numbers, plain, strict=True):
                    values[row] = value
            else:
                left_out.add(row)
                message = "decimal commas in a log that has decimal points; left out"
                log.note(LogNote(number, "ambiguous", "", message))
        if self._extra_line:
            message = "cells after the seventh are passed over"
            log.note(LogNote(self._extra_line, "columns", "", message))
        if not self.has_points and (self._rows or left_out):  # what is recorded later would differ
            lines = [log.lines[row] for row in (*self._rows, *left_out)]
            log.open_line = min(lines)
        return left_out


def numbers_text(numbers: Numbers) -> str:
    """Numbers of a row, for people."""
    return " ".join(f"{value:.9g}" for value in numbers)


def mended_message(numbers: Numbers) -> str:
    """What a note says of a row with decimal commas."""
    return f"decimal commas; read as {numbers_text(numbers)}"

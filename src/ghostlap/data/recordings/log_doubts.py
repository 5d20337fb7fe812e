"""Rows of a log that are in doubt while it is read, and what becomes of them at its end."""

from __future__ import annotations

from collections.abc import Set

from ghostlap.data.recordings.log_commas import Commas, mended_message, numbers_text
from ghostlap.data.recordings.log_continuity import follows, is_whole
from ghostlap.data.recordings.log_row import LogRow, Numbers
from ghostlap.data.recordings.log_table import NOTE_BYTES, DrivingLog, LogNote

_AMBIGUOUS_BYTES = 1200


class Doubts:
    """The rows of a log that can be read in several ways, or may be cut off."""

    def __init__(self, log: DrivingLog) -> None:
        self.commas = Commas()
        self._log = log
        self._ambiguous: dict[int, tuple[tuple[Numbers, ...], str]] = {}
        self._unterminated: dict[int, str] = {}

    def see(self, row: LogRow, excerpt: str) -> None:
        """Take note of the row that was added to the log last, and how its line begins."""
        self.commas.see(self._log, row)
        index = len(self._log) - 1
        if len(row.readings) > 1:
            self._ambiguous[index] = row.readings, excerpt
            self._log.hold(_AMBIGUOUS_BYTES)
        if not row.terminated:
            self._unterminated[index] = excerpt
            self._log.hold(NOTE_BYTES)

    def settle(self, unreadable: int) -> set[int]:
        """Decide on the rows in doubt, now that all are seen, and give those to leave out."""
        log = self._log
        left_out = self.commas.decide(log, self._ambiguous, unreadable)
        doubtful = self._rows()
        speeds_mph, times_ms = log.numbers[3], log.times_ms
        for index, (readings, text) in self._ambiguous.items():
            near = [
                numbers
                for numbers in readings
                if follows(index, numbers[3], speeds_mph, times_ms, doubtful)
            ]
            number = log.lines[index]
            if len(near) == 1:
                for values, value in zip(log.numbers, near[0], strict=True):
                    values[index] = value
                log.note(LogNote(number, "mended", text, mended_message(near[0])))
            else:
                left_out.add(index)
                ways = " or ".join(map(numbers_text, readings))
                message = f"decimal commas that can be read as {ways}; left out"
                log.note(LogNote(number, "ambiguous", text, message))
        for index, text in self._unterminated.items():
            if index in left_out or is_whole(index, speeds_mph, times_ms, doubtful):
                continue
            left_out.add(index)
            message = "its line does not end, and the speed may be cut off; left out"
            log.note(LogNote(log.lines[index], "cut-off", text, message))
        return left_out

    def look_at_the_end(
        self, last_line: int, ended: bool, left_out: Set[int], header_line: int
    ) -> None:
        """Find out which lines of the end are not settled before more is known.

        Args:
            left_out: what :meth:`settle` said.
            header_line: of the log's first header, or 0.
        """
        log, first, doubtful = self._log, len(self._log), self._rows()
        while first - 1 in doubtful:
            first -= 1
        undecided = range(first, len(log))
        if ended and self._ambiguous.keys().isdisjoint(undecided):
            return
        on_last_line = [row for row in range(max(0, len(log) - 2), len(log))
                        if log.lines[row] == last_line]  # fmt: skip
        is_cut_off = any(note.kind == "cut-off" and note.line == last_line for note in log.notes)
        if header_line == last_line or (
            on_last_line == list(undecided)
            and self._ambiguous.keys().isdisjoint(undecided)
            and left_out.isdisjoint(undecided)
            and not is_cut_off
        ):
            log.needs_break = True
        else:
            lines = [log.lines[row] for row in undecided] + [last_line] * (not ended)
            # Rows that are taken away here may be what the commas above them were read by.
            log.open_line = min([*lines, self.commas.first_line or lines[0]])

    def _rows(self) -> Set[int]:
        return self._ambiguous.keys() | self._unterminated.keys()

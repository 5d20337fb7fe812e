"""The rows of a log in memory, and how many there may be."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Set
from typing import Any, Literal

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.log_row import Numbers, row_text
from ghostlap.data.recordings.names import Names

MAX_LOG_BYTES = 2 * 1024**3
MAX_ROWS = 1_200_000
"""Of one recording: 22 hours at the simulator's 15 rows a second."""
MAX_HELD_BYTES = 200 * 1024**2
"""Of memory, roughly, for rows and notes; rows with long names, or mended ones, take more of it."""
NOTE_BYTES = 450
_ROW_BYTES = 60

NoteKind = Literal[
    "header", "columns", "cameras", "mended", "ambiguous", "glued", "cut-off", "text", "unreadable",
    "deleted", "pilot",
]  # fmt: skip
"""The last two are of donkeycar tubs: records marked as deleted, and such that no person drove."""


@dataclasses.dataclass(frozen=True, slots=True)
class LogNote:
    """Something in a log that was mended or left out while reading."""

    line: int
    """Line number in the log, from 1."""
    kind: NoteKind
    text: str
    """The beginning of the line."""
    message: str


@dataclasses.dataclass
class DrivingLog:
    """The rows of a log, column by column; entry ``i`` of each column belongs to row ``i``."""

    name: str = "the log"
    """What to call it in an error."""
    names: tuple[Names, Names, Names] = dataclasses.field(
        default_factory=lambda: (Names(), Names(), Names())
    )
    """File names of the center, left and right images, without folders; "" where none is named."""
    numbers: tuple[array[float], array[float], array[float], array[float]] = dataclasses.field(
        default_factory=lambda: (array("d"), array("d"), array("d"), array("d"))
    )
    """Steering, throttle, brake, speed in mph, as they stand in the log."""
    times_ms: array[int] = dataclasses.field(default_factory=lambda: array("q"))
    """Milliseconds since 1970 out of the center image's name, or :data:`NO_TIME`."""
    lines: array[int] = dataclasses.field(default_factory=lambda: array("q"))
    notes: list[LogNote] = dataclasses.field(default_factory=list)
    origins: list[str] = dataclasses.field(default_factory=list)
    """The folders that the log names, of whatever machine; at most :data:`MAX_ORIGINS`."""
    open_line: int = 0
    """The first line of the end whose reading what follows may change: one that is cut off, or that
    the rows after it decide. 0 where there is none."""
    needs_break: bool = False
    """The last row is whole, and only its line break is missing."""
    steering: str = "4"
    """The column that the steering was read from: its name, or its number from 1."""
    is_usual: bool = True
    """Rows as the simulator writes them may be added."""
    _held_bytes: int = 0

    def __len__(self) -> int:
        return len(self.lines)

    def numbers_of(self, row: int) -> Numbers:
        """Steering, throttle, brake and speed in mph of a row."""
        steering, throttle, brake, speed = self.numbers
        return steering[row], throttle[row], brake[row], speed[row]

    def row_text(self, row: int) -> str:
        """A row as a line that reads the same, whatever it was read from and wherever it stands."""
        return row_text([names[row] for names in self.names], self.numbers_of(row))

    def add(self, line: int, names: tuple[str, str, str], numbers: Numbers, time_ms: int) -> None:
        """Append a row.

        Raises:
            RecordingError: there are as many as there may be.
        """
        if len(self) == MAX_ROWS:
            raise RecordingError(
                f"{self.name}: may have at most {MAX_ROWS} rows; it has more. "
                "Cut it into several recordings."
            )
        self.hold(_ROW_BYTES + len(names[0]) + len(names[1]) + len(names[2]))
        # Written out, since this is where a million rows spend their time.
        self.names[0].append(names[0])
        self.names[1].append(names[1])
        self.names[2].append(names[2])
        self.numbers[0].append(numbers[0])
        self.numbers[1].append(numbers[1])
        self.numbers[2].append(numbers[2])
        self.numbers[3].append(numbers[3])
        self.times_ms.append(time_ms)
        self.lines.append(line)

    def note(self, note: LogNote) -> None:
        """Append a note.

        Raises:
            RecordingError: as :meth:`hold` says.
        """
        self.hold(NOTE_BYTES)
        self.notes.append(note)

    def hold(self, more_bytes: int) -> None:
        """Count what is kept in memory, so that no log can fill it.

        Raises:
            RecordingError: it is more than :data:`MAX_HELD_BYTES`.
        """
        self._held_bytes += more_bytes
        if self._held_bytes > MAX_HELD_BYTES:
            raise RecordingError(
                f"{self.name}: what is kept of it may take at most {MAX_HELD_BYTES >> 20} MB, "
                f"which suffices for {MAX_ROWS} usual rows, and for fewer with long names or with "
                f"lines that have to be mended or left out. It goes on after {len(self)} rows. "
                "Cut it into several recordings."
            )

    def leave_out(self, rows: Set[int]) -> None:
        """Take rows out."""
        if not rows:
            return
        first, second, third = (names.without(rows) for names in self.names)
        self.names = first, second, third
        columns: list[array[Any]] = [*self.numbers, self.times_ms, self.lines]
        for column in columns:
            column[:] = array(
                column.typecode, (value for row, value in enumerate(column) if row not in rows)
            )

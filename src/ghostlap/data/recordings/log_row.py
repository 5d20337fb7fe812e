"""One line of a driving log: the rows that stand in it.

Mostly one. Looked at closely here is what the simulator's format leaves open: folders with commas
in their names, quotes, decimal commas, and rows that run into one another.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator, Sequence

from ghostlap.base.files import csv_text
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.layout import IMAGE, split_at
from ghostlap.data.recordings.names import MAX_NAME_BYTES

Numbers = tuple[float, float, float, float]
"""Steering, throttle, brake, speed in mph."""

MAX_CELLS = 256
_LIMITS = ((-1.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 100.0))
"""Of steering, throttle, brake and speed in mph, where cells can be read in several ways."""
_DRIVE = re.compile(r"(^|[^A-Za-z])[A-Za-z]:")

# Possessive: with 70,000 digits and no end, ways of sharing them out would take a minute.
_NUMBER = re.compile(r"[-+]?(\d++(\.\d*+)?|\.\d++)([eE][-+]?\d++)?")
_NOT_FINITE = re.compile(r"[-+]?(nan|inf|infinity)", re.IGNORECASE)
# How C# prints a float, and what a decimal comma leaves of it on either side.
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d{0,6}|[1-9]E[-+]\d+)")
_WHOLE_PART = re.compile(r"-?(0|[1-9]\d{0,6})")
_FRACTION = re.compile(r"\d*[1-9](E[-+]\d+)?")
_PADDED_FRACTION = re.compile(r"\d+(E[-+]\d+)?")
# A minus sign, a decimal separator and a decimal slash of other cultures.
_LOCAL_SIGNS = str.maketrans({"\u2212": "-", "\u066b": ".", "/": "."})


@dataclasses.dataclass(frozen=True, slots=True)
class LogRow:
    """A row as it can be read."""

    images: tuple[str, str, str]
    """The cells of the center, left and right image; "" for a camera without."""
    readings: tuple[Numbers, ...]
    """The ways in which its numbers can be read; more than one for an ambiguous decimal comma."""
    mended: bool
    """Signs of another culture were read as what they mean there."""
    commas: bool
    """The readings take commas for decimal ones, which only the whole log can tell."""
    plain: Numbers | None
    """How else it reads: the first four cells as they are, the others passed over."""
    texts: tuple[str, ...]
    """Number cells that hold no number; they read as NaN."""
    terminated: bool
    """A line break or a comma follows, so that the speed is not cut off."""
    points: bool
    """A number has a decimal point."""
    extra: tuple[str, ...] = ()
    """Cells after the speed; passed over unless commas are decimal ones."""


def row_text(names: Sequence[str], numbers: Sequence[float]) -> str:
    """A row, with its line break, that reads back as what it is written from, whatever is around.

    Args:
        names: of the images, without folders; "" for a camera without.
        numbers: steering, throttle, brake, speed in mph.
    """
    cells = [f"IMG/{name}" if name else "" for name in names]
    cells += [repr(float(number)).removesuffix(".0") for number in numbers]
    return csv_text(cells)


def cells_of(text: str) -> list[str]:
    """Cut a line at its commas, or at what else six times parts it."""
    for separator in (";", "\t", "|"):
        if text.count(separator) >= 6:
            return split_at(text, separator)
    return split_at(text, ",")


def rows_of(cells: list[str], terminated: bool) -> Iterator[LogRow | None]:
    """The rows that stand in a line's cells; None for a stretch that is no row."""
    if len(cells) > MAX_CELLS:
        yield None
        return
    lost = False
    while cells:
        row, rest = _first_row(cells, terminated)
        if row is None:
            lost = True
            cells = cells[1:]  # what follows a cut-off row may still be whole
            continue
        if lost:
            yield None
            lost = False
        yield row
        cells = rest
    if lost:
        yield None


def _first_row(cells: list[str], terminated: bool) -> tuple[LogRow | None, list[str]]:
    images: list[str] = []
    pieces: list[str] = []
    used = 0
    for used, cell in enumerate(cells, start=1):  # noqa: B007 - used after the loop
        if not cell and not pieces:
            images.append("")  # this camera has no picture
        else:
            pieces.append(cell)  # a folder's name may hold commas
            if IMAGE.search(cell):
                images.append(",".join(pieces))
                pieces = []
        if len(images) == 3:
            break
    center, left, right = images if len(images) == 3 else ("", "", "")
    if not (center or left or right) or not all(map(is_a_name, (center, left, right))):
        return None, []

    numbers: list[str] = []
    rest: list[str] = []
    cut_short = False
    for position, cell in enumerate(cells[used:], start=used):
        if _looks_like_path(cell):
            rest = cells[position:]
            if glued := _NUMBER.match(cell):  # the speed and the next path, no line break between
                numbers.append(glued.group())
                rest[0] = cell[glued.end() :]
                cut_short = True
            break
        numbers.append(cell)
    terminated = not cut_short and (terminated or bool(rest))
    return _row((center, left, right), numbers, terminated), rest


def is_a_name(cell: str) -> bool:
    """Whether an image cell ends with what can be a file's name."""
    name = image_name_of(cell)
    return name.isprintable() and len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES


def _looks_like_path(cell: str) -> bool:
    return bool(IMAGE.search(cell) or "\\" in cell or cell.count("/") > 1 or _DRIVE.search(cell))


def _row(images: tuple[str, str, str], numbers: list[str], terminated: bool) -> LogRow | None:
    """A row of its cells, or None if its numbers are not four in any reading."""
    while len(numbers) > 4 and numbers[-1] == "":  # a spreadsheet's empty columns
        numbers = numbers[:-1]
    if len(numbers) <= 4 or any("," in cell for cell in numbers):  # nothing else parts the cells
        row = row_of(images, numbers[:4], terminated or len(numbers) > 4)
        return dataclasses.replace(row, extra=tuple(numbers[4:])) if row else None
    plain = _plain(numbers[:4])
    readings: tuple[Numbers, ...] = ()
    if not any("." in cell for cell in numbers[:4]):
        readings = tuple(_decimal_comma_readings([cell.replace("\u2212", "-") for cell in numbers]))
    points, extra = any("." in cell for cell in numbers[:4]), tuple(numbers[4:])
    if readings:
        return LogRow(images, readings, True, True, plain, (), terminated, points, extra)
    return LogRow(images, (plain,), False, False, None, (), True, points, extra) if plain else None


def row_of(images: tuple[str, str, str], numbers: list[str], terminated: bool) -> LogRow | None:
    """A row whose four numbers stand in a cell each, or None if there are none."""
    plain = [cell.translate(_LOCAL_SIGNS) for cell in numbers]
    texts = tuple(cell for cell in plain if _value(cell) is None)
    if len(plain) != 4 or len(texts) == 4 or (not terminated and plain[-1] in texts):
        return None
    values = [_value(cell) for cell in plain]
    steering, throttle, brake, speed = (float("nan") if v is None else v for v in values)
    commas = any("," in cell for cell in numbers)
    points = any("." in cell for cell in numbers)
    reading = steering, throttle, brake, speed
    return LogRow(images, (reading,), plain != numbers, commas, None, texts, terminated, points)


def _plain(cells: Sequence[str]) -> Numbers | None:
    """Four cells as numbers that a car could have driven with."""
    values = [_value(cell.translate(_LOCAL_SIGNS)) for cell in cells if "," not in cell]
    numbers = tuple(math.nan if value is None else value for value in values)
    if len(numbers) != 4 or not _is_possible(numbers):
        return None
    return numbers


def _is_possible(numbers: Sequence[float]) -> bool:
    return all(low <= value <= high for value, (low, high) in zip(numbers, _LIMITS, strict=True))


def _value(cell: str) -> float | None:
    number = cell.replace(",", ".", 1)  # a quoted cell may hold a decimal comma
    if _NUMBER.fullmatch(number) or _NOT_FINITE.fullmatch(number):
        return float(number)
    return None


def _decimal_comma_readings(cells: list[str]) -> Iterator[Numbers]:
    """The ways to read 5 to 8 cells as four numbers, each one cell or ``whole,fraction``.

    The simulator prints floats without needless zeros, steering in [-1, 1], pedals in [0, 1].
    Eight cells may be those of another program, too, which prints as many digits for all: 0,50.
    """
    pairs = len(cells) - 4
    if not 1 <= pairs <= 4 or any("." in cell for cell in cells):
        return
    fraction = _PADDED_FRACTION if pairs == 4 else _FRACTION
    for paired in itertools.combinations(range(4), pairs):
        rest = iter(cells)
        values = []
        for field in range(4):
            cell = next(rest)
            value = _joined(cell, next(rest), fraction) if field in paired else _single(cell)
            if value is None:
                break
            values.append(value)
        if len(values) == 4:
            steering, throttle, brake, speed_mph = values
            if _is_possible(values):
                yield steering, throttle, brake, speed_mph


def _single(cell: str) -> float | None:
    return float(cell) if _WHOLE_NUMBER.fullmatch(cell) else None


def _joined(whole: str, fraction: str, pattern: re.Pattern[str]) -> float | None:
    if not _WHOLE_PART.fullmatch(whole) or not pattern.fullmatch(fraction):
        return None
    if "E" in fraction and len(whole.lstrip("-")) != 1:
        return None
    return float(f"{whole}.{fraction}")

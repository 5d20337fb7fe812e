"""Where a log's columns stand: by a header's names, whatever it calls them, or by what is asked."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterable, Sequence

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.columns import CAMERAS, TARGETS, Choice, Column, command, usual_unit
from ghostlap.data.recordings.image_names import image_name_of

HEADER = ("center", "left", "right", "steering", "throttle", "brake", "speed")

IMAGE = re.compile(r"\.(jpe?g|png|bmp|webp|gif|tiff?)$", re.IGNORECASE)
"""A picture's name; which of them can be decoded, the decoder says."""

_TARGET_WORDS = {
    "center": "center", "centre": "center", "front": "center", "left": "left", "right": "right",
    "steering": "steering", "steer": "steering", "throttle": "throttle", "gas": "throttle",
    "accelerator": "throttle", "brake": "brake", "break": "brake", "reverse": "brake",
    "speed": "speed", "velocity": "speed",
}  # fmt: skip
_UNIT_WORDS = {
    "mph": "mph", "kmh": "kmh", "kph": "kmh", "kmph": "kmh", "mps": "mps",
    "deg": "deg", "degrees": "deg", "rad": "rad", "radians": "rad", "percent": "100",
}  # fmt: skip
_PICTURE_WORDS = frozenset({"image", "img", "rgb", "picture", "photo", "file", "filename", "path"})
_FILLER = _PICTURE_WORDS | {
    "images", "cam", "camera", "name", "frame", "array", "angle", "value", "cmd", "command",
    "input", "user", "field", "car", "vehicle", "pedal", "normalized",
}  # fmt: skip
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_OF_A_CAMERA = re.compile(r"cam|frame|view|sensor", re.IGNORECASE)
_STEERS = re.compile(r"steer|angle|wheel", re.IGNORECASE)
_AFTER_A_BLANK = re.compile(r"\.(jpe?g|png) +[-+.\d]", re.IGNORECASE)
_SHOWN = 30


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where in a line each value of a row stands, counted from 0; -1 where there is none."""

    separator: str
    images: tuple[int, ...]
    """Of the center, left and right image."""
    numbers: tuple[int, ...]
    """Of steering, throttle, brake and speed."""
    scales: tuple[tuple[float, float], ...]
    """To multiply these with, and to add then."""
    time: Column | None
    time_place: int
    where: tuple[tuple[int, str], ...]
    """Values that a row must have to be read."""
    header: tuple[str, ...]
    """Empty where the lines have none."""
    passed_over: tuple[str, ...]
    """Columns that are not read."""

    @property
    def cells(self) -> int:
        """How many a line must have."""
        named = (*self.images, *self.numbers, self.time_place, *(one for one, _ in self.where))
        return max(named) + 1

    @property
    def is_plain(self) -> bool:
        """Whether a line's cells are a row's as they are, in another order."""
        places = (*self.images, *self.numbers)
        is_in_order = min(places) >= 0 and set(self.scales) == {(1.0, 0.0)}
        return is_in_order and not self.where and not self.time

    @property
    def is_usual(self) -> bool:
        """Whether rows as the simulator writes them may stand among such lines."""
        places = (*self.images, *self.numbers)
        return self.is_plain and self.separator == "," and places == tuple(range(7))


def separator_of(text: str) -> str:
    """What parts the cells of a line: the most frequent of , ; | and tab; or blanks."""
    mark = max((";", "\t", "|", ","), key=text.count)  # of as many, commas may be decimal ones
    return " " if mark not in text or _AFTER_A_BLANK.search(text) else mark


def split_at(text: str, separator: str) -> list[str]:
    """The cells of a line, without quotes and surrounding blanks."""
    if separator == " ":  # "0.jpg -12.5,2018-07-01 17:09:44" is to be found, too
        return [part for cell in text.split()
                for part in (cell.split(",") if "." in cell else [cell])]  # fmt: skip
    if text.startswith(("'", "['")):  # as Python prints
        return [cell.strip(" '[]") for cell in text.split(separator)]
    if '"' not in text:
        return [cell.strip() for cell in text.split(separator)]
    try:
        cells = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        cells = text.replace('"', "").split(separator)
    if len(cells) == 1 and separator in cells[0]:  # the whole line stood in quotes
        cells = cells[0].split(separator)
    return [cell.strip() for cell in cells]


def column_named(name: str) -> tuple[Column | None, bool]:
    """What a column of this name holds, and whether the name says so for certain.

    ``Center Image``, ``steering_angle`` and ``speed (km/h)`` do; ``image`` and ``angle`` are taken
    for the center image and the steering where no other column is.
    """
    plain = _HUMP.sub(" ", name).lower().replace("%", " percent")
    plain = plain.replace("km/h", "kmh").replace("m/s", "mps")
    words = set(re.findall(r"[a-z]+|\d+", plain))
    targets = {_TARGET_WORDS[word] for word in words if word in _TARGET_WORDS}
    units = [_UNIT_WORDS[word] for word in words if word in _UNIT_WORDS]
    if words - _FILLER - _TARGET_WORDS.keys() - _UNIT_WORDS.keys() or len(targets) > 1:
        return None, False
    certain = bool(targets)
    if not targets and "angle" in words:
        targets = {"steering"}
    elif not targets and words & _PICTURE_WORDS:
        targets = {"center"}
    if not targets or len(units) > 1:
        return None, False
    target = targets.pop()
    if target in CAMERAS:
        return (None if units else Column(target, name, "")), certain
    fits = {"steering": ("deg", "rad"), "speed": ("mph", "kmh", "mps")}.get(target, ("100",))
    if units and units[0] not in fits:
        return None, False
    return Column(target, name, units[0] if units else usual_unit(target)), certain


def is_header(cells: Sequence[str]) -> bool:
    """Whether a line names columns of a log: two at least are known, and nothing is a value."""
    if any(map(is_value, cells)):
        return False
    return len({column.target for cell in cells if (column := column_named(cell)[0])}) >= 2


def is_value(cell: str) -> bool:
    """Whether a cell holds a picture's name or a number."""
    if IMAGE.search(cell):
        return True
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def layout_of(
    name: str, header: Sequence[str], separator: str, choice: Choice, row: Sequence[str] = ()
) -> Layout:
    """Find out where everything stands.

    Args:
        choice: what is asked for, which comes before what the header says.
        row: the first one, to suggest columns by.

    Raises:
        RecordingError: a column that is asked for is not there, several columns may be the one, or
            nothing tells which holds the center image or the steering.
    """
    places: dict[str, int] = {}
    columns = dict(choice.columns)
    for target, column in columns.items():
        places[target] = _place(name, header, row, column.source)
    for target in TARGETS:
        if target not in columns and (found := _found(name, header, target)):
            columns[target], places[target] = found
    missing = [target for target in ("center", "steering") if target not in places]
    if missing:
        has = ", ".join(header[:_SHOWN]) or f"{len(row)} columns and no header"
        raise RecordingError(
            f"{name}: which column is the {' and the '.join(missing)}? It has {has}. "
            + command(name, suggestion(header, row))
        )
    where = tuple((_place(name, header, row, one), value) for one, value in choice.where.items())
    read = {*places.values(), *(place for place, _ in where)}
    numbers = ("steering", "throttle", "brake", "speed")
    return Layout(
        separator,
        tuple(places.get(camera, -1) for camera in CAMERAS),
        tuple(places.get(one, -1) for one in numbers),
        tuple(columns[one].scale if one in columns else (1.0, 0.0) for one in numbers),
        columns.get("time"),
        places.get("time", -1),
        where,
        tuple(header),
        tuple(one or "without a name" for i, one in enumerate(header) if i not in read),
    )


def _found(name: str, header: Sequence[str], target: str) -> tuple[Column, int] | None:
    """The column of a header that holds something, by its name alone."""
    ranked: dict[int, list[tuple[Column, int]]] = {}
    for place, cell in enumerate(header):
        column, certain = column_named(cell)
        if column and column.target == target:
            exact = cell.lower() == target
            ranked.setdefault(2 if exact else int(certain), []).append((column, place))
    if not ranked or target == "time":
        return None
    best = ranked[max(ranked)]
    if len(best) > 1:
        named = ", ".join(header[place] for _, place in best)
        raise RecordingError(
            f"{name}: which column is the {target}? It may be {named}. "
            + command(name, [f"{target}={called(header, best[0][1])}"])
        )
    return best[0]


def of_one_camera(layout: Layout, cells: Sequence[str]) -> Layout:
    """A layout for rows of the center camera alone, where a column says whose picture each has."""
    if layout.where or max(layout.images[1:]) >= 0:
        return layout
    for place, (name, cell) in enumerate(zip(layout.header, cells, strict=False)):
        column, certain = column_named(cell)
        if column and certain and column.target in CAMERAS and _OF_A_CAMERA.search(name):
            center = re.sub("left|right", "center", cell)
            return dataclasses.replace(layout, where=((place, center),))
    return layout


def called(header: Sequence[str], place: int) -> str:
    """How to name a column: by its name, or by its number where that is not unique."""
    cell = header[place] if place < len(header) else ""
    return cell if cell and header.count(cell) == 1 and ":" not in cell else str(place + 1)


def _place(name: str, header: Sequence[str], row: Sequence[str], source: str) -> int:
    if source in header:
        return header.index(source)
    if source.isdigit() and 1 <= int(source[:9]) <= max(len(header), len(row)):
        return int(source[:9]) - 1
    has = ", ".join(header[:_SHOWN]) or f"{len(row)} columns and no header, so they have numbers"
    raise RecordingError(
        f"{name}: has no column {source!r}. It has {has}. " + command(name, suggestion(header, row))
    )


def suggestion(header: Sequence[str], row: Sequence[str]) -> list[str]:
    """``--columns`` for a log, as well as its first row lets them be guessed."""
    found: dict[str, int] = {}
    for place, cell in enumerate(header):
        column, _ = column_named(cell)
        if column:
            found.setdefault(column.target, place)
    pictures = [place for place, cell in enumerate(row) if IMAGE.search(cell)]
    for camera in CAMERAS:
        of_it = [one for one in pictures if image_name_of(row[one]).lower().startswith(camera)]
        if of_it:
            found.setdefault(camera, of_it[0])
    found.setdefault("center", pictures[0] if pictures else 0)
    numbers = [one for one, cell in enumerate(row) if is_value(cell) and one not in pictures]
    after = [one for one in numbers if one > found["center"]] or numbers
    free = [one for one in after if one not in found.values()] or [len(row) - 1]
    free.sort(key=lambda one: not (one < len(header) and _STEERS.search(header[one])))
    names = ["steering", "throttle", "brake", "speed"]
    if len(free) == 3:
        names.remove("brake")
    for place in free[: len(names)] if not header else free[:1]:
        name = names.pop(0)
        if name != "steering" and not -1 <= _number(row[place]) <= 1:
            name = "speed"
        found.setdefault(name, place)
    return [f"{target}={called(header, found[target])}" for target in TARGETS if target in found]


def _number(cell: str) -> float:
    return float(cell.replace(",", ".")) if is_value(cell) and not IMAGE.search(cell) else 0.0


def passed_over(names: Iterable[str]) -> str:
    """What is said of columns that are not read."""
    listed = list(names)
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return f"columns passed over: {', '.join(listed[:8])}{more}"

"""The tables beside a log: declared here, so that whatever copies a recording keeps them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import read_start
from ghostlap.base.remote import local_of
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.side_table import SideTable

WhoDrives = Literal["person", "pilot", "expert"]
DRIVERS: tuple[WhoDrives, ...] = get_args(WhoDrives)

WHO_DROVE = SideTable(
    "who_drove.csv",
    "where a person drove: recordings in which a person takes over from a pilot have one",
    {"driver": DRIVERS, "pilot_steering": ".6f", "lane": ".0f"},
    must=frozenset({"driver", "pilot_steering"}),
    turned=frozenset({"pilot_steering", "lane"}),
)
"""Who drove at each moment. Udacity's columns hold what the car was steered, not by whom.
``pilot_steering`` is what the pilot would have steered, or did, in full locks, positive to the
right, not clipped; empty where it was not asked. ``lane`` is the commanded one, see
:data:`ghostlap.data.lines.SIDES`; earlier versions' tables lack it."""

PREDICTIONS = SideTable(
    "predictions.csv",
    "what the pilot said: recordings that 'ghostlap drive' makes have one",
    {
        "pilot_steering": ".6f", "pilot_speed_mph": ".4f", "pilot_spread": ".6f",
        "steering": ".4f", "throttle": ".4f", "latency_ms": ".2f", "lap": "g", "cte": ".4f",
    },
    turned=frozenset({"pilot_steering", "steering", "cte"}),
)  # fmt: skip
"""What a pilot said that drove in another simulator. ``pilot_…`` as the pilot said it, empty where
it says none; ``steering`` and ``throttle`` as the car was told; ``lap`` and ``cte`` as the
simulator sent them, if it does."""

_OF_LINES = "steering_centre", "steering_left_lane", "steering_right_lane"

GROUND_TRUTH = SideTable(
    "ground_truth.csv",
    "where the car was: recordings that 'ghostlap record' makes have one",
    {
        "track": "s", "s_m": ".5f", "cte_m": ".5f", "heading_error_rad": ".5f", "margin_m": ".5f",
        "x_m": ".5f", "y_m": ".5f", "direction": "d", "conditions_seed": "d", "stretch": "d",
        "recovery": "d", "curvature_ahead_per_m": ".6f", "width_m": ".3f", "road_mask": "s",
        "lane": ".0f", **dict.fromkeys(_OF_LINES, ".6f"),
    },
    turned=frozenset({"cte_m", "heading_error_rad", "curvature_ahead_per_m", "lane"}),
    of_a_place=frozenset({"track", "s_m", "x_m", "y_m", "direction", *_OF_LINES}),
    bits_a_row={"road_mask": 20},
)  # fmt: skip
"""What only the simulator knows, in the conventions of :mod:`ghostlap.sim.track.track`. ``cte_m``
and ``heading_error_rad`` are to the left in the driving direction; ``margin_m`` is the way to the
nearer edge of the road, negative off it; ``conditions_seed`` is empty for the theme's own
conditions; ``recovery`` is 1 where the car comes back to its line. ``curvature_ahead_per_m`` is the
road's 10 m ahead, positive to the left; ``road_mask`` is what
:func:`ghostlap.data.auxiliary.mask_text` writes; ``lane`` is the expert's, see
:data:`ghostlap.data.lines.SIDES`; the last three are what the expert would steer there for each
line, whichever is commanded. Earlier versions' tables lack what follows ``recovery``."""

TABLES = (WHO_DROVE, PREDICTIONS, GROUND_TRUTH)

EDITS = "edits.txt"
"""A file in a recording that was made of others: how, a line for each step."""
_MAX_EDITS_BYTES = 64 * 1024
_AS_IT_IS: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


class WhoDrove(NamedTuple):
    """What a row of :data:`WHO_DROVE` says."""

    driver: WhoDrives
    pilot_steering: float | None


def read_who_drove(folder: str | os.PathLike[str]) -> dict[str, WhoDrove]:
    """Who drove at each moment, by the file name of its center image, in the file's order.

    Raises:
        RecordingError: there is no such file, or a row of it does not say who drove.
    """
    rows = WHO_DROVE.rows(folder, *WhoDrove._fields)
    return {center: WhoDrove(*said) for center, *said in rows}


def has_tables(folder: Path) -> bool:
    """Whether a recording has any table beside its log."""
    return any((local_of(folder) / table.name).is_file() for table in TABLES)


def copy_tables(
    target: Path, sources: Iterable[tuple[Path, Mapping[str, str]]], *, mirror: bool = False
) -> None:
    """Copy what the tables beside logs say of some of their rows, and what was done to them before.

    Args:
        sources: folders of recordings, and new names of their rows' center images, by those that
            they had.
        mirror: left and right are exchanged; what is said of a place on a road is left out.

    Raises:
        RecordingError: a table holds a line that is no row.
        OSError: one cannot be read or written.
    """
    sources = [(local_of(folder), new) for folder, new in sources]
    for table in TABLES:
        there = [(folder / table.name, new) for folder, new in sources]
        there = [(path, new) for path, new in there if path.is_file()]
        if there:
            with (target / table.name).open("w", **_AS_IT_IS) as file:
                _copy_rows(table, there, csv.writer(file, lineterminator="\n"), mirror)
    add_edits(target, [line for folder, _ in sources for line in edits_of(folder)])


def _copy_rows(
    table: SideTable, sources: list[tuple[Path, Mapping[str, str]]], writer: Any, mirror: bool
) -> None:
    headers = [next((cells for _, cells in _rows(path)), []) for path, _ in sources]
    columns = list(dict.fromkeys(name for header in headers for name in header))
    if len(sources) == 1:
        columns = headers[0]  # whatever it is
    writer.writerow(columns)
    seen: set[str] = set()
    for (path, new), header in zip(sources, headers, strict=True):
        for line, cells in _rows(path):
            center = new.get(image_name_of(cells[0])) if cells and line > 0 else None
            if center is None or center in seen:
                continue
            seen.add(center)
            cells = [center, *cells[1:]]
            if mirror:
                cells[1:] = map(table.mirrored, header[1:], cells[1:])
            if header != columns:
                said = dict(zip(header, cells, strict=False))
                cells = [said.get(name, "") for name in columns]
            writer.writerow(cells)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, with their places; the header is at 0."""
    with path.open(**_AS_IT_IS) as file:
        rows = csv.reader(file)
        try:
            yield from enumerate(rows)
        except csv.Error as error:
            raise RecordingError(
                f"{path}: line {rows.line_num} is no row ({error}). Mend it, or take the file out "
                "of the recording."
            ) from error


def edits_of(folder: Path) -> list[str]:
    """What was done to a recording before it became what it is, a line each, the first one first.

    Raises:
        OSError: the file cannot be read.
    """
    if not (folder / EDITS).is_file():
        return []
    text = read_start(folder / EDITS, _MAX_EDITS_BYTES).decode("utf-8", "replace")
    return [line for line in text.splitlines() if line.strip()]


def add_edits(folder: Path, lines: Iterable[str]) -> None:
    """Add lines about what was done to a recording; its file is made when there is one.

    Raises:
        OSError: the file cannot be written.
    """
    if told := "".join(f"{' '.join(line.split())}\n" for line in lines):
        with (folder / EDITS).open("a", encoding="utf-8", newline="") as file:
            file.write(told)

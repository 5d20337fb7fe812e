"""The tables beside a log: declared here, so that whatever copies a recording keeps them."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.side_table import SideTable

WhoDrives = Literal["person", "pilot", "expert"]
DRIVERS: tuple[WhoDrives, ...] = get_args(WhoDrives)

WHO_DROVE = SideTable(
    "who_drove.csv",
    "where a person drove: recordings in which a person takes over from a pilot have one",
    {"driver": DRIVERS, "pilot_steering": ".6f"},
    must=frozenset({"driver", "pilot_steering"}),
)
"""Who drove at each moment. Udacity's columns hold what the car was steered, not by whom.
``pilot_steering`` is what the pilot would have steered, or did, in full locks, positive to the
right, not clipped; empty where it was not asked."""

PREDICTIONS = SideTable(
    "predictions.csv",
    "what the pilot said: recordings that 'ghostlap drive' makes have one",
    {
        "pilot_steering": ".6f", "pilot_speed_mph": ".4f", "pilot_spread": ".6f",
        "steering": ".4f", "throttle": ".4f", "latency_ms": ".2f", "lap": "g", "cte": ".4f",
    },
)  # fmt: skip
"""What a pilot said that drove in another simulator. ``pilot_…`` as the pilot said it, empty where
it says none; ``steering`` and ``throttle`` as the car was told; ``lap`` and ``cte`` as the
simulator sent them, if it does."""

GROUND_TRUTH = SideTable(
    "ground_truth.csv",
    "where the car was: recordings that 'ghostlap record' makes have one",
    {
        "track": "s", "s_m": ".5f", "cte_m": ".5f", "heading_error_rad": ".5f", "margin_m": ".5f",
        "x_m": ".5f", "y_m": ".5f", "direction": "d", "conditions_seed": "d", "stretch": "d",
        "recovery": "d",
    },
)  # fmt: skip
"""What only the simulator knows, in the conventions of :mod:`ghostlap.sim.track.track`. ``cte_m``
and ``heading_error_rad`` are to the left in the driving direction; ``margin_m`` is the way to the
nearer edge of the road, negative off it; ``conditions_seed`` is empty for the theme's own
conditions; ``recovery`` is 1 where the car comes back to its line."""

_TABLES = (WHO_DROVE, PREDICTIONS, GROUND_TRUTH)


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


def copy_tables(folder: Path, target: Path, centers: Mapping[str, str]) -> None:
    """Copy what the tables beside a log say of some of its rows.

    Args:
        folder: of the recording.
        target: the new recording's.
        centers: new names of the rows' center images, by those that they had.

    Raises:
        RecordingError: a table holds a line that is no row.
        OSError: one cannot be read or written.
    """
    for table in _TABLES:
        if (folder / table.name).is_file():
            _copy_rows(folder / table.name, target / table.name, centers)


def _copy_rows(table: Path, target: Path, centers: Mapping[str, str]) -> None:
    as_it_is: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with table.open(**as_it_is) as old, target.open("w", **as_it_is) as new:
        rows = csv.reader(old)
        writer = csv.writer(new, lineterminator="\n")
        try:
            writer.writerow(next(rows, []))
            for row in rows:
                if row and (center := centers.get(image_name_of(row[0]))):
                    writer.writerow([center, *row[1:]])
        except csv.Error as error:
            raise RecordingError(
                f"{table}: line {rows.line_num} is no row ({error}). Mend it, or take the file out "
                "of the recording."
            ) from error

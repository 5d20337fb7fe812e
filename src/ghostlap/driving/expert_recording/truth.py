"""The ground truth beside a recording's log: what only the simulator knows.

``ground_truth.csv`` has one row for each row of the log, in the same order, and a header. A row is
named by its center image. Places are the car's, in the conventions of
:mod:`ghostlap.sim.track.track`; ``cte_m`` and ``heading_error_rad`` are to the left in the driving
direction.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import append_row
from ghostlap.base.platform import BINARY
from ghostlap.driving.expert_recording.plan import Stretch
from ghostlap.sim.world import World

TRUTH_NAME = "ground_truth.csv"

TRUTH_COLUMNS = (
    "center", "track", "s_m", "cte_m", "heading_error_rad", "margin_m", "x_m", "y_m", "direction",
    "conditions_seed", "stretch", "recovery",
)  # fmt: skip
"""``margin_m`` is the way to the nearer edge of the road, negative off it; ``conditions_seed`` is
empty for the theme's own conditions; ``recovery`` is 1 where the car comes back to its line."""


def truth_row(center: str, stretch: Stretch, world: World) -> str:
    """A row about the moment that a center image shows, of the only car in a world."""
    truth, poses = world.truth(), world.poses()
    numbers = (
        truth.s_m, truth.cte_m, truth.heading_error_rad, truth.margin_m, poses.x_m, poses.y_m
    )  # fmt: skip
    seed = "" if stretch.conditions_seed is None else str(stretch.conditions_seed)
    return csv_row(
        [
            center,
            stretch.track,
            *(f"{float(number[0]):.5f}" for number in numbers),
            str(stretch.direction),
            seed,
            str(stretch.number),
            str(int(stretch.recovery)),
        ]
    )


def csv_row(cells: Iterable[str]) -> str:
    """Cells as a line; a track's path may have commas in it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


class TruthLog:
    """A new file of rows, each of which reaches it in one write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, center: str, stretch: Stretch, world: World) -> None:
        """Write a row.

        Raises:
            RecordingError: the disk is full.
        """
        row = truth_row(center, stretch, world).encode()
        try:
            append_row(self._file, row)
        except OSError as error:
            raise RecordingError(f"{self._path}: cannot be written ({error.strerror}).") from error

    def __enter__(self) -> TruthLog:
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o666)
        except OSError as error:
            raise RecordingError(
                f"{self._path}: cannot be written ({error.strerror}). Choose a folder that you "
                "may write to."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

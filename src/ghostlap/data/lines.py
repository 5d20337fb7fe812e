"""Commanded lines: which line of the road whoever drives is told to keep to.

A pilot that knows lines answers the steering for each of them to every picture, and the command
picks one answer: the branches of conditional imitation (Codevilla et al. 2018, arXiv 1710.02410).
Without a command its steering is that for the centre, as any other pilot's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.remote import local_of
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH, WHO_DROVE

if TYPE_CHECKING:
    import pandas as pd

    from ghostlap.data.recordings import Recording

Line = Literal["centre", "left_lane", "right_lane"]
"""The centre of the road, or the middle of one of its halves, as seen in the driving direction."""

Command = Literal["centre", "left_lane", "right_lane", "switch"]
"""One line throughout; or another one every ``SWITCH_S``."""

SIDES: dict[Line, int] = {"centre": 0, "left_lane": 1, "right_lane": -1}
"""A line as column ``lane`` of tables beside logs has it: as errors, positive to the left."""

BRANCHES: dict[Line, str] = {
    "centre": "steering", "left_lane": "steering_left_lane", "right_lane": "steering_right_lane",
}  # fmt: skip
"""The outputs of a network that answer for a line."""

SWITCH_S = 6.0
"""Time from one command of ``switch`` to the next."""

_SWITCHED: Sequence[Line] = (
    "centre", "left_lane", "right_lane", "centre", "right_lane", "left_lane",
)  # fmt: skip
"""Each line after each other one."""

_GOLDEN = 0.6180339887
"""Multiples of it are spread evenly over whole numbers' gaps."""


STEERING_ON = tuple(f"steering_{line}" for line in SIDES)
_KNOWN = (*STEERING_ON, "cte_m", "width_m")

KNOWN = np.dtype([("steering", np.float32, 3), ("cte_m", np.float32), ("width_m", np.float32)])
"""What is known of a row beside what was steered: the steering for each line, in the order of
``SIDES``, so that a side is its place; where the car is, how wide the road; NaN is unknown."""

_PULLED_M = 1.3
"""From further off its line than this the expert steers no harder; the tyres would slide."""


def line_at(command: Command, time_s: float, seed: int = 0) -> Line:
    """The line that is commanded so long after the beginning.

    Args:
        command: what is asked for.
        time_s: since the beginning.
        seed: where in its round ``switch`` begins; with 0 the first change is after ``SWITCH_S``.
    """
    if command != "switch":
        return command
    phase = seed * _GOLDEN * len(_SWITCHED)
    return _SWITCHED[int(time_s / SWITCH_S + phase) % len(_SWITCHED)]


def lines_of(recording: Recording) -> NDArray[np.int8]:
    """The line commanded at each row of a recording, as ``SIDES`` has it, shape ``(rows,)``.

    Where nothing says so it is the centre: what a driver does who is told nothing.

    Raises:
        RecordingError: a table beside the log cannot be read.
    """
    folder = local_of(recording.folder)
    said: dict[str, float] = {}
    for table in (WHO_DROVE, GROUND_TRUTH):
        if (folder / table.name).is_file():
            rows = table.rows(folder, "lane", some=True)
            said |= {center: side for center, side in rows if side is not None}
    centers = (image_name_of(str(path)) for path in recording.frames["center"])
    return np.sign([said.get(center, 0.0) for center in centers]).astype(np.int8)


def with_lines(recording: Recording, table: pd.DataFrame) -> pd.DataFrame:
    """A recording's table with what the simulator knows of all lines; NaN where it says nothing.

    Raises:
        RecordingError: ``ground_truth.csv`` cannot be read.
    """
    folder, said = local_of(recording.folder), {}
    if (folder / GROUND_TRUTH.name).is_file():
        said = {row[0]: row[1:] for row in GROUND_TRUTH.rows(folder, *_KNOWN, some=True)}
    centers = (image_name_of(str(path)) for path in table["center"])
    nothing = (None,) * len(_KNOWN)
    rows = np.array([said.get(center, nothing) for center in centers], float)
    return table.assign(**dict(zip(_KNOWN, rows.reshape(-1, len(_KNOWN)).T, strict=True)))


def known_of(table: pd.DataFrame) -> NDArray[Any]:
    """What such a table knows of all lines, of :data:`KNOWN`, shape ``(rows,)``."""
    known = np.zeros(len(table), KNOWN)
    known["steering"] = table[list(STEERING_ON)]
    known["cte_m"], known["width_m"] = table["cte_m"], table["width_m"]
    return known


def steering_on(
    line: Line,
    known: NDArray[Any],
    sides: NDArray[np.float64],
    moved: NDArray[np.float64],
    aside_m: NDArray[np.float64],
    gain_per_m: float,
) -> NDArray[np.float64]:
    """Labels for a line of pictures that cameras took and warps changed, shape ``(n,)``.

    They move as the one for the commanded line does, but for what lies too far off a line to be
    steered harder for.

    Args:
        known: of the samples' rows, of :data:`KNOWN`, shape ``(n,)``.
        sides: -1 where left and right are exchanged, else 1.
        moved: how far camera and warp move a label.
        aside_m: how far to the left of where the car is they look from.
        gain_per_m: steering for each metre of that.
    """
    side = (SIDES[line] * sides).astype(int)
    steering = known["steering"][np.arange(len(known)), side]
    off_m = sides * (known["cte_m"] - side * known["width_m"] / 4)
    before_m, after_m = (np.clip(m, -_PULLED_M, _PULLED_M) for m in (off_m, off_m + aside_m))
    moved = moved + gain_per_m * (after_m - before_m - aside_m)
    return sides * steering + moved

"""Commanded lines: which line of the road whoever drives is told to keep to.

A pilot that knows lines answers the steering for each of them to every picture, and the command
picks one answer: the branches of conditional imitation (Codevilla et al. 2018, arXiv 1710.02410).
Without a command its steering is that for the centre, as any other pilot's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.remote import local_of
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH, WHO_DROVE

if TYPE_CHECKING:
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

"""What a pilot would have steered where a person steered: beside driving, never instead of it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from ghostlap.base.errors import RecordingError
from ghostlap.base.terminal import plain
from ghostlap.data.dataset import row_clock, steering_averaged, usable_rows
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.labels import SteeringError, steering_error
from ghostlap.data.lines import SIDES, lines_of
from ghostlap.data.motion import STRETCH_GAP_S
from ghostlap.data.recordings.reading import require_images
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.pilots.memory import Memory, Recollection
from ghostlap.pilots.pilot import Pilot

if TYPE_CHECKING:
    import pandas as pd

AVERAGED_S = 1.0
"""What a person meant who taps keys is the average over about a second."""

_AT_ONCE = 64
"""Frames decoded before they are shown to the pilot: bounds the memory."""


@dataclasses.dataclass(frozen=True)
class AgainstPerson:
    """A pilot's answers to the center camera of one recording, and the person's."""

    recording: str
    moments: int
    error: SteeringError
    """Against each moment's own steering."""
    averaged: SteeringError
    """Against the steering averaged over :data:`AVERAGED_S` around each moment."""


def compare(
    pilot: Pilot, recordings: Sequence[Path], columns: Sequence[str] = ()
) -> list[AgainstPerson]:
    """Show every center frame of each recording to the pilot; rows without one are left out.

    Raises:
        RecordingError: a recording cannot be read, or all of its pictures are missing.
        ImageError: a picture is broken, or not of the size that the pilot was trained on.
    """
    return [_compared(pilot, path, columns) for path in recordings]


def _compared(pilot: Pilot, path: Path, columns: Sequence[str]) -> AgainstPerson:
    recording = read_recording(path, columns)
    require_images(recording)
    frames = recording.frames[usable_rows(recording.frames)]
    frames = frames[[os.path.exists(picture) for picture in frames["center"]]]
    if frames.empty:
        raise RecordingError(
            f"{path}: no row has both a centre picture and steering in [-1, 1] to compare with. "
            "'ghostlap doctor' lists what is wrong."
        )
    pictures = frames["center"].tolist()
    answers = np.concatenate(
        [
            pilot.predict(np.stack([read_rgb(name) for name in pictures[start : start + _AT_ONCE]]))
            for start in range(0, len(pictures), _AT_ONCE)
        ]
    )
    if pilot.memory is not None:
        answers = _remembering(pilot, pilot.memory, answers, frames)
    if len(pilot.lines) > 1:
        lane = lines_of(dataclasses.replace(recording, frames=frames))
        for line, side in SIDES.items():
            answers[lane == side] = pilot.on_line(answers[lane == side], line)
    wanted = frames["steering"].to_numpy(np.float64)
    steering = answers[:, 0].astype(np.float64)
    meant = steering_averaged(frames, AVERAGED_S)["steering"].to_numpy(np.float64)
    errors = steering_error(steering, wanted), steering_error(steering, meant)
    return AgainstPerson(str(path), len(pictures), *errors)


def _remembering(
    pilot: Pilot, memory: Memory, answers: NDArray[np.float32], frames: pd.DataFrame
) -> NDArray[np.float32]:
    """Answers with the earlier pictures of each row's drive in them.

    The pilot is not told the person's earlier steering, which alone nearly is the answer.
    """
    recollection, remembered = Recollection(memory, cars=1), []
    clock_s, _ = row_clock(frames, STRETCH_GAP_S)
    for row, speed_mph in enumerate(frames["speed_mph"].to_numpy(np.float64)):
        elapsed_s = float(clock_s[row] - clock_s[max(row - 1, 0)])
        seen = answers[row : row + 1]
        remembered.append(pilot.recalled(recollection, seen, np.array([speed_mph]), elapsed_s))
    return np.concatenate(remembered)


def show_compared(compared: Sequence[AgainstPerson], console: Console) -> None:
    """Print them as a table, with a car that always goes straight ahead beside the pilot.

    ``r`` is Pearson's, picture by picture and against the steering averaged over a second.
    """
    table = Table(box=box.SIMPLE_HEAD, title="The pilot's steering against the person's")
    for heading in (
        "recording", "moments", "r", "r, 1 s", "MAE", "MSE", "MAE of 0", "MSE of 0",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "recording" else "right")
    for one in compared:
        error = one.error
        table.add_row(
            plain(Path(one.recording).name),
            str(one.moments),
            f"{error.pearson_r:.3f}",
            f"{one.averaged.pearson_r:.3f}",
            f"{error.mae:.4f}",
            f"{error.mse:.4f}",
            f"{error.zero_mae:.4f}",
            f"{error.zero_mse:.4f}",
        )
    console.print(table)

"""What was seen around a moment: frames taken again from the drive's own poses."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.terminal import escaped
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.driving.metrics import Drive, Intervention
from ghostlap.driving.rollout.plan import Episode
from ghostlap.sim.simulation import Simulation, Start

MOST_INCIDENTS = 4
"""Shown of one task: a pilot that fails everywhere fails alike."""

MOMENTS_S = (-2.0, -1.0, -0.5, -0.2, 0.0, 0.5)
"""Seconds before and after the moment; 0.5 s after an intervention the car has been put back."""

_JPEG_QUALITY = 82


@dataclasses.dataclass(frozen=True)
class Incident:
    """An intervention, or a worst moment, with what was seen around it."""

    episode: int
    """Index in the task."""
    row: int
    """Row of the drive where the moment is."""
    rows: tuple[int, ...]
    """Rows of the drive, one a frame."""
    frames: NDArray[np.uint8]
    """RGB, shape ``(frames, height, width, 3)``."""


def incidents_of(
    simulation: Simulation, episodes: Sequence[Episode], drives: Sequence[Drive]
) -> tuple[Incident, ...]:
    """Take frames around some interventions, evenly from the drives and early in each."""
    chosen = _chosen([np.flatnonzero(drive.intervention) for drive in drives])
    return _seen(simulation, episodes, drives, chosen) if chosen else ()


def worst_of(
    simulation: Simulation, episodes: Sequence[Episode], drives: Sequence[Drive]
) -> Incident:
    """Take frames around the moment of the largest |cross-track error| of all drives.

    It is worth a look even where nobody had to take over. There must be one drive at least.
    """
    largest_m = [float(np.abs(drive.cte_m).max()) for drive in drives]
    episode = int(np.argmax(largest_m))
    row = int(np.abs(drives[episode].cte_m).argmax())
    return _seen(simulation, episodes, drives, [(episode, row)])[0]


def _seen(
    simulation: Simulation,
    episodes: Sequence[Episode],
    drives: Sequence[Drive],
    chosen: Sequence[tuple[int, int]],
) -> tuple[Incident, ...]:
    """The frames around each chosen episode and row, at least one."""
    rows = [rows_around(drives[episode], row) for episode, row in chosen]
    starts = [
        start_at(drives[episode], row, episodes[episode].start.direction)
        for (episode, _), around in zip(chosen, rows, strict=True)
        for row in around
    ]
    frames = simulation.frames_at(starts)
    ends = np.cumsum([len(around) for around in rows])
    return tuple(
        Incident(episode, row, around, frames[end - len(around) : end])
        for (episode, row), around, end in zip(chosen, rows, ends, strict=True)
    )


def _chosen(interventions: Sequence[NDArray[np.intp]]) -> list[tuple[int, int]]:
    """Episode and row: the first one of each drive, then the second of each, and so on."""
    ranked = sorted(
        (rank, episode, int(row))
        for episode, rows in enumerate(interventions)
        for rank, row in enumerate(rows)
    )
    return [(episode, row) for _, episode, row in ranked[:MOST_INCIDENTS]]


def rows_around(drive: Drive, row: int) -> tuple[int, ...]:
    """The rows at :data:`MOMENTS_S`, none of them beyond an intervention before or after."""
    others = np.flatnonzero(drive.intervention)
    first = max([0, *(others[others < row] + 1)])
    last = min([len(drive.time_s) - 1, *others[others > row]])
    wanted = np.searchsorted(drive.time_s, drive.time_s[row] + np.array(MOMENTS_S) - 1e-6)
    return tuple(int(at) for at in np.unique(np.clip(wanted, first, last)))


def start_at(drive: Drive, row: int, direction: int) -> Start:
    """The place of a row of a drive in that direction, to take pictures from."""
    return Start(
        s_m=float(drive.s_m[row]),
        direction=direction,
        cte_m=float(drive.cte_m[row]),
        heading_error_rad=float(drive.heading_error_rad[row]),
    )


def frames_jpeg(incident: Incident) -> bytes:
    """The frames as they are, side by side, as one JPEG."""
    return encode_jpeg(np.hstack(list(incident.frames)), _JPEG_QUALITY)


def strip_png(incident: Incident, drive: Drive, title: str) -> bytes:
    """The frames of an incident side by side, each with its time, steering and error."""
    from matplotlib.figure import Figure

    count = len(incident.frames)
    height_px, width_px = incident.frames.shape[1:3]
    panel_in = 2.6
    figure = Figure(
        figsize=(panel_in * count, panel_in * height_px / width_px + 0.9), layout="constrained"
    )
    for axes, row, frame in zip(
        figure.subplots(1, count, squeeze=False)[0], incident.rows, incident.frames, strict=True
    ):
        since_s = drive.time_s[row] - drive.time_s[incident.row]
        axes.imshow(frame)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(
            f"{since_s:+.2f} s\nsteering {drive.steering[row]:+.2f}, cte {drive.cte_m[row]:+.2f} m",
            fontsize=8,
            color="C3" if row == incident.row else "black",
        )
    kind = Intervention(int(drive.intervention[incident.row])).name.lower().replace("_", " ")
    figure.suptitle(
        f"{escaped(title)}: {kind} at {drive.time_s[incident.row]:.1f} s",
        fontsize=10,
        parse_math=False,
    )
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return png.getvalue()

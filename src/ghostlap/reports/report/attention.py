"""What it looks at: saliency over some frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import GhostlapError, ImageError
from ghostlap.data.vision.pictures import Rgb, read_rgb
from ghostlap.pilots.pilot import Pilot
from ghostlap.reports.page import number, photograph
from ghostlap.reports.report.steering import Compared
from ghostlap.reports.report.worst_moments import WorstMoment

_SHOWN = 6
_JPEG_QUALITY = 82


def section(
    run: Path, pilot: Pilot, compared: Compared | None, moments: Sequence[WorstMoment]
) -> dict[str, Any]:
    """Frames from hard left to hard right, with what the pilot steers by laid over them."""
    chosen = _from_recordings(pilot, compared) or _from_moments(pilot, moments)
    if not chosen:
        return {"problem": "", "frames": []}
    from ghostlap.pilots.saliency import Saliency, overlay

    frames = np.stack([frame for frame, _ in chosen])
    try:
        maps = Saliency.load(run, threads=1).maps(frames)
    except GhostlapError as error:
        return {"problem": error, "frames": []}
    shown = []
    steering = np.atleast_1d(pilot.steer(frames))
    for (frame, words), seen, steered in zip(chosen, maps, steering, strict=True):
        picture = photograph(overlay(frame, seen, pilot.preprocessing), _JPEG_QUALITY)
        shown.append((picture, f"pilot {number(float(steered), 2, sign=True)}{words}"))
    return {"problem": "", "frames": shown}


def _from_recordings(pilot: Pilot, compared: Compared | None) -> list[tuple[Rgb, str]]:
    """Frames of the recordings, spread evenly from the person's leftmost to rightmost."""
    if compared is None:
        return []
    low, high = np.percentile(compared.person, [1, 99])
    wanted = np.linspace(low, high, _SHOWN)
    rows = dict.fromkeys(int(np.abs(compared.person - value).argmin()) for value in wanted)
    chosen = []
    for row in rows:
        try:
            frame = read_rgb(compared.pictures[row])
        except ImageError:
            continue
        chosen.append((frame, f", person {number(float(compared.person[row]), 2, sign=True)}"))
    return chosen


def _from_moments(pilot: Pilot, moments: Sequence[WorstMoment]) -> list[tuple[Rgb, str]]:
    frames = [(moment.frames[0], f", before moment {moment.number}") for moment in moments]
    return [one for one in frames if one[0].shape == pilot.preprocessing.frame_shape][:_SHOWN]

"""What it looks at: saliency over some frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ghostlap.base.errors import GhostlapError, ImageError
from ghostlap.data.vision.preprocessing import Rgb, encode_jpeg, read_rgb
from ghostlap.pilots.pilot import Pilot
from ghostlap.reports.report.parts import Section, command_line, missing, number, paragraph, picture
from ghostlap.reports.report.steering import Compared
from ghostlap.reports.report.worst_moments import Moment

_SHOWN = 6
_JPEG_QUALITY = 82


def section(
    run: Path, pilot: Pilot, compared: Compared | None, moments: Sequence[Moment]
) -> Section:
    """Frames from hard left to hard right, with what the pilot steers by laid over them."""
    title = "What it looks at"
    chosen = _from_recordings(pilot, compared) or _from_moments(pilot, moments)
    if not chosen:
        html = missing(
            "No frame to look at: neither recordings nor frames of an evaluation are there.",
            command_line("evaluate", run),
        )
        return Section("saliency", title, html)
    from ghostlap.pilots.saliency import Saliency, overlay

    frames = np.stack([frame for frame, _ in chosen])
    try:
        maps = Saliency.load(run, threads=1).maps(frames)
    except GhostlapError as error:
        html = missing(f"No saliency for this pilot: {error}", command_line("explain", run, "REC"))
        return Section("saliency", title, html)
    items = []
    steering = np.atleast_1d(pilot.steer(frames))
    for (frame, words), seen, steered in zip(chosen, maps, steering, strict=True):
        says = f"pilot {number(float(steered), 2, sign=True)}{words}"
        height, width = frame.shape[:2]
        shown = encode_jpeg(overlay(frame, seen, pilot.preprocessing), _JPEG_QUALITY)
        items.append(
            f"<li>{picture(shown, f'Frame with its saliency; {says}', width, height)}"
            f"<p>{says}</p></li>"
        )
    html = paragraph(
        "The brighter an area, the stronger the network's features there. It should be the edges "
        "of the road; where it is the sky or a tree, the pilot goes by the scenery. It shows what "
        "the network responds to, and does not prove why it steers so."
    )
    return Section("saliency", title, f'{html}<ul class="frames">{"".join(items)}</ul>')


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


def _from_moments(pilot: Pilot, moments: Sequence[Moment]) -> list[tuple[Rgb, str]]:
    frames = [(moment.frames[0], f", before moment {moment.number}") for moment in moments]
    return [one for one in frames if one[0].shape == pilot.preprocessing.frame_shape][:_SHOWN]

"""Frames sampled from recordings across the range of steering, to ask a pilot about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import ImageError, RecordingError
from ghostlap.data.dataset import MIN_SPEED_SHARE, usable_rows
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import require_images
from ghostlap.data.vision.pictures import Rgb, read_rgb
from ghostlap.data.vision.preprocessing import Preprocessing

_BINS = 12
"""Number of bins over the range of steering, which take turns in giving frames."""

_TRIED_MORE = 200
"""Number of unfit pictures beyond those wanted after which sampling gives up."""


@dataclasses.dataclass(frozen=True, eq=False)
class SampledFrames:
    """``n`` frames with the person's steering, in its order."""

    frames: NDArray[np.uint8]
    """Pictures of the center camera, RGB, shape ``(n, height, width, 3)``."""
    steering: NDArray[np.float64]
    """The person's steering, shape ``(n,)``."""
    names: tuple[str, ...]
    """Paths of the frames."""
    sides: NDArray[np.uint8]
    """Pictures of left and right camera, shape ``(m, 2, height, width, 3)``, m at most n."""
    of_sides: NDArray[np.intp]
    """Indices of the frames to which ``sides`` belong, shape ``(m,)``."""
    unfit: int
    """Number of drawn pictures that are missing, broken or of another size."""


def sample_frames(
    recordings: Sequence[Path],
    count: int,
    seed: int,
    spec: Preprocessing,
    columns: Sequence[str] = (),
) -> SampledFrames:
    """Draw at most ``count`` frames of a pilot's size, evenly over the range of steering.

    Raises:
        RecordingError: a recording cannot be read, or no picture drawn has this size.
    """
    import pandas as pd

    read = [read_recording(path, columns) for path in recordings]
    for recording in read:
        require_images(recording)
    rows = pd.concat(
        [one.frames[usable_rows(one.frames, MIN_SPEED_SHARE)] for one in read], ignore_index=True
    )
    chosen: list[tuple[float, str, Rgb, list[Rgb]]] = []
    first_unfit, unfit = "", 0
    steering = rows["steering"].to_numpy(np.float64)
    for row in _across(steering, np.random.default_rng(seed)):
        if len(chosen) == count or unfit == count + _TRIED_MORE:
            break
        name = rows["center"].iloc[row]
        try:
            frame = _read_fitting(name, spec)
        except ImageError as error:
            unfit += 1
            first_unfit = first_unfit or str(error)
            continue
        sides = _sides(rows["left"].iloc[row], rows["right"].iloc[row], spec)
        chosen.append((float(steering[row]), name, frame, sides))
    if not chosen:
        where = ", ".join(str(path) for path in recordings)
        raise RecordingError(
            f"{where}: no frames that this pilot could be shown, which takes "
            f"{spec.frame_width_px}x{spec.frame_height_px} pixels. "
            f"{f'The first of {unfit}: {first_unfit}' if unfit else 'The car never drives there.'}"
        )
    chosen.sort(key=lambda one: one[:2])
    with_sides = [i for i, one in enumerate(chosen) if one[3]]
    return SampledFrames(
        frames=np.stack([frame for _, _, frame, _ in chosen]),
        steering=np.array([steering for steering, _, _, _ in chosen]),
        names=tuple(name for _, name, _, _ in chosen),
        sides=np.array([c[3] for c in chosen if c[3]], np.uint8).reshape(-1, 2, *spec.frame_shape),
        of_sides=np.array(with_sides, np.intp),
        unfit=unfit,
    )


def _across(steering: NDArray[np.float64], rng: np.random.Generator) -> Iterator[int]:
    """All rows in random order, but one of each bin of steering before the next of any."""
    if len(steering) == 0:
        return
    bin_of_row = np.digitize(steering, np.histogram_bin_edges(steering, _BINS)[1:-1])
    bins = [list(rng.permutation(np.flatnonzero(bin_of_row == k))) for k in range(_BINS)]
    while any(bins):
        for rows in bins:
            if rows:
                yield int(rows.pop())


def _read_fitting(name: str, spec: Preprocessing) -> Rgb:
    rgb = read_rgb(name)
    if rgb.shape != spec.frame_shape:
        raise ImageError(f"{name}: {rgb.shape[1]}x{rgb.shape[0]} pixels")
    return rgb


def _sides(left: str, right: str, spec: Preprocessing) -> list[Rgb]:
    """Pictures of left and right camera, or none unless both can be read and fit."""
    try:
        return [_read_fitting(name, spec) for name in (left, right)] if left and right else []
    except ImageError:
        return []

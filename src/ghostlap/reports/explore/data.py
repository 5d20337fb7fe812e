"""The rows, samples and frames that :mod:`ghostlap.commands.explore` shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import DatasetError
from ghostlap.data.balance import balanced_rows
from ghostlap.data.dataset import Samples, samples_as, usable_rows
from ghostlap.data.recordings import Recording
from ghostlap.data.splits import split
from ghostlap.data.vision.shards import is_picture
from ghostlap.reports.explore.config import ExploreConfig
from ghostlap.reports.explore.facts import (
    RecordingFacts,
    Timeline,
    picture_or_none,
    recording_facts,
    timeline,
)
from ghostlap.reports.explore.sheets import Frame

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_BINS = 9
_TRIED_PICTURES = 40
_SOME_STEERING = 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """Recordings as a training would take them."""

    rows: pd.DataFrame
    """All usable rows of all recordings, index 0, 1, 2, …"""
    steering: NDArray[np.float64]
    """Steering of these rows."""
    kept: NDArray[np.bool_]
    """Which of them balancing keeps."""
    training: Samples | None
    validation: Samples | None
    """None where there is too little to split."""
    time: Timeline
    """All rows, unusable ones too."""
    facts: tuple[RecordingFacts, ...]
    notes: tuple[str, ...]


def prepare(config: ExploreConfig, recordings: Sequence[Recording]) -> Data:
    """Balance and split recordings as a training with the same options would.

    Raises:
        DatasetError: no row can be learned from.
    """
    import pandas as pd

    samples = samples_as(config, recordings)
    usable = [
        recording.frames[usable_rows(recording.frames, config.min_speed_share)]
        for recording in recordings
    ]
    rows = pd.concat(usable, ignore_index=True)
    steering = rows["steering"].to_numpy(np.float64)
    facts = tuple(recording_facts(recording) for recording in recordings)
    notes = [note for recording in recordings for note in _notes(recording)]
    missing = sum(one.missing_pictures for one in facts)
    if missing:
        notes.append(
            f"{missing:,} pictures that the log names are missing; only those that exist are "
            "used. `ghostlap doctor` lists them."
        )
    there = np.array([is_picture(path) for path in samples.images], bool)
    training = validation = None
    try:
        training, validation = split(
            samples.take(there[samples.image]), config.split, config.validation, config.seed
        )
    except DatasetError as error:
        notes.append(f"Training against validation: too few samples. {error}")
    return Data(
        rows=rows,
        steering=steering,
        kept=balanced_rows(steering, config.bins, config.cap, config.seed),
        training=training,
        validation=validation,
        time=timeline(recordings),
        facts=facts,
        notes=tuple(notes),
    )


def _notes(recording: Recording) -> Iterable[str]:
    frames = recording.frames
    if frames["time"].isna().all():
        yield f"{recording.folder}: the picture names hold no time; 15 rows a second are assumed."
    unusable = int((~usable_rows(frames)).sum())
    if unusable:
        yield (
            f"{recording.folder}: {unusable:,} rows have no steering in [-1, 1] or no centre "
            "picture; only the lines over time show them. `ghostlap doctor` lists them."
        )


def sample_frames(data: Data, count: int, seed: int) -> list[Frame]:
    """Up to ``count`` centre frames of one size, drawn at random, with steering if there is any."""
    order = np.random.default_rng(seed).permutation(len(data.steering))
    straight = np.abs(data.steering[order]) < _SOME_STEERING
    order = order[np.argsort(straight, kind="stable")]
    frames: list[Frame] = []
    paths = data.rows["center"].to_numpy(object)
    for row in order:
        if len(frames) == count:
            break
        rgb = picture_or_none(paths[row])
        if rgb is not None and (not frames or rgb.shape == frames[0].rgb.shape):
            frames.append(Frame(rgb, float(data.steering[row])))
    return frames


def frames_by_bin(data: Data, config: ExploreConfig) -> list[tuple[str, list[Frame | None]]]:
    """A title and a moment as the cameras saw it, for some steering bins from left to right.

    The views are in the order left, centre, right, each with its label.
    """
    edges = np.histogram_bin_edges(data.steering, config.bins)
    bin_of_row = np.digitize(data.steering, edges[1:-1])
    filled = np.unique(bin_of_row)
    chosen = filled[np.unique(np.linspace(0, len(filled) - 1, _SHOWN_BINS).round().astype(int))]
    rng = np.random.default_rng(config.seed)
    rows = []
    for number in chosen:
        inside = np.flatnonzero(bin_of_row == number)
        views = _first_seen(data, config, rng.permutation(inside)[:_TRIED_PICTURES])
        if views is not None:
            low, high = edges[number], edges[number + 1]
            title = f"steering {low:+.2f} to {high:+.2f}: {len(inside):,} rows"
            rows.append((title.replace("-", "\N{MINUS SIGN}"), views))
    return rows


def _first_seen(
    data: Data, config: ExploreConfig, candidates: NDArray[np.int64]
) -> list[Frame | None] | None:
    """The three views of the first of the rows that has a picture."""
    offset_of = {
        "left": config.steering_correction,
        "center": 0.0,
        "right": -config.steering_correction,
    }
    for row in candidates:
        views: list[Frame | None] = []
        for camera, offset in offset_of.items():
            rgb = picture_or_none(data.rows[camera].iloc[row])
            label = float(data.steering[row]) + offset
            views.append(None if rgb is None else Frame(rgb, label))
        if any(view is not None for view in views):
            return views
    return None

"""The samples of a training: read, split, decoded into the cache."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ghostlap.base.engine.travel import is_elsewhere
from ghostlap.base.errors import DatasetError, ImageError, RecordingError
from ghostlap.base.files import cache_folder
from ghostlap.base.terminal import say, warn
from ghostlap.data.auxiliary import unknown
from ghostlap.data.dataset import Samples, samples_as, slow_rows, usable_rows
from ghostlap.data.doctor.checks import (
    check_duplicates,
    check_steering,
    check_values,
    is_of_another_unit,
)
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.frame_cache import FrameCache
from ghostlap.data.lines import SIDES, lines_of
from ghostlap.data.moments import standing_in, with_moments
from ghostlap.data.recordings import Recording, require_images
from ghostlap.data.splits import split
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.training.config import TrainConfig

_TOLD = ("constant-steering", "few-steering-values", "one-sided-steering", "duplicate-rows")
"""Findings of the doctor that training says, too."""
_SIZED = 20
"""Pictures by which a recording's size is told."""


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Training and validation samples with the frames they point to."""

    recordings: tuple[Recording, ...]
    training: Samples
    validation: Samples
    slots: NDArray[np.int64]
    """Place of each of the samples' images in the cache."""
    cache: FrameCache
    preprocessing: Preprocessing
    """The config's, for frames of this size."""


def prepare_data(config: TrainConfig, console: Console) -> TrainingData:
    """Read recordings, balance and split them, and decode their frames into the cache."""
    recordings = [read_recording(path, config.columns) for path in config.recordings]
    for recording in recordings:
        require_images(recording)
        _tell_of_rows_left_out(recording, config.min_speed_share, console)
    height_px, width_px, _ = _frame_shape(recordings)
    preprocessing = config.preprocessing.for_frames(height_px, width_px)
    _tell_of_crop(config.preprocessing, preprocessing, console)
    _check_speed(config, recordings)
    _check_lines(config, recordings, console)
    samples = samples_as(config, recordings, auxiliaries=bool(config.auxiliaries))
    _check_auxiliaries(config, samples)
    if config.history or config.horizon:
        samples = with_moments(
            samples,
            recordings,
            lags_s=config.lags_s[1:],
            horizon_s=config.horizon,
            steering_correction=config.steering_correction,
            lead_s=config.lead_s,
            steering_average_s=config.steering_average_s,
        )
    folder = config.cache if config.cache and not is_elsewhere() else cache_folder()
    cache = FrameCache(folder, preprocessing.frame_shape, config.cache_limit_bytes)
    with console.status("decoding frames …") as status:
        located = cache.locate(
            samples.images, lambda done, n: status.update(f"decoding frames {done}/{n} …")
        )
    there = located.slots != -1
    if samples.earlier is not None:
        earlier = standing_in(samples.earlier, samples.image, there)
        samples = dataclasses.replace(samples, earlier=earlier)
    found = there[samples.image]
    if not found.all():
        _warn_of_pictures_left_out(int((~found).sum()), located.problems, console)
        samples = samples.take(found)
    if len(samples) == 0:
        raise DatasetError(
            f"None of the pictures can be used. The first: {located.problems[0]} "
            "'ghostlap doctor REC' lists them all."
        )
    training, validation = split(samples, config.split, config.validation, config.seed)
    say(
        console,
        f"{len(recordings)} recording(s), {sum(len(r.frames) for r in recordings)} rows; "
        f"{len(samples)} samples after balancing: {len(training)} to train on, "
        f"{len(validation)} for validation (split by {config.split})",
    )
    return TrainingData(
        tuple(recordings), training, validation, located.slots, cache, preprocessing
    )


def _tell_of_crop(asked: Preprocessing, adapted: Preprocessing, console: Console) -> None:
    if adapted != asked:
        say(
            console,
            f"frames are {adapted.frame_width_px}x{adapted.frame_height_px}: rows "
            f"{adapted.crop_top_px}:{adapted.crop_bottom_px} are kept, the same share as "
            f"{asked.crop_top_px}:{asked.crop_bottom_px} of {asked.frame_height_px}; "
            "--preprocessing.crop-top-px and --preprocessing.crop-bottom-px change it, with "
            "--preprocessing.frame-height-px and --preprocessing.frame-width-px of your frames",
        )


def _check_speed(config: TrainConfig, recordings: list[Recording]) -> None:
    """Rows without a speed count for nothing in its error, but some must have one."""
    if config.speed and all(recording.frames["speed_mph"].isna().all() for recording in recordings):
        raise DatasetError(
            f"--speed: no row of {', '.join(str(one.folder) for one in recordings)} has a speed to "
            "learn. Leave --speed out."
        )


def _check_lines(config: TrainConfig, recordings: list[Recording], console: Console) -> None:
    """Each line must have been driven if they are learned; else no two should have been."""
    try:
        driven = {side for one in recordings for side in lines_of(one).tolist()}
    except RecordingError:
        if config.lines:
            raise
        return  # what else is said of rows is not asked for
    missing = [line for line, side in SIDES.items() if side not in driven]
    folders = ", ".join(str(one.folder) for one in recordings)
    if config.lines and missing:
        raise DatasetError(
            f"--lines: no row of {folders} was driven with {' or '.join(missing)} commanded. Add a "
            "recording of 'ghostlap record --line switch', or of the cockpit with its line chosen "
            "while driving; or leave --lines out."
        )
    if len(driven) > 1 and not config.lines:
        warn(
            console,
            f"{folders}: driven on {len(driven)} lines of the road, as commanded. A pilot that is "
            "not told which learns what lies between them; train with --lines.",
        )


def _check_auxiliaries(config: TrainConfig, samples: Samples) -> None:
    """Samples without a truth count for nothing in its error, but some must have one."""
    if samples.truth is not None and (names := unknown(samples.truth, config.auxiliaries)):
        raise DatasetError(
            f"--auxiliary: no row of {', '.join(map(str, config.recordings))} says its "
            f"{' or '.join(names)}. Recordings that this version's 'ghostlap record' makes do; add "
            "one, or leave that out."
        )


def _tell_of_rows_left_out(recording: Recording, min_speed_share: float, console: Console) -> None:
    unread = [
        note for note in recording.notes if note.kind in ("ambiguous", "cut-off", "unreadable")
    ]
    unusable = int((~usable_rows(recording.frames)).sum())
    if unread:
        warn(
            console,
            f"{recording.folder}: {len(unread)} rows could not be read; "
            f"the first: {recording.counts} {unread[0].line}, {unread[0].message}",
        )
    passed_over = sum(note.kind in ("deleted", "pilot") for note in recording.notes)
    if passed_over:
        say(
            console,
            f"{recording.folder}: {passed_over} records are passed over, being marked as deleted "
            "or such that no person steered",
        )
    for note in recording.notes:
        if note.kind == "cameras":
            say(console, f"{recording.folder}: {note.message}, of a column about cameras")
    if unusable:
        warn(
            console,
            f"{recording.folder}: {unusable} rows have no steering in [-1, 1] "
            "or no centre picture and are left out; 'ghostlap doctor' lists them",
        )
    checks = (check_values, check_steering, check_duplicates)
    for finding in (one for check in checks for one in check(recording)):
        if finding.kind == "bad-steering" and is_of_another_unit(recording, "steering"):
            raise DatasetError(
                f"{recording.folder}: {finding.count} {finding.message} ({finding.example}): "
                f"{finding.fix}."
            )
        if finding.kind in _TOLD:
            warn(
                console,
                f"{recording.folder}: {finding.count} {finding.message} ({finding.example}). "
                f"What to do: {finding.fix.replace('--fix', 'ghostlap doctor --fix')}",
            )
    slow = int(slow_rows(recording.frames, min_speed_share).sum())
    if slow:
        say(
            console,
            f"{recording.folder}: {slow} rows are slower than {min_speed_share:.0%} of the median "
            "speed and left out (--min-speed-share)",
        )


def _warn_of_pictures_left_out(samples: int, problems: tuple[str, ...], console: Console) -> None:
    warn(
        console,
        f"{samples} samples are left out, because {len(problems)} pictures "
        f"cannot be used; the first: {problems[0]} 'ghostlap doctor' lists them",
    )


def _frame_shape(recordings: list[Recording]) -> tuple[int, int, int]:
    """The usual size of each recording's centre pictures, which must be one size."""
    shapes: dict[tuple[int, ...], Path] = {}
    problem: ImageError | None = None
    for recording in recordings:
        center, rows = recording.frames["center"], len(recording.frames)
        counts: collections.Counter[tuple[int, ...]] = collections.Counter()
        for row in dict.fromkeys([*np.linspace(0, rows - 1, _SIZED).astype(int), *range(rows)]):
            try:
                counts[read_rgb(center.iloc[row]).shape] += 1
            except ImageError as error:
                problem = problem or error
            if counts.total() == _SIZED:
                break
        for shape, _ in counts.most_common(1):
            shapes.setdefault(shape, recording.folder)
    if len(shapes) > 1:
        sizes = "; ".join(f"{shape[1]}x{shape[0]} in {where}" for shape, where in shapes.items())
        raise DatasetError(f"All recordings must have frames of one size. Got {sizes}.")
    if not shapes:
        raise DatasetError(
            f"{recordings[0].folder}: no centre picture can be decoded. The first: {problem}"
        )
    height, width, channels = next(iter(shapes))
    return height, width, channels

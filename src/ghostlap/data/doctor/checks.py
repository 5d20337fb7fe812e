"""The doctor's checks on a recording's table: its values, times and steering.

Each check takes a recording and yields findings; none opens an image.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.data.dataset import MIN_SPEED_SHARE, slow_rows
from ghostlap.data.doctor.findings import Finding, finding
from ghostlap.data.recordings import Recording
from ghostlap.data.recordings.tables_beside import edits_of

LIMITS = {"steering": (-1.0, 1.0), "throttle": (0.0, 1.0), "brake": (0.0, 1.0)}
"""Bounds of the values; speed must be at least 0."""

_GAP_S = 1.0
_STUCK_S = 3.0
_STUCK_ROWS = 45  # 3 s at the nominal 15 Hz, where the names hold no times
_MOVING_MPH = 1.0
_SPIKE = 0.5
_SPIKE_AGREEMENT = 0.1
_SPIKE_S = 0.2
_FEW_ROWS = 30
_SOME_ROWS = 100
_LOPSIDED = 4.0
_FEW_VALUES = 5


def check_reading(recording: Recording) -> Iterator[Finding]:
    """Rows mended or left out while the log was read."""
    counts = collections.Counter(note.kind for note in recording.notes)
    for kind, count in counts.items():
        first = next(note for note in recording.notes if note.kind == kind)
        yield finding(kind, count, f"{recording.counts} {first.line}: {first.message}")
    if edits := edits_of(recording.folder):
        yield finding("edited", len(edits), edits[-1])


def bad_values(recording: Recording) -> NDArray[np.bool_]:
    """Mask of the rows with a value not finite or out of range, shape ``(rows,)``."""
    bad = np.zeros(len(recording.frames), dtype=bool)
    for column in _checked_columns(recording):
        bad |= _bad_in(recording, column)
    return bad


def _checked_columns(recording: Recording) -> tuple[str, ...]:
    """The columns with numbers, without a speed that is never measured, as in most donkeycars."""
    return tuple(LIMITS) if _lacks_speed(recording) else (*LIMITS, "speed_mph")


def _lacks_speed(recording: Recording) -> bool:
    return bool(recording.frames["speed_mph"].isna().all())


def _bad_in(recording: Recording, column: str) -> NDArray[np.bool_]:
    values = recording.frames[column].to_numpy()
    low, high = LIMITS.get(column, (0.0, np.inf))
    return ~(np.isfinite(values) & (values >= low) & (values <= high))


def check_values(recording: Recording) -> Iterator[Finding]:
    """NaN, infinite and out-of-range values."""
    if _lacks_speed(recording):
        yield finding("no-speed", len(recording.frames))
    for column in _checked_columns(recording):
        bad = _bad_in(recording, column)
        if bad.any():
            low, high = LIMITS.get(column, (0.0, None))
            wanted = f"from {low:g} to {high:g}" if high is not None else "0 or more"
            first = int(bad.argmax())
            example = (
                f"{_line(recording, first)}: {column} {recording.frames[column].iloc[first]:g}"
            )
            names = {"column": column.replace("_", "-"), "value": column, "wanted": wanted}
            advice = _advice(recording, column)
            yield finding("bad-{column}", bad.sum(), example, advice=advice, **names)


def _advice(recording: Recording, column: str) -> str:
    if not is_of_another_unit(recording, column):
        return "--fix leaves the rows out"
    if column != "steering":
        return f"are they percent? Then --columns {column}=COLUMN:100"
    source = f"--columns steering={recording.steering}"
    return (
        f"are they degrees? Then {source}:deg; percent? {source}:100; "
        f"numbers from 1000 to 2000? {source}:1000..2000"
    )


def is_of_another_unit(recording: Recording, column: str) -> bool:
    """Whether more than a quarter of a column's values that are not 0 are beyond 1.

    Then those within 1 mean something else, too, and no row is good.
    """
    values = _finite(recording, column)
    too_large = int(np.count_nonzero(np.abs(values) > 1))
    return column in LIMITS and 4 * too_large > int(np.count_nonzero(np.nan_to_num(values)))


def _finite(recording: Recording, column: str) -> NDArray[np.float64]:
    """A column's values, NaN where they are not finite."""
    values = recording.frames[column].to_numpy(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def duplicates(recording: Recording) -> NDArray[np.bool_]:
    """Mask of the rows whose center image an earlier row names, shape ``(rows,)``."""
    center = recording.frames["center"]
    return (center.duplicated() & (center != "")).to_numpy(dtype=bool)


def check_duplicates(recording: Recording) -> Iterator[Finding]:
    """Rows that name the same center image."""
    again = duplicates(recording)
    if again.any():
        first = int(again.argmax())
        name = Path(recording.frames["center"].iloc[first]).name
        yield finding("duplicate-rows", again.sum(), f"{_line(recording, first)}: {name}")


def _steps_s(recording: Recording) -> NDArray[np.float64]:
    """Seconds from each row to the next, NaN where unknown; shape ``(rows - 1,)``."""
    times = recording.frames["time"].to_numpy()
    return np.diff(times) / np.timedelta64(1, "s")


def check_times(recording: Recording) -> Iterator[Finding]:
    """Gaps between stretches of driving, and times that run backwards."""
    steps_s = _steps_s(recording)
    gaps = steps_s > _GAP_S
    if gaps.any():
        longest = int(np.nanargmax(np.where(gaps, steps_s, np.nan)))
        example = f"{_line(recording, longest + 1)}: {steps_s[longest]:.1f} s"
        yield finding("time-gaps", gaps.sum(), example, gap_s=_GAP_S)
    backwards = steps_s < 0
    if backwards.any():
        first = int(backwards.argmax())
        example = f"{_line(recording, first + 1)}: {steps_s[first]:.1f} s"
        yield finding("time-backwards", backwards.sum(), example)
    if recording.frames["time"].isna().all():
        name = Path(recording.frames["center"].iloc[0]).name
        yield finding("no-times", len(recording.frames), name)


def check_steering(recording: Recording) -> Iterator[Finding]:
    """Constant or stuck steering, single wild values, and a lopsided distribution."""
    steering = _finite(recording, "steering")
    rows = len(steering)
    values = np.unique(steering[np.isfinite(steering)])
    if rows >= _FEW_ROWS and len(values) == 1:
        yield finding("constant-steering", rows, _line(recording, 0), steering=values[0])
        return
    if rows >= _SOME_ROWS and 1 < len(values) <= _FEW_VALUES:
        example = _line(recording, int(np.flatnonzero(steering != 0)[0]))
        words = " or ".join(f"{value:g}" for value in values)
        yield finding("few-steering-values", rows, example, values=words)
    yield from _check_stuck(recording)
    yield from _check_spikes(recording)
    zero, left, right = (int(share.sum()) for share in (steering == 0, steering < 0, steering > 0))
    yield finding("zero-steering", zero, share=zero / rows)
    yield from _check_slow(recording)
    few, many = sorted((left, right))
    middle = float(np.nanmedian(steering)) if len(values) else 0.0
    is_from_0_to_1 = not left and len(values) > 0 and values.max() <= 1
    if rows >= _FEW_ROWS and is_from_0_to_1 and abs(middle - 0.5) < 0.2:
        yield finding(
            "one-sided-steering", rows, _line(recording, 0), middle=middle,
            steering=recording.steering,
        )  # fmt: skip
    elif rows >= _FEW_ROWS and many > _LOPSIDED * few:
        side = "left" if left > right else "right"
        yield finding("lopsided-steering", many - few, side=side, left=left, right=right)


def _check_slow(recording: Recording) -> Iterator[Finding]:
    slow = np.flatnonzero(slow_rows(recording.frames, MIN_SPEED_SHARE))
    if len(slow):
        yield finding("slow", len(slow), _line(recording, int(slow[0])), share=MIN_SPEED_SHARE)


def _check_stuck(recording: Recording) -> Iterator[Finding]:
    frames = recording.frames
    steering = _finite(recording, "steering")
    steps_s = _steps_s(recording)
    moving = (frames["speed_mph"].to_numpy() > _MOVING_MPH) | (
        _lacks_speed(recording) & (frames["throttle"].to_numpy() > 0)
    )
    # A run ends where the value changes, the car stands or the recording pauses.
    joined = (np.diff(steering) == 0) & (steering[1:] != 0) & moving[1:] & moving[:-1]
    joined &= ~(steps_s > _GAP_S) & ~(steps_s < 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], joined, [False]]).astype(np.int8)))
    longest_s, where, count = 0.0, 0, 0
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        run_s = steps_s[start:end].sum()
        if np.isnan(run_s):
            run_s = (end - start) * _STUCK_S / _STUCK_ROWS
        if run_s > _STUCK_S:
            count += 1
            if run_s > longest_s:
                longest_s, where = float(run_s), int(start)
    if count:
        example = f"{_line(recording, where)}: {steering[where]:g} for {longest_s:.1f} s"
        yield finding("stuck-steering", count, example, stuck_s=_STUCK_S)


def _check_spikes(recording: Recording) -> Iterator[Finding]:
    steering = _finite(recording, "steering")
    if len(steering) < 3:
        return
    steps_s = _steps_s(recording)
    before, here, after = steering[:-2], steering[1:-1], steering[2:]
    spikes = np.abs(before - after) < _SPIKE_AGREEMENT
    spikes &= (np.abs(here - before) > _SPIKE) & (np.abs(here - after) > _SPIKE)
    spikes &= (steps_s[:-1] + steps_s[1:]) <= _SPIKE_S
    if spikes.any():
        first = int(spikes.argmax())
        values = f"{before[first]:g}, {here[first]:g}, {after[first]:g}"
        example = f"{_line(recording, first + 1)}: {values}"
        yield finding("steering-spikes", spikes.sum(), example, spike=_SPIKE)


def _line(recording: Recording, row: int) -> str:
    return f"{recording.counts} {recording.lines[row]}"

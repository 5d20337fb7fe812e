"""The doctor's checks on a recording's table: its values, times and steering.

Each check takes the recording and gives findings; none looks into an image.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.data.dataset import MIN_SPEED_SHARE, slow_rows
from ghostlap.data.doctor.findings import Finding, Severity
from ghostlap.data.recordings import Recording
from ghostlap.data.recordings.log_table import NoteKind

LIMITS = {"steering": (-1.0, 1.0), "throttle": (0.0, 1.0), "brake": (0.0, 1.0)}
"""What a value must lie in; speed must be at least 0."""

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

_READING: dict[NoteKind, tuple[Severity, str, str]] = {
    "mended": (
        "warning",
        "rows with decimal commas, mended while reading",
        "--fix writes them with points; set the machine's number format to English",
    ),
    "ambiguous": (
        "warning",
        "rows left out: their decimal commas can be read in several ways",
        "--fix leaves them out",
    ),
    "glued": (
        "warning",
        "lines with several rows, taken apart while reading",
        "--fix writes one row a line",
    ),
    "cut-off": ("warning", "rows left out: cut off where the log ends", "--fix leaves them out"),
    "unreadable": ("warning", "lines left out: not a row of a log", "--fix leaves them out"),
    "text": ("warning", "rows with text where a number belongs", "--fix leaves them out"),
    "header": (
        "note",
        "headers between the rows, passed over: recordings were joined",
        "--fix leaves them out",
    ),
    "columns": (
        "note",
        "kinds of cells that are not read",
        "none needed; --columns chooses others",
    ),
    "deleted": (
        "note",
        "records marked as deleted, passed over",
        "none needed; donkeycar's tub editor brings them back",
    ),
    "pilot": (
        "note",
        "records in which no person steered, passed over",
        "none needed; a pilot's driving is not to be cloned",
    ),
}


def check_reading(recording: Recording) -> Iterator[Finding]:
    """What was mended or left out while the log was read."""
    counts = collections.Counter(note.kind for note in recording.notes)
    for kind, count in counts.items():
        severity, message, fix = _READING[kind]
        first = next(note for note in recording.notes if note.kind == kind)
        yield Finding(
            kind, severity, count, message, f"{recording.counts} {first.line}: {first.message}", fix
        )


def bad_values(recording: Recording) -> NDArray[np.bool_]:
    """The rows with a value that is not finite or out of range, shape ``(rows,)``."""
    bad = np.zeros(len(recording.frames), dtype=bool)
    for column in _checked_columns(recording):
        bad |= _bad_in(recording, column)
    return bad


def _checked_columns(recording: Recording) -> tuple[str, ...]:
    """All with a number, but no speed where the car measures none, as most donkeycars do not."""
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
        yield Finding(
            "no-speed",
            "note",
            len(recording.frames),
            "rows, none with a speed",
            "",
            "none needed; --speed cannot be learned, and slow rows are not found",
        )
    for column in _checked_columns(recording):
        bad = _bad_in(recording, column)
        if bad.any():
            low, high = LIMITS.get(column, (0.0, None))
            wanted = f"from {low:g} to {high:g}" if high is not None else "0 or more"
            first = int(bad.argmax())
            yield Finding(
                f"bad-{column.replace('_', '-')}",
                "error",
                int(bad.sum()),
                f"rows whose {column} is not {wanted}",
                f"{_line(recording, first)}: {column} {recording.frames[column].iloc[first]:g}",
                _advice(recording, column, bad),
            )


def _advice(recording: Recording, column: str, bad: NDArray[np.bool_]) -> str:
    """What to do about bad values: where most of them are too large, the unit is another."""
    values = recording.frames[column].to_numpy()[bad]
    if column == "steering" and len(values) > len(bad) / 4 and np.nanmax(np.abs(values)) > 1:
        return f"are they degrees? Then --columns steering={recording.steering}:deg"
    return "--fix leaves the rows out"


def duplicates(recording: Recording) -> NDArray[np.bool_]:
    """The rows whose center image an earlier row names already, shape ``(rows,)``."""
    center = recording.frames["center"]
    return (center.duplicated() & (center != "")).to_numpy(dtype=bool)


def check_duplicates(recording: Recording) -> Iterator[Finding]:
    """Rows that name the same center image."""
    again = duplicates(recording)
    if again.any():
        first = int(again.argmax())
        yield Finding(
            "duplicate-rows",
            "error",
            int(again.sum()),
            "rows that name an image which an earlier row has",
            f"{_line(recording, first)}: {Path(recording.frames['center'].iloc[first]).name}",
            "--fix keeps the first of each",
        )


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
        yield Finding(
            "time-gaps",
            "note",
            int(gaps.sum()),
            f"gaps of more than {_GAP_S:g} s, which part stretches of driving",
            f"{_line(recording, longest + 1)}: {steps_s[longest]:.1f} s",
            "none needed; stretches are kept apart in training",
        )
    backwards = steps_s < 0
    if backwards.any():
        first = int(backwards.argmax())
        yield Finding(
            "time-backwards",
            "note",
            int(backwards.sum()),
            "places where the time runs backwards: recordings were joined",
            f"{_line(recording, first + 1)}: {steps_s[first]:.1f} s",
            "none needed",
        )
    if recording.frames["time"].isna().all():
        yield Finding(
            "no-times",
            "note",
            len(recording.frames),
            "rows without a time in their image's name or record",
            Path(recording.frames["center"].iloc[0]).name,
            "none needed; 15 frames a second are assumed",
        )


def check_steering(recording: Recording) -> Iterator[Finding]:
    """Constant or stuck steering, single wild values, and how the steering is spread."""
    steering = recording.frames["steering"].to_numpy()
    rows = len(steering)
    values = np.unique(steering[np.isfinite(steering)])
    if rows >= _FEW_ROWS and len(values) == 1:
        yield Finding(
            "constant-steering",
            "error",
            rows,
            f"rows, and all of them steer {values[0]:g}: nothing can be learned",
            _line(recording, 0),
            "record again; check the keys, the mouse or the wheel",
        )
        return
    if rows >= _SOME_ROWS and 1 < len(values) <= _FEW_VALUES:
        yield Finding(
            "few-steering-values",
            "warning",
            rows,
            f"rows steer only {' or '.join(f'{value:g}' for value in values)}, nothing between: "
            "keys, and not what the car made of them",
            _line(recording, int(np.flatnonzero(steering != 0)[0])),
            "record with a mouse, a gamepad or a wheel, or a program that steers smoothly",
        )
    yield from _check_stuck(recording)
    yield from _check_spikes(recording)
    zero, left, right = (int(share.sum()) for share in (steering == 0, steering < 0, steering > 0))
    yield Finding(
        "zero-steering",
        "note",
        zero,
        f"rows steer exactly 0, {zero / rows:.0%} (46 to 80 % is usual with a keyboard)",
        "",
        "none needed; training balances them",
    )
    yield from _check_slow(recording)
    few, many = sorted((left, right))
    if rows >= _FEW_ROWS and many > _LOPSIDED * few:
        yield Finding(
            "lopsided-steering",
            "warning",
            many - few,
            f"more rows to the {'left' if left > right else 'right'}: "
            f"{left} steer left, {right} right",
            "",
            "train with mirrored images (the default), or record a lap the other way round",
        )


def _check_slow(recording: Recording) -> Iterator[Finding]:
    slow = np.flatnonzero(slow_rows(recording.frames, MIN_SPEED_SHARE))
    if len(slow):
        yield Finding(
            "slow",
            "note",
            len(slow),
            f"rows are slower than {MIN_SPEED_SHARE:.0%} of the median: standing, reversing or "
            "turning round",
            _line(recording, int(slow[0])),
            "none needed; training leaves them out (--min-speed-share)",
        )


def _check_stuck(recording: Recording) -> Iterator[Finding]:
    frames = recording.frames
    steering = frames["steering"].to_numpy()
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
        yield Finding(
            "stuck-steering",
            "warning",
            count,
            f"stretches of more than {_STUCK_S:g} s with the same steering, not 0, while moving",
            f"{_line(recording, where)}: {steering[where]:g} for {longest_s:.1f} s",
            "look at them: a gamepad or wheel may have hung",
        )


def _check_spikes(recording: Recording) -> Iterator[Finding]:
    steering = recording.frames["steering"].to_numpy()
    if len(steering) < 3:
        return
    steps_s = _steps_s(recording)
    before, here, after = steering[:-2], steering[1:-1], steering[2:]
    spikes = np.abs(before - after) < _SPIKE_AGREEMENT
    spikes &= (np.abs(here - before) > _SPIKE) & (np.abs(here - after) > _SPIKE)
    spikes &= (steps_s[:-1] + steps_s[1:]) <= _SPIKE_S
    if spikes.any():
        first = int(spikes.argmax())
        yield Finding(
            "steering-spikes",
            "note",
            int(spikes.sum()),
            f"rows whose steering is more than {_SPIKE:g} off the rows around it",
            f"{_line(recording, first + 1)}: {before[first]:g}, {here[first]:g}, {after[first]:g}",
            "none needed if few: taps on a key look so",
        )


def _line(recording: Recording, row: int) -> str:
    return f"{recording.counts} {recording.lines[row]}"

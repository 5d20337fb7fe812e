"""The doctor's findings: every kind, how bad it is, and what to do about it."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
"""``error``: harms training; ``warning``: look at it; ``note``: worth knowing."""

_LEFT_OUT = "--fix leaves out the row, or a side camera's image alone"

_KINDS: dict[str, tuple[Severity, str, str]] = {
    # Reading.
    "mended": (
        "warning", "rows with decimal commas, mended while reading",
        "--fix writes them with points; set the machine's number format to English",
    ),
    "ambiguous": (
        "warning", "rows left out: their decimal commas can be read in several ways",
        "--fix leaves them out",
    ),
    "glued": (
        "warning", "lines with several rows, taken apart while reading",
        "--fix writes one row a line",
    ),
    "cut-off": ("warning", "rows left out: cut off where the log ends", "--fix leaves them out"),
    "unreadable": ("warning", "lines left out: not a row of a log", "--fix leaves them out"),
    "text": ("warning", "rows with text where a number belongs", "--fix leaves them out"),
    "header": (
        "note", "headers between the rows, passed over: recordings were joined",
        "--fix leaves them out",
    ),
    "columns": (
        "note", "kinds of cells that are not read", "none needed; --columns chooses others",
    ),
    "cameras": (
        "note", "column that says whose picture a row has: other cameras' rows are passed over",
        "none needed; ghostlap convert --where takes those of another camera",
    ),
    "deleted": (
        "note", "records marked as deleted, passed over",
        "none needed; donkeycar's tub editor brings them back",
    ),
    "pilot": (
        "note", "records in which no person steered, passed over",
        "none needed; a pilot's driving is not to be cloned",
    ),
    "edited": ("note", "edits that made this recording of others; the last one", "none needed"),
    # Values and times.
    "no-speed": (
        "note", "rows, none with a speed",
        "none needed; --speed cannot be learned, and slow rows are not found",
    ),
    "bad-{column}": ("error", "rows whose {value} is not {wanted}", "{advice}"),
    "duplicate-rows": (
        "error", "rows that name an image which an earlier row has",
        "--fix keeps the first of each",
    ),
    "time-gaps": (
        "note", "gaps of more than {gap_s:g} s, which part stretches of driving",
        "none needed; stretches are kept apart in training",
    ),
    "time-backwards": (
        "note", "places where the time runs backwards: recordings were joined", "none needed",
    ),
    "no-times": (
        "note", "rows without a time in their image's name or record",
        "none needed; 15 frames a second are assumed",
    ),
    # Steering and speed.
    "constant-steering": (
        "error", "rows, and all of them steer {steering:g}: nothing can be learned",
        "record again; check the keys, the mouse or the wheel",
    ),
    "few-steering-values": (
        "warning",
        "rows steer only {values}, nothing between: keys, and not what the car made of them",
        "record with a mouse, a gamepad or a wheel, or a program that steers smoothly",
    ),
    "stuck-steering": (
        "warning",
        "stretches of more than {stuck_s:g} s with the same steering, not 0, while moving",
        "look at them: a gamepad or wheel may have hung",
    ),
    "steering-spikes": (
        "note", "rows whose steering is more than {spike:g} off the rows around it",
        "none needed if few: taps on a key look so",
    ),
    "one-sided-steering": (
        "warning", "rows, none of which steers left, and half of them around {middle:g}",
        "if {middle:g} is straight ahead: --columns steering={steering}:0..1",
    ),
    "zero-steering": (
        "note", "rows steer exactly 0, {share:.0%} (46 to 80 % is usual with a keyboard)",
        "none needed; training balances them",
    ),
    "slow": (
        "note",
        "rows are slower than {share:.0%} of the median: standing, reversing or turning round",
        "none needed; training leaves them out (--min-speed-share)",
    ),
    "lopsided-steering": (
        "warning", "more rows to the {side}: {left} steer left, {right} right",
        "train with mirrored images (the default), or record a lap the other way round",
    ),
    # Images.
    "no-images": ("error", "{problem}", "copy the IMG folder there"),
    "missing-images": (
        "error", "images that the log names are not in {folder}", f"find them, or: {_LEFT_OUT}",
    ),
    "broken-images": ("error", "images cannot be decoded", _LEFT_OUT),
    "odd-sized-images": ("error", "images are not {size} as most are", _LEFT_OUT),
    "orphaned-images": ("note", "images that no row names", "--fix does not copy them"),
    "identical-images": (
        "note", "center images have the same content as another under a different name",
        "none needed if the car stood still",
    ),
    "all-identical-images": (
        "error", "center images have the same content as another under a different name",
        "all are alike: record again",
    ),
    "swapped-cameras": (
        "error", "rows have left and right swapped, by the pixels of {rows} of them",
        "--fix swaps the two columns back",
    ),
}  # fmt: skip
"""Severity, message and fix of each kind."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One problem of a recording, or one fact worth knowing."""

    kind: str
    """Short name for programs, such as ``missing-images``."""
    severity: Severity
    count: int
    """Number of rows, images or gaps, as the message says."""
    message: str
    example: str
    """Place to look at: a line of the log or an image."""
    fix: str
    """Remedy: what ``--fix`` does about it, or what a person should do."""


def finding(kind: str, count: int, example: str = "", **values: Any) -> Finding:
    """A finding of a kind, with the values that its name and message have in them."""
    severity, message, fix = _KINDS[kind]
    name, message, fix = (
        text.format(**values) for text in (kind.removeprefix("all-"), message, fix)
    )
    return Finding(name, severity, int(count), message, example, fix)

"""What would the pilot do if the car stood elsewhere? Its frames are warped, and it is asked.

The warps are those of training (:mod:`ghostlap.data.vision.augment`): a shear about the horizon is
a camera that stands further to the side on flat ground, a shift of the picture a car that points
elsewhere. What a driver should do then is given by the rule that labels follow
(:mod:`ghostlap.data.vision.camera`): steer for the same spot of the road. Where a recording has
side cameras, their own pictures are a check without any warp: they stand 0.83 m to the left and to
the right.

A warp fills what was outside the picture with its last column, and bends what is not flat ground,
so the ends of the ranges say less than their middle.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.files import csv_text, write_text
from ghostlap.data.frame_sampling import SampledFrames
from ghostlap.data.vision.augment import draw
from ghostlap.data.vision.augmentation import Augmentation, RandomRange
from ghostlap.data.vision.camera import SIDE_CAMERA_M, Camera
from ghostlap.pilots.pilot import Pilot

Kind = Literal["sideways_m", "heading_deg"]
Floats = NDArray[np.float64]

MOVES: dict[Kind, Floats] = {
    "sideways_m": SIDE_CAMERA_M * np.linspace(-1.5, 1.5, 13),
    "heading_deg": np.linspace(-9.0, 9.0, 13),
}
"""How far the car is moved to the right, or turned to the right."""

UNIT: dict[Kind, float] = {"sideways_m": SIDE_CAMERA_M, "heading_deg": 5.0}
"""Gains are told for so much, and measured within it, where warps are close to the truth."""

PERCENTILES = (10, 25, 50, 75, 90)


@dataclasses.dataclass(frozen=True, eq=False)
class Response:
    """How steering changes when the car is moved; frames in columns."""

    kind: Kind
    amounts: Floats
    """How far, shape ``(moves,)``."""
    change: Floats
    """Change of the pilot's steering against the frame as it was, shape ``(moves, n)``."""
    rule: Floats
    """What the label rule asks for, shape ``(moves, n)``."""

    @property
    def gains(self) -> Floats:
        """Steering back per :data:`UNIT`, of each frame; shape ``(n,)``."""
        return _gains(self, self.change)

    @property
    def rule_gain(self) -> float:
        """What the label rule asks for per :data:`UNIT`."""
        return float(np.median(_gains(self, self.rule)))


def _gains(response: Response, change: Floats) -> Floats:
    """The slope through 0 by least squares, within one unit; steering back counts positive."""
    unit = UNIT[response.kind]
    near = np.abs(response.amounts) <= unit * 1.001
    amounts = response.amounts[near]
    slopes: Floats = -(amounts @ change[near]) / (amounts @ amounts) * unit
    return slopes


def responses(pilot: Pilot, sampled: SampledFrames, steering_correction: float) -> list[Response]:
    """Ask the pilot about each moment, moved and turned, and the label rule with its gain."""
    before = _steer(pilot, sampled.frames)
    found = []
    for kind, amounts in MOVES.items():
        changes, rules = [], []
        for amount in amounts:
            plan = draw(
                _moved(kind, float(amount)),
                before,
                np.random.default_rng(0),  # nothing is left to chance
                pilot.preprocessing,
                steering_correction,
            )
            cropped = [plan.apply(i, frame) for i, frame in enumerate(sampled.frames)]
            changes.append(pilot.predict_cropped(cropped)[:, 0].astype(np.float64) - before)
            rules.append(plan.steering - before)
        found.append(Response(kind, amounts, np.array(changes), np.array(rules)))
    return found


def side_gains(pilot: Pilot, sampled: SampledFrames) -> Floats:
    """Steering back per 0.83 m between the real side cameras, of each moment that has them."""
    if len(sampled.sides) == 0:
        return np.empty(0)
    left, right = (_steer(pilot, sampled.sides[:, side]) for side in range(2))
    return (left - right) / 2


def _steer(pilot: Pilot, frames: NDArray[np.uint8]) -> Floats:
    return np.asarray(pilot.predict(frames)[:, 0], np.float64)


def _moved(kind: Kind, amount: float) -> Augmentation:
    if kind == "sideways_m":
        return Augmentation(shear=RandomRange(1.0, amount, amount))
    # Of a car that turns to the right, the picture moves to the left.
    px = -Camera().focal_px * math.tan(math.radians(amount))
    return Augmentation(translate=RandomRange(1.0, px, px))


def verdict(response: Response) -> tuple[str, str]:
    """Whether the pilot steers back: ``yes``, ``weakly``, ``too much`` or ``no``; and in words."""
    gain, rule = float(np.median(response.gains)), response.rule_gain
    share = float((response.gains > 0).mean())
    if gain >= 0.5 * rule and share >= 0.9:
        answer = "yes" if gain <= 2 * rule else "too much"
    else:
        answer = "no" if gain < 0.2 * rule else "weakly"
    name, unit = {
        "sideways_m": ("too far to the side", f"{UNIT['sideways_m']:.2f} m"),
        "heading_deg": ("pointing astray", f"{UNIT['heading_deg']:g} degrees"),
    }[response.kind]
    return answer, (
        f"steers back when {name}: {answer}, gain {gain:.2f} per {unit}; label {rule:.2f}; "
        f"right way in {100 * share:.0f} % of {response.change.shape[1]} frames"
    )


def summary(response: Response) -> dict[str, Any]:
    """A response in numbers, for JSON."""
    answer, words = verdict(response)
    low, middle, high = np.percentile(response.gains, (10, 50, 90))
    return {
        "steers_back": answer,
        "verdict": words,
        "gain": float(middle),
        "gain_p10": float(low),
        "gain_p90": float(high),
        "label_gain": response.rule_gain,
        "per": UNIT[response.kind],
        "right_way_share": float((response.gains > 0).mean()),
        "frames": response.change.shape[1],
    }


def write_table(path: Path, found: list[Response]) -> None:
    """Write responses as CSV: a row for each move, with percentiles over the frames."""
    rows = [["kind", "amount", *(f"change_p{p}" for p in PERCENTILES), "label_change", "frames"]]
    for response in found:
        for amount, change, rule in zip(
            response.amounts, response.change, response.rule, strict=True
        ):
            numbers = [*np.percentile(change, PERCENTILES), np.median(rule)]
            written = [f"{amount:.4f}", *(f"{number:.5f}" for number in numbers)]
            rows.append([response.kind, *written, str(len(change))])
    write_text(path, csv_text(*rows))

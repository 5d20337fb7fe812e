"""Offline error: what the pilot would have steered where a person steered."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import ImageError
from ghostlap.data.labels import SteeringError, steering_error
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.pilots.pilot import Pilot
from ghostlap.reports.page import number
from ghostlap.reports.report.charts import Chart, Figure
from ghostlap.reports.report.evaluations import Evaluation
from ghostlap.reports.report.recorded import Recorded

_AT_ONCE = 64
_SHOWN_ERROR = 0.1

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Compared:
    """The pilot's steering beside the person's, frame by frame."""

    pictures: tuple[str, ...]
    person: Floats
    pilot: Floats
    of: int
    """Frames that there were to choose from."""
    held_out: bool
    """Whether the pilot was not trained on any of them."""
    near_copies: bool
    """Whether it was trained on frames a moment before or after them, as a split by image does."""
    unreadable: int

    @property
    def error(self) -> SteeringError:
        return steering_error(self.pilot, self.person)


def compare_with_person(pilot: Pilot, recorded: Recorded, most: int) -> Compared | None:
    """Show the pilot up to ``most`` frames, spread evenly; of the validation part if it is known.

    None where there is no frame that it can look at.
    """
    held_out = recorded.held_out()
    pictures, person = held_out or recorded.all_centre()
    chosen = np.unique(np.linspace(0, len(pictures) - 1, min(most, len(pictures))).astype(int))
    seen: list[int] = []
    answers: list[Floats] = []
    for begin in range(0, len(chosen), _AT_ONCE):
        frames = []
        for index in chosen[begin : begin + _AT_ONCE]:
            try:
                frame = read_rgb(pictures[index])
            except ImageError:
                continue
            if frame.shape == pilot.preprocessing.frame_shape:
                frames.append(frame)
                seen.append(int(index))
        if frames:
            answers.append(pilot.predict(np.stack(frames))[:, 0].astype(np.float64))
    steering = np.concatenate(answers) if answers else np.empty(0)
    known = np.isfinite(steering)
    if not known.any():
        return None
    kept = np.array(seen)[known]
    return Compared(
        pictures=tuple(pictures[index] for index in kept),
        person=person[kept],
        pilot=steering[known],
        of=len(pictures),
        held_out=held_out is not None,
        near_copies=recorded.training is not None and recorded.training.split == "image",
        unreadable=len(chosen) - len(kept),
    )


def section(pilot: Pilot, compared: Compared | None, found: Sequence[Evaluation]) -> dict[str, Any]:
    """Scatter, errors and their histogram, and what training and ``--against`` measured."""
    return {
        "rows": _rows(compared, pilot.description.get("metrics"), found),
        "charts": [_scatter(compared), _errors(compared)] if compared else [],
        "basis": _basis(compared) if compared else "",
    }


def _basis(compared: Compared) -> str:
    count = len(compared.person)
    text = f"{count:,} of {compared.of:,} centre frames, spread evenly over "
    if compared.held_out:
        text += "the validation part, which the pilot was not trained on. "
        text += "Like the training part it is balanced: bends count more there than on the road."
        if compared.near_copies:
            text += " Split by image: it was trained on near-copies of them, so the error flatters."
    else:
        text += (
            "the recordings. The split of the training cannot be drawn again from them, so most "
            "of these frames may have been trained on, and the error may flatter."
        )
    if compared.unreadable:
        text += f" {compared.unreadable} more cannot be read or answered and are left out."
    return text


def _rows(compared: Compared | None, metrics: Any, found: Sequence[Evaluation]) -> list[list[str]]:
    rows = []
    if compared is not None:
        name = "validation, centre" if compared.held_out else "recordings, centre"
        error = dataclasses.asdict(compared.error)
        rows.append(_row(f"{name} (charts)", f"{len(compared.person):,}", error))
    validation = metrics.get("validation") if isinstance(metrics, dict) else None
    if isinstance(validation, dict):
        rows.append(_row("validation, all cameras (training)", "all", validation))
    for one in found:
        for against in one.against:
            where = f"{Path(against['recording']).name} ({one.folder.name})"
            rows.append(_row(where, f"{against['moments']:,}", against["error"]))
    return rows


def _row(name: str, count: str, error: dict[str, Any]) -> list[str]:
    def cell(key: str, digits: int) -> str:
        value = error.get(key)
        return number(value if isinstance(value, float) else None, digits)

    return [
        name, count, cell("pearson_r", 3), cell("mae", 4), cell("zero_mae", 4), cell("mse", 4),
        cell("zero_mse", 4),
    ]  # fmt: skip


def _scatter(compared: Compared) -> Figure:
    values = np.concatenate([compared.person, compared.pilot])
    limit = min(max(0.1, float(np.abs(values).max()) * 1.05), 1.5)
    chart = Chart((-limit, limit), (-limit, limit), "the person's steering", "the pilot's", 350)
    chart.line([-limit, limit], [0, 0], "centre")
    chart.line([-limit, limit], [-limit, limit], "limit")
    shown = np.clip(compared.pilot, -limit, limit)
    chart.points(compared.person, shown, "data cloud")
    error = compared.error
    chart.text(56, 40, f"r = {number(error.pearson_r, 3)}", kind="strong")
    chart.text(56, 56, f"MAE = {number(error.mae, 3)}", kind="strong")
    alt = (
        f"The pilot's steering over the person's in {len(values) // 2} frames: Pearson r "
        f"{error.pearson_r:.3f}, mean absolute error {error.mae:.3f}."
    )
    return Figure(
        chart.svg(alt),
        "The pilot's steering over the person's",
        "On the dashed diagonal both steer alike; left is negative.",
    )


def _errors(compared: Compared) -> Figure:
    errors = compared.pilot - compared.person
    limit = max(float(np.percentile(np.abs(errors), 99)) * 1.1, 0.02)
    edges = np.linspace(-limit, limit, 42)
    counts = np.histogram(np.clip(errors, -limit, limit), edges)[0].astype(float)
    chart = Chart((-limit, limit), (0, counts.max() * 1.05), "pilot minus person", "frames", 350)
    chart.bars(edges, counts, "fill-data")
    chart.upright(0, "limit")
    within = float(np.mean(np.abs(errors) <= _SHOWN_ERROR))
    bias = number(float(errors.mean()), 3, sign=True)
    alt = f"Histogram of steering errors: {within:.0%} within {_SHOWN_ERROR:g}, mean {bias}."
    return Figure(
        chart.svg(alt),
        "Error",
        f"{within:.0%} of frames within \N{PLUS-MINUS SIGN}{_SHOWN_ERROR:g}; on average {bias}. "
        "The outermost bars hold all beyond them.",
    )

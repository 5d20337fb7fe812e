"""Training curves, from ``history.csv``."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.files import open_text
from ghostlap.reports.page import number
from ghostlap.reports.report.charts import Chart, Figure

HISTORY_FILE = "history.csv"

_MOST_BYTES = 8_000_000
_MOST_TICKS = 6


def section(run: Path, told: dict[str, Any]) -> dict[str, Any]:
    """Loss over the epochs."""
    shown: dict[str, Any] = {"absent": False, "problems": [], "chart": None}
    try:
        history, junk = read_history(run / HISTORY_FILE)
    except FileNotFoundError:
        return shown | {"absent": True}
    except (OSError, ValueError, csv.Error) as error:
        return shown | {"problems": [f" cannot be read: {error}"]}
    if junk:
        shown["problems"].append(f": {junk} rows hold no epoch and losses, and are left out.")
    if not history:
        shown["problems"].append(" holds no epoch.")
        return shown
    return shown | {"chart": _losses(history), "lines": _in_words(history, told)}


def read_history(path: Path) -> tuple[list[tuple[int, float, float]], int]:
    """Epoch, training loss and validation loss of each row, and how many rows are junk.

    Raises:
        OSError: it cannot be read.
        ValueError: it has other columns, or is far too large.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    with open_text(path) as file:
        reader = csv.DictReader(file)
        absent = {"epoch", "loss", "val_loss"} - set(reader.fieldnames or ())
        if absent:
            raise ValueError(f"it has no column {', '.join(sorted(absent))}.")
        history, junk = [], 0
        for row in reader:
            try:
                epoch = int(float(row["epoch"]))
                losses = float(row["loss"]), float(row["val_loss"])
                if not all(map(math.isfinite, losses)):
                    raise ValueError
            except (TypeError, ValueError, OverflowError):
                junk += 1
                continue
            history.append((epoch, *losses))
    return history, junk


def _losses(history: list[tuple[int, float, float]]) -> Figure:
    epochs, ours, theirs = (np.array(column, float) for column in zip(*history, strict=True))
    best = int(np.argmin(theirs))
    top = float(max(ours.max(), theirs.max())) * 1.05 or 1.0
    step = max(1, -(-len(set(epochs)) // _MOST_TICKS))
    chart = Chart(
        (epochs.min(), epochs.max()), (0, top), "epoch", "loss",
        x_ticks=sorted(set(epochs))[::step],
    )  # fmt: skip
    chart.upright(epochs[best], "limit", f"lowest: epoch {epochs[best]:.0f}")
    chart.line(epochs, ours, "data")
    chart.points(epochs, ours, "data")
    chart.line(epochs, theirs, "other")
    chart.points(epochs, theirs, "other")
    alt = (
        f"Loss over {len(history)} epochs: training ends at {ours[-1]:.4f}, validation at "
        f"{theirs[-1]:.4f}; its lowest is {theirs[best]:.4f} in epoch {epochs[best]:.0f}."
    )
    key = [("stroke-data", "training"), ("stroke-other", "validation")]
    return Figure(chart.svg(alt), "Loss", key=key)


def _in_words(history: list[tuple[int, float, float]], told: dict[str, Any]) -> dict[str, str]:
    _, last_loss, last_validation = history[-1]
    lines = {
        "epochs": str(len(history)),
        "training loss, last": number(last_loss, 4),
        "validation loss, last": number(last_validation, 4),
        "validation loss, lowest": number(min(row[2] for row in history), 4),
    }
    if isinstance(told.get("best_epoch"), int):
        lines["this pilot is of epoch"] = str(told["best_epoch"])
    for name, text in (("training_samples", "trained on"), ("validation_samples", "validated on")):
        if isinstance(told.get(name), int):
            lines[text] = f"{told[name]:,} samples"
    if told.get("select_by") == "driving":
        lines["epoch chosen by"] = "driving"
    return lines

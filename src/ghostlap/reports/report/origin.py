"""Where the pilot comes from: options, preprocessing, versions, files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ghostlap.pilots.pilot import Pilot
from ghostlap.reports.report.evaluations import Evaluation
from ghostlap.reports.report.parts import Section, facts, grid, missing

_NOT_OPTIONS = {
    "preprocessing", "recordings_seen", "candidates", "best_epoch", "val_loss", "resume",
    "training_samples", "validation_samples", "cache", "workers",
}  # fmt: skip
_LONGEST = 400


def section(pilot: Pilot, found: list[Evaluation]) -> Section:
    """Everything that a training was told, and what it ran with."""
    told = pilot.description
    boxes = []
    training = told.get("training")
    html = ""
    if isinstance(training, dict) and training:
        options = {name: one for name, one in training.items() if name not in _NOT_OPTIONS}
        boxes.append(facts(_in_words(options), "Training"))
    else:
        html = missing("`pilot.json` does not tell how the pilot was trained.")
    shape = pilot.preprocessing.input_shape
    pilot_lines = {
        "outputs": ", ".join(map(str, pilot.outputs)),
        "network's input": " \N{MULTIPLICATION SIGN} ".join(map(str, shape)),
        **_in_words(told.get("preprocessing", {})),
    }
    boxes.append(facts(pilot_lines, "Pilot and preprocessing"))
    versions = told.get("versions")
    if isinstance(versions, dict) and versions:
        boxes.append(facts(_in_words(versions), "Versions"))
    else:
        html += missing("`pilot.json` names no versions.")
    if found:
        best = found[0]
        lines = {
            "evaluation": best.folder.name,
            "conditions": best.conditions,
            "small pushes": "yes" if best.pushes else "no",
            "speed limit": f"{best.speed_limit_mph:g} mph",
        }
        if best.machine:
            lines["processor"] = best.machine
        boxes.append(facts(lines, "Evaluation on top of the page"))
    return Section("origin", "Configuration and versions", html + grid(*boxes, kind="boxes"))


def _in_words(values: Mapping[str, Any]) -> dict[str, str]:
    words = {}
    for name, value in values.items():
        if isinstance(value, (list, tuple)):
            text = ", ".join(map(str, value))
        elif value is None:
            text = "none"
        elif isinstance(value, bool):
            text = "yes" if value else "no"
        else:
            text = str(value)
        words[str(name).replace("_", " ")] = text[:_LONGEST]
    return words

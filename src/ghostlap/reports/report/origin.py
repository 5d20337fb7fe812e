"""Where the pilot comes from: options, preprocessing, versions, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ghostlap.pilots.pilot import Pilot
from ghostlap.reports.report.evaluations import Evaluation

_NOT_OPTIONS = {
    "preprocessing", "recordings_seen", "candidates", "best_epoch", "val_loss", "resume",
    "training_samples", "validation_samples", "cache", "workers",
}  # fmt: skip
_LONGEST = 400
TIMES = "\N{MULTIPLICATION SIGN}"


def section(pilot: Pilot, found: Sequence[Evaluation]) -> dict[str, Any]:
    """Everything that a training was told, and what it ran with."""
    told = pilot.description
    training, versions = (told.get(name) for name in ("training", "versions"))
    training = training if isinstance(training, dict) else {}
    best = found[0] if found else None
    evaluation = best and {
        "evaluation": best.folder.name,
        "conditions": best.conditions,
        "small pushes": "yes" if best.pushes else "no",
        "speed limit": f"{best.speed_limit_mph:g} mph",
        **({"processor": best.machine} if best.machine else {}),
    }
    return {
        "training": _in_words({n: one for n, one in training.items() if n not in _NOT_OPTIONS}),
        "pilot": {
            "outputs": ", ".join(map(str, pilot.outputs)),
            "network's input": f" {TIMES} ".join(map(str, pilot.preprocessing.input_shape)),
            **_in_words(told.get("preprocessing", {})),
        },
        "versions": _in_words(versions if isinstance(versions, dict) else {}),
        "evaluation": evaluation,
    }


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

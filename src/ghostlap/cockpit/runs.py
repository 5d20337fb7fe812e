"""What a list of runs says of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ghostlap.base.errors import PilotError
from ghostlap.base.files import read_json
from ghostlap.cockpit.remembered import Remembered
from ghostlap.driving.metrics import in_words
from ghostlap.pilots.pilot import PILOT_FILE, read_description
from ghostlap.pilots.saliency import SALIENCY_FILE

EVALUATION_FILE = "evaluation.json"
"""The name in :mod:`ghostlap.driving.evaluation.folder`, which needs the simulator's libraries."""
_EVALUATIONS = "evaluate"
_MOST_BYTES = 16 * 1024 * 1024


class RunFacts:
    """Facts of runs, read again when their files change; any thread may ask."""

    def __init__(self) -> None:
        self._remembered: Remembered[dict[str, Any]] = Remembered()

    def of(self, folder: Path) -> dict[str, Any]:
        """``outputs``, what was ``measured`` by its last evaluation, and ``has_saliency``."""
        newest = _newest_evaluation(folder)
        files = folder / PILOT_FILE, folder / SALIENCY_FILE, newest
        stamp = [None if file is None else _stamp(file) for file in files]
        return self._remembered.of(
            folder,
            stamp,
            lambda: {
                "outputs": _outputs(folder),
                "measured": "" if newest is None else _measured_in(newest),
                "has_saliency": (folder / SALIENCY_FILE).is_file(),
            },
        )


def _outputs(folder: Path) -> list[str]:
    try:
        outputs = read_description(folder).get("outputs")
    except PilotError:
        return []
    return [str(name) for name in outputs] if isinstance(outputs, list) else []


def _newest_evaluation(folder: Path) -> Path | None:
    try:
        found = [one / EVALUATION_FILE for one in (folder / _EVALUATIONS).iterdir()]
    except OSError:
        return None
    stamped = [(stamp, path) for path in found if (stamp := _stamp(path)) is not None]
    return max(stamped)[1] if stamped else None


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _measured_in(evaluation: Path) -> str:
    """The figures, in words, of the track on which it drove worst without hardships."""
    try:
        lines = [
            line
            for line in read_json(evaluation, _MOST_BYTES)["lines"]
            if line["driver"] == "pilot" and line["stress"] == "none"
        ]
        worst = min(lines, key=lambda line: float(line["autonomy_percent"]), default=None)
        return "" if worst is None else f"{str(worst['track'])[:60]}: {in_words(worst)}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""

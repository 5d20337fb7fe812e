"""What a list of runs says of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ghostlap.base.errors import PilotError
from ghostlap.cockpit.remembered import Remembered
from ghostlap.driving.measured import newest_evaluation, stamp_of, worst_line
from ghostlap.driving.metrics import in_words
from ghostlap.pilots.run_folder import PILOT_FILE, read_description
from ghostlap.pilots.saliency import SALIENCY_FILE


def run_facts(folder: Path, known: Remembered[dict[str, Any]]) -> dict[str, Any]:
    """``outputs``, what was ``measured`` by the last evaluation, and ``has_saliency``.

    Read again when the run's files have changed.
    """
    newest = newest_evaluation(folder)
    files = folder / PILOT_FILE, folder / SALIENCY_FILE, newest
    return known.of(
        folder,
        [None if file is None else stamp_of(file) for file in files],
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


def _measured_in(evaluation: Path) -> str:
    """The figures, in words, of the track on which it drove worst without hardships."""
    worst = worst_line(evaluation)
    return "" if worst is None else f"{str(worst.get('track'))[:60]}: {in_words(worst)}"

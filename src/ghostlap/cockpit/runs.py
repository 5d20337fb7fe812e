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


class RunFacts:
    """Facts of runs, read again when their files change; any thread may ask."""

    def __init__(self) -> None:
        self._remembered: Remembered[dict[str, Any]] = Remembered()

    def of(self, folder: Path) -> dict[str, Any]:
        """``outputs``, what was ``measured`` by its last evaluation, and ``has_saliency``."""
        newest = newest_evaluation(folder)
        files = folder / PILOT_FILE, folder / SALIENCY_FILE, newest
        stamp = [None if file is None else stamp_of(file) for file in files]
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


def _measured_in(evaluation: Path) -> str:
    """The figures, in words, of the track on which it drove worst without hardships."""
    worst = worst_line(evaluation)
    return "" if worst is None else f"{str(worst.get('track'))[:60]}: {in_words(worst)}"

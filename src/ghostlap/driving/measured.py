"""What the last evaluation of a run came to, read from its folder; needs no simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ghostlap.base.files import read_json

EVALUATION_FILE = "evaluation.json"
_EVALUATIONS = "evaluate"
_MOST_BYTES = 16 * 1024 * 1024


def newest_evaluation(run: Path) -> Path | None:
    """The file of a run's last evaluation; None where there is none."""
    try:
        found = [one / EVALUATION_FILE for one in (run / _EVALUATIONS).iterdir()]
    except OSError:
        return None
    stamped = [(stamp, path) for path in found if (stamp := stamp_of(path)) is not None]
    return max(stamped)[1] if stamped else None


def stamp_of(file: Path) -> tuple[int, int] | None:
    """Changes whenever a file does; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def worst_line(evaluation: Path) -> dict[str, Any] | None:
    """The line of an evaluation about the track on which the pilot drove worst, without hardships.

    Its ``autonomy_percent`` is a number; nothing else of it is certain.
    """
    try:
        lines = [
            {**line, "autonomy_percent": float(line["autonomy_percent"])}
            for line in read_json(evaluation, _MOST_BYTES)["lines"]
            if line["driver"] == "pilot" and line["stress"] == "none"
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return min(lines, key=lambda line: line["autonomy_percent"], default=None)

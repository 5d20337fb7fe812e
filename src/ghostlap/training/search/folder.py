"""The folder of a search: its finished trials, safe from kills, and who may write to it.

Trials are kept as JSON of our own, not in Optuna's storage: people can read it, it survives an
update of Optuna, and a trial that was under way when the process died leaves nothing to clean up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostlap.base.earlier_names import todays_names
from ghostlap.base.errors import TrainingError
from ghostlap.base.files import MAX_RESULTS_BYTES, read_json, write_json
from ghostlap.base.options import differing
from ghostlap.base.so_far import tell
from ghostlap.data.provenance import versions
from ghostlap.training.search.trial import Trial

SEARCH_FILE = "search.json"
"""The search's options and its finished trials; rewritten whole after each trial."""


def read_trials(out: Path, search: dict[str, Any]) -> list[Trial]:
    """The finished trials of earlier calls of this very search.

    Raises:
        TrainingError: they cannot be read, or are of another search.
    """
    path = out / SEARCH_FILE
    if not path.exists():
        return []
    try:
        saved = todays_names(read_json(path, MAX_RESULTS_BYTES))
        before = {"at_once": 1, **saved["search"]}  # an earlier version did not know of it
        trials = [Trial.from_json(values) for values in saved["trials"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}). Name another --out.") from error
    if changed := differing(before, search):
        raise TrainingError(
            f"{out}: a search is continued with the options that it began with. Differing: "
            f"{changed}. Name another --out for another search."
        )
    return trials


def save_trials(out: Path, search: dict[str, Any], trials: Sequence[Trial]) -> None:
    """Write them so that a kill leaves the trials before the last, or all."""
    values = {"search": search, "trials": [dataclasses.asdict(trial) for trial in trials]}
    write_json(out / SEARCH_FILE, {**values, "versions": versions()})
    tell(out, lambda: values)

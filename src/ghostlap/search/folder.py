"""The folder of a search: its finished trials, safe from kills, and who may write to it.

Trials are kept as JSON of our own, not in Optuna's storage: people can read it, it survives an
update of Optuna, and a trial that was under way when the process died leaves nothing to clean up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ghostlap.errors import TrainingError
from ghostlap.files import write_json
from ghostlap.provenance import versions
from ghostlap.search.trial import Trial

SEARCH_FILE = "search.json"
"""The search's options and its finished trials; rewritten whole after each trial."""

_LOCK_FILE = ".lock"


@contextlib.contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Make the folder, and keep a second search from writing into it meanwhile.

    Raises:
        TrainingError: it holds something else, cannot be made, or another search is at work there.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(out / _LOCK_FILE)
    try:
        if out.exists() and not (out / SEARCH_FILE).exists():
            others = [path.name for path in out.iterdir() if path.name != _LOCK_FILE]
            if others:
                raise TrainingError(
                    f"{out}: the folder holds {others[0]} and no search. Name another --out."
                )
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except OSError as error:  # Timeout is one too
        if isinstance(error, Timeout):
            raise TrainingError(
                f"{out}: another search is at work there. Wait for it, or name another --out."
            ) from error
        raise TrainingError(f"{out}: cannot be written ({error.strerror}).") from error
    try:
        yield
    finally:
        lock.release()


def read_trials(out: Path, search: dict[str, Any]) -> list[Trial]:
    """The finished trials of earlier calls.

    Args:
        out: folder of the search.
        search: what makes it this search and no other, as JSON values.

    Raises:
        TrainingError: they cannot be read, or are of another search.
    """
    path = out / SEARCH_FILE
    if not path.exists():
        return []
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        before = dict(saved["search"])
        trials = [Trial.from_json(values) for values in saved["trials"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}). Name another --out.") from error
    differing = [
        f"{name} was {before.get(name)}, now {value}"
        for name, value in search.items()
        if before.get(name) != value
    ]
    if differing:
        raise TrainingError(
            f"{out}: a search is continued with the options that it began with. Differing: "
            f"{'; '.join(differing)}. Name another --out for another search."
        )
    return trials


def save_trials(out: Path, search: dict[str, Any], trials: Sequence[Trial]) -> None:
    """Write them so that a kill leaves the trials before the last, or all."""
    write_json(
        out / SEARCH_FILE,
        {
            "search": search,
            "trials": [dataclasses.asdict(trial) for trial in trials],
            "versions": versions(),
        },
    )

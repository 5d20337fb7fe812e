"""Recordings and runs that a page may name: names only, never paths.

A recording is a folder with a log in the recordings folder; a drive is one in a run folder, and is
named ``RUN:DRIVE``. Deleting moves a folder to ``.trash`` beside it, from where it can be restored;
only emptying the trash deletes anything.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ghostlap.base.errors import CockpitError, FolderError, GhostlapError
from ghostlap.base.files import is_link, own_folder, refuse_link, remove
from ghostlap.base.folder_lock import FolderLock
from ghostlap.cockpit.remembered import Remembered
from ghostlap.cockpit.runs import run_facts
from ghostlap.data.recordings.driving_log import LOG_NAME, read_log
from ghostlap.data.recordings.image_names import NO_TIME
from ghostlap.data.recordings.log_table import MAX_ROWS, DrivingLog
from ghostlap.data.recordings.recorder import remove_unfinished_pictures
from ghostlap.pilots.run_folder import BUILT_IN, PILOT_FILE

TRASH = ".trash"
_BETWEEN = ":"
_MOST_ENTRIES = 500
"""Most entries that are read of a folder, and that are listed."""
_MOST_NAMED = 8
_GAP_MS = 1000
"""A longer pause between two rows is not driven time."""


class Library:
    """What there is in two folders, of which one may not be there yet; any thread may ask."""

    def __init__(self, recordings: Path, runs: Path) -> None:
        self.recordings, self.runs = recordings, runs
        self._lock = threading.Lock()
        """Guards what is remembered; nobody holds it while files are read or moved."""
        self._moves = threading.Lock()
        self._runs: Remembered[dict[str, Any]] = Remembered()
        self._facts: Remembered[dict[str, Any]] = Remembered()
        self._logs: dict[Path, tuple[object, DrivingLog]] = {}

    def tidy(self) -> None:
        """Take away what a killed cockpit left of a recording's last picture."""
        for folder in filter(_is_recording, _folders(self.recordings)):
            with contextlib.suppress(OSError, GhostlapError):
                refuse_link(folder / "IMG")
                with FolderLock(folder):
                    remove_unfinished_pictures(folder)

    def names(self) -> dict[str, Path]:
        """The folders of all recordings and drives, by name."""
        found = {path.name: path for path in _folders(self.recordings) if _is_recording(path)}
        for run in _folders(self.runs):
            for path in _folders(run):
                if _is_recording(path) and len(found) < _MOST_ENTRIES:
                    found[f"{run.name}{_BETWEEN}{path.name}"] = path
        return found

    def folder(self, name: str) -> Path:
        """The folder of a recording or a drive.

        Raises:
            CockpitError: there is none of that name.
        """
        return _named(name, self.names(), "recording")

    def run_names(self) -> dict[str, Path]:
        """The folders of all finished runs, by name, and of the pilots that come along."""
        folders = [*_folders(BUILT_IN), *_folders(self.runs)]
        return {path.name: path for path in folders if (path / PILOT_FILE).is_file()}

    def run_folder(self, name: str) -> Path:
        """The folder of a run.

        Raises:
            CockpitError: there is none of that name.
        """
        return _named(name, self.run_names(), "run")

    def new_recording(self, name: str) -> Path:
        """A folder that is not there yet, named so or nearly."""
        return _free(self.recordings / name)

    def list_recordings(self) -> list[dict[str, Any]]:
        """Name, rows, seconds, thumbnail, kind and completeness of each, the newest first."""
        listed = []
        for name, folder in self.names().items():
            with contextlib.suppress(OSError):
                facts = self._facts.of(folder, stamp_of(folder), partial(_read_facts, folder))
                picture = f"/api/recordings/{_quoted(name)}/frames/{facts['rows'] // 2}.jpg"
                listed.append(
                    {"name": name, **facts, "thumbnail": picture if facts["rows"] else None,
                     "kind": "drive" if _BETWEEN in name else "recording"}
                )  # fmt: skip
        listed.sort(key=lambda one: str(one["name"]), reverse=True)
        return listed

    def list_runs(self) -> list[dict[str, Any]]:
        """Name, outputs, what was measured and whether there is a saliency, of each."""
        return [
            {"name": name, **run_facts(folder, self._runs)}
            for name, folder in sorted(self.run_names().items())
        ]

    def log(self, name: str) -> tuple[Path, DrivingLog]:
        """A recording's folder and its log, as long as it does not change read once.

        Raises:
            CockpitError: there is no such recording.
            RecordingError: it cannot be read.
        """
        folder = self.folder(name)
        stamp = stamp_of(folder)
        with self._lock:
            known = self._logs.get(folder)
        if known is None or known[0] != stamp:
            read = stamp, read_log(folder / LOG_NAME)  # which may take long
            with self._lock:
                known = self._logs.pop(folder, None)
                if known is None or known[0] != stamp:  # nobody else was quicker
                    known = read
                self._logs[folder] = known
                while len(self._logs) > 1 and self._kept_rows() > MAX_ROWS:
                    del self._logs[next(iter(self._logs))]
        return folder, known[1]

    def _kept_rows(self) -> int:
        return sum(len(log) for _, log in self._logs.values())

    def trash_names(self) -> dict[str, Path]:
        """What lies in the trash, by the name that it had."""
        found = {path.name: path for path in _thrown_away(self.recordings)}
        for run in _folders(self.runs):
            for path in _thrown_away(run):
                found[f"{run.name}{_BETWEEN}{path.name}"] = path
        return found

    def throw_away(self, name: str) -> None:
        """Move a recording to the trash.

        Raises:
            CockpitError: there is none of that name, or it cannot be moved.
        """
        with self._moves:
            folder = self.folder(name)
            with _moving(name), FolderLock(folder, CockpitError) as lock:
                trash = own_folder(folder.parent / TRASH, CockpitError)
                lock.move_to(_free(trash / folder.name))

    def restore(self, name: str) -> None:
        """Move it back.

        Raises:
            CockpitError: it is not in the trash, or a recording has its name by now.
        """
        with self._moves:
            folder = _named(name, self.trash_names(), "recording in the trash")
            back = folder.parent.parent / folder.name
            if back.exists():
                raise CockpitError(f"{name} cannot be restored: there is one of this name again.")
            with _moving(name), FolderLock(folder, CockpitError) as lock:
                lock.move_to(back)

    def empty_trash(self) -> int:
        """Delete what lies in the trash; gives how many."""
        with self._moves:
            doomed = self.trash_names()
            for name, folder in doomed.items():
                with _moving(name):
                    remove(folder, folder.parent.parent)
        return len(doomed)

    def free_gb(self) -> float:
        """Free space where recordings go."""
        folder = self.recordings.absolute()
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free / 1e9


def stamp_of(folder: Path) -> tuple[int, int, int]:
    """Changes whenever a recording does."""
    log = (folder / LOG_NAME).stat()
    return log.st_mtime_ns, log.st_size, folder.stat().st_mtime_ns


def _read_facts(folder: Path) -> dict[str, Any]:
    try:
        log = read_log(folder / LOG_NAME)
    except GhostlapError:
        return {"rows": 0, "seconds": 0.0, "complete": False}
    whole = not any(note.kind == "cut-off" for note in log.notes)
    return {"rows": len(log), "seconds": driven_s(log), "complete": whole}


def driven_s(log: DrivingLog) -> float:
    """Time that a log's rows cover, without the pauses between."""
    times = [time_ms for time_ms in log.times_ms if time_ms != NO_TIME]
    steps = (after - before for before, after in itertools.pairwise(times))
    return sum(step for step in steps if 0 < step <= _GAP_MS) / 1000


def _folders(parent: Path) -> Iterator[Path]:
    """The folders in a folder that are no links and not hidden, in the order of their names."""
    try:
        with os.scandir(parent) as entries:
            names = [
                entry.name
                for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False)
                if entry.is_dir(follow_symlinks=False)
                and not entry.name.startswith(".")
                and _can_be_asked_for(entry.name)
            ]
    except OSError:
        return
    yield from (parent / name for name in sorted(names))


def _can_be_asked_for(name: str) -> bool:
    """Whether a name is text; on some systems it can be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _thrown_away(parent: Path) -> Iterator[Path]:
    """What lies in the trash of a folder; nothing where that is a link to elsewhere."""
    if not is_link(parent / TRASH):
        yield from _folders(parent / TRASH)


def _is_recording(folder: Path) -> bool:
    return (folder / LOG_NAME).is_file()


def _named(name: str, known: dict[str, Path], what: str) -> Path:
    if name not in known:
        there = ", ".join(itertools.islice(known, _MOST_NAMED)) or "none"
        raise CockpitError(f"There is no {what} {name[:80]!r} here. There is: {there}.")
    return known[name]


def _free(folder: Path) -> Path:
    """The same path, or with -2, -3, … where it is taken."""
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


@contextlib.contextmanager
def _moving(name: str) -> Iterator[None]:
    try:
        yield
    except FolderError as error:
        raise CockpitError(str(error)) from error
    except OSError as error:
        raise CockpitError(f"{name}: cannot be moved or deleted ({error.strerror}).") from error


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")

"""One run of the attacks: its options, what it has tried so far, and what did not hold."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar

Fault = Literal["lost", "hung", "crashed", "let in", "memory"]
FAULTS: tuple[Fault, ...] = ("lost", "hung", "crashed", "let in", "memory")
"""What may not happen: data differ or are gone; no end within its time; a traceback, a signal or a
5xx; somebody came where he may not; a process grew beyond what it is allowed."""

USUAL_MB = 300.0
TRAINING_MB = 1500.0
_KEPT_FINDINGS = 3
"""Of one fault in one row, whose files are kept; all are counted."""

Task = TypeVar("Task")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One time that something did not hold."""

    row: str
    fault: Fault
    what: str
    repeat: str
    """The command that does it again."""
    kept: str = ""
    """The folder with the files of it."""


@dataclasses.dataclass
class Row:
    """One line of the table: one kind of attack on one thing."""

    name: str
    """``kind/part``."""
    allowed_mb: float = USUAL_MB
    count: int = 0
    peak_mb: float = 0.0
    seconds: float = 0.0
    faults: dict[Fault, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    remarks: list[str] = dataclasses.field(default_factory=list)

    @property
    def held(self) -> bool:
        return not any(self.faults.values())


class Campaign:
    """What all attacks of a run share; may be used by several threads.

    Args:
        seed: everything random follows from it, a row's name and an attempt's number.
        folder: for files while it runs.
        findings_folder: where the files of what did not hold are kept.
        only: the row to attack, ``kind/part``; "" for all.
        attempt: the one attempt to make; None for as many as there is time for.
        workers: attempts at the same time.
        say: tells a person.
    """

    def __init__(
        self,
        seed: int,
        folder: Path,
        findings_folder: Path,
        *,
        only: str = "",
        attempt: int | None = None,
        workers: int = 2,
        say: Callable[[str], None] = print,
    ) -> None:
        self.seed, self.folder, self.findings_folder = seed, folder, findings_folder
        self.only, self.attempt, self.workers, self.say = only, attempt, workers, say
        self.rows: dict[str, Row] = {}
        self.findings: list[Finding] = []
        self.shared: dict[str, Any] = {}
        """What one kind of attack has made and others use, too."""
        self.at_the_end = contextlib.ExitStack()
        self._lock = threading.Lock()

    def wants(self, name: str) -> bool:
        """Whether a row, or any row of a kind, is to be attacked."""
        return not self.only or f"{self.only}/".startswith(f"{name}/") or self.of_only(name)

    def of_only(self, name: str) -> bool:
        return f"{name}/".startswith(f"{self.only}/")

    def attempts(self, until: float, most: int | None = None) -> Iterator[int]:
        """The numbers of the attempts to make: one, or from 0 while there is time.

        Args:
            until: by ``time.monotonic()``; the first is made in any case.
            most: no more than so many.
        """
        if self.attempt is not None:
            yield self.attempt
            return
        number = 0
        while (number == 0 or time.monotonic() < until) and (most is None or number < most):
            yield number
            number += 1

    def chance(self, name: str, attempt: int) -> random.Random:
        """Where an attempt takes its randomness from."""
        return random.Random(f"{self.seed}/{name}/{attempt}")

    def row(self, name: str, allowed_mb: float = USUAL_MB) -> Row:
        with self._lock:
            return self.rows.setdefault(name, Row(name, allowed_mb))

    def tried(self, name: str, *, count: int = 1, peak_mb: float = 0.0, seconds: float = 0) -> None:
        row = self.row(name)
        with self._lock:
            row.count += count
            row.peak_mb = max(row.peak_mb, peak_mb)
            row.seconds += seconds

    def found(
        self,
        name: str,
        fault: Fault,
        what: str,
        attempt: int,
        files: Iterable[Path] = (),
        times: int = 1,
    ) -> None:
        """Something did not hold.

        Args:
            name: the row's.
            fault: how.
            what: in words.
            attempt: at which.
            files: files and folders to keep.
            times: how often.
        """
        row = self.row(name)
        only = shlex.quote(name)
        repeat = f"python -m benchmarks.attack --only {only} --seed {self.seed} --attempt {attempt}"
        with self._lock:
            known = sum(one.row == name and one.fault == fault for one in self.findings)
            row.faults[fault] += times
            if known >= _KEPT_FINDINGS:
                return
            kept = self._keep(f"{name}-{fault}-{attempt}", what, repeat, files)
            self.findings.append(Finding(name, fault, what, repeat, kept))
        self.say(f"{name}: {fault}: {what}\n    again: {repeat}\n    files: {kept}")

    def check_memory(self) -> None:
        """Count the rows whose processes grew beyond what they may."""
        for row in self.rows.values():
            if row.peak_mb > row.allowed_mb and not row.faults["memory"]:
                what = f"{row.peak_mb:.0f} MB, and {row.allowed_mb:.0f} are allowed"
                self.found(row.name, "memory", what, 0)

    def _keep(self, name: str, what: str, repeat: str, files: Iterable[Path]) -> str:
        folder = self.findings_folder / name.replace("/", "-").replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "what.txt").write_text(
            f"{what}\n\n{repeat}\n", encoding="utf-8", errors="replace"
        )
        for path in files:
            with contextlib.suppress(OSError, shutil.Error):
                if path.is_dir():
                    shutil.copytree(path, folder / path.name, symlinks=True, dirs_exist_ok=True)
                elif path.is_file():
                    shutil.copy2(path, folder / path.name)
        return str(folder)

    def together(self, work: Callable[[Task, int], None], tasks: Iterable[Task]) -> None:
        """Do ``work(task, worker)`` for all tasks on as many threads as there are workers."""
        waiting, lock = iter(tasks), threading.Lock()

        def worker(number: int) -> None:
            while True:
                with lock:
                    task = next(waiting, None)
                if task is None:
                    return
                work(task, number)

        with ThreadPoolExecutor(self.workers) as pool:
            for done in [pool.submit(worker, number) for number in range(self.workers)]:
                done.result()

    @contextlib.contextmanager
    def place(self, name: str) -> Iterator[Path]:
        """A new folder for one attempt, gone afterwards."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

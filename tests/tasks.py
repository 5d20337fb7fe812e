"""Functions for other processes to work on; they must be importable there."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ghostlap.base.engine import Report
from ghostlap.base.engine.travel import located
from ghostlap.base.errors import GhostlapError


class OddError(Exception):
    """An error that cannot be passed between processes as it is."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} because of {why}")


def doubled(task: int, report: Report) -> int:
    report(1)
    report(0.5)
    return 2 * task


def process_of(task: Any, report: Report) -> tuple[int, dict[str, str], list[str], str]:
    """Who works, under what conditions, and what it has loaded."""
    print("this must not get between the answers")
    main = getattr(sys.modules["__main__"], "__file__", "none")
    return os.getpid(), dict(os.environ), sorted(sys.modules), main


def slow_first(task: Path, report: Report) -> str:
    """The first waits until both others are there, and for their results to arrive."""
    task.touch()
    while task.name == "0" and len(list(task.parent.iterdir())) < 3:
        time.sleep(0.01)
    time.sleep(0.4 if task.name == "0" else 0.0)
    return task.name


def failing(task: str, report: Report) -> str:
    if task == "user":
        raise GhostlapError("rec/lake: no such folder.")
    if task == "odd":
        raise OddError("it fell", "gravity")
    if task == "defect":
        raise ZeroDivisionError("not ours")
    if task == "killed":
        os.kill(os.getpid(), 9)
    if task == "exit":
        os._exit(7)
    return task


def unpassable(task: Any, report: Report) -> Any:
    return threading.Lock()


def long_work(folder: Path, report: Report) -> None:
    """Leave a file named by the process, then work for a minute."""
    (folder / str(os.getpid())).touch()
    report(1)
    time.sleep(60)


class Odd:
    """A result that goes out of a process, and into none."""

    def __reduce__(self) -> Any:
        return (_refused, ())


def _refused() -> Any:
    raise TypeError("it cannot be made again")


def odd(task: Any, report: Report) -> Odd:
    return Odd()


def leaving(task: Any, report: Report) -> Any:
    sys.exit(3)


def talking(folder: Path, report: Report) -> None:
    """Leave a file named by the process, then report without end."""
    (folder / str(os.getpid())).touch()
    while True:
        report(1.0)


@dataclasses.dataclass(frozen=True)
class Travelling:
    """A task with files."""

    number: int
    reads: tuple[Path, ...]
    writes: Path


def read_and_leave(task: Travelling, report: Report) -> tuple[dict[str, int], tuple[str, int]]:
    """The sizes of what is read; which node's copy it was, and of when."""
    folder, file = (located(path) for path in task.reads)
    assert file.read_text() in ("b", "other")
    here = located(task.writes)
    (here / f"{task.number}.json").write_text(json.dumps([str(here), task.number]))
    files = [path for path in folder.rglob("*") if path.is_file()]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    return sizes, (str(folder), (folder / "b.txt").stat().st_mtime_ns)


def waiting_for_others(task: tuple[Path, int], report: Report) -> str:
    """Says who worked; the later ones are done once somebody has joined late."""
    folder, number = task
    who = os.environ.get("GHOSTLAP_WHO", "from the start")
    report(0.5)
    (folder / who).touch()
    while number > 3 and not (folder / "late").exists():
        time.sleep(0.1)
    report(0.5)
    return who


def large(task: int, report: Report) -> bytes:
    """A result of so many bytes."""
    return os.urandom(task)


def needing(task: str, report: Report) -> None:
    """Works only where a module is installed."""
    importlib.import_module(task)

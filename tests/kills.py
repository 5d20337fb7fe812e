"""Killing a command at every step in which it changes a folder, one after the other.

A step is whatever Python tells its audit hooks of: a file opened for writing, renamed or removed, a
folder made or removed; and each ``os.write``. The process ends in front of a step as ``SIGKILL``
would end it: no ``finally`` runs, and no buffer is written.

    >>> for kill in kills_of(lambda: record(config), folder):
    ...     record(dataclasses.replace(config, resume=True))

In a process of its own that is not forked: ``kill_before(folder, step)`` before the work begins.

Each kill takes as long as the command itself, since a fork needs nothing to be imported again. What
native code writes (videos, TensorFlow's logs) is no step. Linux only.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

KILLED = 137
_FAILED = 1

_CHANGES = {
    "os.mkdir": 2, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2,
    "os.truncate": None, "shutil.copyfile": None,
}  # fmt: skip
"""Events of Python's audit hooks, and which argument tells the folder that a path begins in."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def kills_of(
    work: Callable[[], Any],
    folder: Path,
    most: int = 1000,
    before: Callable[[], Any] = lambda: None,
) -> Iterator[int]:
    """Do some work in a process that is killed in front of its first, second, … step.

    Whoever iterates finds the folder as the kill left it; it is removed before the next one.

    Args:
        work: what is killed.
        folder: what is written there is looked at.
        most: kills, evenly from all steps.
        before: makes the folder as each of them is to find it.

    Yields:
        The step's number, from 1.
    """
    _clear(folder)
    before()
    steps = _steps_of(work, folder)
    stride = max(1, -(-steps // most))
    for step in range(1, steps + 1, stride):
        _clear(folder)
        before()
        ended = _in_child(work, folder, step)
        assert ended == KILLED, f"step {step} of {steps}: ended with {ended}"
        yield step


def kill_before(folder: Path, step: int | None) -> Callable[[], int]:
    """Have this very process end in front of a step; gives what tells the steps so far."""
    steps = _Steps(folder, step)
    return lambda: steps.count


def _steps_of(work: Callable[[], Any], folder: Path) -> int:
    """How many steps the work has when nothing kills it."""
    counted, telling = os.pipe()
    ended = _in_child(work, folder, None, telling)
    os.close(telling)
    with os.fdopen(counted) as answer:
        steps = answer.read()
    assert ended == 0, f"ended with {ended} although nothing killed it"
    return int(steps)


def _in_child(
    work: Callable[[], Any], folder: Path, kill_before: int | None, telling: int | None = None
) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads are idle: OpenCV's, BLAS'
        child = os.fork()
    if child == 0:
        try:
            steps = _Steps(folder, kill_before)
            work()
            if telling is not None:
                os.write(telling, str(steps.count).encode())
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(_FAILED)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class _Steps:
    """Counts the steps below a folder from now on, and ends the process in front of one."""

    def __init__(self, folder: Path, kill_before: int | None) -> None:
        self.count = 0
        self._root, self._kill_before = os.path.realpath(folder), kill_before
        self._write = os.write
        os.write = self._counted_write
        sys.addaudithook(self._look)

    def _look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if arguments[2] & _WRITING:
                self._step(arguments[0])
        elif event in _CHANGES:
            place = _CHANGES[event]
            within = -1 if place is None else arguments[place]
            start = "" if within == -1 else os.readlink(f"/proc/self/fd/{within}")
            self._step(arguments[0], start)

    def _counted_write(self, file: int, data: Any) -> int:
        self._step(os.readlink(f"/proc/self/fd/{file}"))
        return self._write(file, data)

    def _step(self, path: Any, start: str = "") -> None:
        if isinstance(path, int):  # an open file's number
            return
        whole = os.path.abspath(os.path.join(start, os.fsdecode(path)))
        if whole == self._root or whole.startswith(self._root + os.sep):
            self.count += 1
            if self.count == self._kill_before:
                os._exit(KILLED)


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)

"""Tasks on several processes of this machine.

Each process is a fresh interpreter that imports what the function needs and nothing else. In
particular it does not import the caller's main module again, as :mod:`multiprocessing` does: a
script needs no ``if __name__ == "__main__"``. It reads tasks from its standard input and ends when
that does, also in the middle of a task, so that none outlives its parent, however that ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ghostlap.base.engine.tasks import ONE_THREAD, name_of, packed_work, unpacked
from ghostlap.base.errors import ProcessError
from ghostlap.base.platform import APART

_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from ghostlap.base.engine.worker import work; work()"
)
_ENDING_S = 5.0
_LOOK_UP_S = 1.0


def python(*arguments: str) -> list[str]:
    """The command line of a Python process of ours: ``-m`` or ``-c``, and what follows.

    It imports nothing from the current folder, which may be a stranger's.
    """
    return [sys.executable, "-P", *arguments]


def run_in_processes(
    function: Callable[..., Any],
    tasks: Sequence[Any],
    processes: int,
    tell: Callable[[int, float], None],
) -> Iterator[tuple[int, Any]]:
    """As :func:`ghostlap.base.engine.run_tasks`, on so many processes."""
    waiting = list(range(len(tasks)))[::-1]
    messages: queue.SimpleQueue[tuple[_Process, str, Any]] = queue.SimpleQueue()
    team: list[_Process] = []
    try:
        for _ in range(processes):
            team.append(_Process(messages))
            team[-1].give(function, tasks, waiting.pop())
        unfinished = len(tasks)
        while unfinished:
            process, kind, content = _next(messages)
            if kind == "report":
                tell(process.index, content)
            elif kind == "failed":
                content.add_note(f"in {name_of(tasks, process.index)}")
                raise content
            elif kind == "ended":
                raise ProcessError(_why_ended(process, tasks))
            else:
                unfinished -= 1
                index = process.index
                if waiting:
                    process.give(function, tasks, waiting.pop())
                yield index, content
    finally:
        for process in team:
            process.kill()
        for process in team:
            process.wait()


class _Process:
    """An interpreter of its own, and the thread that listens to it."""

    def __init__(self, messages: queue.SimpleQueue[tuple[_Process, str, Any]]) -> None:
        self.index = -1
        self._child = subprocess.Popen(
            python("-c", _CHILD, json.dumps(sys.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
            **APART,
        )
        self._messages = messages
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def give(self, function: Callable[..., Any], tasks: Sequence[Any], index: int) -> None:
        """Let it work on a task; its messages are about this one from now on."""
        self.index = index
        work = packed_work(function, tasks, index)
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):  # it has ended: its listener says so
            pickle.dump(work, self._child.stdin)
            self._child.stdin.flush()

    def kill(self) -> None:
        if self._child.poll() is None:
            self._child.kill()

    def wait(self) -> int | None:
        """Its exit status; None if it could not be ended."""
        try:
            status = self._child.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            return None
        if threading.current_thread() is not self._listener:
            self._listener.join(_ENDING_S)
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(OSError):  # what was still to be written has no reader any more
            self._child.stdin.close()
        self._child.stdout.close()
        return status

    def _listen(self) -> None:
        assert self._child.stdout is not None
        try:
            while True:
                kind, content = pickle.load(self._child.stdout)
                if kind == "result":
                    kind, content = unpacked(*content)
                self._messages.put((self, kind, content))
        except Exception:  # however its words break off: nothing more is to come
            self._messages.put((self, "ended", None))


def _next(
    messages: queue.SimpleQueue[tuple[_Process, str, Any]],
) -> tuple[_Process, str, Any]:
    while True:
        try:
            return messages.get(timeout=_LOOK_UP_S)  # or Windows does not hear Ctrl-C
        except queue.Empty:
            continue


def _why_ended(process: _Process, tasks: Sequence[Any]) -> str:
    status = process.wait()
    if status is None:
        how = "it says nothing any more"
    else:
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
    return (
        f"{name_of(tasks, process.index)}: its process ended before its time ({how}). The system "
        "kills processes when memory runs out: use fewer processes, or close other programs."
    )

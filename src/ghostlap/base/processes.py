"""Plain functions over plain tasks, on several processes at once.

    >>> for index, result in run_tasks(drive_episode, episodes, processes=2):
    ...     results[index] = result

The function and its tasks must be picklable, and the function importable: not defined in a notebook
or a script. Nothing else is asked of them, so that a cluster can take the place of the processes.

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
from typing import Any, TypeVar

from ghostlap.base.errors import ProcessError
from ghostlap.base.platform import APART, cores

Task = TypeVar("Task")
Result = TypeVar("Result")

Report = Callable[[float], None]
"""Called by a function at work to say how much it has done since its last report."""

_ONE_THREAD = dict.fromkeys(
    [
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS", "OPENCV_FOR_THREADS_NUM",
        "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
    ],
    "1",
)  # fmt: skip

_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from ghostlap.base.worker import work; work()"
)
_NAME_LENGTH = 200
_ENDING_S = 5.0
_LOOK_UP_S = 1.0


def python(*arguments: str) -> list[str]:
    """The command line of a Python process of ours: ``-m`` or ``-c``, and what follows.

    It imports nothing from the current folder, which may be a stranger's.
    """
    return [sys.executable, "-P", *arguments]


def run_tasks(
    function: Callable[[Task, Report], Result],
    tasks: Sequence[Task],
    *,
    processes: int | None = None,
    on_report: Callable[[int, float], None] | None = None,
) -> Iterator[tuple[int, Result]]:
    """Call ``function(task, report)`` for each task; yield ``(index, result)`` as they finish.

    Tasks begin in their order. Closing the iterator, as Ctrl-C or an error in the loop over it
    does, ends all processes at once, in the middle of what they are doing.

    Args:
        function: importable by its name. What it keeps in its module (a cache, say) lives as long
            as the process, so from one task to the next.
        tasks: their ``str`` names them in errors.
        processes: cores by default; never more than there are tasks. 1 calls the function here,
            in this very process, with its threads as they are.
        on_report: called here with a task's index and what its function reported.

    Raises:
        ProcessError: a process was killed, or a task, the function, its result or its error cannot
            be passed between processes.
        Exception: whatever a function raised, with a note that names its task.
    """
    processes = cores() if processes is None else processes
    if processes < 1:
        raise ProcessError(f"processes must be at least 1. Got {processes}.")
    tell = on_report or (lambda index, amount: None)
    if processes == 1:
        return _run_here(function, tasks, tell)
    return _run_in_processes(function, tasks, min(processes, len(tasks)), tell)


def _run_here(
    function: Callable[[Task, Report], Result],
    tasks: Sequence[Task],
    tell: Callable[[int, float], None],
) -> Iterator[tuple[int, Result]]:
    for index, task in enumerate(tasks):
        try:
            result = function(task, lambda amount, index=index: tell(index, amount))  # type: ignore[misc]
        except Exception as error:
            error.add_note(f"in {_name(tasks, index)}")
            raise
        yield index, result


def _run_in_processes(
    function: Callable[[Task, Report], Result],
    tasks: Sequence[Task],
    processes: int,
    tell: Callable[[int, float], None],
) -> Iterator[tuple[int, Result]]:
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
                content.add_note(f"in {_name(tasks, process.index)}")
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
            env={**os.environ, **_ONE_THREAD},
            **APART,
        )
        self._messages = messages
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def give(self, function: Callable[..., Any], tasks: Sequence[Any], index: int) -> None:
        """Let it work on a task; its messages are about this one from now on."""
        self.index = index
        try:
            work = pickle.dumps((function, tasks[index]))
        except Exception as error:
            raise ProcessError(
                f"{_name(tasks, index)} cannot be passed to another process ({error}). Use "
                "functions and classes of a module, and plain data, or one process."
            ) from error
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
                    kind, content = _unpacked(*content)
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


def _unpacked(type_name: str, packed: bytes) -> tuple[str, Any]:
    """The result that was passed here, or that it cannot be."""
    try:
        return "result", pickle.loads(packed)
    except Exception as error:
        return "failed", not_passable(type_name, error)


def not_passable(type_name: str, error: Exception) -> ProcessError:
    """What is told of a result that cannot be passed between processes."""
    return ProcessError(
        f"a result of type {type_name} cannot be passed between processes "
        f"({type(error).__name__}: {error}). Return plain data."
    )


def _why_ended(process: _Process, tasks: Sequence[Any]) -> str:
    status = process.wait()
    if status is None:
        how = "it says nothing any more"
    else:
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
    return (
        f"{_name(tasks, process.index)}: its process ended before its time ({how}). The system "
        "kills processes when memory runs out: use fewer processes, or close other programs."
    )


def _name(tasks: Sequence[Any], index: int) -> str:
    text = str(tasks[index])
    if len(text) > _NAME_LENGTH:
        text = text[:_NAME_LENGTH] + "…"
    return f"task {index + 1} of {len(tasks)}, {text}"

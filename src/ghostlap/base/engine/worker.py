"""What a process of :func:`ghostlap.base.engine.run_tasks` does: tasks in, results out.

It ends when its standard input does, also in the middle of a task, and says nothing about that.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import threading
import traceback
from typing import BinaryIO, NoReturn

from ghostlap.base.engine.tasks import Report, not_passable
from ghostlap.base.errors import ProcessError
from ghostlap.base.terminal import open_streams


def work() -> NoReturn:
    """Work on the tasks that come in, until no more can come; ends without a word."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent alone decides
    open_streams()
    try:
        tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # what anyone prints must not get between the answers
        waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_receive, args=(tasks, waiting), daemon=True).start()
        lock = threading.Lock()

        def send(message: bytes) -> None:
            try:
                with lock:
                    answers.write(message)
                    answers.flush()
            except OSError:  # nobody listens any more
                os._exit(0)

        while True:
            send(answer_to(waiting.get(), lambda amount: send(pickle.dumps(("report", amount)))))
    except BaseException:
        traceback.print_exc()
    finally:
        # Not as a program ends: the other thread holds what the interpreter would close.
        os._exit(1)


def _receive(tasks: BinaryIO, waiting: queue.SimpleQueue[bytes]) -> None:
    try:
        while True:
            waiting.put(pickle.load(tasks))
    except Exception:  # the parent is gone, or wants no more
        os._exit(0)


def answer_to(work: bytes, report: Report) -> bytes:
    """What comes of packed work, packed: a result, or an error that can be passed on."""
    try:
        function, task = pickle.loads(work)
    except Exception as error:
        return failed(
            ProcessError(
                f"the work cannot be loaded in another process ({type(error).__name__}: {error}). "
                "Functions and classes must be importable, so not defined in a notebook or a "
                "script; or use one process."
            )
        )
    try:
        result = function(task, report)
    except Exception as error:
        return failed(_passable(error))
    try:
        packed = pickle.dumps(result)
    except Exception as error:
        return failed(not_passable(type(result).__name__, error))
    return pickle.dumps(("result", (type(result).__name__, packed)))


def failed(error: Exception) -> bytes:
    """An error in place of a result, packed."""
    return pickle.dumps(("failed", error))


def _passable(error: Exception) -> Exception:
    """The error itself if it can be passed between processes, with what happened as a note."""
    happened = "".join(traceback.format_exception(error))
    try:
        passed = pickle.loads(pickle.dumps(error))
        assert str(passed) == str(error)
    except Exception:
        passed = ProcessError(f"{type(error).__name__}: {error}")
    passed.add_note(f"in another process:\n{happened}")
    return passed

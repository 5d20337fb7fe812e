"""Being asked to stop: Ctrl-C, SIGTERM, a terminal that is closed. One way for all commands.

The first such signal raises :class:`Stopped` in the main thread, once, or is noted where a command
says so with :func:`noted`. Further ones change nothing, so that what is being saved is saved; one
that comes after a while, when cleaning up seems to hang, ends the process at once. Files outlast
that: they are written beside their place and renamed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ghostlap.base.platform import APART, STOP_SIGNALS, signal_main_thread

_PATIENCE_S = 5.0
_LAND_AGAIN_S = 0.05
_SHOW_CURSOR = b"\x1b[?25h"


_WITH_INPUT = "GHOSTLAP_STOPS_WITH_ITS_INPUT"


def stoppable() -> dict[str, Any]:
    """Options of :class:`subprocess.Popen` for a command of ours that :func:`ask_to_stop` can stop.

    It stops when its standard input ends, so it does not outlive this process either. A signal
    would be Windows's ``TerminateProcess``, which leaves no time to save anything.
    """
    return {"stdin": subprocess.PIPE, "env": {**os.environ, _WITH_INPUT: "1"}, **APART}


def ask_to_stop(process: subprocess.Popen[Any]) -> None:
    """Stop a process that was started as :func:`stoppable`, as SIGTERM does."""
    if process.stdin is not None:
        process.stdin.close()
        process.stdin = None  # or ``communicate`` would write to it


def stop_with_input() -> None:
    """Stop when standard input ends, if whoever started this process wants it so."""
    if os.environ.pop(_WITH_INPUT, None) is None:
        return
    ours, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # on Windows, nobody can even ask about a pipe that another thread reads
    os.close(nothing)

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(ours, 1):
                pass
        signal_main_thread(signal.SIGTERM)

    threading.Thread(target=wait, name="ghostlap-input", daemon=True).start()


class Stopped(KeyboardInterrupt):
    """Somebody asked this process to stop."""


class Asked:
    """Whether somebody asked this process to stop, and how."""

    def __init__(self) -> None:
        self.number: int | None = None
        """Number of the first signal."""

    def __bool__(self) -> bool:
        return self.number is not None

    def hold(self) -> None:
        """Raise nothing from here on: what is left to be done is done."""


class _Listening(Asked):
    """What the handlers know. A handler must take no lock: the main thread may hold it."""

    def __init__(self) -> None:
        super().__init__()
        self.since_s = 0.0
        self.noting = self.holding = self.raised = False
        self.tell: Callable[[], object] = _nothing

    def hold(self) -> None:
        self.holding = True

    def handle(self, number: int, frame: FrameType | None) -> None:
        first, now_s = self.number is None, time.monotonic()
        if first:
            self.number, self.since_s = number, now_s
            self.tell()
        if not (self.raised or self.holding or (first and self.noting)):
            self.raised = True
            raise Stopped
        if now_s - self.since_s > _PATIENCE_S:
            _end_at_once(number)


def _nothing() -> None:
    pass


_listening: _Listening | None = None


@contextlib.contextmanager
def listening(for_good: bool = False) -> Iterator[Asked]:
    """Be asked to stop by signals, in this context; ``for_good``: and after it, as a program ends.

    Nothing changes within another such context, and beside the main thread, where no signal
    arrives. Signals that are ignored, as by ``nohup``, stay so.
    """
    global _listening
    if threading.current_thread() is not threading.main_thread():
        yield Asked()
        return
    if _listening is not None:
        yield _listening
        return
    mine = _Listening()
    before = {
        number: signal.getsignal(number)
        for number in STOP_SIGNALS
        if signal.getsignal(number) not in (signal.SIG_IGN, None)
    }
    _listening = mine
    with _repeated_when_lost(mine):
        try:
            for number in before:
                signal.signal(number, mine.handle)
            yield mine
        finally:
            mine.hold()
            if for_good:
                atexit.register(_ignore, list(before))
            else:
                for number, handler in before.items():
                    signal.signal(number, handler)
            _listening = None


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Undo what a library does in this context to who handles being asked to stop."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            with contextlib.suppress(ValueError, TypeError):  # no main thread; not Python's own
                signal.signal(number, handler)


@contextlib.contextmanager
def noted() -> Iterator[Asked]:
    """Note that somebody asks to stop, instead of breaking off in the middle of something.

    A second signal breaks off.

    Yields:
        What is true once somebody has asked.
    """
    with listening() as asked:
        if not isinstance(asked, _Listening):
            yield asked
            return
        before, asked.noting = asked.noting, True
        try:
            yield asked
        finally:
            asked.noting = before


async def until_asked() -> None:
    """Wait in an event loop until somebody asks to stop; what follows is not broken off."""
    import asyncio

    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    with listening() as asked:
        if isinstance(asked, _Listening):
            asked.tell = lambda: loop.call_soon_threadsafe(stopped.set)
            asked.hold()
        if not asked:
            await stopped.wait()


def exit_status(number: int | None) -> int:
    """The exit status of a program that was asked to stop by a signal: 130 after Ctrl-C."""
    return 128 + (number or signal.SIGINT)


@contextlib.contextmanager
def _repeated_when_lost(mine: _Listening) -> Iterator[None]:
    """Raise again what was raised where Python drops exceptions, as in ``__del__``."""
    before = sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not isinstance(lost.exc_value, Stopped) or mine.number is None:
            before(lost)
            return
        mine.raised = False
        again = threading.Timer(_LAND_AGAIN_S, signal_main_thread, [mine.number])
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _ignore(numbers: list[int]) -> None:
    """Ignore signals while the interpreter takes itself apart, where its own handlers are gone."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def _end_at_once(number: int) -> None:
    with contextlib.suppress(OSError):
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)  # a live line may have hidden it
    os._exit(exit_status(number))

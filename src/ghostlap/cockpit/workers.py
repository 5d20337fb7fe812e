"""Work that may wait, on threads that nobody waits for.

A disk that is gone or a file that never ends holds up the thread that reads it, and nobody else: a
request is answered in time, others have threads of their own, and the server ends without them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from ghostlap.base.errors import CockpitError

Result = TypeVar("Result")

_MOST_THREADS, _MOST_OF_ONE = 32, 4


class BusyError(CockpitError):
    """No answer came in time."""


@dataclasses.dataclass(eq=False)
class _Task:
    subject: str
    call: Callable[[], Any]
    answer: asyncio.Future[Any]


class Workers:
    """Threads for blocking calls of an event loop; of one subject only so many at once.

    What was asked for and did not come in time goes on in its thread; its answer is thrown away.
    """

    def __init__(self) -> None:
        self._busy: Counter[str] = Counter()
        self._waiting: list[_Task] = []

    async def do(self, subject: str, call: Callable[[], Result], within_s: float) -> Result:
        """Call it on a thread, and give what it gives.

        Args:
            subject: what it is about, say a recording: if calls about one hang, those about others
                do not.
            within_s: longest wait, for a thread and for the answer.

        Raises:
            BusyError: no answer came in time.
            Exception: whatever the call raised.
        """
        task = _Task(subject, call, asyncio.get_running_loop().create_future())
        self._waiting.append(task)
        self._begin_what_may()
        try:
            async with asyncio.timeout(within_s):
                return await task.answer
        except TimeoutError:
            raise BusyError(
                f"No answer within {within_s:g} s: a disk or a file keeps it waiting. Try again "
                "later; if it stays so, look whether the disk is there."
            ) from None
        finally:
            task.answer.cancel()

    def _begin_what_may(self) -> None:
        for task in list(self._waiting):
            may = self._busy.total() < _MOST_THREADS and self._busy[task.subject] < _MOST_OF_ONE
            if not may and not task.answer.done():
                continue
            self._waiting.remove(task)
            if not task.answer.done():
                self._busy[task.subject] += 1
                finish = functools.partial(self._finish, task)
                in_background(task.call, finish, asyncio.get_running_loop())

    def _finish(self, task: _Task, result: Any, error: BaseException | None) -> None:
        self._busy[task.subject] -= 1
        self._busy += Counter()  # forgets subjects of which nothing is done
        if not task.answer.done():
            if error is None:
                task.answer.set_result(result)
            else:
                task.answer.set_exception(error)
        self._begin_what_may()


def in_background(
    call: Callable[[], Any],
    finish: Callable[[Any, BaseException | None], None],
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Call it on a thread of its own, which nobody waits for.

    ``finish`` is called in the event loop, unless it has ended by then, with what came of it.
    """

    def work() -> None:
        result, error = None, None
        try:
            result = call()
        except BaseException as raised:  # whoever waits must hear of it
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(finish, result, error)

    try:
        threading.Thread(target=work, name="ghostlap-worker", daemon=True).start()
    except RuntimeError:  # the system gives no more threads
        loop.call_soon(finish, None, BusyError("This machine has no thread left. Try again later."))


async def all_within(calls: list[Callable[[], object]], within_s: float) -> bool:
    """Call all at once on threads of their own; wait for them no longer than so.

    What they raise is passed over. Gives whether all have come to an end.
    """
    loop = asyncio.get_running_loop()
    ended: list[asyncio.Future[None]] = []
    for call in calls:
        end = loop.create_future()
        ended.append(end)

        def finish(_: Any, __: Any, end: asyncio.Future[None] = end) -> None:
            if not end.done():
                end.set_result(None)

        in_background(call, finish, loop)
    _, left = await asyncio.wait(ended, timeout=within_s)
    return not left

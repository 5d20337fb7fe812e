"""Recording on a thread of its own: a disk may be slow, a car may not wait.

What waits longer than three quarters of a second is left out for what is newer, so that a kill
loses less than a second of driving, and a disk that hangs costs neither memory nor time. Whatever
happens, the rows before are a valid recording.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ghostlap.base.errors import GhostlapError
from ghostlap.data.recordings.recorder import Recorder

_MOST_WAITING = 256
_LONGEST_WAIT_S = 0.75
_SOON_S = 1.0
"""In which a disk that is not too slow has written what waits."""
_TRY_AGAIN_S = 10.0
"""After a disk was full: somebody may have made room."""


class BackgroundRecorder:
    """Writes rows of a recording, without anybody waiting for it.

    Args:
        say: tells a person something, from any thread.
        count_lost: called for each row that is not written.
    """

    def __init__(
        self,
        recorder: Recorder,
        say: Callable[[str], None],
        count_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = recorder.folder
        self.rows = 0
        """Rows that are written, or will be."""
        self._recorder, self._say, self._count_lost = recorder, say, count_lost
        self._waiting: deque[tuple[float, dict[str, Any]]] = deque()
        self._news = threading.Condition()
        self._closed = self._is_slow = self._told_slow = False
        self._broken_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="ghostlap-recorder", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that wait to be written."""
        return len(self._waiting)

    @property
    def is_broken(self) -> bool:
        """Whether the last row could not be written."""
        return self._broken_s is not None

    @property
    def is_finished(self) -> bool:
        """Whether all is written, and nothing more will be."""
        return not self._thread.is_alive()

    def put(self, **row: Any) -> None:
        """Have a row written. Returns at once, and raises nothing."""
        now_s = time.monotonic()
        with self._news:
            if self._closed:
                return
            if self._broken_s is not None:
                if now_s - self._broken_s < _TRY_AGAIN_S:
                    self._count_lost()
                    return
                self._broken_s = now_s  # one row finds out whether there is room again
            self._waiting.append((now_s, row))
            self.rows += 1
            self._leave_out_old()
            self._news.notify()
        self._tell_if_slow()

    def try_again(self) -> None:
        """Forget that the disk was slow or full."""
        self._is_slow = self._told_slow = False
        self._broken_s = None

    def close(self, within_s: float = _SOON_S) -> None:
        """Take no more rows, and wait so long at most until those that wait are written."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join(within_s)

    def _run(self) -> None:
        try:
            while (row := self._next()) is not None:
                self._tell_if_slow()
                self._write(row)
        finally:
            with contextlib.suppress(OSError):  # each row was on its way before
                self._recorder.close()
            self._ended()

    def _ended(self) -> None:
        """What is to be done once the files are closed."""

    def _next(self) -> dict[str, Any] | None:
        """Wait for the next row to write; None where there will be none."""
        with self._news:
            while True:
                self._leave_out_old()
                if self._waiting:
                    return self._waiting.popleft()[1]
                if self._closed:
                    return None
                self._news.wait()

    def _leave_out_old(self) -> None:
        latest_s = time.monotonic() - _LONGEST_WAIT_S
        while not self._closed and self._waiting:
            if len(self._waiting) <= _MOST_WAITING and self._waiting[0][0] >= latest_s:
                return
            self._waiting.popleft()
            self._lose()
            self._is_slow = True

    def _lose(self) -> None:
        self.rows -= 1
        self._count_lost()

    def _tell_if_slow(self) -> None:
        if self._is_slow and not self._told_slow:
            self._told_slow = True
            self._say(f"{self.folder}: the disk is too slow, moments are left out.")

    def _write(self, row: dict[str, Any]) -> None:
        was_broken, rows = self.is_broken, self._recorder.rows_written
        if was_broken and self._waiting:
            self._lose()  # it was waiting as the disk became full
            return
        try:
            self._recorder.append(**row)
        except Exception as error:  # whatever it is, the driving goes on
            self._broken_s = time.monotonic()
            if self._recorder.rows_written == rows:
                self._lose()
            if not was_broken:
                self._say(f"{self._told(error)} The driving goes on, unrecorded.")
            return
        if was_broken:
            self._broken_s = None
            self._say(f"{self.folder}: there is room again, and the drive is recorded again.")

    def _told(self, error: Exception) -> str:
        if isinstance(error, GhostlapError):
            return str(error)
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        return f"{self.folder}: the row cannot be saved ({why})."

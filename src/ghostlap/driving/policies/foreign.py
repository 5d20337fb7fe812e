"""A policy in a process of its own, asked over two streams: its own Python, or no Python at all.

``docs/policies.md`` describes the protocol: a line of JSON, and after it the bytes of a frame; a
line of JSON is the answer. Whatever a policy does, asking it comes to an end: it has so much time
and memory, and what it says is bounded. One that breaks a limit is ended, and answers nothing any
more; the car is stopped safely, and counts as in need of a person.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import math
import queue
import socket
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import IO, Any, Literal

import psutil

from ghostlap.base.platform import APART, kill_group
from ghostlap.data.vision.pictures import Rgb, encode_jpeg

PROTOCOL = 1
MAX_LINE_BYTES = 4096
"""Of an answer."""
_MOST_LINES = 64
"""That may wait to be read: who says more than it is asked is ended."""
_JPEG_QUALITY = 95
_LOOK_S = 0.05
_LOOK_EVERY = 20
_ENDING_S = 5.0
_LAST_WORDS = 400

_LARGEST = 1e300

NOTHING = (math.nan, math.nan)

Fault = Literal["not a number", "text", "too much", "late", "crashed", "memory"]


@dataclasses.dataclass(frozen=True)
class Foreign:
    """Where a policy is, and what it may use."""

    name: str
    command: tuple[str, ...] = ()
    """That starts it, asked over standard input and output; empty for a port."""
    port: int = 0
    """Of this machine, where it listens; each drive is a connection of its own."""
    frames: Literal["raw", "jpeg"] = "raw"
    answer_s: float = 5.0
    """An answer may take so long, by the clock."""
    start_s: float = 120.0
    """So may the start, libraries and weights included."""
    memory_gib: float = 8.0
    """It may have so much in memory, with all that it has started."""

    def __str__(self) -> str:
        return self.name


class Talk:
    """A talk with a policy; called with a frame and the speed, it answers or does not."""

    def __init__(self, policy: Foreign) -> None:
        self.policy = policy
        self.faults: Counter[Fault] = Counter()
        """What it should not have done since the drive began, and how often."""
        self.problem = ""
        """Why it was ended, in words; empty while it answers."""
        self._said: queue.Queue[bytes] = queue.Queue(_MOST_LINES)
        self._asked: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._last_words: deque[bytes] = deque(maxlen=20)
        self._questions = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._too_much = False
        try:
            reads, writes = self._opened()
        except OSError as error:
            self._end("crashed", f"cannot be reached ({error.strerror or error})")
            return
        self._start(self._listen, reads)
        self._start(self._tell, writes)

    def begin(self, shape: tuple[int, int, int]) -> None:
        """Tell of a new drive with frames ``(height, width, 3)``; wait until it is ready."""
        if self.problem:
            return
        self.faults.clear()
        height, width, _ = shape
        start = {"start": PROTOCOL, "height": height, "width": width, "frames": self.policy.frames}
        self._say(start, b"")
        self._heard(self.policy.start_s, _ready)

    def __call__(self, frame: Rgb, speed_mph: float) -> tuple[float, float]:
        """Steering and throttle, each NaN where there is none."""
        if self.problem:
            return NOTHING
        with contextlib.suppress(queue.Empty):  # what it said without being asked, or its end
            while self._said.get_nowait():
                self.faults["too much"] += 1
            self._end(*self._why_silent())
            return NOTHING
        jpeg = self.policy.frames == "jpeg"
        data = encode_jpeg(frame, _JPEG_QUALITY) if jpeg else frame.tobytes()
        self._say({"frame": len(data), "speed_mph": round(speed_mph, 6)}, data)
        answer = self._heard(self.policy.answer_s, answer_of)
        if answer is None:
            return NOTHING
        if not math.isfinite(answer[0]):
            self.faults["not a number"] += 1
        return answer

    def close(self) -> None:
        """End the process, or the connection."""
        self._asked.put(None)
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        if self._child is not None:
            kill_group(self._child)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_ENDING_S)
        for thread in self._threads:
            thread.join(_ENDING_S)

    def _start(self, work: Callable[[IO[bytes]], None], stream: IO[bytes]) -> None:
        thread = threading.Thread(target=self._work, args=(work, stream), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, work: Callable[[IO[bytes]], None], stream: IO[bytes]) -> None:
        """Have a stream to itself, until it ends or the other side does."""
        with contextlib.suppress(OSError, ValueError):
            work(stream)
        with contextlib.suppress(OSError, ValueError):
            stream.close()

    def _opened(self) -> tuple[IO[bytes], IO[bytes]]:
        policy = self.policy
        if policy.port:
            # Loopback only: frames and answers are nobody else's business.
            self._socket = socket.create_connection(("127.0.0.1", policy.port), policy.start_s)
            self._socket.settimeout(None)
            return self._socket.makefile("rb"), self._socket.makefile("wb")
        child = subprocess.Popen(
            policy.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **APART,
        )
        self._child = child
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._start(self._overhear, child.stderr)
        return child.stdout, child.stdin

    def _say(self, words: dict[str, Any], data: bytes) -> None:
        self._questions += 1
        self._asked.put(json.dumps(words).encode() + b"\n" + data)

    def _heard(self, seconds: float, understand: Callable[[bytes], Any]) -> Any:
        """The first line that is understood; None, and the end of the talk, if none comes."""
        until_s, text = time.monotonic() + seconds, b""
        while time.monotonic() < until_s:
            try:
                line = self._said.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._is_too_large():
                    return None
                continue
            if not line:
                self._end(*self._why_silent())
                return None
            understood = understand(line)
            if understood is not None:
                if self._questions % _LOOK_EVERY == 0 and self._is_too_large():
                    return None
                return understood
            self.faults["text"] += 1
            text = line
        if text:
            shown = text[:60].decode("utf-8", "replace").strip()
            self._end("text", f"said {shown!r} instead of an answer")
        else:
            self._end("late", f"did not answer within {seconds:g} s")
        return None

    def _end(self, fault: Fault, words: str) -> None:
        self.faults[fault] += 1
        last = b"".join(self._last_words).decode("utf-8", "replace").split()
        self.problem = words + (f": {' '.join(last)[-_LAST_WORDS:]}" if last else "")
        self.close()

    def _why_silent(self) -> tuple[Fault, str]:
        if self._too_much:
            return "too much", f"says more than it is asked, or more than {MAX_LINE_BYTES} bytes"
        if self._child is None:
            return "crashed", "closed the connection"
        try:
            status = self._child.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            return "crashed", "closed its standard output"
        time.sleep(_LOOK_S)  # its last words are still being read
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        return "crashed", f"ended before its time ({how})"

    def _is_too_large(self) -> bool:
        if self._child is None:
            return False
        used = 0
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self._child.pid)
            for one in (process, *process.children(recursive=True)):
                used += one.memory_info().rss
        if used <= self.policy.memory_gib * 2**30:
            return False
        self._end("memory", f"used more than {self.policy.memory_gib:g} GiB of memory")
        return True

    def _listen(self, stream: IO[bytes]) -> None:
        """Pass lines on; an empty one says that no more will come."""
        try:
            while line := stream.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n") and len(line) == MAX_LINE_BYTES:
                    raise queue.Full
                self._said.put_nowait(line)
        except queue.Full:
            self._too_much = True
            with contextlib.suppress(queue.Empty):
                while True:
                    self._said.get_nowait()
        finally:
            with contextlib.suppress(queue.Full):
                self._said.put_nowait(b"")

    def _tell(self, stream: IO[bytes]) -> None:
        """Write questions: by a thread, since who does not read would keep us waiting."""
        while (words := self._asked.get()) is not None:
            stream.write(words)
            stream.flush()

    def _overhear(self, stream: IO[bytes]) -> None:
        while line := stream.readline(MAX_LINE_BYTES):
            self._last_words.append(line)


_TALKS: dict[Foreign, Talk] = {}


def talk_with(policy: Foreign) -> Talk:
    """A talk that this process has already, or a new one: libraries and weights load slowly."""
    talk = _TALKS.get(policy)
    if talk is None or talk.problem:
        talk = _TALKS[policy] = Talk(policy)
        atexit.register(talk.close)
    return talk


def _ready(line: bytes) -> bool | None:
    try:
        return True if json.loads(line)["ready"] is True else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def answer_of(line: bytes) -> tuple[float, float] | None:
    """Steering and throttle of an answer, the throttle NaN where it is left to Ghostlap.

    ``0.1``, ``[0.1, 0.3]`` and ``{"steering": 0.1, "throttle": 0.3}`` are answers, and so is
    ``null``, which is none; None for a line that is none of these.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(values, dict):
        values = [values.get("steering"), values.get("throttle")]
    numbers = values if isinstance(values, list) else [values]
    if len(numbers) not in (1, 2):
        return None
    found = []
    for number in numbers:
        if number is not None and type(number) not in (int, float):
            return None
        is_number = number is not None and abs(number) < _LARGEST
        found.append(float(number) if is_number else math.nan)
    return found[0], found[1] if len(found) == 2 else math.nan

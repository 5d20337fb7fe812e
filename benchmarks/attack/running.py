"""Commands in processes of their own, with time and memory watched."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from benchmarks.attack.campaign import Campaign, Fault

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.02
REFUSED = (1, 2, 130)
"""Statuses of a command that says what is wrong, or was interrupted."""
_FALLEN = (
    "Traceback (most recent call last)", "Fatal Python error", "Segmentation fault",
    "terminate called", "Exception ignored in", "core dumped",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Ended:
    """A command that is over."""

    status: int | None
    """As a shell has it, negative for a signal; None if it had to be killed for want of an end."""
    out: str
    err: str
    seconds: float
    peak_mb: float = 0.0
    """Of the largest of its processes."""

    @property
    def fault(self) -> Fault | None:
        """What may not happen to any command, whatever it was given."""
        if self.status is None:
            return "hung"
        fallen = any(sign in self.err or sign in self.out for sign in _FALLEN)
        if fallen or self.status < 0 or self.status not in (0, *REFUSED):
            return "crashed"
        return None

    @property
    def last_words(self) -> str:
        lines = [line for line in self.err.strip().splitlines() if line.strip()]
        return " / ".join(lines[-3:])[-400:]


def environment(cache: Path, **changes: str | None) -> dict[str, str]:
    """Of a command: this checkout's package, quiet libraries, a cache of the campaign's own."""
    values: dict[str, str | None] = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "GHOSTLAP_CACHE": str(cache),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "COLUMNS": "200",
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def command(*arguments: str) -> list[str]:
    """The command line of Ghostlap."""
    return [sys.executable, "-m", "ghostlap", *arguments]


class Watched:
    """A process, and the most memory that it or any of its children had.

    Args:
        arguments: a whole command line.
        folder: where it runs.
        env: its environment.
        options: of ``subprocess.Popen``.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], **options: Any
    ) -> None:
        self.peak_mb = 0.0
        self.began_s = time.monotonic()
        whole = {"stdin": subprocess.DEVNULL, "start_new_session": True, **options}
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            list(arguments), cwd=folder, env=dict(env), **whole
        )
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def wait(self, timeout_s: float) -> int | None:
        """Its status; None if it had to be killed."""
        try:
            status: int | None = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            status = None
        self._watching.join(5.0)
        return status

    def kill(self) -> None:
        """End it and all that it started."""
        family = descendants(self.process.pid)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.kill()

    def signal(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def _watch(self) -> None:
        while self.process.poll() is None:
            for pid in (self.process.pid, *(one.pid for one in descendants(self.process.pid))):
                self.peak_mb = max(self.peak_mb, peak_mb_of(pid))
            time.sleep(_LOOK_EVERY_S)


def run(
    arguments: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    timeout_s: float = PATIENCE_S,
    meanwhile: Callable[[Watched], None] | None = None,
    **options: Any,
) -> Ended:
    """Run a whole command line to its end.

    Args:
        arguments: the command line.
        folder: where it runs; ``.out`` and ``.err`` beside it hold what it says.
        env: its environment.
        timeout_s: it is killed after so long.
        meanwhile: called with the process while it runs.
        options: of ``subprocess.Popen``.
    """
    out, err = folder.with_name(folder.name + ".out"), folder.with_name(folder.name + ".err")
    with contextlib.ExitStack() as stack:
        files: dict[str, IO[bytes]] = {
            "stdout": stack.enter_context(out.open("wb")),
            "stderr": stack.enter_context(err.open("wb")),
        }
        watched = Watched(arguments, folder, env, **{**files, **options})
        if meanwhile is not None:
            meanwhile(watched)
        status = watched.wait(timeout_s)
    seconds = time.monotonic() - watched.began_s
    return Ended(status, read_text(out), read_text(err), seconds, watched.peak_mb)


def judge(
    campaign: Campaign,
    name: str,
    attempt: int,
    ended: Ended,
    what: str,
    files: Sequence[Path] = (),
) -> bool:
    """Count what may not happen to a command; whether nothing of it did."""
    if ended.fault is None:
        return True
    words = f"{what}: status {ended.status} after {ended.seconds:.1f} s: {ended.last_words}"
    campaign.found(name, ended.fault, words, attempt, files)
    return False


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def descendants(pid: int) -> list[psutil.Process]:
    """The processes that a process started, and those that they did."""
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    return found


def peak_mb_of(pid: int) -> float:
    """The most memory that a process has had so far; 0 if it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    return 0.0


def end_all(processes: Sequence[psutil.Process], within_s: float) -> int:
    """Wait for processes to end by themselves; how many did not, and were killed."""
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    for one in alive:
        with contextlib.suppress(psutil.Error):
            one.send_signal(signal.SIGKILL)
    return len(alive)

"""Commands of Ghostlap that start at once: forks of a process that has imported its libraries."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import psutil

from benchmarks.attack.running import (
    PATIENCE_S,
    ROOT,
    Ended,
    descendants,
    end_all,
    read_text,
)

Weight = Literal["bare", "light", "heavy"]
_ENDS_WITHIN_S = 5.0


@dataclasses.dataclass(frozen=True)
class Kill:
    """When a command is ended by SIGKILL: at a moment, or before one of its file operations."""

    at_s: float | None = None
    at_operation: int | None = None

    def __str__(self) -> str:
        if self.at_s is not None:
            return f"killed after {self.at_s:.3f} s"
        return f"killed before file operation {self.at_operation}"


@dataclasses.dataclass(frozen=True)
class Forked(Ended):
    """A command that ran in a fork."""

    operations: int = 0
    """Files opened for writing, made, renamed, removed; of one that was not killed."""
    left_behind: int = 0
    """Processes that it had started and that did not end with it."""


class Forks:
    """The process that forks.

    Args:
        weight: "heavy" with TensorFlow, "light" without, "bare" with next to nothing.
        cache: of the commands.
        log: what the process itself says.
    """

    def __init__(self, weight: Weight, cache: Path, log: Path) -> None:
        self._cache = cache
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "OPENBLAS_NUM_THREADS": "1",
            "COLUMNS": "200",
            "MPLBACKEND": "Agg",
            "GHOSTLAP_CACHE": str(cache),
        }
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.attack.fork_child", weight],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=environment,
            )  # fmt: skip

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        kill: Kill | None = None,
        signals_s: Sequence[float] = (),
        env: Mapping[str, str] | None = None,
        limit_bytes: int | None = None,
        timeout_s: float = PATIENCE_S,
        said: Path | None = None,
    ) -> Forked:
        """Run one command to its end, or to its kill.

        Args:
            arguments: after ``ghostlap``.
            folder: where it runs; operations on files in it are counted.
            kill: when it is ended.
            signals_s: when it is sent SIGINT, after its start.
            env: changes of its environment.
            limit_bytes: of each file that it writes.
            timeout_s: it is killed after so long.
            said: where what it says is kept, without an ending; the folder's name by default.
        """
        said = said or folder
        out, err = (said.with_name(f"{said.name}.{end}") for end in ("out", "err"))
        count_file = said.with_name(f"{said.name}.count")
        count_file.unlink(missing_ok=True)
        began_s = time.monotonic()
        pid = self._ask(
            arguments=list(arguments), folder=str(folder), root=str(folder), out=str(out),
            err=str(err), env=dict(env or {}), limit_bytes=limit_bytes,
            kill_at=kill.at_operation if kill else None, count_file=str(count_file),
        )["pid"]  # fmt: skip
        moments = [(at_s, signal.SIGINT) for at_s in signals_s]
        if kill is not None and kill.at_s is not None:
            moments.append((kill.at_s, signal.SIGKILL))
        status, family = self._until_it_ends(pid, began_s, sorted(moments), timeout_s)
        seconds = time.monotonic() - began_s
        left = end_all(family, _ENDS_WITHIN_S)
        with contextlib.suppress(OSError, ValueError):
            count = int(count_file.read_text())
            return Forked(status, read_text(out), read_text(err), seconds, 0.0, count, left)
        return Forked(status, read_text(out), read_text(err), seconds, 0.0, 0, left)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _until_it_ends(
        self,
        pid: int,
        began_s: float,
        moments: list[tuple[float, signal.Signals]],
        timeout_s: float,
    ) -> tuple[int | None, list[psutil.Process]]:
        family: list[psutil.Process] = []
        for at_s, number in moments:
            status = self._wait(pid, max(0.0, began_s + at_s - time.monotonic()))
            if status is not None:
                return status, family
            family = descendants(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        status = self._wait(pid, timeout_s)
        if status is None:
            family = descendants(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._wait(pid, PATIENCE_S)
        return status, family

    def _wait(self, pid: int, timeout_s: float) -> int | None:
        status: int | None = self._ask(wait=pid, timeout_s=timeout_s)["status"]
        return status

    def _ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that forks has ended; its log says why")
        found: dict[str, Any] = json.loads(answer)
        return found

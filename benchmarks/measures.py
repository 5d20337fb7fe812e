"""How things are measured: times, memory, fresh processes, and the machine's own limit."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import GhostlapError

_COPIED_FLOATS = 16 * 2**20
"""64 MiB, more than any cache holds."""
_FLOATS_AT_HAND = 16 * 1024
"""64 KiB, which a core's own caches hold."""


def times_s(work: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each repeat, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        began_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - began_s)
    return times


def median_s(work: Callable[[], Any], repeats: int) -> float:
    """Median seconds of the repeats, after one that does not count."""
    return float(np.median(times_s(work, repeats)))


def one_core_limits(repeats: int) -> dict[str, float]:
    """What one core could do: copying large arrays, and multiplying what its caches hold.

    Returns:
        ``copy_gb_per_s``, bytes read and bytes written both counted, and ``multiply_gflops`` of
        float32 multiplications by numpy, which uses the widest instructions that there are.
    """
    source = np.ones(_COPIED_FLOATS, np.float32)
    target = np.empty_like(source)
    copy_s = median_s(lambda: np.copyto(target, source), repeats)
    values, products = (np.ones(_FLOATS_AT_HAND, np.float32) for _ in range(2))
    times = 1000

    def multiply() -> None:
        for _ in range(times):
            np.multiply(values, values, out=products)

    multiply_s = median_s(multiply, repeats)
    return {
        "copy_gb_per_s": 2 * source.nbytes / copy_s / 1e9,
        "multiply_gflops": times * _FLOATS_AT_HAND / multiply_s / 1e9,
    }


def peak_mb() -> float:
    """The most resident memory that this process ever had, in MB of 2**20 bytes."""
    try:
        # Not getrusage: that counts what the parent had when it started this process, too.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def processor_s(pid: int) -> dict[int, float]:
    """Processor time of a process and of all that it has started and that still run, by id."""
    import psutil

    found = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                found[one.pid] = times.user + times.system
    return found


def spent_s(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """Processor time between two looks at the same processes."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def in_fresh_process(
    module: str, task: dict[str, Any], environment: Mapping[str, str] | None = None
) -> Any:
    """Run a module with a task as JSON, its only argument; gives the JSON it prints last.

    Raises:
        GhostlapError: it failed.
    """
    ended = subprocess.run(
        [sys.executable, "-m", module, json.dumps(task)],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    if ended.returncode:
        raise GhostlapError(
            f"bench: a process to be measured failed ({module} {task}): {ended.stderr[-500:]}"
        )
    return json.loads(ended.stdout.splitlines()[-1])

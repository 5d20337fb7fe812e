"""``python -m benchmarks train|sim|drive|cockpit|cluster``: this machine, beside its limit."""

from __future__ import annotations

import sys

import tyro

from benchmarks.command import BenchConfig, bench
from ghostlap.base.errors import GhostlapError

if __name__ == "__main__":
    try:
        bench(tyro.cli(BenchConfig, prog="python -m benchmarks"))
    except GhostlapError as error:
        sys.exit(f"error: {error}")

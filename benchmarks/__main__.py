"""``python -m benchmarks train|sim|drive|cockpit|cluster``: this machine, beside its limit.

``python -m benchmarks ablation``: what each ingredient of a pilot brings.
"""

from __future__ import annotations

import signal
import sys

import tyro

from benchmarks.command import BenchConfig, bench
from ghostlap.base.errors import GhostlapError

if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["ablation"]:
            from benchmarks.ablation import AblationConfig, ablation

            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # trainings are to end, too
            prog = "python -m benchmarks ablation"
            ablation(tyro.cli(AblationConfig, prog=prog, args=sys.argv[2:]))
        else:
            bench(tyro.cli(BenchConfig, prog="python -m benchmarks"))
    except GhostlapError as error:
        sys.exit(f"error: {error}")

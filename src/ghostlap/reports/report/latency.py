"""How long the simulator waited for the pilot's answers, of the drives in the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.tables_beside import PREDICTIONS
from ghostlap.driving.rollout.stress import TICK_S
from ghostlap.reports.page import number
from ghostlap.reports.report.charts import Chart, Figure

_MOST_DRIVES = 20
_MOST_CHARTS = 4

Floats = NDArray[np.float64]


def section(run: Path) -> dict[str, Any]:
    """Distribution and percentiles for each recorded drive."""
    drives: dict[str, Floats] = {}
    problems = []
    for path in sorted(run.glob(f"*/{PREDICTIONS.name}"))[:_MOST_DRIVES]:
        try:
            drives[path.parent.name] = read_latencies_ms(path.parent)
        except RecordingError as error:
            problems.append(f"{path.parent.name}/{PREDICTIONS.name} cannot be used: {error}")
    rows = [
        [
            name,
            f"{len(values):,}",
            *(number(float(np.percentile(values, percent)), 1) for percent in (50, 95, 99)),
            number(float(values.max()), 1),
            f"{np.mean(values > TICK_S * 1000):.2%}",
        ]
        for name, values in drives.items()
    ]
    charts = [_chart(name, values) for name, values in list(drives.items())[:_MOST_CHARTS]]
    return {"problems": problems, "rows": rows, "charts": charts}


def read_latencies_ms(drive: Path) -> Floats:
    """The latencies of a recorded drive, shape ``(frames,)``; rows without one are left out.

    Raises:
        RecordingError: it cannot be read, or holds none.
    """
    values = [ms for _, ms in PREDICTIONS.rows(drive, "latency_ms") if ms is not None and ms >= 0]
    if not values:
        raise RecordingError("it holds no latency_ms.")
    return np.array(values)


def _chart(name: str, latencies_ms: Floats) -> Figure:
    p50, p99 = (float(np.percentile(latencies_ms, percent)) for percent in (50, 99))
    end_ms = max(min(float(latencies_ms.max()), 2.0 * p99), 1.0)
    edges = np.linspace(0, end_ms, 49)
    counts = np.histogram(np.minimum(latencies_ms, end_ms), edges)[0].astype(float)
    chart = Chart((0, end_ms), (0, counts.max() * 1.12), "ms", "frames")
    chart.bars(edges, counts, "fill-data")
    chart.upright(p50, "limit", f"p50 {p50:.1f}")
    chart.upright(p99, "limit", f"p99 {p99:.1f}", row=1)
    alt = f"Latency of {len(latencies_ms)} answers: median {p50:.1f} ms, p99 {p99:.1f} ms."
    beyond = int((latencies_ms > end_ms).sum())
    words = f"The last bar holds {beyond:,} beyond it." if beyond else ""
    return Figure(chart.svg(alt), name, words)

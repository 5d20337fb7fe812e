"""How long the simulator waited for the pilot's answers, of the drives in the run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.tables_beside import PREDICTIONS
from ghostlap.driving.rollout.stress import TICK_S
from ghostlap.reports.report.charts import Chart
from ghostlap.reports.report.parts import (
    Section,
    command_line,
    figure,
    grid,
    missing,
    number,
    table,
)

_MOST_DRIVES = 20
_MOST_CHARTS = 4

Floats = NDArray[np.float64]


def section(run: Path) -> Section:
    """Distribution and percentiles for each recorded drive."""
    title = "Latency"
    drives: dict[str, Floats] = {}
    problems = ""
    for path in sorted(run.glob(f"*/{PREDICTIONS.name}"))[:_MOST_DRIVES]:
        try:
            latencies_ms = read_latencies_ms(path.parent)
        except RecordingError as error:
            problems += missing(f"{path.parent.name}/{PREDICTIONS.name} cannot be used: {error}")
            continue
        drives[path.parent.name] = latencies_ms
    if not drives:
        html = problems + missing(
            "No drive of a simulator was recorded in the run folder, so nothing is known of how "
            "fast its answers come. Record one:",
            command_line("drive", run, "--record", run / "drive-1"),
        )
        return Section("latency", title, html)
    charts = [_chart(name, values) for name, values in list(drives.items())[:_MOST_CHARTS]]
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
    figures = table(
        ("drive", "frames", "p50 ms", "p95 ms", "p99 ms", "largest ms", "above 50 ms"),
        rows,
        "From a picture's arrival to the answer; 50 ms is one control step at 20 Hz",
    )
    return Section("latency", title, problems + grid(*charts, kind="charts") + figures)


def read_latencies_ms(drive: Path) -> Floats:
    """The latencies of a recorded drive, shape ``(frames,)``; rows without one are left out.

    Raises:
        RecordingError: it cannot be read, or holds none.
    """
    values = [ms for _, ms in PREDICTIONS.rows(drive, "latency_ms") if ms is not None and ms >= 0]
    if not values:
        raise RecordingError("it holds no latency_ms.")
    return np.array(values)


def _chart(name: str, latencies_ms: Floats) -> str:
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
    return figure(chart.svg(alt), words, name)

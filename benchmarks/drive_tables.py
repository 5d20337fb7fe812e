"""What ``python -m benchmarks drive`` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from ghostlap.base.terminal import say


def show(figures: dict[str, Any], console: Console) -> None:
    """Print what :func:`benchmarks.drive.measure` found."""
    many = figures["many"]
    table = Table(title="Drive server: from telemetry sent to steer received, 320x160")
    for column in ("what", "p50 ms", "p99 ms", "trips/s"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for what, row in (
        ("one simulator, two chains", figures["driving"]),
        ("one chain of it alone: every picture looked at", figures["one_chain"]),
        ("two chains, without picture and pilot", figures["bare"]),
        (f"{many['clients']} simulators at once", many),
        ("bare echo over TCP, before", figures["limit"]),
        ("bare echo over TCP, after", figures["limit_after"]),
    ):
        table.add_row(
            what, f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}", f"{row['trips_per_s']:.0f}"
        )
    console.print(table)
    memory = figures["memory"]
    resident_mb, trips, p99_ms = memory["resident_mb"], many["each_trips"], many["each_p99_ms"]
    for line in (
        f"of {many['clients']} simulators, the one served least had {min(trips)} answers and the "
        f"one served most {max(trips)}; p99 of each from {min(p99_ms):.2f} to {max(p99_ms):.2f} ms",
        f"start to first steer: {figures['start']['first_steer_s']:.2f} s",
        f"resident memory: {resident_mb[0]:.1f} MB after {memory['frames'] // len(resident_mb)} "
        f"frames, {resident_mb[-1]:.1f} MB after {memory['frames']}, at most "
        f"{max(resident_mb):.1f} MB",
    ):
        say(console, line)

"""What ``python -m benchmarks cockpit`` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from ghostlap.base.terminal import say


def show(figures: dict[str, Any], console: Console) -> None:
    """Print what :func:`benchmarks.cockpit.measure` found."""
    bare, page, watched = figures["bare"], figures["page"], figures["watched"]
    watchers_per_s = watched["watchers_per_s"]
    table = Table(title="Cockpit: from a key to the picture that shows it, 640x320")
    columns = (
        "what", "p50 ms", "p95 ms", "pictures/s made", "drawn", "server cores", "browser cores",
        "measuring cores",
    )  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column == "what" else "right")
    for what, row in (
        ("bare websocket, bytes received", bare),
        ("browser, on the screen", page),
        (f"browser, {len(watchers_per_s)} watching", watched),
    ):
        browser_cores = row.get("browser_cores")
        table.add_row(
            what, f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}", f"{row['made_per_s']:.1f}",
            f"{row['drawn_per_s']:.1f}", f"{row['server_cores']:.2f}",
            "–" if browser_cores is None else f"{browser_cores:.2f}",
            f"{row['measuring_cores']:.2f}",
        )  # fmt: skip
    console.print(table)
    unanswered = " + ".join(str(row["unanswered"]) for row in (bare, page, watched))
    painting, limit, after = figures["painting"], figures["limit"], figures["limit_after"]
    for line in (
        f"each over {page['events']} presses and releases, of which were not answered: "
        f"{unanswered}; bare pictures that were the same as before: {bare['unchanged']}",
        f"the browser adds {page['p50_ms'] - bare['p50_ms']:.1f} ms to the median: headless "
        f"Chromium {figures['browser']}, which paints without a GPU",
        f"of {len(watchers_per_s)} watchers, each gets {min(watchers_per_s):.1f} to "
        f"{max(watchers_per_s):.1f} pictures/s",
        f"a picture costs one core: painting {painting['paint_ms']:.1f} ms, JPEG "
        f"{painting['jpeg_ms']:.1f} ms ({painting['kilobytes']:.0f} kB); three cameras, every "
        f"sixth picture, {painting['cameras_ms']:.1f} ms",
        "one core's limit, before and after: copying "
        f"{limit['copy_gb_per_s']:.1f} and {after['copy_gb_per_s']:.1f} GB/s, multiplying "
        f"{limit['multiply_gflops']:.1f} and {after['multiply_gflops']:.1f} GFLOP/s",
    ):
        say(console, line)

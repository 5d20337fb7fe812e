"""What a person sees while it drives: a few lines that change, no scroll of numbers."""

from __future__ import annotations

import math
import queue
import threading
import time

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ghostlap.base.terminal import plain, say
from ghostlap.driving.server.stats import CarNow, Stats

_REFRESH_S = 0.25
_WHEEL_CELLS = 10
_MOST_CARS = 8
_CELLS = 5


class DriveConsole:
    """Shows figures while it is entered, on a thread of its own: a terminal may be slow.

    Where the console is no terminal, only what is said is written.
    """

    def __init__(self, stats: Stats, console: Console, waiting_for: str) -> None:
        self._stats = stats
        self._console = console
        self._waiting_for = waiting_for
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._leaving = threading.Event()
        self._counted = (time.monotonic(), 0)
        self._frames_per_s = 0.0

    def say(self, text: str) -> None:
        """Have a line written above the figures. Returns at once."""
        self._said.put(text)

    def __enter__(self) -> DriveConsole:
        self._thread = threading.Thread(target=self._run, name="ghostlap-console", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()

    def _run(self) -> None:
        if not self._console.is_terminal:
            while not self._leaving.wait(_REFRESH_S):
                self._write_said()
            self._write_said()
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while not self._leaving.wait(_REFRESH_S):
                self._write_said()
                self._count()
                live.update(self.picture(), refresh=True)
        self._write_said()

    def _write_said(self) -> None:
        while not self._said.empty():
            say(self._console, self._said.get())

    def _count(self) -> None:
        now, answered = time.monotonic(), self._stats.answered
        then, before = self._counted
        rate = (answered - before) / max(now - then, 1e-9)
        smoothing = 0.5 if self._frames_per_s else 0.0
        self._frames_per_s = smoothing * self._frames_per_s + (1 - smoothing) * rate
        self._counted = (now, answered)

    def picture(self) -> Group:
        """The figures as they are now."""
        table = Table.grid(padding=(0, 2))
        for _ in range(_CELLS - 1):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        cars = list(self._stats.cars.copy().items())
        if not cars:
            return Group(plain(self._waiting_for))
        for name, car in cars[:_MOST_CARS]:
            table.add_row(*_car_cells(name, car))
        if len(cars) > _MOST_CARS:
            table.add_row(f"and {len(cars) - _MOST_CARS} more")
        lines: list[Table | Text] = [table]
        if self._stats.answered:
            lines.append(Text(summary_line(self._stats, self._frames_per_s), no_wrap=True))
        return Group(*lines)


def summary_line(stats: Stats, frames_per_s: float) -> str:
    """All simulators together, in one line."""
    line = (
        f"{frames_per_s:.0f} frames/s   answered in {stats.latency_ms(50):.1f} ms (p50), "
        f"{stats.latency_ms(99):.1f} ms (p99)   dropped {stats.dropped}"
    )
    if stats.troubled:
        line += f"   in trouble {stats.troubled}"
    if stats.not_recorded:
        line += f"   not recorded {stats.not_recorded}"
    return line


def _car_cells(name: str, car: CarNow) -> list[Text]:
    if car.trouble:
        state = plain(car.trouble, "bold red")
    elif car.by_hand:
        state = Text("by hand", "yellow")
    elif car.slowed:
        state = Text("unsure: slowing down", "yellow")
    else:
        state = Text(_extra(car.extra))
    speed = "    ?" if math.isnan(car.speed_mph) else f"{car.speed_mph:5.1f}"
    return [
        plain(name.partition(" (")[0]),
        Text(f"{_wheel(car.steering)} {car.steering:+.3f}"),
        Text(f"{speed} mph"),
        Text(f"throttle {car.throttle:+.2f}"),
        state,
    ]


def _wheel(steering: float) -> str:
    """Where the wheel stands, ``├────────────┼──●─────────┤``."""
    cells = ["─"] * (2 * _WHEEL_CELLS + 1)
    cells[_WHEEL_CELLS] = "┼"
    cells[_WHEEL_CELLS + round(max(-1.0, min(1.0, steering)) * _WHEEL_CELLS)] = "●"
    return f"├{''.join(cells)}┤"


def _extra(extra: dict[str, float]) -> str:
    shown = {
        "lapNumber": "lap {:g}",
        "cte": "{:+.2f} m off the line",
        "tot_crashes": "crashes {:g}",
    }
    return "  ".join(text.format(extra[name]) for name, text in shown.items() if name in extra)

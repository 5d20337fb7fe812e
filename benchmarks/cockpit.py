"""``python -m benchmarks cockpit``: from a key to the picture that shows it, in a real browser.

The server with its simulator runs in a process of its own, a headless browser beside it, bare
websocket pages in this process: all on one machine, as for a person who drives. A trip begins with
the event of a key that is pressed or released, and ends with the browser's animation frame that
puts the first picture on the screen that the car was driven for with it. The same trip to a bare
page, from the message sent to the picture's bytes received, tells the browser's share.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from benchmarks.browser import browser_pid, open_browser
from benchmarks.cockpit_load import (
    BarePages,
    Press,
    drive_bare,
    drive_page,
    presses_of,
    until,
)
from benchmarks.drive_load import Server
from benchmarks.measures import median_s, one_core_limits, processor_s, spent_s
from ghostlap.base.errors import GhostlapError
from ghostlap.commands.cockpit import check_installed
from ghostlap.data.vision.pictures import encode_jpeg

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TRACK = "lake"
WATCHERS = 10
LEAST_PRESSES, PRESSES_A_REPEAT = 60, 4
SCREEN_PX = (1280, 800)

_WARM_UP = 5
"""Presses that do not count."""


def measure(repeats: int, console: Console) -> dict[str, Any]:
    """All figures of the cockpit, by part.

    Raises:
        GhostlapError: there is no browser, or the server ended by itself.
        CockpitError: the server's packages are not installed.
    """
    check_installed()
    with open_browser() as browser:  # where it is missing, that is better told now
        figures: dict[str, Any] = {"browser": browser.version}
    presses = presses_of(max(LEAST_PRESSES, PRESSES_A_REPEAT * repeats))
    parts: list[tuple[str, Callable[[], Any]]] = [
        ("limit", lambda: one_core_limits(repeats)),
        ("painting", lambda: painting(repeats)),
        ("bare", lambda: bare(presses)),
        ("page", lambda: in_browser(presses)),
        ("watched", lambda: in_browser(presses, WATCHERS)),
        ("limit_after", lambda: one_core_limits(repeats)),
    ]
    for name, part in parts:
        with console.status(f"measuring: {name} …"):
            figures[name] = part()
    return figures


def painting(repeats: int, track: str = TRACK) -> dict[str, float]:
    """What a picture costs one core: no server can be sooner, nor make more of them.

    Returns:
        ``paint_ms``, ``jpeg_ms``, ``cameras_ms`` of the three small ones, ``kilobytes``.
    """
    from ghostlap.cockpit.scene import DrivingScene

    scene = DrivingScene(track)
    main = scene.main_picture()

    def cameras() -> None:
        scene.simulation.step(0.0, 0.0, 0.02)  # they are taken once a moment
        for picture in scene.three_pictures():
            encode_jpeg(picture)

    return {
        "paint_ms": median_s(scene.main_picture, repeats) * 1000,
        "jpeg_ms": median_s(lambda: encode_jpeg(main), repeats) * 1000,
        "cameras_ms": median_s(cameras, repeats) * 1000,
        "kilobytes": len(encode_jpeg(main)) / 1000,
    }


def bare(presses: Sequence[Press], track: str = TRACK) -> dict[str, Any]:
    """A bare page that drives alone.

    Returns:
        What :func:`in_browser` does, without the browser's, and ``unchanged``: pictures that should
        have shown a key and were the same as the one before.
    """
    with _serving(track) as server, BarePages() as pages:
        page = pages.join(server)
        pages.run(drive_bare(page, presses[:_WARM_UP]))
        page.forget()
        look = _Look(server, page.frame)
        pages.run(drive_bare(page, presses))
        server.check_runs()
        return {
            **_trips([1000 * second for second in page.latency_s], presses),
            **look.rates(page.frame, page.pictures),
            "unchanged": page.unchanged,
        }


def in_browser(presses: Sequence[Press], watchers: int = 0, track: str = TRACK) -> dict[str, Any]:
    """A page that drives, and bare ones that watch.

    Returns:
        ``events`` (presses and releases), ``unanswered`` of them, ``p50_ms``, ``p95_ms``;
        ``made_per_s``, pictures that the server made, and ``drawn_per_s``, those that the page
        drew; ``server_cores``, ``browser_cores`` and ``measuring_cores`` (1 is one core kept busy),
        each with all its processes; ``watchers_per_s``, the pictures that came to each watcher.
    """
    with (
        open_browser() as browser,
        _serving(track) as server,
        _driving_page(browser, server) as page,
        BarePages() as pages,
    ):
        watching = [pages.join(server) for _ in range(watchers)]
        drive_page(page, presses[:_WARM_UP])
        for watcher in watching:
            watcher.forget()
        frame, pictures = page.evaluate("[ghostlap.frame, ghostlap.pictures]")
        look = _Look(server, frame)
        latency_ms = drive_page(page, presses)
        frame, drawn = page.evaluate("[ghostlap.frame, ghostlap.pictures]")
        server.check_runs()
        rates = look.rates(frame, drawn - pictures)
        each = [watcher.pictures / look.seconds for watcher in watching]
    return {**_trips(latency_ms, presses), **rates, "watchers_per_s": each}


class _Look:
    """Counters at one moment, for what a second holds until the next look."""

    def __init__(self, server: Server, frame: int) -> None:
        self._server, self._browser_pid, self._frame = server.pid, browser_pid(), frame
        self._spent_s = self._processor_s()
        self._began_s = time.perf_counter()
        self.seconds = 0.0

    def rates(self, frame: int, pictures: int) -> dict[str, float]:
        """What happened in a second until now, when so many pictures have been drawn."""
        self.seconds = time.perf_counter() - self._began_s
        before, after = self._spent_s, self._processor_s()
        cores = {name: spent_s(before[name], after[name]) / self.seconds for name in after}
        measuring = cores.pop("all_cores") - sum(cores.values())
        return {
            "seconds": self.seconds,
            "made_per_s": (frame - self._frame) / self.seconds,
            "drawn_per_s": pictures / self.seconds,
            **cores,
            "measuring_cores": max(0.0, measuring),
        }

    def _processor_s(self) -> dict[str, dict[int, float]]:
        found = {"all_cores": processor_s(os.getpid()), "server_cores": processor_s(self._server)}
        if self._browser_pid is not None:
            found["browser_cores"] = processor_s(self._browser_pid)
        return found


@contextlib.contextmanager
def _serving(track: str) -> Iterator[Server]:
    """The cockpit's server, with nothing recorded and no pilot."""
    with tempfile.TemporaryDirectory() as folder:
        task = {"work": "cockpit", "folder": folder, "track": track}
        with Server(task, "cockpit", "Try 'ghostlap sim', which says more.") as server:
            yield server


@contextlib.contextmanager
def _driving_page(browser: Browser, server: Server) -> Iterator[Page]:
    """The cockpit's page, driving straight on."""
    server.connection().close()
    page = browser.new_page(viewport={"width": SCREEN_PX[0], "height": SCREEN_PX[1]})
    page.goto(f"http://127.0.0.1:{server.port}/")
    until(page, server, "ghostlap.frame >= 0 && ghostlap.state !== null")
    page.keyboard.down("ArrowUp")
    until(page, server, "ghostlap.latency_ms.length > 0")
    page.evaluate("ghostlap.latency_ms.splice(0)")
    yield page
    page.close()


def _trips(latency_ms: Sequence[float], presses: Sequence[Press]) -> dict[str, Any]:
    """Of presses and releases alike."""
    events = 2 * len(presses)
    if not latency_ms:
        raise GhostlapError(f"bench cockpit: none of {events} presses and releases was answered.")
    p50, p95 = np.percentile(latency_ms, [50, 95])
    return {
        "events": events,
        "unanswered": events - len(latency_ms),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
    }

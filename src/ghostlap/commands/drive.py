"""``ghostlap drive``: a pilot drives Udacity's simulator.

ghostlap drive runs/a
ghostlap drive runs/a --speed-limit 20 --record runs/a/drive-1
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rich.console import Console

from ghostlap.base.errors import DriveError
from ghostlap.base.promptness import prompt_threads
from ghostlap.base.signals import until_asked
from ghostlap.base.terminal import native_words_dropped, say
from ghostlap.commands.cockpit import check_installed, check_no_loop
from ghostlap.driving.donkey.client import drive_donkey
from ghostlap.driving.server.config import PORT, DriveConfig
from ghostlap.driving.server.console import DriveConsole, summary_line
from ghostlap.driving.server.drive_recorder import Recordings
from ghostlap.driving.server.model_thread import Predict, predict_with
from ghostlap.driving.server.server import DriveServer
from ghostlap.driving.server.stats import Stats
from ghostlap.pilots.pilot import Pilot

if TYPE_CHECKING:
    from ghostlap.cockpit.app import App
    from ghostlap.cockpit.unity import UnitySource

console = Console(stderr=True)

_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}


def drive(config: DriveConfig, console: Console = console) -> dict[str, Any]:
    """Serve simulators until Ctrl-C or SIGTERM.

        >>> told = ghostlap.drive(ghostlap.DriveConfig("runs/a"))  # until Ctrl-C

    Returns:
        JSON values: ``answered`` telemetries, ``dropped`` and ``troubled`` ones of them,
        ``not_recorded``, ``p50_ms`` and ``p99_ms`` of the last 2000 answers (None without any),
        ``record``.

    Raises:
        PilotError: the run folder holds no usable pilot.
        DriveError: the port is in use, there is no such interface, or this is a notebook.
        RecordingError: ``config.record`` cannot be written.
        CockpitError: the page cannot be served.
    """
    check_no_loop("drive:", "drive", DriveError)
    pilot = Pilot.load(config.pilot)
    pilot.require_unsure(config.pilot, config.slow_when_unsure)
    pilot.require_line(config.pilot, config.line)
    # Pictures are small, and each further thread would be one that the simulator misses.
    cv2.setNumThreads(1)
    # It would print a line for each answer to a client that has just left.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    pilot.predict(np.zeros(pilot.preprocessing.frame_shape, np.uint8))  # the first one takes longer
    predict = predict_with(pilot, config.limits.image_side_px)
    stats = Stats()
    waiting_for = "waiting for the simulator: choose Autonomous Mode there"
    shown = DriveConsole(stats, console, waiting_for)

    def count_lost() -> None:
        stats.not_recorded += 1

    # libjpeg and libpng write a line for each damaged picture, whoever sends it.
    with prompt_threads(), native_words_dropped(), shown, contextlib.ExitStack() as stack:
        recordings = None
        if config.record is not None:
            recordings = Recordings(config.record, shown.say, count_lost)
            stack.callback(recordings.close)
        page = _page_of(config, pilot) if config.cockpit else None
        if config.simulator == "donkey":
            shape = pilot.preprocessing.frame_shape
            asyncio.run(_join(drive_donkey(config, predict, shown.say, stats, shape)))
        else:
            asyncio.run(_serve(config, predict, shown.say, stats, recordings, page))
    if stats.answered:
        say(
            console,
            f"{stats.answered} frames, {summary_line(stats, 0).partition('   ')[2].strip()}",
        )
    return _result(config, stats)


async def _join(driving: Coroutine[Any, Any, None]) -> None:
    """Drive until that is over, or somebody asks to stop."""
    drives, asked = asyncio.ensure_future(driving), asyncio.ensure_future(until_asked())
    await asyncio.wait({drives, asked}, return_when=asyncio.FIRST_COMPLETED)
    if drives.done():
        asked.cancel()
        drives.result()
    else:
        drives.cancel()
    await asyncio.gather(drives, asked, return_exceptions=True)


async def _serve(
    config: DriveConfig,
    predict: Predict,
    say: Callable[[str], None],
    stats: Stats,
    recordings: Recordings | None,
    page: App[UnitySource] | None,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        observer: UnitySource | None = None
        if page is not None:
            await stack.enter_async_context(page)
            observer = page.source
            say(f"the cockpit is at {page.address}")
        server = await stack.enter_async_context(
            DriveServer(config, predict, say, stats, recordings, observer)
        )
        _say_where(config, server.port, say)
        await until_asked()


def _page_of(config: DriveConfig, pilot: Pilot) -> App[UnitySource]:
    """The page that shows the drive.

    Raises:
        CockpitError: the web server's packages are not installed.
    """
    check_installed()
    from ghostlap.cockpit.app import App
    from ghostlap.cockpit.config import CockpitConfig
    from ghostlap.cockpit.unity import UnitySource

    run = config.pilot.absolute()
    page = CockpitConfig(host=config.page_host, port=config.page_port, runs=run.parent)
    side_px = config.limits.image_side_px
    shown = UnitySource(page, run, config.speed_limit, side_px, config.line, pilot.lines)
    return App(page, shown)


def _say_where(config: DriveConfig, port: int, say: Callable[[str], None]) -> None:
    say(f"driving with {config.pilot} on {config.host}:{port}; Ctrl-C ends it")
    if config.host not in _THIS_MACHINE:
        say(
            f"Attention: {config.host} lets other machines in. Whoever reaches this one can have "
            "the pilot look at pictures; there is no password."
        )
    if port != PORT:
        say(f"Udacity's simulator only connects to port {PORT}, so not here.")


def _result(config: DriveConfig, stats: Stats) -> dict[str, Any]:
    return {
        "answered": stats.answered,
        "dropped": stats.dropped,
        "troubled": stats.troubled,
        "not_recorded": stats.not_recorded,
        "p50_ms": stats.latency_ms(50) if stats.answered else None,
        "p99_ms": stats.latency_ms(99) if stats.answered else None,
        "record": None if config.record is None else str(config.record),
    }

"""A cockpit that serves while tests look at its page."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path

from ghostlap.cockpit.app import App
from ghostlap.cockpit.config import CockpitConfig
from ghostlap.cockpit.simulator import EmbeddedSource

PATIENCE_S = 60.0
"""A busy machine is slow; nothing here measures time."""


class Cockpit:
    """A server in a thread of its own, that can end and begin again at the same address."""

    def __init__(self, folder: Path) -> None:
        self.recordings, self.runs = folder / "recordings", folder / "runs"
        self.port = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        config = CockpitConfig(port=self.port, recordings=self.recordings, runs=self.runs)
        simulator = EmbeddedSource(config)
        started: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()

        async def serve() -> None:
            try:
                async with App(config, simulator) as app:
                    started.set_result(app.port)
                    await self._stopping.wait()
            except Exception as error:
                if started.done():
                    raise
                started.set_exception(error)

        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(serve()))
        self._thread.start()
        self.port = started.result(PATIENCE_S)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._loop.close()

    def newest_recording(self) -> Path:
        folders = [path for path in self.recordings.iterdir() if (path / "IMG").is_dir()]
        return max(folders, key=lambda path: path.stat().st_mtime_ns)

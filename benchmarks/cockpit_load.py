"""ManualInput and eyes for the cockpit's server: presses of keys, a real page, and bare ones.

A bare page is a websocket that reads and acknowledges as the browser's does, without decoding or
drawing anything. What a browser takes longer than it is the browser's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.drive_load import Server
from ghostlap.cockpit.protocol import Kind, read_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

Found = TypeVar("Found")

_ANSWERED_WITHIN_S = 5.0
_LOOK_AGAIN_S = 0.02
_ARROWS = {"left": "ArrowLeft", "right": "ArrowRight"}
_HELD_S, _RELEASED_S = (0.06, 0.2), (0.06, 0.2)
"""From and to; the shortest is two pictures."""


class Press(NamedTuple):
    """A key that is held for a while, and then released for a while."""

    key: str
    held_s: float
    released_s: float


def presses_of(count: int, seed: int = 0) -> list[Press]:
    """Left and right by turns of chance, at moments that fit no clock of the server's."""
    random = np.random.default_rng(seed)
    keys = random.choice(list(_ARROWS), count)
    held_s, released_s = random.uniform(*_HELD_S, count), random.uniform(*_RELEASED_S, count)
    return [
        Press(str(k), float(h), float(r)) for k, h, r in zip(keys, held_s, released_s, strict=True)
    ]


class BarePage:
    """A page without a screen.

    Args:
        connection: to the server, on which nothing has been read.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.pictures = 0
        """Main pictures that have come."""
        self.frame = -1
        """Number of the newest; the server counts all that it makes."""
        self.latency_s: list[float] = []
        """From each change of the held keys to the first picture that the car drove with it."""
        self.unchanged = 0
        """Of these pictures, those that are the same as the one before."""
        self._connection = connection
        self._inputs = 0
        self._sent_s: dict[int, float] = {}
        self._answered_by: dict[int, int] = {}
        self._last = b""

    async def read(self) -> None:
        """Read until the server ends."""
        with contextlib.suppress(ConnectionClosed):
            async for message in self._connection:
                if isinstance(message, bytes):
                    await self._see(message)
                else:
                    self._hear(json.loads(message))

    async def hold(self, *keys: str) -> None:
        """Hold these keys from now on."""
        self._inputs += 1
        self._sent_s[self._inputs] = time.perf_counter()
        await self._say({"type": "input", "n": self._inputs, "keys": list(keys)})

    def forget(self) -> None:
        """Count from here on."""
        self.pictures = self.unchanged = 0
        self.latency_s.clear()

    @property
    def unanswered(self) -> int:
        return len(self._sent_s)

    async def _say(self, message: dict[str, Any]) -> None:
        await self._connection.send(json.dumps(message))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "state":
            for number in self._sent_s:
                if number <= message["input_ack"]:
                    self._answered_by.setdefault(number, message["frame"])

    async def _see(self, message: bytes) -> None:
        kind, frame, _, jpeg = read_picture(message)
        if kind is not Kind.MAIN:
            return
        seen_s = time.perf_counter()
        answers = [number for number, by in self._answered_by.items() if by <= frame]
        for number in answers:
            self.latency_s.append(seen_s - self._sent_s.pop(number))
            del self._answered_by[number]
            self.unchanged += jpeg == self._last
        self.pictures, self.frame, self._last = self.pictures + 1, frame, jpeg
        await self._say({"type": "seen", "frame": frame})


class BarePages:
    """Bare pages, read by a thread of its own while the block that uses it lasts."""

    def __enter__(self) -> BarePages:
        self._loop = asyncio.new_event_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._connections: list[ClientConnection] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="ghostlap-pages")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """Do something in the pages' thread, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def join(self, server: Server) -> BarePage:
        """Another page, once a picture has come to it."""
        server.connection().close()
        server.be_patient()
        return self.run(self._join(server))

    async def _join(self, server: Server) -> BarePage:
        connection = await connect(f"ws://127.0.0.1:{server.port}/ws", compression=None)
        self._connections.append(connection)
        page = BarePage(connection)
        self._tasks.append(asyncio.create_task(page.read()))
        while not page.pictures:
            server.check()
            await asyncio.sleep(_LOOK_AGAIN_S)
        return page

    async def _leave(self) -> None:
        for connection in self._connections:
            await connection.close()
        await asyncio.gather(*self._tasks)


async def drive_bare(page: BarePage, presses: Sequence[Press]) -> None:
    """Press and release, and wait for what was caused by the last."""
    for press in presses:
        await page.hold("up", press.key)
        await asyncio.sleep(press.held_s)
        await page.hold("up")
        await asyncio.sleep(press.released_s)
    give_up_s = time.perf_counter() + _ANSWERED_WITHIN_S
    while page.unanswered and time.perf_counter() < give_up_s:
        await asyncio.sleep(_LOOK_AGAIN_S)


def drive_page(page: Page, presses: Sequence[Press]) -> list[float]:
    """The same in a browser's page; gives the milliseconds of each that was answered."""
    found_ms: list[float] = []

    def look() -> None:
        found_ms.extend(page.evaluate("ghostlap.latency_ms.splice(0)"))

    for press in presses:
        page.keyboard.down(_ARROWS[press.key])
        page.wait_for_timeout(press.held_s * 1000)
        page.keyboard.up(_ARROWS[press.key])
        page.wait_for_timeout(press.released_s * 1000)
        look()
    give_up_s = time.perf_counter() + _ANSWERED_WITHIN_S
    while len(found_ms) < 2 * len(presses) and time.perf_counter() < give_up_s:
        page.wait_for_timeout(_LOOK_AGAIN_S * 1000)
        look()
    return found_ms


def until(page: Page, server: Server, condition: str) -> None:
    """Wait for a condition in the page, which lets nobody evaluate text by itself."""
    server.be_patient()
    while not page.evaluate(f"Boolean(window.ghostlap && ({condition}))"):
        server.check()
        page.wait_for_timeout(_LOOK_AGAIN_S * 1000)

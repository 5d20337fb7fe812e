"""The pages: who drives, who watches, and what waits for each. Lives in the event loop.

Of each kind of picture at most one waits for a page, the newest; of main pictures at most two are
on their way until the page says that it has shown one. A page that does not read is sent nothing
and keeps nothing but that.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

from ghostlap.cockpit.library import Library
from ghostlap.cockpit.protocol import (
    Command,
    DriverChanged,
    Hello,
    Kind,
    Level,
    MapChanged,
    News,
    Say,
    State,
    read_picture,
    text_of,
)  # fmt: skip

MAX_CLIENTS = 32
_VIEWS = (Kind.MAIN, Kind.SALIENCY)
"""Either is the main picture."""
_UNSEEN_FRAMES = 2
_SEEN_WITHIN_S = 2.0
"""A page that was sent a picture so long ago is sent another without having shown it."""
_MOST_TEXTS = 64
READS_WITHIN_S = 15.0
"""A page that reads nothing for so long is left."""


SEAT_KEPT_S = 1.0
"""A seat that was taken from another page cannot be taken again for so long."""
JUST_CAME_S = 5.0
"""A page that came so shortly before the driver's went is the same person's, loaded again: it is
often here before the old one's connection is known to have ended."""


class Outlet(Protocol):
    """Where news of what drives go; nothing waits, and any thread may call."""

    def publish(self, pictures: dict[Kind, bytes], state: State | None) -> None: ...

    def say(self, level: Level, text: str) -> None: ...

    def new_map(self, road: dict[str, Any] | None) -> None: ...


class Source(Protocol):
    """What drives, and where its recordings are; no call waits."""

    library: Library

    @property
    def tracks(self) -> list[str]: ...

    def start(self, outlet: Outlet) -> None: ...

    def stop(self) -> None: ...

    @property
    def kind(self) -> Literal["sim", "unity"]: ...

    @property
    def road_map(self) -> dict[str, Any] | None: ...

    def tell(self, command: Command) -> None: ...

    def sit(self, taken: bool) -> None: ...

    def watched_by(self, pages: int) -> None: ...

    def is_recording(self, name: str) -> bool: ...


class Client:
    """One page: what it is to be sent."""

    def __init__(self, number: int, now_s: Callable[[], float]) -> None:
        self.id = number
        self.came_s = now_s()
        self.sat_until_silent = False
        self._now_s = now_s
        self._texts: deque[str] = deque(maxlen=_MOST_TEXTS)
        self._state: str | None = None
        self._pictures: dict[Kind, bytes] = {}
        self._unseen: deque[tuple[int, float]] = deque(maxlen=_UNSEEN_FRAMES)
        self._news = asyncio.Event()

    def say(self, message: News) -> None:
        self._texts.append(text_of(message))
        self._news.set()

    def show(self, pictures: dict[Kind, bytes], state: str | None) -> None:
        """Newer pictures and a newer state take the place of those that still wait."""
        if any(kind in _VIEWS for kind in pictures):
            for kind in _VIEWS:
                self._pictures.pop(kind, None)
        self._pictures.update(pictures)
        self._state = state or self._state
        self._news.set()

    def seen(self, frame: int) -> None:
        """The page has shown a main picture, and all before it."""
        while self._unseen and self._unseen[0][0] <= frame:
            self._unseen.popleft()
        self._news.set()

    async def send(
        self, text: Callable[[str], Awaitable[None]], data: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Send what there is, for ever; waits where the page is slow.

        Raises:
            TimeoutError: it has not read anything for long.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            async with asyncio.timeout(READS_WITHIN_S):
                await self._send_news(text, data)

    async def _send_news(
        self, text: Callable[[str], Awaitable[None]], data: Callable[[bytes], Awaitable[None]]
    ) -> None:
        while self._texts:
            await text(self._texts.popleft())
        if self._state is not None:
            state, self._state = self._state, None
            await text(state)
        for kind in list(self._pictures):
            if kind in _VIEWS and not self._may_send_view():
                continue
            message = self._pictures.pop(kind, None)
            if message is None:  # replaced while another was sent
                continue
            if kind in _VIEWS:
                self._unseen.append((read_picture(message)[1], self._now_s()))
            await data(message)

    @property
    def waiting_bytes(self) -> int:
        """What is kept for the page."""
        texts = [*self._texts, self._state or ""]
        return sum(map(len, texts)) + sum(map(len, self._pictures.values()))

    def _may_send_view(self) -> bool:
        if len(self._unseen) < _UNSEEN_FRAMES:
            return True
        return self._now_s() - self._unseen[0][1] > _SEEN_WITHIN_S


class Hub:
    """All pages, and the driver's seat."""

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self._source, self._loop = source, loop
        self.clients: dict[int, Client] = {}
        self.driver: int | None = None
        self._taken_s = -math.inf
        self._numbers = itertools.count(1)
        self._last_view: dict[Kind, bytes] = {}
        self._last_state: str | None = None

    @property
    def is_full(self) -> bool:
        return len(self.clients) >= MAX_CLIENTS

    def join(self) -> Client:
        """A page has come; the first one gets the driver's seat."""
        client = Client(next(self._numbers), self._loop.time)
        self.clients[client.id] = client
        if self.driver is None:
            self._seat(client.id)
        source = self._source
        client.say(Hello(client.id, self.driver, source.kind, source.tracks, source.road_map))
        client.show(self._last_view, self._last_state)
        self._source.watched_by(len(self.clients))
        return client

    def leave(self, client: Client) -> None:
        """A page has gone; if it drove, its seat is free, or of a page that has just come."""
        self.clients.pop(client.id, None)
        if self.driver == client.id:
            since_s = self._loop.time() - JUST_CAME_S
            later = [one for one in self.clients.values() if one.id > client.id]
            self._seat(later[-1].id if later and later[-1].came_s > since_s else None)
        self._source.watched_by(len(self.clients))

    def take(self, client: Client) -> None:
        """A page sits down in the driver's seat, whoever sat there; not if that was just taken.

        Two pages that both want it would otherwise keep the manual_input of both off the wheel.
        """
        if self.driver == client.id:
            return
        now_s = self._loop.time()
        if self.driver is not None:
            if now_s - self._taken_s < SEAT_KEPT_S:
                client.say(Say("warning", "the seat was taken just now; try again in a moment"))
                return
            self._taken_s = now_s
        self._seat(client.id)

    def stand_up(self, client: Client) -> None:
        """A page gets up from the driver's seat, if it sat there."""
        client.sat_until_silent = False
        if self.driver == client.id:
            self._seat(None)

    def silent(self, client: Client) -> None:
        """Nothing is heard of a page: it drives no longer, until it is heard again."""
        sat = self.driver == client.id or client.sat_until_silent
        self.stand_up(client)
        client.sat_until_silent = sat

    def heard(self, client: Client) -> None:
        """A page says something; if it sat until it was silent, a seat still free is its own."""
        if client.sat_until_silent:
            client.sat_until_silent = False
            if self.driver is None:
                self._seat(client.id)

    def tell(self, client: Client, command: Command) -> None:
        """A page wants something done; only the driver's wishes count."""
        if client.id == self.driver:
            self._source.tell(command)
        else:
            client.say(Say("warning", "you are watching; take the driver's seat first"))

    def publish(self, pictures: dict[Kind, bytes], state: State | None) -> None:
        """Show all pages something new."""
        views = {kind: message for kind, message in pictures.items() if kind in _VIEWS}
        self._last_view = views or self._last_view
        text = None
        if state is not None:
            state.watchers = len(self.clients) - (self.driver is not None)
            state.driver = self.driver
            text = self._last_state = text_of(state)
        for client in self.clients.values():
            client.show(pictures, text)

    def tell_all(self, message: News) -> None:
        for client in self.clients.values():
            client.say(message)

    def _seat(self, driver: int | None) -> None:
        self.driver = driver
        self._source.sit(False)  # what another held is let go
        if driver is not None:
            self._source.sit(True)
        self.tell_all(DriverChanged(driver))


class HubOutlet:
    """The engine's way into the event loop: newest news only, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._hub: Hub | None = None

    def attach(self, hub: Hub) -> None:
        self._hub = hub

    def publish(self, pictures: dict[Kind, bytes], state: State | None) -> None:
        self._soon(lambda hub: hub.publish(pictures, state))

    def say(self, level: Level, text: str) -> None:
        self._soon(lambda hub: hub.tell_all(Say(level, text)))

    def new_map(self, road: dict[str, Any] | None) -> None:
        self._soon(lambda hub: hub.tell_all(MapChanged(road)))

    def _soon(self, what: Callable[[Hub], None]) -> None:
        hub = self._hub
        if hub is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(what, hub)

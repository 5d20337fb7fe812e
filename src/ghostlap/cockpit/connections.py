"""Connections that are let go: who says nothing, never ends or never reads keeps no place.

Whatever connects to the port gets here first, before anything is known of it. A page needs a few
connections for moments, and one for its websocket.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_CONNECTIONS = 256
_MOST_IDLE = 64
"""Connections on which no request is under way; one more takes the place of the oldest."""
IDLE_S = 10.0
"""Without a request, until all of its headers are there, and with an answer of which nothing more
is read."""
REQUEST_S = 90.0
"""Longest time from a request's headers to its answer."""
LOOK_S = 5.0
_MOST_UNREAD_BYTES = 8 * 1024 * 1024
_MOST_FRAGMENTS = 1000


class PatientHttp(H11Protocol):
    """HTTP/1.1 for requests that come to an end."""

    _became_page = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._stage: tuple[object, bool, int] = (None, True, 0)
        self._since_s = self.loop.time()
        self._next_look = self.loop.call_later(LOOK_S, self._look)
        idle = [
            one
            for one in self.connections
            if isinstance(one, PatientHttp) and one._is_idle and not one.transport.is_closing()
        ]
        if len(idle) > _MOST_IDLE:
            min(idle, key=lambda one: one._since_s).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._became_page = True
        super().handle_websocket_upgrade(event)

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _look(self) -> None:
        """Let go of what makes no progress."""
        now_s, unread_bytes = self.loop.time(), self.transport.get_write_buffer_size()
        is_page = self._became_page and not self.transport.is_closing()
        stage = self.cycle, self._is_idle, unread_bytes
        if is_page or stage != self._stage:
            self._stage, self._since_s = stage, now_s
        too_long_s = IDLE_S if self._is_idle else REQUEST_S
        if now_s - self._since_s > too_long_s:
            self.transport.abort()
        elif not self.transport.is_closing() or unread_bytes:
            self._next_look = self.loop.call_later(LOOK_S, self._look)


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A websocket whose other side cannot make this one keep much."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        unread_bytes = self.transport.get_write_buffer_size()
        if unread_bytes > _MOST_UNREAD_BYTES or len(self.frames) > _MOST_FRAGMENTS:
            self.transport.abort()

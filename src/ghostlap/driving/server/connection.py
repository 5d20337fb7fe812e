"""A WebSocket connection that answers fast, and that no client can hold up."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import CloseCode, Frame, Opcode

from ghostlap.base.platform import QUICK_ACK
from ghostlap.driving.server.config import Limits

_READ_BYTES = 8 * 1024
"""Bytes read at a time: few, so that a client's flood takes turns with the others' messages."""
_READ_BYTES_IN_TURN = 512
"""Bytes read at a time of a client that shares its time: of small messages these are many."""
_AHEAD_S = 0.002
"""Time that a client which was silent may use at once."""
_WINDOW_S = 0.1
"""Messages are counted over so long: enough to see a flood before it has cost others anything."""
_FRAMES_A_MESSAGE = 8
"""A client may send so many times as many WebSocket frames as messages, fragments and pings."""
_MOST_FRAGMENTS = 4096
"""Most fragments of one message; the simulator's are of 1,016 bytes."""
_END_WITHIN_S = 1.0


class Door(Protocol):
    """Whoever wants to know who comes and goes."""

    limits: Limits

    def opened(self, connection: SimulatorConnection) -> bool: ...

    def closed(self, connection: SimulatorConnection) -> None: ...


class SimulatorConnection(ServerConnection, asyncio.BufferedProtocol):
    """Hands over whole messages as soon as their last byte is there, without a task in between.

    A door is told when it opens and closes, and says whether it may.
    """

    def __init__(self, door: Door, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.ended_because = ""
        """Why this side ended it, where it did."""
        self._door = door
        self._on_message: Callable[[str | bytes], None] | None = None
        self._early: list[str | bytes] = []
        self._parts: list[bytes] = []
        self._ending = self._is_refused = False
        self._buffer = bytearray(_READ_BYTES)
        self._in_turn = memoryview(self._buffer)[:_READ_BYTES_IN_TURN]
        self._share = 1.0
        self._ahead_s, self._counted_s = _AHEAD_S, time.perf_counter()
        self._is_text = False
        self._window_s = self.loop.time()
        self._frames = self._messages = 0
        self._most_messages = max(1, round(door.limits.messages_per_s * _WINDOW_S))

    def deliver_to(self, on_message: Callable[[str | bytes], None]) -> None:
        """Deliver messages here from now on, and those that came already."""
        self._on_message = on_message
        early, self._early = self._early, []
        for message in early:
            self._deliver(message)

    def share_time(self, share: float) -> None:
        """Hear this client for no more than a share of the time from now on; 1 is all of it."""
        if share == 1.0 > self._share:
            self._hear_again()
        self._share = share

    def send_text(self, text: str) -> None:
        """Send a message. Never waits; a client that does not read its answers is left."""
        if self._ending:
            return
        broadcast([self], text)
        self._leave_who_does_not_read()

    def end(self, code: int, reason: str) -> None:
        """Say good-bye, and be gone within a second, whether the other side answers or not."""
        if self._ending:
            return
        self.ended_because = reason
        self.protocol.fail(code, reason)
        self.send_data()
        self._end_soon()

    def abort(self) -> None:
        """Be gone now."""
        self._ending = True
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._door.opened(self):
            # The library never hears of it: a flood of clients is to cost next to nothing.
            self._ending = self._is_refused = True
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        super().connection_made(transport)
        self._socket = transport.get_extra_info("socket")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_refused:
            return
        self._ending = True
        super().connection_lost(exc)
        self._door.closed(self)

    def get_buffer(self, sizehint: int) -> bytearray | memoryview:
        return self._buffer if self._share == 1.0 else self._in_turn

    def buffer_updated(self, nbytes: int) -> None:
        began_s = time.perf_counter()
        self._hear(nbytes)
        if self._share < 1.0:
            self._spend(began_s, time.perf_counter())

    def _spend(self, began_s: float, now_s: float) -> None:
        """Count the time that was used; where it is more than this client's, leave it waiting."""
        gained_s = (now_s - self._counted_s) * self._share
        self._ahead_s = min(_AHEAD_S, self._ahead_s + gained_s) - (now_s - began_s)
        self._counted_s = now_s
        if self._ahead_s < 0 and not self._ending:
            self.transport.pause_reading()
            self.loop.call_later(-self._ahead_s / self._share, self._hear_again)

    def _hear_again(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _hear(self, nbytes: int) -> None:
        # The simulator writes a telemetry in many small pieces, and its system waits for each one
        # to be acknowledged before it sends the next; ours would wait about 40 ms with that.
        if QUICK_ACK is not None:  # the system forgets it, so at each read
            self._socket.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
        self.data_received(bytes(memoryview(self._buffer)[:nbytes]))
        self._leave_who_does_not_read()  # pongs are written without a message
        if self.protocol.close_expected() and not self._ending:
            self._end_soon()

    def process_event(self, event: Any) -> None:
        if self._ending or self._is_flood():
            return
        if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.CONT, Opcode.BINARY):
            self._assemble(event)
        else:
            super().process_event(event)

    def _assemble(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            if len(self._parts) >= _MOST_FRAGMENTS:
                self.end(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            return
        whole = b"".join(self._parts)
        self._parts.clear()
        self._deliver(_decoded(whole) if self._is_text else whole)

    def _deliver(self, message: str | bytes) -> None:
        if self._ending:
            return
        self._messages += 1
        if self._on_message is None:
            self._early.append(message)
        else:
            self._on_message(message)

    def _is_flood(self) -> bool:
        now = self.loop.time()
        if now - self._window_s >= _WINDOW_S:
            self._window_s, self._frames, self._messages = now, 0, 0
        self._frames += 1
        most = self._most_messages
        if self._messages > most or self._frames > most * _FRAMES_A_MESSAGE:
            self.end(CloseCode.POLICY_VIOLATION, "too many messages a second")
            return True
        return False

    def _leave_who_does_not_read(self) -> None:
        if self.transport.get_write_buffer_size() > self._door.limits.unread_bytes:
            self.ended_because = "it does not read its answers"
            self.abort()

    def _end_soon(self) -> None:
        self._ending = True
        self.loop.call_later(_END_WITHIN_S, self.transport.abort)


def _decoded(text: bytes) -> str | bytes:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text

"""A client that writes to a socket what Udacity's simulator writes, byte by byte, or anything."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import struct
from typing import Any

REQUEST = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    b"Host: 127.0.0.1:4567\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""To the key in the request, as RFC 6455 has it."""
FRAGMENT_BYTES = 1016
PATIENCE_S = 20.0
CONTINUATION, TEXT, BINARY, CLOSE, WEBSOCKET_PING, WEBSOCKET_PONG = 0, 1, 2, 8, 9, 10


def telemetry(image: bytes = b"\xff\xd8", speed: str = "12.3456", **more: Any) -> str:
    """A telemetry, as text."""
    values = {
        "steering_angle": "-3.1416", "throttle": "0.2500", "speed": speed,
        "image": base64.b64encode(image).decode(), **more,
    }  # fmt: skip
    return f'42["telemetry",{json.dumps(values, separators=(",", ":"))}]'


def frame(opcode: int, data: bytes, final: bool = True) -> bytes:
    """A WebSocket frame of a client."""
    head = bytes([opcode | (0x80 if final else 0)])
    if len(data) < 126:
        head += bytes([0x80 | len(data)])
    elif len(data) < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", len(data))
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", len(data))
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


_writers: list[asyncio.StreamWriter] = []


async def open_connection(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a port of this machine, until :func:`leave_all`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _writers.append(writer)
    return reader, writer


async def leave_all() -> None:
    """Disconnect all clients of a test without a word."""
    for writer in _writers:
        writer.transport.abort()
    for writer in _writers:
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    _writers.clear()


class RawSimulator:
    """A connection to a drive server on this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.response = b""

    @classmethod
    async def connect(cls, port: int, request: bytes = REQUEST) -> RawSimulator:
        """Connect, shake hands, and read the opening."""
        simulator = cls(*await open_connection(port))
        simulator.writer.write(request)
        simulator.response = await simulator._patiently(simulator.reader.readuntil(b"\r\n\r\n"))
        opening = [await simulator.hear(), await simulator.hear()]
        assert opening[0].startswith('0{"sid":"')
        assert opening[1].startswith('40{"sid":"')
        return simulator

    def say(self, text: str) -> None:
        """Send a message in the simulator's small fragments."""
        data = text.encode()
        pieces = [data[i : i + FRAGMENT_BYTES] for i in range(0, len(data), FRAGMENT_BYTES)]
        for i, piece in enumerate(pieces or [b""]):
            self.write(frame(CONTINUATION if i else TEXT, piece, i >= len(pieces) - 1))

    def write(self, data: bytes) -> None:
        """Send any bytes."""
        self.writer.write(data)

    async def hear(self) -> str:
        """The next message."""
        opcode, data = await self.hear_frame()
        assert opcode == TEXT, (opcode, data)
        return data.decode()

    async def hear_frame(self) -> tuple[int, bytes]:
        """The next frame's opcode and content; raises ``IncompleteReadError`` at the end."""
        head = await self._patiently(self.reader.readexactly(2))
        length = head[1]
        if length == 126:
            length = int.from_bytes(await self._patiently(self.reader.readexactly(2)), "big")
        return head[0] & 15, await self._patiently(self.reader.readexactly(length))

    async def steered(self) -> tuple[float, float]:
        """The next steer's steering and throttle."""
        name, values = json.loads((await self.hear()).removeprefix("42"))
        assert name == "steer"
        return float(values["steering_angle"]), float(values["throttle"])

    async def closing_code(self) -> int:
        """Read on until the connection is closed; 0 without a closing frame."""
        code = 0
        try:
            while True:
                opcode, data = await self.hear_frame()
                if opcode == CLOSE:
                    code = int.from_bytes(data[:2], "big")
                    self.write(frame(CLOSE, data[:2]))
                    self.writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            return code

    async def nothing_more(self) -> None:
        """Make sure that nothing else was sent before the answer to a ping."""
        self.say("2")
        assert await self.hear() == "3"

    async def _patiently(self, reading: Any) -> bytes:
        return bytes(await asyncio.wait_for(reading, PATIENCE_S))

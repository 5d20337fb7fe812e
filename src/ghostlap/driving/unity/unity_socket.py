"""The WebSocket of Udacity's simulator: one plain socket, many small fragments.

The simulator's library (websocket-sharp) cuts a text longer than 1016 bytes into fragments and
writes each by itself, with Nagle's algorithm on. A server that leaves acknowledgements to its
kernel then waits some 40 ms for every picture; so a client that is to show what driving is like has
to write as it does.
"""

from __future__ import annotations

import contextlib
import select
import socket

from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import CONNECTING, OPEN
from websockets.uri import parse_uri

FRAGMENT_BYTES = 1016
"""The most that one frame carries."""

_READ_BYTES = 65536
_CONNECTING_S = 1.0
_WRITING_S = 10.0
"""A server that reads nothing for so long is given up."""
_PATH = "/socket.io/?EIO=4&transport=websocket"


class UnitySocket:
    """One connection, from the TCP handshake to its end.

    Args:
        host: an IPv4 address or a name of one: the simulator knows no other.
        key: ``Sec-WebSocket-Key``, 16 bytes in Base64.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, host: str, port: int, key: str) -> None:
        self.open = False
        """Whether the server has accepted the WebSocket and not left since."""
        self.closed = False
        """Whether the connection is over, for whatever reason."""
        self._text = bytearray()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(_CONNECTING_S)
            self._socket.connect((host, port))
            self._socket.settimeout(_WRITING_S)
            self._protocol = ClientProtocol(parse_uri(f"ws://{host}:{port}{_PATH}"), max_size=None)
            self._protocol.key = key
            self._protocol.send_request(self._protocol.connect())
            self._flush()
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The socket's descriptor, for ``select``."""
        return self._socket.fileno()

    def send(self, text: str) -> None:
        """Send a text message, in fragments if it is long; none once the connection is over."""
        data = text.encode()
        starts = range(0, max(len(data), 1), FRAGMENT_BYTES)
        for start in starts:
            if self.closed:
                return
            part, last = data[start : start + FRAGMENT_BYTES], start == starts[-1]
            if start == 0:
                self._protocol.send_text(part, fin=last)
            else:
                self._protocol.send_continuation(part, fin=last)
            self._flush()

    def receive(self, wait_s: float) -> list[str]:
        """The text messages that have come, after at most ``wait_s`` of waiting for any.

        A binary message, or a WebSocket that the server refuses, ends the connection.
        """
        if self.closed or not select.select([self._socket], [], [], wait_s)[0]:
            return []
        try:
            data = self._socket.recv(_READ_BYTES)
        except OSError:  # the server was killed
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        texts: list[str] = []
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self.open = not self._refused
            elif isinstance(event, Frame) and not self._take(event, texts):
                self.close()
                return texts
        self._flush()
        if not data or self._protocol.state not in (CONNECTING, OPEN) or self._refused:
            self._end()
        return texts

    def close(self, code: int = CloseCode.NORMAL_CLOSURE) -> None:
        """Say goodbye and end the connection."""
        if self.closed:
            return
        if self._protocol.state is OPEN:
            with contextlib.suppress(WebSocketException):
                self._protocol.send_close(code)
            self._flush()
        self._end()

    @property
    def _refused(self) -> bool:
        return self._protocol.handshake_exc is not None

    def _take(self, frame: Frame, texts: list[str]) -> bool:
        """Collect what a frame brings; whether the connection can go on."""
        if frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._text += frame.data
            if frame.fin:
                texts.append(self._text.decode(errors="replace"))
                self._text.clear()
        return frame.opcode is not Opcode.BINARY

    def _flush(self) -> None:
        try:
            for data in self._protocol.data_to_send():
                if data:
                    self._socket.sendall(data)
        except OSError:  # the server is gone, or reads no more
            self._end()

    def _end(self) -> None:
        self.open, self.closed = False, True
        self._socket.close()

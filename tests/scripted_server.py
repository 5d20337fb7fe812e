"""A drive server that says what a test tells it to, in the test's own thread."""

from __future__ import annotations

import socket

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

GREETING = '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'
PATIENCE_S = 10.0


class ScriptedServer:
    """Serves one client at a time on a free port of this machine."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE_S)
        self.port = self._listener.getsockname()[1]
        self._connection = socket.socket()
        self.requests: list[Request] = []
        self.frames: list[Frame] = []
        """All that came on the present connection."""
        self._unread: list[str] = []
        self._fragments = b""

    def accept(self, status: int | None = None) -> None:
        """Let the next client in, or answer it with an HTTP status."""
        self._connection.close()
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(PATIENCE_S)
        self._protocol = ServerProtocol()
        self.frames, self._unread, self._fragments = [], [], b""
        while not (events := self._events()):
            pass
        assert isinstance(events[0], Request)
        self.requests.append(events[0])
        if status is None:
            self._protocol.send_response(self._protocol.accept(events[0]))
            self._flush()
        else:
            self._protocol.send_response(self._protocol.reject(status, "no"))
            self._flush()
            self.leave()

    def say(self, *texts: str) -> None:
        for text in texts:
            self._protocol.send_text(text.encode())
        self._flush()

    def say_binary(self, data: bytes) -> None:
        self._protocol.send_binary(data)
        self._flush()

    def hear(self) -> str:
        """The next text message.

        Raises:
            TimeoutError: none comes.
            EOFError: the client has left.
        """
        while not self._unread:
            for event in self._events():
                assert isinstance(event, Frame)
                self.frames.append(event)
                if event.opcode is Opcode.CLOSE:
                    raise EOFError
                self._fragments += bytes(event.data)
                if event.fin:
                    self._unread.append(self._fragments.decode())
                    self._fragments = b""
        return self._unread.pop(0)

    def hears_nothing(self) -> bool:
        """Whether the client says nothing more for a moment."""
        self._connection.settimeout(0.05)
        try:
            self.hear()
        except TimeoutError:
            return True
        finally:
            self._connection.settimeout(PATIENCE_S)
        return False

    def leave(self) -> None:
        """Close the connection with 1012, as a server that restarts."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(1012)
            self._flush()
        self._connection.close()

    def stop(self) -> None:
        self._connection.close()
        self._listener.close()

    def _events(self) -> list[object]:
        data = self._connection.recv(65536)
        if not data:
            raise EOFError
        self._protocol.receive_data(data)
        return list(self._protocol.events_received())

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._connection.sendall(data)

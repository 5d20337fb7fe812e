"""A client of the drive server that behaves as Udacity's simulator does, faults included.

What it does was measured against the simulator's own client code. It says Engine.IO 4 and speaks
3; it answers each ``steer`` and each ``manual`` with one telemetry, and so starts a chain for each
time that it hears "open", which is twice. A ``steer`` that it cannot read gets no telemetry: that
chain stops, and when both have, the car keeps its last controls until a ``manual`` wakes it.

    client = UnityClient("127.0.0.1", 4567, number_format("de-DE"))
    while driving:
        client.listen(wait_s=0.01)
        if client.asked:
            client.tell(UnityTelemetry(client.steering, client.throttle, speed_mph, jpeg))
"""

from __future__ import annotations

import base64
import json
import math
import os
import time
from collections.abc import Callable
from socket import gaierror
from typing import Any, NamedTuple

from ghostlap.base.errors import SimulatorError
from ghostlap.data.vision.camera import FULL_LOCK_RAD
from ghostlap.driving.unity.unity_numbers import NumberFormat
from ghostlap.driving.unity.unity_socket import UnitySocket

PING_EVERY_S = 25.0
_REFUSED_PAUSE_S = 0.01
"""The simulator itself tries again at once, a thousand times a second, and burns a core with it."""


class UnityTelemetry(NamedTuple):
    """What the simulator tells about its car."""

    steering: float
    """Where the wheels stand, in [-1, 1], positive to the right; sent in degrees."""
    throttle: float
    """Where the pedal stands, in [-1, 1]; of a car that brakes, 0 is sent."""
    speed_mph: float
    jpeg: bytes
    """What the camera sees, a whole file."""


class UnityClient:
    """Udacity's simulator as a drive server knows it, with the numbers of a machine's locale."""

    def __init__(
        self,
        host: str,
        port: int,
        numbers: NumberFormat | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host, self.port = host, port
        self.steering, self.throttle = 0.0, 0.0
        """Controls as last commanded, in [-1, 1]; kept while there is no server."""
        self.asked = 0
        """Telemetries that the simulator owes: one for each chain whose turn it is."""
        self.commands = 0
        """``steer`` that were read, on all connections."""
        self.wakes = 0
        """``manual`` that were read, on all connections."""
        self.dropped = 0
        """``steer`` that could not be read, each of which stopped a chain."""
        self.connections = 0
        """WebSockets that a server accepted, one after the other."""
        self._numbers = numbers or NumberFormat()
        self._clock = clock
        self._key = base64.b64encode(os.urandom(16)).decode()  # the same on every connection
        self._socket: UnitySocket | None = None
        self._greeted = False
        self._ping_due_s = math.inf

    @property
    def connected(self) -> bool:
        """Whether a server has accepted the WebSocket and not left since."""
        return self._socket is not None and self._socket.open

    def fileno(self) -> int:
        """The socket's descriptor, for ``select``; -1 while there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def listen(self, wait_s: float) -> None:
        """Hear what the server says, after at most ``wait_s`` of waiting for it to say anything.

        Connects, and connects again, at once, whenever there is no connection. What was heard
        shows in :attr:`steering`, :attr:`throttle` and :attr:`asked`.

        Raises:
            SimulatorError: the host's name stands for no IPv4 address.
        """
        socket = self._socket or self._connect(wait_s)
        if socket is None:
            return
        was_open = socket.open
        texts = socket.receive(wait_s)
        if socket.open and not was_open:
            self.connections += 1
            self.asked = 1  # "open", raised by the WebSocket
            self._ping_due_s = self._clock()
        try:
            for text in texts:
                self._hear(text)
        except _Junk:
            socket.close()
        if socket.open and self._clock() >= self._ping_due_s:
            socket.send("2")
            self._ping_due_s = self._clock() + PING_EVERY_S
        if socket.closed:
            self._forget()

    def tell(self, telemetry: UnityTelemetry | None) -> None:
        """Send one telemetry for each that is owed; None is that of a car driven by hand."""
        message = f'42["telemetry",{json.dumps(self._spelled(telemetry), separators=(",", ":"))}]'
        for _ in range(self.asked):
            if self._socket is not None:
                self._socket.send(message)
        self.asked = 0
        if self._socket is not None and self._socket.closed:
            self._forget()

    def close(self) -> None:
        """Leave; :meth:`listen` would connect again."""
        if self._socket is not None:
            self._socket.close()
            self._forget()

    def _connect(self, wait_s: float) -> UnitySocket | None:
        try:
            self._socket = UnitySocket(self.host, self.port, self._key)
        except (gaierror, UnicodeError):
            raise SimulatorError(
                f"--host must be an IPv4 address or the name of one. Got {self.host!r}."
            ) from None
        except OSError:
            time.sleep(min(_REFUSED_PAUSE_S, wait_s))
        return self._socket

    def _forget(self) -> None:
        """The connection is over, and its chains with it; the car keeps its controls."""
        self._socket, self.asked, self._greeted = None, 0, False
        self._ping_due_s = math.inf

    def _spelled(self, telemetry: UnityTelemetry | None) -> dict[str, str] | None:
        if telemetry is None:
            return None
        n4 = self._numbers.n4
        return {
            "steering_angle": n4(math.degrees(FULL_LOCK_RAD) * telemetry.steering),
            "throttle": n4(max(telemetry.throttle, 0.0)),
            "speed": n4(telemetry.speed_mph),
            "image": base64.b64encode(telemetry.jpeg).decode("ascii"),
        }

    def _hear(self, text: str) -> None:
        """Act on one Engine.IO packet.

        Raises:
            _Junk: it is one at which the simulator breaks off.
        """
        kind, content = text[:1], text[1:]
        if not kind.isdecimal() or (kind == "4" and not content[:1].isdecimal()):
            raise _Junk
        if not self._greeted:
            if kind != "0" or not isinstance(_json(content), dict) or "sid" not in _json(content):
                raise _Junk
            self._greeted = True
            self.asked += 1  # "open" again, raised by the greeting
        elif kind == "2":
            assert self._socket is not None
            self._socket.send("3" + content)
        elif text.startswith("42"):
            self._on_event(_json(content[1:]))

    def _on_event(self, event: Any) -> None:
        if not isinstance(event, list) or not 1 <= len(event) <= 2 or type(event[0]) is not str:
            raise _Junk
        name, values = event[0], event[1] if len(event) == 2 else None
        if len(event) == 2 and not isinstance(values, dict):
            raise _Junk
        if name == "manual":
            self.wakes += 1
            self.asked += 1
        elif name == "steer":
            self._on_steer(values or {})

    def _on_steer(self, values: dict[str, Any]) -> None:
        """Take the controls over, as far as they can be read, and answer if both can."""
        steering = self._parsed(values.get("steering_angle"))
        if steering is not None:
            self.steering = steering
            throttle = self._parsed(values.get("throttle"))
            if throttle is not None:
                self.throttle = throttle
                self.commands += 1
                self.asked += 1
                return
        self.dropped += 1

    def _parsed(self, value: Any) -> float | None:
        """A control in [-1, 1]; None if the simulator throws, as it does at JSON numbers."""
        number = self._numbers.parse(value) if isinstance(value, str) else None
        return None if number is None else min(max(number, -1.0), 1.0)


class _Junk(Exception):
    """The server said something at which the simulator closes the connection."""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _Junk from None

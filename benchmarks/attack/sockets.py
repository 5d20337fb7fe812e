"""Servers under attack, and clients that say anything: raw sockets and scripted drivers."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.attack.material import Material
from benchmarks.attack.running import Watched, command, environment, read_text
from ghostlap.driving.unity.client import UnityClient, UnityTelemetry

START_S = 90.0
SIMULATORS_PATH = "/socket.io/?EIO=4&transport=websocket"
_ADDRESS = re.compile(r"(?:127\.0\.0\.1|localhost):(\d+)")


class Server:
    """A server that was started for an attack.

    Args:
        arguments: after ``ghostlap``; the port is found out from what it says.
        folder: where it runs.
        material: its cache.

    Raises:
        RuntimeError: it did not come up.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, material: Material) -> None:
        self.err = folder.with_name(folder.name + ".server.err")
        with self.err.open("wb") as said:
            self.watched = Watched(
                command(*arguments), folder, environment(material.cache), stdout=said, stderr=said
            )
        self.port = self._port()

    def _port(self) -> int:
        until = time.monotonic() + START_S
        while time.monotonic() < until and self.watched.process.poll() is None:
            found = _ADDRESS.search(self.said)
            if found:
                return int(found[1])
            time.sleep(0.02)
        self.watched.kill()
        raise RuntimeError(f"the server did not come up: {self.said[-300:]}")

    @property
    def said(self) -> str:
        return read_text(self.err)

    @property
    def lines(self) -> int:
        return self.said.count("\n")

    @property
    def alive(self) -> bool:
        return self.watched.process.poll() is None


@contextlib.contextmanager
def serving(arguments: Sequence[str], folder: Path, material: Material) -> Iterator[Server]:
    """A server for a while; whatever is left of it is killed afterwards."""
    server = Server(arguments, folder, material)
    try:
        yield server
    finally:
        server.watched.kill()


def drive_arguments(material: Material, *more: str) -> list[str]:
    return ["drive", str(material.pilot), "--port", "0", *more]


def cockpit_arguments(material: Material, *more: str) -> list[str]:
    return ["sim", "--track", str(material.track), "--page-port", "0", *more]


def jpeg(brightness: int = 120) -> bytes:
    """A frame as the simulator's camera sees it."""
    picture = np.full((160, 320, 3), brightness, np.uint8)
    picture[80:] += np.arange(80, dtype=np.uint8)[:, None, None]
    return cv2.imencode(".jpg", picture)[1].tobytes()


class Driver:
    """A good client: it drives as Udacity's simulator does, and notes how long answers take."""

    def __init__(self, port: int, frames_per_s: float = 20.0) -> None:
        self.client = UnityClient("127.0.0.1", port)
        self.latencies_ms: list[float] = []
        self._pause_s = 1 / frames_per_s
        self._jpeg = jpeg()
        self._told_s = 0.0
        self._commands = 0
        self._due_s = 0.0

    def drive(self, until_s: float) -> None:
        """Drive until a moment, by ``time.monotonic()``."""
        while time.monotonic() < until_s:
            self.client.listen(wait_s=0.001)
            if self.client.commands > self._commands and self._told_s:
                self.latencies_ms.append((time.monotonic() - self._told_s) * 1000)
                self._told_s = 0.0
            self._commands = self.client.commands
            if self.client.asked and time.monotonic() >= self._due_s:
                self._due_s = time.monotonic() + self._pause_s
                self._told_s = time.monotonic()
                self.client.asked = 1  # one chain, so that an answer belongs to what was told
                self.client.tell(UnityTelemetry(0.1, 0.2, 12.0, self._jpeg))

    def close(self) -> None:
        self.client.close()


def handshake(port: int, *headers: str, path: str = SIMULATORS_PATH) -> bytes:
    """The request for a websocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
        "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def connected(port: int, *headers: str, path: str = SIMULATORS_PATH) -> socket.socket:
    """A websocket that is open, as a plain socket.

    Raises:
        OSError: it was refused, or nobody answers.
    """
    found = socket.create_connection(("127.0.0.1", port), timeout=5.0)
    try:
        found.sendall(handshake(port, *headers, path=path))
        answer = b""
        while b"\r\n\r\n" not in answer:
            got = found.recv(4096)
            if not got:
                raise ConnectionError("the server hung up")
            answer += got
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(answer[:40].decode("latin-1"))
    except OSError:
        found.close()
        raise
    return found


def frame(opcode: int, data: bytes, final: bool = True, size: int | None = None) -> bytes:
    """A websocket frame of a client; ``size`` is what it says that it holds."""
    length = len(data) if size is None else size
    head = bytes([opcode | (0x80 if final else 0)])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", length)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", length)
    return head + b"\0\0\0\0" + data  # a mask of zeros


def ask(port: int, request: bytes, patience_s: float = 10.0) -> bytes:
    """Send any bytes to a web server and read its whole answer; b"" without one."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience_s) as asked:
            asked.sendall(request)
            answer = b""
            while got := asked.recv(65536):
                answer += got
            return answer
    except OSError:
        return b""


def status_of(port: int, path: str, patience_s: float = 20.0) -> int:
    """Of an ordinary request; 0 without an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=patience_s) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0

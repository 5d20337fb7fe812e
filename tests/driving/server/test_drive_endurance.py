"""Minutes of quiet, busy, hostile and restarted serving; only ``make test-all`` runs this."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from raw_simulator import REQUEST, RawSimulator, leave_all, telemetry
from small_pilot import GREY, make_pilot

from ghostlap.base.signals import ask_to_stop, stoppable
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.driving.unity.client import UnityClient, UnityTelemetry

pytestmark = pytest.mark.slow

SCENE = UnityTelemetry(0.0, 0.2, 10.0, encode_jpeg(np.full((160, 320, 3), GREY // 2, np.uint8)))
"""Half as bright as straight ahead: half lock to the left."""
PHASES_S = ((15, True), (20, False), (15, True), (40, False), (20, True), (10, False), (20, True))
"""140 s, and whether the simulator says anything meanwhile."""
HOSTILE = 10_000


@contextlib.contextmanager
def server(
    pilot: Path, port: int, says: int | IO[bytes] = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """``ghostlap drive`` in a process of its own, asked to stop in the end."""
    command = [sys.executable, "-m", "ghostlap", "drive", str(pilot), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=says, **stoppable())
    try:
        yield process
    finally:
        ask_to_stop(process)
        assert process.wait(20) == 0


def drive(client: UnityClient, seconds: float, commands: float = np.inf) -> int:
    """Prediction as Unity does, for so long or for so many commands; returns how many came."""
    before, until_s = client.commands, time.monotonic() + seconds
    while time.monotonic() < until_s and client.commands - before < commands:
        client.listen(0.02)
        if client.asked:
            client.tell(SCENE)
    return client.commands - before


def annoy(port: int, ended: threading.Event) -> None:
    """Connect ten thousand times, with nothing, junk, half a message, and an unread one."""
    pieces = [b"", b"junk\r\n\r\n", REQUEST[:40], REQUEST + b"\x82\x81abcd\x00"]
    for i in range(HOSTILE):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as one:
            one.sendall(pieces[i % len(pieces)])
    ended.set()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_quiet_and_busy_stretches_and_a_restart(tmp_path: Path) -> None:
    pilot, port = make_pilot(tmp_path / "pilot"), free_port()
    half = len(PHASES_S) // 2
    with contextlib.closing(UnityClient("127.0.0.1", port)) as client:
        for phases in (PHASES_S[:half], PHASES_S[half:]):
            with server(pilot, port):
                assert drive(client, 20.0, commands=50) >= 50
                for seconds, busy in phases:
                    if busy:
                        assert drive(client, seconds) > 20
                    else:
                        time.sleep(seconds)
                assert drive(client, 5.0) > 100
        assert client.steering == pytest.approx(-0.5, abs=0.02)
        assert (client.connections, client.dropped) == (2, 0)


def test_ten_thousand_hostile_connections_beside_a_good_one(tmp_path: Path) -> None:
    pilot, port = make_pilot(tmp_path / "pilot"), free_port()
    ended = threading.Event()
    with server(pilot, port), contextlib.closing(UnityClient("127.0.0.1", port)) as client:
        assert drive(client, 20.0, commands=50) >= 50
        hostile = threading.Thread(target=annoy, args=(port, ended))
        hostile.start()
        served = 0
        while not ended.is_set():
            come = drive(client, 1.0)
            assert come > 0
            served += come
        hostile.join()
        assert served > 100
        assert drive(client, 5.0) > 100
        assert client.connections == 1


async def talk(port: int, seconds: float) -> None:
    """A client that drives as fast as it is let, and comes again whenever it is sent away."""
    said, until_s = telemetry(SCENE.jpeg), time.monotonic() + seconds
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            client = await RawSimulator.connect(port)
            while time.monotonic() < until_s:
                client.say(said)
                await client.hear_frame()
        await asyncio.sleep(0.05)


def test_a_hundred_talking_clients_beside_a_good_one(tmp_path: Path) -> None:
    pilot, port = make_pilot(tmp_path / "pilot"), free_port()

    async def hostile() -> None:
        await asyncio.gather(*(talk(port, 20.0) for _ in range(100)))
        await leave_all()

    with (
        (tmp_path / "said").open("wb") as said,
        server(pilot, port, said),
        contextlib.closing(UnityClient("127.0.0.1", port)) as client,
    ):
        assert drive(client, 20.0, commands=50) >= 50
        others = threading.Thread(target=asyncio.run, args=(hostile(),))
        others.start()
        while others.is_alive():
            assert drive(client, 1.0) > 0
        assert drive(client, 5.0) > 100
        assert (client.connections, client.dropped) == (1, 0)
    lines = (tmp_path / "said").read_text().splitlines()
    assert len(lines) < 15, lines

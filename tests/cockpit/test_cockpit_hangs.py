"""What hangs, never ends, says nothing or never reads holds up nobody but itself."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from places import TESTS
from recordings import make_recording
from systems import posix
from test_cockpit_server import PATIENCE_S, Scripted, ask, page, serving
from websockets.frames import Frame, Opcode

from ghostlap.cockpit import api as api_module
from ghostlap.cockpit import connections as connections_module
from ghostlap.cockpit import library as library_module
from ghostlap.cockpit import replay
from ghostlap.cockpit.app import App
from ghostlap.cockpit.doctor_worker import DoctorWorker
from ghostlap.cockpit.library import Library
from ghostlap.cockpit.replay import Predictions
from ghostlap.cockpit.workers import BusyError, Workers, all_within

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
REQUEST = b"GET /api/library HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections_module, "LOOK_S", 0.05)
    monkeypatch.setattr(api_module, "READ_WITHIN_S", 0.5)


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """What hangs until the test is over."""
    over = threading.Event()
    yield over
    over.set()


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side ends the connection."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    return b""


def test_requests_that_hang_stop_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hang: threading.Event
) -> None:
    make_recording(tmp_path / "recordings" / "good", rows=2)
    frame = replay.frame

    def hanging(library: Library, name: str, row: int, camera: str) -> tuple[bytes, str]:
        if name == "dead":
            hang.wait()
        return frame(library, name, row, camera)

    monkeypatch.setattr(replay, "frame", hanging)

    async def test(app: App[Any], source: Scripted) -> None:
        dead = [
            asyncio.create_task(ask(app, f"/api/recordings/dead/frames/{row}.jpg"))
            for row in range(60)
        ]
        await asyncio.sleep(0.1)
        assert (await ask(app, "/"))[0] == 200
        assert (await ask(app, "/api/library"))[0] == 200
        assert (await ask(app, "/api/recordings/good/frames/0.jpg"))[0] == 200
        async with page(app) as opened:
            await opened.settle()
        for status, _, content in await asyncio.gather(*dead):
            assert (status, "keeps it waiting" in json.loads(content)["error"]) == (503, True)
        assert threading.active_count() < 30

    serving(tmp_path, test)


def test_workers_give_what_comes_and_are_free_again(hang: threading.Event) -> None:
    async def test() -> None:
        workers = Workers()
        with pytest.raises(ZeroDivisionError):
            await workers.do("x", lambda: 1 // 0, PATIENCE_S)
        calls = [workers.do("x", lambda i=i: i, PATIENCE_S) for i in range(50)]  # type: ignore[misc]
        assert await asyncio.gather(*calls) == list(range(50))
        for _ in range(6):
            with pytest.raises(BusyError):
                await workers.do("x", hang.wait, 0.02)
        assert await workers.do("y", lambda: 1, PATIENCE_S) == 1
        hang.set()
        assert await workers.do("x", lambda: 2, PATIENCE_S) == 2

    asyncio.run(test())


def test_no_thread_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def test() -> None:
        workers = Workers()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(BusyError, match="no thread left"):
                await workers.do("x", lambda: 1, PATIENCE_S)
        assert await workers.do("x", lambda: 2, PATIENCE_S) == 2

    asyncio.run(test())


def test_the_end_waits_for_nothing_that_hangs(hang: threading.Event) -> None:
    ended: list[str] = []

    def fail() -> None:
        ended.append("failed")
        raise OSError(errno.EIO, "x")

    async def test() -> None:
        assert not await all_within([hang.wait, fail, lambda: ended.append("done")], 0.2)
        assert sorted(ended) == ["done", "failed"]
        assert await all_within([fail], PATIENCE_S)

    asyncio.run(test())


SERVER = """
import asyncio, sys, threading
from pathlib import Path
from rich.console import Console
from ghostlap.cockpit import app, replay
from ghostlap.commands.cockpit import _serve
from ghostlap.cockpit.config import CockpitConfig
from test_cockpit_server import Scripted

def hang(*_):
    threading.Event().wait()

replay.frame = hang
folder = Path(sys.argv[1])
source = Scripted(folder)
if sys.argv[2] == "all":
    source.stop, app._ENDS_WITHIN_S = hang, 1.0
    source.library.list_recordings = hang
config = CockpitConfig(port=0, recordings=folder / "recordings", runs=folder / "runs")
asyncio.run(_serve(source, config, Console(file=sys.stdout, width=200)))
print("ended")
"""


@posix("SIGTERM that can be heard")
@pytest.mark.parametrize(
    ("number", "what"),
    [(signal.SIGTERM, "all"), (signal.SIGTERM, "frames"), (signal.SIGINT, "all")],
)
def test_a_signal_ends_the_server_whatever_hangs(
    tmp_path: Path, number: signal.Signals, what: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), what],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().split("http://127.0.0.1:")[1].split("/")[0])
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(12)]
        for i, one in enumerate(sockets):
            path = "api/library" if i % 2 else "api/recordings/x/frames/1.jpg"
            one.sendall(f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        websocket = socket.create_connection(("127.0.0.1", port))
        websocket.sendall(HANDSHAKE)
        websocket.recv(100)
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, output, errors) == (0, "ended\n", "")
        for one in [*sockets, websocket]:
            one.close()
    finally:
        process.kill()
        process.wait()


def test_silent_connections_keep_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beginnings = b"", b"G", REQUEST

    async def come(app: App[Any], number: int) -> tuple[Any, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        writer.write(beginnings[number % len(beginnings)])
        return reader, writer

    async def test(app: App[Any], source: Scripted) -> None:
        silent = [await come(app, number) for number in range(300)]
        silent += await asyncio.gather(*(come(app, number) for number in range(100)))
        assert (await ask(app, "/"))[0] == 200
        assert (await ask(app, "/api/library"))[0] == 200
        async with page(app) as opened:
            connections = app._server._server.server_state.connections
            assert len(connections) < 80
            monkeypatch.setattr(connections_module, "IDLE_S", 0.1)
            await asyncio.gather(*(end_of(reader) for reader, _ in silent))
            await opened.settle()
        for _, writer in silent:
            writer.close()

    serving(tmp_path, test)


def test_a_request_that_never_ends_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "_BODY_WITHIN_S", 0.1)
    monkeypatch.setattr(connections_module, "IDLE_S", 0.3)

    async def test(app: App[Any], source: Scripted) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        writer.write(
            b"POST /api/train HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"
        )
        drips = asyncio.create_task(_drip(writer))
        said = await end_of(reader)
        drips.cancel()
        writer.close()
        assert said.startswith(b"HTTP/1.1 400")
        assert b"must come in" in said

    serving(tmp_path, test)


async def _drip(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)


def test_an_answer_that_is_never_read_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "IDLE_S", 0.3)
    monkeypatch.setattr(replay, "frame", lambda *_: (bytes(30_000_000), "image/png"))

    async def test(app: App[Any], source: Scripted) -> None:
        with socket.create_connection(("127.0.0.1", app.port)) as sleeper:
            sleeper.sendall(
                b"GET /api/recordings/x/frames/1.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            )
            await until_alone(app)

    serving(tmp_path, test)


async def until_alone(app: App[Any]) -> None:
    """Wait until the server has no connection any more."""
    await asyncio.sleep(0.2)
    connections = app._server._server.server_state.connections
    async with asyncio.timeout(PATIENCE_S):
        while connections:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["pings", "fragments"])
def test_a_page_that_makes_the_server_keep_much_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(connections_module, "_MOST_UNREAD_BYTES", 100_000)
    ping = Frame(Opcode.PING, bytes(125)).serialize(mask=True)
    fragment = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True)
    flood = {
        "pings": [ping] * 10_000,
        "fragments": [Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True)] + [fragment] * 5000,
    }[kind]

    async def test(app: App[Any], source: Scripted) -> None:
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", app.port)) as hostile:
            hostile.setblocking(False)
            hostile.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_sendall(hostile, HANDSHAKE)
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(PATIENCE_S):
                    for _ in range(20):
                        await loop.sock_sendall(hostile, b"".join(flood))
            await until_alone(app)

    serving(tmp_path, test)


def test_a_recording_that_goes_while_it_is_replayed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_recording(tmp_path / "recordings" / "one", rows=2)
    names = Library.names

    def gone(self: Library) -> dict[str, Path]:
        return {name: path.with_name("gone") for name, path in names(self).items()}

    async def test(app: App[Any], source: Scripted) -> None:
        monkeypatch.setattr(Library, "names", gone)
        for what in ("rows", "frames/0.jpg", "predictions?run=generalist"):
            status, _, content = await ask(app, f"/api/recordings/one/{what}")
            assert (status, json.loads(content)) == (404, {"error": "It is no longer there."})

    serving(tmp_path, test)


def test_a_trash_that_is_emptied_for_ever_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hang: threading.Event
) -> None:
    for name in "one", "two":
        make_recording(tmp_path / "recordings" / name, rows=2)
    monkeypatch.setattr(api_module, "CHANGED_WITHIN_S", 0.5)
    monkeypatch.setattr(library_module, "remove", lambda *_: hang.wait())

    async def test(app: App[Any], source: Scripted) -> None:
        assert (await ask(app, "/api/recordings/one/trash", method="POST"))[0] == 200
        assert (await ask(app, "/api/trash/empty", method="POST"))[0] == 503
        assert (await ask(app, "/api/library"))[0] == 200
        assert (await ask(app, "/api/recordings/two/rows"))[0] == 200

    serving(tmp_path, test)


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Library) -> list[dict[str, Any]]:
        raise OSError(errno.EIO, "Input/output error")

    async def test(app: App[Any], source: Scripted) -> None:
        monkeypatch.setattr(Library, "list_recordings", fail)
        status, _, content = await ask(app, "/api/library")
        assert status == 503
        assert json.loads(content) == {"error": "The disk does not let it: Input/output error."}

    serving(tmp_path, test)


def test_two_pages_cannot_take_the_seat_from_each_other_all_the_time(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as first, page(app) as second:
            for _ in range(20):
                await second.say(type="take")
                await first.say(type="take")
            await first.settle()
            await second.settle()
            driver = app.hub.driver
            assert driver in (first.id, second.id)
            assert source.seats.count(True) <= 3  # at first, and when it was taken
            await first.say(type="take") if driver == second.id else await second.say(type="take")
            loser = first if driver == second.id else second
            assert (await loser.hear("say"))["text"].startswith("the seat was taken just now")

    serving(tmp_path, test)


def test_one_that_never_answers_does_not_keep_threads_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hang: threading.Event
) -> None:
    monkeypatch.setattr(replay, "_LOOK_UP_S", 0.01)
    monkeypatch.setattr("ghostlap.pilots.pilot.Pilot.load", lambda _: hang.wait())
    for i in range(20):
        make_recording(tmp_path / "recordings" / f"rec{i}", rows=1)
    predictions = Predictions(Library(tmp_path / "recordings", tmp_path / "runs"))
    before = threading.active_count()
    for i in range(20):
        assert predictions.of(f"rec{i}", "generalist") == {"progress": 0.0}
    give_up_s = time.monotonic() + PATIENCE_S
    while threading.active_count() > before + replay._KEPT + 1:
        assert time.monotonic() < give_up_s
        time.sleep(0.01)
    predictions.stop()


def test_a_doctor_that_cannot_start_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_recording(tmp_path / "rec", rows=2)
    verdicts = DoctorWorker()

    def fail(_: Path) -> dict[str, Any]:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(verdicts, "_examine", fail)
        assert verdicts.of(folder) is None
        give_up_s = time.monotonic() + PATIENCE_S
        while verdicts._working:
            assert time.monotonic() < give_up_s
            time.sleep(0.01)
    monkeypatch.setattr(verdicts, "_examine", lambda _: {"errors": 0, "warnings": 1})
    while verdicts.of(folder) is None:
        assert time.monotonic() < give_up_s
        time.sleep(0.01)

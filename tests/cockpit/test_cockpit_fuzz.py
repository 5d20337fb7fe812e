"""Whatever is asked of the cockpit's server: an answer, never a defect, nothing touched outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote_from_bytes

import pytest
from hostile_requests import NAMES, QUERIES, ROWS, answer_of, messages, requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from recordings import make_recording
from rings import ring_file
from small_pilot import make_pilot
from test_cockpit_server import PATIENCE_S, Scripted
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from ghostlap.base.errors import CockpitError
from ghostlap.cockpit import api as api_module
from ghostlap.cockpit import connections as connections_module
from ghostlap.cockpit.app import App
from ghostlap.cockpit.config import CockpitConfig
from ghostlap.cockpit.doctor_worker import DoctorWorker
from ghostlap.cockpit.driving_session import DrivingSession
from ghostlap.cockpit.engine import Engine
from ghostlap.cockpit.pilot_runner import PilotRunner
from ghostlap.cockpit.protocol import Command, State, parse, text_of
from ghostlap.cockpit.recorder import SessionRecorder
from ghostlap.cockpit.scene import DrivingScene
from ghostlap.cockpit.trainer import TrainingJobs
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.tables_beside import WHO_DROVE
from ghostlap.driving.measured import EVALUATION_FILE
from ghostlap.pilots.run_folder import ONNX_FILE, PILOT_FILE
from ghostlap.pilots.saliency import SALIENCY_FILE

QUICK = settings(
    max_examples=150, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
MET_WELL = {200, 202, 307, 400, 403, 404, 405, 426}
HEAD = b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n"


def make_odd_things(recordings: Path, runs: Path) -> None:
    """Recordings and runs that no program makes."""
    images = [
        "x" * 300 + ".jpg", "ü" * 200 + ".jpg", "a\0b.jpg", "..", ".", "IMG", "loop.jpg",
        "link.jpg", "folder.jpg", "nothing.jpg", "%2e%2e%2fsecret.txt", "[/].jpg", "empty.jpg",
        "fifo.jpg", "null.jpg",
    ]  # fmt: skip
    odd = recordings / "odd"
    (odd / "IMG" / "folder.jpg").mkdir(parents=True)
    (odd / "IMG" / "empty.jpg").touch()
    (odd / "IMG" / "null.jpg").symlink_to("/dev/zero")
    (odd / "IMG" / "loop.jpg").symlink_to("loop.jpg")
    (odd / "IMG" / "link.jpg").symlink_to(recordings.parent.parent / "secret.txt")
    (odd / LOG_NAME).write_text("".join(f"IMG/{name},,,0.5,1,0,20\n" for name in images))
    if hasattr(os, "mkfifo"):
        os.mkfifo(odd / "IMG" / "fifo.jpg")
        os.mkfifo(odd / WHO_DROVE.name)
        make_pilot(runs / "waits")
        (runs / "waits" / ONNX_FILE).unlink()
        (runs / "waits" / "evaluate" / "x").mkdir(parents=True)
        for file in ONNX_FILE, SALIENCY_FILE, "evaluate/x/" + EVALUATION_FILE:
            os.mkfifo(runs / "waits" / file)
    contents = {
        "nothing": b"", "zeros": bytes(3000), "one line": b"x" * 200_000, "text": b"no log\n" * 50,
        "n" * 250: b"IMG/a.jpg,,,0,0,0,1\nIMG/b.jpg,,,0,0,0,1\n", "a:b": b"IMG/a.jpg,,,0,0,0,1\n",
        "a%2fb": b"IMG/a.jpg,,,0,0,0,1\n", "<b>": b"IMG/a.jpg,,,1e308,-0,0,1e308\n",
    }  # fmt: skip
    for name, content in contents.items():
        (recordings / name).mkdir()
        (recordings / name / LOG_NAME).write_bytes(content)
    with contextlib.suppress(OSError):  # a system may have no such names
        no_text = recordings / os.fsdecode(b"\xff\xfe")
        no_text.mkdir()
        (no_text / LOG_NAME).write_bytes(b"IMG/a.jpg,,,0,0,0,1\n")
    descriptions = {
        "deep": b"[" * 100_000, "null": b"null", "nan": b'{"format": NaN}', "binary": b"\xff\xfe\0",
        "outputs": b'{"format": 1, "outputs": [[[]], {}, 1e999, "\\ud800"]}',
    }  # fmt: skip
    for name, description in descriptions.items():
        (runs / name / "evaluate" / "x").mkdir(parents=True)
        (runs / name / PILOT_FILE).write_bytes(description)
        (runs / name / "evaluate" / "x" / EVALUATION_FILE).write_bytes(description)


def no_training(self: TrainingJobs, *_: Any) -> None:
    raise CockpitError("not here")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App[Any], Path]]:
    """A server in a thread of its own, and the folder around its own two."""
    around = tmp_path_factory.mktemp("around")
    (around / "secret.txt").write_text("SECRET")
    make_recording(around / "here" / "recordings" / "made", rows=5)
    make_recording(around / "here" / "runs" / "a" / "drive-1", rows=3)
    (around / "here" / "recordings" / "link").symlink_to(around)
    make_odd_things(around / "here" / "recordings", around / "here" / "runs")
    started: Future[App[Any]] = Future()
    loop, over = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        source = Scripted(around / "here")
        async with App(CockpitConfig(port=0), source) as app:  # type: ignore[type-var]
            started.set_result(app)
            await over.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingJobs, "_begin", no_training)
        patch.setattr(DoctorWorker, "of", lambda *_: None)
        patch.setattr(api_module, "_BODY_WITHIN_S", 0.1)
        patch.setattr(connections_module, "IDLE_S", 0.3)
        patch.setattr(connections_module, "LOOK_S", 0.1)
        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        yield started.result(PATIENCE_S), around
        loop.call_soon_threadsafe(over.set)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        loop.close()


def check(served: tuple[App[Any], Path], request: bytes) -> None:
    """One request is answered as it should be, and the server is as before."""
    app, around = served
    answer = answer_of(app.port, request, PATIENCE_S)
    while answer.startswith(b"HTTP/1.1 100 "):  # go on, then: the answer comes after it
        answer = answer.partition(b"\r\n\r\n")[2]
    assert b"SECRET" not in answer
    assert b"Traceback" not in answer
    if answer:  # nothing at all comes where it was cut off in the middle
        assert answer.startswith(b"HTTP/1.1 ")
        assert int(answer.split()[1]) in MET_WELL, answer[:300]
    page = answer_of(app.port, b"GET / HTTP/1.1\r\n" + HEAD, PATIENCE_S)
    assert page.startswith(b"HTTP/1.1 200")
    assert sorted(path.name for path in around.iterdir()) == ["here", "secret.txt"]
    assert (around / "secret.txt").read_text() == "SECRET"
    assert sorted(path.name for path in (around / "here").iterdir()) == ["recordings", "runs"]


@QUICK
@given(request=requests())
@example(b"GET /api/recordings/made/frames/" + b"9" * 5000 + b".jpg HTTP/1.1\r\n" + HEAD)
@example(b"POST /api/trash/empty HTTP/1.1\r\nExpect: 100-continue\r\n" + HEAD)
@example(b"GET /api/recordings/" + b"x" * 300 + b"/rows HTTP/1.1\r\n" + HEAD)
@example(b"GET /api/recordings/made/frames/%00.jpg HTTP/1.1\r\n" + HEAD)
@example(b"POST /api/recordings/made/cut HTTP/1.1\r\nContent-Length: 9\r\n" + HEAD + b'{"from":')
@example(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\n\r\n")
def test_any_request_is_answered(served: tuple[App[Any], Path], request: bytes) -> None:
    check(served, request)


@settings(QUICK, max_examples=30)  # most of them end only when the server has waited enough
@given(request=st.binary(min_size=1, max_size=300))
@example(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 30_000)
@example(b"GET /" + b"a" * 100_000)
@example(b"\r\n" * 50_000)
@example(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # a browser that was told https
def test_any_bytes_are_met(served: tuple[App[Any], Path], request: bytes) -> None:
    check(served, request)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", [b"made", b"none"])
def test_every_odd_row_is_answered(served: tuple[App[Any], Path], name: bytes, row: bytes) -> None:
    path = b"/api/recordings/%s/frames/%s.jpg" % (name, quote_from_bytes(row, safe="").encode())
    check(served, b"GET " + path + b" HTTP/1.1\r\n" + HEAD)


@pytest.mark.parametrize("what", ["rows", "predictions?run=generalist", "frames/0.jpg"])
@pytest.mark.parametrize("number", range(len(NAMES)))
def test_every_odd_name_is_answered(served: tuple[App[Any], Path], number: int, what: str) -> None:
    name = quote_from_bytes(NAMES[number], safe="")
    check(served, f"GET /api/recordings/{name}/{what} HTTP/1.1\r\n".encode() + HEAD)


@pytest.mark.parametrize("query", QUERIES)
def test_every_odd_query_is_answered(served: tuple[App[Any], Path], query: bytes) -> None:
    for path in b"/", b"/api/library", b"/api/recordings/made/frames/0.jpg":
        check(served, b"GET " + path + b"?" + query + b" HTTP/1.1\r\n" + HEAD)


def test_odd_recordings_and_runs_are_answered(served: tuple[App[Any], Path]) -> None:
    for folder in sorted((served[1] / "here" / "recordings").iterdir()):
        path = b"/api/recordings/" + quote_from_bytes(os.fsencode(folder.name), safe="").encode()
        below = [
            b"rows",
            *(b"predictions?run=" + run for run in (b"generalist", b"deep", b"waits")),
        ]
        below += [
            b"frames/%d.jpg?camera=%s" % (row, camera)
            for row in range(16)
            for camera in (b"center", b"left")
        ]
        for one in below:
            check(served, b"GET " + path + b"/" + one + b" HTTP/1.1\r\n" + HEAD)
        for one, body in (b"cut", b'{"from": 0, "to": 0}'), (b"trash", b"{}"), (b"restore", b"{}"):
            length = b"Content-Length: %d\r\n" % len(body)
            check(served, b"POST " + path + b"/" + one + b" HTTP/1.1\r\n" + length + HEAD + body)
    listed = answer_of(served[0].port, b"GET /api/library HTTP/1.1\r\n" + HEAD, PATIENCE_S)
    assert listed.startswith(b"HTTP/1.1 200")
    found = json.loads(listed.split(b"\r\n\r\n", 1)[1])
    assert "odd" in {one["name"] for one in found["recordings"]}
    assert {"deep", "outputs", "generalist"} <= {one["name"] for one in found["runs"]}


@QUICK
@given(said=st.lists(messages, min_size=1, max_size=10))
def test_any_messages_are_met(served: tuple[App[Any], Path], said: list[str | bytes]) -> None:
    address = f"ws://127.0.0.1:{served[0].port}/ws"
    with (
        connect(address, compression=None, close_timeout=1) as hostile,
        contextlib.suppress(ConnectionClosed),
    ):
        for message in said:
            hostile.send(message)
    with connect(address, compression=None, close_timeout=1) as page:
        page.send('{"type": "ping", "t": 7}')
        while '"pong"' not in str(page.recv(PATIENCE_S)):
            pass


@QUICK
@given(said=st.binary(min_size=1, max_size=300))
def test_any_frames_are_met(served: tuple[App[Any], Path], said: bytes) -> None:
    handshake = (
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", served[0].port), PATIENCE_S) as hostile,
        contextlib.suppress(ConnectionError),
    ):
        hostile.sendall(handshake + said)
        hostile.recv(100)
    check(served, b"GET /api/library HTTP/1.1\r\n" + HEAD)


WISHES = messages.filter(lambda said: isinstance(said, str))


class Quiet:
    """A page that notes errors, and what it was shown last."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown = threading.Event()

    def publish(self, pictures: dict[Any, bytes], state: State | None) -> None:
        if state is not None:
            text_of(state)
            self.shown.set()

    def say(self, level: str, text: str) -> None:
        self.said.append(text)

    def new_map(self, road: dict[str, Any] | None) -> None: ...


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Quiet]]:
    """An engine that can be asked for anything."""
    folder = tmp_path_factory.mktemp("driven")
    make_pilot(folder / "good")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTLAP_CACHE", str(folder))
        scene = DrivingScene(ring_file(folder))
    outlet = Quiet()

    def recorder(track: str) -> SessionRecorder:
        return SessionRecorder(
            folder / f"rec-{len(outlet.said)}-{threading.get_ident()}", outlet.said.append
        )

    engine = Engine(
        DrivingSession(scene, outlet.say),
        outlet,
        recorder,
        lambda run, limit_mph: PilotRunner(run, folder / "good", limit_mph),
        lambda wanted: scene,
    )
    engine.sit(True)
    engine.watched_by(1)
    engine.start()
    yield engine, outlet
    engine.stop()


@settings(QUICK, max_examples=60)
@given(said=st.lists(WISHES, min_size=1, max_size=12))
def test_any_wishes_leave_a_drive_that_goes_on(
    driven: tuple[Engine, Quiet], said: list[str]
) -> None:
    engine, outlet = driven
    for text in said:
        with contextlib.suppress(CockpitError):
            message = parse(text)
            if isinstance(message, get_args(Command)):
                engine.tell(message)
    outlet.shown.clear()
    assert outlet.shown.wait(PATIENCE_S)
    assert not [text for text in outlet.said if "Error" in text or "interrupted" in text]

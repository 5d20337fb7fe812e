"""The drive server on a real socket, with clients that behave as Unity's, and with hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from browser import open_browser
from raw_simulator import (
    ACCEPT,
    BINARY,
    CLOSE,
    REQUEST,
    TEXT,
    WEBSOCKET_PING,
    WEBSOCKET_PONG,
    RawSimulator,
    frame,
    leave_all,
    open_connection,
    telemetry,
)
from systems import linux

from ghostlap.base.errors import DriveError
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.data.vision.preprocessing import SEED
from ghostlap.driving.server import connection as connection_module
from ghostlap.driving.server import server as server_module
from ghostlap.driving.server.config import DriveConfig, Limits
from ghostlap.driving.server.connection import SimulatorConnection
from ghostlap.driving.server.model_thread import ModelThread, PendingFrame, Prediction, predict_with
from ghostlap.driving.server.server import DriveServer
from ghostlap.driving.unity.wire import TelemetryEvent
from ghostlap.pilots.pilot import Pilot

JPEG = encode_jpeg(np.full((160, 320, 3), 90, np.uint8))


def of_speed(telemetry: TelemetryEvent) -> Prediction:
    """A pilot whose steering tells one telemetry from another."""
    return Prediction(telemetry.speed_mph / 1000)


def serving(
    drive: Callable[[DriveServer], Coroutine[Any, Any, None]],
    look: Callable[[TelemetryEvent], Prediction] = of_speed,
    say: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> None:
    """Run a server of its own port around a test, with patience for a busy machine by default."""
    patient: dict[str, Any] = {"port": 0, "wake_after_s": 1000.0, "late_after_s": 1000.0}
    config = DriveConfig(pilot=Path("none"), **{**patient, **options})

    async def run() -> None:
        async with DriveServer(config, look, say) as server:
            try:
                await drive(server)
            finally:
                await leave_all()

    asyncio.run(run())


def test_the_first_second_is_the_one_that_works() -> None:
    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port)
        head = simulator.response.decode()
        assert head.startswith("HTTP/1.1 101 ")
        assert f"Sec-WebSocket-Accept: {ACCEPT}\r\n" in head
        assert "Sec-WebSocket-Extensions" not in head
        await simulator.nothing_more()  # no steer on connect
        simulator.say(telemetry(JPEG * 12, speed="123.4000"))
        assert await simulator.hear() == (
            '42["steer",{"steering_angle":"1234E-4","throttle":"-10000E-4"}]'
        )
        simulator.say('42["telemetry",null]')
        assert await simulator.hear() == '42["manual",{}]'
        await simulator.nothing_more()

    serving(drive)


def test_two_chains_of_several_simulators_each_have_their_own_answers() -> None:
    async def one(server: DriveServer, number: int) -> None:
        simulator = await RawSimulator.connect(server.port)
        speed = f"{number}.0000"
        for _ in range(2):
            simulator.say(telemetry(speed=speed))
        for _ in range(30):
            assert (await simulator.steered())[0] == number / 1000
            simulator.say(telemetry(speed=speed))
        for _ in range(2):
            await simulator.steered()
        await simulator.nothing_more()

    async def drive(server: DriveServer) -> None:
        await asyncio.gather(*(one(server, number) for number in range(1, 9)))
        assert server.stats.answered == 8 * 32
        assert 0 < server.stats.latency_ms(50) <= server.stats.latency_ms(99)

    serving(drive)


def test_a_quick_answer_is_timed_where_the_systems_clock_has_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 16 ms on Windows, in Python's ``time.monotonic`` before 3.13; here they are longer."""
    fine = time.monotonic

    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port)
        for _ in range(9):
            simulator.say(telemetry())
            await simulator.steered()
        monkeypatch.undo()
        assert 0 < server.stats.latency_ms(50) < 1000

    monkeypatch.setattr(time, "monotonic", lambda: fine() // 2 * 2)
    serving(drive)


def test_a_decimal_comma_changes_nothing() -> None:
    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port)
        for speed in ("1.234,0000", "12,3000", "0,0000"):
            simulator.say(telemetry(speed=speed))
            steering, _ = await simulator.steered()
            assert steering == min(1.0, float(speed.replace(".", "").replace(",", ".")) / 1000)

    serving(drive)


class FakePilot(Pilot):
    """A pilot without a network."""

    def __init__(self, *outputs: str, description: dict[str, Any] | None = None) -> None:
        super().__init__(cast(Any, None), SEED, outputs, description or {})


class FaultyPilot(FakePilot):
    """A pilot that fails whenever it looks."""

    def predict_cropped(self, cropped: Any) -> Any:
        raise ValueError("no such layer")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (JPEG, "the pilot failed (ValueError: no such layer)"),
        (JPEG[:500], "the simulator's image: the JPEG is cut off"),
        (b"", "the telemetry has no image"),
        (
            encode_jpeg(np.zeros((20, 700, 3), np.uint8)),
            "the simulator's image: a side may have at most 640 pixels. Got 700x20.",
        ),
    ],
)
def test_a_failing_pilot_or_a_broken_image_is_answered_and_said_once(
    image: bytes, said: str
) -> None:
    lines: list[str] = []
    look = predict_with(FaultyPilot("steering"), 640)

    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port)
        for _ in range(3):
            simulator.say(telemetry(image))
            assert await simulator.steered() == (0.0, 0.0)
        await simulator.nothing_more()

    serving(drive, look, lines.append)
    assert sum(said in line for line in lines) == 1


class StraightPilot(FakePilot):
    """A pilot that answers with the mean of what it sees, 12 mph, and a tenth of the mean."""

    def predict_cropped(self, cropped: Any) -> Any:
        (rows,) = cropped
        answer = {
            "steering": rows.mean() / 1000,
            "speed": 12.0,
            "steering_std": rows.mean() / 10000,
        }
        return np.array([[answer[name] for name in self.outputs]], np.float32)


@pytest.mark.parametrize("size", [(160, 320), (320, 640), (80, 160)])
def test_frames_of_any_size_are_cropped_by_their_share(size: tuple[int, int]) -> None:
    picture = np.zeros((*size, 3), np.uint8)
    rows = SEED.for_frames(*size)
    picture[rows.crop_top_px : rows.crop_bottom_px] = 200
    look = predict_with(StraightPilot("steering", "speed"), 1024)
    answer = look(telemetry_of(encode_jpeg(picture, 100)))
    assert answer.problem == ""
    assert answer.steering == pytest.approx(0.2, abs=0.005)
    assert answer.speed_mph == 12.0
    assert (answer.spread, answer.unsure) == (None, 0.0)


def test_a_pilot_with_a_spread_says_how_unsure_it_is() -> None:
    usual = {"metrics": {"validation": {"steering_std_p50": 0.01, "steering_std_p99": 0.03}}}
    picture = encode_jpeg(np.full((160, 320, 3), 200, np.uint8), 100)
    pilot = StraightPilot("steering", "steering_std", description=usual)
    answer = predict_with(pilot, 1024)(telemetry_of(picture))
    assert answer.spread == pytest.approx(0.02, abs=0.0005)
    assert answer.unsure == pytest.approx(0.5, abs=0.03)
    assert answer.speed_mph is None


def telemetry_of(jpeg: bytes) -> TelemetryEvent:
    import base64

    return TelemetryEvent(speed_mph=0.0, image=base64.b64encode(jpeg).decode())


def test_a_silent_simulator_is_woken() -> None:
    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port)
        assert await simulator.hear() == '42["manual",{}]'

    serving(drive, wake_after_s=0.05)


def test_while_the_pilot_looks_newer_frames_take_the_place_of_older_ones() -> None:
    looking, go_on = threading.Event(), threading.Event()
    seen: list[float] = []

    def slow(telemetry: TelemetryEvent) -> Prediction:
        seen.append(telemetry.speed_mph)
        looking.set()
        go_on.wait(20)
        return of_speed(telemetry)

    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port)
        simulator.say(telemetry(speed="1.0000"))
        await asyncio.to_thread(looking.wait, 20)
        for speed in range(2, 7):
            simulator.say(telemetry(speed=f"{speed}.0000"))
        await simulator.nothing_more()  # all have arrived; none is answered yet
        go_on.set()
        for _ in range(6):
            await simulator.steered()
        simulator.say(telemetry(speed="9.0000"))
        assert (await simulator.steered())[0] == 0.009
        await simulator.nothing_more()

    serving(drive, slow)
    assert len(seen) <= 3
    assert seen[-1] == 9.0


def test_a_stuck_pilot_stops_every_car() -> None:
    go_on = threading.Event()

    def stuck(telemetry: TelemetryEvent) -> Prediction:
        go_on.wait(60)
        return Prediction(0.5)

    async def drive(server: DriveServer) -> None:
        try:
            for _ in range(2):
                simulator = await RawSimulator.connect(server.port)
                for _ in range(2):
                    simulator.say(telemetry(speed="20.0000"))
                    assert await simulator.steered() == (0.0, -1.0)
        finally:
            go_on.set()

    serving(drive, stuck, late_after_s=0.1)


def test_the_end_is_said_and_a_restart_on_the_same_port_works() -> None:
    port, simulators = 0, list[RawSimulator]()

    async def drive(server: DriveServer) -> None:
        nonlocal port
        port = server.port
        simulator = await RawSimulator.connect(port)
        simulator.say(telemetry())
        await simulator.steered()
        simulators.append(simulator)

    async def run() -> None:
        nonlocal port
        for _ in range(2):
            config = DriveConfig(pilot=Path("none"), port=port)
            async with DriveServer(config, of_speed) as server:
                await drive(server)
                closing = asyncio.create_task(simulators[-1].closing_code())
            assert await closing == 1012
        await leave_all()

    asyncio.run(run())


def test_stopping_waits_for_nobody() -> None:
    """Neither for one who does not shake hands, nor for one who does not say good-bye."""

    async def run() -> None:
        config = DriveConfig(pilot=Path("none"), port=0, limits=Limits(handshake_s=1000.0))
        async with DriveServer(config, of_speed) as server:
            await open_connection(server.port)
            await RawSimulator.connect(server.port)
        await leave_all()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DriveError, match=f"127.0.0.1:{port}: the port is in use. Is 'ghostlap"):
            serving(lambda server: asyncio.sleep(0), port=port)


def test_an_interface_that_is_not_here_is_named() -> None:
    with pytest.raises(DriveError, match=r"192.0.2.1:0: cannot listen there .*0.0.0.0 for all"):
        serving(lambda server: asyncio.sleep(0), host="192.0.2.1")


@linux("TCP_QUICKACK")
def test_every_read_is_acknowledged_at_once() -> None:
    calls: list[tuple[int, int, int]] = []

    class Spy:
        def setsockopt(self, *arguments: int) -> None:
            calls.append(arguments)  # type: ignore[arg-type]

    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port)
        (connection,) = server._connections
        connection._socket = Spy()
        for already in range(3):
            simulator.say(telemetry())
            await simulator.steered()
            assert len(calls) > already

    serving(drive)
    assert set(calls) == {(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)}


def test_a_server_without_quick_acknowledgement_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "QUICK_ACK", None)

    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port)
        simulator.say(telemetry(JPEG))
        await simulator.steered()

    serving(drive)


async def junk_frame(server: DriveServer, data: bytes) -> None:
    stranger = await RawSimulator.connect(server.port)
    stranger.write(data)
    assert await stranger.closing_code() in (1002, 1007, 1008, 1009)


async def junk_request(server: DriveServer, data: bytes) -> None:
    reader, writer = await open_connection(server.port)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(), 20)
    assert not answer.startswith(b"HTTP/1.1 101")


JUNK_FRAMES = {
    "binary": frame(BINARY, b"\x00\x01"),
    "empty": frame(TEXT, b""),
    "no packet": frame(TEXT, b"hello"),
    "no UTF-8": frame(TEXT, b"4\xff\xfe"),
    "too long": frame(TEXT, b"4" * 1_000_001),
    "not masked": b"\x81\x02hi",
    "no such opcode": frame(3, b"x"),
    "a thousand empty fragments": frame(TEXT, b"4", False) + frame(0, b"", False) * 5000,
    "too many": frame(TEXT, b"2") * 2000,
    "too many pings": frame(WEBSOCKET_PING, b"") * 6000,
    "a continuation of nothing": frame(0, b"x"),
}
JUNK_REQUESTS = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a browser": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "polling": REQUEST.replace(b"transport=websocket", b"transport=polling").replace(
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b""
    ),
    "endless headers": b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 2000 + b"\r\n",
    "an endless line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("kind", [*JUNK_FRAMES, *JUNK_REQUESTS])
def test_hostile_clients_are_left_while_a_good_one_drives_on(kind: str) -> None:
    async def drive(server: DriveServer) -> None:
        good = await RawSimulator.connect(server.port)
        for _ in range(3):
            good.say(telemetry(speed="5.0000"))
            if kind in JUNK_FRAMES:
                await junk_frame(server, JUNK_FRAMES[kind])
            else:
                await junk_request(server, JUNK_REQUESTS[kind])
            assert (await good.steered())[0] == 0.005
        await good.nothing_more()

    serving(drive, limits=Limits(messages_per_s=1000))


@pytest.mark.parametrize("nuisance", [frame(WEBSOCKET_PING, b"x" * 125), frame(TEXT, b"2" * 100)])
def test_a_client_that_does_not_read_is_left(nuisance: bytes) -> None:
    async def drive(server: DriveServer) -> None:
        deaf = await RawSimulator.connect(server.port)
        (connection,) = server._connections
        connection._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client = deaf.writer.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        good = await RawSimulator.connect(server.port)
        while connection in server._connections:
            deaf.write(nuisance * 50)
            good.say(telemetry(speed="5.0000"))
            assert (await good.steered())[0] == 0.005

    serving(drive, limits=Limits(unread_bytes=20_000, messages_per_s=1_000_000))


def test_half_a_handshake_is_given_up() -> None:
    async def drive(server: DriveServer) -> None:
        reader, writer = await open_connection(server.port)
        writer.write(REQUEST[:50])
        assert await asyncio.wait_for(reader.read(), 20) == b""

    serving(drive, limits=Limits(handshake_s=0.1))


def test_who_does_not_drive_makes_room_and_a_good_one_never() -> None:
    async def drive(server: DriveServer) -> None:
        good = await RawSimulator.connect(server.port)
        good.say(telemetry())
        await good.steered()
        for _ in range(20):
            await open_connection(server.port)
            good.say(telemetry())
            await good.steered()
            assert len(server._connections) <= 4
        late = await RawSimulator.connect(server.port)
        late.say(telemetry())
        await late.steered()
        good.say(telemetry())
        await good.steered()

    serving(drive, limits=Limits(connections=4))


async def drives(server: DriveServer, speed: str) -> RawSimulator:
    simulator = await RawSimulator.connect(server.port)
    simulator.say(telemetry(speed=speed))
    await simulator.steered()
    return simulator


def test_who_drives_keeps_its_place_whoever_comes() -> None:
    said: list[str] = []

    async def drive(server: DriveServer) -> None:
        first, second = await drives(server, "1.0000"), await drives(server, "2.0000")
        for _ in range(20):
            reader, writer = await open_connection(server.port)
            writer.write(REQUEST)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 20) == b""
            for simulator, steering in ((first, 0.005), (second, 0.006)):
                simulator.say(telemetry(speed=f"{steering * 1000:.4f}"))
                assert (await simulator.steered())[0] == steering
        first.writer.close()
        while len(server._connections) > 1:
            await asyncio.sleep(0.01)
        await drives(server, "3.0000")

    serving(drive, limits=Limits(connections=2), say=said.append)
    assert [line for line in said if line.startswith("turned")] == [
        "turned a client away: 2 are connected already",
        "turned a client away: 2 are connected already (and 18 more like this)",
    ]


def test_clients_that_come_again_and_again_are_turned_away_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "_EXCHANGES_PER_S", 0.01)
    said: list[str] = []

    async def drive(server: DriveServer) -> None:
        good = await drives(server, "1.0000")
        while not any("turned a client away" in line for line in said):
            _, writer = await open_connection(server.port)
            writer.write(REQUEST)
            good.say(telemetry(speed="5.0000"))
            assert (await good.steered())[0] == 0.005

    serving(drive, limits=Limits(connections=3), say=said.append)


def test_who_came_first_is_heard_while_others_flood() -> None:
    async def drive(server: DriveServer) -> None:
        good = await drives(server, "1.0000")
        while server._first is None:
            await asyncio.sleep(0.01)
        flood = await RawSimulator.connect(server.port)
        first, other = server._connections
        pings = 0
        while other.transport.is_reading():
            flood.write(frame(TEXT, b"2") * 500)
            pings += 500
            good.say(telemetry(speed="5.0000"))
            assert (await good.steered())[0] == 0.005
        assert first.transport.is_reading()
        for _ in range(pings):  # late, but all of them
            assert await flood.hear() == "3"
        assert not first.transport.is_closing()

    serving(drive, limits=Limits(messages_per_s=1_000_000))


def test_who_leaves_lets_the_next_one_be_first() -> None:
    async def drive(server: DriveServer) -> None:
        first, second = await drives(server, "1.0000"), await drives(server, "2.0000")
        one, other = server._connections
        for leaving, expected in ((None, one), (first, other), (second, None)):
            if leaving is not None:
                leaving.writer.close()
            while server._first is not expected:
                await asyncio.sleep(0.01)

    serving(drive)


def test_every_other_look_is_the_first_ones() -> None:
    looked: list[str] = []
    started, go_on, done = threading.Event(), threading.Event(), threading.Event()

    class Asking:
        def __init__(self, name: str) -> None:
            self.newest = deque([PendingFrame(TelemetryEvent(image=name), 0.0, 1)])

        def answered(self, waiting: PendingFrame, answer: Prediction) -> None:
            pass

    def look(telemetry: TelemetryEvent) -> Prediction:
        started.set()
        go_on.wait(20)
        looked.append(telemetry.image)
        if len(looked) == 8:
            done.set()
        return Prediction()

    async def run() -> None:
        model = ModelThread(look, asyncio.get_running_loop())
        model.ask(Asking("begin"))
        started.wait(20)
        for k in range(4):
            model.ask(Asking(f"other {k}"))
        for _ in range(3):
            model.ask(Asking("first"), goes_first=True)
        go_on.set()
        done.wait(20)
        model.stop()

    asyncio.run(run())
    assert looked == [
        "begin", "first", "other 0", "first", "other 1", "first", "other 2", "other 3"
    ]  # fmt: skip


def test_many_may_come_at_once_while_the_server_is_busy() -> None:
    async def drive(server: DriveServer) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(60):  # without letting the server have its turn
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 20))
        await drives(server, "1.0000")

    serving(drive)


def test_hundreds_of_hostile_connections_leave_nothing_behind() -> None:
    async def drive(server: DriveServer) -> None:
        good = await RawSimulator.connect(server.port)
        for i in range(300):
            _, writer = await open_connection(server.port)
            writer.write([b"", b"junk\r\n\r\n", REQUEST, REQUEST + frame(BINARY, b"x")][i % 4])
            writer.transport.abort()
            if i % 20 == 0:
                good.say(telemetry(speed="5.0000"))
                assert (await good.steered())[0] == 0.005
        while len(server._connections) > 1 or len(server._sessions) > 1:
            await asyncio.sleep(0.01)
        await good.nothing_more()

    serving(drive)


def test_a_message_that_comes_with_the_handshake_is_not_lost() -> None:
    async def drive(server: DriveServer) -> None:
        request = REQUEST + frame(TEXT, telemetry(speed="7.0000").encode())
        simulator = await RawSimulator.connect(server.port, request)
        assert (await simulator.steered())[0] == 0.007

    serving(drive)


def test_a_websocket_ping_has_its_pong_and_a_close_its_answer() -> None:
    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port)
        simulator.write(frame(WEBSOCKET_PING, b"hi"))
        assert await simulator.hear_frame() == (WEBSOCKET_PONG, b"hi")
        simulator.write(frame(CLOSE, b"\x03\xe8"))
        assert await simulator.closing_code() == 1000

    serving(drive)


def test_the_connection_is_a_protocol_that_reads_little_at_a_time() -> None:
    assert issubclass(SimulatorConnection, asyncio.BufferedProtocol)


def test_a_current_socket_io_client_is_served() -> None:
    socketio = pytest.importorskip("socketio", reason="needs python-socketio")
    pytest.importorskip("websocket", reason="needs websocket-client")

    def client(port: int) -> list[dict[str, str]]:
        steers: list[dict[str, str]] = []
        enough = threading.Event()
        client = socketio.Client(reconnection=False)

        @client.on("connect")
        def connected() -> None:
            tell()

        @client.on("steer")
        def steer(command: dict[str, str]) -> None:
            steers.append(command)
            if len(steers) == 3:
                enough.set()
            else:
                tell()

        def tell() -> None:
            client.emit("telemetry", {"speed": "5,0000", "image": "AAAA"})

        client.connect(f"http://127.0.0.1:{port}", transports=["websocket"])
        enough.wait(20)
        client.disconnect()
        return steers

    async def drive(server: DriveServer) -> None:
        steers = await asyncio.to_thread(client, server.port)
        assert [steer["steering_angle"] for steer in steers] == ["50E-4"] * 3

    serving(drive)


def request_of(*headers: str, upgrade: bool = True) -> bytes:
    """A request with other headers than a simulator's."""
    named = {header.partition(":")[0].lower() for header in headers}
    lines = REQUEST.decode().split("\r\n")[1:-2]
    kept = [line for line in lines if line.partition(":")[0].lower() not in named]
    if not upgrade:
        kept = [line for line in kept if line.startswith("Host")]
    path = f"/socket.io/?EIO=4&transport={'websocket' if upgrade else 'polling'}"
    return "\r\n".join([f"GET {path} HTTP/1.1", *kept, *headers, "", ""]).encode()


OWN, EVIL = "127.0.0.1:4567", "evil.example:4567"


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: https://evil.example"],
        ["Origin: null"],
        ["Origin: file://"],
        ["Origin: http://127.0.0.1:8000"],
        ["Origin: http://localhost:4567"],
        ["Origin: http://127.0.0.1:4567", "Sec-Fetch-Site: cross-site"],
        [f"Origin: http://{OWN}", "Origin: https://evil.example"],
        [f"Host: {EVIL}", f"Origin: http://{EVIL}"],
        ["Host: 192.0.2.7:4567", "Origin: http://192.0.2.7:4567"],
        ["Host: localhost.evil.example", "Origin: http://localhost.evil.example"],
        ["Host: 127.0.0.1@evil.example", "Origin: http://127.0.0.1@evil.example"],
        [f"Host: {EVIL}", "Sec-Fetch-Site: same-origin"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
        ["Sec-Fetch-Site: same-site"],
        ["Origin:"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("upgrade", [True, False])
def test_a_page_of_another_site_is_refused(headers: list[str], upgrade: bool) -> None:
    said: list[str] = []

    async def drive(server: DriveServer) -> None:
        for _ in range(5):
            reader, writer = await open_connection(server.port)
            writer.write(request_of(*headers, upgrade=upgrade))
            answer = await asyncio.wait_for(reader.read(), 20)
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert b"Access-Control" not in answer
        assert len(said) == 1
        assert not server._sessions

    serving(drive, say=said.append)
    assert said[0].startswith("a web page asked to drive, and was refused: ")
    assert said[1:] == [f"{said[0]} (and 3 more like this)"]


@pytest.mark.parametrize("method", [b"POST", b"OPTIONS", b"PUT"])
@pytest.mark.parametrize("body", [b"", b"40"])
def test_a_page_that_does_more_than_ask_is_refused(method: bytes, body: bytes) -> None:
    async def drive(server: DriveServer) -> None:
        reader, writer = await open_connection(server.port)
        writer.write(
            method + b" /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1:4567\r\n"
            b"Origin: https://evil.example\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        answer = await asyncio.wait_for(reader.read(), 20)
        # What has a body is not even a request here.
        assert answer == b"" if body else answer.startswith(b"HTTP/1.1 403 ")

    serving(drive)


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: http://127.0.0.1:4567"],
        ["Host: localhost:4567", "Origin: http://LOCALHOST:4567"],
        ["Host: [::1]:4567", "Origin: http://[::1]:4567", "Sec-Fetch-Site: same-origin"],
        ["Host: car.example:4567"],
    ],
    ids=" ".join,
)
def test_what_is_no_page_or_the_servers_own_is_served(headers: list[str]) -> None:
    async def drive(server: DriveServer) -> None:
        simulator = await RawSimulator.connect(server.port, request_of(*headers))
        simulator.say(telemetry(speed="5.0000"))
        assert (await simulator.steered())[0] == 0.005

    serving(drive)


PAGE = """<script>
const seen = [], tell = what => { seen.push(what); document.title = seen.sort().join(); };
const socket = new WebSocket("ws://127.0.0.1:PORT/socket.io/?EIO=4&transport=websocket");
socket.onopen = () => tell("socket opened");
socket.onclose = () => tell("socket closed");
fetch("http://127.0.0.1:PORT/socket.io/?EIO=4&transport=polling")
    .then(() => tell("fetch answered"), () => tell("fetch refused"));
</script>"""


def test_a_page_in_a_real_browser_cannot_drive() -> None:
    """From another port of this machine: a browser itself keeps public sites from it by now."""
    said: list[str] = []

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.replace("PORT", str(port)).encode())

        def log_message(self, *_: object) -> None:
            pass

    port = 0

    def browse() -> str:
        with http.server.HTTPServer(("127.0.0.1", 0), Pages) as pages, open_browser() as browser:
            serving = threading.Thread(target=pages.serve_forever)
            serving.start()
            try:
                page = browser.new_page()
                page.goto(f"http://127.0.0.1:{pages.server_port}/")
                page.wait_for_function("document.title.includes(',')")
                return page.title()
            finally:
                pages.shutdown()
                serving.join()

    async def drive(server: DriveServer) -> None:
        nonlocal port
        port = server.port
        assert await asyncio.to_thread(browse) == "fetch refused,socket closed"
        assert len(said) == 1

    serving(drive, say=said.append)
    assert said[0].startswith("a web page asked to drive, and was refused: 'http://127.0.0.1:")

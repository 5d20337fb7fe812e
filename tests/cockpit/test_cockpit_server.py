"""The cockpit's server on real sockets: who may speak, who drives, and pages that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ghostlap.base.errors import CockpitError
from ghostlap.cockpit import hub as hub_module
from ghostlap.cockpit import server as server_module
from ghostlap.cockpit.app import App
from ghostlap.cockpit.config import CockpitConfig
from ghostlap.cockpit.hub import MAX_CLIENTS, Client, HubOutlet
from ghostlap.cockpit.library import Library
from ghostlap.cockpit.protocol import (
    Command,
    Kind,
    Pong,
    Record,
    Reset,
    State,
    picture,
    read_picture,
)  # fmt: skip

PATIENCE_S = 20.0


class Scripted:
    """What drives, played by the test."""

    kind: Literal["sim", "unity"] = "sim"
    tracks: ClassVar[list[str]] = ["lake"]
    road_map = None

    def __init__(self, folder: Path) -> None:
        self.library = Library(folder / "recordings", folder / "runs")
        self.told: list[Command] = []
        self.seats: list[bool] = []
        self.pages = 0
        self.outlet: HubOutlet | None = None

    def start(self, outlet: HubOutlet) -> None:
        self.outlet = outlet

    def stop(self) -> None:
        self.outlet = None

    def tell(self, command: Command) -> None:
        self.told.append(command)

    def sit(self, taken: bool) -> None:
        self.seats.append(taken)

    def watched_by(self, pages: int) -> None:
        self.pages = pages

    def is_recording(self, name: str) -> bool:
        return False

    def show(self, frame: int, jpeg: bytes = b"JPEG") -> None:
        assert self.outlet is not None
        main = picture(Kind.MAIN, frame, 0.0, jpeg)
        state = State(
            t=0.0, frame=frame, mode="manual", driving="person", speed_mph=0.0,
            speed_limit_mph=20.0, steering=0.0, throttle=0.0,
        )  # fmt: skip
        self.outlet.publish({Kind.MAIN: main}, state)


class Page:
    """A browser's page, as far as the server knows it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.id = 0

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message of a type; others are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.recv()
                if isinstance(message, str):
                    values: dict[str, Any] = json.loads(message)
                    if values["type"] == kind:
                        return values

    async def see(self) -> int:
        """The number of the next picture."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.recv()
                if isinstance(message, bytes):
                    return read_picture(message)[1]

    async def end_after(self, messages: list[str] | list[bytes]) -> int | None:
        """Send messages until the server closes the connection; gives the code."""
        with contextlib.suppress(ConnectionClosed):
            for message in messages:
                await self.socket.send(message)
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        return self.socket.close_code

    async def settle(self) -> None:
        """Wait until all that was said is understood."""
        await self.say(type="ping", t=1)
        await self.hear("pong")


Test = Callable[[App[Any], Scripted], Coroutine[Any, Any, None]]


def serving(folder: Path, test: Test, **options: Any) -> None:
    async def run() -> None:
        source = Scripted(folder)
        async with App(CockpitConfig(**{"port": 0, **options}), source) as app:  # type: ignore[type-var]
            await test(app, source)

    asyncio.run(run())


@contextlib.asynccontextmanager
async def page(app: App[Any], **headers: Any) -> AsyncIterator[Page]:
    async with connect(
        f"ws://127.0.0.1:{app.port}/ws", compression=None, close_timeout=1, **headers
    ) as socket:
        opened = Page(socket)
        opened.id = (await opened.hear("hello"))["you"]
        yield opened


async def ask(
    app: App[Any], path: str, *, method: str = "GET", body: str = "", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """A request on a socket of its own, with nothing added or put right."""
    reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
    lines = {"Host": f"127.0.0.1:{app.port}", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n{body}".encode())
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    start, _, content = answer.partition(b"\r\n\r\n")
    status, *rest = start.decode("latin-1").split("\r\n")
    found = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
    return int(status.split()[1]), found, content


def test_the_page_and_its_files(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        status, headers, content = await ask(app, "/")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        host = f"127.0.0.1:{app.port}"
        assert headers["content-security-policy"].startswith(
            f"default-src 'self'; connect-src 'self' ws://{host} wss://{host}; img-src 'self' "
        )
        assert b"<html" in content
        status, headers, _ = await ask(app, "/static/app.js")
        assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert headers["x-content-type-options"] == "nosniff"

    serving(tmp_path, test)


@pytest.mark.parametrize("host", ["[::1]:80", "a;script-src:80", "a b", "a'x", "a,b"])
def test_no_host_that_is_no_name_gets_into_the_policy(tmp_path: Path, host: str) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        _, headers, _ = await ask(app, f"/?token={app.token}", Host=host)
        assert "connect-src 'self'; img-src" in headers["content-security-policy"]
        token = f"ghostlap-token={app.token}"
        _, headers, _ = await ask(app, "/", Host=host, Cookie=token)
        assert "connect-src 'self'; img-src" in headers["content-security-policy"]

    serving(tmp_path, test, host="0.0.0.0")


def test_no_other_file_is_served(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        for path in (
            "/static/..%2fserver.py", "/static/../server.py", "/static/%2e%2e%2fserver.py",
            "/static/server.py", "/static//etc/passwd", "/static/", "/etc/passwd", "/static/%00",
        ):  # fmt: skip
            assert (await ask(app, path))[0] == 404, path

    serving(tmp_path, test)


def test_a_name_that_was_made_to_point_here_is_refused(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        for host in ("evil.com", "127.0.0.1.evil.com", "evil.com:80", "", "a@localhost"):
            status, _, content = await ask(app, "/api/library", Host=host)
            assert status == 403, host
            assert b"recordings" not in content
        for host in ("localhost", f"localhost:{app.port}", "127.0.0.1", "[::1]:8000"):
            assert (await ask(app, "/", Host=host))[0] == 200, host

    serving(tmp_path, test)


@pytest.mark.parametrize("origin", ["http://evil.com", "null", "http://127.0.0.1:1", "file://"])
def test_pages_of_another_site_are_refused(tmp_path: Path, origin: str) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with page(app, origin=origin):
                pass
        assert refused.value.response.status_code == 403
        status, _, _ = await ask(app, "/api/trash/empty", method="POST", Origin=origin)
        assert status == 403
        async with page(app, origin=f"http://127.0.0.1:{app.port}"):
            assert source.pages == 1
        own = f"http://127.0.0.1:{app.port}"
        assert (await ask(app, "/api/trash/empty", method="POST", Origin=own))[0] == 200

    serving(tmp_path, test)


@pytest.mark.parametrize("site_of", ["cross-site", "same-site"])
def test_pages_of_another_site_cannot_even_look(tmp_path: Path, site_of: str) -> None:
    """Images, scripts and forms are sent without an origin, some also by GET."""

    async def test(app: App[Any], source: Scripted) -> None:
        foreign = {"Sec_Fetch_Site": site_of, "Sec_Fetch_Mode": "no-cors"}
        for path in ("/", "/static/app.js", "/api/library", "/api/recordings/x/predictions?run=y"):
            assert (await ask(app, path, **foreign))[0] == 403, path
            link = {"Sec_Fetch_Site": site_of, "Sec_Fetch_Mode": "navigate"}
            assert (await ask(app, path, **link))[0] == (200 if path == "/" else 403), path
        assert (await ask(app, "/", method="POST", **link))[0] == 403
        with pytest.raises(InvalidStatus):
            async with page(app, additional_headers={"Sec-Fetch-Site": site_of}):
                pass
        assert source.pages == 0
        for own in ("same-origin", "none"):
            assert (await ask(app, "/api/library", Sec_Fetch_Site=own))[0] == 200

    serving(tmp_path, test)


def test_other_machines_need_the_token(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        assert app.token is not None
        assert app.address == f"http://0.0.0.0:{app.port}/?token={app.token}"
        wrong = "x" * len(app.token)
        for path in ("/", "/static/app.js", "/api/library", f"/?token={wrong}", "/?token="):
            assert (await ask(app, path))[0] == 403
        with pytest.raises(InvalidStatus):
            async with page(app):
                pass
        status, headers, _ = await ask(app, f"/?token={app.token}", Host="car.local:8000")
        assert (status, headers["location"]) == (303, "/")
        cookie, _, attributes = headers["set-cookie"].partition(";")
        assert "HttpOnly" in attributes
        assert "SameSite=Strict" in attributes
        assert (await ask(app, "/api/library", Cookie=cookie))[0] == 200
        assert (await ask(app, "/api/library", Cookie=f"{cookie}x"))[0] == 403
        async with page(app, additional_headers={"Cookie": cookie}):
            assert source.pages == 1

    serving(tmp_path, test, host="0.0.0.0")


def test_the_address_without_the_token_is_of_this_server(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        _, headers, _ = await ask(app, f"//evil.com/a?b=1&token={app.token}")
        assert headers["location"] == "/evil.com/a?b=1"

    serving(tmp_path, test, host="0.0.0.0")


def test_the_first_page_drives_and_the_second_watches(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as first, page(app) as second:
            await second.say(type="reset")
            said = await second.hear("say")
            assert (said["level"], source.told) == ("warning", [])
            await first.say(type="reset")
            await first.settle()
            assert source.told == [Reset()]
            await second.say(type="take")
            assert (await first.hear("driver"))["driver"] == second.id
            await second.say(type="record", on=True)
            await second.settle()
            assert source.told == [Reset(), Record(True)]
            source.show(0)
            state = await first.hear("state")
            assert (state["driver"], state["watchers"]) == (second.id, 1)

    serving(tmp_path, test)


def test_the_seat_is_free_once_its_page_is_gone(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as watcher_to_be:
            await watcher_to_be.say(type="leave")
            await watcher_to_be.settle()
            assert source.seats[-1] is False
            async with page(app) as driver:
                assert (await watcher_to_be.hear("driver"))["driver"] == driver.id
                assert source.seats[-1] is True
            async with asyncio.timeout(PATIENCE_S):
                while (await watcher_to_be.hear("driver"))["driver"] is not None:
                    pass
            assert source.seats[-1] is False
            async with page(app) as again:  # the page was loaded again
                await again.settle()
                assert source.seats[-1] is True
                assert (await watcher_to_be.hear("driver"))["driver"] == again.id

    serving(tmp_path, test)


def test_a_driver_of_whom_nothing_is_heard_drives_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "SILENT_S", 0.1)

    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as asleep:
            async with asyncio.timeout(PATIENCE_S):
                while (await asleep.hear("driver"))["driver"] is not None:
                    pass
            assert source.seats[-1] is False
            await asleep.say(type="take")
            assert (await asleep.hear("driver"))["driver"] == asleep.id

    serving(tmp_path, test)


@pytest.mark.parametrize("taken", [False, True])
def test_a_driver_who_is_heard_again_drives_on_unless_another_does(
    taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "SILENT_S", 0.1)

    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as slow, page(app) as other:
            async with asyncio.timeout(PATIENCE_S):
                while (await slow.hear("driver"))["driver"] is not None:
                    pass
            monkeypatch.setattr(server_module, "SILENT_S", 60.0)
            if taken:
                await other.say(type="take")
                assert (await slow.hear("driver"))["driver"] == other.id
            await slow.say(type="ping", t=1.0)
            await slow.hear("pong")
            assert app.hub.driver == (other.id if taken else slow.id)

    serving(tmp_path, test)


@pytest.mark.parametrize("seconds_ago", [0.0, 60.0])
def test_a_page_that_was_loaded_again_has_the_seat_of_the_one_before(
    seconds_ago: float, tmp_path: Path
) -> None:
    """The new page is here before the old one's connection ends."""

    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as watcher:
            await watcher.say(type="leave")
            await watcher.settle()
            async with contextlib.AsyncExitStack() as before:
                await before.enter_async_context(page(app))
                async with page(app) as again:
                    app.hub.clients[again.id].came_s -= seconds_ago
                    await before.aclose()
                    driver = (await again.hear("driver"))["driver"]
                    assert driver == (None if seconds_ago else again.id)

    serving(tmp_path, test)


def test_a_page_that_comes_late_sees_the_last_picture(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        source.show(41)
        source.show(42)
        await asyncio.sleep(0)
        async with page(app) as late:
            assert await late.see() == 42

    serving(tmp_path, test)


def test_a_slow_page_is_sent_the_newest_only(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as slow, page(app) as quick:
            for frame in range(1, 30):
                source.show(frame)
                while await quick.see() < frame:
                    pass
                await quick.say(type="seen", frame=frame)
                await quick.settle()
            assert [await slow.see(), await slow.see()] == [1, 2]  # two are on their way at most
            await slow.say(type="seen", frame=2)
            assert await slow.see() == 29

    serving(tmp_path, test)


def test_a_page_that_does_not_read_for_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "READS_WITHIN_S", 0.05)

    async def stuck(_: str | bytes) -> None:
        await asyncio.Event().wait()

    async def test() -> None:
        client = Client(1, asyncio.get_running_loop().time)
        client.say(Pong(0.0))
        with pytest.raises(TimeoutError):
            await client.send(stuck, stuck)

    asyncio.run(test())


def test_a_page_that_never_reads_keeps_nothing_and_holds_up_nobody(tmp_path: Path) -> None:
    large = bytes(300_000)

    async def test(app: App[Any], source: Scripted) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", app.port, limit=1024)
        writer.write(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{app.port}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        async with page(app) as quick:
            for frame in range(1, 60):
                source.show(frame, large)
                while await quick.see() < frame:
                    pass
                await quick.say(type="seen", frame=frame)
            for _ in range(3000):
                assert source.outlet is not None
                source.outlet.say("info", "x" * 1000)
            await quick.settle()
            hub = app.hub
            assert len(hub.clients) == 2
            asleep = hub.clients[min(hub.clients)]
            assert asleep.waiting_bytes < 2 * len(large) + 100_000
        writer.close()

    serving(tmp_path, test)


@pytest.mark.parametrize(
    ("message", "code"),
    [("x" * 70_000, 1009), (b"\x00\x01", 1008)],
)
def test_messages_that_no_page_sends_end_the_connection(
    tmp_path: Path, message: Any, code: int
) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as hostile:
            assert await hostile.end_after([message]) == code
        async with page(app) as other:
            await other.settle()

    serving(tmp_path, test)


def test_nonsense_is_told_and_the_drive_goes_on(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as careless:
            await careless.socket.send("{")
            assert (await careless.hear("say"))["level"] == "error"
            await careless.say(type="reset")
            await careless.settle()
            assert source.told == [Reset()]

    serving(tmp_path, test)


def test_a_flood_of_messages_ends_the_connection(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        async with page(app) as hostile:
            assert await hostile.end_after(['{"type": "leave"}'] * 20_000) == 1008

    serving(tmp_path, test)


def test_too_many_pages_are_told_so(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(MAX_CLIENTS):
                await stack.enter_async_context(page(app))
            one_more = await stack.enter_async_context(
                connect(f"ws://127.0.0.1:{app.port}/ws", compression=None)
            )
            assert await Page(one_more).end_after([]) == 1013
            assert source.pages == MAX_CLIENTS

    serving(tmp_path, test)


def test_a_page_that_comes_as_soon_as_the_port_is_listened_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It once met a source that had not been started, and no page could drive from then on."""
    start = server_module.CockpitServer.start
    met: list[tuple[bool, list[bool]]] = []

    async def start_with_a_page(self: Any, host: str, port: int) -> int:
        found = await start(self, host, port)
        async with connect(f"ws://127.0.0.1:{found}/ws", compression=None) as socket:
            assert (await Page(socket).hear("hello"))["driver"] == 1
            met.append((source.outlet is not None, source.seats.copy()))
        return found

    async def test() -> None:
        async with App(CockpitConfig(port=0), source):  # type: ignore[type-var]
            pass

    source = Scripted(tmp_path)
    monkeypatch.setattr(server_module.CockpitServer, "start", start_with_a_page)
    asyncio.run(test())
    assert met == [(True, [False, True])]


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        other = Scripted(tmp_path)
        with pytest.raises(CockpitError, match="Is the cockpit open .* --page-port 0"):
            async with App(CockpitConfig(port=app.port), other):  # type: ignore[type-var]
                pass
        assert other.outlet is None  # it was stopped again

    serving(tmp_path, test)


def test_an_address_that_is_not_here_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        with pytest.raises(CockpitError, match="cannot listen there"):
            async with App(CockpitConfig(host="192.0.2.1"), Scripted(tmp_path)):  # type: ignore[type-var]
                pass

    asyncio.run(test())


def test_requests_of_no_page(tmp_path: Path) -> None:
    async def test(app: App[Any], source: Scripted) -> None:
        for path, body, status in (
            ("/api/train", "{", 400),
            ("/api/train", "[]", 400),
            ("/api/train", '{"recordings": ["../x"], "epochs": 1}', 400),
            ("/api/train", '{"recordings": [], "epochs": 1}', 400),
            ("/api/train", '{"recordings": "x", "epochs": 1}', 400),
            ("/api/train", '{"x": "' + "x" * 70_000 + '"}', 400),
            ("/api/train/nothing/stop", "{}", 400),
            ("/api/recordings/none/trash", "{}", 400),
            ("/api/recordings/none/restore", "{}", 400),
            ("/api/recordings/none/cut", '{"from": 0, "to": 1}', 400),
            ("/api/recordings/none/rows", "", 400),
            ("/api/recordings/../rows", "", 400),
            ("/api/recordings/..%2f..%2fetc/rows", "", 404),
            ("/api/recordings/none/frames/0.jpg", "", 404),
            ("/api/recordings/none/frames/-1.jpg", "", 404),
            ("/api/recordings/none/trash", "", 405),
            ("/api/library", "", 200),
            ("/api/train", "", 200),
        ):
            method = "POST" if body else "GET"
            found, _, content = await ask(app, path, method=method, body=body)
            assert found == status, path
            assert status != 400 or json.loads(content)["error"]

    serving(tmp_path, test)

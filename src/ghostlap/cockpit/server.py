"""The server of the page: its files, one websocket, and what the library has to say."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from ghostlap.base.errors import CockpitError
from ghostlap.base.platform import ADDRESS_TAKEN, listen_alone
from ghostlap.cockpit.access import Access
from ghostlap.cockpit.connections import MOST_CONNECTIONS, BoundedWebSocket, PatientHttp
from ghostlap.cockpit.hub import Client, Hub
from ghostlap.cockpit.protocol import MAX_MESSAGE_BYTES, Leave, Ping, Pong, Say, Seen, Take, parse

PAGE = Path(__file__).with_name("page")
_TYPES = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
    ".png": "image/png",
}  # fmt: skip
_MESSAGES_PER_S, _BURST = 300.0, 600.0
_POLICY_VIOLATION, _TOO_BIG, _TRY_AGAIN_LATER = 1008, 1009, 1013
_BACKLOG = 400
_PING_S = 10.0
SILENT_S = 10.0
"""A page says something every few seconds. One that does not, drives no longer."""


def _be_quiet() -> None:
    """Keep the library's log out of a terminal, which whoever connects could fill with it."""
    log = logging.getLogger("uvicorn")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())


class CockpitServer:
    """Serves the page in the running event loop; other machines reach it with a token only."""

    def __init__(
        self, hub: Hub, routes: Sequence[BaseRoute] = (), token: str | None = None
    ) -> None:
        self._hub = hub
        self._files = {
            path.name: (path.read_bytes(), _TYPES[path.suffix])
            for path in PAGE.iterdir()
            if path.suffix in _TYPES
        }
        app = Starlette(
            routes=[
                Route("/", self._file),
                Route("/static/{name}", self._file),
                WebSocketRoute("/ws", self._page),
                *routes,
            ]
        )
        _be_quiet()
        config = uvicorn.Config(
            Access(app, token),
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            http=PatientHttp,
            ws=BoundedWebSocket,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PING_S,
            limit_concurrency=MOST_CONNECTIONS,
            backlog=_BACKLOG,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)

    async def start(self, host: str, port: int) -> int:
        """Listen; gives the port.

        Raises:
            CockpitError: the port is in use, or there is no such interface.
        """
        listening = _listen(host, port)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.01)
        if self._serving.done():
            self._serving.result()
        return int(listening.getsockname()[1])

    async def stop(self) -> None:
        """Tell all pages that the server ends, and be gone."""
        self._server.should_exit = True
        await self._serving

    async def _file(self, request: Request) -> Response:
        """A file of the page: one of those that were there at the start, never a path."""
        name = request.path_params.get("name", "index.html")
        if name not in self._files:
            return PlainTextResponse("There is no such file.", 404)
        content, kind = self._files[name]
        return Response(content, 200, {"cache-control": "no-cache"}, kind)

    async def _page(self, websocket: WebSocket) -> None:
        await websocket.accept()
        if self._hub.is_full:
            await websocket.close(_TRY_AGAIN_LATER, "too many pages are open")
            return
        client = self._hub.join()
        tasks = (
            asyncio.create_task(self._listen_to(client, websocket)),
            asyncio.create_task(client.send(websocket.send_text, websocket.send_bytes)),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen_to(self, client: Client, websocket: WebSocket) -> None:
        allowed, counted_s = _BURST, time.monotonic()
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    event = await websocket.receive()
            except TimeoutError:
                self._hub.silent(client)
                continue
            if event["type"] != "websocket.receive":
                return
            now_s = time.monotonic()
            allowed = min(_BURST, allowed + (now_s - counted_s) * _MESSAGES_PER_S) - 1
            counted_s = now_s
            if allowed < 0:
                await websocket.close(_POLICY_VIOLATION, "too many messages")
                return
            text = event.get("text")
            if text is None:
                await websocket.close(_POLICY_VIOLATION, "messages must be text")
                return
            self._hub.heard(client)
            try:
                self._heard(client, text)
            except CockpitError as error:
                client.say(Say("error", str(error)))

    def _heard(self, client: Client, text: str) -> None:
        message = parse(text)
        match message:
            case Seen():
                client.seen(message.frame)
            case Ping():
                client.say(Pong(message.t))
            case Take():
                self._hub.take(client)
            case Leave():
                self._hub.stand_up(client)
            case _:
                self._hub.tell(client, message)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Leave signals to the command: an engine has to be stopped as well."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CockpitError(_cannot_listen(host, port, error)) from error
    try:
        listen_alone(listening)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise CockpitError(_cannot_listen(host, port, error)) from error
    listening.setblocking(False)
    return listening


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno in ADDRESS_TAKEN:
        return (
            f"{host}:{port}: the port is in use. Is the cockpit open already? End it first, or "
            "have another port chosen: --page-port 0."
        )
    return (
        f"{host}:{port}: cannot listen there ({error.strerror or error}). The page's host must be "
        "an address of this machine: 127.0.0.1 for itself alone, 0.0.0.0 for all."
    )

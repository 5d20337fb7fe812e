"""The server that simulators connect to."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http
import itertools
import logging
import time
from collections.abc import Callable

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from ghostlap.base.errors import DriveError
from ghostlap.base.hosts import is_foreign
from ghostlap.base.platform import ADDRESS_TAKEN, acknowledge_early
from ghostlap.driving.server.config import PORT, DriveConfig
from ghostlap.driving.server.connection import SimulatorConnection
from ghostlap.driving.server.drive_recorder import Recordings
from ghostlap.driving.server.model_thread import Asker, ModelThread, Predict
from ghostlap.driving.server.observer import Observer
from ghostlap.driving.server.sayings import Sayings
from ghostlap.driving.server.session import Session
from ghostlap.driving.server.stats import Stats

_TICK_S = 0.05
_STOP_WITHIN_S = 2.0
_CLOSE_TIMEOUT_S = 1.0
_SHOWN_CHARACTERS = 60
_ACCEPTED_AT_ONCE = 8
"""Connections, before others have their turn."""
_BACKLOG = 128
"""Connections that wait to be accepted; who finds no place there tries again a second later."""
_MOST_EXCHANGES, _EXCHANGES_PER_S = 32.0, 16.0
"""Newcomers that take the place of one who does not drive: at once, and for long."""
_STILL_DRIVES_S = 60.0
"""Time after a telemetry for which a simulator counts as driving: it may stand in its menu."""
_OTHERS_SHARE = 0.25
"""Share of the time for all but the simulator that has driven for longest."""

# A hostile client could fill a terminal with what the library says of it.
_quiet = logging.getLogger("ghostlap.driving.server.websockets")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False
_quiet.setLevel(logging.CRITICAL)


class DriveServer:
    """Serves simulators with what a pilot answers.

        async with DriveServer(config, predict_with(pilot, 1024)) as server:
            await stopped.wait()

    Args:
        predict: answers to a telemetry, on a thread of its own; raises nothing.
        say: tells a person something; must not wait.
    """

    def __init__(
        self,
        config: DriveConfig,
        predict: Predict,
        say: Callable[[str], None] = lambda _: None,
        stats: Stats | None = None,
        recordings: Recordings | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.stats = stats or Stats()
        self.limits = config.limits
        self._config = config
        self._predict = predict
        self._sayings = Sayings(say, time.monotonic)
        self._recordings, self._observer = recordings, observer
        self._connections: dict[SimulatorConnection, None] = {}
        self._sessions: dict[SimulatorConnection, Session] = {}
        self._first: SimulatorConnection | None = None
        self._others_share = 1.0
        self._exchanges, self._exchanged_s = _MOST_EXCHANGES, 0.0
        self._numbers = itertools.count(1)

    @property
    def port(self) -> int:
        """The one that is listened on."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen.

        Raises:
            DriveError: the port is in use, or there is no such interface.
        """
        config = self._config
        self._loop = asyncio.get_running_loop()
        self._model_thread = ModelThread(self._predict, self._loop)
        try:
            self._server: Server = await serve(
                self._serve_one,
                config.host,
                config.port,
                compression=None,
                open_timeout=config.limits.handshake_s,
                ping_interval=None,  # the protocol has its own
                close_timeout=_CLOSE_TIMEOUT_S,
                max_size=config.limits.message_bytes,
                logger=_quiet,
                server_header=None,
                process_request=self._refusal,
                create_connection=functools.partial(SimulatorConnection, self),  # type: ignore[arg-type]
                backlog=_ACCEPTED_AT_ONCE,
                start_serving=False,
            )
            for listening in self._server.sockets:
                acknowledge_early(listening)
            await self._server.start_serving()
            for listening in self._server.sockets:
                with listening.dup() as same:
                    same.listen(_BACKLOG)
        except OSError as error:
            self._model_thread.stop()
            raise DriveError(_cannot_listen(config, error)) from error
        self._ticking = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Close every connection with 1012, which says that the service restarts, and be gone."""
        self._ticking.cancel()
        self._server.close(code=CloseCode.SERVICE_RESTART, reason="the drive server ends")
        for connection in self._connections.keys() - self._sessions.keys():
            connection.abort()  # nobody to say good-bye to yet
        closed = asyncio.ensure_future(self._server.wait_closed())
        done, _ = await asyncio.wait([closed], timeout=_STOP_WITHIN_S)
        if not done:
            for connection in list(self._connections):
                connection.abort()
            await closed
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticking
        self._sayings.finish()
        self._model_thread.stop()

    async def __aenter__(self) -> DriveServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def opened(self, connection: SimulatorConnection) -> bool:
        """A client connected; where there are too many, one that does not drive has to go for it.

        Nobody who drives ever has to: where all do, the newcomer is turned away. So it is where too
        many came lately, since a handshake takes more time than that.
        """
        if len(self._connections) >= self.limits.connections:
            idle = next((one for one in self._connections if not self._is_driving(one)), None)
            if idle is None or not self._may_exchange():
                self._sayings.say(
                    "", f"turned a client away: {self.limits.connections} are connected already"
                )
                return False
            del self._connections[idle]
            idle.abort()
        connection.share_time(self._others_share)
        self._connections[connection] = None
        return True

    def _may_exchange(self) -> bool:
        """Whether one more newcomer may take another's place by now."""
        now_s = self._loop.time()
        gained = (now_s - self._exchanged_s) * _EXCHANGES_PER_S
        self._exchanges = min(_MOST_EXCHANGES, self._exchanges + gained)
        self._exchanged_s = now_s
        if self._exchanges < 1:
            return False
        self._exchanges -= 1
        return True

    def closed(self, connection: SimulatorConnection) -> None:
        """A client is gone."""
        self._connections.pop(connection, None)

    def _is_driving(self, connection: SimulatorConnection) -> bool:
        session = self._sessions.get(connection)
        return session is not None and time.perf_counter() - session.active_s < _STILL_DRIVES_S

    def _ask(self, connection: SimulatorConnection, session: Asker) -> None:
        self._model_thread.ask(session, connection is self._first)

    def _share_time(self) -> None:
        """Let who drives for longest go first, whatever others do, and these share the rest."""
        driving = [one for one in self._sessions if self._is_driving(one)]
        self._first = min(driving, key=lambda one: self._sessions[one].began_s, default=None)
        others = len(self._connections) - 1
        self._others_share = 1.0 if self._first is None else _OTHERS_SHARE / max(1, others)
        for connection in self._connections:
            connection.share_time(1.0 if connection is self._first else self._others_share)

    def _refusal(self, connection: ServerConnection, request: Request) -> Response | None:
        """Turn away pages of other sites, which reach this port through a person's browser."""
        hosts, origins, sites = (
            request.headers.get_all(name) for name in ("Host", "Origin", "Sec-Fetch-Site")
        )
        own_address, *_ = connection.local_address or ("",)
        if not is_foreign(hosts, origins, sites, own_address):
            return None
        page = repr((origins or hosts or [""])[0][:_SHOWN_CHARACTERS])
        self._sayings.say("", f"a web page asked to drive, and was refused: {page}")
        return connection.respond(
            http.HTTPStatus.FORBIDDEN, "Web pages may not speak to this server.\n"
        )

    async def _serve_one(self, connection: ServerConnection) -> None:
        assert isinstance(connection, SimulatorConnection)
        host, port = (connection.remote_address or ("gone already", 0))[:2]
        name = f"simulator {next(self._numbers)} ({host}:{port})"

        def say(text: str) -> None:
            known = text.startswith(name)
            self._sayings.say(name if known else "", text.removeprefix(name))

        session = Session(
            name=name,
            config=self._config,
            link=connection,
            ask=functools.partial(self._ask, connection),
            say=say,
            stats=self.stats,
            now_s=time.perf_counter,  # time.monotonic has steps of 16 ms on Windows
            record=self._recordings.open if self._recordings else lambda: None,
            observer=self._observer,
        )
        self._sessions[connection] = session
        try:
            connection.deliver_to(session.received)
            await connection.wait_closed()
        finally:
            del self._sessions[connection]
            session.ended(connection.ended_because)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._sayings.tick()
            self._share_time()
            for session in list(self._sessions.values()):
                session.tick()


def _cannot_listen(config: DriveConfig, error: OSError) -> str:
    where = f"{config.host}:{config.port}"
    if error.errno in ADDRESS_TAKEN:
        other = "" if config.port != PORT else ", or another program that drives the simulator"
        return (
            f"{where}: the port is in use. Is 'ghostlap drive' running already{other}? "
            "End that first; the simulator connects to one server only."
        )
    return (
        f"{where}: cannot listen there ({error.strerror or error}). "
        "--host must be an address of this machine: 127.0.0.1 for itself alone, 0.0.0.0 for all."
    )

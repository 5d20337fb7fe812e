"""A server to be measured, in a process of its own, and simulators that ask it.

The simulators behave as Unity's (:mod:`ghostlap.driving.unity.client`), but for their cars, which
stand still while pictures from a list go by.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from ghostlap.base.errors import GhostlapError
from ghostlap.driving.unity.client import UnityClient, UnityTelemetry

_STALLED_S = 30.0
_STOPPING_S = 10.0


class Server:
    """A process that serves a free port; stopped when the block that uses it ends.

    Args:
        task: what :mod:`benchmarks.drive_process` is to do.
        what: is measured, as the command line names it.
        hint: what to try where it does nothing.
    """

    def __init__(
        self,
        task: dict[str, Any],
        what: str = "drive",
        hint: str = "Try 'ghostlap drive' with the same run folder, which says more.",
    ) -> None:
        self._what, self._hint = what, hint
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        module, task = "benchmarks.drive_process", task | {"port": self.port}
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(task)],
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )
        self._patience_s = 0.0
        self.be_patient()

    def be_patient(self) -> None:
        """It has just done something, so that from now on it may take its time."""
        self._patience_s = time.perf_counter() + _STALLED_S

    def check_runs(self) -> None:
        """Make sure that it is there.

        Raises:
            GhostlapError: it has ended by itself.
        """
        if self._process.poll() is not None:
            self._said.seek(0)
            raise GhostlapError(
                f"bench {self._what}: the server ended by itself. It said: "
                f"{self._said.read()[-500:].decode(errors='replace')}"
            )

    def check(self) -> None:
        """Make sure that there is still something to wait for.

        Raises:
            GhostlapError: it has ended by itself, or done nothing for long.
        """
        self.check_runs()
        if time.perf_counter() > self._patience_s:
            raise GhostlapError(
                f"bench {self._what}: the server has not answered anything for {_STALLED_S:g} s. "
                f"{self._hint}"
            )

    def connection(self) -> socket.socket:
        """A connection to it, once it listens."""
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                self.check()
                time.sleep(0.01)

    @property
    def pid(self) -> int:
        return self._process.pid

    def resident_mb(self) -> float:
        """The memory it has now, in MB of 2**20 bytes."""
        import psutil

        resident: int = psutil.Process(self.pid).memory_info().rss
        return resident / 2**20

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOPPING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()


class Simulator:
    """One client, and how long its trips take.

    Args:
        port: of the server.
        pictures: what its camera sees, one after the other.
        chains: of telemetry, 1 or 2. Unity's simulator has two.
    """

    def __init__(self, port: int, pictures: Sequence[bytes], chains: int = 2) -> None:
        self.client = UnityClient("127.0.0.1", port)
        self.times_s: list[float] = []
        """Of each trip."""
        self._pictures = pictures
        self._chains_to_start = chains
        self._sent = 0
        self._sent_s: deque[float] = deque()

    def turn(self, wait_s: float) -> int:
        """Hear, and answer what was heard; gives the trips that ended."""
        client = self.client
        commands, wakes = client.commands, client.wakes
        client.listen(wait_s)
        heard_s, answers = time.perf_counter(), client.commands - commands
        for _ in range(answers):
            self.times_s.append(heard_s - self._sent_s.popleft())
        answered = answers + client.wakes - wakes
        starting = min(client.asked - answered, self._chains_to_start)
        self._chains_to_start -= starting
        client.asked = answered + starting
        if client.asked:
            picture = self._pictures[self._sent % len(self._pictures)]
            self._sent += 1
            self._sent_s.extend([time.perf_counter()] * client.asked)
            client.tell(UnityTelemetry(0.0, 0.3, 20.0, picture))
        return answers


@contextlib.contextmanager
def simulators_of(
    server: Server, pictures: Sequence[bytes], count: int, chains: int = 2
) -> Iterator[list[Simulator]]:
    """Clients that are being served."""
    simulators = [Simulator(server.port, pictures, chains) for _ in range(count)]
    try:
        while not all(simulator.client.connected for simulator in simulators):
            for simulator in simulators:
                simulator.turn(0.001)
            server.check()
        yield simulators
    finally:
        for simulator in simulators:
            simulator.client.close()


def end_trips(server: Server, simulators: Sequence[Simulator], trips: int) -> None:
    """Let so many trips end, of all clients together."""
    server.be_patient()
    while trips > 0:
        ready, _, _ = select.select([s.client for s in simulators], [], [], 1.0)
        if not ready:
            server.check()
        for simulator in simulators:
            if simulator.client in ready and (ended := simulator.turn(0.0)):
                trips -= ended
                server.be_patient()
            if not simulator.client.connected:
                server.check()
                raise GhostlapError("bench drive: the server disconnected a client.")

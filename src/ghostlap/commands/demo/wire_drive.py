"""One drive over the real protocol: the server in a process of its own, the simulator here."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.engine.processes import python
from ghostlap.base.errors import DemoError
from ghostlap.base.platform import quoted
from ghostlap.base.signals import ask_to_stop, stoppable
from ghostlap.commands.sim import simulate
from ghostlap.commands.sim_config import SimulateConfig

PICTURES_A_SECOND = 20.0
"""Frame rate of the drive, as in an evaluation."""

_WAIT_S = 30.0
_ENDING_S = 10.0
_LOOK_AGAIN_S = 0.05
_HOST = "127.0.0.1"


def drive_over_the_wire(
    run: Path,
    record: Path,
    *,
    track: str,
    speed_limit: float,
    seconds: float | None,
    seed: int,
    console: Console,
) -> dict[str, Any]:
    """Let ``ghostlap drive`` drive the embedded simulator as it drives Udacity's.

    It drives for some seconds or, with None, a lap, and gives what
    :func:`ghostlap.commands.sim.simulate` does.

    Raises:
        DemoError: the server does not start.
    """
    port = _free_port()
    config = SimulateConfig(
        autonomous=True,
        track=track,
        conditions="seed",
        seed=seed,
        laps=1 if seconds is None else None,
        seconds=seconds,
        host=_HOST,
        port=port,
        wait_s=_WAIT_S,
        frame_rate_hz=PICTURES_A_SECOND,
        uncapped=True,
    )
    with _server(run, record, speed_limit, port):
        return simulate(config, console)


@contextlib.contextmanager
def _server(run: Path, record: Path, speed_limit: float, port: int) -> Iterator[None]:
    """A drive server in a process of its own, from when it listens until the end."""
    options = ["--speed-limit", str(speed_limit), "--record", str(record), "--port", str(port)]
    server = subprocess.Popen(
        python("-m", "ghostlap", "drive", str(run), *options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **stoppable(),
    )
    try:
        until_s = time.monotonic() + _WAIT_S
        while not _listens(port):
            if server.poll() is not None or time.monotonic() > until_s:
                raise DemoError(
                    "The drive server does not start. To see why: "
                    f"ghostlap drive {quoted(run)} --port {port}"
                )
            time.sleep(_LOOK_AGAIN_S)
        yield
    finally:
        ask_to_stop(server)  # it writes down what waits to be recorded
        try:
            server.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((_HOST, port), timeout=1):
        return True
    return False


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as listening:
        port: int = listening.getsockname()[1]
    return port

"""``python -m benchmarks drive RUN``: the drive server, asked by clients that behave as Unity's.

The server runs in a process of its own, the clients in this one, which is a core's work too. Each
client has the simulator's two chains, so that two telemetries of it are under way at any time, and
writes them as the simulator does, in small fragments. A server may answer both from one look at the
newer picture; with one chain it has to look at every picture. A trip is timed from before a
telemetry is put into words until its ``steer`` is read; decoding the picture, preprocessing and the
pilot are part of it. The limit is a bare echo over TCP of as many bytes.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.drive_load import Server, end_trips, simulators_of
from benchmarks.measures import times_s
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.world import World

TRACK = "lake"
PICTURES = 24
"""Of places around the lap."""
CLIENTS_AT_ONCE = 8
TRIPS_A_REPEAT = 100
"""Round trips, and a hundred more that do not count before the first."""
ECHOED_BYTES = 64
"""About as long as a ``steer``."""

_GLANCES = 20
"""At the server's memory, during the long run."""


def measure(run: Path, repeats: int, frames: int, console: Console) -> dict[str, Any]:
    """All figures of the drive server, by part.

    Raises:
        PilotError: the run folder holds no usable pilot.
        GhostlapError: the server ended by itself, or does not answer.
    """
    Pilot.load(run)  # what is wrong with it is better told here than by a server that ends
    pictures = pictures_around(TRACK, PICTURES)
    trips = repeats * TRIPS_A_REPEAT
    parts: list[tuple[str, Callable[[], Any]]] = [
        ("limit", lambda: echo(pictures, trips)),
        ("start", lambda: starts(run, pictures, max(1, repeats // 8))),
        ("driving", lambda: driving(run, pictures, trips)),
        ("one_chain", lambda: driving(run, pictures, trips, chains=1)),
        ("bare", lambda: driving(None, pictures, trips)),
        ("many", lambda: driving(run, pictures, trips, CLIENTS_AT_ONCE)),
        ("memory", lambda: memory(run, pictures, frames)),
        ("limit_after", lambda: echo(pictures, trips)),
    ]
    figures: dict[str, Any] = {}
    for name, part in parts:
        with console.status(f"measuring: {name} …"):
            figures[name] = part()
    return figures


def pictures_around(track_name: str, count: int) -> list[bytes]:
    """JPEGs of 320x160, as the simulator sends them, from places around a track."""
    track = track_named(track_name)
    world = World(track, FIXED[track.theme], [Start()])
    pictures = []
    for k in range(count):
        world.place(0, Start(s_m=k * track.length_m / count))
        pictures.append(encode_jpeg(world.frames()[0, 0]))
    return pictures


def echo(pictures: Sequence[bytes], trips: int) -> dict[str, float]:
    """Round trips over TCP with nothing behind them: a telemetry's bytes there, a steer's back."""
    telemetry = bytes(int(np.mean([len(picture) for picture in pictures]) * 4 / 3) + 100)
    task = {"work": "echo", "read_bytes": len(telemetry), "answer_bytes": ECHOED_BYTES}
    with (
        Server(task) as server,
        server.connection() as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def there_and_back() -> None:
            connection.sendall(telemetry)
            left = ECHOED_BYTES
            while left:
                left -= len(connection.recv(left))

        times = times_s(there_and_back, trips)
    return _distribution(times) | {"trips_per_s": trips / sum(times)}


def starts(run: Path, pictures: Sequence[bytes], repeats: int) -> dict[str, float]:
    """Median seconds from starting the command until the first ``steer`` has come."""
    seconds = []
    for _ in range(repeats):
        began_s = time.perf_counter()
        with (
            Server({"work": "drive", "run": str(run)}) as server,
            simulators_of(server, pictures, 1) as simulators,
        ):
            end_trips(server, simulators, 1)
            seconds.append(time.perf_counter() - began_s)
    return {"first_steer_s": float(np.median(seconds))}


def driving(
    run: Path | None,
    pictures: Sequence[bytes],
    trips: int,
    clients: int = 1,
    chains: int = 2,
) -> dict[str, Any]:
    """Round trips as fast as they go.

    Args:
        run: the pilot's folder; None leaves out pictures and pilot, and answers at once.
        pictures: sent in turn.
        trips: in all.
        clients: simulators at once.
        chains: of each.

    Returns:
        ``p50_ms``, ``p99_ms``, ``trips_per_s``, ``clients``; of each client ``each_p99_ms`` and
        ``each_trips``.
    """
    task = {"work": "bare"} if run is None else {"work": "drive", "run": str(run)}
    with (
        Server(task) as server,
        simulators_of(server, pictures, clients, chains) as simulators,
    ):
        end_trips(server, simulators, TRIPS_A_REPEAT * clients)
        for simulator in simulators:
            simulator.times_s.clear()
        began_s = time.perf_counter()
        end_trips(server, simulators, trips)
        seconds = time.perf_counter() - began_s
        each = [simulator.times_s for simulator in simulators]
    return {
        "clients": clients,
        **_distribution([second for times in each for second in times]),
        "trips_per_s": sum(map(len, each)) / seconds,
        "each_p99_ms": [_distribution(times)["p99_ms"] for times in each],
        "each_trips": [len(times) for times in each],
    }


def memory(run: Path, pictures: Sequence[bytes], frames: int) -> dict[str, Any]:
    """Resident memory of the server while it serves so many frames, in MB of 2**20 bytes.

    Returns:
        ``frames``, ``resident_mb`` at each of some equal stretches, ``growth_mb`` from the first of
        them to the last, and ``trips_per_s``.
    """
    resident_mb, began_s = [], time.perf_counter()
    with (
        Server({"work": "drive", "run": str(run)}) as server,
        simulators_of(server, pictures, 1) as simulators,
    ):
        for _ in range(_GLANCES):
            end_trips(server, simulators, frames // _GLANCES)
            simulators[0].times_s.clear()
            resident_mb.append(server.resident_mb())
    return {
        "frames": frames,
        "resident_mb": resident_mb,
        "growth_mb": resident_mb[-1] - resident_mb[0],
        "trips_per_s": frames / (time.perf_counter() - began_s),
    }


def _distribution(seconds: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return {"p50_ms": float(p50), "p99_ms": float(p99)}

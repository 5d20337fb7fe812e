"""A process that serves, for the benchmarks of the drive and the cockpit, from its very start.

Imports stand within the functions: what they cost is part of what is measured.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def drive(task: dict[str, Any]) -> None:
    """What ``ghostlap drive RUN`` does, command line and all."""
    import tyro

    from ghostlap.commands.drive import drive
    from ghostlap.driving.server.config import DriveConfig

    drive(tyro.cli(DriveConfig, args=[task["run"], "--port", str(task["port"])]))


def bare(task: dict[str, Any]) -> None:
    """The server alone: every telemetry is answered, no picture is looked at."""
    import asyncio
    from pathlib import Path

    from ghostlap.driving.server.config import DriveConfig
    from ghostlap.driving.server.model_thread import Prediction
    from ghostlap.driving.server.server import DriveServer

    async def serve() -> None:
        config = DriveConfig(pilot=Path("none"), port=task["port"])
        async with DriveServer(config, lambda telemetry: Prediction()):
            await asyncio.Event().wait()

    asyncio.run(serve())


def echo(task: dict[str, Any]) -> None:
    """Prediction so many bytes with a few, for one client."""
    import socket

    with socket.create_server(("127.0.0.1", task["port"])) as listening:
        connection, _ = listening.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answer, left = bytes(task["answer_bytes"]), task["read_bytes"]
    while read := connection.recv(left):
        left -= len(read)
        if not left:
            connection.sendall(answer)
            left = task["read_bytes"]


def cockpit(task: dict[str, Any]) -> None:
    """What ``ghostlap sim`` does, without opening a browser."""
    from pathlib import Path

    from ghostlap.cockpit.config import CockpitConfig
    from ghostlap.commands.cockpit import cockpit

    folder = Path(task["folder"])
    cockpit(
        CockpitConfig(
            port=task["port"],
            recordings=folder / "rec",
            runs=folder / "runs",
            track=task["track"],
            pilot="",
        )
    )


WORK = {"drive": drive, "bare": bare, "echo": echo, "cockpit": cockpit}

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    WORK[asked["work"]](asked)

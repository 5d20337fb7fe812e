"""``python tests/drive_smoke.py``: the pilot that comes along answers a simulator, in the core
install. What serves is ``ghostlap``, as a user starts it; see :func:`serving`."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from raw_simulator import RawSimulator, leave_all, telemetry

DRIVE = ("drive", "--pilot", "generalist", "--port", "0")
END_S = 120.0


@contextlib.contextmanager
def serving(command: Sequence[str | Path], **options: Any) -> Iterator[int]:
    """The port on this machine that a command says it serves at; it is ended afterwards."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", **options
    )
    assert process.stdout is not None
    said = ""
    try:
        while not (found := re.search(r"127\.0\.0\.1:(\d+)", said)):
            line = process.stdout.readline()
            assert line, said
            said += line
        yield int(found[1])
        process.terminate()
        process.communicate(timeout=END_S)
    finally:
        process.kill()
        process.communicate()


async def answer(port: int) -> tuple[float, float]:
    """Steering and throttle that a drive server answers a grey picture with."""
    _, picture = cv2.imencode(".jpg", np.full((160, 320, 3), 128, np.uint8))
    simulator = await RawSimulator.connect(port)
    simulator.say(telemetry(picture.tobytes()))
    answered = await simulator.steered()
    await leave_all()
    return answered


def check_drive(ghostlap: Sequence[str | Path], **options: Any) -> None:
    """Make sure that the pilot that comes along answers."""
    with serving([*ghostlap, *DRIVE], **options) as port:
        steering, throttle = asyncio.run(answer(port))
    assert -1 <= steering <= 1, steering
    assert -1 <= throttle <= 1, throttle


if __name__ == "__main__":
    check_drive([sys.executable, "-m", "ghostlap"])
    print("The pilot that comes along answers.")

"""Hostile clients of the drive server, beside a good one that drives.

What counts is the good one: how soon it is answered, and whether it is thrown out. Beside its
figures stands what a bare loop takes on the same machine at the same time.
"""

from __future__ import annotations

import base64
import contextlib
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.attack.campaign import Campaign
from benchmarks.attack.fuzz_targets import quick_targets
from benchmarks.attack.material import make_material
from benchmarks.attack.mutate import Mutator
from benchmarks.attack.running import environment
from benchmarks.attack.sockets import (
    Driver,
    Server,
    connected,
    drive_arguments,
    frame,
    jpeg,
    serving,
)

KIND = "clients"
_TEXT, _BINARY, _PING = 1, 2, 9
_MANY = 40
_START_S = 1.0
_ENDS_WITHIN_S = 60.0
_ECHO = (
    "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], "
    "flush=True); c = s.accept()[0]\nwhile d := c.recv(65536): c.sendall(d[:1])"
)

Attack = Callable[[int, random.Random, float], int]
"""Attacks a port until a moment; gives how often."""


def _garbage(port: int, chance: random.Random, until_s: float) -> int:
    count = 0
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as one:
            one.sendall(chance.randbytes(chance.choice((1, 30, 3000, 70_000))))
        count += 1
    return count


def _messages(port: int, chance: random.Random, until_s: float) -> int:
    """What the wire could hold, damaged."""
    wire, count = quick_targets()["wire"](), 0
    mutator = Mutator(wire.seeds, wire.words)
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), connected(port) as one:
            for _ in range(50):
                data = mutator.draw(chance)
                kind = _TEXT if chance.random() < 0.9 else chance.randrange(16)
                one.sendall(frame(kind, data, chance.random() < 0.95))
                count += 1
    return count


def _huge(port: int, chance: random.Random, until_s: float) -> int:
    count = 0
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), connected(port) as one:
            size = chance.choice((2**62, 2**63, 2**31, 10**8, 1_000_001))
            one.sendall(frame(_TEXT, b"4", size=size))
            for _ in range(30):
                one.sendall(b"4" * 65536)
        count += 1
    return count


def _fragments(port: int, chance: random.Random, until_s: float) -> int:
    count = 0
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), connected(port) as one:
            one.sendall(frame(_TEXT, b"42", final=False))
            for _ in range(5000):
                one.sendall(frame(0, b"[" * chance.choice((0, 1, 500)), final=False))
        count += 1
    return count


def _slow(port: int, chance: random.Random, until_s: float) -> int:
    """Many that never finish their request, and many that never read."""
    waiting: list[socket.socket] = []
    for number in range(_MANY):
        with contextlib.suppress(OSError):
            if number % 2:
                waiting.append(connected(port))
            else:
                one = socket.create_connection(("127.0.0.1", port), 2)
                one.sendall(b"GET /socket.io/ HTTP/1.1\r\nX: ")
                waiting.append(one)
    while time.monotonic() < until_s:
        for one in waiting:
            with contextlib.suppress(OSError):
                one.settimeout(0.01)
                one.sendall(b"a")
        time.sleep(0.1)
    for one in waiting:
        one.close()
    return len(waiting)


def _flood(port: int, chance: random.Random, until_s: float) -> int:
    """Telemetries as fast as they can be written, unread answers and all."""
    text = _telemetry(jpeg())
    count = 0
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), connected(port) as one:
            one.settimeout(1.0)
            while time.monotonic() < until_s:
                one.sendall(frame(_TEXT, text) * 4)
                count += 4
    return count


def _bombs(port: int, chance: random.Random, until_s: float) -> int:
    """Pictures that say they are large, of all kinds, and numbers that are none."""
    pictures = quick_targets()["pictures"]()
    mutator, count = Mutator(pictures.seeds, pictures.words), 0
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), connected(port) as one:
            one.settimeout(1.0)
            for _ in range(20):
                number = chance.choice((b"1e999", b"NaN", b"-3\x1f", b"9" * 60, b"\xd9\xa3"))
                one.sendall(frame(_TEXT, _telemetry(mutator.draw(chance), number)))
                count += 1
    return count


def _storm(port: int, chance: random.Random, until_s: float) -> int:
    count = 0
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError):
            (
                connected(port) if count % 2 else socket.create_connection(("127.0.0.1", port), 2)
            ).close()
        count += 1
    return count


def _pings(port: int, chance: random.Random, until_s: float) -> int:
    count = 0
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), connected(port) as one:
            one.settimeout(1.0)
            while time.monotonic() < until_s:
                one.sendall(frame(_PING, b"x" * 125) * 50 + frame(_TEXT, b"2" + b"y" * 99) * 50)
                count += 100
    return count


ATTACKS: dict[str, Attack] = {
    "garbage": _garbage, "messages": _messages, "huge frames": _huge, "fragments": _fragments,
    "slow and silent": _slow, "floods": _flood, "bombs": _bombs, "storms": _storm, "pings": _pings,
}  # fmt: skip


def attack(campaign: Campaign, seconds: float) -> None:
    """Each kind of hostile client for a while, beside the same good one."""
    material = make_material(campaign.folder / "material")
    parts = [part for part in ("origins", *ATTACKS) if campaign.wants(f"{KIND}/{part}")]
    with campaign.place("clients") as place:
        work = place / "work"
        work.mkdir()
        with serving(drive_arguments(material), work, material) as server:
            for part in parts:
                began_s = time.monotonic()
                if part == "origins":
                    try_origins(campaign, server)
                else:
                    _beside(campaign, server, part, max(seconds / len(parts), 0.5))
                campaign.tried(f"{KIND}/{part}", count=0, peak_mb=server.watched.peak_mb,
                               seconds=time.monotonic() - began_s)  # fmt: skip
                if not server.alive:
                    words = server.said[-400:]
                    campaign.found(f"{KIND}/{part}", "crashed", words, 0, [server.err])
                    return
            if "Traceback" in server.said:
                campaign.found(f"{KIND}/{parts[-1]}", "crashed", "a traceback", 0, [server.err])


def try_origins(campaign: Campaign, server: Server) -> None:
    """Web pages, none of which may have a websocket here; the simulator sends no origin."""
    name = f"{KIND}/origins"
    for origin in (
        "http://evil.example", "null", "file://", "http://127.0.0.1.evil.example", "https://x",
        "http://localhost:1", "http://127.0.0.1:8000", "", "chrome-extension://abc",
    ):  # fmt: skip
        campaign.tried(name)
        with contextlib.suppress(OSError), connected(server.port, f"Origin: {origin}"):
            campaign.found(name, "let in", f"a page of {origin!r}", 0, [server.err])


def _beside(campaign: Campaign, server: Server, part: str, seconds: float) -> None:
    name = f"{KIND}/{part}"
    attempt = campaign.attempt or 0
    lines = server.lines
    with contextlib.closing(_driving(server.port)) as driver:
        driver.latencies_ms.clear()
        hostile = subprocess.Popen(  # a process of its own: what counts is what the server does
            [sys.executable, "-m", "benchmarks.attack.clients", part, str(server.port),
             f"{campaign.seed}/{name}/{attempt}", str(seconds)],
            stdout=subprocess.PIPE, env=environment(campaign.folder),
        )  # fmt: skip
        driver.drive(time.monotonic() + seconds + _START_S)
        count = int(hostile.communicate(timeout=_ENDS_WITHIN_S)[0] or 0)
        bare = bare_loop_ms(1.0)
        thrown_out = driver.client.connections - 1
    campaign.tried(name, count=count)
    if thrown_out > 0:
        campaign.found(name, "lost", f"the good client was thrown out {thrown_out} times", attempt)
    if len(driver.latencies_ms) < 2:
        campaign.found(name, "hung", "the good client was not answered", attempt, [server.err])
        return
    campaign.row(name).remarks.append(
        f"the good client: {shown(driver.latencies_ms)} of {len(driver.latencies_ms)} answers; a "
        f"bare loop: {shown(bare)}; lines printed: {server.lines - lines}"
    )


def _driving(port: int) -> Driver:
    driver = Driver(port)
    driver.drive(time.monotonic() + 0.5)
    return driver


def bare_loop_ms(seconds: float) -> list[float]:
    """Round trips of a picture's size to a process that does nothing but answer."""
    process = subprocess.Popen([sys.executable, "-c", _ECHO], stdout=subprocess.PIPE)
    assert process.stdout is not None
    taken: list[float] = []
    try:
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), 5) as one:
            until_s = time.monotonic() + seconds
            while time.monotonic() < until_s:
                began_s = time.monotonic()
                one.sendall(b"x" * 20_000)
                left = 1
                while left > 0:
                    left -= len(one.recv(65536))
                taken.append((time.monotonic() - began_s) * 1000)
                time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    return taken


def shown(times_ms: Sequence[float]) -> str:
    p50, p99 = np.percentile(times_ms, [50, 99])
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def _telemetry(image: bytes, number: bytes = b"0.2") -> bytes:
    text = b'42["telemetry",{"steering_angle":"%b","throttle":"%b","speed":"%b","image":"%b"}]'
    return text % (number, number, number, base64.b64encode(image))


if __name__ == "__main__":
    _part, _port, _seed, _seconds = sys.argv[1:]
    print(ATTACKS[_part](int(_port), random.Random(_seed), time.monotonic() + float(_seconds)))

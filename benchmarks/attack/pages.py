"""Hostile pages of other sites, and requests of any kind, against the cockpit.

It never answers with a 5xx, gives out nothing and changes nothing outside its own folders, lets no
other site in, still answers afterwards, and ends when it is asked to.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

from benchmarks.attack.campaign import Campaign
from benchmarks.attack.fuzz_targets import quick_targets
from benchmarks.attack.material import Material, make_material
from benchmarks.attack.mutate import Mutator
from benchmarks.attack.same import content
from benchmarks.attack.sockets import (
    Server,
    ask,
    cockpit_arguments,
    connected,
    frame,
    serving,
    status_of,
)

KIND = "pages"
_SECRET = b"nobody may see this"
_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "CONNECT", "FOO")
_NAMES = ("rec", "fifo", "linked", "..", "%2e%2e", ".trash", "x" * 300, "%00", "a%2fb", "", "-",
          "%ff", "con", "re%0ac", "%F0%9F%9A%97", "rec%2f..%2f..%2foutside", "nothing")  # fmt: skip
_OF_A_RECORDING = "/api/recordings/{}"
_ROUTES = (
    "/", "/static/{}", "/api/library", "/api/trash/empty", "/api/train", "/api/train/{}/stop",
    "/ws", "/{}", "//{}", "/api/{}", "*", "http://evil.example/{}",
    *(f"{_OF_A_RECORDING}/{what}" for what in (
        "rows", "frames/{}.jpg", "predictions?run={}", "trash", "restore", "cut",
    )),
)  # fmt: skip
_NUMBERS = ("0", "1", "-1", "23", "99999", "9" * 5000, "1.5", "0x1", "%30")
_BODIES = (
    b"", b"{}", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 30_000, b'{"from": 0, "to": 5}',
    b'{"from": -1, "to": 99999999999999999999}', b'{"from": true, "to": null}',
    b'{"recordings": ["../outside"], "epochs": 1}', b'{"recordings": [], "epochs": 1e99}',
    b'{"recordings": ["rec"], "epochs": -1, "init": "../../x"}', b"x" * 70_000,
)  # fmt: skip
_FOREIGN = ("http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.evil.example")
_ENDS_WITHIN_S = 15.0


def attack(campaign: Campaign, seconds: float) -> None:
    """Requests, sockets, and frames that are no files, for as long as there is time."""
    material = make_material(campaign.folder / "material")
    with campaign.place("pages") as place:
        work = _folders(place, material)
        outside = content(place / "outside", place)
        began_s = time.monotonic()
        with serving(cockpit_arguments(material), work, material) as server:
            until = time.monotonic() + seconds
            for attempt in campaign.attempts(until):
                _some_requests(campaign, server, attempt)
                _some_messages(campaign, server, attempt)
                if not server.alive:
                    words = server.said[-400:]
                    campaign.found(f"{KIND}/requests", "crashed", words, attempt, [server.err])
                    return
            _frames_that_never_come(campaign, server)
            _still_answers_and_ends(campaign, server)
            peak_mb = server.watched.peak_mb
        if content(place / "outside", place) != outside:
            campaign.found(f"{KIND}/requests", "lost", "files outside were changed", 0, [place])
        campaign.tried(f"{KIND}/requests", count=0, peak_mb=peak_mb,
                       seconds=time.monotonic() - began_s)  # fmt: skip


def _folders(place: Path, material: Material) -> Path:
    """Recordings with links out of the folder, and with frames that are no files."""
    work, outside = place / "work", place / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_bytes(_SECRET)
    shutil.copytree(material.recording, outside / "theirs")
    for name in ("rec", "fifo", "linked", "more"):
        shutil.copytree(material.recording, work / "recordings" / name)
    for path in sorted((work / "recordings" / "fifo" / "IMG").iterdir()):
        path.unlink()
        os.mkfifo(path)
    for number, path in enumerate(sorted((work / "recordings" / "linked" / "IMG").iterdir())):
        path.unlink()
        path.symlink_to("/dev/zero" if number % 2 else outside / "secret.txt")
    (work / "recordings" / "away").symlink_to(outside / "theirs")
    (work / "recordings" / ".trash").symlink_to(outside)
    (work / "runs").mkdir()
    (work / "runs" / ".trash").symlink_to(outside)
    return work


def _some_requests(campaign: Campaign, server: Server, attempt: int) -> None:
    name = f"{KIND}/requests"
    chance = campaign.chance(name, attempt)
    for _ in range(20):
        request, foreign = _request(chance, server.port)
        answer = ask(server.port, request)
        campaign.tried(name)
        status = answer[9:12]
        shown = f"{request[:120]!r}: {answer[:60]!r}"
        if status.startswith(b"5") and status != b"503":
            campaign.found(name, "crashed", shown, attempt, [server.err])
        if _SECRET in answer:
            campaign.found(name, "let in", shown, attempt, [server.err])
        if foreign and status.startswith(b"2"):
            campaign.found(name, "let in", shown, attempt, [server.err])


def _request(chance: random.Random, port: int) -> tuple[bytes, bool]:
    """Any request, and whether it is another site's that must be refused."""
    route = chance.choice(_ROUTES)
    path = route.format(*(chance.choice(_NAMES if i == 0 else _NUMBERS) for i in range(2)))
    method = chance.choice(_METHODS[:2]) if chance.random() < 0.7 else chance.choice(_METHODS)
    body = chance.choice(_BODIES)
    headers = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body))}
    foreign = False
    draw = chance.random()
    if draw < 0.25:
        headers["Origin"] = chance.choice(_FOREIGN)
        foreign = method == "POST"
    elif draw < 0.4:
        headers["Host"] = chance.choice(("evil.example", "127.0.0.1.evil.example", "a@localhost"))
        foreign = True
    elif draw < 0.5:
        headers["Cookie"] = "ghostlap-token=" + chance.choice(("", "x" * 5000, '"', "\x01"))
    elif draw < 0.55:
        headers["Content-Length"] = chance.choice(("-1", "99999999999", "1e3", "0"))
    lines = [f"{method} {path} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
    return head + body, foreign


def _some_messages(campaign: Campaign, server: Server, attempt: int) -> None:
    name = f"{KIND}/messages"
    chance = campaign.chance(name, attempt)
    for origin in (chance.choice(_FOREIGN),):
        campaign.tried(name)
        with contextlib.suppress(OSError), connected(server.port, f"Origin: {origin}", path="/ws"):
            campaign.found(name, "let in", f"a page of {origin}", attempt, [server.err])
    target = quick_targets()["page messages"]()
    mutator = Mutator([*target.seeds, *_choices()], target.words)
    with contextlib.suppress(OSError), connected(server.port, path="/ws") as page:
        page.settimeout(1.0)
        page.sendall(frame(1, b'{"type": "take"}'))
        for _ in range(20):
            kind = 1 if chance.random() < 0.95 else chance.randrange(16)
            page.sendall(frame(kind, mutator.draw(chance), chance.random() < 0.98))
            campaign.tried(name)


def _choices() -> list[bytes]:
    messages = [{"type": "pilot", "run": run} for run in ("../x", "generalist", "\0", "a" * 200)]
    more = [{"type": "track", "track": track} for track in ("lake", "random:1", "/etc/passwd")]
    return [json.dumps(message).encode() for message in [*messages, *more]]


def _frames_that_never_come(campaign: Campaign, server: Server) -> None:
    """Frames that are FIFOs or endless, more of them than there are threads."""
    name = f"{KIND}/frames that are no files"
    host = f"Host: 127.0.0.1:{server.port}"
    for recording in ("fifo", "linked"):
        for row in range(20):
            line = f"GET /api/recordings/{recording}/frames/{row}.jpg HTTP/1.1"
            answer = ask(
                server.port, f"{line}\r\n{host}\r\nConnection: close\r\n\r\n".encode(), 3.0
            )
            campaign.tried(name)
            if not answer:
                campaign.found(name, "hung", f"{recording}, frame {row}", 0, [server.err])
            if _SECRET in answer:
                campaign.found(name, "let in", f"{recording}, frame {row}", 0, [server.err])


def _still_answers_and_ends(campaign: Campaign, server: Server) -> None:
    name = f"{KIND}/afterwards"
    campaign.tried(name, count=3)
    for path in ("/", "/api/library"):
        if status_of(server.port, path) != 200:
            campaign.found(name, "hung", f"{path} is answered no longer", 0, [server.err])
    server.watched.signal(signal.SIGTERM)
    if server.watched.wait(_ENDS_WITHIN_S) is None:
        campaign.found(name, "hung", "SIGTERM does not end it", 0, [server.err])
    if "Traceback" in server.said:
        campaign.found(name, "crashed", server.said[-300:], 0, [server.err])

"""SIGKILL of what records while it serves: ``drive --record`` and the cockpit.

What was answered more than a second before the kill must be on the disk; whole rows, whose pictures
can be read; and the folder can be gone on with.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from benchmarks.attack.campaign import Campaign
from benchmarks.attack.material import Material, make_material
from benchmarks.attack.running import command, environment, judge, run
from benchmarks.attack.sockets import Driver, cockpit_arguments, drive_arguments, serving
from ghostlap.base.errors import GhostlapError
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.vision.pictures import read_rgb

KIND = "servers"
_FRAMES_PER_S = 20.0
_LOST_FRAMES = 22
"""One second's, and what is on its way."""


def attack(campaign: Campaign, seconds: float) -> None:
    """Kill either server, in turn."""
    material = make_material(campaign.folder / "material")
    kinds = {"drive --record": _drive, "cockpit recording": _cockpit}
    kinds = {part: kill for part, kill in kinds.items() if campaign.wants(f"{KIND}/{part}")}
    until = time.monotonic() + seconds
    tasks = [(part, attempt) for attempt in campaign.attempts(until, 500) for part in kinds]

    def work(task: tuple[str, int], worker: int) -> None:
        part, attempt = task
        if campaign.attempt is None and time.monotonic() > until:
            return
        began_s = time.monotonic()
        with campaign.place(f"servers-{worker}") as place:
            kinds[part](campaign, material, place, f"{KIND}/{part}", attempt)
        campaign.tried(f"{KIND}/{part}", seconds=time.monotonic() - began_s)

    campaign.together(work, tasks)


def _drive(campaign: Campaign, material: Material, place: Path, name: str, attempt: int) -> None:
    chance = campaign.chance(name, attempt)
    work = place / "work"
    work.mkdir()
    known = 0
    for _ in range(2):  # the second time, the recording is gone on with
        with serving(drive_arguments(material, "--record", "rec"), work, material) as server:
            driver = Driver(server.port, _FRAMES_PER_S)
            driver.drive(time.monotonic() + chance.uniform(0.5, 3.0))
            answered = driver.client.commands
            server.watched.process.kill()
            server.watched.process.wait()
            driver.client.close()
            campaign.tried(name, count=0, peak_mb=server.watched.peak_mb)
        rows = _rows(campaign, name, attempt, work / "rec", work)
        if rows is None:
            return
        if known + answered - rows > _LOST_FRAMES:
            what = f"{answered} frames were answered and {rows - known} are on the disk"
            campaign.found(name, "lost", what, attempt, [work])
        known = rows


def _cockpit(campaign: Campaign, material: Material, place: Path, name: str, attempt: int) -> None:
    chance = campaign.chance(name, attempt)
    work = place / "work"
    work.mkdir()
    with serving(cockpit_arguments(material), work, material) as server:
        try:
            _record_in(server.port, chance.uniform(0.5, 3.0))
        except (WebSocketException, OSError, TimeoutError) as error:
            if server.alive:
                campaign.found(
                    name, "crashed", f"the page was left: {error!r}", attempt, [server.err]
                )
        server.watched.process.kill()
        server.watched.process.wait()
        campaign.tried(name, count=0, peak_mb=server.watched.peak_mb)
    for recording in (work / "recordings").glob("*"):
        if recording.is_dir() and not recording.name.startswith("."):
            _rows(campaign, name, attempt, recording, work)
    with serving(cockpit_arguments(material), work, material):  # it comes up again
        pass
    half = [path.name for path in work.rglob(".*") if path.name != ".lock"]
    if half:
        campaign.found(name, "lost", f"left over after the next start: {half[:4]}", attempt, [work])


def _record_in(port: int, seconds: float) -> None:
    """A page that drives, and records while it does."""
    with connect(f"ws://127.0.0.1:{port}/ws", max_size=None) as page:
        for message in ({"type": "take"}, {"type": "record", "on": True}):
            page.send(json.dumps(message))
        until, number = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            number += 1
            keys = ["up", "left"] if number % 3 else ["up"]
            page.send(json.dumps({"type": "input", "n": number, "keys": keys}))
            time.sleep(0.02)
            while _received(page):
                pass


def _received(page: object) -> bool:
    try:
        page.recv(timeout=0)  # type: ignore[attr-defined]
    except TimeoutError:
        return False
    return True


def _rows(campaign: Campaign, name: str, attempt: int, folder: Path, work: Path) -> int | None:
    """The rows of a recording after a kill, each looked at; None where it cannot be read."""
    if not (folder / "driving_log.csv").exists():
        return 0
    if not (folder / "driving_log.csv").read_bytes().strip():
        return 0
    try:
        recording = read_recording(folder)
        for path in recording.frames["center"]:
            read_rgb(path)
    except GhostlapError as error:
        campaign.found(name, "lost", f"after the kill: {error}", attempt, [work])
        return None
    ended = run(
        command("doctor", str(folder)), work, environment(campaign.folder / "material" / "cache")
    )
    judge(campaign, name, attempt, ended, "doctor after the kill", [work])
    return len(recording.frames)

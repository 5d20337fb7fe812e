"""The cockpit as a whole: the real simulator and the drive server behind the page's socket."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import queue
import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_simulator import RawSimulator, leave_all, telemetry
from rich.console import Console
from rings import ring_file
from small_pilot import make_pilot
from test_cockpit_server import PATIENCE_S, Page, page

import ghostlap.commands.cockpit as command_module
from ghostlap.base.errors import CockpitError, PilotError
from ghostlap.cockpit.app import App
from ghostlap.cockpit.config import CockpitConfig
from ghostlap.cockpit.protocol import Kind, SetLine, ShowSaliency, State, read_picture
from ghostlap.cockpit.simulator import EmbeddedSource
from ghostlap.cockpit.unity import UnitySource
from ghostlap.commands.cockpit import cockpit
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings.tables_beside import read_who_drove
from ghostlap.data.vision.pictures import decode_rgb, encode_jpeg
from ghostlap.driving.control import ControlConfig, Controller
from ghostlap.driving.server.config import DriveConfig
from ghostlap.driving.server.drive_recorder import AnsweredFrame
from ghostlap.driving.server.model_thread import PendingFrame, Prediction, predict_with
from ghostlap.driving.server.server import DriveServer
from ghostlap.driving.unity.wire import TelemetryEvent
from ghostlap.pilots.pilot import Pilot


class Driving(Page):
    """A page that acknowledges pictures and holds keys, as the real one does."""

    def __init__(self, other: Page) -> None:
        super().__init__(other.socket)
        self.id = other.id
        self.states: list[dict[str, Any]] = []
        self.kinds: set[Kind] = set()
        self.said: list[str] = []
        self.shapes: set[tuple[int, ...]] = set()
        self._n = 0

    async def until(self, holds: Any, *keys: str) -> dict[str, Any]:
        """Hold keys and watch until a state is as wanted."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.recv()
                if isinstance(message, bytes):
                    kind, frame, _, jpeg = read_picture(message)
                    self.kinds.add(kind)
                    self.shapes.add(decode_rgb(jpeg).shape)
                    if kind in (Kind.MAIN, Kind.SALIENCY):
                        self._n += 1
                        await self.say(type="seen", frame=frame)
                        await self.say(type="input", n=self._n, keys=keys)
                    continue
                values = json.loads(message)
                if values["type"] == "say":
                    self.said.append(values["text"])
                elif values["type"] == "state":
                    self.states.append(values)
                    if holds(values):
                        return values


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CockpitConfig:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path))
    make_pilot(tmp_path / "runs" / "small")
    return CockpitConfig(
        port=0, track=ring_file(tmp_path), recordings=tmp_path / "recordings",
        runs=tmp_path / "runs",
    )  # fmt: skip


def test_a_person_drives_records_hands_over_and_takes_over(config: CockpitConfig) -> None:
    simulator = EmbeddedSource(config)

    async def drive() -> None:
        async with App(config, simulator) as app, page(app) as opened:
            driver = Driving(opened)
            state = await driver.until(lambda state: state["speed_mph"] > 4, "up")
            assert (state["mode"], state["driver"], state["watchers"]) == ("manual", 1, 0)
            assert state["input_ack"] > 0
            await driver.say(type="record", on=True)
            await driver.until(lambda s: s["recording"] and s["recording"]["rows"] > 4, "up")
            await driver.say(type="pilot", run="small")
            await driver.until(lambda state: state["pilot"] == "small")
            await driver.say(type="mode", mode="autonomous")
            state = await driver.until(lambda state: state["driving"] == "pilot")
            rows = state["recording"]["rows"]
            await driver.until(lambda state: state["recording"]["rows"] > rows + 2)
            state = await driver.until(lambda state: state["driving"] == "person", "left", "up")
            assert state["mode"] == "autonomous"
            assert state["interventions"] >= 1  # this pilot may leave the road as well
            await driver.say(type="saliency", on=True)
            await driver.say(type="track", track="/etc/passwd")
            await driver.say(type="pilot", run="../runs/small")
            for text in "no saliency", "There is no track '/etc/passwd'", "There is no run":
                await driver.until(lambda state, text=text: text in " ".join(driver.said))
            await driver.say(type="record", on=False)
            await driver.until(lambda state: state["recording"] is None)
            assert driver.kinds == {Kind.MAIN, Kind.LEFT, Kind.CENTER, Kind.RIGHT}
            assert driver.shapes == {(320, 640, 3), (160, 320, 3)}

    asyncio.run(drive())
    (name,) = simulator.recorded
    folder = config.recordings / name
    drove = [one.driver for one in read_who_drove(folder).values()]
    assert len(read_recording(folder).frames) == len(drove)
    assert set(drove) == {"person", "pilot"}
    assert name.endswith("-ring")


def test_the_pilot_drives_from_the_beginning_until_somebody_steers(config: CockpitConfig) -> None:
    chosen = dataclasses.replace(config, pilot="small")

    async def drive() -> None:
        source = EmbeddedSource(chosen, pilot_begins=True)
        async with App(chosen, source) as app, page(app) as opened:
            driver = Driving(opened)
            state = await driver.until(lambda state: (state["autonomy_percent"] or 0) > 0)
            assert (state["mode"], state["driving"], state["pilot"]) == (
                "autonomous", "pilot", "small",
            )  # fmt: skip
            await driver.until(lambda state: state["driving"] == "person", "left", "up")

    asyncio.run(drive())


def test_a_closed_page_stops_the_car_and_a_new_one_goes_on(config: CockpitConfig) -> None:
    async def drive() -> None:
        async with App(config, EmbeddedSource(config)) as app, page(app) as opened:
            watcher = Driving(opened)
            await watcher.say(type="leave")
            async with page(app) as second:
                state = await Driving(second).until(lambda state: state["speed_mph"] > 5, "up")
            state = await watcher.until(  # it stood with nobody in it before anybody drove, too
                lambda s: s["driver"] is None and s["speed_mph"] < 0.5 and s["distance_m"] > 0.3
            )
            async with page(app) as again:
                driver = Driving(again)
                further = await driver.until(
                    lambda s: s["distance_m"] > state["distance_m"] + 1, "up"
                )
                assert further["driver"] == driver.id

    asyncio.run(drive())


def test_another_track_is_made_beside_the_drive(config: CockpitConfig) -> None:
    simulator = EmbeddedSource(config)

    async def drive() -> None:
        async with App(config, simulator) as app, page(app) as opened:
            driver = Driving(opened)
            await driver.until(lambda state: state["distance_m"] > 0.1, "up")
            await driver.say(
                type="track", track=config.track, conditions="seed", seed=3, direction=-1
            )
            state = await driver.until(lambda state: state["direction"] == -1)
            assert (state["conditions"], state["track"]) == ("seed 3", config.track)
            assert state["distance_m"] < 0.1

    asyncio.run(drive())


@pytest.mark.parametrize(
    ("asked_for", "chosen"), [(None, "generalist"), ("", None), ("small", "small")]
)
def test_a_pilot_that_comes_along_is_chosen_at_first(
    config: CockpitConfig, asked_for: str | None, chosen: str | None
) -> None:
    """One key, and a car drives by itself."""

    async def drive() -> None:
        simulator = EmbeddedSource(dataclasses.replace(config, pilot=asked_for))
        async with App(config, simulator) as app, page(app) as opened:
            driver = Driving(opened)
            state = await driver.until(lambda state: True)
            assert (state["pilot"], state["mode"]) == (chosen, "manual")
            await driver.say(type="mode", mode="autonomous")
            if chosen is None:
                assert "Choose one first" in (await driver.hear("say"))["text"]
            else:
                await driver.until(lambda state: state["driving"] == "pilot")
                await driver.until(lambda state: state["speed_mph"] > 1)

    asyncio.run(drive())


def test_a_pilot_that_comes_along_and_does_not_work_keeps_nobody_from_driving(
    config: CockpitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> Pilot:
        raise PilotError("no such thing")

    monkeypatch.setattr(Pilot, "load", fail)
    EmbeddedSource(config)
    with pytest.raises(PilotError, match="no such thing"):
        EmbeddedSource(dataclasses.replace(config, pilot="small"))


def test_the_command_serves_until_it_is_stopped(
    config: CockpitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    reached: list[bytes] = []

    async def come_and_go() -> None:
        (port,) = re.findall(r"the cockpit is at http://127.0.0.1:(\d+)/", shown.getvalue())
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(f"GET / HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        reached.append(await reader.read())
        writer.close()

    monkeypatch.setattr(command_module, "until_asked", come_and_go)
    assert cockpit(config, Console(file=shown, width=200)) == {"recordings": []}
    assert b"200 OK" in reached[0]


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(CockpitError, match=r"pip install 'ghostlap\[sim,cockpit\]'"):
        cockpit(CockpitConfig())


def test_a_notebook_is_told() -> None:
    async def within() -> None:
        with pytest.raises(CockpitError, match="within a notebook"):
            cockpit(CockpitConfig())

    asyncio.run(within())


class Noted:
    """What a page of a drive was shown and told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: queue.SimpleQueue[Kind] = queue.SimpleQueue()

    def publish(self, pictures: dict[Kind, bytes], state: State | None) -> None:
        for kind in pictures:
            self.shown.put(kind)

    def say(self, level: str, text: str) -> None:
        self.said.append(text)

    def new_map(self, road: dict[str, Any] | None) -> None: ...


def test_a_saliency_that_fails_is_told_and_the_picture_shown(tmp_path: Path) -> None:
    run = make_pilot(tmp_path / "runs" / "small")
    drive = UnitySource(CockpitConfig(runs=run.parent), run, 20.0, 1024)
    page_of_it = Noted()
    jpeg = encode_jpeg(np.zeros((160, 320, 3), np.uint8))
    drive._saliency = object()  # type: ignore[assignment]  # looks like one, and fails
    drive.start(page_of_it)
    drive.watched_by(1)
    drive.tell(ShowSaliency(True))
    seen = AnsweredFrame(
        PendingFrame(TelemetryEvent(speed_mph=9.0), 0.0, 1), Prediction(picture=jpeg),
        Controller().hold(), 0.01,
    )  # fmt: skip
    for _ in range(3):
        drive.see("a", seen)
        assert page_of_it.shown.get(timeout=PATIENCE_S) is Kind.MAIN
    drive.stop()
    assert len(page_of_it.said) == 1
    assert page_of_it.said[0].startswith("the saliency cannot be shown")


def test_the_page_of_the_drive_server_changes_the_line(tmp_path: Path) -> None:
    run = make_pilot(tmp_path / "runs" / "small")
    drive = UnitySource(
        CockpitConfig(runs=run.parent), run, 20.0, 1024, "switch", ("centre", "left_lane")
    )
    told = []
    for line in (None, "left_lane", "right_lane", "centre"):
        if line is not None:
            drive.tell(SetLine(line))
        told.append(drive.changed(ControlConfig()).line)
    assert told == ["switch", "left_lane", "left_lane", "centre"]


def test_the_page_of_the_drive_server_shows_the_drive(tmp_path: Path) -> None:
    run = make_pilot(tmp_path / "runs" / "small")
    jpeg = encode_jpeg(np.full((160, 320, 3), 150, np.uint8))
    page_config = CockpitConfig(port=0, runs=run.parent, recordings=tmp_path / "recordings")
    shown = UnitySource(page_config, run, 20.0, 1024)
    config = DriveConfig(pilot=run, port=0, wake_after_s=1000.0, late_after_s=1000.0)
    look = predict_with(Pilot.load(run), 1024)

    async def drive() -> None:
        async with (
            App(page_config, shown) as app,
            DriveServer(config, look, observer=shown) as server,
            page(app) as opened,
        ):
            driver = Driving(opened)
            simulator = await RawSimulator.connect(server.port)

            async def answer(speed: str) -> str:
                simulator.say(telemetry(jpeg, speed=speed))
                return await simulator.hear()

            await answer("10.0000")
            state = await driver.until(lambda state: True)
            assert await driver.see() == 0
            assert state["steering"] == pytest.approx(0.25, abs=0.02)
            assert state["pilot_steering"] == pytest.approx(0.25, abs=0.02)
            assert (state["speed_mph"], state["speed_limit_mph"]) == (10.0, 20.0)
            assert (state["driving"], state["pilot"], state["x"]) == ("pilot", "small", None)
            assert state["latency_ms"] > 0
            await driver.say(type="speed_limit", mph=5)
            await driver.settle()
            await answer("10.0000")  # it is carried out from the next one on
            assert '"throttle":"-' in await answer("10.0000")
            await driver.say(type="line", line="left_lane")
            assert "small drives as it was taught" in (await driver.hear("say"))["text"]
            await driver.say(type="record", on=True)
            assert "done there" in (await driver.hear("say"))["text"]
            await driver.say(type="saliency", on=True)
            assert "has no saliency" in (await driver.hear("say"))["text"]
            await leave_all()

    asyncio.run(drive())
    assert threading.active_count() < 20

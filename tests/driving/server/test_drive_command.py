"""``ghostlap drive`` as a person starts it, and what they see."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_simulator import RawSimulator, leave_all, telemetry
from rich.console import Console
from small_pilot import GREY, make_pilot
from systems import posix

from ghostlap.base.errors import DriveError, GhostlapError, PilotError
from ghostlap.base.signals import ask_to_stop, stoppable
from ghostlap.commands.drive import _say_where, drive
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.driving.server.config import DriveConfig, Limits
from ghostlap.driving.server.console import DriveConsole
from ghostlap.driving.server.stats import CarNow, Stats

PROGRAM = """
import json, sys
from pathlib import Path
from ghostlap.commands.drive import drive
from ghostlap.driving.server.config import DriveConfig
result = drive(DriveConfig(Path(sys.argv[1]), port=0, record=Path(sys.argv[2]),
                           wake_after_s=1000.0, late_after_s=1000.0, smoothing_s=0.0))
heavy = {"keras", "tensorflow", "pandas", "matplotlib", "warp", "scipy", "h5py"}
print(json.dumps([result, sorted(heavy & set(sys.modules))]))
"""


def frame(brightness: int) -> bytes:
    return encode_jpeg(np.full((160, 320, 3), brightness, np.uint8), 100)


async def told_to(port: int, picture: bytes) -> float:
    """The steering that a frame is answered with."""
    simulator = await RawSimulator.connect(port)
    simulator.say(telemetry(picture))
    steering, _ = await simulator.steered()
    await leave_all()
    return steering


@posix("signals that can be heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_from_start_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    """It serves, records, needs no training framework, and a signal ends it cleanly."""
    pilot = make_pilot(tmp_path / "run")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(pilot), str(tmp_path / "drive")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        first_line = process.stderr.readline()
        assert first_line.startswith(f"driving with {pilot} on 127.0.0.1:")
        port = int(first_line.split(":")[1].split(";")[0])
        assert asyncio.run(told_to(port, frame(GREY))) == pytest.approx(0.0, abs=0.01)
        assert asyncio.run(told_to(port, frame(GREY // 2))) == pytest.approx(-0.5, abs=0.01)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    result, heavy = json.loads(out)
    assert result["answered"] == 2
    assert result["p50_ms"] > 0
    assert heavy == []
    # The second one may have connected before the first was seen to be gone.
    assert sum(len(read_recording(folder).frames) for folder in tmp_path.glob("drive*")) == 2


def test_damaged_pictures_fill_no_terminal(tmp_path: Path) -> None:
    """OpenCV's libraries would write a line for each."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ghostlap", "drive", str(make_pilot(tmp_path / "run")), "--port=0"],
        stderr=subprocess.PIPE, text=True, **stoppable(),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(":")[2].split(";")[0])
        whole = frame(GREY)
        damaged = whole[:-2] + b"\x12\x34" + whole[-2:]
        assert asyncio.run(told_to(port, damaged)) == pytest.approx(0.0, abs=0.01)
        ask_to_stop(process)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert "Corrupt JPEG" not in said
    assert "1 frames, answered in" in said


def test_garbage_is_not_looked_for_while_it_drives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = []

    async def serve(*_: object) -> None:
        frozen.append(gc.get_freeze_count())

    monkeypatch.setattr("ghostlap.commands.drive._serve", serve)
    before = gc.get_freeze_count()
    drive(DriveConfig(make_pilot(tmp_path / "run"), port=0))
    assert frozen[0] > 10_000
    assert gc.get_freeze_count() <= before


def test_mistakes_are_named_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(PilotError, match="no such run folder"):
        drive(DriveConfig(tmp_path / "nowhere"))

    async def in_a_notebook() -> None:
        drive(DriveConfig(tmp_path))

    with pytest.raises(DriveError, match="cannot be done within a notebook"):
        asyncio.run(in_a_notebook())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed_limit": 0}, "--speed-limit must be above 0 and at most 30 mph. Got 0"),
        ({"speed_limit": 31}, "at most 30 mph. Got 31"),
        ({"port": -1}, "--port must be from 0 to 65535. Got -1"),
        ({"wake_after_s": 0}, "--wake-after-s must be above 0"),
        ({"late_after_s": float("nan")}, "--late-after-s must be above 0"),
        ({"smoothing_s": -1.0}, "smoothing_s must be from 0 to 10"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GhostlapError, match=message):
        DriveConfig(Path("run"), **options)


def test_limits_out_of_range_are_refused() -> None:
    with pytest.raises(DriveError, match="--limits.image-side-px must be above 0. Got 0"):
        Limits(image_side_px=0)


def test_who_may_come_in_is_said_aloud() -> None:
    said: list[str] = []
    _say_where(DriveConfig(Path("run")), 4567, said.append)
    assert said == ["driving with run on 127.0.0.1:4567; Ctrl-C ends it"]
    said.clear()
    _say_where(DriveConfig(Path("run"), host="0.0.0.0", port=80), 80, said.append)
    assert "0.0.0.0 lets other machines in" in said[1]
    assert "only connects to port 4567" in said[2]


def shown(stats: Stats) -> str:
    console = Console(file=io.StringIO(), width=150)
    console.print(DriveConsole(stats, console, "waiting").picture())
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_panel_says_how_each_car_drives() -> None:
    stats = Stats()
    assert shown(stats).strip() == "waiting"
    stats.cars["simulator 1 (127.0.0.1:5)"] = CarNow(
        steering=-0.5, throttle=0.25, speed_mph=12.34, extra={"lapNumber": 2.0}
    )
    stats.cars["simulator 2 (127.0.0.1:6)"] = CarNow(trouble="the pilot answers NaN")
    stats.cars["simulator 3 (127.0.0.1:7)"] = CarNow(by_hand=True)
    stats.cars["simulator 4 (127.0.0.1:8)"] = CarNow(slowed=True)
    for latency_ms in range(1, 101):
        stats.add_answer(latency_ms / 1000)
    stats.dropped, stats.troubled, stats.not_recorded = 3, 2, 1
    one, two, three, four, together = [line.rstrip() for line in shown(stats).splitlines()]
    assert one.split() == [
        "simulator", "1", "├─────●────┼──────────┤", "-0.500", "12.3", "mph", "throttle", "+0.25",
        "lap", "2",
    ]  # fmt: skip
    assert two.endswith("the pilot answers NaN")
    assert three.endswith("by hand")
    assert "? mph" in three
    assert four.endswith("unsure: slowing down")
    assert "in 51.0 ms (p50), 100.0 ms (p99)   dropped 3" in together
    assert together.endswith("in trouble 2   not recorded 1")


def test_of_many_cars_the_first_are_shown() -> None:
    stats = Stats()
    for number in range(12):
        stats.cars[f"simulator {number}"] = CarNow()
    assert shown(stats).splitlines()[-1].strip() == "and 4 more"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_is_said_is_written_in_its_order(is_terminal: bool) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=is_terminal)
    with DriveConsole(Stats(), console, "waiting") as shown:
        for number in range(5):
            shown.say(f"line {number} [not markup]")
    written = console.file.getvalue()  # type: ignore[attr-defined]
    places = [written.index(f"line {number} [not markup]") for number in range(5)]
    assert places == sorted(places)

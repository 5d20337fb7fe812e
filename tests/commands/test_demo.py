"""The demo: stages kept, resumed and refused; a drive over the real protocol; all of it, slowly."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from kills import kills_of
from rich.console import Console
from small_pilot import make_pilot
from systems import linux

from ghostlap.base.errors import DemoError, GhostlapError, TrackError
from ghostlap.commands.demo import command
from ghostlap.commands.demo.command import DEMO_FILE
from ghostlap.commands.demo.config import DemoConfig
from ghostlap.commands.demo.stages import STAGES, Demo, Stage, record_expert
from ghostlap.commands.demo.wire_drive import drive_over_the_wire
from ghostlap.data.formats.readers import read_recording

RESULTS: dict[str, dict[str, Any]] = {
    "evaluate": {
        "line": {
            "autonomy_percent": 99.5, "episodes": 6, "distance_km": 6.8, "mean_abs_cte_m": 0.1,
        }
    },
    "report": {"page": "somewhere/report.html"},
    "video": {"video": "somewhere/drive-1.mp4"},
}  # fmt: skip


def quiet() -> Console:
    return Console(file=io.StringIO(), width=120)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def demo(config: DemoConfig, console: Console, stages: Sequence[Stage] = STAGES) -> dict[str, Any]:
    """A demo with stand-ins for its stages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "STAGES", stages)
        return command.demo(config, console)


def stages(done: list[str], stopped_in: str = "") -> tuple[Stage, ...]:
    """Stages like the demo's own, which only write down that they were asked."""

    def work_of(name: str) -> Callable[[Demo], dict[str, Any]]:
        def work(demo: Demo) -> dict[str, Any]:
            if name == stopped_in:
                raise KeyboardInterrupt
            done.append(name)
            return RESULTS.get(name, {})

        return work

    return tuple(
        Stage(stage.name, stage.what, work_of(stage.name), stage.full_s, stage.quick_s)
        for stage in STAGES
    )


def test_an_interrupted_demo_goes_on_where_it_was(tmp_path: Path) -> None:
    config = DemoConfig(out=tmp_path / "demo")
    first: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        demo(config, quiet(), stages(first, stopped_in="train"))
    assert first == ["record", "doctor", "explore"]

    second: list[str] = []
    console = quiet()
    about = demo(config, console, stages(second))
    assert first + second == [stage.name for stage in STAGES]
    assert said(console).count("(done before)") == 3
    assert json.loads((config.out / DEMO_FILE).read_text()) == about

    third: list[str] = []
    demo(config, quiet(), stages(third))
    assert third == []


def files_made_by(demo: Demo) -> dict[str, Any]:
    demo.run.mkdir(parents=True, exist_ok=True)
    (demo.run / "made").write_text("by this demo")
    return {}


@linux("the harness of kills looks at /proc")
@pytest.mark.parametrize("fresh", [False, True])
def test_a_kill_at_any_step_leaves_what_the_same_call_goes_on_with(
    fresh: bool, tmp_path: Path
) -> None:
    config = DemoConfig(out=tmp_path / "demo")
    first = [
        dataclasses.replace(one, work=files_made_by) if one.name == "train" else one
        for one in stages([])
    ]

    def before() -> None:
        if fresh:
            demo(dataclasses.replace(config, seed=7), quiet(), first)
            (config.out / "run" / "earlier").touch()

    def work() -> None:
        demo(dataclasses.replace(config, fresh=fresh), quiet(), first)

    for _ in kills_of(work, config.out, most=20, before=before):
        try:
            about = demo(config, quiet(), first)
        except DemoError:  # killed before it had begun anew
            about = demo(dataclasses.replace(config, fresh=True), quiet(), first)
        assert list(about["stages"]) == [stage.name for stage in STAGES]
        names = sorted(str(path.relative_to(config.out)) for path in config.out.rglob("*"))
        assert names == [DEMO_FILE, "run", "run/made"]


def test_a_demo_is_not_removed_or_written_through_a_link(tmp_path: Path) -> None:
    config = DemoConfig(out=tmp_path / "demo")
    demo(config, quiet(), stages([]))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "letter").touch()
    (config.out / "run").symlink_to(tmp_path / "theirs")
    with pytest.raises(GhostlapError, match="run: this is a link to elsewhere"):
        demo(dataclasses.replace(config, fresh=True), quiet(), stages([]))
    assert (tmp_path / "theirs" / "letter").exists()


def test_a_recording_that_was_finished_just_before_a_kill_is_taken(tmp_path: Path) -> None:
    about = {"complete": True, "rows": 12, "share_of_recovery": 0.25}
    recording = tmp_path / "demo" / "recording"
    (recording / "parts").mkdir(parents=True)
    (recording / "recording.json").write_text(json.dumps(about))
    result = record_expert(Demo(DemoConfig(out=tmp_path / "demo"), quiet(), {}))
    assert result["rows"] == 12
    assert not (recording / "parts").exists()


def test_each_stage_says_how_much_is_left_and_the_end_where_everything_is(tmp_path: Path) -> None:
    console = quiet()
    demo(DemoConfig(out=tmp_path / "demo", quick=True), console, stages([]))
    text = said(console)
    for number, stage in enumerate(STAGES, 1):
        assert f"{number}/{len(STAGES)} {stage.name}" in text
    assert len(re.findall(r"about \d+:\d\d min left", text)) == len(STAGES)
    assert "autonomy 99.5 %" in text
    assert "6 episodes and 6.8 km" in text
    assert "somewhere/report.html" in text
    assert "somewhere/drive-1.mp4" in text
    assert len(re.findall(r"^  ghostlap \w+", text, re.MULTILINE)) == 3


def test_other_options_do_not_mix_with_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    demo(DemoConfig(out=out), quiet(), stages([]))
    with pytest.raises(DemoError, match=r"other options, .*'quick': False.* Add --fresh"):
        demo(DemoConfig(out=out, quick=True), quiet(), stages([]))
    (out / "notes.txt").write_text("mine")
    again: list[str] = []
    demo(DemoConfig(out=out, quick=True, fresh=True), quiet(), stages(again))
    assert len(again) == len(STAGES)
    assert (out / "notes.txt").read_text() == "mine"


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DemoError, match="holds thesis.txt and no demo"):
        demo(DemoConfig(out=tmp_path, fresh=True), quiet(), stages([]))
    (tmp_path / DEMO_FILE).write_text("[]")
    with pytest.raises(DemoError, match="is not what a demo writes"):
        demo(DemoConfig(out=tmp_path), quiet(), stages([]))


def test_mistakes_are_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="nowhere"):
        demo(DemoConfig(track="nowhere", out=tmp_path / "demo"), quiet(), stages([]))
    assert not (tmp_path / "demo").exists()
    with pytest.raises(DemoError, match="--speed-limit must be from 1 to 30 mph. Got 0"):
        DemoConfig(speed_limit=0)


def test_the_drive_goes_over_the_wire_and_is_recorded(tmp_path: Path) -> None:
    result = drive_over_the_wire(
        make_pilot(tmp_path / "run"), tmp_path / "drive", track="lake", speed_limit=10.0,
        seconds=2.0, seed=3, console=quiet(),
    )  # fmt: skip
    assert result["commands"] >= 39
    assert result["score"]["distance_km"] > 0
    rows = read_recording(tmp_path / "drive").frames
    # A frame that nobody had time for is not recorded, and one may be told several times.
    assert 10 <= len({Path(picture).read_bytes() for picture in rows["center"]}) <= result["frames"]
    # The simulator hears one answer in each of its two chains, at most, when it has left.
    assert len(rows) <= result["commands"] + 2


def test_a_server_that_cannot_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="does not start. To see why: ghostlap drive"):
        drive_over_the_wire(
            tmp_path / "nothing", tmp_path / "drive", track="lake", speed_limit=10.0,
            seconds=2.0, seed=3, console=quiet(),
        )  # fmt: skip


@pytest.mark.slow
def test_the_quick_demo_proves_a_pilot(tmp_path: Path) -> None:
    about = demo(DemoConfig(out=tmp_path / "demo", quick=True), quiet())
    line = about["stages"]["evaluate"]["result"]["line"]
    assert line["autonomy_percent"] == 100.0
    assert line["episodes"] == 2
    assert Path(about["stages"]["video"]["result"]["video"]).stat().st_size > 100_000
    assert Path(about["stages"]["report"]["result"]["page"]).stat().st_size > 100_000

"""The pilot that comes along: small, without anybody's paths, and it drives where it never was."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

from ghostlap.commands.evaluate import evaluate
from ghostlap.commands.export import export
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.pilots.export.config import ExportConfig
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import BUILT_IN
from ghostlap.pilots.saliency import Saliency

NAME = Path("generalist")
FOLDER = BUILT_IN / NAME


def interventions(*tracks: str, seconds: float | None, **options: object) -> float:
    config = EvaluateConfig(NAME, track=tracks, seconds=seconds, **options)  # type: ignore[arg-type]
    lines = [line for line in evaluate(config)["lines"] if line["driver"] == "pilot"]
    assert len(lines) >= len(tracks)
    return float(sum(line["interventions"] for line in lines))


def test_it_is_small_and_holds_nobodys_paths() -> None:
    files = list(FOLDER.iterdir())
    assert sum(path.stat().st_size for path in files) < 5e6
    text = (FOLDER / "pilot.json").read_text()
    assert '"/' not in text
    assert "\\\\" not in text


def test_it_is_what_the_script_makes() -> None:
    """The recordings and options that stand in tools/generalist.py are those it was made with."""
    path = ROOT / "tools" / "generalist.py"
    spec = importlib.util.spec_from_file_location("generalist", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    training = json.loads((FOLDER / "pilot.json").read_text())["training"]
    assert training["recordings"] == list(script.FURTHER)
    assert training["augment"] == script.AUGMENTATION
    assert {name: training[name] for name in script.THEN} == script.THEN
    seeds = [
        int(track.removeprefix("random:").split(",")[0])
        for config in (*script.RECORDINGS.values(), *script.FURTHER.values())
        for track in config.track
        if track.startswith("random:")
    ]
    assert max(seeds) < 1000


def test_it_answers_steering_and_speed_and_shows_where_it_looks() -> None:
    pilot, saliency = Pilot.load(NAME), Saliency.load(NAME)
    frame = np.random.default_rng(0).integers(0, 256, (160, 320, 3), np.uint8)
    assert pilot.outputs == ("steering", "speed")
    assert saliency.maps(frame[None]).shape == (1, 75, 320)


def test_its_name_is_a_run_folder_for_other_programs_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("onnx", "keras"):
        export(ExportConfig(NAME, to=kind, out=tmp_path / f"out.{kind}"))
        assert (tmp_path / f"out.{kind}").stat().st_size > 900_000


def test_it_drives_roads_that_it_never_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # its figures go into ./generalist
    assert interventions("random:1000", seconds=15.0, seeds=1, conditions="wide") == 0
    assert (tmp_path / "generalist" / "evaluate").is_dir()


@pytest.mark.slow
def test_it_drives_lake_and_jungle_under_every_hardship(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert interventions("lake", seconds=None, seeds=1, stress=True) == 0
    assert interventions("jungle", seconds=None, seeds=2) == 0


@pytest.mark.slow
def test_it_brakes_for_hairpins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    roads = [f"random:{seed},radius=8" for seed in (1000, 1001)]
    assert interventions(*roads, seconds=None, seeds=1) == 0


@pytest.mark.slow
def test_a_yellow_line_in_the_middle_is_no_edge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another simulation: the line has the colour that the lake's edges have."""
    monkeypatch.chdir(tmp_path)
    roads = [f"random:{seed},width=8,twist=0.9,length=700" for seed in (1005, 1007)]
    simulation = "flat_road:YellowMiddle"
    assert interventions(*roads, seconds=None, seeds=1, simulation=simulation) == 0

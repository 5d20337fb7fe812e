"""Runs found again by what they were trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_pilot import make_pilot

from ghostlap.base.errors import PilotError
from ghostlap.base.files import read_json, write_json
from ghostlap.commands.cli import main
from ghostlap.commands.runs import RunsConfig, runs


def make_run(folder: Path, seen: str, val_loss: float | None, autonomy: float | None) -> Path:
    make_pilot(folder)
    description = read_json(folder / "pilot.json")
    recording = {"folder": seen, "rows": 7, "blake2b": f"hash-of-{Path(seen).name}"}
    description["training"] = {"val_loss": val_loss, "recordings_seen": [recording]}
    write_json(folder / "pilot.json", description)
    if autonomy is not None:
        lines = [
            {"driver": driver, "stress": "none", "track": track, "autonomy_percent": percent}
            for driver, track, percent in [
                ("pilot", "lake", autonomy), ("pilot", "jungle", autonomy + 5),
                ("expert", "lake", 0),
            ]
        ]  # fmt: skip
        (folder / "evaluate" / "e").mkdir(parents=True)
        write_json(folder / "evaluate" / "e" / "evaluation.json", {"lines": lines})
    return folder


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_run(tmp_path / "runs/lossy", "/rec/lake", 0.5, None)
    make_run(tmp_path / "runs/good", "/rec/jungle", 0.1, None)
    make_run(tmp_path / "runs/deep/driver", "/rec/lake", 0.9, 60.0)
    make_run(tmp_path / "best", "/rec/lake", None, 90.0)
    (tmp_path / "runs/broken").mkdir()
    (tmp_path / "runs/broken/pilot.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(**options: str) -> list[str]:
    return [Path(run["run"]).as_posix() for run in runs(RunsConfig(**options))["runs"]]  # type: ignore[arg-type]


def test_runs_are_sorted_by_driving_and_then_by_loss(three: Path) -> None:
    assert names() == ["best", "runs/deep/driver", "runs/good", "runs/lossy"]
    first = runs(RunsConfig())["runs"][0]
    assert (first["autonomy_percent"], first["track"], first["val_loss"]) == (90.0, "lake", None)


def test_runs_are_found_by_what_they_were_trained_on(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert names(trained_on="lake") == ["best", "runs/deep/driver", "runs/lossy"]
    assert names(trained_on="hash-of-jungle") == ["runs/good"]
    with pytest.raises(SystemExit) as ended:
        main(["runs", "runs", "--trained-on", "jungle", "--json"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert f"{Path('/rec/jungle')} (7)" in said
    assert f"ghostlap evaluate {Path('runs/good')}" in said
    assert json.loads(said.splitlines()[-1])["runs"][0]["trained_on"][0]["rows"] == 7


def test_no_run_is_told_with_what_to_do(three: Path, tmp_path: Path) -> None:
    with pytest.raises(
        PilotError, match="none of 4 runs learned from 'moon'. 'ghostlap runs' shows"
    ):
        runs(RunsConfig(trained_on="moon"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(PilotError, match="no run in it or below. Train one, 'ghostlap train REC"):
        runs(RunsConfig(tmp_path / "empty"))
    with pytest.raises(PilotError, match="no such folder"):
        runs(RunsConfig(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "training", [[], "x", {"recordings_seen": [1, {}], "val_loss": "low"}, None]
)
def test_a_strange_description_does_not_hinder(three: Path, training: Any) -> None:
    path = three / "best" / "pilot.json"
    write_json(path, {**read_json(path), "training": training})
    (three / "best/evaluate/e/evaluation.json").write_text('{"lines": [{"driver": "pilot"}]}')
    assert {"runs/good", "runs/lossy"} <= set(names())

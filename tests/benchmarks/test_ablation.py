"""The ablation: what its arms may see, that their amounts are alike, and that it goes on."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from drives import make_pilot
from rich.console import Console
from rings import ring_file

from benchmarks import ablation as made
from benchmarks.ablation import (
    HELD_OUT,
    SETS,
    AblationConfig,
    AblationRecording,
    ablation,
    is_held_out,
)
from ghostlap.base.errors import GhostlapError
from ghostlap.data.vision.preprocessing import SEED
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.driving.rollout.stress import STRESS_SUITE


def test_no_recording_shows_what_is_held_out() -> None:
    recording = AblationRecording(conditions="any")
    seen = [recording.conditions_for("lake", seed).strokes or () for seed in range(300)]
    assert not any(is_held_out(stroke) for strokes in seen for stroke in strokes)
    assert any(stroke.place == 0 and stroke.one_side for strokes in seen for stroke in strokes)
    plain = dataclasses.replace(recording, conditions="wide")
    assert plain.conditions_for("lake", 5) == dataclasses.replace(plain).conditions_for("lake", 5)


@pytest.mark.parametrize("name", HELD_OUT)
def test_each_held_out_line_of_the_suite_shows_something_held_out(name: str) -> None:
    (stress,) = (one for one in STRESS_SUITE if one.name == name)
    strokes = stress.changes["strokes"]
    assert any(
        is_held_out(stroke) or is_held_out(stroke._replace(one_side=True)) for stroke in strokes
    )


def test_arms_learn_from_as_many_moments_and_what_is_done_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recordings and trainings are stood in for; the drives are in the second simulation."""
    recorded: list[str] = []
    trained: list[str] = []

    def record(config: RecordConfig) -> None:
        recorded.append(config.out.name)
        config.out.mkdir(parents=True)
        lines = [f"{config.out.name},{i}\n" for i in range(40 + len(recorded))]
        (config.out / "driving_log.csv").write_text("".join(lines))

    class Training:
        """In place of a process."""

        returncode = 0

        def __init__(self, run: Path) -> None:
            trained.append(run.name)
            make_pilot(run, 0.0, SEED)

        def poll(self) -> int:
            return 0

    planned = made._tasks
    monkeypatch.setattr(made, "record", record)
    monkeypatch.setattr(made, "_training", lambda _, arm, seed, run: Training(run))
    monkeypatch.setattr(
        made, "_tasks", lambda *of: [one for one in planned(*of) if one[0] == "second simulation"]
    )
    config = AblationConfig(
        tmp_path / "a", only="plain,markings,aux-cte", processes=1, moments=30,
        roads=(ring_file(tmp_path),), tracks=1, length_m=400, seconds=2.0,
    )  # fmt: skip

    def done(**changes: Any) -> tuple[dict[str, Any], str]:
        told = io.StringIO()
        figures = ablation(dataclasses.replace(config, **changes), Console(file=told, width=200))
        return figures, told.getvalue()

    assert "2 left" in done(limit_s=1e-9)[1]
    with pytest.raises(GhostlapError, match="begun with other sizes: moments was 30, now 20"):
        done(moments=20)
    assert recorded == []
    figures, told = done()
    assert recorded == ["wide", "markings"]
    assert sorted(trained) == sorted(
        f"{a}-{s}" for a in ("plain", "markings", "aux-cte") for s in (0, 1)
    )
    for recording in (tmp_path / "a" / "recordings").iterdir():
        assert len((recording / "driving_log.csv").read_text().splitlines()) == 30
    assert list(figures["sets"]) == list(SETS)
    of_set = figures["sets"]["second simulation"]
    assert list(of_set) == ["plain", "markings", "aux-cte"]
    assert list(of_set["plain"]["autonomy_percent_by_training_seed"]) == [0, 1]
    assert of_set["plain"]["distance_km"] > 0
    assert "second simulation" in told
    # A kill cut the last line off; it is driven again, and all else stays.
    drives = tmp_path / "a" / "drives.jsonl"
    whole = drives.read_text()
    drives.write_text(whole[:-20])
    again, told = done()
    assert "1 left" not in told
    assert len(recorded) + len(trained) == 8
    assert sorted(drives.read_text().splitlines()) == sorted(whole.splitlines())
    assert (
        json.loads((tmp_path / "a" / "ablation.json").read_text())["sets"].keys()
        == again["sets"].keys()
    )


def test_each_pilot_drives_each_set(tmp_path: Path) -> None:
    config = AblationConfig(tmp_path, length_m=400)
    tasks = made._tasks(config, tmp_path)
    assert {name for name, _ in tasks} == set(SETS)
    assert {task.stress.name for name, task in tasks if name == SETS[0]} == set(HELD_OUT)
    trained_on = {*made._roads(config, False), *made._roads(config, True)}
    assert not trained_on & {task.track for _, task in tasks}


def test_an_arm_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(GhostlapError, match=r"--only must be some of plain,markings.* Got 'paint'"):
        ablation(AblationConfig(tmp_path / "a", only="paint"))

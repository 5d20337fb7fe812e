"""Whatever has the methods of a simulation is driven as the embedded one is; so is any policy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from flat_road import FlatRoad
from rings import ring, ring_file
from small_pilot import make_pilot

from ghostlap.base.errors import EvaluationError
from ghostlap.commands.evaluate import evaluate
from ghostlap.data.formats.readers import read_recording
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.rollout.plan import plan_pilot
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.simulation import Simulation, Start
from ghostlap.sim.track.tracks import track_named
from ghostlap.training.dagger.drive import LabelTask, drive_and_label

FLAT = "flat_road:FlatRoad"


@pytest.fixture
def road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return ring_file(tmp_path)


def evaluated(pilot: str, road: str, **options: object) -> dict[str, object]:
    usual = {"seconds": 12.0, "simulation": FLAT, "seeds": 1, "speed_limit": 15.0, "processes": 1}
    config = EvaluateConfig(Path(pilot), track=(road,), **{**usual, **options})  # type: ignore
    result: dict[str, object] = evaluate(config)
    assert json.loads((config.folder / "evaluation.json").read_text()) == result
    return result


def figures(result: dict[str, object]) -> dict[str, float]:
    (line,) = [line for line in result["lines"] if line["driver"] == "pilot"]  # type: ignore
    score: dict[str, float] = line
    return score


def test_the_expert_drives_another_simulation() -> None:
    simulation: Simulation = FlatRoad(ring(), None, [Start(), Start(direction=-1)])
    driver = ExpertDriver(ring(), Expert(speed_limit_mph=15), 2)
    for _ in range(200):
        simulation.step(*driver.control(simulation), seconds=0.05)
    assert (simulation.truth().distance_m > 30).all()
    assert (np.abs(simulation.truth().cte_m) < 1).all()


def test_a_function_is_evaluated_in_another_simulation(road: str, tmp_path: Path) -> None:
    result = evaluated("flat_road:steer_to_the_road", road)
    assert figures(result)["autonomy_percent"] == 100
    assert figures(result)["distance_km"] > 0.05
    assert (tmp_path / "runs/flat_road-steer_to_the_road/evaluate").is_dir()
    bad = evaluated("flat_road:straight_on", road)
    assert figures(bad)["autonomy_percent"] < 100
    assert list(tmp_path.glob("runs/flat_road-straight_on/evaluate/*/interventions/*.png"))


def test_a_function_may_answer_the_throttle_too(road: str) -> None:
    assert 1 < figures(evaluated("flat_road:with_throttle", road))["mean_speed_mph"] < 7


def test_a_function_drives_the_embedded_simulator(road: str) -> None:
    result = evaluated("flat_road:straight_on", road, simulation="", seconds=3.0)
    assert figures(result)["distance_km"] > 0


def test_a_pilot_is_evaluated_and_corrected_in_another_simulation(
    road: str, tmp_path: Path
) -> None:
    pilot = make_pilot(tmp_path / "runs" / "a")
    assert evaluated(str(pilot), road)["complete"]
    config = EvaluateConfig(pilot, track=(road,), seeds=1, seconds=3.0, simulation=FLAT)
    (episodes,) = plan_pilot(config, [track_named(road)])
    task = LabelTask(episodes, Expert(), 0.5, 0, ("center",), tmp_path / "new")
    rows = drive_and_label(task, lambda metres: None)
    recorded = [read_recording(folder).frames for folder in task.recordings]
    assert sum(map(len, recorded)) == rows == 2 * 30


@pytest.mark.parametrize(
    ("pilot", "options", "message"),
    [
        ("flat_road:nothing", {}, "the pilot flat_road:nothing: cannot be imported from"),
        ("no_such_module:policy", {}, "No module named 'no_such_module'"),
        ("flat_road:FOCAL_PX", {}, "must be a function or a class. Got float"),
        ("flat_road:says_words", {}, r"must answer the steering.*Got 'left'"),
        ("flat_road:straight_on", {"slow_when_unsure": 0.5}, "--slow-when-unsure is for pilots"),
        ("flat_road:straight_on", {"simulation": "flat_road:Sea"}, "--simulation flat_road:Sea"),
    ],
)
def test_what_cannot_drive_is_refused(
    road: str, pilot: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluated(pilot, road, **options)

"""Closed loop: who has to take over when, what a bad pilot's score is, and what is kept."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro
from drives import TINY, make_drive, make_pilot, save_drive, write_track
from hypothesis import given, settings
from hypothesis import strategies as st
from kills import kills_of
from rich.console import Console
from systems import linux, why_not_there

import ghostlap.commands.evaluate as command
from ghostlap.base.errors import EvaluationError, GhostlapError, PilotError, TrackError
from ghostlap.base.files import remove
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.so_far import heard
from ghostlap.commands.evaluate import evaluate
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.driving.control import ControlConfig
from ghostlap.driving.evaluation import episode_files, folder
from ghostlap.driving.evaluation.episode_files import Driven, as_files
from ghostlap.driving.evaluation.map_picture import save_map
from ghostlap.driving.evaluation.results import TableLine, read_drive
from ghostlap.driving.evaluation.table import show
from ghostlap.driving.metrics import Drive, Intervention
from ghostlap.driving.rollout import episode
from ghostlap.driving.rollout.config import EvaluateConfig, file_name_of
from ghostlap.driving.rollout.driver import ReferenceDriver, view_of
from ghostlap.driving.rollout.episode import EpisodesResult, run_episodes, simulation_of
from ghostlap.driving.rollout.incidents import MOST_INCIDENTS, incidents_of, rows_around, worst_of
from ghostlap.driving.rollout.plan import Episode, EpisodesTask, Push, plan_expert, plan_pilot
from ghostlap.driving.rollout.rollout import InterventionDetector
from ghostlap.driving.rollout.stress import NO_STRESS, STRESS_SUITE, Stress
from ghostlap.driving.summary import summarise
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.expert import Expert
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.simulation import Simulation, Start, Telemetry, Truth
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.world import World

SIZE = (TINY.frame_width_px, TINY.frame_height_px)


@pytest.fixture(scope="module", autouse=True)
def _scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Scenes are kept for the tests here, and not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTLAP_CACHE", str(tmp_path_factory.mktemp("scenes")))
        yield


@pytest.fixture(scope="module")
def oval(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_track(tmp_path_factory.mktemp("tracks") / "oval.csv"))


@pytest.fixture(scope="module")
def track(oval: str) -> Track:
    return track_named(oval)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def config_for(pilot: Path, oval: str, **options: Any) -> EvaluateConfig:
    """A short evaluation in this process, always under the same light."""
    whole: dict[str, Any] = {
        "track": (oval,), "seeds": 2, "seconds": 6.0, "conditions": "fixed", "size": SIZE,
        "processes": 1, "speed_limit": 25.0, **options,
    }  # fmt: skip
    return EvaluateConfig(pilot=pilot, **whole)


def task_for(oval: str, driver: Path | Expert, **options: Any) -> EpisodesTask:
    """One car, no pushes, from a rolling start that needs nothing mended."""
    track = track_named(oval)
    return dataclasses.replace(
        EpisodesTask(
            track=oval,
            conditions=FIXED["circuit"],
            episodes=(Episode(0, Start(speed_mps=8.0), ()),),
            driver=driver,
            control=ControlConfig(speed_limit_mph=20.0),
            laps=1,
            seconds=8.0,
            length_m=track.length_m,
        ),
        **options,
    )


def run(task: EpisodesTask) -> EpisodesResult:
    return run_episodes(task, lambda metres: None)


class TruthDriver(ReferenceDriver):
    """In place of a pilot: drives by what a pilot is not told."""

    def __init__(
        self, pilot: Pilot, control: ControlConfig, cars: int, *, each_alone: bool
    ) -> None:
        super().__init__(self.of_track, Expert(speed_limit_mph=control.speed_limit_mph), cars)

    of_track: Track


@pytest.fixture
def _driven_by_truth(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TruthDriver, "of_track", track, raising=False)
    monkeypatch.setattr(episode, "PilotDriver", TruthDriver)


@pytest.fixture
def _nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of a short evaluation."""
    monkeypatch.setattr(command, "save_map", lambda *_: None)
    monkeypatch.setattr(episode_files, "strip_png", lambda *_: b"")


# Who has to take over


def judged(
    detector: InterventionDetector,
    speed_mph: float = 20.0,
    heading_error_rad: float = 0.0,
    margin_m: float = 1.0,
) -> Intervention:
    one = np.array([0.0])
    truth = Truth(
        one, one, np.array([heading_error_rad]), np.array([margin_m]), np.array([margin_m < 0]),
        np.array([0]), one,
    )  # fmt: skip
    codes = detector.judge(truth, Telemetry(one, one, np.array([speed_mph])))
    return Intervention(int(codes[0]))


def test_leaving_the_road_is_an_intervention_at_once() -> None:
    detector = InterventionDetector(1)
    assert judged(detector, margin_m=0.01) is Intervention.NONE
    assert judged(detector, margin_m=-0.01) is Intervention.OFF_ROAD


def test_standing_is_an_intervention_after_three_seconds_each() -> None:
    detector = InterventionDetector(1)
    codes = [judged(detector, speed_mph=0.0) for _ in range(150)]
    assert [row * 0.05 for row, code in enumerate(codes) if code] == pytest.approx([3.0, 6.05])
    assert Intervention.STANDING in codes


def test_moving_in_between_starts_the_three_seconds_anew() -> None:
    detector = InterventionDetector(1)
    for _ in range(3):
        assert not any(judged(detector, speed_mph=0.0) for _ in range(59))
        assert not judged(detector, speed_mph=5.0)


def test_driving_the_wrong_way_is_an_intervention() -> None:
    assert judged(InterventionDetector(1), heading_error_rad=math.radians(89)) is Intervention.NONE
    assert (
        judged(InterventionDetector(1), heading_error_rad=math.radians(-91)) is Intervention.TURNED
    )


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=400))
@settings(max_examples=50, deadline=None)
def test_the_referee_agrees_with_a_simpler_one(
    moments: list[tuple[bool, bool, bool]],
) -> None:
    detector, stood = InterventionDetector(1), 0
    for off, turned, moves in moments * 3:
        stood = 0 if moves else stood + 1
        expected = (
            Intervention.OFF_ROAD
            if off
            else Intervention.STANDING
            if stood > 60
            else Intervention.TURNED
            if turned
            else Intervention.NONE
        )
        if expected:
            stood = 0
        got = judged(
            detector, 20.0 if moves else 0.0, math.pi if turned else 0.0, -1.0 if off else 1.0
        )
        assert got is expected


# What is driven


def test_the_same_seeds_plan_the_same_and_others_something_else(oval: str, track: Track) -> None:
    config = config_for(Path("runs/a"), oval, conditions="seed")
    tasks = plan_pilot(config, [track])
    assert tasks == plan_pilot(config, [track])
    episodes = [one for task in tasks for one in task.episodes]
    assert [(one.seed, one.way) for one in episodes] == [
        (0, "forward"), (0, "backward"), (1, "forward"), (1, "backward"),
    ]  # fmt: skip
    assert len({one.start.s_m for one in episodes}) == 4
    assert tasks[0].conditions != tasks[1].conditions
    later = plan_pilot(dataclasses.replace(config, first_seed=1, seeds=1), [track])
    assert later == tasks[1:]


def test_the_expert_gets_the_same_episodes(oval: str, track: Track) -> None:
    config = config_for(Path("runs/a"), oval, stress=True)
    of_pilot = {(t.stress.name, t.episodes) for t in plan_pilot(config, [track])}
    of_expert = {(t.stress.name, t.episodes) for t in plan_expert(config, [track])}
    assert of_expert < of_pilot
    assert {name for name, _ in of_expert} == {
        "none", "delay 100 ms", "delay 200 ms", "delay 300 ms", "every 2nd frame lost",
        "every 3rd frame lost", "hard pushes",
        "steering 10 % quicker", "wheelbase 10 % longer",
    }  # fmt: skip


def test_options_say_what_is_planned(oval: str, track: Track) -> None:
    plan = plan_pilot(
        config_for(Path("runs/a"), oval, direction="backward", pushes=False, stress=True), [track]
    )
    assert {one.way for task in plan for one in task.episodes} == {"backward"}
    for task in plan:
        pushed = any(one.pushes for one in task.episodes)
        assert pushed == (task.stress.name == "hard pushes")
        assert task.conditions == task.stress.applied(FIXED["circuit"])
    assert len(plan) == 2 * (1 + len(STRESS_SUITE))


def test_every_hardship_is_another(track: Track) -> None:
    conditions = [stress.applied(FIXED["lake"]) for stress in STRESS_SUITE if stress.is_seen]
    assert len({*conditions, FIXED["lake"]}) == len(conditions) + 1


def test_a_hardship_may_be_another_car(oval: str) -> None:
    quick = next(stress for stress in STRESS_SUITE if stress.name == "steering 10 % quicker")
    assert not quick.is_seen
    turned = []
    for stress in (NO_STRESS, quick):
        world = simulation_of(task_for(oval, Expert(), seconds=1.0, stress=stress), cameras=())
        before_rad = world.truth().heading_error_rad[0]
        world.step(0.3, 1.0, 1.0)
        turned.append(before_rad - world.truth().heading_error_rad[0])
    assert turned[1] > 1.02 * turned[0] > 0


# The loop


def test_the_expert_drives_a_lap_without_help(oval: str, track: Track) -> None:
    metres: list[float] = []
    task = task_for(oval, Expert(speed_limit_mph=20.0), seconds=60.0)
    result = run_episodes(task, metres.append)
    (drive,) = result.drives
    figures = summarise([drive], [0]).figures
    assert figures["autonomy_percent"] == 100
    assert figures["laps"] == 1
    assert figures["mean_abs_cte_m"] < 0.3
    assert drive.distance_m[-1] == pytest.approx(track.length_m, abs=1.0)
    assert drive.distance_m[-2] < track.length_m
    assert sum(metres) == pytest.approx(task.whole_m)
    assert result.incidents == ()


def test_a_pilot_that_always_steers_right_is_put_back_again_and_again(
    oval: str, tmp_path: Path
) -> None:
    result = run(task_for(oval, make_pilot(tmp_path / "right", 0.6)))
    (drive,) = result.drives
    figures = summarise([drive], [0]).figures
    assert figures["autonomy_percent"] < 20
    assert figures["off_road_per_km"] > 20
    (fell,) = np.nonzero(drive.intervention)
    assert (drive.margin_m[fell] < 0).all()
    assert (drive.cte_m[fell] < 0).all()  # off to the right
    np.testing.assert_allclose(drive.cte_m[fell[:-1] + 1], 0, atol=0.3)  # and put back
    assert result.out_of_range == (0,)
    assert len(result.incidents) == min(len(fell), MOST_INCIDENTS)


def test_a_pilot_that_goes_straight_does_better_than_one_that_turns(
    oval: str, tmp_path: Path
) -> None:
    straight, right = (
        summarise(run(task_for(oval, make_pilot(tmp_path / name, steering))).drives, [0]).figures
        for name, steering in (("straight", 0.0), ("right", 0.6))
    )
    assert straight["interventions"] < right["interventions"]
    assert straight["autonomy_percent"] < 100


def test_a_pilot_that_answers_nan_is_counted_and_stands(oval: str, tmp_path: Path) -> None:
    result = run(task_for(oval, make_pilot(tmp_path / "nan", math.nan), seconds=12.0))
    (drive,) = result.drives
    assert result.not_a_number == (len(drive.time_s) - 1,)
    assert (drive.steering == 0).all()
    assert drive.speed_mph[-1] < 0.1
    assert set(drive.intervention) == {Intervention.NONE, Intervention.STANDING}


def test_steering_beyond_full_lock_is_clipped_and_counted(oval: str, tmp_path: Path) -> None:
    result = run(task_for(oval, make_pilot(tmp_path / "mad", -7.0), seconds=2.0))
    assert result.out_of_range == (40,)
    assert result.drives[0].steering.min() == -1.0


class Counting(ReferenceDriver):
    """Steers a little more each time it is asked."""

    def control(self, simulation: Simulation) -> tuple[Any, Any]:
        self.asked = getattr(self, "asked", 0) + 1
        return np.full(simulation.cars, self.asked / 1000), np.zeros(simulation.cars)


def commanded(
    oval: str, track: Track, stress: Stress, monkeypatch: pytest.MonkeyPatch
) -> list[int]:
    """Which of its commands the car had carried out, at each moment."""
    world = World(track, FIXED["circuit"], [Start(speed_mps=5.0)], cameras=())
    driver = Counting(track, Expert(), 1)
    monkeypatch.setattr(episode, "simulation_and_driver", lambda task: (world, driver))
    (drive,) = run(task_for(oval, Expert(), seconds=0.5, stress=stress)).drives
    return [round(steering * 1000) for steering in drive.steering]


def test_commands_take_effect_in_the_step_after_the_frame(
    oval: str, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commanded(oval, track, NO_STRESS, monkeypatch) == list(range(11))


def test_delayed_commands_take_effect_so_much_later(
    oval: str, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    delayed = commanded(oval, track, Stress("late", delay_s=0.2), monkeypatch)
    assert delayed == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]


def test_at_a_lost_frame_the_last_command_goes_on(
    oval: str, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = commanded(oval, track, Stress("lost", drop_every=3), monkeypatch)
    assert lost == [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]


def test_pushes_move_the_car_but_never_off_the_road(oval: str) -> None:
    pushes = (Push(1.0, 0.5, 0.0), Push(3.0, -50.0, 0.0))
    task = task_for(oval, Expert(speed_limit_mph=10.0), seconds=5.0)
    task = dataclasses.replace(task, episodes=(Episode(0, Start(speed_mps=4.0), pushes),))
    (drive,) = run(task).drives
    (at,) = np.nonzero(drive.pushed)
    assert drive.time_s[at] == pytest.approx([1.0, 3.0])
    leap_m = drive.cte_m[at + 1] - drive.cte_m[at]
    assert leap_m[0] == pytest.approx(0.5, abs=0.1)
    assert leap_m[1] == pytest.approx(-3.4, abs=0.4)
    assert not drive.intervention.any()


def test_cars_side_by_side_drive_as_they_would_alone(oval: str, tmp_path: Path) -> None:
    pilot = make_pilot(tmp_path / "a", -0.1)
    starts = [Start(s_m=10.0, speed_mps=5.0), Start(s_m=150.0, direction=-1)]
    episodes = tuple(Episode(index, start, ()) for index, start in enumerate(starts))
    together = run(task_for(oval, pilot, episodes=episodes, seconds=4.0)).drives
    for one, drive in zip(episodes, together, strict=True):
        (alone,) = run(task_for(oval, pilot, episodes=(one,), seconds=4.0)).drives
        for field in dataclasses.fields(Drive):
            np.testing.assert_array_equal(getattr(alone, field.name), getattr(drive, field.name))


def test_only_rows_that_the_pilot_reads_are_rendered(track: Track, tmp_path: Path) -> None:
    """And they are those of the whole picture, so that steering is the same to the last bit."""
    pilot = Pilot.load(make_pilot(tmp_path / "a", 0.0))
    starts = [Start(s_m=20.0)]
    part = World(track, FIXED["circuit"], starts, **view_of(pilot)).frames()[0, 0]
    whole = World(track, FIXED["circuit"], starts, height_px=24, width_px=48).frames()[0, 0]
    np.testing.assert_array_equal(part, whole[9:20])


# What is shown


def test_frames_around_an_intervention_stay_between_its_neighbours(track: Track) -> None:
    world = World(track, FIXED["circuit"], [Start()], height_px=24, width_px=48)
    drive = make_drive(10.0, s_m=np.linspace(0, 90, 201))
    drive.intervention[[40, 60, 190]] = Intervention.OFF_ROAD
    episodes = [Episode(0, Start(), ())]
    first, second, third = incidents_of(world, episodes, [drive])
    assert [first.row, second.row, third.row] == [40, 60, 190]
    assert min(second.rows) == 41
    assert max(first.rows) <= 60
    assert third.rows == (150, 170, 180, 186, 190, 200)
    assert third.frames.shape == (6, 24, 48, 3)
    assert third.frames.std() > 5
    assert incidents_of(world, episodes, [make_drive()]) == ()


def test_incidents_are_taken_from_all_drives_before_a_second_of_one(track: Track) -> None:
    world = World(track, FIXED["circuit"], [Start()], height_px=24, width_px=48)
    drives = [make_drive(10.0, count, s_m=5.0) for count in (9, 1, 1)]
    episodes = [Episode(seed, Start(), ()) for seed in range(3)]
    incidents = incidents_of(world, episodes, drives)
    assert [incident.episode for incident in incidents] == [0, 1, 2, 0]


def test_the_worst_moment_is_the_farthest_from_the_middle_of_all_drives(track: Track) -> None:
    world = World(track, FIXED["circuit"], [Start()], height_px=24, width_px=48)
    along = np.linspace(0, 90, 201)
    drives = [make_drive(10.0, s_m=along, cte_m=0.5), make_drive(10.0, s_m=along, cte_m=0.2)]
    drives[1].cte_m[150] = -1.5
    worst = worst_of(world, [Episode(seed, Start(), ()) for seed in range(2)], drives)
    assert (worst.episode, worst.row) == (1, 150)
    assert worst.rows == rows_around(drives[1], 150) == (110, 130, 140, 146, 150, 160)
    assert worst.frames.shape == (6, 24, 48, 3)


def test_a_map_shows_either_way_round(track: Track, tmp_path: Path) -> None:
    along = np.linspace(0, track.length_m - 1, 201)
    drives = [make_drive(10.0, interventions, s_m=along, cte_m=1.5) for interventions in (3, 0)]
    episodes = [Episode(0, Start(direction=way), ()) for way in (1, -1)]
    save_map(track, episodes, drives, "two drives", tmp_path / "map.png")
    assert len(np.unique(read_rgb(tmp_path / "map.png").reshape(-1, 3), axis=0)) > 20
    assert list(tmp_path.iterdir()) == [tmp_path / "map.png"]


def test_the_table_is_whole_on_a_narrow_terminal(console: Console) -> None:
    drives = [make_drive(60.0, count, cte_m=0.1) for count in (0, 3)]
    lines = [
        TableLine("lake", "expert", "none", summarise(drives[:1], [0])),
        TableLine("lake", "pilot", "none", summarise(drives, [0, 1])),
        TableLine("lake", "pilot", "every 3rd frame lost", summarise(drives[:1], [0])),
    ]
    show(lines, console)
    shown = text_of(console)
    assert "…" not in shown
    assert "every 3rd frame lost" in shown
    assert shown.index("pilot") < shown.index("expert")
    assert "85.0" in shown
    assert "70.0–100.0" in shown
    assert "its 95 % interval over 2 seeds" in " ".join(shown.split())
    assert "An intervention on lake every 40 s or 0.40 km" in " ".join(shown.split())


def test_without_interventions_it_is_said_how_rare_they_may_be(console: Console) -> None:
    show([TableLine("lake", "pilot", "none", summarise([make_drive(600.0)], [0]))], console)
    said = " ".join(text_of(console).split())
    assert (
        "No intervention in 6.0 km on lake: with 95 % confidence fewer than one in 2.0 km" in said
    )


def test_several_tracks_are_summed_up_and_files_go_by_their_name(console: Console) -> None:
    lines = [
        TableLine("circuits/Spa.csv", "pilot", "none", summarise([make_drive(60.0, 1)], [0])),
        TableLine("random:7", "pilot", "none", summarise([make_drive(180.0, 0)], [0])),
    ]
    show(lines, console)
    said = " ".join(text_of(console).split())
    assert "circuits" not in said
    assert "Spa pilot 90.0" in said
    assert "All 2 tracks together: autonomy 97.5 %, 1 interventions in 2.4 km" in said


# The command


@pytest.mark.usefixtures("_driven_by_truth", "_nothing_drawn")
def test_a_good_driver_scores_as_the_expert_does(
    oval: str, tmp_path: Path, console: Console
) -> None:
    result = evaluate(config_for(make_pilot(tmp_path / "a", 0.0), oval, seconds=None), console)
    pilot, expert = result["lines"][1], result["lines"][0]
    assert (pilot["driver"], expert["driver"]) == ("pilot", "expert")
    assert pilot["autonomy_percent"] == expert["autonomy_percent"] == 100
    assert pilot["episodes"] == 4
    assert pilot["laps"] == 4
    assert pilot["km_between_interventions"] is None
    assert pilot["mean_abs_cte_m"] == pytest.approx(expert["mean_abs_cte_m"])
    out = tmp_path / "a" / "evaluate" / "oval-25mph"
    assert not list((out / "interventions").iterdir())
    worst = sorted((out / "moments").iterdir())  # one a seed, though nobody had to take over
    assert [path.name.split("-")[1] for path in worst] == ["0", "1"]
    for path in worst:
        name, _, row = path.stem.partition("-row-")
        count = len(rows_around(read_drive(out / "drives" / f"{name}.csv"), int(row)))
        assert read_rgb(path).shape == (24, 48 * count, 3)


def test_everything_is_written_and_can_be_computed_again(
    oval: str, tmp_path: Path, console: Console
) -> None:
    pilot = make_pilot(tmp_path / "a", 0.5)
    told = list[dict[tuple[str, str], int]]()
    with heard(
        lambda folder, result: told.append(
            {(line["driver"], line["stress"]): line["episodes"] for line in result["lines"]}
        )
    ):
        result = evaluate(config_for(pilot, oval), console)
    assert told == [
        {("expert", "none"): 2},
        {("expert", "none"): 4},
        {("expert", "none"): 4, ("pilot", "none"): 2},
        {("expert", "none"): 4, ("pilot", "none"): 4},
    ]
    out = pilot / "evaluate" / "oval-25mph"
    assert json.loads((out / "evaluation.json").read_text()) == result
    assert result["complete"]
    assert result["config"]["seeds"] == 2
    assert result["versions"]["ghostlap"]
    assert len(result["network_blake2b"]) == 32
    line = next(line for line in result["lines"] if line["driver"] == "pilot")
    assert line["autonomy_percent"] < 50
    assert set(line["interval_95"]) >= {"autonomy_percent", "mean_abs_cte_m"}
    mine = [one for one in result["episodes"] if one["driver"] == "pilot"]
    drives = [read_drive(out / one["drive"]) for one in mine]
    again = summarise(drives, [one["seed"] for one in mine])
    assert again.figures["autonomy_percent"] == line["autonomy_percent"]
    assert again.figures["mean_abs_cte_m"] == line["mean_abs_cte_m"]
    assert (out / "map-oval.png").stat().st_size > 10_000
    strips = sorted(path.name for path in (out / "interventions").iterdir())
    assert strips
    assert all(name.startswith("oval-") and name.endswith("s.png") for name in strips)
    assert "times real time" in text_of(console)


@pytest.mark.usefixtures("_nothing_drawn")
def test_warnings_tell_of_speed_and_of_answers(oval: str, tmp_path: Path, console: Console) -> None:
    config = config_for(
        make_pilot(tmp_path / "a", math.nan), oval, speed_limit=60.0, seeds=1, seconds=1.0
    )
    result = evaluate(config, console)
    said = " ".join(text_of(console).split())
    assert "too tight for 60.0 mph" in said
    assert "the pilot's answer was not a number at 40 of 42 moments: the car braked" in said
    assert [one["answers_not_a_number"] for one in result["episodes"]] == [0, 0, 20, 20]
    mad = config_for(make_pilot(tmp_path / "b", 2.0), oval, seeds=1, seconds=1.0)
    evaluate(mad, console)
    assert "steered beyond full lock at 40 of 42 moments" in " ".join(text_of(console).split())


@pytest.mark.usefixtures("_nothing_drawn")
def test_processes_make_no_difference(oval: str, tmp_path: Path, console: Console) -> None:
    pilot = make_pilot(tmp_path / "a", 0.2)
    common: dict[str, Any] = {"seconds": 1.0, "seeds": 1}
    here = evaluate(config_for(pilot, oval, name="one", **common), console)
    there = evaluate(config_for(pilot, oval, name="two", processes=2, **common), console)
    assert here["episodes"] == there["episodes"]
    assert here["lines"] == there["lines"]


def stop_after(tasks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C once so many tasks have been kept."""
    kept: list[int] = []

    def keep(*arguments: Any) -> EpisodesResult:
        if len(kept) == tasks:
            raise KeyboardInterrupt
        kept.append(1)
        return folder.keep(*arguments)

    monkeypatch.setattr(command, "keep", keep)


@pytest.mark.usefixtures("_nothing_drawn")
def test_after_ctrl_c_what_is_finished_is_kept_and_can_be_finished(
    oval: str, tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    pilot = make_pilot(tmp_path / "a", 0.4)
    unbroken = evaluate(config_for(pilot, oval, name="unbroken"), console)
    with monkeypatch.context() as patch:
        stop_after(3, patch)
        with pytest.raises(KeyboardInterrupt):
            evaluate(config_for(pilot, oval, name="broken"), console)
    out = pilot / "evaluate" / "broken"
    broken = json.loads((out / "evaluation.json").read_text())
    assert not broken["complete"]
    assert len(broken["episodes"]) == 6
    said = " ".join(text_of(console).split())
    assert "not complete: 2 of 4 episodes are finished and kept" in said
    assert "--resume goes on" in said
    with open(out / "finished.jsonl", "a", encoding="utf-8") as file:
        file.write('{"task": 3, "seco')  # a kill in the middle of a line
    resumed = evaluate(config_for(pilot, oval, name="broken", resume=True), console)
    assert resumed["complete"]
    assert resumed["episodes"] == unbroken["episodes"]
    assert resumed["lines"] == unbroken["lines"]
    assert resumed["driven_s"] == pytest.approx(unbroken["driven_s"] / 2)
    strips = [sorted(p.name for p in (o / "interventions").iterdir()) for o in
              (out, out.parent / "unbroken")]  # fmt: skip
    assert strips[0] == strips[1] != []
    finished_again = evaluate(config_for(pilot, oval, name="broken", resume=True), console)
    assert finished_again["lines"] == unbroken["lines"]


@pytest.mark.usefixtures("_nothing_drawn")
def test_stopped_before_anything_is_finished(
    oval: str, tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    pilot = make_pilot(tmp_path / "a", 0.4)
    stop_after(0, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        evaluate(config_for(pilot, oval, seconds=0.5), console)
    assert "0 of 4 episodes are finished" in " ".join(text_of(console).split())


@pytest.mark.usefixtures("_nothing_drawn")
def test_evaluating_again_replaces_what_was_there(
    oval: str, tmp_path: Path, console: Console
) -> None:
    pilot = make_pilot(tmp_path / "a", 0.5)
    evaluate(config_for(pilot, oval, seconds=2.0), console)
    evaluate(config_for(pilot, oval, seconds=1.0, seeds=1), console)
    out = pilot / "evaluate" / "oval-25mph"
    assert len(list((out / "drives").iterdir())) == 4
    assert len((out / "finished.jsonl").read_text().splitlines()) == 2
    assert {path.name.split("-")[1] for path in (out / "moments").iterdir()} == {"0"}


def quickly(task: EpisodesTask, report: Any) -> Driven:
    """Instead of driving: a drive that is the same whenever it is driven."""
    drives = tuple(make_drive(1.0, cte_m=0.1 * episode.seed) for episode in task.episodes)
    zeros = (0,) * len(drives)
    return as_files(task, EpisodesResult(drives, (), zeros, zeros, 1.0))


def files_in(out: Path) -> dict[str, bytes]:
    """All files but the one with times in it, and what it says without them."""
    content = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    about = json.loads(content.pop("evaluation.json"))
    kept = ("complete", "lines", "episodes", "network_blake2b")
    return content | {name: json.dumps(about[name]).encode() for name in kept}


@linux("the harness of kills looks at /proc")
@pytest.mark.parametrize("begin", ["new", "over an earlier one", "resumed"])
def test_a_kill_at_any_step_leaves_what_can_be_gone_on_with(
    begin: str, oval: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = Console(quiet=True)
    monkeypatch.setattr(command, "drive_episodes", quickly)
    monkeypatch.setattr(command, "save_map", lambda *all: all[-1].touch())
    pilot = make_pilot(tmp_path / "a", 0.4)
    config = config_for(pilot, oval, name="killed", seeds=1)
    resume = dataclasses.replace(config, resume=True)
    evaluate(dataclasses.replace(config, name="whole"), quiet)
    whole = files_in(pilot / "evaluate" / "whole")

    def before() -> None:
        if begin == "over an earlier one":
            evaluate(dataclasses.replace(config, first_seed=7, seeds=3), quiet)
        if begin == "resumed":
            with monkeypatch.context() as patch:
                stop_after(1, patch)
                with pytest.raises(KeyboardInterrupt):
                    evaluate(config, quiet)

    def work() -> None:
        evaluate(resume if begin == "resumed" else config, quiet)

    kills = 0
    for _ in kills_of(work, config.folder, before=before, most=25):
        kills += 1
        try:
            evaluate(resume, quiet)
        except EvaluationError:
            evaluate(config, quiet)
        assert files_in(config.folder) == whole
    assert kills >= 10


def test_an_evaluation_is_not_written_or_cleared_through_a_link(
    oval: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = Console(quiet=True)
    monkeypatch.setattr(command, "drive_episodes", quickly)
    monkeypatch.setattr(command, "save_map", lambda *_: None)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "letter").touch()
    pilot = make_pilot(tmp_path / "a", 0.4)
    config = config_for(pilot, oval, name="one", seeds=1)
    evaluate(config, quiet)
    for linked in ("drives", "moments", "finished.jsonl"):
        remove(config.folder / linked, config.folder)
        (config.folder / linked).symlink_to(theirs)
        with pytest.raises(GhostlapError, match=f"{linked}: this is a link"):
            evaluate(dataclasses.replace(config, resume=True), quiet)
        evaluate(config, quiet)
        assert not (config.folder / linked).is_symlink()
    (pilot / "evaluate").rename(tmp_path / "moved")
    (pilot / "evaluate").symlink_to(theirs)
    with pytest.raises(GhostlapError, match="evaluate: this is a link"):
        evaluate(config, quiet)
    assert [path.name for path in theirs.iterdir()] == ["letter"]


@pytest.mark.usefixtures("_nothing_drawn")
def test_two_evaluations_of_one_name_do_not_meet(oval: str, tmp_path: Path) -> None:
    config = config_for(make_pilot(tmp_path / "a", 0.4), oval)
    for resume in (False, True):
        with (
            FolderLock(config.folder),
            pytest.raises(EvaluationError, match="another process is writing there"),
        ):
            evaluate(dataclasses.replace(config, resume=resume), Console(quiet=True))


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_pilot_can_be_judged_under_stress(
    oval: str, tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch, way: Any
) -> None:
    chosen = (Stress("dark", {"brightness": 0.4}), Stress("delay 100 ms", delay_s=0.1))
    monkeypatch.setattr("ghostlap.driving.rollout.plan.STRESS_SUITE", chosen)
    pilot = make_pilot(tmp_path / "a", 0.1)
    config = config_for(pilot, oval, stress=True, seeds=1, direction=way, seconds=1.0)
    result = evaluate(config, console)
    assert [(line["driver"], line["stress"]) for line in result["lines"]] == [
        ("expert", "none"), ("expert", "delay 100 ms"), ("pilot", "none"), ("pilot", "dark"),
        ("pilot", "delay 100 ms"),
    ]  # fmt: skip
    out = pilot / "evaluate" / "oval-25mph-stress"
    assert {path.name for path in out.glob("*.png")} == {
        "map-oval.png", "map-oval-dark.png", "map-oval-delay-100-ms.png",
    }  # fmt: skip


# What cannot be done


def test_a_pilot_for_other_frames_is_refused(oval: str, tmp_path: Path, console: Console) -> None:
    pilot = make_pilot(tmp_path / "a", 0.0)
    message = (
        "a: the pilot was trained on frames of 48x24 pixels. The simulator's camera takes 320x160. "
        "With --size 48 24 it takes such frames"
    )
    with pytest.raises(PilotError, match=message):
        evaluate(config_for(pilot, oval, size=(320, 160)), console)
    assert not (pilot / "evaluate").exists()


def test_no_pilot_and_no_track(oval: str, tmp_path: Path, console: Console) -> None:
    with pytest.raises(PilotError, match="no such run folder"):
        evaluate(config_for(tmp_path / "none", oval), console)
    with pytest.raises(TrackError, match="There is no track 'moon'. Known are lake, jungle"):
        evaluate(config_for(make_pilot(tmp_path / "a", 0.0), "moon"), console)


def test_a_folder_of_something_else_is_left_alone(
    oval: str, tmp_path: Path, console: Console
) -> None:
    pilot = make_pilot(tmp_path / "a", 0.0)
    (pilot / "evaluate" / "mine").mkdir(parents=True)
    (pilot / "evaluate" / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(EvaluationError, match="not empty, and no evaluation wrote it.*--name"):
        evaluate(config_for(pilot, oval, name="mine"), console)
    assert (pilot / "evaluate" / "mine" / "notes.txt").read_text() == "keep"


@pytest.mark.usefixtures("_nothing_drawn")
def test_only_the_same_evaluation_can_be_resumed(
    oval: str, tmp_path: Path, console: Console
) -> None:
    pilot = make_pilot(tmp_path / "a", 0.0)
    with pytest.raises(EvaluationError, match="no evaluation.json there, so nothing to resume"):
        evaluate(config_for(pilot, oval, resume=True), console)
    evaluate(config_for(pilot, oval, seconds=0.5), console)
    with pytest.raises(EvaluationError, match="another evaluation .laps was 1, now 3"):
        evaluate(config_for(pilot, oval, seconds=0.5, laps=3, resume=True), console)
    make_pilot(pilot, 0.1)
    with pytest.raises(EvaluationError, match="the pilot has been trained anew"):
        evaluate(config_for(pilot, oval, seconds=0.5, resume=True), console)
    (pilot / "evaluate" / "oval-25mph" / "evaluation.json").write_text('{"complete": fal')
    with pytest.raises(EvaluationError, match="evaluation.json: cannot be read .JSONDecodeError"):
        evaluate(config_for(pilot, oval, seconds=0.5, resume=True), console)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"laps": 0}, "--laps must be at least 1. Got 0"),
        ({"seeds": -1}, "--seeds must be at least 1. Got -1"),
        ({"first_seed": -1}, "--first-seed must be at least 0. Got -1"),
        ({"processes": 0}, "--processes must be at least 1. Got 0"),
        ({"speed_limit": 0.0}, "--speed-limit must be above 0. Got 0.0"),
        ({"speed_limit": math.nan}, "--speed-limit must be above 0. Got nan"),
        ({"seconds": math.inf}, "--seconds must be above 0. Got inf"),
        ({"name": "../b"}, "--name must be a folder's name, not a path. Got '../b'"),
        ({"name": ".."}, "--name must be a folder's name"),
        ({"track": ("a/Spa.csv", "b/Spa.csv")}, "each track can be named once.*a/Spa.csv, b/Spa"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        EvaluateConfig(pilot=Path("runs/a"), **options)


def test_names_of_folders_come_from_tracks_and_speed() -> None:
    config = EvaluateConfig(Path("runs/a"), track=("lake", "random:7"), speed_limit=12.5)
    assert config.folder == Path("runs/a/evaluate/lake-random-7-12.5mph")
    many = EvaluateConfig(Path("r"), track=tuple(f"random:{seed}" for seed in range(20)))
    assert many.folder.name == "random-0-random-1-random-2-and-17-more-30mph"
    assert EvaluateConfig(Path("r"), stress=True).folder.name == "lake-30mph-stress"
    assert EvaluateConfig(Path("r"), name="x").folder == Path("r/evaluate/x")
    assert file_name_of("circuits/Brands Hatch.csv") == "Brands-Hatch"


def test_the_command_line_of_the_readme() -> None:
    line = "runs/a --track lake --track random:3 --laps 5 --seeds 3 --speed-limit 30 --stress"
    config = tyro.cli(EvaluateConfig, args=line.split())
    assert config.track == ("lake", "random:3")
    assert (config.laps, config.seeds, config.speed_limit, config.stress) == (5, 3, 30.0, True)
    assert tyro.cli(EvaluateConfig, args=["runs/a"]).track == ("lake",)


# Drives as files


@given(st.integers(0, 3), st.floats(-4, 4), st.floats(-1, 1))
@settings(max_examples=20, deadline=None)
def test_a_drive_read_back_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, count: int, cte_m: float, steering: float
) -> None:
    path = tmp_path_factory.mktemp("drive") / "a.csv"
    drive = make_drive(3.0, count, cte_m=cte_m, steering=steering)
    save_drive(drive, path)
    once = read_drive(path)
    save_drive(once, path)
    twice = read_drive(path)
    for field in dataclasses.fields(Drive):
        np.testing.assert_array_equal(getattr(once, field.name), getattr(twice, field.name))
        np.testing.assert_allclose(
            getattr(once, field.name).astype(float), getattr(drive, field.name), atol=6e-4
        )


@pytest.mark.parametrize("text", ["", "time_s,cte_m\n0,0\n", "not,a,drive"])
def test_a_file_that_is_no_drive_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(EvaluationError, match="a.csv: not a drive that 'ghostlap evaluate' wrote"):
        read_drive(path)
    with pytest.raises(GhostlapError, match=why_not_there(tmp_path / "b.csv")):
        read_drive(tmp_path / "b.csv")

"""DAgger: what is driven and labelled, what is trained on and for how long, and what is kept."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro
from drives import TINY, make_drive, make_pilot, save_drive, write_track
from kills import kills_of
from recordings import image_names, make_recording
from rich.console import Console
from systems import linux
from trainings import add_to_description

import ghostlap.commands.dagger as command
from ghostlap.base.errors import DaggerError, GhostlapError, PilotError, RecordingError, TrackError
from ghostlap.base.files import write_json
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.so_far import heard
from ghostlap.commands.dagger import dagger
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.data.recordings.tables_beside import WHO_DROVE, read_who_drove
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import ONNX_FILE
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.track.tracks import track_named
from ghostlap.training.config import TrainConfig
from ghostlap.training.dagger.config import FIRST_DRIVEN_SEED, DaggerConfig
from ghostlap.training.dagger.corrections import read_corrections, write_learned
from ghostlap.training.dagger.drive import LabelTask, drive_and_label
from ghostlap.training.dagger.plan import bins_as_wide, label_tasks
from ghostlap.training.dagger.plots import plot_iterations
from ghostlap.training.dagger.results import Measured, NewFrames, Row, new_frames
from ghostlap.training.fit import TrainResult

SIZE = (TINY.frame_width_px, TINY.frame_height_px)


@pytest.fixture(scope="module", autouse=True)
def _scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Scenes are kept for the tests here, and not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTLAP_CACHE", str(tmp_path_factory.mktemp("scenes")))
        yield


@pytest.fixture(autouse=True)
def _nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of a short improvement."""
    monkeypatch.setattr(command, "plot_iterations", lambda rows, expert, title, picture: None)


@pytest.fixture(scope="module")
def oval(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_track(tmp_path_factory.mktemp("tracks") / "oval.csv"))


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return make_recording(tmp_path / "rec", rows=12, side_cameras=False)


@pytest.fixture
def pilot(tmp_path: Path, original: Path) -> Path:
    return straight_ahead(tmp_path, original)


def straight_ahead(folder: Path, original: Path) -> Path:
    """The run folder of a pilot that never steers."""
    training = TrainConfig(
        recordings=(original,), out=folder / "runs/a", cameras=("center",), batch_size=10
    )
    return trained_pilot(training)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, oval: str) -> list[dict[str, Any]]:
    """The rows that two iterations come to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    original = make_recording(folder / "rec", rows=12, side_cameras=False)
    rows: list[dict[str, Any]] = improve(config_for(straight_ahead(folder, original), oval))["rows"]
    return rows


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def trained_pilot(training: TrainConfig, steering: float = 0.0) -> Path:
    """What a training leaves: a pilot that says how it was trained."""
    folder = make_pilot(training.out, steering)
    samples = 100 * len(training.recordings)
    add_to_description(folder, {"training": {**training.to_json(), "training_samples": samples}})
    return folder


def config_for(pilot: Path, oval: str, **options: Any) -> DaggerConfig:
    """Short drives in this process, always under the same light."""
    whole: dict[str, Any] = {
        "track": (oval,), "iterations": 2, "metres": 10.0, "seeds": 2, "conditions": "fixed",
        "size": SIZE, "processes": 1, "speed_limit": 25.0, **options,
    }  # fmt: skip
    return DaggerConfig(pilot=pilot, **whole)


class FakeTraining:
    """Instead of a training: notes what it was asked for, and can be stopped like one."""

    def __init__(self, stop_before: int | None = None) -> None:
        self.seen: list[TrainConfig] = []
        self.stop_before = stop_before

    def __call__(self, config: TrainConfig, console: Console) -> TrainResult:
        if len(self.seen) == self.stop_before:
            config.out.mkdir(parents=True)
            write_json(config.out / "config.json", config.to_json())
            raise KeyboardInterrupt
        self.seen.append(config)
        trained_pilot(config)
        return TrainResult(config.out, config.epochs, 1, 0.1, {}, 1.0)


class FakeEvaluation:
    """Instead of an evaluation: more recordings, fewer interventions."""

    def __init__(self, stop_before: int | None = None) -> None:
        self.seen: list[EvaluateConfig] = []
        self.stop_before = stop_before

    def __call__(self, config: EvaluateConfig, console: Console) -> dict[str, Any]:
        if len(self.seen) == self.stop_before:
            raise KeyboardInterrupt
        self.seen.append(config)
        description = json.loads((config.pilot / "pilot.json").read_text())
        recordings = len(description["training"]["recordings"])
        (config.folder / "drives").mkdir(parents=True, exist_ok=True)
        episodes = []
        for driver in ("pilot", "expert"):
            for seed in range(config.first_seed, config.first_seed + config.seeds):
                name = f"drives/{seed}-{driver}.csv"
                failures = max(0, 6 - recordings) if driver == "pilot" else 0
                save_drive(
                    make_drive(60.0, interventions=failures, cte_m=0.1), config.folder / name
                )
                episodes.append({"drive": name, "driver": driver, "track": "oval", "seed": seed})
        return {"episodes": episodes}


def improve(
    config: DaggerConfig,
    train: FakeTraining | None = None,
    evaluate: FakeEvaluation | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    return dagger(
        config,
        console or Console(quiet=True),
        train or FakeTraining(),
        evaluate or FakeEvaluation(),
    )


# Driving and labelling


def tasks_for(pilot: Path, oval: str, folder: Path, **options: Any) -> list[LabelTask]:
    config = config_for(pilot, oval, **options)
    training = TrainConfig(cameras=("center",))
    return label_tasks(config, training, 1, pilot, [track_named(oval)], folder)


def driven(task: LabelTask) -> list[Path]:
    rows = drive_and_label(task, lambda metres: None)
    assert rows == sum(len(read_recording(path).frames) for path in task.recordings)
    return list(task.recordings)


def beside(recording: Path) -> dict[str, Any]:
    """Columns of who_drove.csv; numbers as arrays."""
    with open(recording / WHO_DROVE.name, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    numbers = {name: np.array(columns[name], float) for name in header[2:]}
    return {"driver": np.array(columns["driver"]), **numbers}


def test_every_label_is_the_experts_for_the_cars_own_place_and_speed(
    pilot: Path, oval: str, tmp_path: Path
) -> None:
    (task,) = tasks_for(pilot, oval, tmp_path / "new", metres=40.0, beta=0.5)
    expert = ExpertDriver(track_named(oval), Expert(speed_limit_mph=25.0), cars=1)
    for recording, direction in zip(driven(task), (1, -1), strict=True):
        frames, told = read_recording(recording).frames, beside(recording)
        wanted = expert.steering_for(
            told["s_m"],
            told["cte_m"],
            told["heading_error_rad"],
            frames["speed_mph"].to_numpy() * MPS_A_MPH,
            direction,
        )
        np.testing.assert_allclose(frames["steering"], wanted, atol=1e-3)
        assert np.ptp(frames["steering"]) > 0.05


def test_a_car_that_leaves_the_road_is_put_back_and_begins_a_new_stretch(
    tmp_path: Path, oval: str
) -> None:
    to_the_right = make_pilot(tmp_path / "right", 1.0)
    (task,) = tasks_for(to_the_right, oval, tmp_path / "new", metres=40.0, beta=0.0)
    for recording in driven(task):
        frames, told = read_recording(recording).frames, beside(recording)
        assert set(told["driver"]) == {"pilot"}
        np.testing.assert_allclose(told["pilot_steering"], 1.0)
        assert (told["margin_m"] >= 0).all()
        gaps_s = np.diff(frames["time"]) / np.timedelta64(1, "s")
        assert (gaps_s > 5).sum() >= 1
        assert sorted({*gaps_s[gaps_s < 5].round(6)}) == [0.1]
        # Where it is about to leave the road, the label says the other way.
        last = np.flatnonzero(gaps_s > 5)
        assert (frames["steering"].to_numpy()[last] < 0).all()


def test_the_expert_drives_by_the_second_as_often_as_beta_says(tmp_path: Path, oval: str) -> None:
    to_the_right = make_pilot(tmp_path / "right", 1.0)
    (always,) = tasks_for(to_the_right, oval, tmp_path / "1", metres=100.0, beta=1.0)
    for recording in driven(always):
        told = beside(recording)
        assert set(told["driver"]) == {"expert"}
        assert np.abs(told["cte_m"]).max() < 1
    (mixed,) = tasks_for(to_the_right, oval, tmp_path / "2", metres=100.0, beta=0.7)
    by_expert = np.concatenate([beside(path)["driver"] == "expert" for path in driven(mixed)])
    assert 0.4 < by_expert.mean() < 0.95
    for recording in mixed.recordings:
        changes = np.flatnonzero(np.diff(beside(recording)["driver"] == "expert"))
        assert ((changes + 1) % 10 == 0).all()


def test_the_same_seed_drives_the_same_and_another_iteration_something_else(
    pilot: Path, oval: str, tmp_path: Path
) -> None:
    (once,) = tasks_for(pilot, oval, tmp_path / "1")
    (again,) = tasks_for(pilot, oval, tmp_path / "2")
    (other,) = tasks_for(pilot, oval, tmp_path / "3", seed=1)
    logs = [[(path / "driving_log.csv").read_bytes() for path in driven(task)]
            for task in (once, again, other)]  # fmt: skip
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


def test_recorded_are_the_cameras_that_the_pilot_learned_from(
    pilot: Path, oval: str, tmp_path: Path
) -> None:
    (task,) = tasks_for(pilot, oval, tmp_path / "new")
    frames = read_recording(driven(task)[0]).frames
    assert set(frames["left"]) == set(frames["right"]) == {""}
    three = dataclasses.replace(task, cameras=("center", "right", "left"), folder=tmp_path / "3")
    frames = read_recording(driven(three)[0]).frames
    assert all(Path(path).is_file() for path in [*frames["left"], *frames["right"]])


def test_a_drive_that_is_stopped_leaves_no_recording(
    pilot: Path, oval: str, tmp_path: Path
) -> None:
    def stop(metres: float) -> None:
        raise KeyboardInterrupt

    (task,) = tasks_for(pilot, oval, tmp_path / "new", metres=40.0)
    with pytest.raises(KeyboardInterrupt):
        drive_and_label(task, stop)
    assert not task.is_done
    assert not any(path.exists() for path in task.recordings)
    driven(task)
    assert task.is_done
    assert sorted(path.name for path in task.folder.iterdir()) == sorted(
        path.name for path in task.recordings
    )


def test_new_frames_are_counted_with_their_disagreement(tmp_path: Path) -> None:
    recording = make_recording(tmp_path / "rec", rows=8, side_cameras=False)
    steering = read_recording(recording).frames["steering"]
    with WHO_DROVE.open(recording) as log:
        for row, label in enumerate(steering[:6]):  # of two rows nothing is said
            answer = None if row == 0 else label + (0.11 if row < 3 else 0.09)
            driver = "pilot" if row < 2 else "expert"
            log.append(image_names(row)[0], {"driver": driver, "pilot_steering": answer})
    assert new_frames([recording]) == NewFrames(8, 2 / 5, 2 / 8)
    assert new_frames([]) == NewFrames(0, None, 0)


# The loop


def test_iterations_build_on_each_other_and_the_control_has_as_many_steps(
    pilot: Path, oval: str, original: Path, console: Console
) -> None:
    train, evaluate = FakeTraining(), FakeEvaluation()
    out, told = pilot / "dagger", list[int]()
    with heard(lambda folder, result: told.append(len(result["rows"]) if folder == out else -1)):
        result = improve(config_for(pilot, oval, epochs=2), train, evaluate, console)
    assert told == [0, 1, 2, 3, 4, 5, 5]
    runs = [out / "iteration-01", out / "iteration-02"]
    assert [config.out for config in train.seen] == [
        runs[0] / "pilot", runs[0] / "control", runs[1] / "pilot", runs[1] / "control",
    ]  # fmt: skip
    assert [config.init for config in train.seen] == [
        pilot, pilot, runs[0] / "pilot", runs[0] / "control",
    ]  # fmt: skip
    first, control, second, second_control = train.seen
    new = [sorted((run / "recordings").iterdir()) for run in runs]
    assert first.recordings[0] == original
    assert sorted(first.recordings[1:]) == new[0]
    assert sorted(second.recordings[1:]) == sorted(new[0] + new[1])
    assert control.recordings == second_control.recordings == (original,)
    # 300 samples in the first, 500 in the second, 10 a step.
    assert [config.steps_per_epoch for config in train.seen] == [None, 30, None, 50]
    assert [config.epochs for config in train.seen] == [2, 2, 2, 2]
    assert [config.seed for config in train.seen] == [1, 1, 2, 2]
    assert {config.cameras for config in train.seen} == {("center",)}

    rows = [Row.from_json(row) for row in result["rows"]]
    assert [(row.iteration, row.arm) for row in rows] == [
        (0, "start"), (1, "dagger"), (1, "control"), (2, "dagger"), (2, "control"),
    ]  # fmt: skip
    assert [row.steps for row in rows] == [0, 60, 60, 100, 100]
    assert [row.training_frames for row in rows] == [100, 300, 100, 500, 100]
    assert result["complete"]
    assert result["best"] == {"iteration": 2, "pilot": str(runs[1] / "pilot")}
    assert json.loads((out / "dagger.json").read_text()) == json.loads(json.dumps(result))
    with open(out / "iterations.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["arm"] for row in table] == [row.arm for row in rows]
    assert float(table[3]["autonomy_percent"]) == pytest.approx(rows[3].measured.autonomy_percent)
    assert table[3]["new_frames"] == str(rows[3].new.frames if rows[3].new else "")
    assert table[4]["new_frames"] == ""
    shown = text_of(console)
    assert "Iteration 2 drives best" in shown
    assert f"--track {oval} --speed-limit 25 --first-seed 2" in shown


def test_pilots_are_measured_by_seeds_that_were_never_driven_for_data(
    pilot: Path, oval: str, tmp_path: Path
) -> None:
    evaluate = FakeEvaluation()
    improve(config_for(pilot, oval, first_seed=40), evaluate=evaluate)
    measured = {
        seed
        for config in evaluate.seen
        for seed in range(config.first_seed, config.first_seed + config.seeds)
    }
    assert measured == {40, 41}
    config = config_for(pilot, oval, laps=2)
    driven_seeds = [
        episode.seed
        for iteration in (1, 2)
        for task in label_tasks(
            config, TrainConfig(), iteration, pilot, [track_named(oval)], tmp_path
        )
        for episode in task.episodes.episodes
    ]
    assert len(driven_seeds) == 8  # two laps each way round in each of two iterations
    assert len(set(driven_seeds)) == 4
    assert min(driven_seeds) > FIRST_DRIVEN_SEED


@pytest.mark.parametrize(
    ("stopped", "before"),
    [("train", 0), ("train", 1), ("train", 3), ("evaluate", 0), ("evaluate", 2)],
)
def test_what_was_stopped_goes_on_and_comes_to_the_same(
    stopped: str,
    before: int,
    pilot: Path,
    oval: str,
    undisturbed: list[dict[str, Any]],
    console: Console,
) -> None:
    train = FakeTraining(before if stopped == "train" else None)
    evaluate = FakeEvaluation(before if stopped == "evaluate" else None)
    with pytest.raises(KeyboardInterrupt):
        improve(config_for(pilot, oval), train, evaluate, console)
    assert "stopped; the same command goes on from here" in text_of(console)
    later = FakeTraining()
    result = improve(DaggerConfig(pilot=pilot, resume=True, processes=1), later)
    assert len(train.seen) + len(later.seen) == 4  # none was done twice
    assert later.seen[0].resume == (stopped == "train")  # from its last epoch
    for row, expected in zip(result["rows"], undisturbed, strict=True):
        assert row["measured"] == expected["measured"]
        assert row["new"] == expected["new"]


def test_a_resumed_one_names_its_pilot_as_it_was_named(
    pilot: Path, oval: str, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pilot.parent)
    named = Path(pilot.name)
    with pytest.raises(KeyboardInterrupt):
        improve(config_for(named, oval), FakeTraining(0), FakeEvaluation(), console)
    result = improve(DaggerConfig(pilot=named, resume=True, processes=1), FakeTraining())
    assert result["rows"][0]["pilot"] == pilot.name
    assert not any(Path(row["pilot"]).is_absolute() for row in result["rows"][1:])


@linux("the harness of kills looks at /proc")
def test_a_kill_at_any_step_leaves_what_the_same_call_goes_on_with(
    pilot: Path, oval: str, undisturbed: list[dict[str, Any]], tmp_path: Path
) -> None:
    config = config_for(pilot, oval, iterations=1, out=tmp_path / "better")

    def train_at_once(training: TrainConfig, console: Console) -> TrainResult:
        made = trained_pilot(dataclasses.replace(training, out=tmp_path / "made" / "pilot"))
        made.rename(training.out)
        return TrainResult(training.out, training.epochs, 1, 0.1, {}, 1.0)

    def work() -> dict[str, Any]:
        return dagger(config, Console(quiet=True), train_at_once, FakeEvaluation())

    for _ in kills_of(work, config.folder, most=10):
        result = work()
        assert result["complete"]
        for row, expected in zip(result["rows"], undisturbed, strict=False):
            assert row["measured"] == expected["measured"]
            assert row["new"] == expected["new"]
        assert not list(config.folder.rglob(".*"))


def test_a_finished_one_is_not_done_again_but_can_be_continued(pilot: Path, oval: str) -> None:
    improve(config_for(pilot, oval, iterations=1))
    train = FakeTraining()
    improve(config_for(pilot, oval, iterations=1), train)
    assert train.seen == []
    result = improve(config_for(pilot, oval, iterations=2), train)
    assert [config.out.parent.name for config in train.seen] == ["iteration-02"] * 2
    assert len(result["rows"]) == 5


def test_without_a_control_and_without_the_originals(
    pilot: Path, oval: str, original: Path, console: Console
) -> None:
    train = FakeTraining()
    (original / "driving_log.csv").unlink()
    config = config_for(pilot, oval, iterations=1, without_original=True)
    improve(config, train, console=console)
    (only,) = train.seen
    assert original not in only.recordings
    assert len(only.recordings) == 2
    assert "A control trains" not in text_of(console)


def test_it_is_said_when_the_new_frames_did_not_help(
    pilot: Path, oval: str, console: Console
) -> None:
    class Contrary(FakeEvaluation):
        """The control drives best, then the pilot to begin with."""

        def __call__(self, config: EvaluateConfig, console: Console) -> dict[str, Any]:
            result = super().__call__(config, console)
            failures = {"control": 0, "a": 1}.get(config.pilot.name, 3)
            for episode in result["episodes"]:
                save_drive(make_drive(60.0, failures), config.folder / episode["drive"])
            return result

    result = improve(config_for(pilot, oval, iterations=1), None, Contrary(), console)
    assert result["best"] == {"iteration": 0, "pilot": str(pilot)}
    assert "No iteration drives better than the pilot that it began with" in text_of(console)
    assert "The control of iteration 1 drives better still" in text_of(console)


@pytest.mark.parametrize("interval", [{}, {"autonomy_percent": [85.0, 95.0]}])
def test_the_plot_needs_neither_intervals_nor_a_control(
    interval: dict[str, list[float]], tmp_path: Path
) -> None:
    measured = Measured(90.0, 2, 0.5, 0.2, 4.0, interval)
    rows = [Row(0, "start", "a", measured, 100), Row(1, "dagger", "b", measured, 200, 50)]
    for name, drawn in (("alone", rows), ("both", [*rows, Row(1, "control", "c", measured, 100)])):
        plot_iterations(drawn, None, "title", tmp_path / f"{name}.png")
    assert (tmp_path / "alone.png").read_bytes() != (tmp_path / "both.png").read_bytes()


def test_bins_stay_as_wide_as_they_were(tmp_path: Path) -> None:
    narrow = make_recording(tmp_path / "narrow", rows=40, side_cameras=False)
    wide = make_recording(tmp_path / "wide", rows=4, side_cameras=False)
    log = wide / "driving_log.csv"
    lines = [line.split(",") for line in log.read_text().splitlines()]
    for line, steering in zip(lines, ("-1", "1", "0", "0"), strict=True):
        line[3] = steering
    log.write_text("".join(",".join(line) + "\n" for line in lines))
    training = TrainConfig(recordings=(narrow,), bins=20)
    spread = np.ptp(read_recording(narrow).frames["steering"])
    assert bins_as_wide(training, []) == 20
    assert bins_as_wide(training, [narrow]) == 20
    assert bins_as_wide(training, [wide]) == pytest.approx(20 * 2 / spread, abs=1)


# Corrections by a person


def corrected_recording(folder: Path, drivers: str) -> Path:
    """A recording in which who drove is said by one letter a row: p a person, a the pilot."""
    make_recording(folder, rows=len(drivers), side_cameras=False)
    with WHO_DROVE.open(folder) as log:
        for row, letter in enumerate(drivers):
            if letter != "?":
                driver = "person" if letter == "p" else "pilot"
                log.append(image_names(row)[0], {"driver": driver, "pilot_steering": 0.5})
    return folder


@pytest.fixture
def full_size_pilot(tmp_path: Path, original: Path) -> Path:
    """A pilot for frames as in the recordings here."""
    training = TrainConfig(recordings=(original,), out=tmp_path / "runs/full", cameras=("center",))
    trained_pilot(training)
    make_pilot(training.out, 0.0, training.preprocessing)
    add_to_description(training.out, {"training": {**training.to_json(), "training_samples": 10}})
    return training.out


def test_only_what_a_person_drove_is_learned(full_size_pilot: Path, tmp_path: Path) -> None:
    """The pilot's seconds before a takeover are its mistake, and a row that says nothing counts
    for nothing."""
    recording = corrected_recording(tmp_path / "drive", "aaaapppaap?apaa")
    (corrected,) = read_corrections([recording], Pilot.load(full_size_pilot))
    learned = tmp_path / "learned"
    write_learned(corrected, learned)
    before, after = read_recording(recording).frames, read_recording(learned).frames
    rows = [4, 5, 6, 9, 12]
    np.testing.assert_allclose(after["steering"], before["steering"][rows], atol=1e-6)
    for path, source in zip(after["center"], before["center"][rows], strict=True):
        assert Path(path).read_bytes() == Path(source).read_bytes()
    # Takeovers are stretches of their own; within one, time goes on as it did.
    steps_s = np.diff(after["time"]) / np.timedelta64(1, "s")
    np.testing.assert_allclose(steps_s, [0.07, 0.07, 2.0, 2.0], atol=1e-3)
    who = read_who_drove(learned)
    assert {said.driver for said in who.values()} == {"person"}
    assert len(who) == 5


def test_corrections_are_one_iteration_without_driving(
    full_size_pilot: Path, oval: str, tmp_path: Path
) -> None:
    folders = [
        corrected_recording(tmp_path / where / "drive", drivers)
        for where, drivers in (("monday", "aaappp"), ("tuesday", "apa"))
    ]
    train = FakeTraining()
    config = config_for(full_size_pilot, oval, corrections=tuple(folders), size=(320, 160))
    result = improve(config, train)
    assert len(train.seen) == 2
    learned = train.seen[0].recordings[1:]
    assert [path.name for path in learned] == ["01-drive", "02-drive"]
    assert result["rows"][1]["new"]["frames"] == 4
    labels = np.concatenate([read_recording(path).frames["steering"] for path in learned])
    apart = np.abs(labels - 0.5) > 0.1
    assert result["rows"][1]["new"]["disagreement"] == pytest.approx(apart.mean())
    again = FakeTraining()
    improve(config, again)
    assert again.seen == []


def test_corrections_without_a_person_are_refused(
    full_size_pilot: Path, pilot: Path, tmp_path: Path
) -> None:
    full, tiny = Pilot.load(full_size_pilot), Pilot.load(pilot)
    with pytest.raises(RecordingError, match="drove in none of the 3 rows .* names pilot"):
        read_corrections([corrected_recording(tmp_path / "1", "aaa")], full)
    with pytest.raises(RecordingError, match="no who_drove.csv in it"):
        read_corrections([make_recording(tmp_path / "2", rows=3)], full)
    with pytest.raises(RecordingError, match="no such folder"):
        read_corrections([tmp_path / "3"], full)
    with pytest.raises(RecordingError, match="are of 320x160 pixels. The pilot .* of 48x24"):
        read_corrections([corrected_recording(tmp_path / "4", "app")], tiny)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": 0}, "--iterations must be from 1 to 1000. Got 0"),
        ({"beta": 1.5}, "--beta must be from 0 to 1. Got 1.5"),
        ({"beta_decay": float("nan")}, "--beta-decay must be from 0 to 1. Got nan"),
        ({"metres": 0.0}, "--metres must be at least 1. Got 0"),
        ({"first_seed": FIRST_DRIVEN_SEED}, "must stay below 10000000: later seeds are driven"),
        ({"track": ("lake", "lake")}, "--track: each track can be named once"),
        ({"without_original": True, "recordings": ("rec",)}, "Give one of the two"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DaggerError, match=message):
        DaggerConfig(pilot=Path("runs/a"), **options)


def test_options_from_the_command_line_survive_json(tmp_path: Path) -> None:
    config = tyro.cli(
        DaggerConfig,
        args=f"{tmp_path}/a --track lake --track jungle --corrections {tmp_path}/r s".split(),
    )
    assert config.track == ("lake", "jungle")
    assert config.corrections == (tmp_path / "r", Path("s"))
    assert config.rounds == 1
    config = dataclasses.replace(config, corrections=(tmp_path / "r",))
    assert DaggerConfig.from_json(config.to_json()) == config
    assert [DaggerConfig(pilot=tmp_path).beta_of(i) for i in (1, 2, 3)] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"track": ("nowhere",)}, TrackError, "nowhere"),
        ({"size": (320, 160)}, PilotError, "trained on frames of 48x24 .* With --size 48 24"),
        ({"recordings": ("gone/a",)}, DaggerError, "1 of the 1 recordings .* found: gone.a. Say"),
        ({"resume": True}, DaggerError, "no dagger.json there, so nothing to resume"),
    ],
)
def test_what_cannot_begin_writes_nothing(
    options: dict[str, Any], kind: type[GhostlapError], message: str, pilot: Path, oval: str
) -> None:
    with pytest.raises(kind, match=message):
        improve(config_for(pilot, oval, **options))
    assert not (pilot / "dagger").exists()


def test_recordings_that_are_gone_are_named(pilot: Path, oval: str, original: Path) -> None:
    moved = original.rename(original.with_name("moved"))
    with pytest.raises(DaggerError, match="rec. Say .*--recordings.*--without-original"):
        improve(config_for(pilot, oval))
    train = FakeTraining()
    improve(config_for(pilot, oval, iterations=1, recordings=(moved,)), train)
    assert train.seen[1].recordings == (moved,)


def test_recordings_of_columns_of_their_own_are_to_be_converted(
    pilot: Path, oval: str, original: Path
) -> None:
    description = json.loads((pilot / "pilot.json").read_text())
    description["training"]["columns"] = ["steering=4"]
    write_json(pilot / "pilot.json", description)
    with pytest.raises(DaggerError, match="ghostlap convert .* --columns steering=4 --out"):
        improve(config_for(pilot, oval))
    train = FakeTraining()
    improve(config_for(pilot, oval, iterations=1, recordings=(original,)), train)
    assert train.seen[1].columns == ()


def test_a_pilot_that_does_not_say_how_it_was_trained(tmp_path: Path, oval: str) -> None:
    with pytest.raises(PilotError, match="does not say how the pilot was trained"):
        improve(config_for(make_pilot(tmp_path / "b", 0.0), oval))
    with pytest.raises(PilotError, match="no such run folder"):
        improve(config_for(tmp_path / "c", oval))


def test_a_folder_of_something_else_is_left_alone(pilot: Path, oval: str, tmp_path: Path) -> None:
    with pytest.raises(DaggerError, match="the folder holds .* and no improvement"):
        improve(config_for(pilot, oval, out=tmp_path))
    out = tmp_path / "out"
    improve(config_for(pilot, oval, iterations=1, out=out))
    with pytest.raises(DaggerError, match="beta was 0.5, now 0.25.*--resume' takes them"):
        improve(config_for(pilot, oval, iterations=1, out=out, beta=0.25))
    make_pilot(tmp_path / "other", 0.5).joinpath(ONNX_FILE).replace(pilot / ONNX_FILE)
    with pytest.raises(DaggerError, match="the pilot has been trained anew"):
        improve(config_for(pilot, oval, iterations=1, out=out))
    (out / "dagger.json").write_text("{")
    with pytest.raises(DaggerError, match="dagger.json: cannot be read"):
        improve(config_for(pilot, oval, iterations=1, out=out))


def test_two_at_work_in_one_folder(pilot: Path, oval: str) -> None:
    config = config_for(pilot, oval)
    with (
        FolderLock(config.folder, DaggerError),
        pytest.raises(DaggerError, match="another process is writing there"),
    ):
        improve(config)


# The real thing


def test_a_real_training_goes_on_from_a_real_pilot(
    trained: TrainResult, oval: str, tmp_path: Path
) -> None:
    from ghostlap.commands.train import train

    def really(config: TrainConfig, console: Console) -> TrainResult:
        return train(config, console)

    config = config_for(
        trained.out, oval, out=tmp_path / "out", iterations=1, epochs=1, metres=20.0,
        size=(320, 160), control=False,
    )  # fmt: skip
    result = dagger(config, Console(quiet=True), really, FakeEvaluation())
    better = Pilot.load(tmp_path / "out/iteration-01/pilot")
    assert np.isfinite(better.steer(np.zeros((160, 320, 3), np.uint8)))
    assert len(better.description["training"]["recordings_seen"]) == 3
    assert result["rows"][1]["training_frames"] > result["rows"][0]["training_frames"]

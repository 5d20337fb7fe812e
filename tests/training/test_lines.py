"""A pilot that is told which line of the road to keep to, and those who tell it."""

from __future__ import annotations

import dataclasses
import io
import itertools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drives import make_drive
from numpy.typing import NDArray
from recordings import make_recording
from rich.console import Console
from rings import ring, ring_file
from small_pilot import make_pilot
from trainings import short_training

from ghostlap.base.errors import DatasetError, EvaluationError, PilotError, TrainingError
from ghostlap.commands.drive import drive
from ghostlap.commands.evaluate import evaluate
from ghostlap.commands.train import train
from ghostlap.data.dataset import labels_ahead
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.lines import SIDES, SWITCH_S, Command, Line, line_at, lines_of
from ghostlap.data.loader import BatchLoader
from ghostlap.data.recordings.side_table import Cell
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH, WHO_DROVE
from ghostlap.data.vision.augmentation import parse_augmentation
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.driving.control import ControlConfig, Controller
from ghostlap.driving.evaluation.lines_held import LinesHeld, lines_held
from ghostlap.driving.evaluation.offline import compare
from ghostlap.driving.rollout.config import Direction, EvaluateConfig
from ghostlap.driving.rollout.episode import EpisodesResult
from ghostlap.driving.rollout.plan import plan_pilot
from ghostlap.driving.server.config import DriveConfig
from ghostlap.pilots.pilot import Pilot
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import prepare_data
from ghostlap.training.losses import loss_of

OPTIONS: dict[str, Any] = {"model": "tiny_network:tiny", "lines": True, "cap": None}
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a recording of which each third is driven on another line."""
    folder = tmp_path_factory.mktemp("lines")
    recording = make_recording(folder / "rec")
    with GROUND_TRUTH.open(recording) as log:
        for row, path in enumerate(read_recording(recording).frames["center"]):
            log.append(Path(path).name, {"lane": (1, 0, -1)[row // 5 % 3]})
    return folder


def config_for(folder: Path, out: str, **options: Any) -> TrainConfig:
    return short_training(folder / "rec", folder / out, folder / "cache", **OPTIONS | options)


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    return train(config_for(folder, "a", speed=True, steering_std=True), QUIET).out


@pytest.fixture
def pilot(run: Path) -> Pilot:
    return Pilot.load(run)


def frames_seen(count: int = 4) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 160, 320, 3), np.uint8)


def test_a_pilot_says_which_lines_it_knows(pilot: Pilot, folder: Path) -> None:
    assert pilot.outputs == (
        "steering", "speed", "steering_left_lane", "steering_right_lane", "steering_std",
    )  # fmt: skip
    assert pilot.lines == ("centre", "left_lane", "right_lane")
    assert pilot.description["onnx_difference"] < 1e-4
    assert Pilot.load(make_pilot(folder / "other")).lines == ("centre",)


@pytest.mark.parametrize("line", ["centre", "left_lane", "right_lane"])
def test_the_commanded_line_picks_the_steering(pilot: Pilot, line: Line) -> None:
    seen, column = pilot.predict(frames_seen()), {"centre": 0, "left_lane": 2, "right_lane": 3}
    controller = Controller(ControlConfig(line=line), len(seen))
    answers = controller.answers(pilot, seen, math.nan, 0.05)
    np.testing.assert_array_equal(answers[:, 0], seen[:, column[line]])
    np.testing.assert_array_equal(answers[:, 1:], seen[:, 1:])
    assert len(set(seen[0, [0, 2, 3]].tolist())) == 3


def test_untold_a_pilot_drives_the_centre(pilot: Pilot) -> None:
    seen = pilot.predict(frames_seen())
    assert Controller(cars=len(seen)).answers(pilot, seen, math.nan, 0.05) is seen
    assert pilot.steer(frames_seen()).tolist() == seen[:, 0].tolist()


def test_another_line_is_commanded_every_few_seconds(pilot: Pilot) -> None:
    seen, controller = pilot.predict(frames_seen(1)), Controller(ControlConfig(line="switch"))
    told = [controller.answers(pilot, seen, math.nan, 0.5)[0, 0] for _ in range(72)]
    line_of: dict[float, Line] = {
        seen[0, 0]: "centre", seen[0, 2]: "left_lane", seen[0, 3]: "right_lane",
    }  # fmt: skip
    driven = [line_of[steering] for steering in told]
    assert driven == [line_at("switch", 0.5 * tick) for tick in range(1, 73)]
    changes = {pair for pair in itertools.pairwise(driven) if pair[0] != pair[1]}
    assert len(changes) == 6, "each line after each other one"
    assert driven.index("left_lane") == SWITCH_S / 0.5 - 1


def test_the_line_may_change_while_driving(pilot: Pilot) -> None:
    seen, controller = pilot.predict(frames_seen(1)), Controller()
    columns: dict[Line, int] = {"centre": 0, "right_lane": 3, "left_lane": 2}
    for line, column in columns.items():
        controller.config = dataclasses.replace(controller.config, line=line)
        assert controller.answers(pilot, seen, math.nan, 0.05)[0, 0] == seen[0, column]


def test_a_picture_teaches_the_line_that_was_commanded(folder: Path) -> None:
    data = prepare_data(config_for(folder, "none"), QUIET)
    common = (data.training, data.slots, data.cache, data.preprocessing)
    outputs = TrainConfig(lines=True).outputs
    assert outputs == ("steering", "steering_left_lane", "steering_right_lane")
    count = len(data.training)
    plain = BatchLoader(*common, batch_size=count, outputs=outputs).in_order_batch(0)[1]
    assert (np.isfinite(plain).sum(axis=1) == 1).all()
    line = np.array([0, 1, -1])[np.isfinite(plain).argmax(axis=1)]
    assert data.training.line is not None
    assert line.tolist() == data.training.line.tolist()
    np.testing.assert_array_equal(np.nansum(plain, axis=1), data.training.steering)
    flip = parse_augmentation("none,flip.p=1")
    loader = BatchLoader(*common, batch_size=count, outputs=outputs, augmentation=flip)
    mirrored = loader._make(np.arange(count), np.random.default_rng(0))[1]
    np.testing.assert_array_equal(mirrored, -plain[:, [0, 2, 1]])


@pytest.fixture(scope="module")
def known(folder: Path) -> Path:
    """A recording whose first half says what would be right for each line."""
    recording = make_recording(folder / "known")
    centers = read_recording(recording).frames["center"]
    with GROUND_TRUTH.open(recording) as log:
        for row, path in enumerate(centers):
            there = WHERE | {"lane": (1, 0, -1)[row // 5 % 3]}
            there |= {f"steering_{line}": STEERING[line] for line in SIDES}
            log.append(Path(path).name, there)
            if row > len(centers) / 2:
                break
    return recording


STEERING: dict[Line, float] = {"centre": 0.25, "left_lane": 0.05, "right_lane": 0.3}
"""Of a car almost in its left lane, whatever it is told."""
WHERE: dict[str, Cell] = {"cte_m": 1.9, "width_m": 8.0}
IN_ORDER: tuple[Line, ...] = ("centre", "left_lane", "right_lane")


def labels_of(folder: Path, known: Path, augment: str, **options: Any) -> tuple[Any, Any]:
    data = prepare_data(config_for(folder, "none", recordings=(known,), **options), QUIET)
    count = len(data.training)
    loader = BatchLoader(
        data.training, data.slots, data.cache, data.preprocessing, batch_size=count,
        outputs=TrainConfig(lines=True).outputs, augmentation=parse_augmentation(augment),
    )  # fmt: skip
    return data.training, loader._make(np.arange(count), np.random.default_rng(0))[1]


def test_a_picture_teaches_all_lines_of_which_something_is_known(folder: Path, known: Path) -> None:
    samples, labels = labels_of(folder, known, "none")
    told = np.isfinite(samples.known["cte_m"])
    assert 0 < told.sum() < len(told)
    assert (np.isfinite(labels).sum(axis=1) == np.where(told, 3, 1)).all()
    middle = labels[told & (samples.camera == 0)]
    np.testing.assert_allclose(middle, [[STEERING[line] for line in IN_ORDER]] * len(middle))
    np.testing.assert_array_equal(np.nansum(labels[~told], axis=1), samples.steering[~told])


def test_another_view_corrects_the_steering_for_lines_nearby(folder: Path, known: Path) -> None:
    """The expert steers no harder for a line that is further off, nor do labels ask for it."""
    samples, labels = labels_of(folder, known, "none")
    told, gain = np.isfinite(samples.known["cte_m"]), 0.30 / 0.83
    for camera, aside_m in ((1, 0.83), (2, -0.83)):
        seen = labels[told & (samples.camera == camera)]
        by_hand = [0.25, 0.05 + gain * aside_m, 0.3]
        by_hand[0] += gain * (min(1.9 + aside_m, 1.3) - 1.3)
        np.testing.assert_allclose(seen, [by_hand] * len(seen), rtol=1e-5)
    _, sheared = labels_of(folder, known, "none,shear.p=1,shear.low=0.5,shear.high=0.5")
    seen = sheared[told & (samples.camera == 0)]
    np.testing.assert_allclose(seen, [[0.25, 0.05 - gain * 0.5, 0.3]] * len(seen), atol=1e-6)
    _, turned = labels_of(folder, known, "none,translate.p=1,translate.low=5,translate.high=5")
    moved = (turned - labels)[told & (samples.camera == 0)]
    assert moved.min() > 0.05
    assert np.ptp(moved) < 1e-6, "a car that points elsewhere has to turn, wherever it is"


def test_a_mirrored_picture_teaches_the_other_lane(folder: Path, known: Path) -> None:
    _, labels = labels_of(folder, known, "none")
    _, mirrored = labels_of(folder, known, "none,flip.p=1")
    np.testing.assert_allclose(mirrored, -labels[:, [0, 2, 1]], atol=1e-6)
    np.testing.assert_array_equal(np.isnan(mirrored), np.isnan(labels[:, [0, 2, 1]]))


def test_what_is_known_is_led_as_the_steering_is(tmp_path: Path) -> None:
    frames = read_recording(make_recording(tmp_path / "rec")).frames
    table = frames.assign(steering_left_lane=frames["steering"] + 0.1)
    led = labels_ahead(table, 0.1)
    assert not np.allclose(led["steering"], frames["steering"], equal_nan=True)
    np.testing.assert_allclose(led["steering_left_lane"], led["steering"] + 0.1)


def test_the_error_is_that_for_all_lines_of_which_something_is_known(
    folder: Path, known: Path
) -> None:
    """What is uncertain, too, is judged by the mean of them, not by their sum."""
    out = train(config_for(folder, "c", recordings=(known,), steering_std=True), QUIET).out
    pilot = Pilot.load(out)
    error = pilot.description["metrics"]["validation"]
    assert error["mae"] > 0
    loss = loss_of(TrainConfig(lines=True, steering_std=True))
    answers = np.array([[0.1, 0.1, 0.1, 0.1]], np.float32)
    one, three = (
        float(loss(np.array([labels], np.float32), answers)[0])
        for labels in ([0.2, np.nan, np.nan], [0.2, 0.2, 0.2])
    )
    assert three - one == pytest.approx(2 * 0.01, rel=1e-4)


def test_a_persons_steering_is_compared_with_that_for_the_same_line(
    folder: Path, pilot: Pilot
) -> None:
    (compared,) = compare(pilot, [folder / "rec"])
    frames = read_recording(folder / "rec").frames
    answers = pilot.predict(np.stack([read_rgb(path) for path in frames["center"]]))
    column = [{0: 0, 1: 2, -1: 3}[side] for side in lines_of(read_recording(folder / "rec"))]
    off = answers[np.arange(len(frames)), column] - frames["steering"].to_numpy()
    assert compared.error.mae == pytest.approx(np.abs(off).mean(), rel=1e-5)
    assert compared.error.mae != pytest.approx(np.abs(answers[:, 0] - frames["steering"]).mean())


def test_rows_of_which_no_table_tells_were_driven_in_the_centre(tmp_path: Path) -> None:
    recording = make_recording(tmp_path / "rec", rows=4)
    assert lines_of(read_recording(recording)).tolist() == [0] * 4
    names = [Path(path).name for path in read_recording(recording).frames["center"]]
    with WHO_DROVE.open(recording) as drove, GROUND_TRUTH.open(recording) as truth:
        drove.append(names[1], {"driver": "person", "lane": -1})
        truth.append(names[1], {"cte_m": 0.5})
        truth.append(names[3], {"lane": 1})
    assert lines_of(read_recording(recording)).tolist() == [0, -1, 0, 1]


def test_lines_that_nobody_drove_cannot_be_learned(folder: Path, tmp_path: Path) -> None:
    recording = make_recording(tmp_path / "rec")
    config = config_for(folder, "none", recordings=(recording,))
    wanted = "no row of .*rec was driven with left_lane or right_lane commanded. Add a recording of"
    with pytest.raises(DatasetError, match=wanted):
        prepare_data(config, QUIET)


def test_who_forgets_to_ask_for_lines_is_told(folder: Path) -> None:
    said = Console(file=io.StringIO(), width=400)
    prepare_data(config_for(folder, "none", lines=False), said)
    assert isinstance(said.file, io.StringIO)
    assert "driven on 3 lines of the road, as commanded" in said.file.getvalue()
    assert "train with --lines" in said.file.getvalue()


def test_lines_and_a_horizon_are_not_learned_together() -> None:
    with pytest.raises(TrainingError, match="--lines: .* cannot learn --horizon yet"):
        TrainConfig(lines=True, horizon=0.5)
    assert "steering_left_lane" in TrainConfig(lines=True, history=2).outputs


def test_training_goes_on_from_a_pilot_that_knows_lines(folder: Path, run: Path) -> None:
    with pytest.raises(PilotError, match=r"Leave .*--lines.* as they were"):
        train(config_for(folder, "b", init=run, lines=False, speed=True, steering_std=True), QUIET)


@pytest.mark.parametrize("line", ["left_lane", "switch"])
def test_a_pilot_without_lines_cannot_be_told_one(tmp_path: Path, line: Command) -> None:
    pilot = make_pilot(tmp_path / "a")
    for verb, config in ((evaluate, EvaluateConfig), (drive, DriveConfig)):
        with pytest.raises(PilotError, match=f"a: --line {line} needs a pilot") as raised:
            verb(config(pilot, line=line), QUIET)  # type: ignore[arg-type]
        advice = re.findall("'ghostlap (.*?)'", str(raised.value))
        assert advice == ["record --line switch", "train --lines"]
    with pytest.raises(EvaluationError, match="--line is for pilots in run folders"):
        evaluate(EvaluateConfig(Path("math:sin"), line=line), QUIET)


def held(command: Command, cte_m: Any, direction: int = 1) -> LinesHeld:
    """What is said of drives round a ring of 8 m width, 20 s long."""
    track = ring(radius_m=30)
    way: Direction = "forward" if direction > 0 else "backward"
    config = EvaluateConfig(Path("a"), track=("ring.csv",), line=command, seeds=1, direction=way)
    (task,) = plan_pilot(config, [track])
    driven = make_drive(20.0, cte_m=cte_m)
    result = EpisodesResult((driven,), (), (0,), (0,), 1.0)
    (one,) = lines_held(command, {"ring.csv": track}, [(task, result)])
    return one


@pytest.mark.parametrize("direction", [1, -1])
def test_changes_are_timed_and_lines_measured(direction: int) -> None:
    time_s = np.arange(401) / 20
    line_m = np.array([2.0 * SIDES[line_at("switch", at_s + 1e-6)] for at_s in time_s])
    late = np.roll(line_m, 40) * (time_s >= 2)
    one = held("switch", late + 0.1, direction)
    assert (one.changes, one.change_s) == (3, pytest.approx((2.0, 2.0)))
    assert one.in_time_percent == one.held_percent == 100
    assert one.held_mean_abs_m == pytest.approx(0.1)
    assert "3 changes of line, to within 0.3 m after 2.0 s (median), 2.0 s (95 %)" in str(one)


def test_a_line_that_is_never_reached_is_not_passed_over() -> None:
    one = held("switch", 1.0)
    assert (one.changes, one.in_time_percent, one.held_percent) == (2, 0.0, 0.0)
    assert one.change_s == (math.inf, math.inf)
    assert one.to_json()["change_s"] == [None, None]
    assert one.to_json()["held_mean_abs_m"] is None


def test_one_line_throughout_has_no_changes() -> None:
    one = held("left_lane", 2.2)
    assert (one.changes, one.held_mean_abs_m) == (0, pytest.approx(0.2))
    assert str(one).startswith("The pilot: Lines are held to 0.20 m (mean)")
    assert held("right_lane", 2.2).held_percent == 0


def test_an_evaluation_tells_how_lines_are_kept(run: Path, tmp_path: Path) -> None:
    config = EvaluateConfig(
        run, track=(ring_file(tmp_path),), seeds=1, seconds=8, line="switch", processes=1,
        direction="forward", simulation="flat_road:FlatRoad", speed_limit=15, name="lines",
    )  # fmt: skip
    said = Console(file=io.StringIO(), width=400)
    result = evaluate(config, said)
    by_driver = {one["driver"]: one for one in result["lines_held"]}
    assert set(by_driver) == {"pilot", "expert"}
    assert by_driver["expert"]["held_percent"] > 90
    assert isinstance(said.file, io.StringIO)
    assert "The expert: " in said.file.getvalue()
    again = evaluate(dataclasses.replace(config, line="centre"), QUIET)
    assert again["lines_held"] == []

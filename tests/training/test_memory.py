"""A pilot that remembers earlier moments, and answers for those to come."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flat_road import FlatRoad
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from recordings import make_recording
from rich.console import Console
from trainings import short_training

from ghostlap.base.errors import EvaluationError, LegacyError, PilotError, TrainingError
from ghostlap.base.platform import quoted
from ghostlap.commands.import_model import import_model
from ghostlap.commands.train import train
from ghostlap.data.dataset import labels_ahead, seconds
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.loader import BatchLoader
from ghostlap.data.moments import rows_before, standing_in
from ghostlap.data.motion import STRETCH_GAP_S, motion_of
from ghostlap.data.vision.augmentation import parse_augmentation
from ghostlap.data.vision.camera import share_left
from ghostlap.data.vision.pictures import decode_rgb, encode_jpeg, read_rgb
from ghostlap.data.vision.preprocessing import SEED, scale
from ghostlap.driving.control import ControlConfig, Controller
from ghostlap.driving.evaluation.offline import compare
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.rollout.driver import PilotDriver, view_of
from ghostlap.driving.rollout.episode import simulation_and_driver
from ghostlap.driving.rollout.plan import plan_pilot
from ghostlap.driving.rollout.rollout import ClosedLoop
from ghostlap.driving.rollout.stress import TICK_S, Stress
from ghostlap.driving.server.model_thread import predict_with
from ghostlap.driving.unity.wire import TelemetryEvent
from ghostlap.pilots.donkeycar import GhostlapPilot
from ghostlap.pilots.export.config import ExportConfig
from ghostlap.pilots.export.exporting import export_pilot
from ghostlap.pilots.keras_import.config import ImportConfig
from ghostlap.pilots.memory import Moments, read_lags
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.tracks import track_named
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import TrainingData, prepare_data
from ghostlap.training.networks import network_for
from ghostlap.training.selection import _save_candidate

OPTIONS: dict[str, Any] = {
    "model": "tiny_network:tiny", "history": 2, "speed": True, "horizon": 0.3,
}  # fmt: skip
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memory")
    make_recording(folder / "rec")
    return folder


def config_for(folder: Path, out: str, **options: Any) -> TrainConfig:
    return short_training(folder / "rec", folder / out, folder / "cache", **OPTIONS | options)


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    return train(config_for(folder, "a"), QUIET).out


@pytest.fixture
def pilot(run: Path) -> Pilot:
    return Pilot.load(run)


def loader_of(data: TrainingData, **options: Any) -> BatchLoader:
    """Of the training samples, all of them in a batch."""
    common = (data.training, data.slots, data.cache, data.preprocessing)
    return BatchLoader(*common, batch_size=len(data.training), **options)


def some_frames(count: int, cars: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, cars, 160, 320, 3), np.uint8)


def driven(pilot: Pilot, frames: NDArray[np.uint8], forgets_at: int = -1) -> NDArray[np.float32]:
    """What a pilot answers to cars' frames ``(moments, cars, …)``, 20 a second."""
    controller = Controller(ControlConfig(), frames.shape[1])
    answers = []
    for moment, seen in enumerate(frames):
        if moment == forgets_at:
            controller.reset(0)
        speed = np.full(len(seen), 10.0 + moment)
        answer = controller.answers(pilot, pilot.predict(seen), speed, 0.05)
        controller.control(answer[:, 0], speed, 0.05)
        answers.append(pilot.parts(answer)[0])
    return np.stack(answers)


def test_a_pilot_that_remembers_says_so_in_its_run_folder(pilot: Pilot) -> None:
    assert pilot.outputs == (
        "steering", "speed", "steering_100ms", "steering_200ms", "steering_300ms",
    )  # fmt: skip
    assert pilot.memory is not None
    assert pilot.memory.lags_s == (0.0, 0.2, 0.4)
    assert pilot.description["onnx_difference"] < 1e-4
    assert pilot.description["training"]["history"] == 2


def test_driving_remembers_what_training_showed(folder: Path, pilot: Pilot) -> None:
    """A recording is driven through, moment by moment, with the steering that its person had."""
    config = config_for(folder, "none", cameras=("center",), cap=None, validation=0.02)
    data = prepare_data(config, QUIET)
    inputs, _ = loader_of(data).in_order_batch(0)
    assert isinstance(inputs, dict)
    known = data.training.motion
    assert known is not None
    assert (inputs["motion"][:, 1:3] == 0).all(), "validation tells the answer"
    motion = motion_of(known[:, 0], known[:, 1:])
    of_training = pilot.predict_moments(scale(inputs["pictures"], data.preprocessing), motion)
    frames = read_recording(folder / "rec").frames
    controller, at_s, answers = Controller(), seconds(frames), []
    for row in range(len(frames)):
        elapsed_s = at_s[row] - at_s[max(row - 1, 0)]
        seen = pilot.predict(read_rgb(frames["center"][row])[None])
        answers.append(controller.answers(pilot, seen, frames["speed_mph"][row], elapsed_s)[0])
        controller.control(frames["steering"][row], 10.0, elapsed_s)
    rows = data.training.row
    assert len(rows) > 40
    assert rows[0] == 0
    of_driving = np.array(answers)[rows, : len(pilot.outputs)]
    np.testing.assert_allclose(of_driving, of_training, rtol=1e-4, atol=1e-4)
    alone = pilot.predict(np.stack([read_rgb(frames["center"][row]) for row in rows]))
    assert np.abs(of_driving[8:, 0] - alone[8:, 0]).max() > 1e-3, "it remembers nothing"


def test_cars_side_by_side_remember_each_its_own(pilot: Pilot) -> None:
    frames = some_frames(14, 3)
    together = driven(pilot, frames)
    for car in range(3):
        alone = driven(pilot, frames[:, car : car + 1])
        np.testing.assert_allclose(together[:, car], alone[:, 0], rtol=1e-4, atol=1e-5)


def test_a_car_that_is_put_elsewhere_begins_anew(pilot: Pilot) -> None:
    frames = some_frames(14, 2)
    whole, forgotten = driven(pilot, frames), driven(pilot, frames, forgets_at=10)
    np.testing.assert_array_equal(whole[:10], forgotten[:10])
    np.testing.assert_array_equal(whole[:, 1], forgotten[:, 1])
    assert (whole[10, 0] != forgotten[10, 0]).any()
    np.testing.assert_allclose(driven(pilot, frames[10:])[0, 0, 0], forgotten[10, 0, 0], atol=0.1)


def test_a_picture_alone_is_answered_as_a_car_that_begins(pilot: Pilot) -> None:
    frames = some_frames(1, 2)[0]
    alone = pilot.parts(pilot.predict(frames))[0]
    unknown = np.full(2, math.nan)
    controller = Controller(cars=2)
    begun = controller.answers(pilot, pilot.predict(frames), unknown, 0.05)
    np.testing.assert_allclose(pilot.parts(begun)[0], alone, rtol=1e-4, atol=1e-5)


def test_a_simulator_is_answered_with_what_its_car_remembers(pilot: Pilot) -> None:
    frames = some_frames(12, 1)
    look, controller = predict_with(pilot, 1024), Controller()
    pictures = [encode_jpeg(frame[0], 100) for frame in frames]
    shown = np.stack([decode_rgb(picture, "a picture") for picture in pictures])[:, None]
    for moment, (picture, expected) in enumerate(zip(pictures, driven(pilot, shown), strict=True)):
        speed = 10.0 + moment
        told = look(telemetry_of(picture))
        prediction = told.remembering(controller, speed, 0.05, 0.0)
        controller.control(prediction.steering, speed, 0.05)
        assert prediction.steering == pytest.approx(expected[0, 0], abs=1e-5)
        assert prediction.speed_mph == pytest.approx(expected[0, 1], abs=1e-4)


def telemetry_of(picture: bytes) -> TelemetryEvent:
    return TelemetryEvent(image=base64.b64encode(picture).decode(), speed_mph=10.0)


def test_a_late_answer_is_the_one_meant_for_then(pilot: Pilot) -> None:
    frames = some_frames(1, 1)[0]
    seen = pilot.predict(frames)
    plan = seen[0, [0, 2, 3, 4]]
    for late_s, expected in (
        (0.0, plan[0]), (0.05, (plan[0] + plan[1]) / 2), (0.2, plan[2]), (0.3, plan[3]),
        (2.0, plan[3]), (math.inf, plan[3]),
    ):  # fmt: skip
        assert pilot.meant_for(seen, late_s)[0, 0] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(pilot.meant_for(seen, 0.2)[:, 1:], seen[:, 1:])
    controller = Controller(ControlConfig(delay_s=0.1))
    assert controller.answers(pilot, seen, math.nan, 0.05, age_s=0.1)[0, 0] != plan[0]


def test_earlier_rows_are_those_of_the_same_stretch() -> None:
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 9.0, 9.1, 9.2, 9.3]
    stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(times, unit="s")
    frames = pd.DataFrame({"time": stamps})
    before = rows_before(frames, (0.2, 0.4))
    assert before.tolist() == [
        [0, 0], [0, 0], [0, 0], [1, 0], [2, 0], [5, 5], [5, 5], [5, 5], [6, 5],
    ]  # fmt: skip
    early = rows_before(frames, (0.07,))  # of which one is taken that is 0.03 s too young
    assert early[:, 0].tolist() == [0, 0, 1, 2, 3, 5, 5, 6, 7]


@given(st.lists(st.one_of(st.integers(1, 140), st.integers(150, 1000)), max_size=40))
def test_driving_looks_back_as_training_does(steps: list[int]) -> None:
    elapsed_s = np.array([0, *steps]) * 0.007
    stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.cumsum(elapsed_s), unit="s")
    before = rows_before(pd.DataFrame({"time": stamps.round("ms")}), (0.2, 0.4))
    moments = Moments(0.4, 1)
    for row, step_s in enumerate(elapsed_s):
        if step_s > STRETCH_GAP_S:
            moments.reset()
        moments.add([np.array([row])], step_s)
        assert [moments.at(0, lag_s)[0] for lag_s in (0.2, 0.4)] == before[row].tolist()


def test_pictures_that_are_missing_are_stood_in_for() -> None:
    earlier = np.array([[1, 0], [3, -1], [2, 1]], np.int32)
    there = np.array([True, True, False, True])
    found = standing_in(earlier, np.array([3, 3, 3], np.int32), there)
    assert found.tolist() == [[1, 0], [3, 3], [3, 1]]


def test_a_recording_without_speeds_and_with_lost_pictures_is_learned_from(
    folder: Path, tmp_path: Path
) -> None:
    recording = shutil.copytree(folder / "rec", tmp_path / "rec")
    log = (recording / "driving_log.csv").read_text().splitlines()
    log = [line.rpartition(",")[0] + ",nan" for line in log]
    (recording / "driving_log.csv").write_text("\n".join(log) + "\n")
    for picture in sorted((recording / "IMG").glob("center*"))[10:14]:
        picture.unlink()
    config = config_for(folder, "none", recordings=(recording,), speed=False, cap=None)
    data = prepare_data(config, QUIET)
    inputs, labels = loader_of(data, outputs=config.outputs).in_order_batch(0)
    assert isinstance(inputs, dict)
    assert (inputs["motion"][:, [0, -2]] == 0).all()
    assert np.isfinite(inputs["motion"]).all()
    assert labels.shape[1] == 4


def test_augmentation_changes_all_moments_of_a_sample_alike(folder: Path) -> None:
    data = prepare_data(config_for(folder, "none", cap=None), QUIET)
    outputs = TrainConfig(horizon=0.3).outputs
    flip = parse_augmentation("none,flip.p=1")
    mirrored = loader_of(data, augmentation=flip, outputs=outputs)
    seen, labels = mirrored._make(np.arange(40), np.random.default_rng(0))
    inputs, expected = loader_of(data, outputs=outputs)._make(np.arange(40), None)
    assert isinstance(seen, dict)
    assert isinstance(inputs, dict)
    difference = seen["pictures"].astype(int) - inputs["pictures"][:, :, :, ::-1]
    assert np.abs(difference).mean() < 2
    np.testing.assert_allclose(labels, -expected, atol=1e-6)
    known = data.training.motion
    assert known is not None
    told, before = seen["motion"][:, 1:3], np.nan_to_num(known[:40, 1:])
    np.testing.assert_allclose(told, -before, atol=0.5)
    assert np.corrcoef(told.ravel(), before.ravel())[0, 1] < -0.7


def test_some_samples_are_not_told_what_went_before(folder: Path) -> None:
    data = prepare_data(config_for(folder, "none", cap=None), QUIET)
    for hidden in (0.0, 0.5, 1.0):
        inputs, _ = loader_of(data, hidden=hidden).batch(0)
        assert isinstance(inputs, dict)
        motion = inputs["motion"]
        for which in ([0, -2], [1, 2, -1]):
            untold = (motion[:, which] == 0).all(axis=1).mean()
            assert untold == pytest.approx(hidden, abs=0.1)
        pictures = inputs["pictures"]
        alone = (pictures == pictures[:, :1]).all(axis=(1, 2, 3, 4)).mean()
        assert alone == pytest.approx(hidden, abs=0.15)


def test_later_labels_are_what_the_driver_did_then(folder: Path) -> None:
    data = prepare_data(config_for(folder, "none", cap=None), QUIET)
    frames, samples = read_recording(folder / "rec").frames, data.training
    later = labels_ahead(frames, 0.2)["steering"].to_numpy()[samples.row]
    assert samples.ahead is not None
    assert samples.motion is not None
    center = samples.camera == 0
    np.testing.assert_allclose(samples.ahead[center, 1], later[center], atol=1e-6)
    left = samples.camera == 1
    share = (samples.ahead[left, 1] - later[left]) / 0.3
    known = np.isfinite(share)
    expected = share_left(np.array([0.2]), samples.motion[left, 0], 0.3)[:, 0]
    np.testing.assert_allclose(share[known], expected[known], atol=1e-4)


def test_less_of_a_correction_is_left_later_and_at_speed() -> None:
    left = share_left(np.array([0.0, 0.1, 0.3, 0.5]), np.array([0.3, 1.0, math.nan]), 0.3)
    assert left[:, 0].tolist() == [1.0, 1.0, 1.0]
    assert (np.diff(left, axis=1) < 0).all()
    assert (left[0] >= left[1]).all()


def test_training_goes_on_from_a_pilot_that_remembers(folder: Path, run: Path) -> None:
    config = config_for(folder, "b", init=run, epochs=1, steps_per_epoch=1)
    assert Pilot.load(train(config, QUIET).out).memory is not None
    other = dataclasses.replace(config, out=folder / "c", history=1)
    with pytest.raises(PilotError, match="Leave --history and --history-step-s as they were"):
        train(other, QUIET)


@pytest.mark.parametrize("other", [{"steering_std": True}, {"auxiliary": "cte"}])
def test_what_cannot_be_together_is_refused(other: dict[str, Any]) -> None:
    option = "--" + next(iter(other)).replace("_", "-")
    with pytest.raises(TrainingError, match=f"cannot learn {option} yet. Leave one of the two"):
        TrainConfig(history=2, **other)
    TrainConfig(horizon=0.5, **other)


def test_the_network_of_a_pilot_that_remembers_needs_no_import(run: Path, tmp_path: Path) -> None:
    with pytest.raises(LegacyError, match="is a pilot without an import") as caught:
        import_model(ImportConfig(run / "model.keras", out=tmp_path / "again"))
    assert str(caught.value).endswith(f": ghostlap drive {quoted(run)}")


def test_a_memory_of_another_network_is_explained(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "a")
    described = json.loads((other / "pilot.json").read_text())
    described["memory"]["lags_s"].pop()
    described["memory"]["motion"].pop()
    (other / "pilot.json").write_text(json.dumps(described))
    with pytest.raises(PilotError, match="has no part for the memory of pilot.json"):
        Pilot.load(other)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lags_s": [0.1, 0.2, 0.4]}, "moments"),
        ({"lags_s": [0.0]}, "moments"),
        ({"lags_s": [0.0, 0.2]}, "motion must be"),
        ({"motion": [[0.0] * 64] * 4}, "motion must be"),
        ({"lags_s": [0.0, 0.2, 1e9]}, "at most 100 s ago"),
        ({"lags_s": [0.0] * 100000}, "100000 moments, not 2 to 32"),
        ({"layers": []}, "no layers"),
        ({"layers": [{"weights": [[1.0]] * 64, "bias": [0.0]}]}, "answers 1 numbers for 5"),
    ],
)
def test_a_broken_memory_is_explained(
    run: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    broken = shutil.copytree(run, tmp_path / "a")
    described = json.loads((broken / "pilot.json").read_text())
    described["memory"] |= change
    (broken / "pilot.json").write_text(json.dumps(described))
    with pytest.raises(PilotError, match=said) as raised:
        Pilot.load(broken)
    assert len(str(raised.value)) < 500


def test_the_longest_memory_that_can_be_asked_for_can_be_read() -> None:
    config = TrainConfig(history=16, history_step_s=5)
    assert read_lags(config.lags_s, 2) == config.lags_s


def test_a_horizon_that_would_answer_nothing_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"--horizon must be 0 or at least 0.1 s"):
        TrainConfig(horizon=0.05)
    assert TrainConfig(horizon=0.1).outputs == ("steering", "steering_100ms")


def test_after_a_pause_a_car_begins_anew(pilot: Pilot) -> None:
    first, second = (pilot.predict(frames) for frames in some_frames(2, 1))
    answers = []
    for pause_s in (0.2, 1.0, 30.0):
        controller = Controller()
        controller.answers(pilot, first, 10.0, 0.05)
        controller.control(0.5, 10.0, 0.05)
        answers.append(controller.answers(pilot, second, 10.0, pause_s)[0])
    begun = Controller().answers(pilot, second, 10.0, 0.05)[0]
    assert (answers[0] == answers[1]).all()
    assert (answers[0] != begun).any()
    assert (answers[2] == begun).all()


def test_where_a_frame_is_lost_a_pilot_goes_on_as_it_meant_to(pilot: Pilot) -> None:
    road = FlatRoad(track_named("lake"), None, [Start(10.0)], **view_of(pilot))
    driver = PilotDriver(pilot, ControlConfig(), 1)
    loop = ClosedLoop(road, driver, stress=Stress(drop_every=2))
    for _ in range(6):
        loop.judge()
        loop.step(TICK_S)
        planned = driver.controller.planned(pilot, TICK_S)
        assert planned is not None
        loop.judge()
        loop.step(TICK_S)
        assert loop.command[0] == planned


def test_an_evaluation_tells_the_pilot_its_delay(run: Path) -> None:
    config = EvaluateConfig(run, under=("delay 300 ms", "hard pushes"), seeds=1)
    tasks = plan_pilot(config, [track_named("lake")])
    assert [task.stress.name for task in tasks] == ["none", "delay 300 ms", "hard pushes"]
    delays = []
    for task in tasks:
        _, driver = simulation_and_driver(task)
        assert isinstance(driver, PilotDriver)
        delays.append(driver.controller.config.delay_s)
    assert delays == [0.0, 0.3, 0.0]
    with pytest.raises(EvaluationError, match="no hardship 'fog'. There are: dark; blue-grey"):
        EvaluateConfig(run, under=("fog",))


def test_pictures_of_a_recording_are_compared_with_those_before_them(
    folder: Path, pilot: Pilot
) -> None:
    (compared,) = compare(pilot, [folder / "rec"])
    pilot.memory = None
    (alone,) = compare(pilot, [folder / "rec"])
    assert compared.error.mae != alone.error.mae
    assert compared.moments == alone.moments == 60


def test_a_donkeycar_remembers(run: Path, pilot: Pilot) -> None:
    part, frames = GhostlapPilot(run), some_frames(3, 1)[:, 0]
    angles = [part.run(frame)[0] for frame in frames]
    alone = [pilot.steer(frame) for frame in frames]
    assert angles[0] == pytest.approx(alone[0], abs=1e-5)
    assert angles[2] != pytest.approx(alone[2], abs=1e-5)


def test_an_exported_network_answers_each_picture_by_itself(run: Path, tmp_path: Path) -> None:
    said = io.StringIO()
    config = ExportConfig(run, to="onnx", out=tmp_path / "a.onnx")
    about = export_pilot(config, Console(file=said, width=1000))
    assert about.outputs[:3] == ("steering", "speed_mph", "steering_100ms")
    assert "the file has no memory" in said.getvalue()


def test_a_candidate_remembers(tmp_path: Path) -> None:
    config = TrainConfig(**OPTIONS)
    _save_candidate(network_for(config, SEED), tmp_path, SEED, config)
    candidate = Pilot.load(tmp_path)
    assert candidate.outputs == config.outputs
    assert candidate.memory is not None


def test_a_memory_that_training_never_shows_is_refused() -> None:
    """Its weights would stay as they were drawn, and steer."""
    with pytest.raises(TrainingError, match=r"--history-hidden must be .* below 1"):
        TrainConfig(history=2, history_hidden=1.0)

"""A pilot's spread: how it is learned, saved, driven by, and how well it announces trouble."""

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
from drives import TINY, make_drive, make_pilot, save_drive, write_track
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from trainings import short_training

import ghostlap.commands.evaluate as command
from ghostlap.base.errors import GhostlapError, PilotError
from ghostlap.commands.evaluate import evaluate
from ghostlap.commands.train import train
from ghostlap.data.vision.preprocessing import SEED
from ghostlap.driving.control import ControlConfig, Controller
from ghostlap.driving.evaluation.failure_prediction import FORECASTS, failure_prediction, moments_of
from ghostlap.driving.evaluation.results import read_drive
from ghostlap.driving.evaluation.table import failure_prediction_note
from ghostlap.driving.metrics import Drive, Intervention
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.server.uncertainty_notice import UncertaintyNotice
from ghostlap.pilots.backend import keras
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.pilot_saving import save_pilot
from ghostlap.pilots.run_folder import PILOT_FILE
from ghostlap.pilots.usual_std import usual_steering_std
from ghostlap.training.config import TrainConfig
from ghostlap.training.losses import SMALLEST_STD, loss_of, unlikeliness
from ghostlap.training.networks import network_for

USUAL = {"steering_std_p50": 0.1, "steering_std_p95": 0.2, "steering_std_p99": 0.3}
"""Of the validation samples of pilots made by hand."""

SIZE = (TINY.frame_width_px, TINY.frame_height_px)


def tiny(input_shape: tuple[int, int, int], outputs: int) -> Any:
    """A network that sees how bright a picture is, and no more."""
    picture = keras.Input(input_shape)
    mean = keras.layers.GlobalAveragePooling2D()(picture)
    hidden = keras.layers.Dense(16, activation="elu")(mean)
    return keras.Model(picture, keras.layers.Dense(outputs)(hidden))


# Learning it


def test_the_speed_counts_as_much_as_is_asked_for() -> None:
    labels = np.array([[0.1, 0.5], [0.1, np.nan]], np.float32)
    answers = np.array([[0.3, 0.9], [0.3, 0.9]], np.float32)
    for weight in (0.0, 0.1, 1.0):
        loss = np.asarray(loss_of(TrainConfig(speed=True, speed_weight=weight))(labels, answers))
        assert loss == pytest.approx([0.2**2 + weight * 0.4**2, 0.2**2], rel=1e-5)


def test_the_likeliest_spread_is_the_size_of_the_errors() -> None:
    error = np.random.default_rng(0).normal(0, 0.2, 5000)
    tried = np.geomspace(SMALLEST_STD, 2.0, 60)
    cost = [float(np.mean(unlikeliness(error, np.full(5000, spread)))) for spread in tried]
    assert tried[int(np.argmin(cost))] == pytest.approx(0.2, rel=0.06)
    assert min(cost) > 0


def test_the_spread_costs_the_speed_and_the_steering_nothing() -> None:
    config = TrainConfig(speed=True, steering_std=True)
    labels = np.array([[0.1, 0.5], [0.2, np.nan]], np.float32)
    answers = np.array([[0.1, 0.5, 0.4], [0.0, 9.0, 0.4]], np.float32)
    plain = np.asarray(loss_of(TrainConfig(speed=True))(labels, answers[:, :2]))
    extra = np.asarray(loss_of(config)(labels, answers)) - plain
    expected = 0.02 * np.asarray(unlikeliness(np.array([0.0, 0.2]), np.array([0.4, 0.4])))
    np.testing.assert_allclose(plain, [0.0, 0.04], atol=1e-6)
    np.testing.assert_allclose(extra, expected, rtol=1e-4)


def test_the_steering_learns_as_if_there_were_no_spread() -> None:
    tensorflow = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are asked of TensorFlow; KERAS_BACKEND is another")
    labels = tensorflow.constant([[0.3], [-0.2]])
    answers = tensorflow.Variable([[0.1, 0.05], [0.4, 0.5]])
    gradients = []
    for config in (TrainConfig(), TrainConfig(steering_std=True)):
        with tensorflow.GradientTape() as tape:
            loss = loss_of(config)(labels, answers)
        gradients.append(tape.gradient(loss, answers).numpy())
    np.testing.assert_array_equal(gradients[0][:, 0], gradients[1][:, 0])
    assert (gradients[1][:, 1] != 0).all()


def test_a_network_learns_where_its_steering_errs() -> None:
    """In dark pictures labels vary by 0.02 about what is right, in bright ones by 0.4."""
    draw = np.random.default_rng(0)
    bright = draw.random(2000) < 0.5
    pictures = np.where(bright, 0.9, 0.1)[:, None, None, None] * np.ones((1, 8, 16, 3))
    labels = 0.2 + draw.normal(size=2000) * np.where(bright, 0.4, 0.02)
    config = TrainConfig(model="test_uncertainty:tiny", steering_std=True)
    keras.utils.set_random_seed(0)
    network = network_for(config, TINY)
    network.compile(keras.optimizers.Adam(0.01), loss_of(config))
    network.fit(pictures, labels[:, None], batch_size=100, epochs=20, verbose=0)
    steering, spread = network.predict(pictures, verbose=0).T
    assert np.median(spread[bright]) == pytest.approx(0.4, rel=0.25)
    assert spread[~bright].max() < 0.08
    assert steering[~bright] == pytest.approx(0.2, abs=0.03)


def test_every_format_of_a_pilot_holds_the_spread(tmp_path: Path) -> None:
    config = TrainConfig(model="pilotnet_small", speed=True, steering_std=True)
    pilot = save_pilot(network_for(config, SEED), tmp_path, SEED, config.outputs, {})
    seen = np.random.default_rng(0).random((3, *SEED.input_shape), np.float32)
    answers = pilot.predict_seen(seen)
    assert pilot.outputs == ("steering", "speed", "steering_std")
    assert (answers[:, 2] > SMALLEST_STD).all()
    for name in ("model.keras", "model.h5"):
        network = keras.saving.load_model(tmp_path / name, compile=False)
        again = np.asarray(network(seen)) * [1.0, 30.0, 1.0]
        np.testing.assert_allclose(again, answers, atol=1e-3)


def test_training_with_a_spread_says_how_large_it_usually_is(
    small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    config = short_training(
        small_recording, tmp_path / "a", cache_folder, steering_std=True, epochs=1,
        model="pilotnet_small", precision="bfloat16",
    )  # fmt: skip
    validation = train(config).validation
    assert (
        0
        < validation["steering_std_p50"]
        <= validation["steering_std_p95"]
        <= validation["steering_std_p99"]
    )
    pilot = Pilot.load(config.out)
    assert pilot.can_be_unsure
    assert pilot.outputs == ("steering", "steering_std")
    plain = dataclasses.replace(config, init=config.out, out=tmp_path / "b", steering_std=False)
    with pytest.raises(PilotError, match="answers steering, steering_std; steering are asked for"):
        train(plain)


# The pilot


def test_a_pilot_is_unsure_from_its_median_to_its_99th_percentile(tmp_path: Path) -> None:
    pilot = Pilot.load(make_pilot(tmp_path, 0.5, validation=USUAL, speed=0.5, steering_std=0.2))
    answers = pilot.predict(np.zeros((2, *TINY.frame_shape), np.uint8))
    np.testing.assert_allclose(answers, [[0.5, 15.0, 0.2]] * 2, rtol=1e-6)
    np.testing.assert_allclose(pilot.named(answers, "steering_std"), 0.2)  # type: ignore[arg-type]
    answers = np.repeat(answers, 3, axis=0)[:5]
    answers[:, 2] = [0.05, 0.1, 0.25, 0.9, math.nan]
    np.testing.assert_allclose(pilot.unsure(answers), [0, 0, 0.75, 1, math.nan], atol=1e-6)
    assert pilot.unsure(answers[2]).shape == ()


def test_a_pilot_of_an_earlier_version_is_read_as_before(tmp_path: Path) -> None:
    folder = make_pilot(tmp_path, 0.5, validation=USUAL, steering_std=0.2)
    path = folder / PILOT_FILE
    path.write_text(path.read_text().replace("steering_std", "spread"))
    assert '"spread"' in path.read_text()
    pilot = Pilot.load(folder)
    assert pilot.outputs == ("steering", "steering_std")
    np.testing.assert_allclose(
        pilot.unsure(pilot.predict(np.zeros(TINY.frame_shape, np.uint8))), 0.5, rtol=1e-6
    )


def test_pilots_without_a_spread_are_never_unsure(tmp_path: Path) -> None:
    plain = Pilot.load(make_pilot(tmp_path / "a", 0.5))
    unmeasured = Pilot.load(make_pilot(tmp_path / "b", 0.5, steering_std=9.0))
    for pilot in (plain, unmeasured):
        assert not pilot.can_be_unsure
        answers = pilot.predict(np.zeros((2, *TINY.frame_shape), np.uint8))
        np.testing.assert_array_equal(pilot.unsure(answers), [0.0, 0.0])
    assert plain.named(answers, "steering_std") is None


@pytest.mark.parametrize(
    "outputs", [["speed"], [], ["steering_std", "steering"], ["steering", "colour"], [["steering"]]]
)
def test_outputs_that_are_not_known_are_refused(tmp_path: Path, outputs: list[Any]) -> None:
    folder = make_pilot(tmp_path, 0.5)
    description = json.loads((folder / PILOT_FILE).read_text())
    (folder / PILOT_FILE).write_text(json.dumps({**description, "outputs": outputs}))
    with pytest.raises(
        PilotError, match=r"outputs must be some of steering, speed, steering_100ms"
    ):
        Pilot.load(folder)


def test_what_is_usual_are_percentiles() -> None:
    usual = usual_steering_std(np.linspace(0.0, 1.0, 101))
    assert usual == pytest.approx(
        {"steering_std_p50": 0.5, "steering_std_p95": 0.95, "steering_std_p99": 0.99}
    )


# Driving with it


def targets(controller: Controller, unsure: float, ticks: int = 1) -> float:
    """The throttle at 20 mph after so many ticks, none of which moves the integral much."""
    for _ in range(ticks):
        throttle = controller.control(0.0, 20.0, 0.05, unsure=unsure).throttle[0]
    return float(throttle)


def test_an_unsure_pilot_slows_the_car_little_by_little() -> None:
    config = ControlConfig(speed_limit_mph=20.0, slow_when_unsure=0.5, throttle="seed")
    controller = Controller(config)
    throttle = [targets(controller, 1.0) for _ in range(60)]
    assert throttle[0] > -0.1
    assert (np.diff(throttle) < 0).all()
    assert throttle[-1] == pytest.approx(1 - 20 / 10, abs=0.02)
    assert controller.unsure[0] == pytest.approx(1, abs=0.01)
    assert targets(controller, 0.0, ticks=200) == pytest.approx(0.0, abs=1e-3)


def test_unsure_in_its_time_constant_is_63_percent_however_often_it_is_asked() -> None:
    for ticks in (1, 5, 20):
        controller = Controller()
        for _ in range(ticks):
            controller.control(0.0, 20.0, 0.5 / ticks, unsure=1.0)
        assert controller.unsure[0] == pytest.approx(1 - math.exp(-1))


def test_without_the_option_an_unsure_pilot_drives_as_any() -> None:
    assert targets(Controller(ControlConfig(20.0)), 1.0, 50) == targets(
        Controller(ControlConfig(20.0)), 0.0, 50
    )


def test_the_speed_that_a_pilot_asks_for_is_lowered_too() -> None:
    config = ControlConfig(speed_limit_mph=30.0, slow_when_unsure=0.5, throttle="seed")
    controller = Controller(config)
    for _ in range(100):
        control = controller.control(0.0, 5.0, 0.05, pilot_speed_mph=10.0, unsure=1.0)
    assert control.throttle[0] == pytest.approx(0.0, abs=0.01)


def test_a_spread_that_is_no_number_counts_as_unsure_and_a_reset_forgets() -> None:
    controller = Controller(ControlConfig(slow_when_unsure=0.5), cars=2)
    for _ in range(100):
        control = controller.control([0.3, 0.3], 20.0, 0.05, unsure=[math.nan, 0.0])
    assert controller.unsure == pytest.approx([1.0, 0.0], abs=0.01)
    assert (control.steering == 0.3).all(), "it is not lost"
    controller.reset(0)
    assert controller.unsure[0] == 0


@pytest.mark.parametrize("share", [-0.1, 0.95, math.nan])
def test_a_car_cannot_be_told_to_stand_when_unsure(share: float) -> None:
    with pytest.raises(GhostlapError, match="slow_when_unsure must be from 0 to 0.9"):
        ControlConfig(slow_when_unsure=share)


def test_caution_is_said_once_an_occurrence() -> None:
    caution = UncertaintyNotice(0.5)
    told = [caution.begins(unsure, now) for now, unsure in enumerate([0.1, 0.6, 0.9, 0.2, 0.8])]
    assert told == [False, True, False, False, False]
    assert caution.slows
    assert not caution.begins(0.1, 20.0)
    assert not caution.slows
    assert caution.begins(0.9, 30.0)
    assert not UncertaintyNotice(0.0).begins(1.0, 0.0)


# FailurePrediction


def drive_with(
    spread: Any = 0.1, failures_s: tuple[float, ...] = (20.0, 40.0), **columns: Any
) -> Drive:
    """A minute at 20 Hz with interventions at these times."""
    time_s = np.arange(1201) / 20
    codes = np.zeros(1201, np.int8)
    codes[[round(at * 20) for at in failures_s]] = Intervention.OFF_ROAD
    return make_drive(60.0, intervention=codes, spread=spread(time_s) if callable(spread) else
                      spread, **columns)  # fmt: skip


def before_failure(time_s: np.ndarray) -> np.ndarray:
    return np.where((time_s % 20 >= 16.9) & (time_s < 40), 0.5, 0.1)


def test_a_spread_that_grows_before_each_intervention_is_a_perfect_forecast() -> None:
    seen = failure_prediction([drive_with(before_failure)] * 3, [0, 1, 2])
    assert seen is not None
    assert seen.auroc["spread"] == 1.0
    assert seen.interval["spread"] == (1.0, 1.0)
    assert seen.auroc["steering"] == seen.auroc["steering_change"] == 0.5
    assert seen.lead == (0.5, 0.5)
    text = failure_prediction_note(seen)
    assert "AUROC of 1.00 (1.00–1.00); chance is 0.5" in text
    assert "|steering| 0.50 (0.50–0.50)" in text


def test_a_spread_that_knows_nothing_is_at_chance() -> None:
    draw = np.random.default_rng(3)
    drives = [drive_with(lambda time_s: draw.random(len(time_s))) for _ in range(30)]
    seen = failure_prediction(drives, range(30))
    assert seen is not None
    low, high = seen.interval["spread"]
    assert low < 0.5 < high
    assert 0.02 < high - low < 0.3


def test_steering_is_a_forecast_of_its_own() -> None:
    steering = np.where(np.arange(1201) / 20 % 20 >= 16.9, -0.8, 0.0)
    seen = failure_prediction(
        [drive_with(steering=steering, failures_s=(20.0, 40.0, 60.0))] * 2, [0, 0]
    )
    assert seen is not None
    assert seen.auroc["steering"] == seen.auroc["speed_steering"] == 1.0
    assert seen.auroc["spread"] == 0.5
    assert (seen.interval, seen.lead) == ({}, None)
    assert "AUROC of 0.50; chance" in failure_prediction_note(seen)


def test_moments_are_those_of_which_it_is_known_what_came() -> None:
    moments = moments_of(drive_with(failures_s=(20.0, 22.0)))
    # From 3 s on to the intervention: 17 s; from 25 s to 3 s before the end: 32 s.
    assert len(moments.trouble) == pytest.approx((17 + 32) * 2, abs=2)
    assert moments.trouble.sum() == 6
    assert moments.forecasts.shape == (len(moments.trouble), len(FORECASTS))


def test_moments_without_a_spread_are_left_out() -> None:
    half = drive_with(lambda time_s: np.where(time_s < 30, np.nan, 0.1))
    assert len(moments_of(half).trouble) < len(moments_of(drive_with()).trouble)
    assert failure_prediction([drive_with(math.nan)], [0]) is None


@pytest.mark.parametrize("drives", [[], [drive_with(failures_s=())], [make_drive(2.0, 1)]])
def test_without_interventions_there_is_nothing_to_foresee(drives: list[Drive]) -> None:
    assert failure_prediction(drives, range(len(drives))) is None


@given(st.data())
def test_the_area_is_the_share_of_pairs_in_the_right_order(data: st.DataObject) -> None:
    levels = st.integers(0, 4).map(lambda level: level / 4)
    drives, groups = [], []
    for _ in range(data.draw(st.integers(1, 3))):
        blocks = data.draw(st.lists(levels, min_size=20, max_size=20))
        drives.append(drive_with(np.repeat(blocks, 61)[:1201]))
        groups.append(data.draw(st.integers(0, 1)))
    seen = failure_prediction(drives, groups)
    assert seen is not None
    each = [moments_of(drive) for drive in drives]
    spread = np.concatenate([moments.forecasts[:, 0] for moments in each]).round(12)
    trouble = np.concatenate([moments.trouble for moments in each])
    difference = spread[trouble][:, None] - spread[~trouble][None]
    assert seen.auroc["spread"] == pytest.approx(((np.sign(difference) + 1) / 2).mean())


# Evaluating it


@pytest.fixture(scope="module", autouse=True)
def _scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Scenes are kept for the tests here, and not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTLAP_CACHE", str(tmp_path_factory.mktemp("scenes")))
        yield


@pytest.fixture(scope="module")
def oval(tmp_path_factory: pytest.TempPathFactory) -> str:
    """So large that a car that goes straight ahead takes some seconds to leave it."""
    return str(write_track(tmp_path_factory.mktemp("tracks") / "oval.csv", 260.0, 230.0))


def evaluation(pilot: Path, oval: str, **options: Any) -> tuple[dict[str, Any], str]:
    console = Console(file=io.StringIO(), width=200)
    config = EvaluateConfig(
        pilot, (oval,), seeds=1, seconds=24.0, conditions="fixed", size=SIZE, processes=1,
        speed_limit=15.0, **options,
    )  # fmt: skip
    result = evaluate(config, console)
    assert isinstance(console.file, io.StringIO)
    return result, console.file.getvalue()


def test_an_evaluation_tells_the_spread_and_slows_down_for_it(
    oval: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "save_map", lambda *_: None)
    pilot = make_pilot(tmp_path, 0.0, validation=USUAL, steering_std=0.25)
    free, said = evaluation(pilot, oval)
    assert free["failure_prediction"]["auroc"]["spread"] == 0.5, "it always says the same"
    assert "The spread announces an intervention within 3 s with an AUROC of 0.50" in said
    (name, *_) = [one["drive"] for one in free["episodes"] if one["driver"] == "pilot"]
    drive = read_drive(pilot / "evaluate" / "oval-15mph" / name)
    assert np.isnan(drive.spread[0])
    np.testing.assert_allclose(drive.spread[1:60], 0.25)
    slow, _ = evaluation(pilot, oval, slow_when_unsure=0.5, name="slow")
    of_pilot = [
        next(line["mean_speed_mph"] for line in result["lines"] if line["driver"] == "pilot")
        for result in (free, slow)
    ]
    assert of_pilot[1] < of_pilot[0] - 2


def test_a_pilot_without_a_spread_cannot_slow_down_for_it(oval: str, tmp_path: Path) -> None:
    with pytest.raises(
        PilotError, match=r"needs a pilot that has a critic or answers a steering_std"
    ):
        evaluation(make_pilot(tmp_path, 0.0), oval, slow_when_unsure=0.5)


def test_drives_of_older_evaluations_have_no_spread(tmp_path: Path) -> None:
    path = tmp_path / "drive.csv"
    save_drive(drive_with(0.25), path)
    np.testing.assert_array_equal(read_drive(path).spread, 0.25)
    lines = [line.rpartition(",")[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    assert np.isnan(read_drive(path).spread).all()

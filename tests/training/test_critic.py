"""A critic knows failures ahead, is part of the pilot, and leaves its steering alone."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from rings import ring_file
from trainings import short_training

from benchmarks.critic_figures import average_precision, pooled_auroc
from ghostlap.base.errors import EvaluationError, PilotError, TrainingError
from ghostlap.base.platform import quoted
from ghostlap.commands.critic import CriticConfig, critic
from ghostlap.commands.failures import failures
from ghostlap.commands.train import train
from ghostlap.driving.benchmark.suite import Suite, suite_named
from ghostlap.driving.control import ControlConfig, Controller
from ghostlap.driving.evaluation.episode_files import drive_episodes
from ghostlap.driving.failures import figures
from ghostlap.driving.failures.config import FailuresConfig
from ghostlap.driving.failures.corpus import FailureDrive, known, read_corpus, settled
from ghostlap.driving.failures.plan import Group
from ghostlap.driving.metrics import Drive
from ghostlap.pilots.critic import Critic, Evidence, Foresight
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import ONNX_FILE, PILOT_FILE
from ghostlap.training.critic import CriticTraining, FittedCritic, fit_critic
from ghostlap.training.critic_saving import save_critic
from ghostlap.training.fit import TrainResult

QUIET = Console(file=io.StringIO())
THRESHOLDS = {"0.01": [1.0] * 4, "0.05": [0.0] * 4}


def drive_of(seconds: float, failures_s: tuple[float, ...]) -> Drive:
    """A drive at a steady 10 m/s that fails at some moments."""
    time_s = np.arange(0, seconds, 0.05)
    values: dict[str, Any] = {f.name: np.zeros(len(time_s)) for f in dataclasses.fields(Drive)}
    values |= {"time_s": time_s, "distance_m": time_s * 10}
    failed = np.isin(np.round(time_s, 2), failures_s)
    values |= {"intervention": failed.astype(np.int8), "pushed": np.zeros(len(time_s), bool)}
    return Drive(**values)


def failing(number: int, width: int = 6, held_out: bool = False) -> FailureDrive:
    """A drive with one feature that rises in the 3 s before each failure, among noise."""
    draw = np.random.default_rng(number)
    failures_s = (10.0, 25.0) if number % 3 else ()
    drive = drive_of(40, failures_s)
    features = draw.normal(size=(len(drive.time_s), width)).astype(np.float16)
    for at_s in failures_s:
        ahead = at_s - drive.time_s
        features[:, 2] += np.where((ahead > 0) & (ahead < 3), 3, 0).astype(np.float16)
    kind = "graded" if number % 3 else "nominal"
    group = Group(f"{kind} {number % 4}", kind, kind)
    beside = np.zeros((len(features), 0), np.float16)
    return FailureDrive(f"drive {number}", group, "lake", held_out, drive, features, beside)


@pytest.fixture(scope="module")
def fitted() -> FittedCritic:
    quickly = CriticTraining(epochs=20, learning_rate=1e-2, dropout=0.0)
    return fit_critic([failing(i) for i in range(12)], quickly)


def test_a_critic_learns_what_comes_before_failures(fitted: FittedCritic) -> None:
    unseen = [failing(i) for i in range(100, 106)]
    at = figures.HORIZONS_S.index(3.0)
    scored = [(one, fitted.log_odds(one)[:, at]) for one in unseen]
    assert pooled_auroc(figures.moments_of(scored, 3.0)) > 0.95


def test_what_lies_far_outside_of_what_was_learned_changes_little(fitted: FittedCritic) -> None:
    one = failing(100)
    far = dataclasses.replace(one, features=(one.features * np.float16(1000)).astype(np.float16))
    assert np.abs(fitted.log_odds(far)).max() < 5 * np.abs(fitted.log_odds(one)).max()


def test_nothing_can_be_learned_where_nothing_failed() -> None:
    with pytest.raises(TrainingError, match="Nothing failed .* more --rounds"):
        fit_critic([failing(0)])


def test_drives_of_different_networks_are_refused() -> None:
    with pytest.raises(TrainingError, match="Name folders of one pilot"):
        fit_critic([failing(1), failing(2, width=7)])


def test_moments_of_which_nothing_is_known_are_left_out() -> None:
    drive = drive_of(20, (10.0,))
    time_s = drive.time_s
    assert (settled(drive) == ((time_s >= 3) & (time_s < 9.99)) | (time_s >= 12.999)).all()
    assert known(drive, 5.0)[time_s > 15].sum() == 0
    assert known(drive, 5.0)[(time_s > 6) & (time_s < 9.9)].all()


def test_auroc_and_precision_of_a_few_moments() -> None:
    score, trouble = np.array([3.0, 2, 2, 1]), np.array([True, True, False, False])
    assert figures.auroc(score, trouble) == pytest.approx((2 + 1.5) / 4)
    assert average_precision(np.array([3.0, 2, 1]), np.array([True, False, True])) == (
        pytest.approx((1 + 2 / 3) / 2)
    )
    assert np.isnan(figures.auroc(score, trouble & False))


def test_the_threshold_holds_for_moments_to_come() -> None:
    one = failing(0)
    score = np.arange(len(one.features), dtype=float)
    above = figures.threshold([(one, score)], 0.05)
    assert (score[settled(one.drive)] > above).mean() == pytest.approx(0.05, abs=0.002)


def test_only_alarms_since_the_car_was_put_back_foresee() -> None:
    drive = drive_of(20, (6.0,))
    early, late = np.zeros(len(drive.time_s)), np.zeros(len(drive.time_s))
    early[drive.time_s < 0.5] = 1
    late[np.isclose(drive.time_s, 4.0)] = 1
    first = figures.first_failure(drive, early, 0.5)
    assert first is not None
    assert np.isnan(first[1])
    first = figures.first_failure(drive, late, 0.5)
    assert first is not None
    assert first[1] == pytest.approx(2.0)


def test_a_later_failure_is_foreseen_by_its_own_alarms() -> None:
    drive = drive_of(30, (6.0, 9.0, 25.0))
    score = np.zeros(len(drive.time_s))
    score[np.isclose(drive.time_s, 5.0) | (drive.time_s > 22.0)] = 1
    early_s = [
        figures.lead_s(drive, int(row), score, 0.5) for row in np.flatnonzero(drive.intervention)
    ]
    assert early_s == pytest.approx([1.0, np.nan, 2.95], nan_ok=True)
    assert figures.false_alarms(drive, score, 0.5) == 1  # what goes on after the last failure


@pytest.fixture
def run(trained: TrainResult, tmp_path: Path) -> Path:
    leave = shutil.ignore_patterns("evaluate", "dagger", "failures")
    return Path(shutil.copytree(trained.out, tmp_path / "run", ignore=leave))


def of_run(run: Path) -> FittedCritic:
    """A critic for a pilot, of drawn numbers."""
    pilot = Pilot.load(run, features=True)
    frame = np.zeros(pilot.preprocessing.frame_shape, np.uint8)
    width = len(pilot.parts(pilot.predict(frame))[1])
    draw = np.random.default_rng(0)
    return FittedCritic(
        weights=draw.normal(size=(5, width, 8)) / width,
        bias=draw.normal(size=8),
        layers=((draw.normal(size=(8, 4)), draw.normal(size=4)),),
        limits=(np.full(width, -0.3), np.full(width, 0.3)),
    )


def frames_of(pilot: Pilot, count: int) -> NDArray[np.uint8]:
    shape = (count, *pilot.preprocessing.frame_shape)
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def test_a_saved_critic_says_what_the_fitted_one_says_and_steers_as_before(run: Path) -> None:
    before, critic = Pilot.load(run), of_run(run)
    frames = frames_of(before, 30)
    features = Pilot.load(run, features=True).parts(Pilot.load(run, features=True).predict(frames))[
        1
    ]
    pilot = save_critic(run, critic, THRESHOLDS, {})
    assert pilot.critic is not None
    answers, computed = pilot.parts(pilot.predict(frames))
    np.testing.assert_allclose(answers, before.predict(frames), atol=1e-6)
    foresight = Foresight(pilot.critic)
    said = [foresight.look(row[None], 0.05)[0].copy() for row in computed]
    one = dataclasses.replace(failing(0), features=features.astype(np.float64))
    np.testing.assert_allclose(said, critic.log_odds(one), atol=2e-3)


def test_a_critic_takes_the_place_of_an_earlier_one(run: Path) -> None:
    once = save_critic(run, of_run(run), THRESHOLDS, {})
    size = (run / ONNX_FILE).stat().st_size
    again = dataclasses.replace(of_run(run), bias=np.ones(8))
    pilot = save_critic(run, again, THRESHOLDS, {"training": {"seed": 3}})
    assert pilot.critic is not None
    assert once.critic is not None
    assert pilot.critic.output != once.critic.output
    assert (run / ONNX_FILE).stat().st_size == size


def test_a_kill_while_saving_leaves_a_pilot(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_critic(run, of_run(run), THRESHOLDS, {})
    again = dataclasses.replace(of_run(run), bias=np.ones(8))

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    written: list[Path] = []
    real = save_critic.__globals__["write_json"]

    def once(path: Path, values: Any) -> None:
        written.append(path)
        stopped() if len(written) == 2 else real(path, values)

    monkeypatch.setitem(save_critic.__globals__, "write_json", once)
    with pytest.raises(KeyboardInterrupt):
        save_critic(run, again, THRESHOLDS, {})
    pilot = Pilot.load(run)
    assert pilot.critic is None
    assert np.isfinite(pilot.steer(frames_of(pilot, 1)[0]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lags_s": [0.5]}, "must begin with 0"),
        ({"lags_s": []}, "0 moments"),
        ({"layers": []}, "no layers"),
        ({"horizons_s": [], "layers": [{"weights": [[]], "bias": []}]}, "must have horizons"),
        ({"thresholds": {"0.01": [], "0.05": []}}, "a threshold for each"),
        ({"layers": [{"weights": [[1.0]], "bias": [0.0, 0.0]}]}, "weights are"),
        ({"thresholds": {"0.01": [1, 1, 1, 1]}}, "threshold missing"),
        ({"lags_s": [0.0, "nan"]}, "at most 100 s ago"),
        ({"layers": 3}, "TypeError"),
    ],
)
def test_a_broken_critic_is_explained(run: Path, change: dict[str, Any], says: str) -> None:
    save_critic(run, of_run(run), THRESHOLDS, {})
    told = json.loads((run / PILOT_FILE).read_text())
    told["critic"] |= change
    (run / PILOT_FILE).write_text(json.dumps(told))
    with pytest.raises(PilotError, match=f"{says}.*ghostlap critic"):
        Pilot.load(run)
    del told["critic"]  # as the message advises
    (run / PILOT_FILE).write_text(json.dumps(told))
    assert Pilot.load(run).critic is None


def test_the_networks_part_must_be_there(run: Path) -> None:
    before = (run / ONNX_FILE).read_bytes()
    save_critic(run, of_run(run), THRESHOLDS, {})
    (run / ONNX_FILE).write_bytes(before)
    with pytest.raises(PilotError, match="has no part for the critic"):
        Pilot.load(run)


def simple(layers: Any = None) -> Critic:
    """A critic of one number: its log-odds are the sum of what was seen now and 1 s ago."""
    layers = layers or ((np.ones((1, 4)), np.zeros(4)),)
    thresholds = {rate: tuple(values) for rate, values in THRESHOLDS.items()}
    return Critic("critic/0", (0.0, 1.0), layers, figures.HORIZONS_S, thresholds)


@pytest.mark.parametrize("rate_hz", [10, 20, 50])
def test_foresight_looks_back_a_second_at_any_rate(rate_hz: int) -> None:
    foresight, time_s = Foresight(simple()), 0.0
    for _ in range(3 * rate_hz):
        log_odds = foresight.look(np.array([[time_s, 1000 + time_s]]), 1 / rate_hz)
        time_s += 1 / rate_hz
    now_s = time_s - 1 / rate_hz
    assert log_odds[0, 0] == pytest.approx(now_s + 1000 + now_s - 1, abs=0.04)


def test_what_was_seen_before_a_car_was_put_back_is_forgotten() -> None:
    foresight = Foresight(simple(), cars=2)
    for _ in range(30):
        foresight.look(np.full((2, 2), 5.0), 0.05)
    foresight.reset(0)
    assert np.isnan(foresight.log_odds[0]).all()
    assert np.isfinite(foresight.log_odds[1]).all()
    log_odds = foresight.look(np.ones((2, 2)), 0.05)
    assert log_odds[:, 0].tolist() == [2.0, 6.0]


def test_doubt_and_warning_follow_the_thresholds() -> None:
    critic = simple()
    log_odds = np.array([[-1.0] * 4, [0.5] * 4, [9.0] * 4, [np.nan] * 4])
    assert critic.doubt(log_odds).tolist() == [0.0, 0.5, 1.0, 0.0]
    assert critic.warning_s(np.array([0.0, 0.0, 1.5, 1.5])) == 3.0
    assert critic.warning_s(np.full(4, np.nan)) is None


def test_a_controller_slows_down_for_its_critic() -> None:
    calm, warned = (Controller(ControlConfig(slow_when_unsure=0.5)) for _ in range(2))
    for _ in range(60):
        steady = calm.control(
            0.0, 28.0, 0.05, evidence=Evidence(simple(), np.array([[-1.0, -1.0]]))
        )
        slower = warned.control(
            0.0, 28.0, 0.05, evidence=Evidence(simple(), np.array([[9.0, 9.0]]))
        )
    assert steady.throttle[0] > 0 > slower.throttle[0]


@pytest.fixture
def few_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two graded conditions and an extreme one, in place of 43."""
    whole = suite_named("v1")
    chosen = [s for s in whole.scenarios if s.name in ("fog 4", "noise 4", "dark and noisy")]

    def few(name: str) -> Suite:
        return dataclasses.replace(whole, scenarios=tuple(chosen))

    monkeypatch.setattr("ghostlap.driving.failures.plan.suite_named", few)


def test_failures_are_driven_kept_resumed_and_made_a_critic(
    run: Path, tmp_path: Path, few_conditions: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.csv"
    shutil.copyfile(ring_file(tmp_path), other)
    config = FailuresConfig(
        run, track=(ring_file(tmp_path),), held_out=(str(other),),
        rounds=1, seconds=6, nominal_s=6, processes=1, mutants=1,
    )  # fmt: skip

    def stops(task: Any, report: Any) -> Any:
        if task.stress.name == "noise 4":
            raise KeyboardInterrupt
        return drive_episodes(task, report)

    with monkeypatch.context() as patch:
        patch.setattr("ghostlap.commands.evaluate.drive_episodes", stops)
        with pytest.raises(KeyboardInterrupt):
            failures(config, QUIET)
    result = failures(dataclasses.replace(config, resume=True), QUIET)
    assert result["complete"]
    assert result["failures"] > 0
    drives = read_corpus([config.folder])
    assert len(drives) == 2 * (4 + 5)
    assert {one.group.kind for one in drives if one.held_out} == {
        "nominal", "graded", "extreme", "mutant",
    }  # fmt: skip
    assert all(len(one.features) == len(one.drive.time_s) for one in drives)
    before = Pilot.load(run)
    with pytest.raises(EvaluationError) as caught:  # of other options than the usual ones
        critic(CriticConfig(run), QUIET)
    assert str(caught.value).endswith(f": ghostlap critic {quoted(run, '--drives', config.folder)}")
    with pytest.raises(EvaluationError, match="--nominal-s"):  # it fails every 2 s
        critic(CriticConfig(run, drives=(config.folder,), epochs=1), QUIET)
    monkeypatch.setattr("ghostlap.driving.failures.corpus.SETTLING_S", 0.2)
    about = critic(CriticConfig(run, drives=(config.folder,), epochs=1), QUIET)
    assert about["failures"] == result["failures"]
    pilot, frames = Pilot.load(run), frames_of(before, 3)
    assert pilot.critic is not None
    np.testing.assert_allclose(pilot.steer(frames), before.steer(frames), atol=1e-6)


def test_a_track_is_either_learned_from_or_held_out() -> None:
    with pytest.raises(EvaluationError, match="cannot be judged where it learned. Got lake"):
        FailuresConfig(Path("a"), track=("lake",), held_out=("lake",))


def test_a_folder_without_drives_is_explained(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="not a folder that 'ghostlap failures' wrote"):
        read_corpus([tmp_path])


def test_a_pilot_that_comes_along_is_not_changed(tmp_path: Path) -> None:
    with pytest.raises(PilotError, match="--out runs/generalist"):
        critic(CriticConfig(Path("generalist"), drives=(tmp_path,)), QUIET)


def test_train_adds_a_critic_where_it_is_asked_for(
    small_recording: Path, cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(
        "ghostlap.commands.critic.critic", lambda config, console: asked.append(config.pilot)
    )
    config = short_training(small_recording, tmp_path / "a", cache_folder, epochs=1)
    train(dataclasses.replace(config, critic=True))
    assert asked == [tmp_path / "a"]
    assert "critic" not in config.to_json()  # what goes on from this training trains, and no more


def test_a_server_slows_down_and_warns_by_the_critic(run: Path) -> None:
    pilot = save_critic(run, of_run(run), {"0.01": [-1e6] * 4, "0.05": [-2e6] * 4}, {})
    assert pilot.can_be_unsure
    frame = frames_of(pilot, 1)[0]
    evidence = pilot.evidence(pilot.predict(frame[None]))
    controller = Controller(ControlConfig(slow_when_unsure=0.5))
    assert controller.warning_s is None
    controller.control(0.0, 20.0, 0.05, evidence=evidence)
    assert controller.warning_s == 1.0
    controller.reset()
    assert controller.warning_s is None

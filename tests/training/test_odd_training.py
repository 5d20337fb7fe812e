"""Trainings that go wrong, or lie in a folder that somebody else made."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import make_recording
from rich.console import Console
from trainings import short_training

from ghostlap.base.errors import DatasetError, PilotError, TrainingError
from ghostlap.base.files import write_json
from ghostlap.commands.train import train
from ghostlap.data.labels import steering_error
from ghostlap.data.vision.preprocessing import SEED
from ghostlap.pilots import pilot_saving
from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_files import load_network
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import PILOT_FILE, read_description
from ghostlap.training import callbacks
from ghostlap.training.config import TrainConfig
from ghostlap.training.dagger.config import DaggerConfig
from ghostlap.training.dagger.plan import original_training
from ghostlap.training.fit import TrainResult
from ghostlap.training.networks import network_for
from ghostlap.training.run_folder import check_run_folder, claim_run_folder

DEAD = """
import keras
def dead(input_shape, outputs):
    layers = [keras.layers.Flatten(), keras.layers.Dense(outputs, name="a"),
        keras.layers.Rescaling(0.0, offset={answer})]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""


@pytest.fixture
def dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A network that answers 0.3 whatever it sees: in 32 bits its answers' mean is not 0.3."""
    (tmp_path / "dead_network.py").write_text(DEAD.format(answer=0.3))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return "dead_network:dead"


def told_by(config: TrainConfig) -> tuple[TrainResult, str]:
    console = Console(record=True, width=1000)
    return train(config, console), console.export_text()


def test_a_network_that_answers_a_constant_becomes_a_pilot_with_a_word_about_it(
    dead: str, small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    config = short_training(
        small_recording, tmp_path / "r", cache_folder, model=dead, epochs=1, learning_rate=0.002
    )
    result, told = told_by(config)
    assert result.validation["pearson_r"] == 0.0
    (sentence,) = [line for line in told.splitlines() if line.startswith("warning:")]
    assert "the pilot steers 0.300 whatever it sees" in sentence
    assert "lower --learning-rate, it was 0.002; 0.0005 may do" in sentence
    assert read_description(config.out)["metrics"]["validation"] == result.validation


def test_steering_that_never_changes_is_said_to_teach_nothing(
    cache_folder: Path, tmp_path: Path
) -> None:
    recording = make_recording(tmp_path / "rec", rows=60)
    log = recording / "driving_log.csv"
    rows = [line.split(",") for line in log.read_text().splitlines()]
    log.write_text("".join(",".join([*row[:3], "0", *row[4:]]) + "\n" for row in rows))
    config = short_training(
        recording, tmp_path / "r", cache_folder, cameras=("center",), augment="none", epochs=1
    )
    result, told = told_by(config)
    assert result.validation["pearson_r"] == 0.0
    assert "the steering to learn is 0.000 at every validation picture" in told
    assert "Record a drive with bends." in told


def test_what_is_not_finite_is_null_in_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [np.nan, 1.5], "b": {"c": -np.inf}, "d": "NaN"})
    read = json.loads((tmp_path / "a.json").read_text())
    assert read == {"a": [None, 1.5], "b": {"c": None}, "d": "NaN"}


def test_a_constant_correlates_with_nothing() -> None:
    answers = np.full(617, 0.3, np.float32)
    assert answers.std() > 0, "or this is no such constant"
    wanted = np.linspace(-1, 1, 617)
    error = steering_error(answers, wanted)
    assert error.pearson_r == 0.0
    assert steering_error(wanted * 1e30, wanted).pearson_r == pytest.approx(1.0)
    some = np.where(np.arange(617) % 2, np.nan, wanted)
    assert steering_error(some, wanted).mae == 0.0
    with pytest.raises(DatasetError, match="None of 617 answers is a number.*learning-rate"):
        steering_error(wanted * np.nan, wanted)


def ran_off(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From this epoch on, counted from 1, weights are NaN when it begins."""
    begin = callbacks.Progress.on_epoch_begin

    def spoil(self: Any, number: int, logs: dict[str, float] | None = None) -> None:
        begin(self, number, logs)
        if number + 1 >= epoch:
            for weights in self.model.network.trainable_variables:
                weights.assign(weights * np.nan)

    monkeypatch.setattr(callbacks.Progress, "on_epoch_begin", spoil)


def test_a_loss_that_runs_off_leaves_the_pilot_of_the_best_epoch_before(
    small_recording: Path, cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran_off(3, monkeypatch)
    config = short_training(small_recording, tmp_path / "r", cache_folder, epochs=5)
    result, told = told_by(config)
    assert result.epochs == 2
    assert "the loss is not finite after epoch 3" in told
    assert f"The pilot is of epoch {result.best_epoch}, before that. Lower --learning-rate" in told
    assert np.isfinite(Pilot.load(config.out).steer(np.zeros((2, 160, 320, 3), np.uint8))).all()
    for name in ("history.csv", "weights.csv", "checkpoint/state.json"):
        assert "nan" not in (config.out / name).read_text().lower()


def test_an_epoch_that_ran_off_is_no_candidate_for_driving(tmp_path: Path) -> None:
    from ghostlap.training.selection import Candidates

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    candidates = Candidates(tmp_path / "c", every=1, epochs=2)
    candidates.set_model(network)
    candidates.on_epoch_end(0, {"loss": np.nan, "val_loss": 1.0})
    assert not (tmp_path / "c").exists()
    candidates.on_epoch_end(1, {"loss": 1.0, "val_loss": 1.0})
    assert len(list((tmp_path / "c").iterdir())) == 1


def test_a_network_that_answers_nan_is_no_pilot(tmp_path: Path) -> None:
    network = network_for(TrainConfig(model="pilotnet_small"), SEED)
    network.layers[-1].bias.assign([np.nan])
    with pytest.raises(PilotError, match="not finite.*model.keras is kept.*--learning-rate"):
        pilot_saving.save_pilot(network, tmp_path, SEED, ("steering",), {})
    assert not (tmp_path / PILOT_FILE).exists()


class Killed(BaseException):
    """As a kill: nothing handles it."""


@pytest.fixture(scope="module")
def unbroken(
    small_recording: Path, cache_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("same") / "run"
    train_at(folder, small_recording, cache_folder)
    return folder.rename(folder.with_name("unbroken"))


def train_at(folder: Path, recording: Path, cache: Path) -> None:
    keras.utils.clear_session()  # or layers are named after how many there were before
    train(
        short_training(
            recording, folder, cache, model="pilotnet_small", steering_std=True, epochs=2, workers=2
        )
    )


@pytest.mark.parametrize("before", ["history.csv", "state.json", "loss.png", "pilot.json"])
def test_a_kill_at_the_end_of_a_training_changes_no_byte_of_what_it_comes_to(
    before: str,
    unbroken: Path,
    small_recording: Path,
    cache_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = unbroken.with_name("run")
    shutil.rmtree(folder, ignore_errors=True)
    replace = os.replace

    def kill(source: Path, target: Path) -> None:
        if target.name == before and (folder / "checkpoint" / "epoch-0002.weights.h5").exists():
            raise Killed
        replace(source, target)

    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(Killed):
        train_at(folder, small_recording, cache_folder)
    monkeypatch.setattr(os, "replace", replace)
    assert not (folder / PILOT_FILE).exists()
    keras.utils.clear_session()
    train(TrainConfig(out=folder, resume=True, cache=cache_folder))
    for name in (
        "pilot.json", "config.json", "history.csv", "weights.csv", "model.json", "model.onnx",
        "model.h5", "model.weights.h5", "model.keras", "saliency.onnx", "loss.png", "weights.png",
        "checkpoint/state.json", "checkpoint/best.weights.h5", "checkpoint/epoch-0002.weights.h5",
    ):  # fmt: skip
        assert (folder / name).read_bytes() == (unbroken / name).read_bytes(), name
    assert Pilot.load(folder).can_be_unsure


def test_a_training_killed_before_its_metrics_were_one_write_is_completed(
    unbroken: Path, cache_folder: Path
) -> None:
    """As older versions could leave it: a pilot with a spread that can never be unsure."""
    folder = unbroken.with_name("run")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(unbroken, folder)
    whole = (folder / PILOT_FILE).read_bytes()
    description = read_description(folder)
    del description["metrics"]
    (folder / PILOT_FILE).write_text(json.dumps(description))
    with pytest.raises(PilotError, match="--slow-when-unsure 0.5 .*--resume --out.*completes it"):
        Pilot.load(folder).require_unsure(folder, 0.5)
    keras.utils.clear_session()
    train(TrainConfig(out=folder, resume=True, cache=cache_folder))
    assert (folder / PILOT_FILE).read_bytes() == whole
    Pilot.load(folder).require_unsure(folder, 0.5)
    with pytest.raises(TrainingError, match="is finished"):
        train(TrainConfig(out=folder, resume=True, cache=cache_folder))


PAYLOAD = """
from pathlib import Path
Path({sign!r}).write_text("ran")
def network(shape, outputs):
    raise SystemExit("ran")
"""


@pytest.fixture
def strangers(
    small_recording: Path, cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A run folder that names a module, which lies in it; one stands there and resumes."""
    folder = tmp_path / "run"
    folder.mkdir()
    claim_run_folder(
        short_training(small_recording, folder, cache_folder, model="strangers_code:network")
    )
    code = PAYLOAD.format(sign=str(tmp_path / "ran"))
    (folder / "strangers_code.py").write_text(code)
    monkeypatch.chdir(folder)
    return folder


def test_what_a_found_config_names_is_not_imported(strangers: Path, tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError,
        match="strangers_code:network, which is code.*not run. .*--resume --out . --model strang",
    ):
        train(TrainConfig(out=Path("."), resume=True))
    training = json.loads((strangers / "config.json").read_text())
    description = {
        "format": 1,
        "outputs": ["steering"],
        "preprocessing": training["preprocessing"],
        "training": training,
    }
    (strangers / PILOT_FILE).write_text(json.dumps(description))
    original_training(DaggerConfig(Path(".")))
    assert not (tmp_path / "ran").exists()


def test_code_named_on_the_command_line_is_resumed(strangers: Path, tmp_path: Path) -> None:
    config = TrainConfig(out=Path("."), resume=True, model="strangers_code:network")
    assert check_run_folder(config).model == "strangers_code:network"
    with pytest.raises(SystemExit, match="ran"):
        train(config)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "spoilt",
    [
        {"model": 7}, {"model": None}, {"epochs": "3"}, {"epochs": 2.5}, {"cameras": 5},
        {"cameras": ["top"]}, {"augment": []}, {"recordings": 3}, {"recordings": [1]},
        {"split": ["time"]}, {"preprocessing": []}, {"out": 3}, {"seed": True}, {"order": {}},
    ],
)  # fmt: skip
def test_a_config_of_odd_values_is_said(
    spoilt: dict[str, Any], small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    config = short_training(small_recording, tmp_path / "r", cache_folder)
    config.out.mkdir()
    claim_run_folder(config)
    path = config.out / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **spoilt}))
    with pytest.raises(TrainingError, match=r"config\.json: cannot be read"):
        train(TrainConfig(out=config.out, resume=True))


@pytest.mark.parametrize("content", [b"[]", b"7", b"\xff", b"[" * 100_000, b"", b" " * (17 << 20)])
def test_a_config_that_is_none_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(TrainingError, match=r"config\.json: cannot be read"):
        train(TrainConfig(out=tmp_path, resume=True))


def with_config(source: Path, target: Path, change: Any) -> None:
    """Write a ``.keras`` file anew with its description changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == "config.json":
                content = json.dumps(change(json.loads(content))).encode()
            new.writestr(entry.filename, content)


def with_layer(layer: dict[str, Any]) -> Any:
    def change(config: dict[str, Any]) -> dict[str, Any]:
        config["config"]["layers"].insert(-1, layer)
        return config

    return change


def enlarged(config: dict[str, Any]) -> dict[str, Any]:
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Dense":
            layer["config"]["units"] = 10**8
    return config


STRANGERS_LAYER = {
    "module": "strangers_code", "class_name": "network", "config": {}, "registered_name": "x>y",
}  # fmt: skip


@pytest.mark.parametrize("what", ["lambda", "module", "huge", "bomb", "no zip"])
def test_a_strangers_network_runs_nothing_and_stays_small(
    what: str, tmp_path: Path, strangers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    network.save(tmp_path / "good.keras")
    assert load_network(tmp_path / "good.keras", "--init a").count_params() == 19
    evil = tmp_path / "evil.keras"
    if what == "lambda":
        sign = str(tmp_path / "ran")
        lambda_ = keras.layers.Lambda(
            lambda x: (Path(sign).write_text("ran", encoding="utf-8"), x)[1]
        )
        saved = keras.saving.serialize_keras_object(lambda_)
        with_config(tmp_path / "good.keras", evil, with_layer(saved))
    elif what == "module":
        with_config(tmp_path / "good.keras", evil, with_layer(STRANGERS_LAYER))
    elif what == "huge":
        with_config(tmp_path / "good.keras", evil, enlarged)
    elif what == "bomb":
        with zipfile.ZipFile(evil, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", b" " * (1 << 26))
            for number in range(17):
                archive.writestr(f"{number}", b" " * (1 << 26))
    else:
        evil.write_bytes(b"PK")
    with pytest.raises(PilotError, match=r"--init a: evil\.keras cannot be read"):
        load_network(evil, "--init a")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["state", "weights of another", "huge weights", "no history"])
def test_a_damaged_checkpoint_is_said(
    damage: str, trained: TrainResult, cache_folder: Path, tmp_path: Path
) -> None:
    import h5py  # type: ignore[import-untyped]

    out = tmp_path / "run"
    shutil.copytree(trained.out, out)
    (out / PILOT_FILE).unlink()
    checkpoint = out / "checkpoint"
    state = json.loads((checkpoint / "state.json").read_text())
    weights = checkpoint / state["weights"]
    if damage == "state":
        (checkpoint / "state.json").write_text('{"weights": 3, "history": []}')
    elif damage == "no history":
        state["history"] = [{"epoch": 1, "val_loss": None}]
        (checkpoint / "state.json").write_text(json.dumps(state))
    elif damage == "weights of another":
        with h5py.File(weights, "w") as file:
            file.create_dataset("layers/dense/vars/0", data=np.zeros(3))
    else:
        with h5py.File(weights, "w") as file:
            file.create_dataset("a/vars/0", (10**6, 10**6), "f4", chunks=True, compression="gzip")
    with pytest.raises(TrainingError, match=r"the checkpoint cannot be read (?s:.*)another --out"):
        train(TrainConfig(out=out, resume=True, cache=cache_folder))


def test_a_picture_that_changes_while_it_is_learned_from_ends_in_a_sentence(tmp_path: Path) -> None:
    """What has no room in the cache is read each time; TensorFlow would wrap the error up."""
    recording = make_recording(tmp_path / "rec", rows=40)
    config = short_training(
        recording, tmp_path / "run", tmp_path / "cache", cache_limit="1MB", epochs=500
    )

    def spoil() -> None:
        while not (config.out / "checkpoint").exists():
            time.sleep(0.05)
        first, *others = sorted((recording / "IMG").iterdir())
        for one in others:
            shutil.copy(first, one)

    spoiling = threading.Thread(target=spoil)
    spoiling.start()
    with pytest.raises(TrainingError, match=r"has changed .* 'ghostlap train --resume --out \S+'"):
        train(config, Console(quiet=True))
    spoiling.join()

"""Training: what it leaves behind, that a kill loses nothing, and that it learns."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import TESTS
from recordings import make_recording
from rich.console import Console
from systems import linux
from trainings import short_training

from ghostlap.base.errors import (
    DatasetError,
    FolderError,
    GhostlapError,
    ModelError,
    PilotError,
    RecordingError,
    TrainingError,
)
from ghostlap.base.files import write_json
from ghostlap.commands.train import train
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.data.vision.preprocessing import SEED, scale
from ghostlap.pilots.backend import keras
from ghostlap.pilots.pilot import Pilot
from ghostlap.training import fit
from ghostlap.training.config import RECIPES, TrainConfig
from ghostlap.training.fit import TrainResult
from ghostlap.training.networks import Trainer, WarmupSchedule, network_for, set_precision


def weights_of(run: Path) -> list[np.ndarray]:
    return list(keras.saving.load_model(run / "model.keras", compile=False).get_weights())


def test_the_run_folder_holds_everything(trained: TrainResult) -> None:
    names = {path.name for path in trained.out.iterdir()}
    assert names >= {
        "config.json", "pilot.json", "model.keras", "model.h5", "model.json", "model.weights.h5",
        "model.onnx", "history.csv", "loss.png", "weights.csv", "weights.png", "checkpoint",
    }  # fmt: skip
    if keras.backend.backend() == "tensorflow":
        assert list((trained.out / "tensorboard").rglob("events.out.tfevents.*"))
    assert not [name for name in names if name.startswith(".")]  # nothing temporary
    with open(trained.out / "history.csv", encoding="utf-8", newline="") as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    best = min(history, key=lambda row: float(row["val_loss"]))
    assert int(best["epoch"]) == trained.best_epoch
    assert float(best["val_loss"]) == pytest.approx(trained.val_loss, rel=1e-6)


def test_seed_versions_and_options_are_saved(trained: TrainResult) -> None:
    config = json.loads((trained.out / "config.json").read_text())
    assert config["seed"] == 0
    assert config["versions"]["keras"] == keras.__version__
    assert TrainConfig.from_json(config).epochs == 3
    pilot = json.loads((trained.out / "pilot.json").read_text())
    assert pilot["training"]["recordings_seen"][0]["rows"] == 120
    assert pilot["onnx_difference"] < 1e-4
    assert pilot["training"]["training_samples"] > 200
    assert pilot["metrics"]["validation"] == trained.validation


def test_the_loss_of_the_best_epoch_is_the_pilots(trained: TrainResult) -> None:
    assert trained.validation["mse"] == pytest.approx(trained.val_loss, rel=1e-3)


def test_the_weights_logger_tells_each_layers_movement(trained: TrainResult) -> None:
    with open(trained.out / "weights.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["epoch"] for row in rows} == {"0", "1", "2", "3"}
    assert len(rows) == 4 * 18  # nine layers of kernel and bias
    kernels = [row for row in rows if row["variable"] == "kernel"]
    assert all(float(row["norm"]) > 0 for row in kernels)
    assert all(float(row["update_norm"]) > 0 for row in kernels if row["epoch"] != "0")
    last = [row for row in kernels if row["epoch"] == str(trained.best_epoch)]
    saved = [weights for weights in weights_of(trained.out) if weights.ndim > 1]
    for row, weights in zip(last, saved, strict=True):
        assert float(row["norm"]) == pytest.approx(np.linalg.norm(weights), rel=1e-4)
        assert float(row["mean"]) == pytest.approx(weights.mean(), rel=1e-3, abs=1e-6)


def test_the_same_seed_trains_the_same_pilot(
    trained: TrainResult, small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    again = train(short_training(small_recording, tmp_path / "b", cache_folder, workers=2))
    for first, second in zip(weights_of(trained.out), weights_of(again.out), strict=True):
        np.testing.assert_array_equal(first, second)


KILLED = """
import os, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from trainings import short_training
from ghostlap.commands.train import train
from ghostlap.training import callbacks
when = {when!r}
save = callbacks.Checkpoints._save
def kill_while_saving(self, name):
    if name == "epoch-0002.weights.h5":
        (self.folder / ".half.weights.h5").write_bytes(b"half a file")
        os._exit(137)
    save(self, name)
def kill_in_epoch(self, batch, logs=None):
    if self.epoch == 1 and batch == 2:
        os._exit(137)
if when == "saving":
    callbacks.Checkpoints._save = kill_while_saving
else:
    callbacks.Progress.on_train_batch_end = kill_in_epoch
train(short_training(Path({rec!r}), Path({out!r}), Path({cache!r})))
"""


@pytest.mark.parametrize("when", ["within an epoch", "saving"])
def test_a_killed_training_goes_on_as_if_nothing_had_happened(
    when: str, trained: TrainResult, small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    code = KILLED.format(
        tests=str(TESTS), when=when, rec=str(small_recording), out=str(out),
        cache=str(cache_folder),
    )  # fmt: skip
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert ended.returncode == 137, ended.stderr.decode()
    with pytest.raises(PilotError, match="not finished.*'ghostlap train --resume --out"):
        Pilot.load(out)
    (out / "checkpoint" / "epoch-0000.weights.h5").touch()  # killed before it was removed
    resumed = train(TrainConfig(out=out, cache=cache_folder, resume=True))
    assert resumed.epochs == 3
    assert resumed.val_loss == trained.val_loss
    names = {path.name for path in (out / "checkpoint").glob("epoch-*")}
    assert names == {path.name for path in (trained.out / "checkpoint").glob("epoch-*")}
    for unbroken, broken in zip(weights_of(trained.out), weights_of(out), strict=True):
        np.testing.assert_array_equal(unbroken, broken)
    assert (out / "history.csv").read_text() == (trained.out / "history.csv").read_text()
    assert (out / "weights.csv").read_text() == (trained.out / "weights.csv").read_text()


KILLED_AT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from kills import kill_before
from trainings import short_training
from ghostlap.commands.train import train
from ghostlap.training import plots, weights_log
plots.plot_history = weights_log.plot_weights = lambda data, picture: picture.touch()
count = kill_before(Path({out!r}), {step})
train(short_training(Path({rec!r}), Path({out!r}), Path({cache!r})))
print(count())
"""


@pytest.mark.slow
@linux("the harness of kills looks at /proc")
def test_a_training_killed_at_any_step_goes_on_or_begins_anew(
    trained: TrainResult, small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    def killed(step: int | None, out: Path) -> subprocess.CompletedProcess[str]:
        code = KILLED_AT.format(
            tests=str(TESTS), step=step, rec=str(small_recording), out=str(out),
            cache=str(cache_folder),
        )  # fmt: skip
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    steps = int(killed(None, tmp_path / "whole").stdout.split()[-1])
    assert steps > 40
    for step in [*range(1, 7), *range(8, steps, steps // 5), *range(steps - 4, steps + 1)]:
        out = tmp_path / f"killed-{step}"
        ended = killed(step, out)
        assert ended.returncode == 137, f"step {step}: {ended.stderr}"
        if not (out / "pilot.json").exists():
            try:
                train(TrainConfig(out=out, cache=cache_folder, resume=True))
            except TrainingError as error:
                assert step < 8, f"step {step}: {error}"  # noqa: PT017
                train(short_training(small_recording, out, cache_folder))
        for unbroken, broken in zip(weights_of(trained.out), weights_of(out), strict=True):
            np.testing.assert_array_equal(unbroken, broken)
        assert "metrics" in json.loads((out / "pilot.json").read_text())


def test_two_new_trainings_in_one_folder_do_not_meet(
    small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    """Both are begun at once; whoever comes second leaves no trace."""
    code = (
        "import sys; sys.path.insert(0, {tests!r}); from pathlib import Path;"
        "from trainings import short_training; from ghostlap.commands.train import train;"
        "train(short_training(Path({rec!r}), Path({out!r}), Path({cache!r}), seed={seed}))"
    )
    out = tmp_path / "a"
    both = [
        subprocess.Popen(
            [
                sys.executable, "-c",
                code.format(tests=str(TESTS), rec=str(small_recording),
                            out=str(out), cache=str(cache_folder), seed=seed),
            ],
            stderr=subprocess.PIPE, text=True,
        )
        for seed in (1, 2)
    ]  # fmt: skip
    said = [one.communicate()[1] for one in both]
    won = [one.returncode == 0 for one in both]
    assert sorted(won) == [False, True], said
    lost = said[won.index(False)]
    assert "another process is writing there" in lost or "holds a run already" in lost
    seed = 1 + won.index(True)
    assert json.loads((out / "config.json").read_text())["seed"] == seed
    assert json.loads((out / "pilot.json").read_text())["training"]["seed"] == seed
    assert not [path.name for path in out.rglob(".*")]


def test_a_checkpoint_is_not_written_through_a_link(
    small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    out, theirs = tmp_path / "a", tmp_path / "theirs"
    out.mkdir()
    theirs.mkdir()
    (theirs / "epoch-0009.weights.h5").touch()
    config = short_training(small_recording, out, cache_folder)
    write_json(out / "config.json", config.to_json())
    (out / "checkpoint").symlink_to(theirs)
    with pytest.raises(FolderError, match="checkpoint: this is a link to elsewhere"):
        train(TrainConfig(out=out, cache=cache_folder, resume=True))
    assert [path.name for path in theirs.iterdir()] == ["epoch-0009.weights.h5"]


def test_an_output_folder_that_holds_a_run_is_left_alone(
    trained: TrainResult, small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.out.rglob("*")}
    config = short_training(small_recording, trained.out, cache_folder)
    with pytest.raises(TrainingError, match="holds a run already, and its pilot.*--init"):
        train(config)
    with pytest.raises(TrainingError, match="is finished.*--init"):
        train(dataclasses.replace(config, resume=True))
    assert before == {path: path.stat().st_mtime_ns for path in trained.out.rglob("*")}
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(TrainingError, match="the folder is not empty"):
        train(dataclasses.replace(config, out=tmp_path))
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(dataclasses.replace(config, out=tmp_path, resume=True))


def test_a_training_is_resumed_with_its_own_options(
    small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    from ghostlap.training.run_folder import check_run_folder, claim_run_folder

    config = short_training(small_recording, tmp_path / "r", cache_folder)
    claim_run_folder(config)
    changed = dataclasses.replace(config, resume=True, learning_rate=0.5)
    with pytest.raises(TrainingError, match="Differing: learning_rate was 0.001, now 0.5"):
        check_run_folder(changed)
    with pytest.raises(TrainingError, match="which is not finished. Continue it with 'ghostlap"):
        check_run_folder(config)
    assert check_run_folder(TrainConfig(out=config.out, resume=True)).learning_rate == 1e-3


def test_a_mistake_leaves_no_run_folder_behind(cache_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(RecordingError, match="no such folder"):
        train(short_training(tmp_path / "nowhere", out, cache_folder))
    with pytest.raises(TrainingError, match="name at least one recording"):
        train(TrainConfig(out=out))
    recording = make_recording(tmp_path / "rec", rows=30)
    with pytest.raises(ModelError, match="no such model. Choose one of"):
        train(short_training(recording, out, cache_folder, model="alexnet"))
    with pytest.raises(DatasetError, match="neither a .json file nor a preset"):
        train(short_training(recording, out, cache_folder, augment="wild"))
    assert not out.exists()


def test_init_continues_from_an_earlier_pilot(
    trained: TrainResult, small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    """With a vanishing learning rate the new pilot is the old one."""
    config = short_training(
        small_recording, tmp_path / "more", cache_folder, init=trained.out, epochs=1,
        learning_rate=1e-12,
    )  # fmt: skip
    train(config)
    for old, new in zip(weights_of(trained.out), weights_of(config.out), strict=True):
        np.testing.assert_allclose(old, new, atol=1e-7)
    with pytest.raises(PilotError, match="answers steering; steering, speed are asked for"):
        train(dataclasses.replace(config, out=tmp_path / "x", speed=True))
    other = dataclasses.replace(SEED, colour="bgr")
    with pytest.raises(PilotError, match="other preprocessing"):
        train(dataclasses.replace(config, out=tmp_path / "y", preprocessing=other))
    with pytest.raises(PilotError, match="no such run folder"):
        train(dataclasses.replace(config, out=tmp_path / "z", init=tmp_path / "nowhere"))


def test_it_learns_to_steer_and_says_how_well(
    small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    """The drawn road bends as the label says; a few hundred samples are enough to see that."""
    result = train(
        short_training(
            small_recording,
            tmp_path / "r",
            cache_folder,
            model="pilotnet_small",
            epochs=4,
            steps_per_epoch=40,
            batch_size=32,
            augment="none",
            split="image",
        )
    )
    assert result.validation["mse"] < result.validation["zero_mse"] / 4
    assert result.validation["pearson_r"] > 0.9


@pytest.mark.parametrize(
    "options",
    [
        {"speed": True, "loss": "huber", "optimizer": "adamw"},
        {"model": "pilotnet_bn", "precision": "bfloat16"},
        {"model": "pilotnet_residual", "schedule": "constant", "cameras": ("center",)},
    ],
)
def test_other_options_make_pilots_too(
    options: dict[str, Any], small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    config = short_training(small_recording, tmp_path / "r", cache_folder, epochs=1, **options)
    assert np.isfinite(train(config).val_loss)
    pilot = Pilot.load(config.out)
    assert pilot.outputs == (("steering", "speed") if options.get("speed") else ("steering",))
    assert np.isfinite(pilot.predict(np.zeros((2, 160, 320, 3), np.uint8))).all()


def test_a_second_output_without_recorded_speed_counts_for_nothing(
    small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "rec"
    make_recording(folder, rows=40)
    log = folder / "driving_log.csv"
    lines = log.read_text().splitlines()
    without = [line.rpartition(",")[0] + ",nan" for line in lines]
    log.write_text("\n".join([*lines[:5], *without[5:]]) + "\n")
    config = short_training(folder, tmp_path / "r", cache_folder, speed=True, epochs=1)
    assert np.isfinite(train(config).val_loss)
    log.write_text("\n".join(without) + "\n")
    with pytest.raises(DatasetError, match="--speed: no row of .* has a speed to learn"):
        train(dataclasses.replace(config, out=tmp_path / "none"))


def test_early_stopping_waits_as_long_as_it_is_told(
    small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    config = short_training(
        small_recording, tmp_path / "r", cache_folder, epochs=30, steps_per_epoch=1, patience=2,
        learning_rate=0.05, warmup_steps=0, model="pilotnet_small",
    )  # fmt: skip
    result = train(config)
    assert result.epochs == result.best_epoch + 2 < 30


def test_a_loss_that_is_not_finite_is_said_and_the_checkpoint_kept(
    small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    config = short_training(
        small_recording, tmp_path / "r", cache_folder, learning_rate=1e30, warmup_steps=0
    )
    with pytest.raises(TrainingError, match="loss is not finite after epoch .*Lower --learning"):
        train(config)


def test_bad_pictures_and_rows_are_left_out_aloud(
    cache_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_recording(tmp_path / "rec", rows=60)
    images = sorted((folder / "IMG").glob("center*"))
    images[3].write_bytes(images[3].read_bytes()[:2000])
    images[9].write_bytes(encode_jpeg(np.zeros((480, 640, 3), np.uint8)))
    images[12].unlink()
    log = folder / "driving_log.csv"
    lines = log.read_text().splitlines()
    for row, steering in ((20, "nan"), (21, "inf"), (22, "left"), (23, "7.3")):
        cells = lines[row].split(",")
        cells[3] = steering
        lines[row] = ",".join(cells)
    lines[30] = "cut,off"
    log.write_text("\n".join(lines) + "\n")
    console = Console(record=True, width=400)
    config = short_training(folder, tmp_path / "run", cache_folder, epochs=1)
    train(config, console)
    told = console.export_text()
    assert "4 rows have no steering in [-1, 1]" in told
    assert "1 rows could not be read; the first: line 31" in told
    assert "3 samples are left out, because 3 pictures cannot be used" in told
    assert log.read_text() == "\n".join(lines) + "\n"


@pytest.mark.parametrize("size", [(240, 320), (120, 160)])
def test_frames_of_another_size_train_too(
    size: tuple[int, int], cache_folder: Path, tmp_path: Path
) -> None:
    import cv2

    from ghostlap.data.vision.pictures import read_rgb

    folder = make_recording(tmp_path / "rec", rows=40)
    for path in (folder / "IMG").iterdir():
        resized = cv2.resize(read_rgb(path), size[::-1])
        path.write_bytes(encode_jpeg(np.asarray(resized, np.uint8)))
    config = short_training(folder, tmp_path / "run", cache_folder, epochs=1)
    train(config)
    assert isinstance(Pilot.load(config.out).steer(np.zeros((*size, 3), np.uint8)), float)
    other = make_recording(tmp_path / "other", rows=20)
    with pytest.raises(DatasetError, match="must have frames of one size. Got .*320x160 in"):
        train(dataclasses.replace(config, recordings=(folder, other), out=tmp_path / "both"))


def test_a_recording_too_short_is_said(cache_folder: Path, tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "rec", rows=1)
    with pytest.raises(DatasetError, match="3 samples of 1 moments.*Record more"):
        train(short_training(folder, tmp_path / "run", cache_folder))


def test_all_pictures_missing_names_the_machine_they_were_on(
    cache_folder: Path, tmp_path: Path
) -> None:
    folder = make_recording(tmp_path / "rec", rows=5)
    for path in (folder / "IMG").iterdir():
        path.unlink()
    with pytest.raises(RecordingError, match="all 15 images .* missing.*Ann Lee"):
        train(short_training(folder, tmp_path / "run", cache_folder))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "--batch-size must be at least 1. Got 0"),
        ({"learning_rate": -1.0}, "--learning-rate must be at least"),
        (
            {"steering_correction": float("nan")},
            "must be from 1e-06 to 10. Got nan",
        ),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GhostlapError, match=message):
        TrainConfig(**options)


def test_the_recipe_is_the_seeds() -> None:
    recipe = RECIPES["seed003"]
    assert (recipe.model, recipe.batch_size, recipe.steps_per_epoch, recipe.epochs) == (
        "pilotnet", 100, 300, 10,
    )  # fmt: skip
    assert (recipe.steering_correction, recipe.split, recipe.augment) == (0.15, "image", "seed003")
    assert (recipe.optimizer, recipe.learning_rate, recipe.schedule) == ("adam", 1e-3, "constant")
    assert (recipe.bins, recipe.cap, recipe.validation) == (25, 400, 0.2)


def test_config_survives_json() -> None:
    config = dataclasses.replace(
        RECIPES["seed003"], recordings=(Path("/a"), Path("/b")), out=Path("/r"), cap=None
    )
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_learning_rate_rises_and_falls() -> None:
    schedule = WarmupSchedule(1e-3, warmup_steps=10, steps=110, cosine=True)
    rates = [float(schedule(step)) for step in range(111)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert np.argmax(rates) in (9, 10)
    assert rates[60] == pytest.approx(5e-4, rel=1e-3)
    assert rates[110] == pytest.approx(0, abs=1e-9)
    level = WarmupSchedule(1e-3, warmup_steps=0, steps=110, cosine=False)
    assert float(level(0)) == float(level(110)) == pytest.approx(1e-3)


def test_a_trainer_of_bytes_computes_what_the_pilots_network_does() -> None:
    network = network_for(TrainConfig(), SEED)
    spec = dataclasses.replace(SEED, divide_by=127.5, offset=-1.0)
    pixels = np.random.default_rng(0).integers(0, 256, (3, *SEED.input_shape), np.uint8)
    trained = Trainer(network, spec)(pixels, training=False)
    alone = network(scale(pixels, spec), training=False)
    np.testing.assert_allclose(np.asarray(trained), np.asarray(alone), atol=1e-6)


def test_bfloat16_computes_in_sixteen_bits_and_keeps_thirty_two() -> None:
    network = network_for(TrainConfig(precision="bfloat16"), SEED)
    assert {layer.compute_dtype for layer in network.layers[:-1]} == {"bfloat16"}
    assert network.layers[-1].compute_dtype == "float32"
    assert {str(weights.dtype) for weights in network.get_weights()} == {"float32"}
    set_precision(network, "float32")
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}


@pytest.mark.parametrize(
    ("devices", "cores", "threads"),
    [(["cpu:0"], 64, 1), (["gpu:0"], 16, 4), (["gpu:0", "gpu:1"], 2, 1), (None, 16, 1)],
)
def test_a_device_that_does_not_compute_here_gets_more_loaders(
    devices: list[str] | None, cores: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend for which Keras lists no devices, as with PyTorch, gets one."""

    def list_devices() -> list[str]:
        if devices is None:
            raise AttributeError("distribution_lib")
        return devices

    monkeypatch.setattr(keras.distribution, "list_devices", list_devices)
    monkeypatch.setattr(fit, "cores", lambda: cores)
    assert fit._loader_threads() == threads

"""Auxiliary outputs: learned beside the steering, gone from the pilot."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from recordings import image_names, make_recording, steering_at
from trainings import short_training

from ghostlap.base.errors import DatasetError, ModelError, TrainingError
from ghostlap.commands.train import train
from ghostlap.data.auxiliary import AUXILIARIES, MASK_COLUMNS, MASK_ROWS, MASK_TOP, mask_text
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH
from ghostlap.data.vision.preprocessing import SEED
from ghostlap.pilots.backend import keras
from ghostlap.pilots.models import MODELS
from ghostlap.pilots.pilot import Pilot
from ghostlap.training.config import TrainConfig
from ghostlap.training.networks import Trainer, network_for


@pytest.fixture(scope="module")
def with_truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn recording and the truth of what is drawn; not to be changed."""
    folder = make_recording(tmp_path_factory.mktemp("truth") / "rec", rows=120)
    rows = (MASK_TOP + (1 - MASK_TOP) * (np.arange(MASK_ROWS)[:, None] + 0.5) / MASK_ROWS) * 160
    ahead_m = 138.6 * 1.36 / (rows - 58.6)
    with GROUND_TRUTH.open(folder) as log:
        for row in range(120):
            bend_per_m = math.tan(math.radians(25) * steering_at(row)) / 3.2
            aside_m = (np.arange(MASK_COLUMNS) - 9.5) * 16 * ahead_m / 138.6
            aside_m = aside_m - np.where(ahead_m < 40, bend_per_m * ahead_m**2 / 2, 0)
            truth = {"cte_m": 0.0, "heading_error_rad": 0.0, "width_m": 7.0}
            truth |= {"curvature_ahead_per_m": -bend_per_m}
            log.append(image_names(row)[0], {**truth, "road_mask": mask_text(abs(aside_m) < 3.5)})
    return folder


def history_of(run: Path) -> list[dict[str, float]]:
    with open(run / "history.csv", encoding="utf-8", newline="") as file:
        return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]


def test_auxiliaries_are_learned_and_the_pilot_is_the_plain_network(
    with_truth: Path, tmp_path: Path, cache_folder: Path
) -> None:
    config = short_training(
        with_truth, tmp_path / "a", cache_folder, auxiliary="all", epochs=4, steps_per_epoch=8
    )
    result = train(config)
    history = history_of(config.out)
    assert history[-1]["auxiliary"] < 0.8 * history[0]["auxiliary"]
    assert history[-1]["val_auxiliary"] < 0.9 * history[0]["val_auxiliary"]
    # Epochs are chosen by the steering alone.
    assert result.validation["mse"] == pytest.approx(result.val_loss, rel=1e-3)
    seen = np.zeros((2, *SEED.input_shape), np.float32)
    assert Pilot.load(config.out).network.run(seen)[0].shape == (2, 1)
    saved = keras.saving.load_model(config.out / "model.keras", compile=False)
    plain = MODELS["pilotnet"](SEED.input_shape, 1)
    assert saved.output_shape == (None, 1)
    assert saved.count_params() == plain.count_params()


def test_recordings_without_truth_are_learned_from_as_well(
    with_truth: Path, small_recording: Path, tmp_path: Path, cache_folder: Path
) -> None:
    config = short_training(
        with_truth, tmp_path / "both", cache_folder,
        recordings=(with_truth, small_recording), auxiliary="mask,cte", speed=True,
        steering_std=True, model="pilotnet_small",
    )  # fmt: skip
    train(config)
    history = history_of(config.out)
    assert all(math.isfinite(value) for row in history for value in row.values())
    assert history[-1]["auxiliary"] < history[0]["auxiliary"]
    assert Pilot.load(config.out).outputs == ("steering", "speed", "steering_std")


def test_without_any_truth_it_is_said(
    small_recording: Path, tmp_path: Path, cache_folder: Path
) -> None:
    config = short_training(small_recording, tmp_path / "a", cache_folder, auxiliary="cte,width")
    with pytest.raises(DatasetError, match=r"--auxiliary: no row of .*rec says its cte or width"):
        train(config)
    assert not config.out.exists()


def test_what_is_no_auxiliary_is_said() -> None:
    with pytest.raises(
        TrainingError, match=r"cte,heading,curvature,width,mask, or all. Got 'road'"
    ):
        TrainConfig(auxiliary="cte,road")
    assert TrainConfig(auxiliary="mask, cte").auxiliaries == ("cte", "mask")
    assert TrainConfig(auxiliary="all").auxiliaries == AUXILIARIES


@pytest.mark.parametrize("model", MODELS)
def test_each_model_has_auxiliaries_and_a_checkpoint_keeps_what_says_them(
    model: str, tmp_path: Path
) -> None:
    config = TrainConfig(model=model, auxiliary="all", speed=True)
    pixels = np.random.default_rng(0).integers(256, size=(2, *SEED.input_shape), dtype=np.uint8)
    first, second = (Trainer(network_for(config, SEED), SEED, config) for _ in range(2))
    answers = np.asarray(first(pixels, training=False))
    assert answers.shape == (2, 2 + 204)
    plain = np.asarray(Trainer(first.network, SEED)(pixels, training=False))
    np.testing.assert_allclose(answers[:, :2], plain, atol=1e-6)
    first.save_weights(tmp_path / "a.weights.h5")
    second.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_allclose(np.asarray(second(pixels, training=False)), answers, atol=1e-6)


def test_a_network_without_a_dense_layer_is_refused() -> None:
    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((66, 200, 3)), layers.Conv2D(1, 5), layers.GlobalAveragePooling2D()]
    )
    with pytest.raises(ModelError, match="--auxiliary needs a network with a Dense layer"):
        Trainer(network, SEED, TrainConfig(auxiliary="cte"))

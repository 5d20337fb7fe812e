"""A pilot drives without Keras as Keras would, and refuses what is not one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recordings import draw_frame
from small_pilot import make_pilot

from ghostlap.base.errors import GhostlapError, ImageError, PilotError
from ghostlap.base.platform import quoted
from ghostlap.data.vision.preprocessing import preprocess
from ghostlap.pilots.backend import keras
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.pilot_saving import export_onnx
from ghostlap.pilots.run_folder import run_file
from ghostlap.training.fit import TrainResult


def test_onnx_agrees_with_every_keras_file(trained: TrainResult) -> None:
    frames = np.stack([draw_frame(steering) for steering in (-0.5, 0.0, 0.3)])
    steering = Pilot.load(trained.out).steer(frames)
    assert steering.shape == (3,)
    seen = np.stack([preprocess(frame) for frame in frames])
    from_json = keras.models.model_from_json((trained.out / "model.json").read_text())
    from_json.load_weights(trained.out / "model.weights.h5")
    for network in (
        keras.saving.load_model(trained.out / "model.keras"),
        keras.saving.load_model(trained.out / "model.h5", compile=False),
        from_json,
    ):
        answers = keras.ops.convert_to_numpy(network(seen))[:, 0]
        np.testing.assert_allclose(steering, answers, atol=1e-4)


def test_one_frame_gives_a_number_and_none_gives_none(trained: TrainResult) -> None:
    pilot = Pilot.load(trained.out)
    frame = draw_frame(0.2)
    alone = pilot.steer(frame)
    assert isinstance(alone, float)
    assert alone == pytest.approx(float(pilot.steer(frame[None])[0]), abs=1e-6)
    assert pilot.steer(np.zeros((0, 160, 320, 3), np.uint8)).shape == (0,)


def test_only_the_rows_that_the_crop_keeps_are_needed(trained: TrainResult) -> None:
    pilot = Pilot.load(trained.out)
    frames = np.stack([draw_frame(steering) for steering in (-0.4, 0.1)])
    np.testing.assert_array_equal(pilot.predict_cropped(frames[:, 60:135]), pilot.predict(frames))


def test_a_backend_that_cannot_write_onnx_has_tensorflow_do_it(
    trained: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = keras.saving.load_model(trained.out / "model.keras")

    def needs_another_package(*_: object, **__: object) -> None:
        raise ImportError("This requires the jax2onnx module.")

    monkeypatch.setattr(type(network), "export", needs_another_package)
    for name in ("pilot.json", "model.onnx"):
        shutil.copy(trained.out / name, tmp_path / name)
    export_onnx(network, tmp_path / "model.onnx")
    frame = draw_frame(0.3)
    assert Pilot.load(tmp_path).steer(frame) == pytest.approx(
        Pilot.load(trained.out).steer(frame), abs=1e-5
    )
    monkeypatch.setattr(sys, "executable", shutil.which("false") or shutil.which("reg"))
    with pytest.raises(PilotError, match="cannot be written as ONNX. model.keras is kept"):
        export_onnx(network, tmp_path / "x.onnx")


def test_driving_does_not_load_the_training_framework(trained: TrainResult) -> None:
    code = (
        "import sys, numpy; from ghostlap.pilots.pilot import Pilot;"
        f"Pilot.load({str(trained.out)!r}).steer(numpy.zeros((160, 320, 3), 'uint8'));"
        "sys.exit('keras' in sys.modules or 'pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_frames_of_another_size_are_refused(trained: TrainResult) -> None:
    with pytest.raises(ImageError, match=r"Got uint8 of shape \(120, 160, 3\)"):
        Pilot.load(trained.out).steer(np.zeros((120, 160, 3), np.uint8))


@pytest.fixture
def copy(trained: TrainResult, tmp_path: Path) -> Path:
    for name in ("pilot.json", "model.onnx"):
        shutil.copy(trained.out / name, tmp_path / name)
    return tmp_path


def test_a_folder_without_a_pilot_is_named(tmp_path: Path) -> None:
    with pytest.raises(PilotError, match="no such run folder. 'ghostlap train REC"):
        Pilot.load(tmp_path / "nowhere")
    with pytest.raises(PilotError, match=r"holds no pilot.json"):
        Pilot.load(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(PilotError, match="must be the run folder of a pilot. Got a file"):
        Pilot.load(tmp_path / "notes.txt")
    model = tmp_path / "model.h5"
    model.touch()
    named = re.escape(quoted(model))
    for path in (model, tmp_path):
        with pytest.raises(PilotError, match=rf"ghostlap import {named} --like RECORDING --out "):
            Pilot.load(path)
    (tmp_path / "drive.py").touch()
    with pytest.raises(PilotError, match=rf"import {named} --script \S+drive.py'? --out "):
        Pilot.load(model)


def test_a_broken_pilot_is_refused(copy: Path) -> None:
    onnx = (copy / "model.onnx").read_bytes()
    (copy / "model.onnx").write_bytes(onnx[: len(onnx) // 2])
    with pytest.raises(PilotError, match="cannot be read .*Copy the whole run folder again"):
        Pilot.load(copy)
    (copy / "model.onnx").unlink()
    with pytest.raises(PilotError, match="cannot be read"):
        Pilot.load(copy)


def test_a_broken_description_is_refused(copy: Path) -> None:
    path = copy / "pilot.json"
    whole = json.loads(path.read_text())
    path.write_text(path.read_text()[:50])
    with pytest.raises(PilotError, match="pilot.json: cannot be read"):
        Pilot.load(copy)
    path.write_text(json.dumps({**whole, "format": 99}))
    with pytest.raises(PilotError, match="of format 1. Got 99. A newer Ghostlap"):
        Pilot.load(copy)
    path.write_text(json.dumps({**whole, "preprocessing": {"crop": 1}}))
    with pytest.raises(GhostlapError, match="must name exactly"):
        Pilot.load(copy)
    other = {**whole["preprocessing"], "width_px": 100}
    path.write_text(json.dumps({**whole, "preprocessing": other}))
    with pytest.raises(PilotError, match="The two files are not of one run"):
        Pilot.load(copy)


def test_a_pilot_that_comes_along_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ghostlap.pilots.run_folder.BUILT_IN", tmp_path / "along")
    make_pilot(tmp_path / "along" / "handy")
    monkeypatch.chdir(tmp_path)
    assert Pilot.load("handy").outputs == ("steering",)
    # A folder for its results is not in the way; another pilot of that name is meant instead.
    (tmp_path / "handy" / "evaluate").mkdir(parents=True)
    assert run_file(Path("handy"), "x.onnx") == tmp_path / "along" / "handy" / "x.onnx"
    make_pilot(tmp_path / "handy")
    assert run_file(Path("handy"), "x.onnx") == Path("handy") / "x.onnx"
    with pytest.raises(PilotError, match="Pilots that come along: handy"):
        Pilot.load("handier")
    with pytest.raises(PilotError, match="no such run folder"):
        Pilot.load(tmp_path / "elsewhere" / "handy")


def test_pilots_are_checked_in_full_precision_and_trained_as_before() -> None:
    """A GPU's TF32 is off by more than a pilot's file may be from its network."""
    import tensorflow as tf

    from ghostlap.pilots.backend import full_precision

    allowed = tf.config.experimental.tensor_float_32_execution_enabled
    before = allowed()
    with full_precision():
        assert not allowed()
    assert allowed() == before

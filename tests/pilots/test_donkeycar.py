"""A pilot in a donkeycar: as a part of its loop, and as the file that its own program loads."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from places import ROOT, SHARED
from rich.console import Console
from small_pilot import GREY, make_pilot

from ghostlap.base.errors import ExchangeError, ImageError, PilotError
from ghostlap.commands.export import export
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.pilots.donkeycar import GhostlapPilot
from ghostlap.pilots.export.config import ExportConfig
from ghostlap.pilots.export.donkeycar_graph import require_known

QUIET = Console(file=io.StringIO())
TUB = SHARED / "data" / "donkey-tub-v2"


def frame(grey: float) -> np.ndarray:
    return np.full((120, 160, 3), round(grey), np.uint8)


def test_the_part_answers_angle_and_throttle(tmp_path: Path) -> None:
    part = GhostlapPilot(make_pilot(tmp_path / "a"), throttle=0.4, slow_in_bends=0.5)
    assert part.run(None) == (0.0, 0.0)
    angle, throttle = part.run(frame(GREY))
    assert abs(angle) < 0.01
    assert throttle == pytest.approx(0.4, abs=0.01)
    angle, throttle = part.run(frame(GREY / 2), "what another channel says")
    assert angle == pytest.approx(-0.5, abs=0.01)
    assert throttle == pytest.approx(0.4 * 0.75, abs=0.01)
    assert part.run(frame(2.1 * GREY))[0] == 1.0, "clipped"
    assert part.run(None) == (1.0, 0.0), "a lost picture: the wheels stay, the motor stops"
    part.shutdown()


def test_what_the_part_cannot_be(tmp_path: Path) -> None:
    run = make_pilot(tmp_path / "a")
    with pytest.raises(PilotError, match="throttle must be from 0 to 1. Got 1.5"):
        GhostlapPilot(run, throttle=1.5)
    with pytest.raises(PilotError, match="no such run folder"):
        GhostlapPilot(tmp_path / "none")
    with pytest.raises(ImageError):
        GhostlapPilot(run).run(np.zeros((120, 160), np.uint8))
    with pytest.raises(ImageError):
        GhostlapPilot(run).run(np.zeros((120, 160, 3), np.float32))


def test_a_preprocessing_that_tensorflow_lite_has_not() -> None:
    require_known(Preprocessing())
    with pytest.raises(ExchangeError, match="'equalize 0' of this pilot's .*GhostlapPilot"):
        require_known(Preprocessing(colour="rgb", blur_px=0, steps=("equalize 0", "resize 200x66")))


@pytest.mark.slow
def test_the_exported_file_steers_as_the_pilot(tmp_path: Path, trained: Any) -> None:
    told = export(ExportConfig(trained.out, to="donkeycar", out=tmp_path / "car.tflite"), QUIET)
    assert told["outputs"] == ("angle", "throttle")
    assert (tmp_path / "car.tflite").stat().st_size > 10_000


LOOP = """
import json, sys
import numpy as np
from PIL import Image
from donkeycar.vehicle import Vehicle
from donkeycar.parts.interpreter import TfLite

run, tflite, *pictures = sys.argv[1:]
frames = [np.asarray(Image.open(picture).convert("RGB")) for picture in pictures]

class Camera:
    def __init__(self):
        self.shown = iter(frames)
    def run(self):
        return next(self.shown)

class Notes:
    def __init__(self):
        self.found = []
    def run(self, *values):
        self.found.append([float(value) for value in values])

class File:
    '''As donkeycar's KerasLinear has its interpreter asked.'''
    def __init__(self):
        self.interpreter = TfLite()
        self.interpreter.load(tflite)
        assert list(self.interpreter.get_input_shape("img_in")) == [1, 120, 160, 3]
    def run(self, image):
        norm = image.astype(np.float32) / 255
        angle, throttle = self.interpreter.predict_from_dict({self.interpreter.input_keys[0]: norm})
        return angle[0], throttle[0]

from ghostlap.pilots.donkeycar import GhostlapPilot

notes = Notes()
vehicle = Vehicle()
vehicle.add(Camera(), outputs=["cam/image_array"])
vehicle.add(GhostlapPilot(run), inputs=["cam/image_array"], outputs=["angle", "throttle"])
seen = ["angle", "throttle"]
if tflite:
    vehicle.add(File(), inputs=["cam/image_array"], outputs=["file/angle", "file/throttle"])
    seen += ["file/angle", "file/throttle"]
vehicle.add(notes, inputs=seen)
vehicle.start(rate_hz=1000, max_loop_count=len(frames))
print(json.dumps(notes.found))
"""


def donkeycar_python(folder: Path) -> str:
    """An interpreter that has donkeycar 5: that of ``$DONKEYCAR_PYTHON``, or one made here."""
    if named := os.environ.get("DONKEYCAR_PYTHON"):
        return named
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    needed = ["donkeycar>=5,<6", "numpy<2", "onnx", "onnxruntime", "opencv-python-headless<4.12",
              "ai-edge-litert", "rich", "tyro", "filelock"]  # fmt: skip
    made = subprocess.run([python, "-m", "pip", "install", "-q", *needed], check=False)
    if made.returncode:
        pytest.skip("donkeycar 5 cannot be installed here: set DONKEYCAR_PYTHON")
    return str(python)


@pytest.mark.slow
def test_in_donkeycars_own_loop_part_and_file_steer_alike(tmp_path: Path, trained: Any) -> None:
    python = donkeycar_python(tmp_path / "venv")
    export(ExportConfig(trained.out, to="donkeycar", out=tmp_path / "car.tflite"), QUIET)
    pictures = sorted((TUB / "images").glob("*.jpg"))[:40] if TUB.is_dir() else []
    if not pictures:
        draw = np.random.default_rng(0)
        for name in range(10):
            small = draw.integers(0, 256, (12, 16, 3)).astype(np.uint8)
            path = tmp_path / f"{name}.jpg"
            cv2.imwrite(str(path), cv2.resize(small, (160, 120)))
            pictures.append(path)
    script = tmp_path / "loop.py"
    script.write_text(LOOP, encoding="utf-8")
    ran = subprocess.run(
        [python, script, trained.out, tmp_path / "car.tflite", *pictures],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = np.array(json.loads(ran.stdout.strip().splitlines()[-1]))
    frames = [read_rgb(path) for path in pictures]
    part = GhostlapPilot(trained.out)
    assert len(found) == len(frames)
    here = np.array([part.run(rgb)[0] for rgb in frames])
    assert np.abs(found[:, 0] - here).max() < 0.01
    assert np.abs(found[:, :2] - found[:, 2:]).max() < 0.02

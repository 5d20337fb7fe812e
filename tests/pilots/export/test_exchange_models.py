"""Models out: the same steering from raw frames, in TensorFlow Lite, and in plain Keras."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import onnxruntime
import pytest
from recordings import draw_frame
from rich.console import Console
from small_pilot import make_pilot

from ghostlap.base.errors import ExchangeError, PilotError
from ghostlap.commands.export import export
from ghostlap.data.vision.preprocessing import Preprocessing, preprocess
from ghostlap.pilots.export.config import ExportConfig
from ghostlap.pilots.export.onnx_raw import PIXEL_TOLERANCE, preprocessing_graph
from ghostlap.pilots.models import build_model
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.pilot_saving import save_pilot

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pilot with all three answers, and the weights that a network begins with."""
    folder = tmp_path_factory.mktemp("pilot") / "run"
    spec = Preprocessing()
    network = build_model("pilotnet_small", spec.input_shape, 3)
    save_pilot(network, folder, spec, ("steering", "speed", "steering_std"), {})
    return folder


def frames(count: int = 6) -> np.ndarray:
    rng = np.random.default_rng(3)
    drawn = [draw_frame(0.2 * number - 0.4, seed=number) for number in range(count)]
    return np.stack([*drawn, *rng.integers(0, 256, (2, 160, 320, 3)).astype(np.uint8)])


@pytest.mark.parametrize("colour", ["yuv", "yuv-legacy", "rgb", "bgr", "hsv", "hsv-s", "grey"])
@pytest.mark.parametrize(("blur_px", "size_px"), [(3, (66, 200)), (5, (64, 64)), (0, (75, 320))])
def test_the_graph_preprocesses_as_opencv_does(
    colour: str, blur_px: int, size_px: tuple[int, int]
) -> None:
    height_px, width_px = size_px
    spec = Preprocessing(
        colour=colour,  # type: ignore[arg-type]
        blur_px=blur_px,
        height_px=height_px,
        width_px=width_px,
        divide_by=127.5,
        offset=-1.0,
    )
    graph = preprocessing_graph(spec, opset=13, ir_version=8).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {"frames": frames()})[0]
    wanted = np.stack([preprocess(frame, spec) for frame in frames()])
    off = np.abs(found - wanted) * 127.5
    assert off.max() <= PIXEL_TOLERANCE + 1e-3
    assert (off > 0.5).mean() < 0.01


@pytest.mark.parametrize(
    "steps",
    [
        ("crop 0:75,20:300", "resize 200x66 area", "colour RGB2YUV"),
        ("resize 200x66 pillow-bilinear", "channels 2,1,0"),
        ("resize 200x66 pillow-nearest", "colour BGR2HSV", "channels 1"),
        ("resize 200x66 cubic", "box 3x3"),
        ("mix 0.3,0.6,0.1", "resize 200x66 nearest"),
    ],
)
def test_the_graph_does_steps_in_their_order(steps: tuple[str, ...]) -> None:
    spec = Preprocessing(colour="rgb", blur_px=0, steps=steps, divide_by=1.0)
    graph = preprocessing_graph(spec, opset=13, ir_version=8).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {"frames": frames()})[0]
    wanted = np.stack([preprocess(frame, spec) for frame in frames()])
    off = np.abs(found - wanted)
    assert off.max() <= PIXEL_TOLERANCE + 1e-3


@pytest.mark.parametrize("step", ["median 3", "equalize 0", "wrap 1,-128", "colour RGB2LAB"])
def test_steps_that_no_graph_does_are_refused(step: str) -> None:
    spec = Preprocessing(colour="rgb", blur_px=0, steps=(step, "resize 200x66"))
    with pytest.raises(ExchangeError, match=f"'{step}'.* cannot be computed.*--as tflite or keras"):
        preprocessing_graph(spec, opset=13, ir_version=8)


def test_a_donkeycars_frames(tmp_path: Path) -> None:
    spec = Preprocessing().for_frames(120, 160)
    graph = preprocessing_graph(spec, opset=13, ir_version=8).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    small = np.stack([cv2.resize(frame, (160, 120)) for frame in frames()])
    found = session.run(None, {"frames": small})[0]
    wanted = np.stack([preprocess(frame, spec) for frame in small])
    assert np.abs(found - wanted).max() * 255 <= PIXEL_TOLERANCE + 1e-3


def test_onnx_from_raw_frames(pilot: Path, tmp_path: Path) -> None:
    out = tmp_path / "raw.onnx"
    result = export(ExportConfig(pilot, "onnx", out), QUIET)
    assert result["outputs"] == ("steering", "speed_mph", "steering_std")
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (asked,) = session.get_inputs()
    assert (asked.name, asked.type, asked.shape[1:]) == ("frames", "tensor(uint8)", [160, 320, 3])
    answers = np.concatenate(session.run(None, {"frames": frames()}), axis=1)
    assert answers == pytest.approx(Pilot.load(pilot).predict(frames()), abs=1e-3, rel=1e-3)
    about = json.loads((tmp_path / "raw.onnx.json").read_text())
    assert about["preprocessing"]["crop_top_px"] == 60
    assert about["measured"] is None


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_plain_keras_opens_it(pilot: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"plain.{ending}"
    export(ExportConfig(pilot, "keras", out), QUIET)
    seen = np.stack([preprocess(frame) for frame in frames()])
    np.save(tmp_path / "seen.npy", seen)
    code = (
        "import sys; sys.modules['ghostlap'] = None\n"  # importing it is an error now
        "import keras, numpy as np\n"
        "network = keras.saving.load_model(sys.argv[1], compile=False)\n"
        "np.save(sys.argv[3], network.predict(np.load(sys.argv[2]), verbose=0))\n"
    )
    files = [out, tmp_path / "seen.npy", tmp_path / "answers.npy"]
    subprocess.run(
        [sys.executable, "-c", code, *map(str, files)], check=True, cwd=tmp_path,
        capture_output=True,
    )  # fmt: skip
    answers = np.load(tmp_path / "answers.npy")
    assert answers[:, 0] == pytest.approx(Pilot.load(pilot).steer(frames()), abs=1e-4)


@pytest.mark.parametrize(("number", "most"), [("float32", 1e-4), ("float16", 5e-3)])
def test_tflite(
    pilot: Path, small_recording: Path, tmp_path: Path, number: str, most: float
) -> None:
    out = tmp_path / "small.tflite"
    config = ExportConfig(pilot, "tflite", out, number, small_recording, 20)  # type: ignore[arg-type]
    result = export(config, QUIET)
    assert out.read_bytes()[4:8] == b"TFL3"
    assert result["measured"]["frames"] == 10
    assert result["measured"]["most_to_pilot"] < most
    assert json.loads((tmp_path / "small.tflite.json").read_text())["number"] == number


@pytest.mark.slow
def test_tflite_in_integers_is_smaller_and_close(
    trained: object, small_recording: Path, tmp_path: Path
) -> None:
    run = Path(trained.out)  # type: ignore[attr-defined]
    size = {}
    for number in ("float32", "int8"):
        out = tmp_path / f"{number}.tflite"
        config = ExportConfig(run, "tflite", out, number, small_recording, 60)
        result = export(config, QUIET)
        size[number] = result["bytes"]
    assert size["int8"] < 0.4 * size["float32"]
    assert result["measured"]["mae_to_pilot"] < 0.05


@pytest.mark.parametrize("to", ["onnx", "tflite", "keras"])
def test_a_name_without_an_ending_gets_the_formats(to: Literal["onnx", "tflite", "keras"]) -> None:
    assert ExportConfig(Path("runs/a"), to).out == Path(f"pilot.{to}")
    assert ExportConfig(Path("runs/a"), to, Path("b/small")).out == Path(f"b/small.{to}")


def test_clear_errors(pilot: Path, tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match=r"must end with \.onnx"):
        export(ExportConfig(pilot, "onnx", tmp_path / "a.tflite"), QUIET)
    with pytest.raises(ExchangeError, match="there is no folder"):
        export(ExportConfig(pilot, "onnx", tmp_path / "b" / "a.onnx"), QUIET)
    with pytest.raises(ExchangeError, match="int8 needs --recording"):
        ExportConfig(pilot, "tflite", tmp_path / "a.tflite", "int8")
    with pytest.raises(PilotError, match="no such run folder"):
        export(ExportConfig(tmp_path / "none", "onnx", tmp_path / "a.onnx"), QUIET)
    with pytest.raises(ExchangeError, match=r"holds no model\.keras"):
        export(ExportConfig(make_pilot(tmp_path / "p"), "keras", tmp_path / "a.keras"), QUIET)

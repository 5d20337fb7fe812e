"""What ``ghostlap explain`` measures is true where the truth is known; what it writes is whole."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from drives import make_pilot
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from recordings import image_names, make_recording
from rich.console import Console
from scipy.stats import spearmanr

from ghostlap.base.errors import GhostlapError, PilotError, RecordingError
from ghostlap.base.files import write_json
from ghostlap.commands.explain import explain
from ghostlap.data.frame_sampling import SampledFrames, sample_frames
from ghostlap.data.vision.camera import Camera
from ghostlap.data.vision.pictures import encode_jpeg, read_rgb
from ghostlap.data.vision.preprocessing import SEED, Preprocessing
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import FORMAT, ONNX_FILE, PILOT_FILE
from ghostlap.pilots.saliency import SALIENCY_FILE
from ghostlap.reports.explain.checks import compare, faithfulness, rank_correlation
from ghostlap.reports.explain.config import ExplainConfig
from ghostlap.reports.explain.counterfactual import (
    MOVES,
    Kind,
    Response,
    responses,
    side_gains,
    verdict,
)
from ghostlap.training.fit import TrainResult


def linear_pilot(folder: Path, weights: NDArray[np.float64]) -> Pilot:
    """A pilot whose steering is a weighted mean of what it sees in red.

    Args:
        folder: made.
        weights: of the pixels of SEED's network input, shape ``(66, 200)``.
    """
    folder.mkdir(parents=True)
    spec = dataclasses.replace(SEED, colour="rgb", blur_px=0)
    height, width, _ = spec.input_shape
    whole = np.zeros((height * width * 3, 1), np.float32)
    whole[0::3, 0] = weights.ravel() / weights.size
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["seen"], ["flat"], axis=1),
         helper.make_node("MatMul", ["flat", "weights"], ["steering"])],
        "linear",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", height, width, 3])],
        [helper.make_tensor_value_info("steering", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(whole, "weights")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(folder / ONNX_FILE))
    described = {"format": FORMAT, "outputs": ["steering"]}
    write_json(folder / PILOT_FILE, {**described, "preprocessing": dataclasses.asdict(spec)})
    return Pilot.load(folder)


def line_seen(camera_x_m: float) -> NDArray[np.uint8]:
    """A bright line along a straight road, seen from so far to its right; no hills, no bends."""
    camera = Camera()
    frame = np.full((160, 320, 3), 40, np.uint8)
    rows = np.arange(60, 160)
    columns = camera.centre_px[0] - camera_x_m * (rows - camera.horizon_px) / camera.height_m
    for row, column in zip(rows, columns.round().astype(int), strict=True):
        frame[row, max(column - 4, 0) : column + 5] = 255
    return frame


def line_frames() -> SampledFrames:
    """Three frames a little to the side of such a line, with both side cameras."""
    xs_m = (-0.1, 0.0, 0.1)
    sides = [[line_seen(x_m + side_m) for side_m in (-0.83, 0.83)] for x_m in xs_m]
    return SampledFrames(
        frames=np.stack([line_seen(x_m) for x_m in xs_m]),
        steering=np.zeros(3),
        names=("a", "b", "c"),
        sides=np.array(sides),
        of_sides=np.arange(3),
        unfit=0,
    )


def towards_the_bright() -> NDArray[np.float64]:
    """Weights that steer to where it is bright."""
    return np.tile(np.linspace(-120.0, 120.0, 200), (66, 1))


# Moved and turned.


def test_a_pilot_that_follows_the_road_steers_back_and_its_opposite_does_not(
    tmp_path: Path,
) -> None:
    sampled = line_frames()
    follows = linear_pilot(tmp_path / "a", towards_the_bright())
    flees = linear_pilot(tmp_path / "b", -towards_the_bright())
    for response in responses(follows, sampled, 0.3):
        assert (response.gains > 0.02).all()
        assert verdict(response)[0] in ("yes", "too much", "weakly")
        still = list(MOVES[response.kind]).index(0)
        np.testing.assert_allclose(response.change[still], 0, atol=1e-6)
    for response in responses(flees, sampled, 0.3):
        assert (response.gains < -0.02).all()
        assert verdict(response)[0] == "no"
    # Side cameras say the same as warped pictures, for all is flat.
    sideways = responses(follows, sampled, 0.3)[0]
    np.testing.assert_allclose(side_gains(follows, sampled), sideways.gains, rtol=0.1)
    no_sides = dataclasses.replace(sampled, sides=sampled.sides[:0])
    assert side_gains(follows, no_sides).shape == (0,)


@pytest.mark.parametrize("steering_correction", [0.15, 0.3])
def test_the_rule_asks_for_the_steering_correction_at_the_side_camera(
    steering_correction: float,
) -> None:
    pilot = _Constant()
    sampled = line_frames()
    sideways, heading = responses(pilot, sampled, steering_correction)  # type: ignore[arg-type]
    assert sideways.rule_gain == pytest.approx(steering_correction)
    assert heading.rule_gain > 0
    assert sideways.gains == pytest.approx([0, 0, 0], abs=1e-7)


class _Constant:
    """Answers 0.1, whatever it sees."""

    preprocessing = SEED

    def predict(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((len(frames), 1), 0.1, np.float32)

    predict_cropped = predict


@pytest.mark.parametrize(
    ("share", "answer"),
    [(1.0, "yes"), (0.6, "yes"), (0.3, "weakly"), (0.1, "no"), (-1.0, "no"), (3.0, "too much")],
)
def test_the_verdict_compares_with_the_label(share: float, answer: str) -> None:
    kinds: tuple[Kind, ...] = ("sideways_m", "heading_deg")
    for kind in kinds:
        amounts = MOVES[kind]
        rule = np.repeat(-0.3 * amounts[:, None], 20, axis=1)
        found, words = verdict(Response(kind, amounts, share * rule, rule))
        assert found == answer
        assert f": {answer}, gain" in words
    mixed = rule * np.where(np.arange(20) < 14, 1.0, -1.0)
    assert verdict(Response(kind, amounts, mixed, rule))[0] == "weakly", "not in enough frames"


# The checks of maps.

VALUES = hnp.arrays(np.float32, (5, 4), elements=st.integers(0, 6).map(float))


@given(VALUES, VALUES)
def test_rank_correlation_is_spearmans(a: NDArray[np.float32], b: NDArray[np.float32]) -> None:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert rank_correlation(a, b) == 0
    else:
        wanted = spearmanr(a.ravel(), b.ravel()).statistic
        assert rank_correlation(a, b) == pytest.approx(wanted, abs=1e-9)


def test_a_map_that_points_at_what_matters_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    weights = np.zeros((66, 200))
    weights[20:40, 60:100] = 20.0
    pilot = linear_pilot(tmp_path / "a", weights)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 2, (6, 160, 320, 3)).astype(np.uint8) * 255
    frames = np.stack([cv2.blur(frame, (9, 9)) for frame in frames])
    sampled = dataclasses.replace(line_frames(), frames=frames)
    region = np.asarray(cv2.resize(weights, (320, 75)), np.float32)
    true = (region + rng.random((6, 75, 320)) / 100).astype(np.float32)
    elsewhere = np.roll(true, 150, axis=2)
    right = faithfulness(pilot, true, elsewhere, sampled, seed=0)
    assert right["frames"] == 6
    assert right["change"]["most_salient"] > 2 * right["change"]["elsewhere"]
    assert right["change"]["shuffled_network"] < 0.1 * right["change"]["most_salient"]
    assert right["above"]["shuffled_network"] >= 0.5
    wrong = faithfulness(pilot, elsewhere, true, sampled, seed=0)
    assert wrong["change"]["most_salient"] == pytest.approx(right["change"]["shuffled_network"])
    assert wrong["above"]["shuffled_network"] <= 0.5
    same = compare(true, true)
    assert same == {"rank_correlation": pytest.approx(1), "overlap_of_top_tenth": 1}


# The sampled frames.


def test_sampled_frames_cover_the_range_of_steering(small_recording: Path) -> None:
    found = sample_frames([small_recording], 20, 0, SEED)
    assert found.frames.shape == (20, 160, 320, 3)
    assert (np.diff(found.steering) >= 0).all()
    assert found.steering[0] < -0.35
    assert found.steering[-1] > 0.35
    assert (found.steering == 0).sum() < 8, "half of the rows are straight"
    np.testing.assert_array_equal(found.frames[3], read_rgb(found.names[3]))
    assert found.sides.shape == (20, 2, 160, 320, 3)
    name = found.names[found.of_sides[3]].replace("center_", "left_")
    np.testing.assert_array_equal(found.sides[3, 0], read_rgb(name))
    assert sample_frames([small_recording], 20, 0, SEED).names == found.names
    assert sample_frames([small_recording], 20, 1, SEED).names != found.names
    assert len(sample_frames([small_recording], 999, 0, SEED).frames) == 120


def test_pictures_that_cannot_be_shown_are_left_out(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "rec", rows=12, side_cameras=False)
    images = folder / "IMG"
    (images / image_names(0)[0]).unlink()
    (images / image_names(1)[0]).write_bytes(b"no picture")
    (images / image_names(2)[0]).write_bytes(encode_jpeg(np.zeros((80, 160, 3), np.uint8)))
    found = sample_frames([folder], 12, 0, SEED)
    assert (len(found.frames), found.unfit, len(found.sides)) == (9, 3, 0)
    other = Preprocessing().for_frames(120, 160)
    with pytest.raises(RecordingError, match="takes 160x120 pixels. The first of 12: .* pixels|no"):
        sample_frames([folder], 12, 0, other)


# All together.


@pytest.fixture(scope="module")
def explained(
    trained: TrainResult, small_recording: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], str]:
    """The folder, the result and what was said; of a run folder that an earlier Ghostlap left."""
    run = tmp_path_factory.mktemp("old") / "run"
    run.mkdir()
    for name in (PILOT_FILE, ONNX_FILE):
        shutil.copy(trained.out / name, run)
    console = Console(file=io.StringIO(), width=200)
    config = ExplainConfig(run, (small_recording,), frames=10, shown=5, video_s=0.5)
    result = explain(config, console)
    assert isinstance(console.file, io.StringIO)
    assert (run / SALIENCY_FILE).read_bytes() == (trained.out / SALIENCY_FILE).read_bytes()
    return run / "explain", result, console.file.getvalue()


def test_everything_is_written(explained: tuple[Path, dict[str, Any], str]) -> None:
    out, result, said = explained
    files = {"saliency.png", "counterfactual.png", "counterfactual.csv", "saliency.mp4"}
    assert {path.name for path in out.iterdir()} == files | {"explain.json"}
    assert {Path(path).name for path in result["files"]} == files
    sheet = read_rgb(out / "saliency.png")
    assert sheet.shape == (2 * 248 + 8, 3 * 488 + 8, 3)
    assert sheet[:-20, :-20].std() > 20
    assert (sheet[300:, -400:] == 255).all(), "five frames leave one place empty"
    assert min(read_rgb(out / "counterfactual.png").shape[:2]) > 400
    capture = cv2.VideoCapture(str(out / "saliency.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 8, "half a second of 70 ms each"
    assert result["counterfactual"]["sideways_m"]["verdict"] in said
    assert "rank correlation with maps of the same network with shuffled convolutions" in said


def test_the_json_says_what_was_returned_and_where_it_comes_from(
    explained: tuple[Path, dict[str, Any], str], small_recording: Path
) -> None:
    out, result, _ = explained
    saved = json.loads((out / "explain.json").read_text())
    assert {name: saved[name] for name in result} == json.loads(json.dumps(result))
    assert saved["config"]["recordings"] == [str(small_recording)]
    assert "onnxruntime" in saved["versions"]
    assert saved["frames"] == saved["sanity"]["frames"] == saved["faithfulness"]["frames"] == 10
    assert saved["sanity"]["convolutions"] == len(saved["sanity"]["deepest_first"]) == 5
    assert -1 <= saved["sanity"]["all"]["rank_correlation"] <= 1
    assert saved["counterfactual"]["side_cameras"]["frames"] == 10
    assert saved["cost_ms"]["pilot_with_saliency_p50"] > 0
    assert "Dense layers take no part" in saved["limits"]


def test_the_table_holds_the_numbers_of_the_plot(
    explained: tuple[Path, dict[str, Any], str],
) -> None:
    out, result, _ = explained
    with (out / "counterfactual.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for kind, amounts in MOVES.items():
        mine = [row for row in rows if row["kind"] == kind]
        assert [float(row["amount"]) for row in mine] == pytest.approx(list(amounts), abs=1e-4)
        still = mine[len(mine) // 2]
        assert float(still["change_p50"]) == pytest.approx(0, abs=1e-5)
        for row in mine:
            changes = [float(row[f"change_p{p}"]) for p in (10, 25, 50, 75, 90)]
            assert changes == sorted(changes)
            assert int(row["frames"]) == 10
    at_camera = next(row for row in rows if float(row["amount"]) == 0.83)
    assert float(at_camera["label_change"]) == pytest.approx(-0.3, abs=1e-4)
    assert result["counterfactual"]["sideways_m"]["label_gain"] == pytest.approx(0.3)


def test_without_the_encoder_all_but_the_video_is_made(
    trained: TrainResult, small_recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "ghostlap.commands.video", raising=False)
    monkeypatch.delitem(sys.modules, "ghostlap.reports.video.writer", raising=False)
    config = ExplainConfig(trained.out, (small_recording,), out=tmp_path, frames=2, shown=1)
    result = explain(config, Console(quiet=True))
    assert result["notes"][-1] == (
        "No video: it needs the package av. pip install 'ghostlap[video]'"
    )
    assert (tmp_path / "explain.json").exists()
    assert not (tmp_path / "saliency.mp4").exists()


def test_mistakes_are_said(trained: TrainResult, small_recording: Path, tmp_path: Path) -> None:
    def run(pilot: Path, *recordings: Path) -> None:
        explain(ExplainConfig(pilot, recordings, out=tmp_path / "out"), Console(quiet=True))

    with pytest.raises(PilotError, match="no such run folder"):
        run(tmp_path / "nowhere", small_recording)
    with pytest.raises(PilotError, match="there is nothing to show. .*no convolution"):
        run(make_pilot(tmp_path / "tiny", 0.0), small_recording)
    with pytest.raises(RecordingError, match="driving_log.csv|no such"):
        run(trained.out, tmp_path / "nothing")
    with pytest.raises(GhostlapError, match="name at least one recording"):
        run(trained.out)
    with pytest.raises(GhostlapError, match="--frames must be from 2 to 4096. Got 0"):
        ExplainConfig(trained.out, (small_recording,), frames=0)
    with pytest.raises(GhostlapError, match="--video-s must be at least 0.1. Got nan"):
        ExplainConfig(trained.out, (small_recording,), video_s=float("nan"))

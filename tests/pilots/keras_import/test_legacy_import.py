"""``ghostlap import``: which preprocessing a model wants, and the pilot it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest
from legacy_models import small_model
from numpy.typing import NDArray

from ghostlap.base.errors import GhostlapError, LegacyError
from ghostlap.base.platform import quoted
from ghostlap.commands.import_model import import_model
from ghostlap.data.vision.preprocessing import SEED, preprocess
from ghostlap.pilots.keras_import.config import ImportConfig
from ghostlap.pilots.keras_import.finder import Tried, choose
from ghostlap.pilots.keras_import.model_file import read_model_file
from ghostlap.pilots.keras_import.network import rebuild
from ghostlap.pilots.keras_import.recipes import (
    Given,
    candidates,
    complete,
    crop_sides,
    recipe_text,
)
from ghostlap.pilots.pilot import Pilot

FRAME = (160, 320)
PERSON = np.random.default_rng(0).normal(0, 0.3, 200)


def tried(noise: float, seed: int, size: float = 1.0, **recipe: Any) -> Tried:
    """A recipe with which a model answers the person's steering and noise."""
    spec = candidates(Given(**recipe), (66, 200, 3), FRAME, False)
    answers = size * (PERSON + np.random.default_rng(seed).normal(0, noise, len(PERSON)))
    return _tried(next(iter(spec)), answers)


def _tried(recipe: Any, answers: NDArray[np.float64]) -> Tried:
    correlation = float(np.corrcoef(answers, PERSON)[0, 1])
    error = float(np.abs(answers - PERSON).mean())
    return Tried(recipe, answers, correlation, float(answers.std() / PERSON.std()), error)


def test_the_convincing_recipe_is_taken() -> None:
    best, other = tried(0.1, 1, colour="bgr"), tried(2.0, 2, colour="yuv")
    assert choose([best, other], PERSON, 0) is best


def test_nothing_is_guessed_where_nothing_convinces() -> None:
    with pytest.raises(LegacyError, match=r"best correlation is .*0.3 would be needed"):
        choose([tried(3.0, 1)], PERSON, 0)
    one, two = tried(0.3, 1, colour="bgr"), tried(0.3, 2, colour="yuv")
    with pytest.raises(LegacyError, match="two ways .*--colour bgr.*--colour yuv"):
        choose([one, two], PERSON, 0)
    with pytest.raises(LegacyError, match=r"2\d\.\d times as large.*--steering-scale 0.04"):
        choose([tried(0.05, 1, size=25.0)], PERSON, 0)


def test_recipes_that_steer_alike_are_told_apart_by_how_large_the_answers_are() -> None:
    large = tried(0.1, 1, size=1.5, scale="x/127.5-1")
    right = tried(0.1, 1, size=1.0, scale="x/255")
    assert choose([large, right], PERSON, 0) is right


def test_the_commonest_crop_is_taken_where_frames_do_not_tell_it_from_a_rarer_one() -> None:
    rarer, usual = tried(0.1, 1, crop="70:-25"), tried(0.1, 3, crop="60:-25")
    assert choose([rarer, usual], PERSON, 0) is usual
    much_worse = tried(0.3, 2, crop="60:-25")
    assert choose([rarer, much_worse], PERSON, 0) is rarer


def test_crops_are_counted_as_python_does() -> None:
    assert crop_sides("60:-25", 160, 320) == (60, 135, 0, 320)
    assert crop_sides(":", 160, 320) == (0, 160, 0, 320)
    assert crop_sides("50:,20:-20", 160, 320) == (50, 160, 20, 300)
    for wrong in ("60", "100:50", "a:b", "0:160:2", "200:300", "60:,9:3"):
        with pytest.raises(LegacyError, match=f"--crop: must be rows to keep.*'{wrong}'"):
            crop_sides(wrong, 160, 320)


def test_recipes_are_those_that_fit_the_network() -> None:
    raw = list(candidates(Given(), (160, 320, 3), FRAME, True))
    assert {(r.crop_top_px, r.crop_bottom_px, r.divide_by) for r in raw} == {(0, 160, 1)}
    grey = {r.colour for r in candidates(Given(), (16, 32, 1), FRAME, False)}
    assert grey == {"hsv-s", "grey"}
    every = list(candidates(Given(), (66, 200, 3), FRAME, False))
    assert len(set(every)) == len(every)
    assert SEED in every
    doubled = next(iter(candidates(Given(), (66, 200, 3), (320, 640), False)))
    assert (doubled.crop_top_px, doubled.crop_bottom_px) == (120, 270)


def test_what_must_be_said_is_asked_for() -> None:
    with pytest.raises(LegacyError, match=r"--crop .*--colour .*--scale .*--like RECORDING"):
        complete(Given(), (66, 200, 3), FRAME, False)
    with pytest.raises(LegacyError, match="sees 1 channel, this colour has other"):
        complete(Given("60:-25", "yuv", 3, "x/255"), (66, 200, 1), FRAME, False)
    assert complete(Given("60:-25", "yuv", 3, "x/255"), (66, 200, 3), FRAME, False) == SEED
    assert recipe_text(SEED) == "--crop 60:135 --colour yuv --blur 3 --scale x/255"
    raw = complete(Given(colour="rgb"), (160, 320, 3), FRAME, True)
    assert (raw.crop_top_px, raw.crop_bottom_px, raw.divide_by, raw.blur_px) == (0, 160, 1, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"crop": "9"}, {"blur": 2}, {"scale": "y"}, {"lambdas": "a"}, {"output": -1},
        {"steering_scale": 0.0}, {"frame_width_px": 0}, {"seed": -1}, {"resize": "slowly"},
        {"steps": ("blur 3x3",), "blur": 3}, {"script": Path("drive.py"), "crop": "60:135"},
    ],
)  # fmt: skip
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(GhostlapError, match="Got"):
        ImportConfig(Path("m.h5"), **options)


def test_a_model_becomes_a_pilot(tmp_path: Path, small_recording: Path) -> None:
    model = small_model(tmp_path / "model.h5")
    options: dict[str, Any] = {"crop": "60:-25", "colour": "hsv", "blur": 0, "scale": "x/255"}
    result = import_model(ImportConfig(model, out=tmp_path / "run", steering_scale=0.5, **options))
    assert result["recipe"] == "--crop 60:135 --colour hsv --blur 0 --scale x/255"
    pilot = Pilot.load(tmp_path / "run")
    assert pilot.description["imported"]["keras_version"] == "2.2.4"
    frame = np.random.default_rng(0).integers(0, 256, (160, 320, 3), np.uint8)
    seen = preprocess(frame, pilot.preprocessing)
    assert pilot.steer(frame) == pytest.approx(float(pilot.predict_seen(seen[None])[0, 0]))
    with pytest.raises(LegacyError, match="holds a pilot already"):
        import_model(ImportConfig(model, out=tmp_path / "run", **options))
    with h5py.File(model, "r+") as file:  # now it steers straight ahead, whatever it sees
        file["model_weights/out/out/weight_0:0"][:] = 0
    with pytest.raises(LegacyError, match="--like: "):
        import_model(
            ImportConfig(model, out=tmp_path / "b", like=small_recording, crop="60:-25", blur=0)
        )


SCRIPT = """
import cv2, numpy as np
from keras.models import load_model
MEAN = np.array([10., 20., 30.])
def predict(image):
    small = cv2.resize(image[60:135, 20:300], (32, 16), interpolation=cv2.INTER_AREA)
    return load_model('m.h5').predict((small[None] - MEAN) / 255.)
"""


def test_the_preprocessing_comes_from_the_script(
    tmp_path: Path, small_recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number for each channel becomes a layer of the network."""
    model, script = small_model(tmp_path / "model.h5"), tmp_path / "drive.py"
    script.write_text(SCRIPT)
    result = import_model(ImportConfig(model, out=tmp_path / "run", script=script))
    steps = quoted("crop 0:75,20:300", "resize 32x16 area")
    assert result["recipe"] == f"--crop 60:135 --steps {steps} --scale x"
    assert "drive.py:6" in capsys.readouterr().err
    pilot = Pilot.load(tmp_path / "run")
    frame = np.random.default_rng(0).integers(0, 256, (160, 320, 3), np.uint8)
    small = cv2.resize(frame[60:135, 20:300], (32, 16), interpolation=cv2.INTER_AREA)
    plain = rebuild(read_model_file(model), {}, None).network
    wanted = float(plain((small[None] - [10.0, 20.0, 30.0]).astype(np.float32) / 255)[0, 0])
    assert pilot.steer(frame) == pytest.approx(wanted, abs=1e-4)
    options: dict[str, Any] = {"steps": ("crop 0:75,20:300", "resize 32x16 area")}
    told = ImportConfig(model, out=tmp_path / "b", crop="60:135", scale="x", **options)
    assert import_model(told)["recipe"] == result["recipe"]
    import_model(ImportConfig(model, out=tmp_path / "c", script=script, like=small_recording))
    assert "correlation with the person's steering" in capsys.readouterr().err
    script.write_text(SCRIPT.replace("(32, 16)", "(64, 64)"))
    with pytest.raises(LegacyError, match="makes pictures of 64x64 .* the network sees 32x16"):
        import_model(ImportConfig(model, out=tmp_path / "d", script=script))


def test_columns_and_pillow_s_resize_can_be_told() -> None:
    given = Given("60:-25,20:-20", "yuv", 3, "x/255", "pillow-bilinear")
    recipe = complete(given, (66, 200, 3), FRAME, False)
    assert recipe.steps == (
        "crop 0:75,20:300", "colour RGB2YUV", "blur 3x3", "resize 200x66 pillow-bilinear",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "config.json"])
def test_what_lies_there_already_is_not_replaced(name: str, tmp_path: Path) -> None:
    """Such as the model itself, imported into the folder that it lies in."""
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(LegacyError, match=f"holds {name} already, which would be replaced"):
        import_model(ImportConfig(tmp_path / "model.h5", out=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"mine"


def test_what_a_killed_import_left_does_not_hinder(tmp_path: Path) -> None:
    for name in ("model.keras", "model.h5"):
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text('{"command": "import"}')
    with pytest.raises(LegacyError, match="none.h5"):  # it gets as far as reading the model
        import_model(ImportConfig(tmp_path / "none.h5", out=tmp_path))


def test_the_sample_steers_as_the_person_did(shared_data: Path, tmp_path: Path) -> None:
    model = shared_data.parent / "models" / "keras2.11-json-h5" / "model.h5"
    if not model.is_file():
        pytest.skip(f"no sample model {model}")
    result = import_model(
        ImportConfig(
            model, out=tmp_path / "run", like=shared_data / "udacity-track1",
            crop="60:-25", blur=0, scale="x/255",
        )
    )  # fmt: skip
    assert "--colour bgr" in result["recipe"]
    assert result["tried"][0]["correlation"] > 0.7
    assert min(one["correlation"] for one in result["tried"]) < 0.5

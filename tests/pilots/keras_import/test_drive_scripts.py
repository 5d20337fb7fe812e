"""The preprocessing of a model's own script: what is understood is what the script does."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drive_scripts import drive, seen_by, write
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pythonic_scripts import FILES
from rich.console import Console

from ghostlap.base.errors import LegacyError
from ghostlap.commands.import_model import import_model
from ghostlap.data.vision.preprocessing import preprocess
from ghostlap.pilots.keras_import.config import ImportConfig
from ghostlap.pilots.keras_import.script.reading import ScriptReading, read_script
from ghostlap.pilots.keras_import.script.source import MAX_BYTES
from ghostlap.pilots.pilot import Pilot

FRAME = (160, 320)


def picture(seed: int = 0) -> NDArray[np.uint8]:
    """Smooth shapes and fine noise, so that every kind of interpolation shows.

    Not of the purest colours, which are cut off in the YUV of bytes, but not in that of floats.
    """
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 190, (20, 40, 3)).astype(np.uint8)
    smooth = cv2.resize(coarse, (320, 160), interpolation=cv2.INTER_CUBIC).astype(int)
    return (smooth + rng.integers(-9, 10, smooth.shape)).clip(0, 255).astype(np.uint8)


def understood(reading: ScriptReading, frame: NDArray[np.uint8]) -> NDArray[Any]:
    seen = preprocess(frame, reading.recipe).astype(np.float64)
    if reading.channel_scale:
        scale, offset = np.array(reading.channel_scale).T
        seen = seen * scale + offset
    return seen


def difference(reading: ScriptReading, seen: NDArray[Any], frame: NDArray[np.uint8]) -> float:
    """The largest one, in levels of 255."""
    found = understood(reading, frame)
    wanted = np.asarray(seen, np.float64)
    if wanted.ndim == 4 and wanted.shape[1] in (1, 3) and wanted.shape[3] not in (1, 3):
        wanted = wanted.transpose(0, 2, 3, 1)
    levels = max((abs(s) for s, _ in reading.picture.affine()), default=1.0)
    return float(np.abs(found - wanted.reshape(found.shape)).max() / levels)


@pytest.mark.parametrize("style", FILES)
def test_what_is_understood_is_what_the_script_does(
    style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = write(tmp_path, style)
    frame = picture()
    (reading, *_) = read_script(script, FRAME)
    # Colours and size of floats are rounded twice here, not at all there.
    most = 1.5 if style == "floats before colours" else 1.0001
    assert difference(reading, seen_by(script, frame, monkeypatch), frame) <= most


def refused(tmp_path: Path, text: str) -> str:
    (tmp_path / "drive.py").write_text(text)
    with pytest.raises(LegacyError) as error:
        read_script(tmp_path / "drive.py", FRAME)
    assert any(word in str(error.value) for word in ("--crop", "predict", "cannot be imported"))
    return str(error.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("x = x[int(x.mean()):, :]", r"drive.py:36: x\[int.*not known from the script"),
        ("top = np.argmax(x.sum(axis=1))\nx = x[top:135]", "not known from the script"),
        ("x = x[find_horizon(x):]", "not known"),
        ("import requests\nx = requests.post('http://x', files=x).content", "requests.post"),
        ("for _ in range(n):\n    x = cv2.blur(x, (3, 3))", r":36: the picture is changed in a"),
        ("while x.mean() > 3:\n    x = x[1:]", "changed in a loop"),
        ("if random.random() > .5:\n    x = cv2.blur(x, (3, 3))", r":36: .*depends on a condition"),
        ("x = (x - x.mean()) / x.std()", r"drive.py:36.*mean"),
        ("x[:60] = 0", "painted over"),
        ("x = cv2.Canny(x, 50, 150)", r"drive.py:36: cv2.Canny.* is not known here"),
        ("x = mystery.prepare(x)", r"mystery.prepare\(…\) is not known here"),
        ("x = x.reshape(3, 160, 320)", "mixes its rows and columns up"),
        ("x = np.fliplr(x)", "fliplr"),
        ("x = np.stack([x, x])", "several pictures are stacked"),
        ("x = cv2.warpPerspective(x, M, (320, 160))", "warpPerspective"),
        ("x = (x / 127.5 - 1).astype('uint8')", "cut to whole numbers"),
        ("x /= 255", "in place"),
        ("def again(y):\n    return again(y)\nx = again(x)", "call each other without end"),
        ("def black(y):\n    y[:60] = 0\nx = np.array(x)\nblack(x)", "y:37: .*painted over"),
        ("x = np.array(x)\nsky = x[:60]\nsky[:] = 0", "painted over"),
        ("cv2.rectangle(x, (0, 0), (9, 9), 0)", "rectangle paints into the picture"),
        ("image.thumbnail((99, 99))\nx = np.asarray(image)", "thumbnail paints"),
        ("x = np.array(x, float)\ny = x[60:]\nx -= 9\nx = y", r"drive.py:38: another view"),
        ("cv2.blur(x, (3, 3), x)", "blur paints into"),
        ("steps = {'top': 9}\nif n: steps['top'] = 8\nx = x[steps['top']:]", "not known"),
        ("x = cv2.resize(x, (64, 64), **how)", "some of its arguments are not known"),
        ("def f(y, top=9): return y[top:]\nx = f(x, **how)", "some of its arguments"),
        ("match n:\n    case 'a':\n        x = x[9:]", "depends on a condition"),
        ("x = x.astype(np.int8)", "type int8"),
        ("top = 60\nexec('top = 50')\nx = x[top:]", "y:37: exec may change x"),
        ("x = tf.image.resize(x, (9, 9), antialias=True)", "more than a method|not known"),
        ("z = np.zeros((2, 160, 320, 3))\nz[0] = x\nx = z", "not filled by one picture"),
        ("z = np.zeros((1, 160, 320, 3), np.uint8)\nz[0] = x / 2\nx = z", "fractions become bytes"),
        ("global last\nx, last = (x if last is None else x - last), x", "not a known number"),
        ("x = cv2.blur(x, (3, 3), borderType=cv2.BORDER_REFLECT)", "another border"),
        ("x = cv2.boxFilter(x, -1, (3, 3), normalize=False)", "not divided"),
        ("x = Sequential([])(x)", "what another one answers"),
        ("x = opener.unknown(sid)", r"drive.py:37: how what the network is given here came"),
        ("model.predict(x[60:])", "made in different ways"),
        ("x = [x[None], np.zeros((1, 1))]", "2 things at once"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_with_its_line(
    body: str, words: str, tmp_path: Path
) -> None:
    planted = tmp_path / "was-here"
    text = f"open({str(planted)!r}, 'w')\n" + drive(
        f"x = np.asarray(image)\n{body}\nmodel.predict(x)"
    )
    assert re.search(words, refused(tmp_path, text))
    assert not planted.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(:\n", r"drive.py:1: is no Python"),
        ("\0", "is no Python"),
        ("(" * 5000 + ")" * 5000, "is no Python"),
        ("x = " + "+".join("1" * 3000), "is no Python|predict"),
        ("print 'hello'\n", "nothing in it was found"),
        ("", "nothing in it was found"),
        ("x = 9**9**9**9\ny = [0] * 10**12\nz = 'a' * 10**12\n", "nothing in it was found"),
        ("def f(): return f()\nf()", "nothing in it was found"),
        ("x = [1]\nfor _ in range(60): x = [x, x]\nlen(x) == x", "nothing in it was found"),
        ("x = [1]\nfor _ in range(60):\n    y = []\n    y.extend([x, x])\n    x = y\nx.append(x)\n"
         "import copy\ncopy.deepcopy(x)", "nothing in it was found"),
        ("import drive\nfrom drive import *", "nothing in it was found"),
        ("for a in range(60):\n for b in range(60):\n  for c in range(60):\n   d = a + b + c",
         "more than can be followed"),
        ("x = 1\n" * 200_000, "more than can be followed|cannot be read"),
    ],
)  # fmt: skip
def test_scripts_without_end_are_bounded(text: str, words: str, tmp_path: Path) -> None:
    assert re.search(words, refused(tmp_path, text))


def test_files_that_are_no_scripts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LegacyError, match=r"no such file"):
        read_script(tmp_path / "drive.py", FRAME)
    with pytest.raises(LegacyError, match=r"cannot be read"):
        read_script(tmp_path, FRAME)
    (tmp_path / "drive.py").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(LegacyError, match=r"1,048,576 bytes"):
        read_script(tmp_path / "drive.py", FRAME)


def test_what_depends_on_a_library_s_version_is_read_in_both_ways(tmp_path: Path) -> None:
    script = write(tmp_path, "pillow without a filter")
    now, before = read_script(script, FRAME)
    assert (now.recipe.steps, before.recipe.steps) == (
        ("resize 200x66 pillow-bicubic",), ("resize 200x66 pillow-nearest",),
    )  # fmt: skip
    assert "BICUBIC" in now.assumed
    assert "NEAREST" in before.assumed
    assert read_script(script, FRAME, old=True)[0].recipe == before.recipe
    script = write(tmp_path, "yuv, blur, size, by 255")
    usual, legacy = read_script(script, FRAME, oldest=True)
    assert (usual.recipe.colour, legacy.recipe.colour) == ("yuv", "yuv-legacy")


def test_what_was_understood_is_shown_line_by_line(tmp_path: Path) -> None:
    (reading,) = read_script(write(tmp_path, "utils with crop, resize, yuv by area"), FRAME)
    shown = [f"{line.where} {line.what}" for line in reading.lines]
    assert shown[1:] == [
        "utils.py:14 crop: rows 60:135 kept",
        "utils.py:17 resize 200x66 linear (its third argument is no interpolation, so linear)",
        "utils.py:20 colour RGB2YUV",
    ]
    (reading,) = read_script(write(tmp_path, "steering in degrees"), FRAME)
    assert reading.steering_scale == pytest.approx(1 / 25)


@pytest.mark.parametrize(
    ("told", "output"),
    [
        ("steering_angle = float(model.predict(image)[0][0])", 0),
        ("steering_angle = float(model.predict(image)[0][1])", 1),
        ("steering_angle = float(model.predict(image)[0, 2])", 2),
        ("throttle, steering_angle = model.predict(image)[0]", 1),
        ("steering_angle, speed = model.predict(image)", 0),
        ("out = model.predict(image)\n    steering_angle = float(out[1][0])", 1),
        ("out = model.predict(image)[0]\n    steering_angle = out[0] * 0.5", 0),
        ("steering_angle = float(model.predict(image))", None),
        ("steering_angle = model.predict(image)[0][-1]", None),
    ],
)
def test_which_answer_is_the_steering(told: str, output: int | None, tmp_path: Path) -> None:
    script = tmp_path / "drive.py"
    lines = "image = cv2.resize(np.asarray(image), (64, 64))[None]\n" + told.replace("\n    ", "\n")
    script.write_text(drive(lines), encoding="utf-8")
    assert read_script(script, FRAME)[0].output == output


@pytest.mark.parametrize(
    ("told", "factor", "otherwise"),
    [
        ("steering_angle = float(model.predict(image))", 1, False),
        ("steering_angle = max(-1., min(1., -float(model.predict(image)[0]) * .5))", -0.5, False),
        ("steering_angle = np.clip(model.predict(image)[0][0], -1, 1)", 1, False),
        ("steering_angle = np.tanh(model.predict(image)[0][0])", None, True),
        ("steering_angle = .8 * model.predict(image)[0] + .2 * steering_angle", None, True),
    ],
)
def test_what_is_done_to_the_answer(
    told: str, factor: float | None, otherwise: bool, tmp_path: Path
) -> None:
    (tmp_path / "drive.py").write_text(drive(f"image = np.asarray(image)[None]\n{told}"))
    (reading,) = read_script(tmp_path / "drive.py", FRAME)
    assert (reading.steering_scale, reading.steers_otherwise) == (factor, otherwise)


def test_the_answer_that_the_script_steers_by_is_taken(tmp_path: Path) -> None:
    from ghostlap.pilots.backend import keras

    layers = keras.layers
    network = keras.Sequential([keras.Input((64, 64, 3)), layers.Flatten(), layers.Dense(2)])
    network.save(tmp_path / "model.keras")
    script = tmp_path / "drive.py"
    lines = "image = cv2.resize(np.asarray(image), model.input_shape[1:3])[None] / 255."
    script.write_text(drive(f"{lines}\nthrottle, steering_angle = model.predict(image)[0]"))
    config = ImportConfig(tmp_path / "model.keras", script=script, out=tmp_path / "run")
    console = Console(file=io.StringIO(), width=200)
    import_model(config, console)
    assert "one of 2 answers: --output 1" in console.file.getvalue()  # type: ignore[attr-defined]
    pilot = Pilot.load(tmp_path / "run")
    frame = np.random.default_rng(0).integers(0, 256, (160, 320, 3), np.uint8)
    seen = preprocess(frame, pilot.preprocessing)[None]
    assert pilot.steer(frame) == pytest.approx(float(network(seen)[0, 1]), abs=1e-4)


@pytest.mark.parametrize(
    "asked",
    ["model.input_shape[1:3]", "model.layers[0].input_shape[1:3]", "model.inputs[0].shape[1:3]"],
)
def test_the_size_that_the_model_says_is_known(asked: str, tmp_path: Path) -> None:
    script = tmp_path / "drive.py"
    body = f"h, w = {asked}\nmodel.predict(cv2.resize(np.asarray(image), (w, h))[None])"
    script.write_text(drive(body))
    (reading,) = read_script(script, FRAME, (66, 200, 3))
    assert reading.recipe.input_shape == (66, 200, 3)
    assert "a number in it is not known" in refused(tmp_path, drive(body))


SIZES = st.tuples(st.integers(20, 90), st.integers(20, 90))
SOMETIMES = st.sampled_from([
    "img = img[{a}:-{b}, :, :]", "img = img[{a}:, {b}:]", "img = cv2.resize(img, {size})",
    "img = cv2.resize(img, {size}, interpolation=cv2.INTER_AREA)", "img = cv2.blur(img, (3, 3))",
    "img = cv2.resize(img, dsize={size}, interpolation=cv2.INTER_NEAREST)",
    "img = cv2.GaussianBlur(img, (5, 5), 0)", "img = img[..., ::-1]", "img = half(img)",
    "img = np.array(Image.fromarray(img).resize({size}, Image.NEAREST))",
    "img = np.array(Image.fromarray(img).crop(({a}, {b}, *img.shape[1::-1])))",
    "b, g, r = cv2.split(img); img = cv2.merge((r, g, b))", "img = np.copy(img)[::1]",
    "img = cv2.medianBlur(img, 3)", "img = np.expand_dims(img, 0)[0]",
])  # fmt: skip
COLOUR = st.sampled_from([
    "", "img = cv2.cvtColor(img, cv2.COLOR_RGB2YUV)", "img = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)",
    "img = cv2.cvtColor(img, cv2.COLOR_RGB2GRAY)", "img = cv2.cvtColor(img, cv2.COLOR_RGB2LAB)",
    "img = cv2.cvtColor(img, cv2.COLOR_RGB2HLS)[:, :, 2]",
])  # fmt: skip
SCALE = st.sampled_from(["", "img = img / 255.", "img = img / 127.5 - 1", "img = img - 128",
                         "img = (img.astype('float32') - 128.) / 255"])  # fmt: skip
HELPERS = """
def half(img, factor=2):
    h, w = img.shape[:2]
    return cv2.resize(img, (w // factor, h // factor))
"""


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(st.tuples(SOMETIMES, st.integers(1, 5), st.integers(1, 5), SIZES), max_size=5),
    colour=COLOUR, scale=SCALE, at=st.integers(0, 5),
)  # fmt: skip
def test_scripts_of_random_steps_are_understood(
    steps: list[Any], colour: str, scale: str, at: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    lines = [step.format(a=a, b=b, size=size) for step, a, b, size in steps]
    grey = "GRAY" in colour or colour.endswith("2]")
    lines.insert(len(lines) if grey else at, colour)
    body = "\n".join(["img = np.asarray(image)", *lines, scale, "model.predict(img[None])"])
    script = tmp_path / "drive.py"
    script.write_text(drive(body, helpers=HELPERS))
    frame = picture(at)
    try:
        seen = seen_by(script, frame, monkeypatch)
    except (cv2.error, ValueError):
        assume(False)  # nothing was left of the picture
    assume(seen.size and min(seen.shape[1:3]) > 0)
    (reading, *_) = read_script(script, FRAME)
    assert difference(reading, seen, frame) <= 1.0001

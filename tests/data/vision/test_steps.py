"""Steps of the preprocessing: what each does, and what is no step."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import draw_frame

from ghostlap.base.errors import GhostlapError
from ghostlap.data.vision.preprocessing import SEED, Preprocessing, preprocess
from ghostlap.data.vision.steps import INTERPOLATIONS, parse_step

FRAME = draw_frame(0.2)


@pytest.mark.parametrize("how", [how for how in INTERPOLATIONS if how.startswith("pillow")])
@pytest.mark.parametrize("size", [(200, 66), (64, 64), (320, 200), (160, 80), (32, 32)])
def test_pillow_s_resize_is_that_of_pillow(how: str, size: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    kind = image.Resampling[how.removeprefix("pillow-").upper()]
    for frame in (FRAME, FRAME[60:135]):
        wanted = np.asarray(image.fromarray(frame).resize(size, kind))
        found = parse_step(f"resize {size[0]}x{size[1]} {how}").apply(frame)
        # Its newest versions may do rows before columns, and round in between.
        assert np.abs(found.astype(int) - wanted).max() <= (0 if "nearest" in how else 2)


def test_steps_are_done_in_their_order() -> None:
    steps = ("crop 0:75,20:300", "resize 200x66 area", "colour RGB2YUV", "channels 0", "median 3")
    spec = Preprocessing(colour="rgb", blur_px=0, steps=steps, divide_by=1.0)
    small = cv2.resize(FRAME[60:135, 20:300], (200, 66), interpolation=cv2.INTER_AREA)
    wanted = cv2.medianBlur(np.ascontiguousarray(cv2.cvtColor(small, cv2.COLOR_RGB2YUV)[..., 0]), 3)
    assert spec.input_shape == (66, 200, 1)
    np.testing.assert_array_equal(preprocess(FRAME, spec)[..., 0], wanted)
    assert spec.view_px == (60, 135, 20, 300)
    half = Preprocessing(
        crop_top_px=0, crop_bottom_px=160, colour="rgb", blur_px=0, height_px=40, width_px=160,
        steps=("resize 160x80", "crop 30:70,0:160"),
    )  # fmt: skip
    assert half.view_px == (60, 140, 0, 320)
    doubled = spec.for_frames(320, 640)
    assert doubled.steps[0] == "crop 0:150,40:600"
    assert doubled.input_shape == spec.input_shape


def test_pilots_of_before_have_no_steps() -> None:
    import dataclasses

    saved = dataclasses.asdict(SEED)
    del saved["steps"]
    assert Preprocessing.from_json(saved) == SEED


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": ("melt 3",)}, "'melt 3' is no step"),
        ({"steps": ("resize 200x66 slowly",)}, "is no step.*pillow-bilinear"),
        ({"steps": ("colour RGB2MAGIC",)}, "is no step"),
        ({"steps": ("resize 100x50",)}, "must end with pictures of 200x66 pixels. Got 100x50"),
        ({"steps": ("crop 0:99,0:320", "resize 200x66")}, "cannot be done to a picture of 320x75"),
        ({"steps": ("channels 1", "channels 1", "resize 200x66")}, "and 1 channel"),
        ({"steps": ("blur 4x3", "resize 200x66")}, "'blur 4x3' cannot be done"),
        ({"steps": ("resize 200x66",), "colour": "yuv"}, "colour must be rgb and blur_px 0"),
        ({"steps": ("resize 200x66",) * 99}, "at most 32 steps"),
    ],
)  # fmt: skip
def test_steps_that_cannot_be_done_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(GhostlapError, match=words):
        Preprocessing(**{"colour": "rgb", "blur_px": 0, **changes})  # type: ignore[arg-type]


WORDS = st.sampled_from(["crop", "colour", "channels", "mix", "wrap", "blur", "box",
                         "median", "equalize", "resize", "RGB2YUV", "linear", "3x3", "1,2",
                         "0:9,0:9", "9"])  # fmt: skip


@given(st.lists(WORDS, max_size=4).map(" ".join) | st.text(max_size=30))
def test_any_text_is_a_step_or_refused(text: str) -> None:
    try:
        step = parse_step(text)
    except GhostlapError:
        return
    assert parse_step(str(step)) == step
    picture = FRAME[:40, :40]
    try:
        shape = step.shape((40, 40, 3))
    except GhostlapError:
        return
    assert step.apply(picture).reshape(shape).dtype == np.uint8

"""Augmentation: seeded, one warp a sample, and the label goes where the aim point goes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import draw_frame

from ghostlap.base.errors import DatasetError
from ghostlap.data.vision.augment import draw
from ghostlap.data.vision.augmentation import (
    KINDS,
    PRESETS,
    Augmentation,
    RandomRange,
    augmentation_from_json,
    parse_augmentation,
)
from ghostlap.data.vision.camera import SIDE_CAMERA_M, Camera, aim_distance_m
from ghostlap.data.vision.preprocessing import SEED

FRAME = draw_frame(0.1)
MIDDLE = {  # an amount that shows for each kind
    "flip": 0, "zoom": 1.2, "pan": 0.08, "translate": 10, "shear": 0.5, "horizon": 7, "rotate": 3,
    "brightness": 0.5, "contrast": 1.4, "hue": 60, "saturation": 0.2, "equalise": 0, "invert": 0,
    "shadow": 0.4, "motion_blur": 7, "blur": 1.5, "noise": 12, "jpeg": 15,
}  # fmt: skip


def only(kind: str, amount: float | None = None) -> Augmentation:
    value = MIDDLE[kind] if amount is None else amount
    return Augmentation(**{kind: RandomRange(1.0, value, value)})  # type: ignore[arg-type]


def label_after(
    augmentation: Augmentation, steering: float, steering_correction: float = 0.3
) -> float:
    plan = draw(
        augmentation,
        np.array([steering]),
        np.random.default_rng(0),
        steering_correction=steering_correction,
    )
    return float(plan.steering[0])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_the_picture_and_only_when_asked(kind: str) -> None:
    plan = draw(only(kind), np.array([0.1]), np.random.default_rng(0))
    before = FRAME.copy()
    changed = plan.apply(0, FRAME)
    assert changed.shape == (75, 320, 3)
    assert changed.dtype == np.uint8
    assert (changed != FRAME[60:135]).any()
    np.testing.assert_array_equal(FRAME, before)
    never = Augmentation(**{kind: RandomRange(0.0, MIDDLE[kind], MIDDLE[kind])})  # type: ignore[arg-type]
    unchanged = draw(never, np.array([0.1]), np.random.default_rng(0))
    np.testing.assert_array_equal(unchanged.apply(0, FRAME), FRAME[60:135])
    assert unchanged.steering[0] == pytest.approx(0.1, abs=1e-12)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.warp is None])
def test_light_and_colour_leave_the_label_alone(kind: str) -> None:
    assert label_after(only(kind), 0.37) == pytest.approx(0.37, abs=1e-12)


def test_mirror_is_exact_and_turns_the_label() -> None:
    plan = draw(only("flip"), np.array([0.25]), np.random.default_rng(0))
    np.testing.assert_array_equal(plan.apply(0, FRAME), FRAME[60:135, ::-1])
    assert plan.steering[0] == pytest.approx(-0.25)


@given(
    steering_correction=st.floats(0.05, 0.6),
    steering=st.floats(-1, 1),
    metres=st.floats(-1.5, 1.5),
)
def test_a_sheared_picture_gets_the_label_of_a_camera_standing_there(
    steering_correction: float, steering: float, metres: float
) -> None:
    """A camera 0.83 m to the right gets -steering_correction, any other place its share of it."""
    expected = steering - steering_correction * metres / SIDE_CAMERA_M
    found = label_after(only("shear", metres), steering, steering_correction)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_shear_moves_the_road_as_the_side_camera_sees_it() -> None:
    centre, right = draw_frame(0.0, camera="center"), draw_frame(0.0, camera="right")
    plan = draw(only("shear", SIDE_CAMERA_M), np.array([0.0]), np.random.default_rng(0))
    sheared = plan.apply(0, centre, whole=True)[70:150, 60:260].astype(float)
    difference = np.abs(sheared - right[70:150, 60:260]).mean()
    before = np.abs(centre[70:150, 60:260].astype(float) - right[70:150, 60:260]).mean()
    assert difference < before / 2


@given(st.floats(-1, 1), st.floats(-20, 20))
def test_turning_the_view_asks_for_steering_back(steering: float, px: float) -> None:
    """Pure pursuit: a point seen under an angle is steered at in proportion to that angle."""
    distance_m = aim_distance_m(0.3)
    gain_per_px = 2 * 3.2 / distance_m / 138.6 / np.radians(25)
    found = label_after(only("translate", px), steering)
    assert found == pytest.approx(steering + gain_per_px * px, abs=1e-9)


def test_hills_do_not_steer() -> None:
    assert label_after(only("horizon"), 0.4) == pytest.approx(0.4, abs=1e-12)


def test_all_geometry_of_a_sample_is_one_warp() -> None:
    """Warping step by step blurs four times; the composed warp agrees with it but blurs once."""
    import cv2

    kinds = ("zoom", "shear", "rotate", "horizon")
    both = Augmentation(**{kind: RandomRange(1, MIDDLE[kind], MIDDLE[kind]) for kind in kinds})  # type: ignore[arg-type]
    plan = draw(both, np.array([0.1]), np.random.default_rng(0))
    at_once = plan.apply(0, FRAME, whole=True)
    picture = FRAME
    for kind in ("horizon", "zoom", "shear", "rotate"):
        matrix = draw(only(kind), np.array([0.1]), np.random.default_rng(0)).matrices[0]
        picture = cv2.warpAffine(picture, matrix, (320, 160), borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    inner = np.s_[70:130, 40:280]
    difference = np.abs(at_once[inner].astype(float) - picture[inner]).mean()
    unrelated = np.abs(FRAME[inner].astype(float) - picture[inner]).mean()
    assert difference < unrelated / 2
    assert at_once[inner].std() > picture[inner].std()


def test_linear_colour_is_what_its_names_say() -> None:
    grey = np.full((160, 320, 3), (100, 120, 140), np.uint8)

    def first_pixel(augmentation: Augmentation) -> list[int]:
        return (
            draw(augmentation, np.zeros(1), np.random.default_rng(0)).apply(0, grey)[0, 0].tolist()
        )

    assert first_pixel(only("brightness", 0.5)) == [50, 60, 70]
    assert first_pixel(only("brightness", 2.0)) == [200, 240, 255]
    assert first_pixel(only("contrast", 0.5)) == [114, 124, 134]
    assert first_pixel(only("invert")) == [155, 135, 115]
    assert first_pixel(only("hue", 120.0)) == [140, 100, 120]
    red, green, blue = first_pixel(only("saturation", 0.0))
    assert red == green == blue == pytest.approx(116, abs=1)


def test_the_same_seed_gives_the_same_pictures_and_labels() -> None:
    labels = np.linspace(-1, 1, 40)
    first, again, other = (
        draw(PRESETS["default"], labels, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first.steering, again.steering)
    for i in range(40):
        np.testing.assert_array_equal(first.apply(i, FRAME), again.apply(i, FRAME))
    assert (first.steering != other.steering).any()


def test_a_kind_more_leaves_all_others_as_they_were() -> None:
    """Each draws from a stream of its own."""
    labels = np.linspace(-1, 1, 40)
    before = dataclasses.replace(PRESETS["default"], noise=RandomRange(), shear=RandomRange())
    after = dataclasses.replace(before, jpeg=RandomRange(1.0, 90, 95))
    first, again = (draw(one, labels, np.random.default_rng(7)) for one in (before, after))
    np.testing.assert_array_equal(first.matrices, again.matrices)
    np.testing.assert_array_equal(first.colours, again.colours)
    assert [len(steps) for steps in again.steps] == [len(steps) + 1 for steps in first.steps]


def test_preset_seed003_is_the_seeds() -> None:
    preset = PRESETS["seed003"]
    assert preset.flip.p == preset.zoom.p == preset.pan.p == preset.brightness.p == 0.5
    assert (preset.zoom.low, preset.zoom.high) == (1.0, 1.3)
    assert (preset.pan.low, preset.pan.high) == (-0.1, 0.1)
    assert (preset.brightness.low, preset.brightness.high) == (0.2, 1.2)
    assert all(
        getattr(preset, k).p == 0 for k in KINDS if k not in ("flip", "zoom", "pan", "brightness")
    )
    n = 4000
    plan = draw(preset, np.full(n, 0.2), np.random.default_rng(1))
    # The seeds correct the label for the mirror and for nothing else.
    assert set(np.round(plan.steering, 12)) == {0.2, -0.2}
    assert np.mean(plan.steering < 0) == pytest.approx(0.5, abs=0.03)
    shifts = plan.matrices[:, 1, 2]
    assert np.abs(shifts).max() <= 16 * 1.3 + 0.3 * 80


def test_draws_keep_to_probability_and_range() -> None:
    augmentation = Augmentation(translate=RandomRange(0.25, -5, 15), correct_labels=False)
    plan = draw(augmentation, np.zeros(4000), np.random.default_rng(3))
    shifted = plan.matrices[plan.warped, 0, 2]
    assert plan.warped.mean() == pytest.approx(0.25, abs=0.03)
    assert shifted.min() >= -5
    assert shifted.max() <= 15
    assert shifted.mean() == pytest.approx(5, abs=0.6)


def test_ranges_scale_with_the_frame() -> None:
    larger = SEED.for_frames(320, 640)
    plan = draw(only("translate", 10), np.zeros(1), np.random.default_rng(0), larger)
    assert plan.matrices[0, 0, 2] == pytest.approx(20)
    assert plan.apply(0, np.zeros((320, 640, 3), np.uint8)).shape == (150, 640, 3)


def test_camera_sees_the_ground_where_it_was_measured() -> None:
    assert Camera().row_at(6.4) == pytest.approx(58.6 + 138.6 * 1.36 / 6.4)
    assert Camera().for_frames(320, 640).row_at(6.4) == pytest.approx(2 * Camera().row_at(6.4))


def test_options_are_read_from_text_and_json(tmp_path: Path) -> None:
    changed = parse_augmentation("default,shear.p=0,zoom.high=1.5")
    assert changed.shear.p == 0
    assert changed.zoom.high == 1.5
    assert changed.flip == PRESETS["default"].flip
    moved = parse_augmentation("none,jpeg.p=0.5,jpeg.low=40,jpeg.high=90")
    assert moved.jpeg == RandomRange(0.5, 40, 90)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(dataclasses.asdict(changed)))
    assert parse_augmentation(str(path)) == changed
    assert augmentation_from_json({}) == PRESETS["none"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("harder", "'harder' is neither a .json file nor a preset"),
        ("default,shear=3", "'shear=3' must read KIND.p="),
        ("default,wobble.p=1", "with KIND one of pan, translate"),
        ("default,shear.p=often", "needs a number after '='"),
        ("default,shear.p=2", r"0 <= p <= 1 .*Got p=2"),
        ("none,blur.p=1", r"blur needs a range within 0.1 to 20, blur.low and .* Got 0 to 0"),
        ("none,brightness.p=0.5", "brightness needs a range"),
        ("none,jpeg.high=400,jpeg.p=1", "jpeg needs a range within 1 to 100.* Got 0 to 400"),
        ("nowhere.json", "nowhere.json cannot be read as an augmentation"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        parse_augmentation(text)

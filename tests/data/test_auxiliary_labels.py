"""What the simulator knows of the road stays true through side cameras and augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drives import write_track
from hypothesis import given
from hypothesis import strategies as st
from recordings import image_names, make_recording

from ghostlap.base.errors import RecordingError
from ghostlap.data.auxiliary import (
    AUXILIARIES,
    MASK_CELLS,
    MASK_COLUMNS,
    MASK_ROWS,
    TRUTH,
    auxiliary_labels,
    mask_text,
    truth_of,
    unknown,
)
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH
from ghostlap.data.vision import warps
from ghostlap.data.vision.camera import SIDE_CAMERA_M, Camera, road_after_warp

CAMERA = Camera()
SIZE = (160, 320)
NO_WARP = np.eye(3)[None, :2]
CENTER, LEFT, RIGHT = (np.array([index], np.uint8) for index in range(3))
ROADS = st.tuples(
    st.floats(-4, 4), st.floats(-0.4, 0.4), st.floats(-0.1, 0.1), st.floats(5, 20)
).map(lambda road: np.array([road]))


def composed(metres: float, px: float, mirrored: bool) -> np.ndarray:
    """A shear, then a shift, then perhaps the mirror, shape ``(1, 2, 3)``."""
    amounts = (np.array([amount]) for amount in (metres, px))
    matrix = np.eye(3)[None]
    for warp, amount in zip((warps.shear, warps.translate), amounts, strict=True):
        matrix = warp(amount, amount, CAMERA) @ matrix
    one = np.ones(1)
    return (warps.flip(one, one, CAMERA) @ matrix if mirrored else matrix)[:, :2]


def columns_px(road: np.ndarray, ahead_m: np.ndarray) -> np.ndarray:
    """Where the middle of a road is seen at some distances."""
    cte_m, heading_rad, per_m, _ = road[0]
    left_m = per_m * ahead_m**2 / 2 - heading_rad * ahead_m - cte_m
    return CAMERA.centre_px[0] - CAMERA.focal_px * left_m / ahead_m


@given(ROADS, st.floats(-2, 2), st.floats(-40, 40), st.booleans())
def test_the_road_is_where_the_warped_picture_shows_it(
    road: np.ndarray, metres: float, px: float, mirrored: bool
) -> None:
    ahead_m = np.array([3.0, 6, 12, 25])
    matrix = composed(metres, px, mirrored)
    before = np.stack([columns_px(road, ahead_m), CAMERA.row_at(1) + 0 * ahead_m])
    before[1] = CAMERA.horizon_px + CAMERA.focal_px * CAMERA.height_m / ahead_m
    shown = matrix[0, :, :2] @ before + matrix[0, :, 2:]
    after = road_after_warp(road, matrix, CAMERA)
    np.testing.assert_allclose(shown[1], before[1])
    np.testing.assert_allclose(columns_px(after, ahead_m), shown[0], atol=1e-6)
    assert after[0, 3] == pytest.approx(road[0, 3])


@given(ROADS, st.floats(-2, 2))
def test_sheared_back_and_mirrored_twice_the_road_is_as_before(
    road: np.ndarray, metres: float
) -> None:
    there = road_after_warp(road, composed(metres, 0, True), CAMERA)
    assert there[0, 0] == pytest.approx(metres - road[0, 0])
    # Further right, then mirrored: further left to come back.
    back = road_after_warp(there, composed(metres, 0, True), CAMERA)
    np.testing.assert_allclose(back, road, atol=1e-9)


def truth_with(mask: np.ndarray, **road: float) -> np.ndarray:
    """One row of truth; what is not named is 0, the width 8 m."""
    truth = np.zeros(1, TRUTH)
    values = {"cte": 0.0, "heading": 0.0, "curvature": 0.0, "width": 8.0, **road}
    truth["road"] = list(values.values())
    truth["has_mask"], truth["mask"] = True, np.packbits(mask)
    return truth


MASKS = st.lists(st.booleans(), min_size=MASK_CELLS, max_size=MASK_CELLS).map(
    lambda cells: np.reshape(cells, (MASK_ROWS, MASK_COLUMNS))
)


@given(MASKS)
def test_the_mirror_mirrors_the_mask(mask: np.ndarray) -> None:
    labels = auxiliary_labels(("mask",), truth_with(mask), CENTER, composed(0, 0, True), SIZE)
    np.testing.assert_array_equal(labels.reshape(mask.shape), mask[:, ::-1])
    plain = auxiliary_labels(("mask",), truth_with(mask), CENTER, NO_WARP, SIZE)
    np.testing.assert_array_equal(plain.reshape(mask.shape), mask)


@given(st.floats(-3, 3), MASKS)
def test_a_side_camera_is_a_car_beside_this_one(cte_m: float, mask: np.ndarray) -> None:
    def labels(camera: np.ndarray, at_m: float) -> np.ndarray:
        return auxiliary_labels(AUXILIARIES, truth_with(mask, cte=at_m), camera, NO_WARP, SIZE)[0]

    there = labels(CENTER, cte_m + SIDE_CAMERA_M)[:4]
    np.testing.assert_allclose(labels(LEFT, cte_m)[:4], there, atol=1e-5)
    there = labels(CENTER, cte_m - SIDE_CAMERA_M)[:4]
    np.testing.assert_allclose(labels(RIGHT, cte_m)[:4], there, atol=1e-5)
    cells = labels(LEFT, cte_m)[4:]
    assert np.isnan(cells).any()  # the center camera does not see so far to the left
    assert ((cells >= 0) & (cells <= 1) | np.isnan(cells)).all()


def test_what_the_center_camera_says_of_the_left_one_is_what_a_car_there_sees(
    tmp_path: Path,
) -> None:
    from ghostlap.sim.road_ahead import road_ahead
    from ghostlap.sim.scene.conditions import FIXED
    from ghostlap.sim.simulation import Start
    from ghostlap.sim.track.tracks import track_named
    from ghostlap.sim.world import World

    track = track_named(str(write_track(tmp_path / "oval.csv")))
    for direction in (1, -1):
        starts = [Start(20.0, direction, cte_m) for cte_m in (0.3, 0.3 + SIDE_CAMERA_M)]
        world = World(track, FIXED["lake"], starts)
        here, there = road_ahead(world, 0), road_ahead(world, 1)
        assert here.curvature_per_m == pytest.approx(
            direction * track.curvature(20.0 + direction * 10.0), abs=1e-3
        )
        assert here.mask.any()
        assert not here.mask.all()
        labels = auxiliary_labels(("mask",), truth_with(here.mask), LEFT, NO_WARP, SIZE)[0]
        known = ~np.isnan(labels)
        assert known.mean() > 0.7
        assert ((labels > 0.5) == there.mask.ravel())[known].mean() > 0.97


def test_truth_is_read_row_by_row_and_earlier_tables_say_less(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "rec", rows=3)
    assert unknown(truth_of(read_recording(folder)), AUXILIARIES) == list(AUXILIARIES)
    centers = [image_names(row)[0] for row in range(3)]
    mask = np.eye(MASK_ROWS, MASK_COLUMNS) > 0
    with GROUND_TRUTH.open(folder) as log:
        log.append(centers[2], {"cte_m": 0.5, "road_mask": mask_text(mask), "width_m": 7.0})
        log.append(centers[0], {"cte_m": -0.5})
    truth = truth_of(read_recording(folder))
    np.testing.assert_allclose(truth["road"][:, 0], [-0.5, np.nan, 0.5])
    assert list(truth["has_mask"]) == [False, False, True]
    assert np.unpackbits(truth["mask"][2]).reshape(mask.shape).tolist() == mask.tolist()
    assert unknown(truth, AUXILIARIES) == ["heading", "curvature"]
    (folder / GROUND_TRUTH.name).write_text(
        f"center,cte_m,heading_error_rad\n{centers[1]},0.25,0.1\n"
    )
    truth = truth_of(read_recording(folder))
    np.testing.assert_allclose(truth["road"][1], [0.25, 0.1, np.nan, np.nan], atol=1e-6)
    assert unknown(truth, AUXILIARIES) == ["curvature", "width", "mask"]


@pytest.mark.parametrize("text", ["zz" * 25, "ff", "ff" * 26])
def test_a_mask_that_is_none_is_said(tmp_path: Path, text: str) -> None:
    folder = make_recording(tmp_path / "rec", rows=2)
    center = image_names(1)[0]
    (folder / GROUND_TRUTH.name).write_text(f"center,road_mask\n{center},{text}\n")
    with pytest.raises(RecordingError, match=f"road_mask of {center} must be 50 hexadecimal"):
        truth_of(read_recording(folder))
    (folder / GROUND_TRUTH.name).write_text(f"center,road_mask\n{center},\n")  # emptied, as it says
    assert not truth_of(read_recording(folder))["has_mask"].any()

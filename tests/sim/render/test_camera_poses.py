"""Cameras are where they are on Udacity's car."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ellipses import ellipse

from ghostlap.base.errors import SimulatorError
from ghostlap.sim.render.camera_poses import known_cameras, rows_within
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.simulation import Start
from ghostlap.sim.world import World

HILLY = ellipse(hill_m=5.0)


def poses_of(*starts: Start) -> np.ndarray:
    world = World(HILLY, FIXED["lake"], starts, cameras=("left", "center", "right"))
    return world.camera_poses().reshape(len(starts), 3, 5)


def test_side_cameras_stand_square_to_the_car_and_look_the_same_way() -> None:
    left, centre, right = poses_of(Start(s_m=40.0, direction=-1, heading_error_rad=0.3))[0]
    assert np.linalg.norm(left[:2] - centre[:2]) == pytest.approx(0.83, abs=1e-4)
    np.testing.assert_allclose((left + right) / 2, centre, atol=1e-4)
    nose = np.array([math.cos(centre[3]), math.sin(centre[3])])
    to_left = left[:2] - centre[:2]
    assert np.dot(nose, to_left) == pytest.approx(0, abs=1e-4)
    assert nose[0] * to_left[1] - nose[1] * to_left[0] > 0
    np.testing.assert_array_equal(left[2:], centre[2:])


def test_cameras_stand_136_cm_above_the_road_also_beside_it() -> None:
    poses = poses_of(Start(s_m=60.0), Start(s_m=60.0, cte_m=9.0))
    road_m = float(HILLY.elevation(60.0))
    np.testing.assert_allclose(poses[..., 2], road_m + 1.36, atol=1e-3)


def test_the_nose_rises_uphill_and_falls_the_other_way() -> None:
    up, down, across = poses_of(
        Start(s_m=20.0),
        Start(s_m=20.0, direction=-1),
        Start(s_m=20.0, heading_error_rad=math.pi / 2),
    )[:, 1, 4]
    grade = float(HILLY.grade(20.0))
    assert grade > 0.03
    assert up == pytest.approx(math.atan(grade), abs=2e-3)
    assert down == pytest.approx(-up, abs=1e-6)
    assert across == pytest.approx(0, abs=1e-6)


def test_impossible_cameras_and_rows_are_refused() -> None:
    assert rows_within(None, 160) == (0, 160)
    with pytest.raises(SimulatorError, match="among left, center, right. Got 'rear'"):
        known_cameras(("rear",))  # type: ignore[arg-type]
    for rows in ((60, 60), (-1, 5), (0, 161)):
        with pytest.raises(
            SimulatorError, match=f"within a frame of 160. Got .{rows[0]}, {rows[1]}"
        ):
            rows_within(rows, 160)

"""Roads over hills are never too steep, and walls stand where the land rises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.sim.track.corner_path import evenly_spaced
from ghostlap.sim.track.hills import STEEPEST_GRADE, TIGHTEST_CREST_M, Hills
from ghostlap.sim.track.track import Edge, Floats


def ring(radius_m: float = 120.0) -> Floats:
    """Counterclockwise: its middle is on the left."""
    angle = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    return evenly_spaced(radius_m * np.stack([np.cos(angle), np.sin(angle)], -1), 2.0)


hills = st.tuples(
    st.floats(-150, 150), st.floats(-150, 150), st.floats(20, 120), st.floats(-60, 60)
)


@given(st.lists(hills, min_size=1, max_size=6), st.floats(-0.3, 0.3))
def test_no_hill_makes_a_road_too_steep_or_too_sudden(
    tops: list[tuple[float, float, float, float]], slope: float
) -> None:
    height = Hills(np.array(tops), (slope, 0.0)).road_heights(ring())
    assert height.min() == 0
    closed = np.concatenate([height, height[:2]])
    assert np.abs(np.diff(closed)).max() / 2 <= STEEPEST_GRADE * 1.01
    assert np.abs(np.diff(closed, 2)).max() / 4 <= 1.01 / TIGHTEST_CREST_M


def test_gentle_land_is_left_as_it_is() -> None:
    land = Hills(np.array([(120.0, 0.0, 80.0, 3.0)]))
    line = ring()
    given_m = land.height(line)
    assert land.road_heights(line) == pytest.approx(given_m - given_m.min(), abs=0.1)
    assert land.steepest_grade(line) == pytest.approx(np.abs(np.diff(given_m)).max() / 2, rel=0.05)


def test_a_plane_rises_as_it_slopes() -> None:
    land = Hills(np.array([(0.0, 0.0, 1.0, 0.0)]), (0.05, -0.02))
    assert land.height(np.array([[10.0, 0.0], [0.0, 10.0]])) == pytest.approx([0.5, -0.2])


def test_a_mountain_in_the_middle_stands_beside_a_road_around_it() -> None:
    left, right = Hills(np.array([(0.0, 0.0, 60.0, 40.0)])).edges(ring())
    assert set(left) == {Edge.CLIFF}
    assert set(right) == {Edge.DROP}
    left, right = Hills(np.array([(0.0, 0.0, 60.0, -40.0)])).edges(ring())
    assert (set(left), set(right)) == ({Edge.DROP}, {Edge.CLIFF})


def test_flat_land_has_neither_cliffs_nor_drops() -> None:
    for edges in Hills(np.array([(0.0, 0.0, 60.0, 0.5)])).edges(ring()):
        assert set(edges) == {Edge.LINED}


def test_no_wall_stands_where_another_stretch_is_near() -> None:
    left, right = Hills(np.array([(0.0, 0.0, 15.0, 40.0)])).edges(ring(18.0))
    assert set(left) == {Edge.LINED}
    assert set(right) == {Edge.DROP}

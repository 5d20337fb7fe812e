"""Lines of corners: closed, as long as asked, with the radii that were given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.sim.track.corner_path import (
    Corner,
    curvature_along,
    evenly_spaced,
    line_through,
    loop_length,
    straightest_s_m,
)

SQUARE = [Corner(0, 0, 30), Corner(200, 0, 30), Corner(200, 200, 30), Corner(0, 200, 30)]


@given(st.floats(25, 60))
def test_a_square_has_rounded_corners(radius_m: float) -> None:
    line = line_through([corner._replace(radius_m=radius_m) for corner in SQUARE])
    # What four quarter circles are shorter than the corners they round.
    expected_m = 800 - 8 * radius_m + 2 * math.pi * radius_m
    assert loop_length(line) == pytest.approx(expected_m, rel=0.005)
    curvature = curvature_along(line)
    assert 1 / curvature.max() == pytest.approx(radius_m, rel=0.1)
    assert np.abs(curvature).min() < 1e-6
    assert curvature.sum() * loop_length(line) / len(line) == pytest.approx(2 * math.pi, rel=0.01)


def test_the_other_way_round_bends_to_the_right() -> None:
    assert curvature_along(line_through(SQUARE[::-1])).mean() < 0


def test_arcs_that_do_not_fit_are_made_tighter() -> None:
    line = line_through([corner._replace(radius_m=500.0) for corner in SQUARE])
    radius_m = 1 / curvature_along(line)
    assert radius_m.min() == pytest.approx(100, rel=0.1)  # as large as a circle in the square
    assert (np.abs(line - 100) <= 100.1).all()


def test_a_corner_on_a_straight_changes_nothing() -> None:
    more = [SQUARE[0], Corner(100, 0, 50), *SQUARE[1:]]
    assert loop_length(line_through(more)) == pytest.approx(loop_length(line_through(SQUARE)))


@given(st.floats(300, 5000))
def test_a_line_is_scaled_to_its_length(length_m: float) -> None:
    line = line_through(SQUARE, length_m)
    assert loop_length(line) == pytest.approx(length_m, rel=2e-3)
    steps_m = np.linalg.norm(line - np.roll(line, 1, axis=0), axis=1)
    assert steps_m == pytest.approx(2.0, abs=0.05)


@given(st.integers(5, 50), st.floats(0.5, 20))
def test_points_are_evenly_spaced_from_the_first(count: int, spacing_m: float) -> None:
    angle = np.arange(count) * (2 * np.pi / count)
    loop = 100 * np.stack([np.cos(angle), np.sin(angle)], -1)
    spaced = evenly_spaced(loop, spacing_m)
    assert spaced[0] == pytest.approx(loop[0])
    assert len(spaced) == round(loop_length(loop) / spacing_m)


def test_the_straightest_stretch() -> None:
    # A rectangle's long sides; the stretch's middle is at least half of it from any bend.
    corners = [Corner(0, 0, 30), Corner(90, 0, 30), Corner(90, 300, 30), Corner(0, 300, 30)]
    line = line_through(corners)
    s_m = straightest_s_m(line)
    at = line[round(s_m / 2) % len(line)]
    assert min(abs(at[0]), abs(at[0] - 90)) < 0.1
    assert 50 < at[1] < 250

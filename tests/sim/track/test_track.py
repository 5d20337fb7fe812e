"""A track's geometry: measured against figures that are known, and there and back again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ellipses import ellipse
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.sim.track.track import Edge, Surface, Track, wrapped
from ghostlap.sim.track.tracks import track_named

RADIUS_M = 50.0
TRACKS = {
    "circle": ellipse(RADIUS_M, RADIUS_M),
    "ellipse": ellipse(120.0, 60.0, hill_m=2.0),
    "lake": track_named("lake"),
    "jungle": track_named("jungle"),
}
CIRCLE = TRACKS["circle"]

tracks = st.sampled_from(sorted(TRACKS)).map(TRACKS.__getitem__)
shares = st.floats(0, 1, exclude_max=True)


def apart_m(track: Track, one_m: float, other_m: float) -> float:
    """Distance along a closed track."""
    between_m = abs(one_m - other_m) % track.length_m
    return min(between_m, track.length_m - between_m)


def test_a_circle_is_as_long_as_a_circle() -> None:
    assert pytest.approx(2 * math.pi * RADIUS_M, rel=1e-6) == CIRCLE.length_m


def test_an_ellipse_is_as_long_as_an_ellipse() -> None:
    # Ramanujan's second approximation, exact to far below a millimetre here.
    a, b = 120.0, 60.0
    h = ((a - b) / (a + b)) ** 2
    around_m = math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
    assert pytest.approx(around_m, abs=1e-3) == TRACKS["ellipse"].length_m


@given(tracks, shares)
def test_arc_length_is_the_way_gone(track: Track, share: float) -> None:
    s_m = share * track.length_m + np.linspace(0, 5, 2001)
    way_m = np.linalg.norm(np.diff(track.position(s_m), axis=0), axis=1).sum()
    assert way_m == pytest.approx(5.0, abs=2e-3)


@given(tracks, shares)
def test_curvature_is_how_fast_the_heading_turns(track: Track, share: float) -> None:
    s_m, step_m = share * track.length_m, 1e-3
    turn_rad = wrapped(track.heading(s_m + step_m) - track.heading(s_m - step_m))
    assert track.curvature(s_m) == pytest.approx(turn_rad / (2 * step_m), abs=2e-4)


def test_a_circle_to_the_left_bends_to_the_left() -> None:
    assert CIRCLE.curvature(CIRCLE.stations_s_m) == pytest.approx(1 / RADIUS_M, rel=1e-4)


@given(tracks, shares)
def test_grade_is_how_fast_the_road_rises(track: Track, share: float) -> None:
    s_m, step_m = share * track.length_m, 1e-3
    rise_m = track.elevation(s_m + step_m) - track.elevation(s_m - step_m)
    assert track.grade(s_m) == pytest.approx(rise_m / (2 * step_m), abs=1e-4)


@given(tracks, shares, st.floats(-8.0, 8.0), st.floats(-math.pi + 1e-6, math.pi))
def test_a_pose_is_found_where_it_was_put(
    track: Track, share: float, cte_m: float, error_rad: float
) -> None:
    s_m = share * track.length_m
    x_m, y_m = track.position(s_m, cte_m)
    heading_rad = float(track.heading(s_m)) + error_rad
    for near_s_m in (None, np.array(s_m + 3.0)):
        place = track.locate(x_m, y_m, heading_rad, near_s_m)
        assert 0 <= place.s_m < track.length_m
        assert apart_m(track, float(place.s_m), s_m) < 1e-3
        assert place.cte_m == pytest.approx(cte_m, abs=1e-4)
        assert wrapped(place.heading_error_rad - error_rad) == pytest.approx(0, abs=1e-4)


@given(tracks, st.floats(-15, 15), st.floats(0, 1), st.floats(-4, 4))
def test_the_nearest_place_is_found(track: Track, x_m: float, share: float, y_m: float) -> None:
    at = track.position(share * track.length_m) + np.array([x_m, y_m])
    place = track.locate(at[0], at[1], 0.0)
    nearest_m = np.linalg.norm(track.stations_m - at, axis=1).min()
    assert abs(place.cte_m) <= nearest_m + 1e-3


def test_left_is_positive() -> None:
    # The circle goes counterclockwise from (50, 0): its middle is on the left.
    inside = CIRCLE.locate(RADIUS_M - 2, 0.0, math.pi / 2 + 0.1)
    assert inside.cte_m == pytest.approx(2, abs=1e-3)
    assert inside.heading_error_rad == pytest.approx(0.1, abs=1e-3)
    outside = CIRCLE.locate(RADIUS_M + 2, 0.0, math.pi / 2 - 0.1)
    assert outside.cte_m == pytest.approx(-2, abs=1e-3)
    assert outside.heading_error_rad == pytest.approx(-0.1, abs=1e-3)


def test_a_hair_before_the_start_is_the_start() -> None:
    """Rounding makes ``-1e-15 % length`` the length itself, which is no place on the track."""
    start = CIRCLE.position(0.0)
    x_m, y_m = np.full(401, start[0]), start[1] + np.linspace(-2e-14, 2e-14, 401)
    place = CIRCLE.locate(x_m, y_m, 0.0)
    assert (place.s_m < CIRCLE.length_m).all()
    assert place.cte_m == pytest.approx(0, abs=1e-9)


def test_a_memory_of_the_place_tells_stretches_apart_that_lie_side_by_side() -> None:
    narrow = ellipse(200.0, 12.0)
    s_m = narrow.length_m / 4  # the middle of one long side; the other is 24 m away
    x_m, y_m = narrow.position(s_m, 13.0)
    assert apart_m(narrow, float(narrow.locate(x_m, y_m, 0.0).s_m), s_m) > 100
    remembered = narrow.locate(x_m, y_m, 0.0, np.array(s_m - 2.0))
    assert apart_m(narrow, float(remembered.s_m), s_m) < 1
    assert remembered.cte_m == pytest.approx(13.0, abs=0.01)


def test_many_poses_are_located_at_once() -> None:
    track = TRACKS["lake"]
    s_m = np.linspace(0, track.length_m, 12, endpoint=False).reshape(3, 4) + 0.3
    where = track.position(s_m, 1.5)
    assert where.shape == (3, 4, 2)
    place = track.locate(where[..., 0], where[..., 1], track.heading(s_m))
    assert place.s_m == pytest.approx(s_m, abs=1e-3)
    assert place.cte_m == pytest.approx(1.5, abs=1e-4)
    assert place.heading_error_rad == pytest.approx(0, abs=1e-4)


@given(tracks, st.floats(-3, 3))
def test_a_lap_later_everything_is_the_same(track: Track, laps: float) -> None:
    s_m = laps * track.length_m
    later_m = s_m + track.length_m
    assert track.position(later_m) == pytest.approx(track.position(s_m), abs=1e-6)
    assert track.elevation(later_m) == pytest.approx(track.elevation(s_m), abs=1e-6)
    assert track.half_widths(later_m)[0] == pytest.approx(track.half_widths(s_m)[0], abs=1e-6)


def test_codes_hold_from_their_point_to_the_next() -> None:
    track = TRACKS["lake"]
    count = len(track.points_m)
    step_m = track.length_m / count
    first = int((track.surface == Surface.BRIDGE).argmax())
    assert track.codes((first - 0.5) * step_m)[0] == Surface.ROAD
    assert track.codes((first + 0.5) * step_m)[0] == Surface.BRIDGE
    assert track.codes(track.length_m - 0.01)[1] == Edge.LINED


def test_stations_are_evenly_spaced_about_half_a_metre_apart() -> None:
    for track in TRACKS.values():
        steps_m = np.diff(track.stations_s_m)
        assert steps_m == pytest.approx(0.5, abs=0.01)
        assert track.stations_s_m[-1] + steps_m[0] == pytest.approx(track.length_m)


@given(st.floats(-100, 100))
def test_wrapped_angles(angle_rad: float) -> None:
    around = float(wrapped(angle_rad))
    assert -math.pi < around <= math.pi
    assert math.cos(around - angle_rad) == pytest.approx(1)


def test_half_a_turn_is_positive() -> None:
    assert wrapped(math.pi) == wrapped(-math.pi) == math.pi

"""What cannot be driven is refused, with a message that says where and why."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from ellipses import ellipse
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.base.errors import TrackError
from ghostlap.sim.track.track import Floats, Track
from ghostlap.sim.track.track_checks import allowed_speed_mps, check_track, speed_warning


def track_through(points_m: Any, half_left_m: Any = 3.5, half_right_m: Any = 3.5) -> Track:
    points = np.asarray(points_m, float)
    codes = np.zeros(len(points), np.uint8)
    return Track(
        name="test",
        theme="circuit",
        markings="white_edges",
        points_m=points,
        half_left_m=np.broadcast_to(np.asarray(half_left_m, float), len(points)),
        half_right_m=np.broadcast_to(np.asarray(half_right_m, float), len(points)),
        elevation_m=np.zeros(len(points)),
        surface=codes,
        edge_left=codes,
        edge_right=codes,
    )


def eight(half_width_m: float = 3.5, points: int = 60) -> Track:
    angle = np.arange(points) * (2 * np.pi / points)
    return track_through(
        100 * np.stack([np.sin(angle), np.sin(2 * angle) / 2], -1), half_width_m, half_width_m
    )


def refusal(track: Track, crossings: bool = False) -> str:
    with pytest.raises(TrackError) as caught:
        check_track(track, crossings=crossings)
    return str(caught.value)


def ring(count: int = 40, radius_m: float = 50.0) -> Floats:
    angle = np.arange(count) * (2 * np.pi / count)
    return np.asarray(radius_m * np.stack([np.cos(angle), np.sin(angle)], -1))


@given(st.floats(15, 300), st.floats(0.5, 1.0), st.floats(1.0, 6.0))
def test_round_courses_are_tracks(half_length_m: float, flatness: float, half_m: float) -> None:
    tightest_m = flatness**2 * half_length_m
    if tightest_m > 1.05 * half_m:
        points = ring(200, half_length_m) * (1, flatness)
        check_track(track_through(points, half_m, half_m))


def test_too_few_points() -> None:
    assert refusal(track_through([(0, 0), (50, 0), (0, 50)])) == (
        "test: a track needs at least 4 points. Got 3."
    )
    check_track(track_through([(0, 0), (50, 0), (50, 50), (0, 50)]))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 5.4e6])
def test_not_a_number_and_far_out(wrong: float) -> None:
    points = ring()
    points[6, 1] = wrong
    assert refusal(track_through(points)) == (
        f"test: y of point 7 must be a number from -20000 to 20000, in metres. Got {wrong:g}. "
        "Mend that point; if all points are far out, subtract the first from all."
    )


@pytest.mark.parametrize("name", ["half_left_m", "half_right_m", "elevation_m"])
def test_not_a_number_beside_the_line(name: str) -> None:
    track = ellipse()
    values = getattr(track, name).copy()
    values[2] = math.nan
    what = {"half_left_m": "left width", "half_right_m": "right width"}.get(name, "elevation")
    assert f"{what} of point 3 must be a number" in refusal(
        dataclasses.replace(track, **{name: values})
    )


def test_columns_of_different_lengths() -> None:
    track = dataclasses.replace(ellipse(), elevation_m=np.zeros(7))
    assert refusal(track) == "ellipse: 200 points need as many values of elevation. Got 7."


def test_a_point_given_twice() -> None:
    points = ring()
    points[5] = points[4]
    assert refusal(track_through(points)) == (
        "test: point 6 lies where the point before it does. Remove one."
    )
    closed = np.concatenate([ring(), ring()[:1]])
    assert "point 1 lies where the point before it does" in refusal(track_through(closed))


@pytest.mark.parametrize("width", [0.0, -2.0, 31.0])
def test_widths_that_no_road_has(width: float) -> None:
    widths = np.full(40, 3.0)
    widths[10] = width
    for sides in ((widths, 3.0), (3.0, widths)):
        side = "left" if sides[0] is widths else "right"
        assert refusal(track_through(ring(), *sides)) == (
            f"test: the road's width to the {side} of point 11 must be from 0.5 to 30 m. "
            f"Got {width:g}."
        )


@pytest.mark.parametrize(("radius_m", "length"), [(2.0, "12.55"), (6000.0, "3.766e+04")])
def test_laps_too_short_and_too_long(radius_m: float, length: str) -> None:
    assert refusal(track_through(ring(40, radius_m), 1, 1)) == (
        f"test: a lap must be from 20 to 30000 m. Got {length} m. Coordinates are to be in metres."
    )


def test_not_closed() -> None:
    assert refusal(track_through(ring()[:25])) == (
        "test: the track is not closed. From its last point to its first it is 95.1 m, while "
        "points are usually 7.8 m apart. Add the missing part."
    )


def test_a_missing_point_is_no_gap() -> None:
    check_track(track_through(ring()[:-1]))


def test_a_bend_tighter_than_the_half_width() -> None:
    # An ellipse's tightest bend: breadth² / length = 2.5 m, here at its start, to the left.
    points = ring(400, 40.0) * (1, 0.25)
    message = refusal(track_through(points, 3.0, 1.0))
    assert "is tighter than the road's half width: radius 2.5 m, half width 3.0 m." in message
    assert message.startswith("test: the bend at 0 m")
    assert message.endswith("Make the bend wider or the road narrower.")
    check_track(track_through(points, 1.5, 3.0))  # the outer side may be wide


def test_a_road_that_crosses_itself() -> None:
    message = refusal(eight())
    assert message.startswith("test: the road crosses or overlaps itself. At 0 m and at 305 m")
    assert message.endswith("need 7.0 m. Move these stretches apart.")
    check_track(eight(), crossings=True)


def test_a_crossing_at_a_flat_angle_is_refused() -> None:
    flat = eight()
    message = refusal(
        dataclasses.replace(flat, points_m=flat.points_m * (12.0, 2.0)), crossings=True
    )
    assert message.endswith("apart, or let them cross at 30 degrees or more.")


@given(st.floats(0.6, 6.0), st.integers(30, 200), st.floats(0, 2 * math.pi))
def test_every_crossing_is_seen(half_m: float, points: int, turn_rad: float) -> None:
    cos, sin = math.cos(turn_rad), math.sin(turn_rad)
    crossing = eight(half_m, points)
    turned = crossing.points_m @ np.array([[cos, sin], [-sin, cos]])
    assert "crosses or overlaps itself" in refusal(dataclasses.replace(crossing, points_m=turned))


def test_stretches_that_overlap_without_crossing() -> None:
    # A dumbbell: its long sides come within 24 m of each other, its left is its inside.
    angle = np.arange(200) * (2 * np.pi / 200)
    breadth_m = 12 + 30 * np.cos(angle) ** 2
    dumbbell = np.stack([100 * np.cos(angle), breadth_m * np.sin(angle)], -1)
    check_track(track_through(dumbbell, 11.5, 3.5))
    check_track(track_through(dumbbell, 3.5, 15.0))
    message = refusal(track_through(dumbbell, 13.0, 3.5))
    assert "crosses or overlaps itself" in message
    assert "24.0 m apart, where the road's widths need 26.0 m" in message


def test_a_ball_of_road() -> None:
    lap = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    laps = ring(5000, 1.0)[(np.arange(5000) * 100) % 5000] * (33 + 3 * np.cos(lap))[:, None]
    message = refusal(track_through(laps, 0.5, 30.0))
    assert "the road overlaps itself almost everywhere" in message
    assert "up to 60 m wide, lie within 72 x 72 m." in message


def test_the_speed_that_the_tightest_bend_allows() -> None:
    circle = ellipse(50.0, 50.0)
    assert allowed_speed_mps(circle, 8.0)[0] == pytest.approx(20.0, rel=1e-4)
    speed_mps, s_m = allowed_speed_mps(ellipse(120.0, 60.0), 5.0)
    assert speed_mps == pytest.approx(math.sqrt(5 * 60**2 / 120), rel=1e-3)
    length_m = ellipse(120.0, 60.0).length_m
    assert min(abs(s_m - at) for at in (0, length_m / 2, length_m)) < 1


def test_a_warning_with_the_speed_that_is_possible() -> None:
    circle = ellipse(50.0, 50.0)
    assert speed_warning(circle, 19.9) is None
    warning = speed_warning(circle, 25.0)
    assert warning is not None
    assert (
        "a radius of 50.0 m, too tight for 55.9 mph. With 8 m/s2 sideways it allows 44.7 mph"
        in (warning)
    )
    assert warning.endswith("so lower the speed limit or let the driver slow down there.")
    assert speed_warning(circle, 25.0, lateral_limit_mps2=13.0) is None

"""Tracks drawn from a seed: always valid, always the same, and as asked."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from ghostlap.base.errors import TrackError
from ghostlap.sim.track.hills import STEEPEST_GRADE
from ghostlap.sim.track.random_track import (
    STRETCHES_APART_M,
    RandomTrack,
    random_track,
    random_track_from_name,
)
from ghostlap.sim.track.track import Edge, Track
from ghostlap.sim.track.track_checks import check_track


def tightest_m(track: Track) -> float:
    return float(1 / np.abs(track.curvature(track.stations_s_m)).max())


def steepest(track: Track) -> float:
    return float(np.abs(track.grade(track.stations_s_m)).max())


def nearest_stretches_m(track: Track) -> float:
    """Between centre lines that are not neighbours along the road."""
    place, step_m = track.stations_m[::2], 2 * track.stations_s_m[1]
    first, second = cKDTree(place).query_pairs(45.0, output_type="ndarray").T
    along = np.abs(first - second)
    along_m = np.minimum(along, len(place) - along) * step_m
    far = along_m > np.pi / 2 * STRETCHES_APART_M + 4
    return float(np.linalg.norm(place[first] - place[second], axis=1)[far].min(initial=45.0))


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_every_seed_has_a_valid_track(first: int) -> None:
    for seed in range(first, first + 50):
        track = random_track(RandomTrack(seed))
        check_track(track)
        assert 690 < track.length_m < 1510
        assert tightest_m(track) > 12.5
        assert steepest(track) < STEEPEST_GRADE + 0.01
        assert nearest_stretches_m(track) >= STRETCHES_APART_M
        assert 0 <= track.start_s_m < track.length_m


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.floats(300, 3000), st.floats(0, 1), st.floats(0, 1))
def test_every_wish_is_met(seed: int, length_m: float, twist: float, hills: float) -> None:
    track = random_track(RandomTrack(seed, length_m, twist, hills))
    check_track(track)
    assert track.length_m == pytest.approx(length_m, rel=0.005)
    assert tightest_m(track) > 12.0
    assert steepest(track) <= STEEPEST_GRADE * hills * 1.05 + 1e-6
    assert nearest_stretches_m(track) >= STRETCHES_APART_M


def test_twist_makes_bends_tighter_and_hills_make_grades_steeper() -> None:
    seeds = range(6)
    gentle = [random_track(RandomTrack(seed, 1200, 0.0, 0.0)) for seed in seeds]
    wild = [random_track(RandomTrack(seed, 1200, 1.0, 1.0)) for seed in seeds]
    assert min(map(tightest_m, gentle)) > 38
    assert max(map(tightest_m, wild)) < 25
    assert max(map(steepest, gentle)) < 1e-9
    assert min(map(steepest, wild)) > 0.07

    def turning_rad(track: Track) -> float:
        return float(np.abs(track.curvature(track.stations_s_m)).mean() * track.length_m)

    assert np.mean([*map(turning_rad, wild)]) > 1.4 * np.mean([*map(turning_rad, gentle)])


def test_a_radius_asked_for_makes_hairpins_of_it() -> None:
    tracks = [random_track(RandomTrack(seed, radius_m=7.0)) for seed in range(12)]
    for track in tracks:
        check_track(track)
        assert 6.9 < tightest_m(track) < 11
        bend = track.curvature(track.stations_s_m) * track.stations_s_m[1]
        tight = np.flatnonzero(np.abs(bend) > track.stations_s_m[1] / 14)
        turns = [abs(bend[part].sum()) for part in np.split(tight, np.where(np.diff(tight) > 1)[0])]
        assert max(turns) > np.radians(90)
    wide = random_track(RandomTrack(1, radius_m=20.0, width_m=10.0))
    assert tightest_m(wide) > 19.5


def test_the_same_seed_is_the_same_track() -> None:
    one, again, other = (random_track(RandomTrack(seed)) for seed in (7, 7, 8))
    assert np.array_equal(one.points_m, again.points_m)
    assert np.array_equal(one.elevation_m, again.elevation_m)
    assert len(one.points_m) != len(other.points_m)


def test_hills_do_not_change_the_course() -> None:
    flat, steep = (random_track(RandomTrack(3, hills=hills)) for hills in (0.0, 1.0))
    assert np.array_equal(flat.points_m, steep.points_m)
    assert flat.theme == steep.theme


def test_seeds_vary_in_every_respect() -> None:
    tracks = [random_track(RandomTrack(seed)) for seed in range(30)]
    assert {track.theme for track in tracks} == {"lake", "jungle", "circuit"}
    assert {track.markings for track in tracks} == {"double_yellow", "two_lanes", "white_edges"}
    assert {code for t in tracks for code in (*t.edge_left, *t.edge_right)} == set(Edge)
    turns = [np.sign(track.curvature(track.stations_s_m).sum()) for track in tracks]
    assert set(turns) == {-1, 1}
    for figure in (tightest_m, steepest):
        figures = [figure(track) for track in tracks]
        assert max(figures) > 1.5 * min(figures)


def test_it_starts_on_a_straight() -> None:
    for seed in range(8):
        track = random_track(RandomTrack(seed, twist=0.5))
        ahead = track.start_s_m + np.linspace(-8, 8, 17)
        assert np.abs(track.curvature(ahead)).max() < 1 / 60


def test_dirt_lies_at_the_outer_edge_of_a_bend() -> None:
    lakes = [t for t in (random_track(RandomTrack(k)) for k in range(20)) if t.theme == "lake"]
    for track in lakes:
        s_m = track.stations_s_m
        _, left, right = track.codes(s_m)
        assert (left == Edge.DIRT).any() != (right == Edge.DIRT).any()
        outer = right if (right == Edge.DIRT).any() else left
        middle = s_m[outer == Edge.DIRT]
        assert 38 <= len(middle) * s_m[1] <= 48
        bends_left = track.curvature(s_m)[outer == Edge.DIRT].mean() > 0
        assert bends_left == (outer is right)


@given(
    st.integers(0, 10**12),
    st.none() | st.floats(300, 5000),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1),
)
def test_names_say_it_all(
    seed: int, length_m: float | None, twist: float | None, hills: float | None
) -> None:
    config = RandomTrack(seed, length_m, twist, hills)
    assert random_track_from_name(config.name) == config


def test_names_are_short() -> None:
    assert RandomTrack(7).name == "random:7"
    assert RandomTrack(7, 1200, 0.5, 1).name == "random:7,length=1200,twist=0.5,hills=1"
    named = random_track_from_name("random:7,hills=0,length=900")
    assert named == RandomTrack(7, length_m=900, hills=0)


FORM = (
    " Write random:SEED[,length=METRES][,twist=0..1][,hills=0..1][,width=METRES][,radius=METRES]."
)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("random:", "random:: the seed must be a whole number from 0. Got ''." + FORM),
        ("random:-1", "random:-1: the seed must be a whole number from 0. Got '-1'." + FORM),
        ("random:²", "random:²: the seed must be a whole number from 0. Got '²'." + FORM),
        ("random:1,wide=2", "random:1,wide=2: there is no option 'wide'." + FORM),
        ("random:1,", "random:1,: there is no option ''." + FORM),
        ("random:1,twist", "random:1,twist: twist must be a number. Got ''." + FORM),
        ("random:1,twist=a", "random:1,twist=a: twist must be a number. Got 'a'." + FORM),
        ("random:1,hills=0,hills=1", "random:1,hills=0,hills=1: hills is given twice." + FORM),
        ("random:1,twist=1.1", "twist of a random track must be from 0 to 1. Got 1.1."),
        ("random:1,hills=nan", "hills of a random track must be from 0 to 1. Got nan."),
        ("random:1,width=30", "width of a random track must be from 5 to 16. Got 30."),
        ("random:1,length=20", "length of a random track must be from 300 to 5000. Got 20."),
    ],
)
def test_names_that_say_nothing(name: str, message: str) -> None:
    with pytest.raises(TrackError) as caught:
        random_track_from_name(name)
    assert str(caught.value) == message


def test_a_given_width_changes_nothing_else() -> None:
    drawn = random_track(RandomTrack(3))
    wide = random_track(random_track_from_name("random:3,width=14"))
    assert wide.name == "random:3,width=14"
    np.testing.assert_array_equal(wide.half_left_m, 7.0)
    np.testing.assert_array_equal(wide.points_m, drawn.points_m)


def test_a_seed_below_zero() -> None:
    with pytest.raises(TrackError, match="must be a whole number from 0. Got -1"):
        RandomTrack(-1)


@settings(max_examples=50)
@given(st.text("0123456789,=.-eantwishlgd", max_size=40))
def test_any_name_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(TrackError):
        assert random_track_from_name("random:" + text).seed >= 0

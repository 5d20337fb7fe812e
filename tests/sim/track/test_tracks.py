"""The built-in tracks have the figures that were measured, and names lead to tracks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from systems import why_not_there

from ghostlap.base.errors import TrackError
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.track import Edge, Surface, Track
from ghostlap.sim.track.track_checks import check_track
from ghostlap.sim.track.tracks import TRACKS, jungle, lake, track_named
from ghostlap.sim.world import World


def radii_m(track: Track) -> np.ndarray:
    return 1 / np.maximum(np.abs(track.curvature(track.stations_s_m)), 1e-9)


@pytest.mark.parametrize("name", ["lake", "jungle"])
def test_built_in_tracks_are_valid_and_keep_apart(name: str) -> None:
    track = track_named(name)
    check_track(track)
    assert track.name == name
    assert (np.ptp(track.stations_m, axis=0) < 450).all()
    # Stretches further apart along the road than half a circle are 25 m apart on the plane.
    place = track.stations_m[::2]
    first, second = cKDTree(place).query_pairs(25.0, output_type="ndarray").T
    along_m = np.abs(first - second) * 2 * track.stations_s_m[1]
    along_m = np.minimum(along_m, track.length_m - along_m)
    assert along_m.max() < 25 * np.pi / 2 + 2


@pytest.mark.parametrize("name", ["lake", "jungle"])
def test_laps_begin_on_a_straight(name: str) -> None:
    track = track_named(name)
    around = track.start_s_m + np.linspace(-12, 12, 25)
    assert np.abs(track.curvature(around)).max() < 1 / 200
    assert (track.codes(around)[0] == Surface.ROAD).all()


def test_the_lake_is_as_long_and_as_wide_as_udacitys() -> None:
    track = lake()
    assert track.length_m == pytest.approx(1139, abs=1)
    assert (track.theme, track.markings) == ("lake", "double_yellow")
    left_m, right_m = track.half_widths(300.0)
    assert left_m == right_m == pytest.approx(4.0)
    assert 33 < radii_m(track).min() < 40
    assert np.ptp(track.elevation_m) < 2.5


def test_the_lake_is_driven_counterclockwise_with_one_bend_to_the_right() -> None:
    track = lake()
    curvature = track.curvature(track.stations_s_m)
    assert curvature.mean() * track.length_m == pytest.approx(2 * np.pi, abs=1e-3)
    to_the_right = curvature < -1 / 100
    starts = to_the_right & ~np.roll(to_the_right, 1)
    assert starts.sum() == 1


def test_the_bridge_is_straight() -> None:
    track = lake()
    s_m = track.stations_s_m[track.codes(track.stations_s_m)[0] == Surface.BRIDGE]
    assert 80 <= np.ptp(s_m) <= 100
    assert np.abs(track.curvature(s_m)).max() < 1 / 200
    assert len(s_m) * track.stations_s_m[1] == pytest.approx(np.ptp(s_m), abs=1)


def test_the_lake_has_a_bend_with_a_dirt_edge() -> None:
    track = lake()
    s_m = track.stations_s_m
    dirt = track.codes(s_m)[2] == Edge.DIRT
    assert 40 < dirt.sum() * s_m[1] < 100
    assert (track.codes(s_m)[1] == Edge.LINED).all()
    tight = radii_m(track) < 50
    assert (dirt & tight).any()
    assert (dirt & (s_m > 831)).any()  # the one after the bridge


def test_the_jungle_has_hairpins_slopes_cliffs_and_drops() -> None:
    track = jungle()
    assert (track.theme, track.markings) == ("jungle", "two_lanes")
    assert 900 < track.length_m < 1500
    assert 12 <= radii_m(track).min() <= 18
    # Hairpins: half turns in less than 70 m of road.
    heading = np.unwrap(track.heading(track.stations_s_m))
    turned = np.abs(np.roll(heading, -140)[:-140] - heading[:-140])
    assert turned.max() > np.radians(160)
    grade = np.abs(track.grade(track.stations_s_m)).max()
    assert 0.12 <= grade <= 0.15
    assert np.ptp(track.elevation_m) > 15
    for edges in (track.edge_left, track.edge_right):
        assert set(edges) == {Edge.LINED, Edge.CLIFF, Edge.DROP}
        changes = np.flatnonzero(edges != np.roll(edges, 1))
        assert np.diff(changes).min() > 2  # walls do not flicker


def test_each_call_makes_its_own() -> None:
    one = track_named("lake")
    one.half_left_m[:] = 1.0
    assert track_named("lake").half_left_m.max() > 4


@pytest.mark.parametrize(
    ("name", "speed_mph"), [("lake", 30.0), ("jungle", 25.0), ("random:2", 30.0)]
)
def test_the_expert_drives_a_lap_both_ways(name: str, speed_mph: float) -> None:
    track = track_named(name)
    starts = [Start(track.start_s_m), Start(track.start_s_m, direction=-1)]
    world = World(track, FIXED[track.theme], starts, cameras=())
    driver = ExpertDriver(track, Expert(speed_limit_mph=speed_mph), 2)
    widest_m = 0.0
    while (world.truth().lap < 1).any():
        assert world.time_s < 3 * track.length_m / (speed_mph * 0.44704)
        world.step(*driver.control(world), seconds=0.1)
        widest_m = max(widest_m, float(np.abs(world.truth().cte_m).max()))
    assert widest_m < 0.5


def test_names_lead_to_tracks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(TRACKS) == ["lake", "jungle"]
    assert track_named("random:5,hills=0").name == "random:5,hills=0"
    angle = np.arange(60) * (2 * np.pi / 60)
    rows = np.stack([40 * np.cos(angle), 40 * np.sin(angle), 0 * angle + 4, 0 * angle + 4], -1)
    for name in ("ring.csv", "ring.txt"):
        np.savetxt(tmp_path / name, rows, delimiter=",")
        assert track_named(str(tmp_path / name)).name == "ring"
    monkeypatch.chdir(tmp_path)
    assert track_named("ring.txt").name == "ring"


@pytest.mark.parametrize("name", ["Lake", "", "random", "sea", "x" * 5000])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(TrackError) as caught:
        track_named(name)
    meant = "Did you mean lake? " if name == "Lake" else ""
    assert str(caught.value) == (
        f"There is no track {name!r}. {meant}Known are lake, jungle, random:SEED (say, random:7 "
        "or random:7,length=1200,twist=0.5,hills=0.3), and files like circuits/Spa.csv with "
        "columns x_m,y_m,w_tr_right_m,w_tr_left_m."
    )


def test_a_file_that_is_missing_is_named() -> None:
    path = Path("circuits/Spa.csv")
    said = re.escape(f"{path}: cannot be read ({why_not_there(path)})")
    with pytest.raises(TrackError, match=f"^{said}"):
        track_named("circuits/Spa.csv")

"""Scenes: the road lies where the track says, and a kept scene is the one that was made."""

from __future__ import annotations

import dataclasses
import errno
from pathlib import Path

import numpy as np
import pytest
from ellipses import ellipse

from ghostlap.base.errors import CacheError
from ghostlap.base.folder_lock import FolderLock
from ghostlap.sim.scene import scenery
from ghostlap.sim.scene.conditions import FIXED, Conditions, conditions_of
from ghostlap.sim.scene.scenery import Scene, scene_of
from ghostlap.sim.scene.sprites import Sprite
from ghostlap.sim.scene.terrain import LARGEST_GRID_CELLS, terrain_of
from ghostlap.sim.track.track import Surface, Track
from ghostlap.sim.track.tracks import track_named

CARS = (Sprite.WHITE_CAR, Sprite.RED_CAR, Sprite.BLUE_CAR, Sprite.BLACK_CAR)


def scenes_equal(one: Scene, other: Scene) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(Scene)
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path))
    return tmp_path / "scenes"


def test_a_full_cache_is_told_with_its_path_and_how_to_name_another(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object, **arrays: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(CacheError, match="scenes.*No space left.*GHOSTLAP_CACHE"):
        scene_of(ellipse(), FIXED["lake"])
    assert not list(cache.iterdir())


def test_a_scene_that_another_process_is_keeping_is_used_all_the_same(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenery, "_key", lambda *_: "one")
    with FolderLock(cache / ".one.npz.part"):
        scene = scene_of(ellipse(), FIXED["lake"])
        assert not (cache / "one.npz").exists()
    assert scenes_equal(scene, scene_of(ellipse(), FIXED["lake"]))
    assert [path.name for path in cache.iterdir()] == ["one.npz"]


@pytest.mark.parametrize("name", ["lake", "jungle"])
def test_the_land_carries_the_road(name: str) -> None:
    track = track_named(name)
    terrain = terrain_of(track)
    for cte_m in (-2.0, 0.0, 2.0):
        for s_m in np.linspace(0, track.length_m, 200):
            cell = terrain.cell_of(*track.position(s_m, cte_m))
            # The cell is up to half a cell from the place, on a grade.
            assert terrain.height_m[cell] == pytest.approx(track.elevation(s_m), abs=0.12)
            assert terrain.distance_m[cell] == pytest.approx(cte_m, abs=0.5)
            apart = (terrain.arc_m[cell] - s_m + track.length_m / 2) % track.length_m
            assert apart == pytest.approx(track.length_m / 2, abs=0.6)


def test_the_bridge_crosses_water() -> None:
    track = track_named("lake")
    terrain = terrain_of(track)
    s_m = track.stations_s_m[track.codes(track.stations_s_m)[0] == Surface.BRIDGE]
    middle = float(s_m[len(s_m) // 2])
    for side in (-12.0, 12.0):
        assert terrain.water_m[terrain.cell_of(*track.position(middle, side))] > 0.5
    assert terrain.water_m[terrain.cell_of(*track.position(middle))] == 0


def test_a_large_world_gets_larger_cells() -> None:
    terrain = terrain_of(ellipse(half_length_m=2000.0, half_breadth_m=900.0))
    rows, columns = terrain.shape
    assert rows * columns <= LARGEST_GRID_CELLS * 1.01
    assert terrain.cell_m > 1


def test_a_kept_scene_is_the_one_that_was_made(cache: Path) -> None:
    track = ellipse()
    made = scene_of(track, Conditions())
    assert len(list(cache.glob("*.npz"))) == 1
    kept = scene_of(track, Conditions())
    assert scenes_equal(made, kept)
    assert scenes_equal(made, scene_of(track, Conditions(), cache=False))


def test_scenes_of_other_tracks_and_conditions_are_kept_apart(cache: Path) -> None:
    track = ellipse()
    wider = dataclasses.replace(track, half_left_m=track.half_left_m + 1)
    for each in (track, wider):
        for conditions in (FIXED["lake"], conditions_of("seed", "lake", 1)):
            scene_of(each, conditions)
    assert len(list(cache.glob("*.npz"))) == 4


def test_a_broken_kept_scene_is_made_again(cache: Path) -> None:
    track = ellipse()
    made = scene_of(track, Conditions())
    [path] = cache.glob("*.npz")
    path.write_bytes(path.read_bytes()[:1000])
    assert scenes_equal(made, scene_of(track, Conditions()))
    assert path.stat().st_size > 1000


def test_the_cache_stays_within_its_bound(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track = ellipse()
    scene_of(track, Conditions())
    [first] = cache.glob("*.npz")
    monkeypatch.setattr(scenery, "_MOST_CACHED_BYTES", first.stat().st_size - 1)
    scene_of(track, Conditions(texture_seed=1))
    assert not first.exists()


def test_trees_stand_beside_the_road_and_in_the_dry() -> None:
    track: Track = track_named("jungle")
    scene = scene_of(track, FIXED["jungle"], cache=False)
    x_m, y_m, width_m = scene.props[:, 0], scene.props[:, 1], scene.props[:, 3]
    cte_m = track.locate(x_m, y_m, 0.0).cte_m
    assert np.abs(cte_m).min() > float(np.max(track.half_widths(0.0)))
    assert len(scene.props) > 300
    assert width_m.min() > 0.3


def test_parked_cars_stand_beside_the_road_as_many_as_asked_for() -> None:
    track = track_named("random:3")
    empty = scene_of(track, FIXED["circuit"], cache=False)
    parked = scene_of(track, Conditions(parked_per_km=50.0), cache=False)
    cars = parked.props[np.isin(parked.props[:, 5], CARS)]
    assert 30 < len(cars) / track.length_m * 1000 < 51
    assert not np.isin(empty.props[:, 5], CARS).any()
    at = track.locate(cars[:, 0].astype(float), cars[:, 1].astype(float), 0.0)
    nearest_m = np.abs(at.cte_m) - cars[:, 3] / 2 - np.max(track.half_widths(track.stations_s_m))
    assert nearest_m.min() > -0.1
    assert len(np.unique(cars[:, 5])) == len(CARS)

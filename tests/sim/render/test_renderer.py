"""Pictures of a scene: geometry, determinism, batches, sizes, and a golden picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import warp as wp
from ellipses import ellipse
from numpy.typing import NDArray
from places import GOLDEN

from ghostlap.base.errors import SimulatorError
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.sim.render import kernels
from ghostlap.sim.render.renderer import Renderer
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.scene.scenery import Scene, scene_of
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_named

EYE_M = 1.36


def poses_at(track: Track, s_m: list[float], cte_m: float = 0.0) -> NDArray[np.float32]:
    """Cameras on the track, looking along it."""
    places = track.position(s_m, cte_m)
    height = track.elevation(s_m) + EYE_M
    pitch = np.arctan(track.grade(s_m))
    columns = [places[:, 0], places[:, 1], height, track.heading(s_m), pitch]
    return np.stack(columns, -1).astype(np.float32)


@pytest.fixture(scope="module")
def lake() -> Track:
    return track_named("lake")


@pytest.fixture(scope="module")
def scene(lake: Track) -> Scene:
    return scene_of(lake, FIXED["lake"], cache=False)


@pytest.fixture(scope="module")
def bare() -> tuple[Track, Scene]:
    """A flat oval with white edges, no trees, no haze."""
    track = dataclasses.replace(ellipse(), theme="circuit", markings="white_edges")
    plain = dataclasses.replace(FIXED["circuit"], tree_density=0.0, haze=0.0)
    return track, scene_of(track, plain, cache=False)


def test_a_batch_shows_what_single_pictures_show(lake: Track, scene: Scene) -> None:
    poses = poses_at(lake, [5.0, 300.0, 700.0])
    together = Renderer(scene, 3).render(poses).copy()
    alone = Renderer(scene, 1)
    for k in range(3):
        assert np.array_equal(alone.render(poses[k : k + 1])[0], together[k])


def test_rows_are_those_of_the_whole_picture(lake: Track, scene: Scene) -> None:
    poses = poses_at(lake, [250.0])
    whole = Renderer(scene, 1).render(poses)
    part = Renderer(scene, 1, rows=(60, 135)).render(poses)
    assert part.shape == (1, 75, 320, 3)
    # The march starts at the lowest row asked for, so distances differ in their last digits.
    difference = np.abs(part.astype(int) - whole[:, 60:135]).max(-1)
    assert np.mean(difference > 8) < 0.02


def test_the_same_scene_gives_the_same_bytes(lake: Track, scene: Scene) -> None:
    again = scene_of(lake, FIXED["lake"], cache=False)
    poses = poses_at(lake, [100.0, 900.0])
    assert np.array_equal(Renderer(scene, 2).render(poses), Renderer(again, 2).render(poses))


def test_the_edge_line_is_where_the_camera_geometry_puts_it(bare: tuple[Track, Scene]) -> None:
    track, scene = bare
    # On the straightest place, a line X to the side is seen at row v in column
    # 320 + X / height * (v - horizon), for a picture twice as large.
    s_m = float(track.stations_s_m[np.abs(track.curvature(track.stations_s_m)).argmin()])
    picture = Renderer(scene, 1, height_px=320, width_px=640).render(poses_at(track, [s_m]))[0]
    half = float(track.half_widths(s_m)[1])
    row = 200
    expected = 320 + (half - 0.245) / EYE_M * (row + 0.5 - 2 * 58.6)
    white = picture[row].min(-1).astype(float)
    columns = np.arange(int(expected) - 25, int(expected) + 25)
    weights = np.maximum(white[columns] - np.median(white[columns]), 0)
    found = float((columns + 0.5) @ weights / weights.sum())
    assert found == pytest.approx(expected, abs=3.0)


def test_the_horizon_follows_the_pitch(bare: tuple[Track, Scene]) -> None:
    track, scene = bare
    level = poses_at(track, [0.0])
    up = level.copy()
    up[0, 4] = np.arctan(10 / 138.6)  # ten rows
    renderer = Renderer(scene, 1)
    low, high = renderer.render(level)[0].copy(), renderer.render(up)[0]
    assert np.abs(high[70:130].astype(int) - low[60:120]).mean() < 6
    assert np.abs(high.astype(int) - low).mean() > 6


def test_a_larger_picture_shows_the_same_view(lake: Track, scene: Scene) -> None:
    poses = poses_at(lake, [400.0])
    small = Renderer(scene, 1).render(poses)[0]
    large = Renderer(scene, 1, height_px=480, width_px=960).render(poses)[0]
    reduced = cv2.resize(large, (320, 160), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced[:130].astype(int) - small[:130]).mean() < 12


def test_conditions_change_what_they_say(lake: Track) -> None:
    poses = poses_at(lake, [60.0])
    own = FIXED["lake"]

    def road(**changes: object) -> NDArray[np.float64]:
        scene = scene_of(lake, dataclasses.replace(own, **changes), cache=False)  # type: ignore[arg-type]
        picture = Renderer(scene, 1).render(poses)[0]
        return np.asarray(picture[105:130, 130:190].mean((0, 1)))

    usual = road()
    assert road(brightness=0.4).mean() == pytest.approx(usual.mean() * 0.4, abs=2)
    assert road(tint=(1.0, 1.0, 0.5))[2] == pytest.approx(usual[2] * 0.5, abs=2)
    assert road(road="snow").mean() > usual.mean() + 40
    red, _, blue = road(road="dirt")
    assert red > blue + 40


def test_without_lines_no_yellow_is_left(lake: Track) -> None:
    poses = poses_at(lake, [60.0])

    def yellow(lines: bool) -> int:
        conditions = dataclasses.replace(FIXED["lake"], lines=lines)
        picture = Renderer(scene_of(lake, conditions, cache=False), 1).render(poses)[0][90:135]
        hue, saturation, _ = np.moveaxis(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), -1, 0)
        return int(((hue > 18) & (hue < 30) & (saturation > 120)).sum())

    assert yellow(lines=True) > yellow(lines=False) + 100


def test_pictures_match_the_golden_one(lake: Track, scene: Scene, tmp_path: Path) -> None:
    """Compilers may round differently from machine to machine, so a few levels are allowed."""
    jungle = track_named("jungle")
    forest = scene_of(jungle, FIXED["jungle"], cache=False)
    views = [
        Renderer(scene, 2, height_px=80, width_px=160).render(poses_at(lake, [30.0, 620.0])).copy(),
        Renderer(forest, 2, height_px=80, width_px=160).render(poses_at(jungle, [30.0, 620.0])),
    ]
    picture = np.concatenate([np.concatenate(list(pair), axis=1) for pair in views])
    new, path = tmp_path / "renderer.png", GOLDEN / "renderer.png"
    cv2.imwrite(str(new), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    difference = np.abs(picture.astype(int) - read_rgb(path))
    assert difference.mean() < 1.0, f"look at both; if the new one is right, copy {new} to {path}"
    assert np.mean(difference.max(-1) > 24) < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"views": 0}, "at least 1 view"),
        ({"views": 1, "height_px": 100_000}, "Got 1 of 320x100000"),
        ({"views": 1, "rows": (60, 200)}, r"within a frame of 160. Got \(60, 200\)"),
        ({"views": 1, "device": "tpu"}, "no device 'tpu' here .*Use cpu"),
    ],
)
def test_impossible_renderers_are_refused(
    scene: Scene, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(SimulatorError, match=message):
        Renderer(scene, **arguments)  # type: ignore[arg-type]


def test_camera_poses_of_another_shape_are_refused(scene: Scene) -> None:
    with pytest.raises(
        SimulatorError, match=r"camera_poses must have shape \(2, 5\). Got \(1, 5\)"
    ):
        Renderer(scene, 2).render(np.zeros((1, 5), np.float32))


def test_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """Needs no GPU: what CUDA cannot compile shows here."""
    files = wp.compile_aot_module(kernels, arch=90, module_dir=tmp_path, use_ptx=True)
    assert any(path.stat().st_size > 10_000 for path in files)


@pytest.mark.skipif(not wp.is_cuda_available(), reason="no CUDA GPU here")
def test_a_gpu_paints_the_same_picture(lake: Track, scene: Scene) -> None:
    poses = poses_at(lake, [100.0, 900.0])
    here = Renderer(scene, 2).render(poses)
    there = Renderer(scene, 2, device="cuda").render(poses)
    difference = np.abs(here.astype(int) - there)
    assert difference.mean() < 1.0
    assert np.mean(difference.max(-1) > 24) < 0.02

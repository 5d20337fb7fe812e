"""Strokes in pictures: where they lie, their gaps, wear and ends."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from ellipses import ellipse
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ghostlap.sim.render.renderer import Renderer
from ghostlap.sim.scene.conditions import FIXED, Conditions, conditions_of
from ghostlap.sim.scene.scenery import scene_of
from ghostlap.sim.scene.strokes import BLUE, RED, YELLOW, Stroke
from ghostlap.sim.scene.terrain import beside_road, raised, terrain_of
from ghostlap.sim.track.track import Edge, Track

HEIGHT_PX, WIDTH_PX, EYE_M = 320, 640, 1.36


@pytest.fixture(scope="module")
def straight() -> Track:
    """A flat oval so large that it is straight as far as anybody looks, 7 m wide."""
    return dataclasses.replace(ellipse(400.0, 200.0), theme="circuit", markings="white_edges")


def seen(track: Track, *strokes: Stroke, **changes: Any) -> NDArray[np.uint8]:
    """What the camera over the middle of the straightest place sees, where dashes begin."""
    s_m = track.length_m / 4
    strokes = tuple(stroke._replace(shift_m=stroke.shift_m - s_m) for stroke in strokes)
    plain = dataclasses.replace(
        FIXED["circuit"], tree_density=0.0, haze=0.0, shoulder=False, strokes=strokes, **changes
    )
    place = track.position(s_m)
    pose = [*place, EYE_M * plain.camera_height, float(track.heading(s_m)), 0.0]
    scene = scene_of(track, plain, cache=False)
    renderer = Renderer(scene, 1, height_px=HEIGHT_PX, width_px=WIDTH_PX)
    return renderer.render(np.array([pose], np.float32))[0].copy()


def share_of(paint: str, picture: NDArray[np.uint8]) -> float:
    """Share of a part of a picture that is of a colour."""
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    is_it = {
        "yellow": (red > blue + 80) & (green > blue + 50),
        "red": (red > green + 70) & (red > blue + 70),
        "blue": blue > red + 60,
    }[paint]
    return float(is_it.mean())


def row_at(metres: float) -> int:
    return round(2 * 58.6 + 2 * 138.6 * EYE_M / metres)


def columns_at(metres: float, left_m: float, right_m: float) -> slice:
    per_m = 2 * 138.6 / metres
    return slice(round(320 - left_m * per_m), round(320 - right_m * per_m))


def test_a_line_lies_where_it_was_put_and_nowhere_else(straight: Track) -> None:
    row = row_at(5.0)
    picture = seen(straight, Stroke(0, -0.1, 0.1, YELLOW, one_side=True))[row]
    assert share_of("yellow", picture[columns_at(5.0, 0.08, -0.08)]) == 1
    assert share_of("yellow", picture[columns_at(5.0, 3.3, 0.2)]) == 0
    quarters = seen(straight, Stroke(0.5, -0.1, 0.1, BLUE))[row]
    for left_m in (1.75, -1.75):
        assert share_of("blue", quarters[columns_at(5.0, left_m + 0.07, left_m - 0.07)]) == 1
    one = seen(straight, Stroke(-0.5, -0.1, 0.1, BLUE, one_side=True))[row]
    assert share_of("blue", one[: WIDTH_PX // 2]) == 0 < share_of("blue", one[WIDTH_PX // 2 :])


def test_dashes_have_gaps_and_move_with_their_shift(straight: Track) -> None:
    dash = Stroke(0, -0.3, 0.3, YELLOW, one_side=True, period_m=10.0, painted=0.5)
    near = row_at(3.0)  # at 3 m, in the first dash, which ends at 5 m
    for shift_m, there in ((0.0, 1.0), (5.0, 0.0), (10.0, 1.0)):
        picture = seen(straight, dash._replace(shift_m=shift_m))
        assert share_of("yellow", picture[near, columns_at(3.0, 0.2, -0.2)]) == there


def test_an_arrow_ends_in_a_point(straight: Track) -> None:
    head = Stroke(0, -0.6, 0.6, YELLOW, one_side=True, period_m=100.0, painted=0.08, taper=1.0)
    picture = seen(straight, head)

    def width_m(metres: float) -> float:
        wide = share_of("yellow", picture[row_at(metres) : row_at(metres) + 1]) * WIDTH_PX
        return wide * metres / (2 * 138.6)

    assert width_m(3.0) == pytest.approx(1.2 * (1 - 3 / 8), abs=0.1)
    assert width_m(7.0) == pytest.approx(1.2 * (1 - 7 / 8), abs=0.1)


def test_wear_takes_more_the_more_there_is(straight: Track) -> None:
    part = (slice(row_at(60.0), row_at(3.0)), slice(None))
    line = Stroke(0, -1.5, 1.5, YELLOW, one_side=True)
    worn = [seen(straight, line._replace(wear=wear))[part].astype(int) for wear in (0, 0.4, 0.8)]
    bare = seen(straight)[part].astype(int)
    left = [float(np.abs(picture - bare).mean()) for picture in worn]
    assert left[0] > left[1] > left[2] > 0
    assert left[2] < 0.5 * left[0]


def test_a_kerb_lies_beside_the_road_but_not_on_dirt(straight: Track) -> None:
    kerb, row = Stroke(1, 0.1, 1.0, RED), row_at(6.0)
    dirt = dataclasses.replace(
        straight, edge_right=np.full(len(straight.points_m), Edge.DIRT, np.uint8)
    )
    for track, right in ((straight, 1.0), (dirt, 0.0)):
        picture = seen(track, kerb, verge="snow")[row]
        assert share_of("red", picture[columns_at(6.0, 4.2, 3.9)]) == 1
        assert share_of("red", picture[columns_at(6.0, -3.9, -4.2)]) == right
        assert share_of("red", picture[columns_at(6.0, 3.2, -3.2)]) == 0


def test_no_strokes_are_no_lines(straight: Track) -> None:
    assert np.array_equal(seen(straight), seen(straight, Stroke(1, -0.3, -0.1), lines=False))


def test_a_higher_camera_sees_lines_closer_together(straight: Track) -> None:
    lines = Stroke(0.5, -0.1, 0.1, BLUE)
    usual, higher = (
        np.flatnonzero(
            [share_of("blue", one[None]) for one in seen(straight, lines, camera_height=k)[250]]
        )
        for k in (1.0, 1.2)
    )
    assert np.ptp(higher) == pytest.approx(np.ptp(usual) / 1.2, rel=0.03)
    down = seen(straight, lines, camera_pitch_deg=-2.0)
    moved_px = round(2 * 138.6 * np.tan(np.radians(2.0)))
    ahead = seen(straight, lines)
    difference = np.abs(down[130:270].astype(int) - ahead[130 + moved_px : 270 + moved_px])
    assert difference.mean() < 6


@given(st.integers(0, 10**6), st.sampled_from(["lake", "jungle", "circuit"]))
def test_drawn_conditions_are_plain_and_never_hide_the_road(seed: int, theme: str) -> None:
    drawn = conditions_of("any", theme, seed)  # type: ignore[arg-type]
    assert drawn == conditions_of("any", theme, seed)  # type: ignore[arg-type]
    json.dumps(dataclasses.asdict(drawn))
    edges = drawn.strokes is None or any(s.place == 1 and s.from_m < 0 for s in drawn.strokes)
    assert drawn.road != drawn.verge or (drawn.lines and edges)


def test_markings_vary_apart_from_theme_material_and_each_other() -> None:
    """Whatever a road is made of, each kind of stroke is there on some and not on others."""
    drawn = [conditions_of("any", "lake", seed) for seed in range(3000)]

    def has(conditions: Conditions, kind: str) -> bool:
        strokes = conditions.strokes or ()
        return {
            "edges": any(s.place == 1 and s.from_m < 0 for s in strokes),
            "middle": any(s.place == 0 and s.one_side and s.to_m < 0.2 for s in strokes),
            "beside": any(s.is_beside and not s.rise_m for s in strokes),
            "worn": any(s.wear for s in strokes),
            "walls": any(s.rise_m for s in strokes),
            "dashed": any(s.period_m for s in strokes),
            "yellow": any(s.paint[0] > 0.5 and s.paint[2] < 0.4 for s in strokes),
        }[kind]

    kinds = ("edges", "middle", "beside", "worn", "walls", "dashed", "yellow")
    for road in {conditions.road for conditions in drawn}:
        of_road = [c for c in drawn if c.road == road and c.road != c.verge]
        for kind in kinds:
            share = np.mean([has(c, kind) for c in of_road])
            assert 0.1 < share < 0.8, (road, kind)
    for one in kinds:
        for other in kinds:
            if one != other:
                assert any(has(c, one) and not has(c, other) for c in drawn), (one, other)


def test_a_wall_stands_where_it_was_put_and_hides_what_is_behind_it(straight: Track) -> None:
    wall = Stroke(1, 0.4, 1.6, RED, rise_m=1.2)
    flat, high = (share_of("red", seen(straight, one)) for one in (wall._replace(rise_m=0.0), wall))
    assert high > 2 * flat > 0
    terrain = terrain_of(straight)
    risen_m = raised(terrain, straight, [wall]).height_m - terrain.height_m
    beyond_m = beside_road(straight, terrain.distance_m, terrain.arc_m).beyond_m
    assert risen_m.max() == pytest.approx(1.2)
    assert not risen_m[(beyond_m < 0.4) | (beyond_m > 1.6)].any()


def test_barriers_have_gaps_and_may_stand_on_one_side(straight: Track) -> None:
    terrain = terrain_of(straight)

    def cells(**how: Any) -> int:
        wall = Stroke(1, 0.4, 1.6, RED, rise_m=1.0, **how)
        return int((raised(terrain, straight, [wall]).height_m > terrain.height_m).sum())

    assert cells(one_side=True) == pytest.approx(cells() / 2, rel=0.1)
    assert cells(period_m=20, painted=0.25) == pytest.approx(cells() / 4, rel=0.1)
    assert raised(terrain, straight, [Stroke(1, -0.3, -0.1, rise_m=1.0)]) is terrain  # on the road

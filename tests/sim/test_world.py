"""Controls in; frames, telemetry and truth out; the same every time."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from ellipses import ellipse
from hypothesis import given, settings
from hypothesis import strategies as st
from places import TESTS

from ghostlap.base.errors import SimulatorError
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.simulation import Start
from ghostlap.sim.vehicle import Vehicle
from ghostlap.sim.world import World

OVAL = ellipse(hill_m=2.0)
LAKE = FIXED["lake"]
STARTS = (Start(), Start(s_m=100, direction=-1, cte_m=1.0, heading_error_rad=0.1, speed_mps=8.0))


def blind(*starts: Start) -> World:
    return World(OVAL, LAKE, starts, cameras=())


@pytest.fixture(scope="module")
def seeing() -> World:
    """Two cars with three cameras; what moves them must put them elsewhere first."""
    return World(OVAL, LAKE, STARTS, cameras=("left", "center", "right"), height_px=40, width_px=80)


def test_starts_are_where_they_are_said_to_be() -> None:
    world = blind(*STARTS)
    truth, told = world.truth(), world.telemetry()
    np.testing.assert_allclose(truth.s_m, [0, 100], atol=1e-6)
    np.testing.assert_allclose(truth.cte_m, [0, 1], atol=1e-6)
    np.testing.assert_allclose(truth.heading_error_rad, [0, 0.1], atol=1e-6)
    np.testing.assert_allclose(truth.margin_m, [3.5, 2.5], atol=1e-6)
    np.testing.assert_allclose(told.speed_mph, [0, 8 / 0.44704])
    assert not truth.off_road.any()
    x_m, y_m, heading_rad = world.poses()
    np.testing.assert_allclose([x_m[0], y_m[0], heading_rad[0]], [120, 0, math.pi / 2], atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    st.floats(0, 500),
    st.sampled_from([1, -1]),
    st.floats(-6, 6),
    st.floats(-1, 1),
    st.floats(-4, 4),
    st.floats(-0.4, 0.4),
)
def test_truth_is_in_the_driving_direction(
    s_m: float, way: int, cte_m: float, error_rad: float, push_m: float, turn_rad: float
) -> None:
    world = blind(Start(s_m, way, cte_m, error_rad))
    truth = world.truth()
    assert truth.cte_m[0] == pytest.approx(cte_m, abs=1e-4)
    assert truth.heading_error_rad[0] == pytest.approx(error_rad, abs=1e-4)
    assert truth.margin_m[0] == pytest.approx(3.5 - abs(cte_m), abs=1e-4)
    assert truth.off_road[0] == (truth.margin_m[0] < 0)
    world.push(0, push_m, turn_rad)
    pushed = world.truth()
    assert pushed.cte_m[0] == pytest.approx(cte_m + push_m, abs=1e-4)
    assert pushed.heading_error_rad[0] == pytest.approx(error_rad + turn_rad, abs=1e-4)
    around_m = (pushed.s_m[0] - truth.s_m[0] + 100) % OVAL.length_m
    assert around_m == pytest.approx(100, abs=1e-3)
    assert pushed.distance_m[0] == 0
    # A car that moves to its own left, moves to the left of the line.
    moving = blind(Start(s_m, way, 0.0, 0.1, speed_mps=5.0))
    moving.step(0.0, 0.0, 0.1)
    assert moving.truth().cte_m[0] > 0.02
    assert moving.truth().distance_m[0] == pytest.approx(0.5, abs=0.05)


def test_laps_count_in_either_direction_and_put_backs_do_not_reset_them() -> None:
    small = ellipse(30, 20)
    world = World(small, LAKE, [Start(s_m=5.0), Start(s_m=5.0, direction=-1)], cameras=())
    driver = ExpertDriver(small, Expert(), 2)
    laps = []
    while world.time_s < 40:
        world.step(*driver.control(world), 0.05)
        laps.append(world.truth().lap)
        if len(laps) % 100 == 0:
            world.put_back(0)
    distance_m = world.truth().distance_m
    assert (np.diff(laps, axis=0) >= 0).all()
    assert (distance_m > 2 * small.length_m).all()
    np.testing.assert_array_equal(laps[-1], distance_m // small.length_m)
    expected_s_m = (5.0 + distance_m * [1, -1]) % small.length_m
    np.testing.assert_allclose(world.truth().s_m, expected_s_m, atol=0.01)


def test_driving_backwards_undoes_distance_and_earns_no_lap() -> None:
    world = blind(Start(s_m=2.0))
    world.step(0.0, -1.0, 2.0)
    truth = world.truth()
    assert -8 < truth.distance_m[0] < -3
    assert truth.lap[0] == 0
    assert truth.s_m[0] > OVAL.length_m - 8
    assert world.telemetry().speed_mph[0] > 5  # a speedometer knows no sign


def test_put_back_on_the_road_where_it_left() -> None:
    world = blind(Start(s_m=50, direction=-1, cte_m=5.0, heading_error_rad=0.7, speed_mps=10.0))
    before = world.truth()
    assert before.off_road[0]
    speed_mph = world.telemetry().speed_mph[0]
    world.put_back(0)
    truth = world.truth()
    assert truth.s_m[0] == pytest.approx(before.s_m[0])
    np.testing.assert_allclose([truth.cte_m[0], truth.heading_error_rad[0]], 0, atol=1e-6)
    assert world.telemetry().speed_mph[0] == pytest.approx(speed_mph / 2)
    world.put_back(0, cte_m=-1.75)
    assert world.truth().cte_m[0] == pytest.approx(-1.75)


def test_a_new_beginning_forgets_the_old_one() -> None:
    world = blind(Start(speed_mps=10.0))
    world.step(math.nan, 1.0, 1.0)
    world.place(0, Start(s_m=7.0, direction=-1))
    fresh = blind(Start(s_m=7.0, direction=-1))
    for _ in range(3):
        for one, other in zip(world.truth(), fresh.truth(), strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(world.telemetry(), fresh.telemetry())
        assert world.bad_actions[0] == 0
        world.step(0.1, 0.6, 0.05)
        fresh.step(0.1, 0.6, 0.05)


def test_bad_controls_are_mended_and_counted() -> None:
    world, good = blind(Start(), Start(), Start()), blind(Start(), Start(), Start())
    world.step([math.nan, 0.2, 0.0], [0.5, 3.0, 1.0], 0.05)
    world.step([0.0, math.inf, 0.0], [math.nan, 0.0, -math.inf], 0.05)
    good.step([0.0, 0.2, 0.0], [0.5, 1.0, 1.0], 0.05)
    good.step([0.0, 1.0, 0.0], [0.0, 0.0, -1.0], 0.05)
    np.testing.assert_array_equal(world.bad_actions, [2, 2, 1])
    np.testing.assert_array_equal(good.bad_actions, [0, 0, 0])
    np.testing.assert_array_equal(world.poses(), good.poses())
    np.testing.assert_array_equal(world.telemetry().steering, [0, 1, 0])
    np.testing.assert_array_equal(world.telemetry().throttle, [0, 0, -1])


def test_a_long_step_is_many_short_ones() -> None:
    long, short = blind(*STARTS), blind(*STARTS)
    long.step(0.1, 0.8, 2.0)
    for _ in range(20):
        short.step(0.1, 0.8, 0.1)
    np.testing.assert_allclose(long.poses(), short.poses(), atol=1e-9)
    assert long.time_s == pytest.approx(short.time_s)


def test_frames_have_a_picture_for_each_camera_and_are_a_copy(seeing: World) -> None:
    frames = seeing.frames()
    assert frames.shape == (2, 3, 40, 80, 3)
    assert frames.dtype == np.uint8
    assert frames.std() > 10
    assert (frames[0, 0] != frames[0, 1]).any()
    assert (frames[0, 1] != frames[1, 1]).any()
    kept = frames.copy()
    seeing.place(0, Start(s_m=200))
    assert (seeing.frames() != frames).any()
    np.testing.assert_array_equal(frames, kept)
    seeing.place(0, STARTS[0])
    np.testing.assert_array_equal(seeing.frames(), kept)


def test_rows_are_cut_from_the_whole_frame_and_a_scene_can_be_shared(seeing: World) -> None:
    cut = World(
        OVAL, LAKE, STARTS, cameras=("center",), height_px=40, width_px=80, rows=(15, 34),
        scene=seeing.scene,
    )  # fmt: skip
    for car, start in enumerate(STARTS):
        seeing.place(car, start)
    assert cut.scene is seeing.scene
    np.testing.assert_array_equal(cut.frames()[:, 0], seeing.frames()[:, 1, 15:34])


def test_same_controls_same_frames_whoever_else_drives(seeing: World) -> None:
    alone = World(
        OVAL, LAKE, STARTS[1:], cameras=("left", "center", "right"), height_px=40, width_px=80,
        scene=seeing.scene,
    )  # fmt: skip

    def driven(world: World, starts: tuple[Start, ...]) -> list[np.ndarray]:
        for car, start in enumerate(starts):
            world.place(car, start)
        frames = []
        for k in range(12):
            world.step(0.3 * math.sin(k), 0.7, 0.05)
            frames.append(world.frames()[-1])
        return frames

    first, again, by_itself = (
        driven(seeing, STARTS),
        driven(seeing, STARTS),
        driven(alone, STARTS[1:]),
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, by_itself)


def test_a_world_that_nobody_looks_at_needs_no_renderer() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r}); from ellipses import ellipse;"
        "from ghostlap.sim.simulation import Start; from ghostlap.sim.world import World;"
        "from ghostlap.sim.scene.conditions import FIXED;"
        "World(ellipse(), FIXED['lake'], [Start()], cameras=()).step(0.1, 1.0, 0.1);"
        "sys.exit('warp' in sys.modules or 'gymnasium' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_vehicle_can_be_another() -> None:
    world = World(OVAL, LAKE, [Start(speed_mps=30)], cameras=(), vehicle=Vehicle(top_speed_mps=25))
    assert world.telemetry().speed_mph[0] == pytest.approx(25 / 0.44704)


def test_mistakes_are_explained() -> None:
    with pytest.raises(SimulatorError, match="at least one car. Got no starts"):
        World(OVAL, LAKE, [])
    with pytest.raises(
        SimulatorError, match=r'no cameras to look through. Make it with cameras=\("'
    ):
        blind(Start()).frames()
    with pytest.raises(SimulatorError, match="one number for each of 2 cars.* Got the shape .3,"):
        blind(*STARTS).step([0, 0, 0], 0.0, 0.05)
    for seconds in (0.0, -1.0, math.nan):
        with pytest.raises(
            SimulatorError, match=f"seconds of a step must be above 0. Got {seconds}"
        ):
            blind(*STARTS).step(0.0, 0.0, seconds)
    with pytest.raises(SimulatorError, match=r"must be 1 .* or -1 .*Got 0"):
        Start(direction=0)
    with pytest.raises(SimulatorError, match="cte_m of a start must be a finite number. Got nan"):
        Start(cte_m=math.nan)

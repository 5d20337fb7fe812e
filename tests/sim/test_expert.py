"""The expert drives well, whatever the track, and comes back when pushed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from ellipses import ellipse
from hypothesis import given, settings
from hypothesis import strategies as st

from ghostlap.base.errors import SimulatorError
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.data.lines import SIDES, SWITCH_S, Line, line_at
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.vehicle import Floats, Vehicle
from ghostlap.sim.world import World

BOTH_WAYS = (Start(), Start(direction=-1))
OVAL = ellipse()


class Drive(NamedTuple):
    """Of each control period and car."""

    cte_m: Floats
    steering: Floats
    throttle: Floats
    speed_mph: Floats
    margin_m: Floats


def drive(
    world: World, config: Expert, seconds: float, hz: float = 20.0, vehicle: Vehicle | None = None
) -> Drive:
    driver = ExpertDriver(world.track, config, world.cars, vehicle)
    rows = []
    end_s = world.time_s + seconds
    while world.time_s < end_s:
        steering, throttle = driver.control(world)
        world.step(steering, throttle, 1 / hz)
        truth, told = world.truth(), world.telemetry()
        rows.append((truth.cte_m, steering, throttle, told.speed_mph, truth.margin_m))
    return Drive(*(np.array(column) for column in zip(*rows, strict=True)))


def world_of(track: Track, starts: tuple[Start, ...], vehicle: Vehicle | None = None) -> World:
    return World(track, FIXED[track.theme], starts, cameras=(), vehicle=vehicle)


def quarters_of(track: Track) -> tuple[Start, ...]:
    """Starts all round a track, both ways."""
    return tuple(
        Start(share * track.length_m, way) for way in (1, -1) for share in (0, 0.25, 0.5, 0.75)
    )


@pytest.mark.parametrize("hz", [15.0, 20.0])
def test_holds_the_centre_both_ways_without_weaving(hz: float) -> None:
    done = drive(world_of(OVAL, BOTH_WAYS), Expert(), 45, hz)
    settled = round(4 * hz)
    assert np.abs(done.cte_m[settled:]).mean() < 0.02
    assert np.abs(done.cte_m[settled:]).max() < 0.06
    slews_per_s = np.diff(done.steering[settled:], axis=0) * hz
    assert np.sqrt((slews_per_s**2).mean()) < 0.05  # the oval's own bends ask for 0.03
    assert done.speed_mph[settled:].mean() == pytest.approx(30, abs=0.3)


@pytest.mark.parametrize("name", ["lake", "jungle"])
@pytest.mark.parametrize("line", ["centre", "left_lane", "right_lane"])
def test_drives_the_built_in_tracks_both_ways_at_30_mph(name: str, line: Line) -> None:
    track = track_named(name)
    world = world_of(track, quarters_of(track))
    done = drive(world, Expert(line=line), track.length_m / 35)
    assert (world.truth().distance_m > track.length_m / 4).all()
    aim_m = SIDES[line] * float(np.mean(track.half_widths(track.stations_s_m))) / 2
    assert np.abs(done.cte_m[80:].mean() - aim_m) < 0.1
    assert done.margin_m.min() > 0.5
    if line == "centre":
        assert np.abs(done.cte_m[80:]).mean() < 0.15
        assert np.abs(done.cte_m[80:]).max() < 0.5


@pytest.mark.parametrize("name", ["Budapest", "Monza", "Norisring", "Spa", "Zandvoort"])
def test_drives_the_circuits_faster_than_udacitys_car_can(name: str, shared_data: Path) -> None:
    track = track_named(str(shared_data.parent / "circuits" / f"{name}.csv"))
    vehicle = Vehicle(top_speed_mps=40.0)
    world = world_of(track, quarters_of(track), vehicle)
    done = drive(world, Expert(speed_limit_mph=90), 60, vehicle=vehicle)
    assert done.margin_m.min() > 2.5
    assert np.abs(done.cte_m[80:]).mean() < 0.05
    assert done.speed_mph.max() > 45


@pytest.mark.parametrize("hz", [15.0, 20.0])
@pytest.mark.parametrize("speed_limit_mph", [10.0, 20.0, 30.0])
@pytest.mark.parametrize("turned_deg", [-15, 0, 15])
def test_comes_back_when_pushed(hz: float, speed_limit_mph: float, turned_deg: int) -> None:
    starts = tuple(
        Start(s_m, way, speed_mps=speed_limit_mph * MPS_A_MPH) for s_m in (0, 90) for way in (1, -1)
    )
    world = world_of(OVAL, starts)
    config = Expert(speed_limit_mph=speed_limit_mph)
    drive(world, config, 2, hz)
    sides = (2.5, -2.5, -2.5, 2.5)
    for car, side_m in enumerate(sides):
        world.push(car, side_m, math.copysign(math.radians(turned_deg), side_m * turned_deg))
    done = drive(world, config, 8, hz)
    from_push = done.cte_m * np.sign(sides)
    assert from_push.max() < 5.0
    assert from_push.min() > -0.15  # hardly across the line
    assert np.abs(done.cte_m[round(4 * hz) :]).max() < 0.3
    assert np.abs(np.diff(done.steering, axis=0)).max() * hz <= 3.0 + 1e-9


def test_slows_for_a_bend_in_time_and_holds_it() -> None:
    track = ellipse(half_length_m=90, half_breadth_m=25)  # radius 7 m at its ends
    config = Expert(lateral_limit_mps2=5.0, braking_mps2=2.5)
    world = world_of(track, BOTH_WAYS)
    driver = ExpertDriver(track, config, 2)
    steepest = 0.0
    for way in (1, -1):
        allowed = driver.speed_for(track.stations_s_m, np.full(len(track.stations_s_m), way))
        gained = np.diff(allowed**2) * way / (2 * np.diff(track.stations_s_m))
        steepest = max(steepest, -gained.min())
        assert (allowed**2 * np.abs(track.curvature(track.stations_s_m))).max() < 5.5
    assert steepest == pytest.approx(2.5, rel=0.01)
    done = drive(world, config, 60)
    assert done.speed_mph.max() > 27
    assert done.speed_mph[100:].min() == pytest.approx(
        math.sqrt(5 * 25**2 / 90) / MPS_A_MPH, rel=0.1
    )
    assert np.abs(done.cte_m).max() < 0.3


def test_holds_the_limit_uphill_and_down() -> None:
    hilly = ellipse(hill_m=5)  # up to 16 %
    assert np.abs(hilly.grade(hilly.stations_s_m)).max() > 0.12
    done = drive(world_of(hilly, BOTH_WAYS), Expert(speed_limit_mph=20), 60)
    assert np.abs(done.speed_mph[100:] - 20).max() < 0.5
    assert done.throttle.max() > 0.5
    assert done.throttle[100:].min() < 0


@pytest.mark.parametrize("line", ["left_lane", "right_lane"])
def test_a_lane_is_on_its_side_whichever_way(line: Line) -> None:
    done = drive(world_of(OVAL, BOTH_WAYS), Expert(line=line), 30)
    assert np.abs(done.cte_m[100:] - 1.75 * SIDES[line]).max() < 0.1


@pytest.mark.parametrize("speed_limit_mph", [20.0, 30.0])
def test_goes_over_to_a_line_within_3_s_of_the_command(speed_limit_mph: float) -> None:
    starts = tuple(Start(0, way, speed_mps=speed_limit_mph * MPS_A_MPH) for way in (1, -1))
    config = Expert(speed_limit_mph, line="switch")
    done = drive(world_of(OVAL, starts), config, 42)
    time_s = np.arange(len(done.cte_m)) / 20
    lines = [line_at("switch", at_s) for at_s in time_s]
    off_m = np.abs(done.cte_m - 1.75 * np.array([[SIDES[line]] for line in lines]))
    assert list(dict.fromkeys(lines)) == ["centre", "left_lane", "right_lane"]
    assert off_m[time_s % SWITCH_S > 3].max() < 0.3
    assert np.abs(done.cte_m).max() < 2.1


def test_noise_is_seeded_and_each_cars_own() -> None:
    def steering(cars: int, seed: int, noise: float = 0.03) -> Floats:
        starts = tuple(Start(speed_mps=10.0) for _ in range(cars))
        return drive(world_of(OVAL, starts), Expert(noise=noise, seed=seed), 8).steering

    two = steering(2, seed=1)
    assert np.array_equal(two, steering(2, seed=1))
    assert np.array_equal(two[:, :1], steering(1, seed=1))
    assert not np.array_equal(two[:, 0], two[:, 1])
    assert not np.array_equal(two, steering(2, seed=2))
    off = two - steering(2, seed=1, noise=0.0)
    assert 0.01 < off.std() < 0.06
    assert np.abs(np.diff(two, axis=0)).max() <= 3.0 / 20 + 1e-12


def test_asked_again_at_the_same_time_the_hands_stand_still() -> None:
    world = world_of(OVAL, (Start(speed_mps=10.0, cte_m=1.0),))
    driver = ExpertDriver(OVAL, Expert(noise=0.05), 1)
    steering, throttle = driver.control(world)
    world.step(steering, throttle, 0.05)
    first = driver.control(world)[0]
    assert driver.control(world)[0] == world.telemetry().steering
    assert abs(first - steering) <= 0.15 + 1e-12


places = st.tuples(
    st.floats(0, 500), st.floats(-3, 3), st.floats(-0.5, 0.5), st.floats(0, 30), st.just(1)
)


@settings(max_examples=50, deadline=None)
@given(places)
def test_steering_follows_the_place_alone_and_turns_back_to_the_line(
    place: tuple[float, float, float, float, int],
) -> None:
    driver = ExpertDriver(OVAL, Expert(), 1)
    s_m, cte_m, error_rad, speed_mps, way = place
    steering = driver.steering_for(s_m, cte_m, error_rad, speed_mps, way)
    assert -1 <= steering <= 1
    more_left = driver.steering_for(s_m, cte_m + 0.5, error_rad + 0.1, speed_mps, way)
    assert more_left >= steering  # positive steers to the right
    # Steering is one function: rows of a table give what each gives alone.
    rows = driver.steering_for(*(np.full(3, value) for value in place))
    assert np.array_equal(rows, np.full(3, steering))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"line": "left"}, "line must be one of centre, left_lane, right_lane, switch. Got 'left'"),
        ({"speed_limit_mph": 0.0}, "speed_limit_mph must be above 0. Got 0.0"),
        ({"braking_mps2": math.nan}, "braking_mps2 must be above 0. Got nan"),
        ({"noise": 1.5}, "noise must be from 0 to 1. Got 1.5"),
    ],
)
def test_impossible_experts_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        Expert(**options)  # type: ignore[arg-type]

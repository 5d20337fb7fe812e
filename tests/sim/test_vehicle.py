"""The car does what Udacity's was measured to do."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghostlap.base.errors import SimulatorError
from ghostlap.sim.vehicle import GRAVITY_MPS2, PHYSICS_STEP_S, Cars, Vehicle


def one_car(speed_mps: float = 0.0, vehicle: Vehicle | None = None) -> Cars:
    cars = Cars(1, vehicle or Vehicle())
    cars.place(0, 0.0, 0.0, 0.0, speed_mps)
    return cars


def drive(
    cars: Cars, seconds: float, steering: float = 0.0, throttle: float = 0.0, grade: float = 0.0
) -> None:
    for _ in range(round(seconds / PHYSICS_STEP_S)):
        cars.step(np.array([steering]), np.array([throttle]), np.array([grade]), PHYSICS_STEP_S)


def steady_turn(speed_mps: float, steering: float) -> Cars:
    """A car in a bend for so long that nothing changes any more, held at its speed."""
    cars = one_car(speed_mps)
    for _ in range(200):
        cars.speed_mps[:] = speed_mps
        cars.step(np.array([steering]), np.zeros(1), np.zeros(1), PHYSICS_STEP_S)
    return cars


@pytest.mark.parametrize(
    ("from_mps", "to_mps", "expected_mps2"), [(0, 1, 5.0), (8, 10, 4.1), (10, 12, 3.2)]
)
def test_full_throttle_accelerates_as_measured(
    from_mps: float, to_mps: float, expected_mps2: float
) -> None:
    cars = one_car(from_mps)
    steps = 0
    while cars.speed_mps[0] < to_mps:
        drive(cars, PHYSICS_STEP_S, throttle=1.0)
        steps += 1
    mean_mps2 = (cars.speed_mps[0] - from_mps) / (steps * PHYSICS_STEP_S)
    assert mean_mps2 == pytest.approx(expected_mps2, rel=0.03)


def test_the_speed_is_capped_also_downhill() -> None:
    cars = one_car()
    drive(cars, 10, throttle=1.0, grade=-0.1)
    assert cars.speed_mps[0] == 13.5
    faster = one_car(vehicle=Vehicle(top_speed_mps=20.0))
    drive(faster, 20, throttle=1.0)
    assert faster.speed_mps[0] == 20.0


def test_coasting_slows_down_as_measured_and_ends_in_a_stand() -> None:
    cars = one_car(13.0)
    drive(cars, 0.1)
    assert (13.0 - cars.speed_mps[0]) / 0.1 == pytest.approx(1.25, abs=0.02)
    drive(cars, 60)
    assert cars.speed_mps[0] == 0.0


def test_negative_throttle_brakes_to_a_stand_and_then_reverses() -> None:
    cars = one_car(10.0)
    drive(cars, 1.0, throttle=-1.0)
    assert 0 < cars.speed_mps[0] < 2.0
    seen = []
    for _ in range(25):
        drive(cars, PHYSICS_STEP_S, throttle=-1.0)
        seen.append(cars.speed_mps[0])
    assert 0.0 in seen  # a stand first
    assert seen[-1] < -0.3
    drive(cars, 10, throttle=-1.0)
    assert cars.speed_mps[0] == -4.0
    assert cars.x_m[0] < 0


def test_a_hill_pulls_back_and_a_gentle_one_holds() -> None:
    level, climb = one_car(10.0), one_car(10.0)
    drive(level, 0.1, throttle=0.5)
    drive(climb, 0.1, throttle=0.5, grade=0.1)
    lost = (level.speed_mps[0] - climb.speed_mps[0]) / 0.1
    assert lost == pytest.approx(GRAVITY_MPS2 * math.sin(math.atan(0.1)), rel=0.02)
    standing = one_car()
    drive(standing, 5, grade=0.01)
    assert standing.speed_mps[0] == 0
    drive(standing, 5, grade=0.1)
    assert standing.speed_mps[0] < -1


@pytest.mark.parametrize("speed_mps", [8.0, 10.0, 12.0, 13.4])
@pytest.mark.parametrize("steering", [0.05, -0.1, 0.2])
def test_yaw_rate_is_that_of_a_wheelbase_of_3_to_3_5_m(speed_mps: float, steering: float) -> None:
    cars = steady_turn(speed_mps, steering)
    wheelbase_m = speed_mps * math.tan(math.radians(25) * -steering) / cars.yaw_rate_rad_s[0]
    assert 3.0 <= wheelbase_m <= 3.5
    assert wheelbase_m == pytest.approx(cars.vehicle.effective_wheelbase_m(speed_mps), rel=1e-6)
    drift = cars.sideways_mps[0] / cars.yaw_rate_rad_s[0]
    assert drift == pytest.approx(cars.vehicle.drift_per_curvature_m(speed_mps), rel=1e-6)


def test_below_3_mps_the_rear_wheels_roll_where_they_point() -> None:
    cars = one_car(2.0)
    drive(cars, 1.0, steering=0.7, throttle=0.05)
    assert cars.speed_mps[0] < 3
    rear_sideways = cars.sideways_mps - cars.vehicle.axle_m * cars.yaw_rate_rad_s
    assert rear_sideways[0] == pytest.approx(0.0, abs=1e-12)


def test_the_change_from_kinematic_to_dynamic_is_smooth() -> None:
    speeds = np.arange(2.5, 6.0, 0.05)
    rates = np.array([steady_turn(float(v), 0.3).yaw_rate_rad_s[0] for v in speeds])
    assert (np.diff(rates) < 0).all()  # ever faster to the right
    bends = np.abs(np.diff(rates, 2))
    assert bends.max() < 5e-4


def test_steering_to_the_right_turns_to_the_right_also_in_reverse() -> None:
    cars = one_car(5.0)
    drive(cars, 2, steering=0.3)
    assert cars.heading_rad[0] < 0
    assert cars.y_m[0] < 0
    back = one_car(-2.0)
    drive(back, 1, steering=0.3, throttle=-0.5)
    assert back.heading_rad[0] > 0  # the nose swings the other way


@pytest.mark.parametrize("speed_mps", [8.0, 13.5])
def test_the_tyres_give_out_gently_and_the_car_does_not_spin(speed_mps: float) -> None:
    cars = one_car(speed_mps)
    for second in range(20):
        drive(cars, 0.5, steering=1.0 if second % 2 else -1.0, throttle=1.0)
        sideways_mps2 = abs(cars.yaw_rate_rad_s[0] * cars.speed_mps[0])
        assert sideways_mps2 < 10.0
        assert abs(cars.sideways_mps[0]) < 0.25 * cars.speed_mps[0]
    steady = steady_turn(13.4, 1.0)
    assert abs(steady.yaw_rate_rad_s[0]) * 13.4 == pytest.approx(8.6, rel=0.01)


def test_a_sharp_bend_costs_speed() -> None:
    straight, bend = one_car(12.0), one_car(12.0)
    drive(straight, 1, throttle=0.5)
    drive(bend, 1, steering=0.3, throttle=0.5)
    assert bend.speed_mps[0] < straight.speed_mps[0] - 0.2


controls = st.lists(
    st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-0.2, 0.2)), min_size=1, max_size=12
)


@settings(max_examples=25, deadline=None)
@given(controls, st.integers(1, 9), st.integers(0, 8), st.floats(0, 13.5))
def test_a_car_does_not_depend_on_how_many_others_there_are(
    given_controls: list[tuple[float, float, float]], cars: int, which: int, speed_mps: float
) -> None:
    which %= cars
    alone, crowd = Cars(1, Vehicle()), Cars(cars, Vehicle())
    alone.place(0, 3.0, 4.0, 0.5, speed_mps)
    for car in range(cars):
        crowd.place(car, 3.0, 4.0, 0.5, speed_mps if car == which else car)
    for steering, throttle, grade in given_controls:
        alone.step(np.array([steering]), np.array([throttle]), np.array([grade]), PHYSICS_STEP_S)
        others = np.linspace(-0.1, 0.1, cars)
        mixed = [others.copy() for _ in range(3)]
        mixed[0][which], mixed[1][which], mixed[2][which] = steering, throttle, grade
        crowd.step(mixed[0], mixed[1], mixed[2], PHYSICS_STEP_S)
    for name in ("x_m", "y_m", "heading_rad", "speed_mps", "sideways_mps", "yaw_rate_rad_s"):
        assert getattr(alone, name)[0] == getattr(crowd, name)[which]


@settings(max_examples=25, deadline=None)
@given(controls)
def test_whatever_the_controls_the_car_stays_finite(
    given_controls: list[tuple[float, float, float]],
) -> None:
    cars = one_car(13.5)
    for steering, throttle, grade in given_controls:
        drive(cars, 0.5, steering, throttle, grade)
    assert np.isfinite([cars.x_m, cars.y_m, cars.heading_rad, cars.sideways_mps]).all()
    assert -4.0 <= cars.speed_mps[0] <= 13.5


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Vehicle)])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_vehicle_is_refused(field: str, value: float) -> None:
    with pytest.raises(SimulatorError, match=rf"{field} of a vehicle must be above 0. Got {value}"):
        Vehicle(**{field: value})

"""From a pilot's answer to what the car does."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.base.errors import GhostlapError
from ghostlap.driving.control import ControlConfig, Controller

ANY = st.floats(allow_nan=True, allow_infinity=True)


def driven(config: ControlConfig, seconds: float, speed_mph: float = 0.0) -> np.ndarray:
    """The speeds of a simple car under a controller that steers straight ahead."""
    controller, speeds = Controller(config), []
    for _ in range(round(seconds * 20)):
        throttle = float(controller.control(0.0, speed_mph, 0.05).throttle[0])
        push = 10.0 * throttle if throttle > 0 else 18.0 * throttle
        speed_mph = max(0.0, speed_mph + (push - 0.02 * speed_mph) * 0.05)
        speeds.append(speed_mph)
    return np.array(speeds)


def test_the_pilots_steering_is_carried_out_at_once() -> None:
    controller = Controller(cars=3)
    control = controller.control([-0.3, 0.0, 0.7], 20.0, 0.05)
    np.testing.assert_array_equal(control.steering, [-0.3, 0.0, 0.7])


def test_steering_is_clipped() -> None:
    assert Controller().control(3.0, 20.0, 0.05).steering[0] == 1.0
    gentle = Controller(ControlConfig(steering_limit=0.4))
    assert gentle.control(-3.0, 20.0, 0.05).steering[0] == -0.4


def test_speed_is_reached_held_and_hardly_exceeded() -> None:
    speeds = driven(ControlConfig(speed_limit_mph=25.0), 40.0)
    assert speeds.max() < 26.5
    assert speeds[-200:] == pytest.approx(25.0, abs=0.1)


def test_a_car_that_is_too_fast_brakes_to_the_limit_and_no_further() -> None:
    speeds = driven(ControlConfig(speed_limit_mph=10.0), 30.0, speed_mph=30.0)
    assert (np.diff(speeds[:20]) < 0).all()
    assert speeds.min() > 8.5
    assert speeds[-1] == pytest.approx(10.0, abs=0.1)


def test_being_held_up_for_long_does_not_end_in_overshoot() -> None:
    """The integral stops where the throttle is at its end already."""
    held_up = Controller(ControlConfig(speed_limit_mph=20.0))
    for _ in range(600):
        assert held_up.control(0.0, 0.0, 0.05).throttle[0] == 1.0
    assert held_up.control(0.0, 22.0, 0.05).throttle[0] < 0.2


@pytest.mark.parametrize("answer", [math.nan, math.inf, -math.inf])
def test_a_lost_pilot_stops_the_car_and_keeps_its_wheels(answer: float) -> None:
    controller = Controller()
    controller.control(0.25, 20.0, 0.05)
    lost = controller.control(answer, 20.0, 0.05)
    assert lost.steering[0] == 0.25
    assert lost.throttle[0] == -1.0
    back = controller.control(-0.1, 15.0, 0.05)
    assert back.steering[0] == -0.1
    assert back.throttle[0] > 0


def test_a_late_answer_counts_as_none() -> None:
    controller = Controller(ControlConfig(late_after_s=0.3))
    assert controller.control(0.5, 20.0, 0.05, age_s=0.2).steering[0] == 0.5
    late = controller.control(-0.5, 20.0, 0.05, age_s=0.4)
    assert late.steering[0] == 0.5
    assert late.throttle[0] == -1.0
    assert controller.control(-0.5, 20.0, 0.05, age_s=math.nan).steering[0] == 0.5


def test_brakes_are_let_go_before_they_mean_reverse() -> None:
    controller = Controller()
    assert controller.control(math.nan, 5.0, 0.05).throttle[0] == pytest.approx(-0.5)
    assert controller.control(math.nan, 0.0, 0.05).throttle[0] == 0.0


def test_without_a_speed_the_car_coasts() -> None:
    control = Controller().control(0.3, math.nan, 0.05)
    assert control.steering[0] == 0.3
    assert control.throttle[0] == 0.0


def test_smoothing_covers_63_percent_in_its_time_constant() -> None:
    for ticks in (1, 4, 10):
        controller = Controller(ControlConfig(smoothing_s=0.2))
        for _ in range(ticks):
            steering = controller.control(1.0, 20.0, 0.2 / ticks).steering[0]
        assert steering == pytest.approx(1 - math.exp(-1))


def test_bends_can_be_driven_slower() -> None:
    config = ControlConfig(speed_limit_mph=20.0, slow_in_bends=0.5)
    assert Controller(config).control(0.0, 14.0, 0.05).throttle[0] > 0
    assert Controller(config).control(-1.0, 14.0, 0.05).throttle[0] < 0


@pytest.mark.parametrize(
    ("speed_mph", "throttle"), [(0.0, 1.0), (5.0, 0.75), (20.0, 0.0), (30.0, -0.5), (90.0, -1.0)]
)
def test_the_seeds_throttle_is_one_minus_speed_by_limit(speed_mph: float, throttle: float) -> None:
    controller = Controller(ControlConfig(speed_limit_mph=20.0, throttle="seed"))
    for _ in range(3):  # it has no memory
        assert controller.control(0.1, speed_mph, 0.05).throttle[0] == pytest.approx(throttle)


def test_the_seeds_throttle_stops_for_a_pilot_that_asks_to_stand_or_is_lost() -> None:
    controller = Controller(ControlConfig(throttle="seed"))
    assert controller.control(0.1, 20.0, 0.05, pilot_speed_mph=0.0).throttle[0] == -1.0
    assert controller.control(0.1, 0.0, 0.05, pilot_speed_mph=0.0).throttle[0] == 0.0
    assert controller.control(math.nan, 20.0, 0.05).throttle[0] == -1.0


def test_holding_keeps_the_wheels_and_coasts() -> None:
    controller = Controller()
    controller.control(0.25, 20.0, 0.05)
    assert [float(value[0]) for value in controller.hold()] == [0.25, 0.0]


def test_a_pilot_may_ask_for_less_speed_but_not_for_more() -> None:
    config = ControlConfig(speed_limit_mph=20.0)
    assert Controller(config).control(0.0, 15.0, 0.05, pilot_speed_mph=10.0).throttle[0] < 0
    assert Controller(config).control(0.0, 25.0, 0.05, pilot_speed_mph=40.0).throttle[0] < 0
    lost = Controller(config).control(0.2, 15.0, 0.05, pilot_speed_mph=math.nan)
    assert lost.throttle[0] == -1.0


def test_a_car_that_was_put_elsewhere_is_forgotten_and_no_other() -> None:
    controller = Controller(ControlConfig(smoothing_s=1.0), cars=2)
    controller.control(0.8, 10.0, 0.5)
    controller.reset(1)
    steering = controller.control(math.nan, 10.0, 0.05).steering
    assert steering[0] > 0.3
    assert steering[1] == 0.0


@given(
    st.lists(st.tuples(ANY, ANY, ANY), min_size=1, max_size=6),
    st.floats(1e-3, 10),
    st.sampled_from(["pi", "seed"]),
)
def test_whatever_comes_in_a_car_can_carry_out_what_comes_out(
    told: list[tuple[float, float, float]], elapsed_s: float, rule: Literal["pi", "seed"]
) -> None:
    controller = Controller(ControlConfig(smoothing_s=0.1, slow_in_bends=0.3, throttle=rule))
    for steering, speed_mph, age_s in told:
        control = controller.control(steering, speed_mph, elapsed_s, age_s=age_s)
        assert np.abs(control.steering).max() <= 1
        assert np.abs(control.throttle).max() <= 1


@given(st.lists(st.tuples(ANY, st.floats(0, 40)), min_size=1, max_size=5))
def test_cars_do_not_mind_each_other(told: list[tuple[float, float]]) -> None:
    together = Controller(cars=len(told))
    alone = [Controller() for _ in told]
    for _ in range(3):
        control = together.control([s for s, _ in told], [v for _, v in told], 0.05)
        for car, (steering, speed_mph) in enumerate(told):
            own = alone[car].control(steering, speed_mph, 0.05)
            assert own.steering[0] == control.steering[car]
            assert own.throttle[0] == control.throttle[car]


@pytest.mark.parametrize("limit", [0.0, -5.0, math.inf, math.nan])
def test_a_speed_limit_must_be_above_zero(limit: float) -> None:
    with pytest.raises(GhostlapError, match=f"speed_limit_mph must be above 0. Got {limit}"):
        ControlConfig(speed_limit_mph=limit)


@pytest.mark.parametrize(
    ("option", "value", "limits"),
    [
        ("steering_limit", 1.1, "0 to 1"), ("smoothing_s", -0.1, "0 to 10"),
        ("slow_in_bends", 2.0, "0 to 1"), ("proportional_per_mph", math.nan, "0 to 10"),
        ("integral_per_mph_s", -1.0, "0 to 10"), ("late_after_s", 4000.0, "0 to 3600"),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(option: str, value: float, limits: str) -> None:
    wrong: dict[str, Any] = {option: value}
    with pytest.raises(GhostlapError, match=f"{option} must be from {limits}. Got {value}"):
        ControlConfig(**wrong)

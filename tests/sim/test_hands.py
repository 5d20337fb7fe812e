"""Hands: late, in jumps, and right on average; keys know full lock and nothing."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghostlap.base.errors import SimulatorError
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.hands import Hand, Style
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.world import World

TICK_S = 1 / 30
PERSONS = [style for style in get_args(Style) if style != "steady"]


def moved(style: Any, wanted: np.ndarray, seed: int = 0) -> np.ndarray:
    """What a hand does with what is wanted at each tick."""
    hand, now, done = Hand(style, np.random.default_rng(seed)), 0.0, []
    for one in wanted:
        now = hand.move(now, float(one), TICK_S)
        done.append(now)
    return np.array(done)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(PERSONS), st.floats(-0.6, 0.6), st.integers(0, 1000))
def test_a_hand_is_right_on_average(style: Any, wanted: float, seed: int) -> None:
    done = moved(style, np.full(3000, wanted), seed)
    assert np.abs(done).max() <= 1
    if style != "gamepad" or abs(wanted) > 0.07:
        assert done[300:].mean() == pytest.approx(wanted, abs=0.05)


def test_taps_are_mostly_zero_and_slew_as_keys_do() -> None:
    done = moved("taps", np.full(3000, 0.08))
    assert 0.6 < np.mean(done == 0) < 0.9
    assert done.max() > 0.25
    assert np.abs(np.diff(done)).max() <= 3 * TICK_S + 1e-9


def test_a_mouse_holds_and_a_gamepad_has_a_dead_zone_and_steps() -> None:
    wanted = 0.3 * np.sin(np.arange(600) / 30)
    mouse, gamepad = moved("mouse", wanted), moved("gamepad", wanted)
    assert np.mean(np.diff(mouse) == 0) > 0.3
    assert (moved("gamepad", np.full(300, 0.04)) == 0).all()
    held = gamepad[1:][np.diff(gamepad) == 0]
    assert np.allclose(held * 128, np.round(held * 128))


@pytest.mark.parametrize("style", PERSONS)
def test_a_persons_hand_keeps_the_car_on_the_lake(style: Any) -> None:
    track = track_named("lake")
    starts = [Start(s_m=k * 190.0, direction=1 - 2 * (k % 2)) for k in range(6)]
    world = World(track, FIXED["lake"], starts, cameras=())
    driver = ExpertDriver(track, Expert(speed_limit_mph=22.0, style=style), len(starts))
    steering = []
    while world.time_s < 20:
        world.step(*driver.control(world), TICK_S)
        steering.append(world.telemetry().steering)
        assert not world.truth().off_road.any()
    zeros = np.mean(np.array(steering) == 0)
    assert (0.6 < zeros < 0.85) if style == "taps" else zeros < 0.7


def test_a_steady_hand_is_as_it_was_and_others_are_refused() -> None:
    assert Expert() == dataclasses.replace(Expert(), style="steady")
    with pytest.raises(SimulatorError, match="style must be one of steady, taps, mouse, gamepad"):
        Expert(style="feet")  # type: ignore[arg-type]

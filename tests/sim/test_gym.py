"""The environments are what Gymnasium says they must be, and tell the truth."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import pytest
from ellipses import ellipse
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from ghostlap.base.errors import SimulatorError
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.gym import DrivingEnv, DrivingVectorEnv

SMALL: dict[str, Any] = {"height_px": 24, "width_px": 48}
OVAL = ellipse()
FORWARDS = np.array([0.0, 1.0], np.float32)


def env_of(**task: Any) -> DrivingEnv:
    env = gymnasium.make("ghostlap/Track-v0", track=OVAL, **SMALL, **task).unwrapped
    assert isinstance(env, DrivingEnv)
    return env


def cars_of(num_envs: int, **task: Any) -> DrivingVectorEnv:
    cars = gymnasium.make_vec("ghostlap/Track-v0", num_envs, track=OVAL, **SMALL, **task)
    assert isinstance(cars, DrivingVectorEnv)
    return cars


@pytest.mark.parametrize("name", ["Lake", "Jungle"])
def test_built_in_tracks_pass_gymnasiums_checker(name: str) -> None:
    env = gymnasium.make(f"ghostlap/{name}-v0", **SMALL)
    check_env(env.unwrapped)
    assert env.unwrapped.world.track.name == name.lower()  # type: ignore[attr-defined]


def test_any_track_and_all_options_pass_gymnasiums_checker() -> None:
    check_env(
        env_of(
            cameras=("left", "center", "right"), rows=(9, 20), conditions="seed", variants=2,
            off_road_ends=False, laps=1, control_hz=15.0, top_speed_mps=10.0,
        )
    )  # fmt: skip


def test_observations_are_the_worlds() -> None:
    env = env_of(cameras=("left", "center"), rows=(9, 20), render_mode="rgb_array")
    seen, info = env.reset(seed=3)
    assert set(seen) == {"left", "center", "speed_mph"}
    assert seen["center"].shape == (11, 48, 3)
    for _ in range(10):
        seen, reward, terminated, truncated, info = env.step(FORWARDS)
    np.testing.assert_array_equal(seen["left"], env.world.frames()[0, 0])
    np.testing.assert_array_equal(seen["center"], env.render())
    assert seen["speed_mph"] == pytest.approx(env.world.telemetry().speed_mph)
    truth = env.world.truth()
    assert info == {
        "s_m": truth.s_m[0],
        "cte_m": truth.cte_m[0],
        "heading_error": truth.heading_error_rad[0],
        "off_road": False,
        "lap": 0,
        "distance_m": truth.distance_m[0],
    }
    assert not terminated
    assert not truncated
    assert 0 < reward < 0.2  # 2.5 m/s for 0.05 s


def test_the_seed_decides_start_direction_and_conditions() -> None:
    env = env_of(conditions="seed", variants=3)
    seen: dict[int, Any] = {}
    for seed in (1, 2, 3, 4, 5, 6, 1):
        _, info = env.reset(seed=seed)
        key = (info["s_m"], int(env.world.direction[0]), env.world.conditions)
        assert seen.setdefault(seed, key) == key
    assert len({s_m for s_m, _, _ in seen.values()}) == 6
    assert {way for _, way, _ in seen.values()} == {1, -1}
    assert 1 < len({conditions.texture_seed for _, _, conditions in seen.values()}) <= 3
    one_way = env_of(direction=-1)
    for seed in range(4):
        one_way.reset(seed=seed)
        assert one_way.world.direction[0] == -1


def test_reset_takes_a_start() -> None:
    env = env_of()
    start = {"s_m": 70.0, "direction": -1, "cte_m": 1.0, "speed_mps": 8.0}
    seen, info = env.reset(seed=1, options=start)
    assert info["s_m"] == pytest.approx(70)
    assert info["cte_m"] == pytest.approx(1)
    assert seen["speed_mph"][0] == pytest.approx(8 / 0.44704)
    with pytest.raises(SimulatorError, match="takes the options s_m, .*speed_mps. Got place, time"):
        env.reset(options={"time": 0, "place": 3})


def test_reward_is_progress_less_distance_from_the_line() -> None:
    env = env_of()
    rewards = []
    for cte_m in (0.0, 2.0):
        env.reset(options={"s_m": 0.0, "direction": 1, "cte_m": cte_m, "speed_mps": 10.0})
        _, reward, *_, info = env.step(np.zeros(2, np.float32))
        assert reward == pytest.approx(info["distance_m"] - abs(info["cte_m"]) * 0.05)
        rewards.append(reward)
    assert rewards[0] == pytest.approx(0.5, abs=0.02)
    assert rewards[1] < rewards[0] - 0.05


def test_leaving_the_road_ends_an_episode_or_puts_the_car_back() -> None:
    ending, going_on = env_of(), env_of(off_road_ends=False)
    leave = {"s_m": 0.0, "direction": 1, "cte_m": 3.3, "heading_error_rad": 0.5, "speed_mps": 10.0}
    for env in (ending, going_on):
        env.reset(options=leave)
        _, reward, terminated, _, info = env.step(np.zeros(2, np.float32))
        assert info["off_road"] is True
        assert reward < -9
        assert terminated is (env is ending)
    assert abs(going_on.world.truth().cte_m[0]) < 1e-6
    assert ending.world.truth().off_road[0]


def test_laps_and_steps_cut_an_episode_off() -> None:
    env = gymnasium.make(
        "ghostlap/Track-v0", track=ellipse(30, 20), laps=1, max_episode_steps=500, **SMALL
    )
    driving = env.unwrapped
    assert isinstance(driving, DrivingEnv)
    env.reset(seed=1)
    driver = ExpertDriver(driving.world.track, Expert(), 1)
    truncated, steps = False, 0
    while not truncated:
        action = np.concatenate(driver.control(driving.world)).astype(np.float32)
        _, _, terminated, truncated, info = env.step(action)
        steps += 1
        assert not terminated
    assert info["lap"] == 1
    assert 200 < steps < 500
    env.reset(seed=1)
    outcomes = [env.step(np.zeros(2, np.float32))[3] for _ in range(500)]
    assert outcomes.index(True) == 499


def test_the_vector_environment_is_as_many_single_ones() -> None:
    cars, env = cars_of(3), env_of()
    assert cars.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert cars.world.cars == 3
    batch, infos = cars.reset(seed=5)
    assert cars.observation_space.contains(batch)
    action = np.array([[0.1, 1.0], [0.0, 0.5], [-0.2, 1.0]], np.float32)
    starts = [
        {"s_m": infos["s_m"][car], "direction": int(cars.world.direction[car])} for car in range(3)
    ]
    steps = [cars.step(action) for _ in range(6)]
    for car, start in enumerate(starts):
        env.reset(options=start)
        for batch, rewards, _, _, infos in steps:
            seen, reward, _, _, info = env.step(action[car])
            for name, values in seen.items():
                np.testing.assert_array_equal(batch[name][car], values)
            assert rewards[car] == pytest.approx(reward, abs=1e-9)
            for name, value in info.items():
                assert infos[name][car] == pytest.approx(value, abs=1e-9)
                assert infos[f"_{name}"].all()


def test_vector_environments_repeat_themselves_bit_for_bit() -> None:
    cars = cars_of(2, conditions="seed", variants=2, max_episode_steps=7)
    cars.action_space.seed(0)
    actions = [cars.action_space.sample() for _ in range(20)]

    def driven() -> list[Any]:
        first, _ = cars.reset(seed=9)
        return [first["center"], *(cars.step(action)[0]["center"] for action in actions)]

    for one, other in zip(driven(), driven(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_ended_cars_start_anew_in_the_next_step_and_others_drive_on() -> None:
    cars = cars_of(2, max_episode_steps=30, render_mode="rgb_array")
    cars.reset(seed=2, options={"speed_mps": 10.0, "s_m": 0.0, "direction": 1})
    cars.world.push(1, 3.3, 0.5)
    action = np.zeros((2, 2), np.float32)
    _, rewards, terminated, _, infos = cars.step(action)
    assert terminated.tolist() == [False, True]
    assert infos["off_road"].tolist() == [False, True]
    assert rewards[1] < -9
    batch, rewards, terminated, _, infos = cars.step(action)
    assert not terminated.any()
    assert rewards[1] == 0
    assert infos["distance_m"][1] == 0
    assert infos["off_road"].tolist() == [False, False]
    assert batch["speed_mph"][1] == 0
    assert infos["distance_m"][0] == pytest.approx(1.0, abs=0.05)
    pictures = cars.render()
    assert pictures is not None
    np.testing.assert_array_equal(pictures[1], batch["center"][1])
    cut = [cars.step(np.array([[0.25, 0], [0, 0]], np.float32))[3].tolist() for _ in range(31)]
    assert [steps for steps, (_, second) in enumerate(cut) if second] == [29]


def test_steps_count_from_each_start() -> None:
    cars = cars_of(2, max_episode_steps=4)
    cars.reset(seed=2)
    cuts = [cars.step(np.zeros((2, 2), np.float32))[3].all() for _ in range(10)]
    assert [step for step, cut in enumerate(cuts) if cut] == [3, 8]  # one step to start anew


def test_nonsense_actions_do_no_harm() -> None:
    env = env_of()
    env.reset(seed=1)
    _, reward, *_ = env.step(np.array([math.nan, 7.0], np.float32))
    assert math.isfinite(reward)
    assert env.world.bad_actions[0] == 1


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"cameras": ()}, r'needs a camera, like cameras=\("center",\). Got \(\)'),
        (
            {"conditions": "rain"},
            "fixed, seed, wide, markings, camera, any or a Conditions object. Got 'rain'",
        ),
        ({"direction": 0}, "direction must be one of 1, -1. Got 0"),
        ({"control_hz": 0.0}, "control_hz must be above 0. Got 0.0"),
        ({"variants": 0}, "variants must be above 0. Got 0"),
        ({"laps": 0}, "laps must be at least 1. Got 0"),
        ({"render_mode": "human"}, "render_mode must be \"rgb_array\" or None. Got 'human'"),
    ],
)
def test_impossible_tasks_are_refused(task: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        DrivingEnv(track=OVAL, **task)


def test_a_vector_environment_needs_a_car() -> None:
    with pytest.raises(SimulatorError, match="num_envs must be at least 1. Got 0"):
        DrivingVectorEnv(0, track=OVAL)

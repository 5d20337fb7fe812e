"""Gymnasium environments: drive a track by what the cameras see.

    import gymnasium
    import ghostlap.sim.gym

    env = gymnasium.make("ghostlap/Lake-v0", height_px=80, width_px=160)
    cars = gymnasium.make_vec("ghostlap/Jungle-v0", num_envs=16)
    own = gymnasium.make("ghostlap/Track-v0", track="random:7", conditions="seed", variants=8)

Arguments are the fields of :class:`~ghostlap.sim.task.Task`. The vector environment is one world,
whose pictures are made in one go; a car starts anew in the step after the one that ended its
episode.

**Observation**: a picture for each camera, under its name, RGB ``uint8 (rows, width, 3)``, and
``speed_mph``, ``float32 (1,)``. **Action**: steering (positive to the right) and throttle (negative
brakes, then reverses), in [-1, 1]. **Reward**: metres of progress along the centre line, less 1 for
each metre beside it and second, less 10 for leaving the road. **Info**: ``s_m``, ``cte_m``,
``heading_error`` (radians), ``off_road``, ``lap``, ``distance_m``, as in
:class:`~ghostlap.sim.simulation.Truth`.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ghostlap.base.errors import SimulatorError
from ghostlap.sim.simulation import Truth
from ghostlap.sim.task import Action, Driving, Flags, Observation, Task, info_of
from ghostlap.sim.world import World

MAX_EPISODE_STEPS = 4000
"""Default length: 200 s at 20 Hz, two laps of the lake."""

_FRAMES_A_SECOND = 20


class DrivingEnv(gymnasium.Env[Observation, Action]):
    """One car.

    Args:
        render_mode: ``rgb_array`` lets :meth:`render` return the center camera's picture.
        task: the fields of :class:`~ghostlap.sim.task.Task`.

    ``reset(options=...)`` takes any field of :class:`~ghostlap.sim.simulation.Start`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": _FRAMES_A_SECOND}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None, **task: Any) -> None:
        self.render_mode = _known_mode(render_mode)
        self._driving = Driving(Task(**task), cars=1)
        self.metadata = self.metadata | {"render_fps": self._driving.task.control_hz}
        self.observation_space = self._driving.observation_space
        self.action_space = self._driving.action_space

    @property
    def world(self) -> World:
        """The world in which the car drives now."""
        return self._driving.world

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start anew; the seed decides conditions, place and direction."""
        super().reset(seed=seed)
        self._driving.reset(self.np_random, options)
        return self._observed(), self._info(self.world.truth())

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Drive for one control period."""
        truth, reward, over, cut = self._driving.step(np.asarray(action)[None])
        return self._observed(), float(reward[0]), bool(over[0]), bool(cut[0]), self._info(truth)

    def render(self) -> NDArray[np.uint8] | None:
        """The center camera's picture, or the first camera's if there is no center one."""
        if self.render_mode is None:
            return None
        return self._driving.picture_of(self._seen)[0]

    def _observed(self) -> Observation:
        self._seen = self._driving.observe()
        return {name: values[0].copy() for name, values in self._seen.items()}

    def _info(self, truth: Truth) -> dict[str, Any]:
        return {name: values[0].item() for name, values in info_of(truth).items()}


class DrivingVectorEnv(VectorEnv[Observation, Action, NDArray[Any]]):
    """Several cars in one world, under the same conditions.

    Args:
        num_envs: number of cars.
        max_episode_steps: steps after which an episode is truncated; None never truncates it.
        render_mode: ``rgb_array`` lets :meth:`render` return the center cameras' pictures.
        task: the fields of :class:`~ghostlap.sim.task.Task`.

    A car whose episode was terminated or truncated starts anew in the next step; its action in that
    step is ignored and its reward is 0.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": _FRAMES_A_SECOND,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = MAX_EPISODE_STEPS,
        render_mode: str | None = None,
        **task: Any,
    ) -> None:
        if num_envs < 1:
            raise SimulatorError(f"num_envs must be at least 1. Got {num_envs}.")
        self.render_mode = _known_mode(render_mode)
        self._driving = Driving(Task(**task), num_envs)
        self.metadata = self.metadata | {"render_fps": self._driving.task.control_hz}
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.single_observation_space = self._driving.observation_space
        self.single_action_space = self._driving.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._steps = np.zeros(num_envs, np.int64)
        self._done = np.zeros(num_envs, bool)

    @property
    def world(self) -> World:
        """The world in which the cars drive now."""
        return self._driving.world

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start all cars anew; the seed decides conditions, places and directions."""
        super().reset(seed=seed)
        self._driving.reset(self.np_random, options)
        self._steps[:], self._done[:] = 0, False
        return self._observed(), self._infos(self.world.truth())

    def step(
        self, actions: Action
    ) -> tuple[Observation, NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Drive each car for one control period, or start it anew."""
        anew = self._done
        truth, reward, terminated, truncated = self._driving.step(np.asarray(actions))
        self._steps += 1
        if self.max_episode_steps is not None:
            truncated = truncated | (self._steps >= self.max_episode_steps)
        if anew.any():
            for car in np.flatnonzero(anew):
                self._driving.start(int(car), self.np_random)
            self._steps[anew], reward[anew] = 0, 0.0
            terminated, truncated = terminated & ~anew, truncated & ~anew
            fresh = self.world.truth()
            truth = Truth(
                *(np.where(anew, new, old) for new, old in zip(fresh, truth, strict=True))
            )
        self._done = terminated | truncated
        return self._observed(), reward, terminated, truncated, self._infos(truth)

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The center cameras' pictures, or the first cameras' if there are no center ones."""
        if self.render_mode is None:
            return None
        return tuple(self._driving.picture_of(self._seen))

    def _observed(self) -> Observation:
        self._seen = self._driving.observe()
        return {name: values.copy() for name, values in self._seen.items()}

    def _infos(self, truth: Truth) -> dict[str, Any]:
        infos = info_of(truth)
        return infos | {f"_{name}": np.ones(self.num_envs, bool) for name in infos}


def _known_mode(render_mode: str | None) -> str | None:
    if render_mode not in (None, "rgb_array"):
        raise SimulatorError(f'render_mode must be "rgb_array" or None. Got {render_mode!r}.')
    return render_mode


for _name, _track in (("Lake", "lake"), ("Jungle", "jungle"), ("Track", "random:0")):
    gymnasium.register(
        f"ghostlap/{_name}-v0",
        entry_point="ghostlap.sim.gym:DrivingEnv",
        vector_entry_point="ghostlap.sim.gym:DrivingVectorEnv",
        max_episode_steps=MAX_EPISODE_STEPS,
        kwargs={"track": _track},
    )

"""The driving task of the Gymnasium environments: observations, rewards, ends of episodes."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ghostlap.base.errors import SimulatorError
from ghostlap.base.options import Above0, Count, Options, Positive
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.sim.render.camera_poses import CameraName
from ghostlap.sim.scene.conditions import Conditions, ConditionsKind, conditions_of
from ghostlap.sim.simulation import Start, Truth
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.vehicle import Vehicle
from ghostlap.sim.world import World

CTE_COST = 1.0
"""Reward lost per second for each metre beside the centre line."""

OFF_ROAD_COST = 10.0
"""Reward lost when the car's centre leaves the road."""

Observation = dict[str, Any]
Action = NDArray[np.float32]
Flags = NDArray[np.bool_]

_START_OPTIONS = tuple(field.name for field in dataclasses.fields(Start))


@dataclasses.dataclass(frozen=True)
class Task(Options, error=SimulatorError, called="{name}"):
    """Track, cameras, conditions and rules of an environment."""

    track: str | Path | Track = "random:0"
    """A track's name, a CSV file, or a :class:`Track`."""
    cameras: tuple[CameraName, ...] = ("center",)
    """Cameras observed; at least one."""
    height_px: int = 160
    width_px: int = 320
    """Size of a whole frame."""
    rows: tuple[int, int] | None = None
    """Rows of the frame observed, from the first to before the second; None is all."""
    conditions: Conditions | ConditionsKind = "fixed"
    """Light and materials: the theme's own, given ones, or drawn at each ``reset``."""
    variants: Annotated[int, Above0] = 4
    """Number of different conditions drawn. Each one's scene takes about a second to make on first
    use, and memory from then on."""
    direction: Literal[1, -1] | None = None
    """Driving direction: 1 the track's own way round, -1 the other, None drawn at each start."""
    off_road_ends: bool = True
    """Whether leaving the road ends the episode; otherwise the car is put back there."""
    laps: Count | None = None
    """Laps after which the episode is truncated; None never truncates it."""
    control_hz: Positive = 20.0
    """Actions a second."""
    top_speed_mps: float = 13.5
    """Highest speed of the car."""
    device: str = "cpu"
    """Device that makes the pictures: ``cpu`` or ``cuda``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cameras:
            raise SimulatorError('An environment needs a camera, like cameras=("center",). Got ().')
        kinds = get_args(ConditionsKind)
        if not (isinstance(self.conditions, Conditions) or self.conditions in kinds):
            raise SimulatorError(
                f"conditions must be {', '.join(kinds)} or a Conditions object. "
                f"Got {self.conditions!r}."
            )


class Driving:
    """Cars that drive a task: the core of the single and of the vector environment."""

    def __init__(self, task: Task, cars: int) -> None:
        self.task = task
        self.cars = cars
        given = task.track
        self.track = given if isinstance(given, Track) else track_named(str(given))
        self._worlds: dict[int, World] = {}
        self.world = self._world_of(0)
        rows = self.world.rows[1] - self.world.rows[0]
        picture = (rows, self.world.width_px, 3)
        fastest_mph = 2 * task.top_speed_mps / MPS_A_MPH  # it may slide sideways, too
        self.observation_space = spaces.Dict(
            {
                **{name: spaces.Box(0, 255, picture, np.uint8) for name in task.cameras},
                "speed_mph": spaces.Box(0, fastest_mph, (1,), np.float32),
            }
        )
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, draw: np.random.Generator, options: dict[str, Any] | None) -> None:
        """Start all cars anew, under newly drawn conditions if the task draws them."""
        if isinstance(self.task.conditions, str) and self.task.conditions != "fixed":
            self.world = self._world_of(int(draw.integers(self.task.variants)))
        for car in range(self.cars):
            self.start(car, draw, options)

    def start(
        self, car: int, draw: np.random.Generator, options: dict[str, Any] | None = None
    ) -> None:
        """Start one car anew: standing, at a place and in a direction drawn unless given."""
        unknown = sorted(set(options or {}) - set(_START_OPTIONS))
        if unknown:
            raise SimulatorError(
                f"reset takes the options {', '.join(_START_OPTIONS)}. Got {', '.join(unknown)}."
            )
        s_m, way = draw.uniform(0, self.track.length_m), int(draw.choice([1, -1]))
        start = Start(float(s_m), self.task.direction or way)
        self.world.place(car, dataclasses.replace(start, **(options or {})))

    def step(self, actions: Action) -> tuple[Truth, NDArray[np.float64], Flags, Flags]:
        """Drive for one period: truth at its end, rewards, masks of terminated and truncated."""
        seconds = 1 / self.task.control_hz
        before_m = self.world.truth().distance_m
        self.world.step(actions[:, 0], actions[:, 1], seconds)
        truth = self.world.truth()
        reward = truth.distance_m - before_m - CTE_COST * np.abs(truth.cte_m) * seconds
        reward -= OFF_ROAD_COST * truth.off_road
        terminated = truth.off_road & self.task.off_road_ends
        for car in np.flatnonzero(truth.off_road & ~terminated):
            self.world.put_back(int(car))
        return truth, reward, terminated, truth.lap >= (self.task.laps or math.inf)

    def observe(self) -> Observation:
        """The observations of all cars, batched."""
        frames = self.world.frames()
        seen: Observation = {
            name: np.ascontiguousarray(frames[:, i]) for i, name in enumerate(self.task.cameras)
        }
        speed_mph = self.world.telemetry().speed_mph
        return seen | {"speed_mph": speed_mph.astype(np.float32)[:, None]}

    def picture_of(self, seen: Observation) -> NDArray[np.uint8]:
        """The batched pictures for ``render``: the center camera's, else the first camera's."""
        name = "center" if "center" in self.task.cameras else self.task.cameras[0]
        return seen[name].copy()

    def _world_of(self, variant: int) -> World:
        if variant not in self._worlds:
            task, theme = self.task, self.track.theme
            conditions = task.conditions
            if not isinstance(conditions, Conditions):
                conditions = conditions_of(conditions, theme, variant)
            self._worlds[variant] = World(
                self.track,
                conditions,
                [Start()] * self.cars,
                cameras=task.cameras,
                height_px=task.height_px,
                width_px=task.width_px,
                rows=task.rows,
                device=task.device,
                vehicle=Vehicle(top_speed_mps=task.top_speed_mps),
            )
        return self._worlds[variant]


def info_of(truth: Truth) -> dict[str, NDArray[Any]]:
    """The ``info`` of environments, batched."""
    told = {name: values for name, values in truth._asdict().items() if name != "margin_m"}
    return {name.removesuffix("_rad"): values for name, values in told.items()}

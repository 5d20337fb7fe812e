"""Which episodes are driven: plain data, drawn from seeds, the same on every machine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ghostlap.data.labels import MPS_A_MPH
from ghostlap.driving.control import ControlConfig
from ghostlap.driving.policies.foreign import Foreign
from ghostlap.driving.rollout.config import Direction, EvaluateConfig
from ghostlap.driving.rollout.stress import NO_STRESS, STRESS_SUITE, Stress
from ghostlap.pilots.run_folder import pilot_files
from ghostlap.sim.expert import Expert
from ghostlap.sim.scene.conditions import Conditions, conditions_of
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_files

DIRECTIONS: dict[Direction, tuple[int, ...]] = {
    "both": (1, -1), "forward": (1,), "backward": (-1,),
}  # fmt: skip

_START_CTE_M = 0.3
_START_HEADING_DEG = 2.0


@dataclasses.dataclass(frozen=True)
class Pushes:
    """How hard and how often cars are pushed."""

    first_s: float
    gap_s: tuple[float, float]
    """Time between two, drawn evenly from this range."""
    cte_m: float
    """Sideways by up to so much, to either side …"""
    heading_deg: float
    """… and turned by up to so much."""


SMALL_PUSHES = Pushes(first_s=8.0, gap_s=(8.0, 20.0), cte_m=0.3, heading_deg=2.0)
HARD_PUSHES = Pushes(first_s=5.0, gap_s=(4.0, 8.0), cte_m=0.8, heading_deg=6.0)


@dataclasses.dataclass(frozen=True)
class Push:
    """A car is moved and turned at once."""

    time_s: float
    cte_m: float
    """How far the car is moved to the left."""
    heading_rad: float
    """How far the car is turned to the left."""


@dataclasses.dataclass(frozen=True)
class Episode:
    """One car's drive from a drawn start."""

    seed: int
    start: Start
    pushes: tuple[Push, ...]

    @property
    def way(self) -> str:
        return "forward" if self.start.direction > 0 else "backward"


@dataclasses.dataclass(frozen=True)
class EpisodesTask:
    """The episodes of one seed, which see the same light: a car for each, driven side by side."""

    track: str
    conditions: Conditions
    episodes: tuple[Episode, ...]
    driver: Path | str | Expert | Foreign
    """A pilot's run folder, a function's name, the expert, or a policy in another process."""
    control: ControlConfig
    laps: int
    seconds: float
    """An episode ends then at the latest."""
    length_m: float
    """Length of a lap."""
    stress: Stress = NO_STRESS
    simulation: str = ""
    """``package.module:class`` of the user's own simulation; empty for the embedded one."""
    moments: bool = True
    """Whether frames are taken around interventions and the worst moment."""
    features: bool = False
    """Whether what the pilot's network computes is kept, a row a tick."""
    beside: tuple[Path, ...] = ()
    """ONNX files that see what the pilot sees; their first answers are kept after its features."""
    each_alone: bool = False
    """Whether the pilot's network sees one car's picture at a time: a sum of several pictures'
    products may end in other bits, and no drive is to depend on who drives beside it."""

    @property
    def by_expert(self) -> bool:
        return isinstance(self.driver, Expert)

    @property
    def whole_m(self) -> float:
        """Way to go, all cars together."""
        return self.length_m * self.laps * len(self.episodes)

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files that driving it opens."""
        pilot = pilot_files(self.driver) if isinstance(self.driver, Path) else ()
        return *track_files([self.track]), *pilot, *self.beside

    def __str__(self) -> str:
        who = "the expert" if self.by_expert else str(self.driver)
        return f"{who} on {self.track}, seed {self.episodes[0].seed}, stress: {self.stress.name}"


def side_by_side(tasks: Sequence[EpisodesTask]) -> list[list[int]]:
    """Which tasks may be one (:func:`as_one`), as they differ in nothing but their episodes.

    Returns:
        Their places in ``tasks``, in the order of the first of each.
    """
    alike: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        alike.setdefault(repr(dataclasses.replace(task, episodes=())), []).append(place)
    return list(alike.values())


def as_one(tasks: Sequence[EpisodesTask]) -> EpisodesTask:
    """One task of several that are alike; each drive is as it would be alone, to the last bit.

    One car costs nearly as much as two, but for its picture and its network.
    """
    episodes = tuple(episode for task in tasks for episode in task.episodes)
    return dataclasses.replace(tasks[0], episodes=episodes, each_alone=True)


def plan_pilot(config: EvaluateConfig, tracks: Sequence[Track]) -> list[EpisodesTask]:
    """What the pilot drives, on each of the config's tracks and under each stress asked for."""
    driver = str(config.pilot) if config.is_policy else config.pilot
    return [
        task
        for name, track in zip(config.track, tracks, strict=True)
        for stress in _stresses(config)
        for task in _tasks(config, name, track, driver, stress)
    ]


def plan_expert(config: EvaluateConfig, tracks: Sequence[Track]) -> list[EpisodesTask]:
    """The same episodes for the expert, but for stress that only changes pictures."""
    expert = Expert(speed_limit_mph=config.speed_limit, line=config.line)
    return [
        task
        for name, track in zip(config.track, tracks, strict=True)
        for stress in _stresses(config)
        if not stress.is_seen
        for task in _tasks(config, name, track, expert, stress)
    ]


def _stresses(config: EvaluateConfig) -> tuple[Stress, ...]:
    return NO_STRESS, *(one for one in STRESS_SUITE if config.stress or one.name in config.under)


def _tasks(
    config: EvaluateConfig, name: str, track: Track, driver: Path | str | Expert, stress: Stress
) -> list[EpisodesTask]:
    seconds = config.seconds or seconds_for(config.laps * track.length_m, config.speed_limit)
    pushes = HARD_PUSHES if stress.hard_pushes else SMALL_PUSHES if config.pushes else None
    tasks = []
    for seed in range(config.first_seed, config.first_seed + config.seeds):
        conditions = conditions_of(config.conditions, track.theme, seed)
        episodes = tuple(
            draw_episode(track, seed, direction, pushes, seconds)
            for direction in DIRECTIONS[config.direction]
        )
        tasks.append(
            EpisodesTask(
                track=name,
                conditions=stress.applied(conditions),
                episodes=episodes,
                driver=driver,
                control=ControlConfig(
                    speed_limit_mph=config.speed_limit,
                    smoothing_s=config.smoothing_s,
                    slow_in_bends=config.slow_in_bends,
                    slow_when_unsure=config.slow_when_unsure,
                    line=config.line,
                ),
                laps=config.laps,
                seconds=seconds,
                length_m=track.length_m,
                stress=stress,
                simulation=config.simulation,
            )
        )
    return tasks


def seconds_for(distance_m: float, speed_limit_mph: float) -> float:
    """Three times what a distance takes at the speed limit, and a little: enough for bends."""
    return 3 * distance_m / (speed_limit_mph * MPS_A_MPH) + 20


def draw_episode(
    track: Track, seed: int, direction: int, pushes: Pushes | None, seconds: float
) -> Episode:
    """A start from a stand somewhere on the track, and pushes for so many seconds."""
    draw = np.random.default_rng([seed, 1 if direction > 0 else 2, 83])
    start = Start(
        s_m=float(draw.uniform(0, track.length_m)),
        direction=direction,
        cte_m=float(draw.uniform(-_START_CTE_M, _START_CTE_M)),
        heading_error_rad=math.radians(draw.uniform(-_START_HEADING_DEG, _START_HEADING_DEG)),
    )
    return Episode(seed, start, _draw_pushes(pushes, seconds, draw) if pushes else ())


def _draw_pushes(pushes: Pushes, seconds: float, draw: np.random.Generator) -> tuple[Push, ...]:
    drawn = []
    time_s = pushes.first_s
    while time_s < seconds:
        cte_m = float(draw.uniform(-pushes.cte_m, pushes.cte_m))
        heading_rad = math.radians(draw.uniform(-pushes.heading_deg, pushes.heading_deg))
        drawn.append(Push(time_s, cte_m, heading_rad))
        time_s += float(draw.uniform(*pushes.gap_s))
    return tuple(drawn)

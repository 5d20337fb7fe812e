"""Which drives a critic learns from, and which judge it: plain data, drawn from seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from ghostlap.driving.benchmark.suite import suite_named
from ghostlap.driving.control import ControlConfig
from ghostlap.driving.failures.config import FailuresConfig
from ghostlap.driving.rollout.plan import SMALL_PUSHES, EpisodesTask, draw_episode
from ghostlap.driving.rollout.stress import Stress
from ghostlap.sim.scene.conditions import conditions_of
from ghostlap.sim.track.tracks import track_named

SUITE = "v1"
NOMINAL = Stress("nominal")
MUTANT = "mutant "
"""Before a mutant's name, in the name of what it drives under."""

_NEVER_LAPS = 10**6
_SLOWER_MPH = {"jungle": 5.0}
"""What the expert cannot drive fast either."""


def plan_failures(config: FailuresConfig, mutants: Sequence[Path] = ()) -> list[EpisodesTask]:
    """All drives, in an order of which any beginning is of all kinds."""
    return [
        task
        for round_ in range(config.rounds)
        for place in range(max(len(config.learning), len(config.judging)))
        for tracks in (config.learning, config.judging)
        for track in tracks[place : place + 1]
        for task in _tasks(config, track, config.first_seed + round_, mutants)
    ]


def _tasks(
    config: FailuresConfig, name: str, seed: int, mutants: Sequence[Path]
) -> Iterator[EpisodesTask]:
    """Nominal drives, then those of each condition and mutant, a car each way round."""
    track, held_out = track_named(name), name in config.judging
    limit_mph = config.speed_limit - _SLOWER_MPH.get(name, 0.0)
    groups = ("graded", "extreme") if held_out else ("graded",)
    scenarios = [
        one
        for one in suite_named(SUITE).scenarios
        if one.group in groups and (one.group == "extreme" or int(one.name[-1]) in config.grades)
    ]
    drives = [(config.pilot, NOMINAL, config.nominal_s)]
    drives += [(config.pilot, one.stress, config.seconds) for one in scenarios]
    drives += [(run, Stress(MUTANT + run.name), config.seconds) for run in mutants]
    for number, (driver, stress, seconds) in enumerate(drives):
        own = seed + 100 * number  # so that not all see the same light and start
        yield EpisodesTask(
            track=name,
            conditions=stress.applied(conditions_of("seed", track.theme, own)),
            episodes=tuple(
                draw_episode(track, own, direction, SMALL_PUSHES, seconds) for direction in (1, -1)
            ),
            driver=driver,
            control=ControlConfig(speed_limit_mph=limit_mph),
            laps=_NEVER_LAPS,
            seconds=seconds,
            length_m=track.length_m,
            stress=stress,
            moments=False,
            features=True,
            beside=config.beside if held_out else (),
        )


@dataclasses.dataclass(frozen=True)
class Group:
    """What a drive is one of: what is held out is held out whole."""

    name: str
    """The condition with its grade, or the mutant."""
    kind: str
    """``nominal``, ``graded``, ``extreme`` or ``mutant``."""
    family: str
    """The condition without its grade, or what of the mutant was mutated."""


def group_of(task: EpisodesTask) -> Group:
    """The group of a task's drives."""
    name = task.stress.name
    if name == NOMINAL.name:
        return Group(name, "nominal", name)
    if name.startswith(MUTANT):
        return Group(name, "mutant", name)
    scenario = next(one for one in suite_named(SUITE).scenarios if one.name == name)
    family = name.rpartition(" ")[0] if scenario.group == "graded" else name
    return Group(name, scenario.group, family)

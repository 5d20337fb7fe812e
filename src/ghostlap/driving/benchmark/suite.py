"""Suites: what is driven, declared as data in a file beside this module, and never changed.

What would change a suite's drives is another suite: results of different ones cannot be compared.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from importlib import resources
from typing import Any

from ghostlap.base.errors import BenchmarkError
from ghostlap.base.files import content_hash
from ghostlap.driving.control import ControlConfig
from ghostlap.driving.policies.policy import Policy
from ghostlap.driving.rollout.plan import SMALL_PUSHES, EpisodesTask, Pushes, draw_episode
from ghostlap.driving.rollout.stress import Stress
from ghostlap.sim.expert import Expert
from ghostlap.sim.scene.conditions import conditions_of
from ghostlap.sim.track.tracks import track_named

SUITES = ("v1",)
_FIRST_SEED = 5000
_QUICK_SEEDS = 1
_NEVER_LAPS = 10**6
"""Drives end after a time, and so take every policy equally long."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Drives under one condition."""

    name: str
    group: str
    tracks: tuple[str, ...]
    speed_mph: float
    seeds: int
    """Each draws light and materials, a start and pushes, for a drive each way round."""
    seconds: float
    """Of each drive."""
    stress: Stress
    pushes: Pushes


@dataclasses.dataclass(frozen=True)
class Suite:
    """What is driven."""

    name: str
    """With ``-quick`` for the short form."""
    blake2b: str
    """Of its declaration."""
    groups: dict[str, str]
    """What each group is about; the score is the mean of all groups' autonomy."""
    scenarios: tuple[Scenario, ...]

    def tasks(self, policy: Policy) -> list[EpisodesTask]:
        """What a policy drives: a drive each, so that none depends on another."""
        return [
            task
            for scenario in self.scenarios
            for direction in (1, -1)
            for track in scenario.tracks
            for task in _tasks(scenario, track, direction, policy)
        ]


def _tasks(scenario: Scenario, name: str, direction: int, policy: Policy) -> list[EpisodesTask]:
    track, seconds = track_named(name), scenario.seconds
    limit = scenario.speed_mph
    return [
        EpisodesTask(
            track=name,
            conditions=scenario.stress.applied(conditions_of("seed", track.theme, seed)),
            episodes=(draw_episode(track, seed, direction, scenario.pushes, seconds),),
            driver=policy.driver or Expert(speed_limit_mph=limit),
            control=ControlConfig(speed_limit_mph=limit),
            laps=_NEVER_LAPS,
            seconds=seconds,
            length_m=track.length_m,
            stress=scenario.stress,
            moments=False,
        )
        for seed in range(_FIRST_SEED, _FIRST_SEED + scenario.seeds)
    ]


def suite_named(name: str, quick: bool = False) -> Suite:
    """A suite by name.

    Args:
        name: one of :data:`SUITES`, or with ``-quick`` behind it as a result names it.
        quick: its short form: one seed, shorter drives, and one track where it is the condition
            that counts.

    Raises:
        BenchmarkError: there is no such suite.
    """
    name, quick = name.removesuffix("-quick"), quick or name.endswith("-quick")
    if name not in SUITES:
        raise BenchmarkError(
            f"There is no suite {name!r} here. Known are {', '.join(SUITES)}. A newer Ghostlap may "
            "have more."
        )
    return _read_suite(name, quick)


@functools.cache
def _read_suite(name: str, quick: bool) -> Suite:
    data = (resources.files(__package__) / f"{name}.json").read_bytes()
    values = json.loads(data)
    groups = values["groups"]
    return Suite(
        name=name + "-quick" * quick,
        blake2b=content_hash(data),
        groups={group: told["means"] for group, told in groups.items()},
        scenarios=tuple(
            _scenario(scenario, {**groups[told["group"]], **told}, quick)
            for scenario, told in values["scenarios"].items()
        ),
    )


def _scenario(name: str, told: dict[str, Any], quick: bool) -> Scenario:
    few_tracks = quick and told["group"] != "roads"
    changes = {
        key: tuple(v) if isinstance(v, list) else v for key, v in told.get("conditions", {}).items()
    }
    return Scenario(
        name=name,
        group=told["group"],
        tracks=tuple(told["tracks"][: 1 if few_tracks else None]),
        speed_mph=told["speed_mph"],
        seeds=_QUICK_SEEDS if quick else told["seeds"],
        seconds=told["quick_seconds" if quick else "seconds"],
        stress=Stress(
            name=name,
            changes=changes,
            picture=told.get("picture", {}),
            delay_s=told.get("delay_s", 0.0),
            drop_every=told.get("drop_every", 0),
        ),
        pushes=_pushes(told["pushes"]) if "pushes" in told else SMALL_PUSHES,
    )


def _pushes(told: dict[str, Any]) -> Pushes:
    return Pushes(**{**told, "gap_s": tuple(told["gap_s"])})

"""Driving episodes: a plain function over plain data, :func:`run_episodes`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import EvaluationError, GhostlapError
from ghostlap.base.named import named_function
from ghostlap.driving.metrics import Drive
from ghostlap.driving.policies.foreign import Foreign
from ghostlap.driving.rollout.driver import Driver, PilotDriver, ReferenceDriver, view_of
from ghostlap.driving.rollout.incidents import Incident, incidents_of, worst_of
from ghostlap.driving.rollout.observers import AnswerCounter, DriveLog, FeatureLog, Progress
from ghostlap.driving.rollout.plan import EpisodesTask
from ghostlap.driving.rollout.policy import ForeignDriver, PolicyDriver
from ghostlap.driving.rollout.rollout import ClosedLoop, rollout
from ghostlap.driving.rollout.seen_through import SeenThrough, first_row_behind
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.expert import Expert
from ghostlap.sim.simulation import Simulation
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.vehicle import Vehicle
from ghostlap.sim.world import World


@dataclasses.dataclass(frozen=True)
class EpisodesResult:
    """What came of a task."""

    drives: tuple[Drive, ...]
    """One an episode, in the task's order."""
    incidents: tuple[Incident, ...]
    """What was seen around some of the interventions."""
    not_a_number: tuple[int, ...]
    """Answers of the driver that were none (NaN or infinite), one count an episode."""
    out_of_range: tuple[int, ...]
    """Answers beyond full lock, which were clipped, one count an episode."""
    seconds: float
    """Real time that the drives took, scenery included."""
    worst: Incident | None = None
    """What was seen where a car was farthest from the middle; None for the expert."""
    faults: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """What a policy in another process should not have done, and how often."""
    problem: str = ""
    """Why that process was ended, in words."""
    features: tuple[NDArray[np.float16], ...] = ()
    """What the pilot's network computed, ``(ticks, features)`` of each episode, if asked for."""


def run_episodes(task: EpisodesTask, report: Callable[[float], None]) -> EpisodesResult:
    """Drive a task's episodes, all cars side by side; reports metres, ``task.whole_m`` in all."""
    began_s = time.perf_counter()
    simulation, driver = simulation_and_driver(task)
    log, answers = DriveLog(simulation.cars), AnswerCounter(simulation.cars)
    progress = Progress(task.whole_m, simulation.cars, report)
    features = [FeatureLog()] if task.features else []
    loop = ClosedLoop(
        simulation,
        driver,
        (log, answers, progress, *features),
        is_over=lambda truth: truth.lap >= task.laps,
        pushes=[episode.pushes for episode in task.episodes],
        stress=task.stress,
    )
    rollout(loop, task.seconds)
    progress.finish()
    drives, unseen = log.drives(), task.by_expert or not task.moments
    return EpisodesResult(
        drives=drives,
        incidents=() if unseen else incidents_of(simulation, task.episodes, drives),
        not_a_number=tuple(answers.not_a_number.tolist()),
        out_of_range=tuple(answers.out_of_range.tolist()),
        seconds=time.perf_counter() - began_s,
        worst=None if unseen else worst_of(simulation, task.episodes, drives),
        features=features[0].features() if features else (),
        **_troubles(driver),
    )


def _troubles(driver: Driver) -> dict[str, Any]:
    if not isinstance(driver, ForeignDriver):
        return {}
    return {"faults": dict(driver.talk.faults), "problem": driver.talk.problem}


def simulation_and_driver(task: EpisodesTask) -> tuple[Simulation, Driver]:
    """The cars at their starts, and who drives them.

    Raises:
        EvaluationError: a simulation or a function of the user's cannot be imported.
        PilotError: the run folder holds no usable pilot.
    """
    cars = len(task.episodes)
    if isinstance(task.driver, Expert):
        expert = ReferenceDriver(track_named(task.track), task.driver, cars)
        return simulation_of(task, cameras=()), expert
    if isinstance(task.driver, Foreign):
        simulation = simulation_of(task)
        shape = simulation.frames().shape[2:]
        return simulation, ForeignDriver(task.driver, task.control, shape)
    if isinstance(task.driver, str):
        policy = named_function(task.driver, "the pilot", EvaluationError)
        return simulation_of(task), PolicyDriver(policy, task.control, cars, task.driver)
    pilot = Pilot.load(task.driver, features=task.features, beside=task.beside)
    control = dataclasses.replace(task.control, delay_s=task.stress.delay_s)
    driver = PilotDriver(pilot, control, cars, each_alone=task.each_alone)
    return simulation_of(task, **view_of(pilot)), driver


def simulation_of(task: EpisodesTask, **view: Any) -> Simulation:
    """The simulation of a task, cars at their starts and with a view as ``World`` is told.

    Raises:
        EvaluationError: a simulation of the user's cannot be imported.
    """
    make = simulation_class(task.simulation, EvaluationError)
    starts = [episode.start for episode in task.episodes]
    track, picture = track_named(task.track), task.stress.picture
    if task.stress.vehicle:
        view["vehicle"] = Vehicle(**task.stress.vehicle)
    if not picture or not view.get("cameras", ("center",)):
        return make(track, task.conditions, starts, **view)
    rows, above = view.pop("rows", None), 0
    if rows:
        above = first_row_behind(rows, picture)
        view["rows"] = (above, view["height_px"])
    simulation = make(track, task.conditions, starts, **view)
    seeds = [2 * episode.seed + (episode.start.direction > 0) for episode in task.episodes]
    return cast(Simulation, SeenThrough(simulation, picture, seeds, rows, above))


def simulation_class(name: str, error: type[GhostlapError]) -> Callable[..., Simulation]:
    """The embedded simulation, or a user's own, ``package.module:class``, that is made alike."""
    return named_function(name, "--simulation", error) if name else World

"""Driving episodes: a plain function over plain data, :func:`run_episodes`."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ghostlap.evaluate.driver import Driver, PilotDriver, ReferenceDriver, view_of
from ghostlap.evaluate.incidents import Incident, incidents_of, worst_of
from ghostlap.evaluate.plan import EpisodesTask, Push
from ghostlap.evaluate.stress import TICK_S
from ghostlap.metrics import Drive, Intervention
from ghostlap.pilot import Pilot
from ghostlap.sim.expert import Expert
from ghostlap.sim.tracks import track_named
from ghostlap.sim.world import Telemetry, Truth, World

STANDING_S = 3.0
STANDING_MPH = 0.5

_KEPT_ON_ROAD_M = 0.6
"""A push leaves a car at least so far from the edge: leaving the road is for the driver to do."""

_REPORT_EVERY = 20


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
    """That it took, scenery included."""
    worst: Incident | None = None
    """What was seen where a car was farthest from the middle; None for the expert."""


def run_episodes(task: EpisodesTask, report: Callable[[float], None]) -> EpisodesResult:
    """Drive the episodes of a task, all cars side by side.

    Args:
        task: what to drive.
        report: told now and then of the metres that the cars have come further, of
            ``task.whole_m``.
    """
    began_s = time.perf_counter()
    world, driver = world_and_driver(task)
    referee = Referee(world.cars)
    pushes = [deque(episode.pushes) for episode in task.episodes]
    under_way = deque([(np.zeros(world.cars), np.zeros(world.cars))] * task.stress.delay_ticks)
    log = DriveLog(world.cars)
    progress = Progress(task, report)
    not_a_number, out_of_range = np.zeros(world.cars, int), np.zeros(world.cars, int)
    last_tick = round(task.seconds / TICK_S)

    for tick in range(last_tick + 1):
        truth, telemetry = world.truth(), world.telemetry()
        interventions = referee.judge(truth, telemetry)
        pushed = [bool(queue) and queue[0].time_s <= (tick + 0.5) * TICK_S for queue in pushes]
        log.add(world.time_s, truth, telemetry, interventions, np.array(pushed), driver.spread)
        log.close(truth.lap >= task.laps)
        progress.tell(tick, truth)
        if not log.open.any() or tick == last_tick:
            break
        for car in np.flatnonzero(interventions):
            world.put_back(int(car))
            driver.reset(int(car))
        for car in np.flatnonzero(pushed):
            push_car(world, int(car), pushes[car].popleft())
        frame_arrives = not task.stress.drop_every or (tick + 1) % task.stress.drop_every
        if frame_arrives:
            command = driver.control(world)
            not_a_number += driver.not_a_number & log.open
            out_of_range += driver.out_of_range & log.open
        under_way.append(command)
        world.step(*under_way.popleft(), seconds=TICK_S)

    progress.finish()
    drives = log.drives()
    return EpisodesResult(
        drives=drives,
        incidents=() if task.by_expert else incidents_of(world, task.episodes, drives),
        not_a_number=tuple(not_a_number.tolist()),
        out_of_range=tuple(out_of_range.tolist()),
        seconds=time.perf_counter() - began_s,
        worst=None if task.by_expert else worst_of(world, task.episodes, drives),
    )


def world_and_driver(task: EpisodesTask) -> tuple[World, Driver]:
    """The cars at their starts, and who drives them."""
    track = track_named(task.track)
    starts = [episode.start for episode in task.episodes]
    if isinstance(task.driver, Expert):
        world = World(track, task.conditions, starts, cameras=())
        return world, ReferenceDriver(track, task.driver, len(starts))
    pilot = Pilot.load(task.driver)
    world = World(track, task.conditions, starts, **view_of(pilot))
    return world, PilotDriver(pilot, task.control, len(starts))


def push_car(world: World, car: int, push: Push) -> None:
    """Push a car as drawn, but not off the road."""
    room_m = max(0.0, float(world.truth().margin_m[car]) - _KEPT_ON_ROAD_M)
    world.push(car, float(np.clip(push.cte_m, -room_m, room_m)), push.heading_rad)


class Referee:
    """Says when a person would have to take over."""

    def __init__(self, cars: int) -> None:
        self._standing_ticks = np.zeros(cars, int)

    def judge(self, truth: Truth, telemetry: Telemetry) -> NDArray[np.int8]:
        """:class:`Intervention` codes, shape ``(cars,)``; to be asked once a tick."""
        stands = telemetry.speed_mph < STANDING_MPH
        self._standing_ticks = np.where(stands, self._standing_ticks + 1, 0)
        codes = np.zeros(len(stands), np.int8)
        codes[np.cos(truth.heading_error_rad) < 0] = Intervention.TURNED
        codes[self._standing_ticks * TICK_S > STANDING_S] = Intervention.STANDING
        codes[truth.off_road] = Intervention.OFF_ROAD
        self._standing_ticks[codes != Intervention.NONE] = 0
        return codes


class DriveLog:
    """Collects the moments of several cars, each until its episode ends."""

    def __init__(self, cars: int) -> None:
        self._rows: list[tuple[NDArray[np.generic], ...]] = []
        self._ends = np.zeros(cars, int)
        self.open = np.ones(cars, bool)
        """Whose episodes have not ended."""

    def add(
        self,
        time_s: float,
        truth: Truth,
        telemetry: Telemetry,
        interventions: NDArray[np.int8],
        pushed: NDArray[np.bool_],
        spread: NDArray[np.float64] | float = np.nan,
    ) -> None:
        self._rows.append(
            (
                np.full(len(pushed), time_s), truth.s_m, truth.cte_m, truth.heading_error_rad,
                truth.margin_m, truth.distance_m, truth.lap, telemetry.speed_mph,
                telemetry.steering, telemetry.throttle, interventions, pushed,
                np.full(len(pushed), spread),
            )
        )  # fmt: skip
        self._ends[self.open] = len(self._rows)

    def close(self, finished: NDArray[np.bool_]) -> None:
        """The moment just added was the last one of these cars' episodes."""
        self.open &= ~finished

    def drives(self) -> tuple[Drive, ...]:
        columns = [np.stack(column) for column in zip(*self._rows, strict=True)]
        return tuple(
            Drive(*(column[:end, car] for column in columns)) for car, end in enumerate(self._ends)
        )


class Progress:
    """Tells how far the cars have come, not at every tick and never more than the whole way."""

    def __init__(self, task: EpisodesTask, report: Callable[[float], None]) -> None:
        self._whole_m = task.whole_m
        self._of_a_car_m = task.whole_m / len(task.episodes)
        self._report = report
        self._told_m = 0.0

    def tell(self, tick: int, truth: Truth) -> None:
        if tick % _REPORT_EVERY == 0:
            self._up_to(float(np.clip(truth.distance_m, 0, self._of_a_car_m).sum()))

    def finish(self) -> None:
        self._up_to(self._whole_m)

    def _up_to(self, distance_m: float) -> None:
        if distance_m > self._told_m:
            self._report(distance_m - self._told_m)
            self._told_m = distance_m

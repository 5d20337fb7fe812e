"""One closed loop for everything that drives: :func:`rollout`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghostlap.driving.metrics import Intervention
from ghostlap.driving.rollout.driver import Driver
from ghostlap.driving.rollout.plan import Push
from ghostlap.driving.rollout.stress import NO_STRESS, TICK_S, Stress
from ghostlap.sim.simulation import Simulation
from ghostlap.sim.world import Telemetry, Truth

STANDING_S = 3.0
STANDING_MPH = 0.5

_KEPT_ON_ROAD_M = 0.6
"""A push leaves a car at least so far from the edge: leaving the road is for the driver to do."""


class Tick(NamedTuple):
    """How things stand at one moment, 20 a second; arrays of shape ``(cars,)``."""

    number: int
    """Counts from 0."""
    time_s: float
    truth: Truth
    telemetry: Telemetry
    interventions: NDArray[np.int8]
    """:class:`ghostlap.driving.metrics.Intervention` codes; such a car is put back next."""
    pushed: NDArray[np.bool_]
    """Whether the car is pushed next."""
    steering_std: NDArray[np.float64]
    """Standard deviation that the driver last predicted for its steering; NaN for none."""
    driving: NDArray[np.bool_]
    """Whose drive was not over before this moment."""


class Observer:
    """Whoever watches a rollout. Both methods may be left as they are, which does nothing."""

    def see(self, tick: Tick) -> None:
        """This is how things stand, before any car is put back or pushed."""

    def acted(self, tick: Tick, simulation: Simulation, driving: NDArray[np.bool_]) -> None:
        """The driver has looked and answered; the answer is carried out next.

        Args:
            tick: as it was seen.
            simulation: cars that were put back or pushed are so by now.
            driving: whose drive is not over, shape ``(cars,)``.
        """


class InterventionDetector:
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


def rollout(
    simulation: Simulation,
    driver: Driver,
    observers: Sequence[Observer] = (),
    *,
    seconds: float,
    is_over: Callable[[Truth], NDArray[np.bool_]],
    pushes: Sequence[Sequence[Push]] = (),
    stress: Stress = NO_STRESS,
) -> None:
    """Let a driver drive all cars of a simulation until each drive is over.

    A car that leaves the road, turns round or stands is put back, and goes on.

    Args:
        simulation: with the cars at their starts.
        driver: looks 20 times a second and says what to do.
        observers: told in this order.
        seconds: every drive is over then, at the latest.
        is_over: whose drive is over where things stand so, shape ``(cars,)``.
        pushes: for each car, in the order of time; none for nobody.
        stress: its delay and its lost frames.
    """
    cars = simulation.cars
    detector = InterventionDetector(cars)
    queues = [deque(of_car) for of_car in pushes] or [deque[Push]() for _ in range(cars)]
    under_way = deque([(np.zeros(cars), np.zeros(cars))] * stress.delay_ticks)
    driving = np.ones(cars, bool)
    last = round(seconds / TICK_S)
    for number in range(last + 1):
        truth, telemetry = simulation.truth(), simulation.telemetry()
        tick = Tick(
            number,
            simulation.time_s,
            truth,
            telemetry,
            detector.judge(truth, telemetry),
            np.array([bool(q) and q[0].time_s <= (number + 0.5) * TICK_S for q in queues]),
            driver.spread.copy(),
            driving,
        )
        for observer in observers:
            observer.see(tick)
        driving = driving & ~is_over(truth)
        if not driving.any() or number == last:
            break
        for car in np.flatnonzero(tick.interventions):
            simulation.put_back(int(car))
            driver.reset(int(car))
        for car in np.flatnonzero(tick.pushed):
            push_car(simulation, int(car), queues[car].popleft())
        if not stress.drop_every or (number + 1) % stress.drop_every:
            command = driver.control(simulation)
            for observer in observers:
                observer.acted(tick, simulation, driving)
        under_way.append(command)
        simulation.step(*under_way.popleft(), seconds=TICK_S)


def push_car(simulation: Simulation, car: int, push: Push) -> None:
    """Push a car as drawn, but not off the road."""
    room_m = max(0.0, float(simulation.truth().margin_m[car]) - _KEPT_ON_ROAD_M)
    simulation.push(car, float(np.clip(push.cte_m, -room_m, room_m)), push.heading_rad)

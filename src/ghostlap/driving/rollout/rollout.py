"""One tick for everything that drives: :class:`ClosedLoop`.

:func:`rollout` runs it as fast as can be; the cockpit, Unity's stand-in and the expert's recordings
run it by clocks of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghostlap.driving.metrics import Intervention
from ghostlap.driving.rollout.driver import Driver, Floats
from ghostlap.driving.rollout.plan import Push
from ghostlap.driving.rollout.stress import NO_STRESS, TICK_S, Stress
from ghostlap.sim.simulation import Simulation, Telemetry, Truth

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
    doubt: NDArray[np.float64]
    """How much the driver last doubted its way, see :class:`Driver`; NaN for none."""
    driving: NDArray[np.bool_]
    """Whose drive was not over before this moment."""


class Observer:
    """Whoever watches a loop. Both methods may be left as they are, which does nothing."""

    def see(self, tick: Tick) -> None:
        """This is how things stand, before any car is put back or pushed."""

    def acted(self, loop: ClosedLoop) -> None:
        """The driver has answered, cars are put back and pushed; the answer is carried out next."""


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


class ClosedLoop:
    """A simulation and its driver, tick by tick.

    :meth:`judge` sees how things stand and puts cars back; :meth:`step` has the driver look, and
    lets time pass.

    Args:
        is_over: whose drive is over where things stand so, shape ``(cars,)``; nobody's by default.
        pushes: for each car, in the order of time; none for nobody.
    """

    def __init__(
        self,
        simulation: Simulation,
        driver: Driver,
        observers: Sequence[Observer] = (),
        *,
        is_over: Callable[[Truth], NDArray[np.bool_]] | None = None,
        pushes: Sequence[Sequence[Push]] = (),
        stress: Stress = NO_STRESS,
    ) -> None:
        cars = simulation.cars
        self.simulation, self.driver = simulation, driver
        self.tick: Tick | None = None
        """How things stood when they were last judged."""
        self.driving = np.ones(cars, bool)
        """Whose drive is not over, shape ``(cars,)``."""
        self.command: tuple[Floats, Floats] = (np.zeros(cars), np.zeros(cars))
        """Steering and throttle that the driver last answered, each of shape ``(cars,)``."""
        self._observers, self._is_over, self._stress = observers, is_over, stress
        self._detector = InterventionDetector(cars)
        self._queues = [deque(of_car) for of_car in pushes] or [deque[Push]() for _ in range(cars)]
        self._under_way = deque([self.command] * stress.delay_ticks)
        self._ticks, self._began_s = 0, 0.0

    @property
    def driven_s(self) -> float:
        """Simulated seconds since the first tick."""
        return self.simulation.time_s - self._began_s if self._ticks else 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time for a tick: 20 a second, the first at once."""
        return self.driven_s > (self._ticks - 1e-6) * TICK_S

    def judge(self) -> Tick:
        """Have observers see how things stand; then put back and push the cars that need it."""
        simulation, number = self.simulation, self._ticks
        if not number:
            self._began_s = simulation.time_s
        truth, telemetry = simulation.truth(), simulation.telemetry()
        pushed = [bool(q) and q[0].time_s <= (number + 0.5) * TICK_S for q in self._queues]
        tick = self.tick = Tick(
            number,
            self.driven_s,
            truth,
            telemetry,
            self._detector.judge(truth, telemetry),
            np.array(pushed),
            self.driver.doubt.copy(),
            self.driving,
        )
        self._ticks += 1
        for observer in self._observers:
            observer.see(tick)
        if self._is_over is not None:
            self.driving = self.driving & ~self._is_over(truth)
        for car in map(int, np.flatnonzero(tick.interventions)):
            simulation.put_back(car)
            self.driver.reset(car)
        for car in map(int, np.flatnonzero(tick.pushed)):
            push_car(simulation, car, self._queues[car].popleft())
        return tick

    def step(self, seconds: float) -> None:
        """Have the driver look, unless this frame is lost, and let time pass with its answer."""
        if not self._stress.drop_every or self._ticks % self._stress.drop_every:
            self.command = self.driver.control(self.simulation)
            for observer in self._observers:
                observer.acted(self)
        else:
            self.command = self.driver.unseen(self.simulation, self.command)
        self._under_way.append(self.command)
        self.simulation.step(*self._under_way.popleft(), seconds=seconds)


def rollout(loop: ClosedLoop, seconds: float) -> None:
    """Drive all cars until each drive is over, after so many seconds at the latest.

    A car that leaves the road, turns round or stands is put back, and goes on.
    """
    last = round(seconds / TICK_S)
    while loop.judge().number < last and loop.driving.any():
        loop.step(TICK_S)


def push_car(simulation: Simulation, car: int, push: Push) -> None:
    """Push a car as drawn, but not off the road."""
    room_m = max(0.0, float(simulation.truth().margin_m[car]) - _KEPT_ON_ROAD_M)
    simulation.push(car, float(np.clip(push.cte_m, -room_m, room_m)), push.heading_rad)

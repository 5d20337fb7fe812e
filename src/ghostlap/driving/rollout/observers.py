"""Who watches a rollout: what each car did, how often its driver gave no answer, how far it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ghostlap.driving.metrics import Drive
from ghostlap.driving.rollout.rollout import ClosedLoop, Observer, Tick

_REPORT_EVERY = 20


class DriveLog(Observer):
    """Collects the moments of several cars, each until its drive is over."""

    def __init__(self, cars: int) -> None:
        self._rows: list[tuple[NDArray[np.generic], ...]] = []
        self._ends = np.zeros(cars, int)

    def see(self, tick: Tick) -> None:
        truth, telemetry = tick.truth, tick.telemetry
        self._rows.append(
            (
                np.full(len(tick.pushed), tick.time_s), truth.s_m, truth.cte_m,
                truth.heading_error_rad, truth.margin_m, truth.distance_m, truth.lap,
                telemetry.speed_mph, telemetry.steering, telemetry.throttle, tick.interventions,
                tick.pushed, tick.doubt,
            )
        )  # fmt: skip
        self._ends[tick.driving] = len(self._rows)

    def drives(self) -> tuple[Drive, ...]:
        """What each car did, until its drive was over."""
        columns = [np.stack(column) for column in zip(*self._rows, strict=True)]
        return tuple(
            Drive(*(column[:end, car] for column in columns)) for car, end in enumerate(self._ends)
        )


class FeatureLog(Observer):
    """Collects what the driver's network computed beside its answers, float16, a row a tick."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.float16] | None] = []
        self._ends: NDArray[np.int64] = np.zeros(0, int)

    def see(self, tick: Tick) -> None:
        self._rows.append(self._rows[-1] if self._rows else None)
        self._ends = np.where(tick.driving, len(self._rows), self._ends if self._ends.size else 0)

    def acted(self, loop: ClosedLoop) -> None:
        most = np.finfo(np.float16).max
        self._rows[-1] = np.clip(loop.driver.computed, -most, most).astype(np.float16)

    def features(self) -> tuple[NDArray[np.float16], ...]:
        """Of each car, ``(ticks, features)``, for as many ticks as its drive has."""
        whole = np.stack([row for row in self._rows if row is not None])
        return tuple(whole[:end, car] for car, end in enumerate(self._ends))


class AnswerCounter(Observer):
    """Counts what a driver should not answer, for each car until its drive is over."""

    def __init__(self, cars: int) -> None:
        self.not_a_number = np.zeros(cars, int)
        """Answers that were NaN or infinite, shape ``(cars,)``."""
        self.out_of_range = np.zeros(cars, int)
        """Answers beyond full lock, which were clipped, shape ``(cars,)``."""

    def acted(self, loop: ClosedLoop) -> None:
        self.not_a_number += loop.driver.not_a_number & loop.driving
        self.out_of_range += loop.driver.out_of_range & loop.driving


class Progress(Observer):
    """Tells how far the cars have come, now and then, and never more than ``whole_m`` in all."""

    def __init__(self, whole_m: float, cars: int, report: Callable[[float], None]) -> None:
        self._whole_m, self._of_a_car_m = whole_m, whole_m / cars
        self._report = report
        self._told_m = 0.0

    def see(self, tick: Tick) -> None:
        if tick.number % _REPORT_EVERY == 0:
            self._up_to(float(np.clip(tick.truth.distance_m, 0, self._of_a_car_m).sum()))

    def finish(self) -> None:
        """All of the way is done, whether it was driven or given up."""
        self._up_to(self._whole_m)

    def _up_to(self, distance_m: float) -> None:
        if distance_m > self._told_m:
            self._report(distance_m - self._told_m)
            self._told_m = distance_m

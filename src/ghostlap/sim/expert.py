"""The expert: a good driver who knows the road.

A driving line and the speed it allows are computed once for each track and direction. Steering
follows the line's curvature a moment ahead and corrects the remaining lateral and heading error, at
a pace that grows with speed; a car far off its line comes back at a small angle. The same place and
speed always give the same steering, so that the expert can label any place
(:meth:`ExpertDriver.steering_for`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostlap.base.errors import SimulatorError
from ghostlap.base.options import Options, Positive, Share
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.data.lines import SIDES, Command, Line, line_at
from ghostlap.sim.hands import Hand, Style
from ghostlap.sim.simulation import Simulation
from ghostlap.sim.track.track import Track
from ghostlap.sim.vehicle import GRAVITY_MPS2, Floats, Vehicle

_SMOOTHED_M = 5.0
"""Length of road over which curvature is averaged; no car feels less."""

_CHANGE_OF_LANE_M = 30.0
"""Length of road over which a lane's place is averaged where the width changes."""

_AHEAD_S = 0.12
"""Time ahead at which bends are steered: the delay of controls, tyres and inertia."""

_SETTLING_S = 0.45
_SETTLING_MIN_M = 3.0
"""Errors decay about like exp(-t / settling), but not within less road than the minimum."""

_DAMPING = 0.9
"""Damping ratio of the approach to the line; 1 is the fastest without overshoot."""

_APPROACH_RAD = math.radians(14.0)
"""The steepest angle at which the line is approached."""

_GRIP_MPS2 = 8.0
"""Largest sideways acceleration steered for; beyond it the tyres begin to slide."""

_PERSONS_AHEAD_S, _PERSONS_SETTLING_S = 0.4, 1.1
"""A person, who sees late and decides now and then, looks further and comes back more slowly."""

_LONGEST_PAUSE_S = 0.1
"""A person's hand moves for no longer at once."""

_SPEED_GAIN_PER_S = 3.0
"""Acceleration per speed error."""


@dataclasses.dataclass(frozen=True)
class Expert(Options, error=SimulatorError, called="The expert's {name}"):
    """The expert's driving style."""

    speed_limit_mph: Positive = 30.0
    """Highest speed wanted; bends may allow less."""
    line: Command = "centre"
    """``centre`` of the road, or the middle of one of its two lanes; ``switch`` changes it."""
    lateral_limit_mps2: Positive = 5.0
    """Sideways acceleration that sets the speed in bends; the tyres hold about 8."""
    braking_mps2: Positive = 2.5
    """Deceleration before bends."""
    steering_slew_per_s: Positive = 3.0
    """Fastest change of steering; 3 is what keys do."""
    noise: Share = 0.0
    """Standard deviation of the steering noise of an unsteady hand."""
    noise_memory_s: Positive = 0.5
    """Correlation time of the noise."""
    style: Style = "steady"
    """The hand: steady on a wheel, or a person's with keys, a mouse or a gamepad."""
    seed: int = 0
    """Seed of the noise, and of where ``switch`` begins."""


class _Line(NamedTuple):
    """The driving line and its speed at each station of a track, in one driving direction."""

    cte_m: Floats
    """Place of the line, to the left of the centre line."""
    slope: Floats
    """Change of ``cte_m`` a metre."""
    curvature: Floats
    speed_mps: Floats
    grade: Floats


class ExpertDriver:
    """A driver of all cars of a simulation on a known track."""

    def __init__(
        self, track: Track, config: Expert, cars: int, vehicle: Vehicle | None = None
    ) -> None:
        self.track = track
        self.config = config
        self.vehicle = vehicle or Vehicle()
        self._tables = functools.cache(functools.partial(_both_ways, track, config))
        self.line = line_at(config.line, 0.0, config.seed)
        """The one driven now."""
        self._hands = [np.random.default_rng([config.seed, 53, car]) for car in range(cars)]
        self._noise = np.zeros(cars)
        steady = config.style == "steady"
        self._ahead_s = _AHEAD_S if steady else _PERSONS_AHEAD_S
        self._settling_s = _SETTLING_S if steady else _PERSONS_SETTLING_S
        self._persons = [
            Hand(config.style, np.random.default_rng([config.seed, 59, car]))
            for car in range(0 if steady else cars)
        ]
        self._time_s = math.inf

    def control(self, simulation: Simulation) -> tuple[Floats, Floats]:
        """Steering and throttle of all cars, each of shape ``(cars,)``.

        Call it once before each step of the simulation: it moves the steering, and its noise, on by
        the time simulated since the last call.
        """
        truth, told = simulation.truth(), simulation.telemetry()
        seconds = simulation.time_s - self._time_s
        if seconds < 0:  # another simulation, or the first call: the steering may be anywhere
            seconds = math.inf
        self._time_s = simulation.time_s
        self.line = line_at(self.config.line, simulation.time_s, self.config.seed)
        speed_mps = told.speed_mph * MPS_A_MPH
        wanted = self.steering_now(simulation) + self._unsteadiness(seconds)
        if self._persons:
            moved = zip(self._persons, told.steering, wanted, strict=True)
            seconds = min(seconds, _LONGEST_PAUSE_S)
            steering = np.array([hand.move(now, to, seconds) for hand, now, to in moved])
            return steering, self.throttle_for(truth.s_m, speed_mps, simulation.direction)
        reach = self.config.steering_slew_per_s * seconds
        steering = np.clip(np.clip(wanted, told.steering - reach, told.steering + reach), -1, 1)
        return steering, self.throttle_for(truth.s_m, speed_mps, simulation.direction)

    def steering_now(self, simulation: Simulation) -> Floats:
        """The right steering for all cars where they are, for the line driven now."""
        truth, speed_mph = simulation.truth(), simulation.telemetry().speed_mph
        return self.steering_for(
            truth.s_m,
            truth.cte_m,
            truth.heading_error_rad,
            speed_mph * MPS_A_MPH,
            simulation.direction,
        )

    def steering_for(
        self,
        s_m: ArrayLike,
        cte_m: ArrayLike,
        heading_error_rad: ArrayLike,
        speed_mps: ArrayLike,
        direction: ArrayLike = 1,
    ) -> Floats:
        """The right steering for cars at given places and speeds.

        Args:
            s_m: arc length along the centre line, in the track's own direction.
            cte_m, heading_error_rad: lateral and heading error to the left, in driving direction.
            speed_mps: speed of the cars.
            direction: driving direction, 1 or -1.

        Returns:
            Steering in [-1, 1], positive to the right.
        """
        s_m, direction = np.asarray(s_m, float), np.asarray(direction)
        speed = np.maximum(np.asarray(speed_mps, float), 0.0)
        here = self._at(s_m, direction)
        bend = self._at(s_m + direction * speed * self._ahead_s, direction).curvature
        offset_m = np.asarray(cte_m, float) - here.cte_m
        # The car moves at a side slip angle to its nose.
        drift = self.vehicle.drift_per_curvature_m(speed) * here.curvature
        course_rad = np.asarray(heading_error_rad, float) + drift - here.slope
        settling_m = np.maximum(speed * self._settling_s, _SETTLING_MIN_M)
        approach = -offset_m / (2 * _DAMPING * settling_m)
        approach = np.minimum(np.maximum(approach, -_APPROACH_RAD), _APPROACH_RAD)
        curvature = bend + 2 * _DAMPING / settling_m * (approach - course_rad)
        most = _GRIP_MPS2 / np.maximum(speed, 1.0) ** 2
        curvature = np.minimum(np.maximum(curvature, -most), most)
        wheel_rad = np.arctan(curvature * self.vehicle.effective_wheelbase_m(speed))
        return np.minimum(np.maximum(-wheel_rad / self.vehicle.full_lock_rad, -1.0), 1.0)

    def throttle_for(
        self, s_m: ArrayLike, speed_mps: ArrayLike, direction: ArrayLike = 1
    ) -> Floats:
        """The throttle in [-1, 1] that keeps to the allowed speed, up and down hill."""
        s_m, speed = np.asarray(s_m, float), np.asarray(speed_mps, float)
        direction = np.asarray(direction)
        # Looking one time constant ahead takes the lag out of following a changing speed.
        target = self._at(s_m + direction * speed / _SPEED_GAIN_PER_S, direction).speed_mps
        grade = self._at(s_m, direction).grade
        coasting = self.vehicle.coasting_mps2(speed)
        wanted = _SPEED_GAIN_PER_S * (target - speed) + coasting
        wanted = wanted + GRAVITY_MPS2 * grade / np.sqrt(1 + grade * grade)
        engine = wanted / (self.vehicle.full_throttle_mps2(speed) + coasting)
        throttle = np.where(wanted > 0, engine, wanted / self.vehicle.brake_mps2)
        return np.minimum(np.maximum(throttle, -1.0), 1.0)

    def speed_for(self, s_m: ArrayLike, direction: ArrayLike = 1) -> Floats:
        """The speed that the expert wants at a place, in m/s."""
        return self._at(np.asarray(s_m, float), np.asarray(direction)).speed_mps

    def cte_for(self, s_m: ArrayLike, direction: ArrayLike = 1) -> Floats:
        """Where the line is at a place, in m to the left of the centre, in driving direction."""
        return self._at(np.asarray(s_m, float), np.asarray(direction)).cte_m

    def _at(self, s_m: Floats, direction: NDArray[np.int64]) -> _Line:
        """The driving line at places, interpolated between stations."""
        count = len(self.track.stations_s_m)
        position = (s_m % self.track.length_m) * (count / self.track.length_m)
        before = position.astype(np.int64)
        share = position - before
        before, way = before % count, (1 - direction) // 2
        after = (before + 1) % count
        tables = self._tables(self.line)
        return _Line(*(t[way, before] * (1 - share) + t[way, after] * share for t in tables))

    def _unsteadiness(self, seconds: float) -> Floats:
        """The steering noise (an Ornstein-Uhlenbeck process), moved on by ``seconds``."""
        if self.config.noise > 0:
            kept = math.exp(-seconds / self.config.noise_memory_s)
            drawn = np.array([hand.normal() for hand in self._hands])
            fresh = self.config.noise * math.sqrt(1 - kept * kept)
            self._noise = kept * self._noise + fresh * drawn
        return self._noise


def _both_ways(track: Track, config: Expert, line: Line) -> _Line:
    """A line in both driving directions, each of its tables of shape ``(2, stations)``."""
    lines = [_line(track, config, line, direction) for direction in (1, -1)]
    return _Line(*(np.stack(pair) for pair in zip(*lines, strict=True)))


def _line(track: Track, config: Expert, line: Line, direction: int) -> _Line:
    s_m = track.stations_s_m
    step_m = track.length_m / len(s_m)
    side = SIDES[line]
    half_m = track.half_widths(s_m)[0 if side * direction > 0 else 1]
    cte_m = _averaged(side * half_m / 2, _CHANGE_OF_LANE_M / step_m)
    slope = direction * (np.roll(cte_m, -1) - np.roll(cte_m, 1)) / (2 * step_m)
    centre = direction * _averaged(track.curvature(s_m), _SMOOTHED_M / step_m)
    curvature = centre / np.maximum(1 - centre * cte_m, 0.1)
    speed_mps = np.sqrt(config.lateral_limit_mps2 / np.maximum(np.abs(curvature), 1e-6))
    speed_mps = np.minimum(speed_mps, config.speed_limit_mph * MPS_A_MPH)
    speed_mps = _braked_in_time(speed_mps[::direction], config.braking_mps2, step_m)[::direction]
    return _Line(cte_m, slope, curvature, speed_mps, direction * track.grade(s_m))


def _braked_in_time(allowed_mps: Floats, braking_mps2: float, step_m: float) -> Floats:
    """The highest speed at each station from which braking reaches all later allowed speeds."""
    gained = 2 * braking_mps2 * step_m * np.arange(2 * len(allowed_mps))
    squared = np.concatenate([allowed_mps, allowed_mps]) ** 2 + gained  # round the lap, twice
    soonest = np.minimum.accumulate(squared[::-1])[::-1] - gained
    return np.sqrt(soonest[: len(allowed_mps)])


def _averaged(values: Floats, window: float) -> Floats:
    """Moving average over about ``window`` stations of a closed track."""
    reach = min(round(window / 2), (len(values) - 1) // 2)
    if reach < 1:
        return values
    padded = np.concatenate([values[-reach:], values, values[:reach]])
    return np.convolve(padded, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")

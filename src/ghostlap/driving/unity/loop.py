"""The simulator's loop: listen, let time pass, take a picture, tell."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.driving.metrics import Drive, Intervention
from ghostlap.driving.rollout.driver import Driver, Floats
from ghostlap.driving.rollout.observers import DriveLog
from ghostlap.driving.rollout.rollout import ClosedLoop, Observer, Tick
from ghostlap.driving.unity.client import UnityClient, UnityTelemetry
from ghostlap.sim.simulation import Simulation
from ghostlap.sim.vehicle import PHYSICS_STEP_S


class Pace(Protocol):
    """What says when the next picture is due."""

    def physics_steps(self, client: UnityClient) -> int:
        """Listen until then; gives the physics steps that go before it."""
        ...


class End(enum.Enum):
    """Why a drive was over."""

    LAPS = "laps"
    SECONDS = "seconds"
    NO_COMMANDS = "no commands"
    STOPPED = "stopped"


class ClientDriver(Driver):
    """The drive server at the other end of a connection."""

    def __init__(self, client: UnityClient) -> None:
        super().__init__(1)
        self._client = client

    def control(self, simulation: Simulation) -> tuple[Floats, Floats]:
        return np.array([self._client.steering]), np.array([self._client.throttle])


class UnityLoop(Observer):
    """One car, and whoever drives it through a :class:`UnityClient`.

    Args:
        simulation: with one car and one camera.
        laps, seconds: when the drive is over, counted from the first command; None is never.
        wait_s: give up after so many seconds of real time without a command; None is never.
        on_intervention: told of each, before the car is put back.
    """

    def __init__(
        self,
        simulation: Simulation,
        client: UnityClient,
        pace: Pace,
        *,
        laps: int | None = None,
        seconds: float | None = None,
        wait_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_intervention: Callable[[Intervention], None] = lambda why: None,
    ) -> None:
        self.simulation, self.client = simulation, client
        self.frames = 0
        """Pictures taken."""
        self.interventions = 0
        self._pace, self._clock = pace, clock
        self._laps, self._seconds, self._wait_s = laps, seconds, wait_s
        self._on_intervention = on_intervention
        self._log = DriveLog(1)
        self._loop = ClosedLoop(simulation, ClientDriver(client), (self._log, self))
        self._heard, self._heard_s = 0, clock()
        self._jpeg: tuple[float, bytes] | None = None

    @property
    def driven_s(self) -> float:
        """Simulated seconds since the first command."""
        return self._loop.driven_s

    def frame(self) -> End | None:
        """One round of the loop; says whether the drive is over, and why."""
        steps = self._pace.physics_steps(self.client)
        self._judge_if_due()
        for _ in range(steps):
            self._loop.step(PHYSICS_STEP_S)
            if self._judge_if_due() and (end := self._end()):
                return end
        if self.client.asked:
            self.client.tell(self._telemetry())
        return self._end()

    def drive(self) -> Drive | None:
        """What was driven so far; None if that is nothing."""
        return self._log.drives()[0] if self._loop.tick and self._loop.tick.number else None

    def see(self, tick: Tick) -> None:
        why = Intervention(int(tick.interventions[0]))
        if why is not Intervention.NONE:
            self.interventions += 1
            self._on_intervention(why)

    def _judge_if_due(self) -> bool:
        """Judge how things stand, if it is time to; before the first command it never is."""
        if not (self.client.commands and self._loop.is_due):
            return False
        self._loop.judge()
        return True

    def _end(self) -> End | None:
        tick = self._loop.tick
        if tick and self._laps is not None and tick.truth.lap[0] >= self._laps:
            return End.LAPS
        if self._seconds is not None and self.driven_s > self._seconds - 1e-6:
            return End.SECONDS
        if self.client.commands > self._heard:
            self._heard, self._heard_s = self.client.commands, self._clock()
        elif self._wait_s is not None and self._clock() - self._heard_s > self._wait_s:
            return End.NO_COMMANDS
        return None

    def _telemetry(self) -> UnityTelemetry:
        if self._jpeg is None or self._jpeg[0] != self.simulation.time_s:
            self.frames += 1
            self._jpeg = self.simulation.time_s, encode_jpeg(self.simulation.frames()[0, 0])
        told = self.simulation.telemetry()
        return UnityTelemetry(
            float(told.steering[0]), float(told.throttle[0]), float(told.speed_mph[0]),
            self._jpeg[1],
        )  # fmt: skip

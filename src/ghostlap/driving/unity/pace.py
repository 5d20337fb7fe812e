"""When the next picture is due, and how much physics lies before it."""

from __future__ import annotations

import time
from collections.abc import Callable

from ghostlap.driving.unity.client import UnityClient
from ghostlap.sim.vehicle import PHYSICS_STEP_S

_CATCH_UP_S = 1 / 3
"""Time lost beyond this is never made up for (Unity's "maximum allowed timestep")."""
_PATIENCE_S = 0.25
"""An uncapped simulator looks up from waiting for a command so often."""


class RealTime:
    """Pictures at a steady rate at most, physics as fast as time passes."""

    def __init__(
        self, frame_rate_hz: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._frame_s = 1 / frame_rate_hz
        self._clock = clock
        self._passed_s = self._due_s = clock()

    def physics_steps(self, client: UnityClient) -> int:
        """Listen until the next picture is due; gives the physics steps that go before it."""
        self._due_s += self._frame_s
        while (left_s := self._due_s - self._clock()) > 0:
            client.listen(left_s)
        client.listen(0.0)
        now_s = self._clock()
        self._due_s = max(self._due_s, now_s - self._frame_s)  # a missed picture is not made up for
        self._passed_s = max(self._passed_s, now_s - _CATCH_UP_S)
        steps = int((now_s - self._passed_s) / PHYSICS_STEP_S)
        self._passed_s += steps * PHYSICS_STEP_S
        return steps


class Uncapped:
    """A picture as soon as the server has answered one; time passes by equal parts a picture."""

    def __init__(self, frame_rate_hz: float) -> None:
        self._frame_rate_hz = frame_rate_hz
        self._frames = 0

    def physics_steps(self, client: UnityClient) -> int:
        """Listen until a telemetry is owed; gives the physics steps that go before it.

        Where none is owed within a moment there are none.
        """
        client.listen(0.0 if client.asked else _PATIENCE_S)
        if not client.asked:
            return 0
        self._frames += 1
        return self._steps_until(self._frames) - self._steps_until(self._frames - 1)

    def _steps_until(self, frame: int) -> int:
        return int(frame / self._frame_rate_hz / PHYSICS_STEP_S + 1e-9)

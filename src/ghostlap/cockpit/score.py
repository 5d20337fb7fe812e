"""Laps and autonomy so far."""

from __future__ import annotations

import dataclasses

from ghostlap.driving.metrics import autonomy_percent


@dataclasses.dataclass
class AutonomyCount:
    """How well the pilot has driven in this autonomous drive."""

    interventions: int = 0
    pilot_s: float = 0.0
    """Time that the pilot drove."""
    pilot_m: float = 0.0
    """How far it drove."""

    @property
    def autonomy_percent(self) -> float | None:
        """Autonomy so far; None as long as the pilot has not driven."""
        return autonomy_percent(self.interventions, self.pilot_s) if self.pilot_s > 0 else None


class Laps:
    """Times of laps, from the lap count that a world keeps."""

    def __init__(self) -> None:
        self.best_s: float | None = None
        self._lap = 0
        self._began_s: float | None = None

    def passed(self, lap: int, time_s: float) -> None:
        """Note how many whole laps are done by now."""
        if self._began_s is None:
            self._began_s = time_s
        if lap > self._lap:
            took_s = time_s - self._began_s
            self.best_s = took_s if self.best_s is None else min(self.best_s, took_s)
            self._lap, self._began_s = lap, time_s

    def lap_s(self, time_s: float) -> float:
        """Time that the lap under way has taken."""
        return 0.0 if self._began_s is None else time_s - self._began_s

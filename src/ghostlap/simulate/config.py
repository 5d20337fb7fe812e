"""All options of ``ghostlap sim``."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from ghostlap.errors import SimulatorError
from ghostlap.sim.conditions import ConditionsKind
from ghostlap.sim.unity_numbers import number_format


@dataclasses.dataclass(frozen=True)
class SimulateConfig:
    """Run the embedded simulator for a drive server, in place of Udacity's.

    In one window: ghostlap drive runs/a. In another, as below. It connects as Udacity's simulator
    does, in either order, and drives until Ctrl-C, --laps or --seconds; then it says how well that
    went. A car that leaves the road, turns round or stands for 3 s is put back.

    Example: ghostlap sim --track lake --autonomous --laps 1
    """

    autonomous: bool = False
    """Let a drive server drive."""
    track: str = "lake"
    """lake, jungle, random:SEED or a CSV file."""
    direction: Literal["forward", "backward"] = "forward"
    """Which way round."""
    conditions: ConditionsKind = "fixed"
    """Light and materials: as Udacity's simulator shows the track, or drawn from the seed (wide:
    also night, colour casts, roads of dirt)."""
    seed: int = 0
    """Of drawn conditions."""
    laps: int | None = None
    """End after so many."""
    seconds: float | None = None
    """End after so many of driving; they and laps count from the first command."""
    host: str = "127.0.0.1"
    """Where the drive server runs: an IPv4 address or a name."""
    port: int = 4567
    """Of the drive server."""
    wait_s: float | None = None
    """Give up after so many seconds without a command; by default never, as Udacity's simulator."""
    locale: str = "en-US"
    """Of the machine played: numbers are written and read as there. de-DE has the decimal comma,
    sv-SE a minus sign of its own, fa-IR writes 3/1416-."""
    frame_rate_hz: float = 60.0
    """Pictures a second, at most; telemetry is sent with one."""
    uncapped: bool = False
    """Do not keep to real time: a picture follows as soon as a command has come, and the car moves
    on by one part in frame_rate_hz of a second for each. Without commands time stands still."""

    def __post_init__(self) -> None:
        number_format(self.locale)
        for name, least in (("laps", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SimulatorError(f"--{name} must be at least {least}. Got {value}.")
        for name in ("seconds", "wait_s", "frame_rate_hz"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                flag = name.replace("_", "-")
                raise SimulatorError(f"--{flag} must be above 0. Got {value}.")
        if not self.host:
            raise SimulatorError("--host must be an IPv4 address or a name. Got nothing.")
        if not 1 <= self.port <= 65535:
            raise SimulatorError(f"--port must be from 1 to 65535. Got {self.port}.")
        if self.frame_rate_hz > 1000:
            raise SimulatorError(f"--frame-rate-hz must be at most 1000. Got {self.frame_rate_hz}.")

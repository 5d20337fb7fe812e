"""All options of ``ghostlap demo``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

from ghostlap.base.errors import DemoError
from ghostlap.base.options import Options, Range, Seed


@dataclasses.dataclass(frozen=True)
class DemoConfig(Options, error=DemoError):
    """From nothing to a pilot that drives, with proof.

    The built-in expert drives and is recorded, the doctor looks at the recording, pictures of it
    are drawn, a network learns from it, drives in closed loop, then once over the simulator's own
    protocol; a video and a report show all of it. After Ctrl-C the same command goes on: stages
    that are finished are kept.

    Example: ghostlap demo --track lake
    """

    track: str = "lake"
    """lake, jungle, random:SEED or a CSV file."""
    out: Path = Path("ghostlap-demo")
    """Folder for all results."""
    quick: bool = False
    """Do less: one lap one way, a shorter training, two episodes, a shorter drive."""
    speed_limit: Annotated[float, Range(1, 30, unit="mph")] = 30.0
    """Speed limit of expert and pilot in mph. Tight tracks want less: 25 for the jungle."""
    seed: Seed = 0
    """Seed of everything drawn."""
    fresh: bool = False
    """Remove what an earlier demo left in --out, and begin anew."""

    def what_is_made(self) -> dict[str, Any]:
        """The options that determine the results, as JSON values."""
        values = self.to_json()
        return {name: values[name] for name in ("track", "quick", "speed_limit", "seed")}


@dataclasses.dataclass(frozen=True)
class Amount:
    """Amounts of work: enough to drive with hardly an intervention, and no more."""

    laps: int
    """Laps recorded, each in another light."""
    both_ways: bool
    """Whether to record so many laps each way round, or one way only."""
    rate_hz: float
    """Frames recorded a second: few, for the next one shows nearly the same."""
    steps_per_epoch: int
    epochs: int
    seeds: int
    """Seeds of the evaluation, two episodes each."""
    drive_s: float | None
    """Duration of the drive over the wire; None is a lap."""


FULL = Amount(
    laps=3, both_ways=True, rate_hz=2.5, steps_per_epoch=100, epochs=14, seeds=3, drive_s=None
)
QUICK = Amount(
    laps=1, both_ways=False, rate_hz=5.0, steps_per_epoch=80, epochs=5, seeds=1, drive_s=40.0
)

"""All options of the cockpit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from ghostlap.base.errors import CockpitError
from ghostlap.base.options import Options, Port, Range
from ghostlap.sim.scene.conditions import ConditionsKind

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclasses.dataclass(frozen=True)
class CockpitConfig(Options, error=CockpitError):
    """Drive the embedded simulator in the browser, record, train, and let a pilot drive."""

    host: str = "127.0.0.1"
    """Network interface of the page; another than this machine's own asks for a token."""
    port: Port = 8000
    """Port of the page; 0 takes any that is free."""
    open_browser: bool = False
    """Open the page in a browser."""
    recordings: Path = Path("recordings")
    """Where recordings are kept."""
    runs: Path = Path("runs")
    """Where run folders are."""
    pilot: str | None = None
    """A run folder's name, to begin with; by default generalist, which comes along; "" for none."""
    track: str = "lake"
    """lake, jungle, random:SEED or a CSV file."""
    direction: Literal["forward", "backward"] = "forward"
    """Which way round."""
    conditions: ConditionsKind = "fixed"
    """Light and materials."""
    seed: int = 0
    """Draws the conditions."""
    speed_limit: Annotated[float, Range(1, 30, unit="mph")] = 20.0
    """Speed that a pilot holds, in mph."""
    simulation: str = ""
    """A simulation of yours in place of the embedded one: package.module:class, made with the
    arguments of ghostlap.sim.world.World and with its methods of ghostlap.sim.simulation."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.host:
            raise CockpitError("--host must be an address of this machine. Got nothing.")

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach the page."""
        return self.host in LOOPBACK

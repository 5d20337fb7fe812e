"""All options of ``ghostlap sim``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from ghostlap.base.errors import SimulatorError
from ghostlap.base.options import Count, Options, Positive, Range, Seed
from ghostlap.cockpit.config import CockpitConfig
from ghostlap.driving.unity.unity_numbers import number_format
from ghostlap.sim.scene.conditions import ConditionsKind

_FOR_A_SERVER = frozenset(
    {"laps", "seconds", "host", "port", "wait_s", "locale", "frame_rate_hz", "uncapped"}
)
_FOR_THE_PAGE = frozenset(
    {"recordings", "runs", "pilot", "speed_limit", "page_host", "page_port", "open_browser"}
)
_FOR_BOTH = frozenset({"host", "port"})


@dataclasses.dataclass(frozen=True)
class SimulateConfig(Options, error=SimulatorError):
    """The embedded simulator: to drive, record and train in the browser, or for a drive server.

    It opens a page on this machine, http://127.0.0.1:8000, until Ctrl-C. With --autonomous it runs
    in place of Udacity's simulator. In one window: ghostlap drive runs/a. In another, as below. It
    connects as Udacity's does, in either order, and drives until Ctrl-C, --laps or --seconds; then
    it says how well that went. A car that leaves the road, turns round or stands for 3 s is put
    back.

    Example: ghostlap sim --track jungle
    Example: ghostlap sim --track lake --autonomous --laps 1
    """

    autonomous: bool = False
    """Let a drive server drive, without a page."""
    track: str = "lake"
    """lake, jungle, random:SEED or a CSV file."""
    direction: Literal["forward", "backward"] = "forward"
    """Which way round."""
    conditions: ConditionsKind = "fixed"
    """Light and materials: as Udacity's simulator shows the track, or drawn from the seed (wide:
    also night, colour casts, roads of dirt)."""
    seed: Seed = 0
    """Of drawn conditions."""
    simulation: str = ""
    """A simulation of yours in place of the embedded one: package.module:class, made with the
    arguments of ghostlap.sim.world.World and with its methods of ghostlap.sim.simulation."""

    recordings: Path = Path("recordings")
    """Of the page: where recordings are kept."""
    runs: Path = Path("runs")
    """Of the page: where run folders are, whose pilots can be chosen."""
    pilot: str | None = None
    """Of the page: the name of the run folder to begin with; generalist, which comes along, by
    default, "" for none."""
    speed_limit: float = 20.0
    """Of the page: speed that a pilot holds, in mph; it can be changed there."""
    page_host: str = "127.0.0.1"
    """Network interface of the page. 0.0.0.0 lets other machines in, by an address with a token."""
    page_port: int = 8000
    """Of the page; 0 takes any that is free."""
    open_browser: bool = False
    """Open the page in a browser."""

    laps: Count | None = None
    """With --autonomous, as all that follows: end after so many."""
    seconds: Positive | None = None
    """End after so many of driving; they and laps count from the first command."""
    host: str = "127.0.0.1"
    """Where the drive server runs: an IPv4 address or a name."""
    port: Annotated[int, Range(1, 65535)] = 4567
    """Of the drive server."""
    wait_s: Positive | None = None
    """Give up after so many seconds without a command; by default never, as Udacity's simulator."""
    locale: str = "en-US"
    """Of the machine played: numbers are written and read as there. de-DE has the decimal comma,
    sv-SE a minus sign of its own, fa-IR writes 3/1416-."""
    frame_rate_hz: Annotated[float, Range(0, 1000, excluding=(0,))] = 60.0
    """Pictures a second, at most; telemetry is sent with one."""
    uncapped: bool = False
    """Do not keep to real time: a picture follows as soon as a command has come, and the car moves
    on by one part in frame_rate_hz of a second for each. Without commands time stands still."""

    def __post_init__(self) -> None:
        super().__post_init__()
        number_format(self.locale)
        if not self.host:
            raise SimulatorError("--host must be an IPv4 address or a name. Got nothing.")
        self._check_purpose()
        if not self.autonomous:
            self.cockpit()

    def cockpit(self) -> CockpitConfig:
        """What the page is told."""
        return CockpitConfig(
            host=self.page_host,
            port=self.page_port,
            open_browser=self.open_browser,
            recordings=self.recordings,
            runs=self.runs,
            pilot=self.pilot,
            track=self.track,
            direction=self.direction,
            conditions=self.conditions,
            seed=self.seed,
            speed_limit=self.speed_limit,
            simulation=self.simulation,
        )

    def _check_purpose(self) -> None:
        """Nothing may be asked for that would be passed over in silence."""
        for field in dataclasses.fields(self):
            is_default = getattr(self, field.name) == field.default
            flag = f"--{field.name.replace('_', '-')}"
            if self.autonomous and field.name in _FOR_THE_PAGE and not is_default:
                raise SimulatorError(f"{flag} is for the page, which --autonomous does not open.")
            if not self.autonomous and field.name in _FOR_A_SERVER and not is_default:
                page = f" The page has --page-{field.name}." if field.name in _FOR_BOTH else ""
                raise SimulatorError(f"{flag} is only for a drive server, --autonomous.{page}")

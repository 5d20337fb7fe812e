"""All options of ``ghostlap sim``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from ghostlap.base.errors import SimulatorError
from ghostlap.base.options import Count, Options, Port, Positive, Range, Seed
from ghostlap.cockpit.config import CockpitConfig
from ghostlap.driving.unity.unity_numbers import number_format
from ghostlap.pilots.run_folder import BUILT_IN, PILOT_FILE, read_description
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
    """Driving direction."""
    conditions: ConditionsKind = "fixed"
    """Light and materials: as Udacity's simulator shows the track, or drawn from the seed (wide:
    also night, colour casts, roads of dirt)."""
    seed: Seed = 0
    """Seed of drawn conditions."""
    simulation: str = ""
    """Simulation of yours in place of the embedded one: package.module:class, made with the
    arguments of ghostlap.sim.world.World and with the methods in ghostlap.sim.simulation."""

    recordings: Path = Path("recordings")
    """Page: folder of the recordings."""
    runs: Path = Path("runs")
    """Page: folder of the run folders whose pilots can be chosen."""
    pilot: str | None = None
    """Page: first pilot, runs/a or a; by default generalist, which comes along; "" for none."""
    speed_limit: float = 20.0
    """Page: speed limit of a pilot at first, in mph."""
    page_host: str = "127.0.0.1"
    """Network interface of the page. 0.0.0.0 lets other machines in, by an address with a token."""
    page_port: Port = 8000
    """Port of the page; 0 takes any that is free."""
    open_browser: bool = False
    """Open the page in a browser."""

    laps: Count | None = None
    """With --autonomous, as all that follows: number of laps after which to end."""
    seconds: Positive | None = None
    """Seconds of driving after which to end; laps and seconds count from the first command."""
    host: str = "127.0.0.1"
    """IPv4 address or name of the drive server's machine."""
    port: Annotated[int, Range(1, 65535)] = 4567
    """Port of the drive server."""
    wait_s: Positive | None = None
    """Give up after so many seconds without a command; by default never, as Udacity's simulator."""
    locale: str = "en-US"
    """Locale of the machine played, in which numbers are written and read. de-DE has the decimal
    comma, sv-SE a minus sign of its own, fa-IR writes 3/1416-."""
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
        """The page's options."""
        fields = {field.name for field in dataclasses.fields(CockpitConfig)} - {"host", "port"}
        same = {name: getattr(self, name) for name in fields}
        if self.pilot and not (self.runs / self.pilot).is_dir():  # named as in other commands
            run = Path(self.pilot)
            if run.parent == Path() and not run.exists() and not (BUILT_IN / run).is_dir():
                run = self.runs / run
            read_description(run)
            if (run / PILOT_FILE).is_file():
                same |= {"runs": run.parent, "pilot": run.name}
        return CockpitConfig(host=self.page_host, port=self.page_port, **same)

    def _check_purpose(self) -> None:
        """Refuse options that would be passed over in silence."""
        for field in dataclasses.fields(self):
            is_default = getattr(self, field.name) == field.default
            flag = f"--{field.name.replace('_', '-')}"
            if self.autonomous and field.name in _FOR_THE_PAGE and not is_default:
                raise SimulatorError(f"{flag} is for the page, which --autonomous does not open.")
            if not self.autonomous and field.name in _FOR_A_SERVER and not is_default:
                page = f" The page has --page-{field.name}." if field.name in _FOR_BOTH else ""
                raise SimulatorError(f"{flag} is only for a drive server, --autonomous.{page}")

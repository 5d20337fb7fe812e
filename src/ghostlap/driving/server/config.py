"""What the drive server can be told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import DriveError
from ghostlap.base.options import Above0, Options, Port, Positive, Range
from ghostlap.data.lines import Command
from ghostlap.driving.control import ControlConfig

PORT = 4567
"""The only one that the simulator connects to."""
DONKEY_PORT = 9091
"""Where DonkeySim listens."""

_Amount = Annotated[int, Above0]


@dataclasses.dataclass(frozen=True)
class Limits(Options, error=DriveError, called="--limits.{flag}"):
    """What one client may ask for, so that none can slow down or fill up the server for others."""

    connections: _Amount = 16
    """Most at once. One more takes the place of one that does not drive, or is refused."""
    message_bytes: _Amount = 1_000_000
    """Most of one message; the simulator's have about 17,000."""
    image_side_px: _Amount = 1024
    """Width and height that a frame may say it has; larger ones are not decoded."""
    handshake_s: Positive = 5.0
    """Time for a connection to say what it wants."""
    messages_per_s: _Amount = 20_000
    """Most of one client; the fastest that waits for its answers sends about 5,000."""
    unread_bytes: _Amount = 262_144
    """Answers that wait for a client to read them, before it is left."""


@dataclasses.dataclass(frozen=True)
class DriveConfig(Options, error=DriveError):
    """Drive Udacity's simulator with a pilot: wait for it on port 4567, see, steer.

    Start this, then the simulator, choose a track and "Autonomous Mode". Ctrl-C ends it; the
    simulator connects again by itself when it is started again.

    Example: ghostlap drive runs/a --speed-limit 20 --record runs/a/drive-1
    """

    pilot: tyro.conf.Positional[Path]
    """The pilot's run folder."""
    simulator: Literal["udacity", "donkey"] = "udacity"
    """Which simulator: Udacity's connects here. Ghostlap connects to DonkeySim, which must be
    running on this machine, on port 9091."""
    scene: str = ""
    """DonkeySim's scene to load, if it asks which; the first that it has by default."""
    speed_limit: Annotated[float, Range(0, 30, excluding=(0,), unit="mph")] = 20.0
    """Speed to hold, in mph, up to 30, which is all that the simulator's car can do."""
    throttle: Literal["pi", "seed"] = "pi"
    """How: pi holds it; seed is 1 - speed/limit, as in simple drive.py scripts, and slower."""
    slow_in_bends: float = 0.5
    """Share of the speed limit taken off at full lock; less steering, less of it. It keeps a fast
    car on roads whose bends are too tight for the limit, and costs little elsewhere."""
    slow_when_unsure: float = 0.0
    """Share of the speed taken off where the pilot is as unsure as can be; less so, less of it. It
    needs a pilot with a critic ('ghostlap critic'), or trained with --steering-std."""
    smoothing_s: float = 0.0
    """Time constant by which steering follows the pilot; 0 is at once."""
    delay_s: float = 0.0
    """The car does what it is told so much later than told. A pilot trained with --horizon makes up
    for that, and for the time that its own answers take."""
    line: Command = "centre"
    """Line of the road to keep to, for a pilot trained with --lines: centre, left_lane, right_lane;
    switch commands another one every 6 s. With --cockpit the page changes it."""
    record: Path | None = None
    """Write what is driven here: a recording as the simulator's, and predictions.csv beside it.
    A second simulator at the same time gets this folder's name with -2, and so on."""
    cockpit: bool = False
    """Show the drive in the browser: what the pilot sees and where it looks, with the speed limit
    to be changed while it drives."""
    page_host: str = "127.0.0.1"
    """Network interface of that page. 0.0.0.0 lets other machines in, by an address with a token.
    """
    page_port: Port = 8000
    """Port of that page; 0 takes any that is free."""
    host: str = "127.0.0.1"
    """Network interface to listen on; 0.0.0.0 lets other machines in, whoever they are."""
    port: Port = PORT
    """Udacity's simulator only ever connects to 4567; 0 takes any that is free. DonkeySim
    listens on 9091."""
    wake_after_s: Positive = 1.0
    """A simulator that has been silent for so long is asked for a frame."""
    late_after_s: Positive = 0.5
    """A pilot that has not answered for so long is stuck: the car brakes."""
    limits: Limits = Limits()
    """What one client may ask for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.control()
        if self.simulator != "donkey":
            return
        if self.port == PORT:
            object.__setattr__(self, "port", DONKEY_PORT)
        for option in ("record", "cockpit"):
            if getattr(self, option):
                raise DriveError(
                    f"--{option} is for Udacity's simulator; with --simulator donkey it is not "
                    "there yet. Leave it out."
                )

    def control(self) -> ControlConfig:
        """How the pilot's answers are carried out."""
        return ControlConfig(
            speed_limit_mph=self.speed_limit,
            throttle=self.throttle,
            slow_in_bends=self.slow_in_bends,
            slow_when_unsure=self.slow_when_unsure,
            smoothing_s=self.smoothing_s,
            late_after_s=self.late_after_s,
            delay_s=self.delay_s,
            line=self.line,
        )

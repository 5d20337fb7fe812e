"""All options of ``ghostlap convert``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import ExchangeError
from ghostlap.base.options import Options, Range, bytes_of

MAX_FPS = 240

Columns = Annotated[
    tuple[str, ...],
    tyro.conf.arg(
        help="Which column, key or feature holds what, where names do not tell: "
        "steering=angle:deg. See ghostlap convert --help."
    ),
]
"""``--columns`` of every command that reads recordings."""


@dataclasses.dataclass(frozen=True)
class ConvertConfig(Options, error=ExchangeError):
    """Write a recording in another format; the original is never touched.

    Read are recordings (driving_log.csv and IMG/), donkeycar tubs, LeRobot datasets of v2 and v3,
    and any table (CSV) with pictures; where names do not tell what its columns are, --columns does.

    Example: ghostlap convert my-drive --as lerobot --out my-drive-lerobot
    """

    source: tyro.conf.Positional[Path]
    """A folder; or the table itself."""
    to: Annotated[Literal["udacity", "tub", "lerobot"], tyro.conf.arg(name="as")] = "udacity"
    """udacity: driving_log.csv and IMG/. tub: donkeycar's, format 2. lerobot: LeRobotDataset v3."""
    out: Path = Path("converted")
    """A folder that is not there yet, or empty."""
    columns: tuple[str, ...] = ()
    """Where a table has what: center=image steering=angle:deg throttle=gas speed=v:kmh time=t:ns.
    After the colon is the unit: for steering deg, rad (of 25 degrees at full lock) or the number
    that means full lock to the right, or those of both locks as in 1000..2000; mph, mps or kmh; s,
    ms, us, ns or iso. A table without header has columns 1, 2, … Of a tub:
    center=cam/image_array_a. Of a LeRobot dataset: center=observation.images.front
    steering=action.0."""
    where: tuple[str, ...] = ()
    """Only rows of a table in which columns have these values: camera=center."""
    fps: Annotated[int, Range(1, MAX_FPS)] | None = None
    """For lerobot: frames a second. None takes what is nearest to the recording's usual step."""
    task: str = "Drive along the road."
    """For lerobot: what the driver was told to do."""
    shards: str | None = None
    """For udacity: pack the pictures into files of this size, 256MB say, which disks and stores
    give faster than many small ones; every command reads them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shards is not None and self.to != "udacity":
            raise ExchangeError(f"--shards is for --as udacity. Got --as {self.to}.")
        self.shard_bytes  # noqa: B018

    @property
    def shard_bytes(self) -> int | None:
        """What ``shards`` says."""
        return None if self.shards is None else bytes_of("--shards", self.shards, ExchangeError)

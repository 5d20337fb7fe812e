"""All options of ``ghostlap record``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import SimulatorError
from ghostlap.base.options import Cluster, Count, Options, Range, Share
from ghostlap.data.lines import Command
from ghostlap.sim.hands import Style
from ghostlap.sim.scene.conditions import Conditions, ConditionsKind, Material, conditions_of
from ghostlap.sim.track.track import Theme

CameraName = Literal["center", "left", "right"]

NOT_WHAT_IS_RECORDED = ("out", "processes", "cluster", "resume")
"""Options that make no difference to the recording's content."""


@dataclasses.dataclass(frozen=True)
class RecordConfig(Options, error=SimulatorError):
    """Let the expert drive, and write what a driver would have recorded.

    The same options give the same pictures and the same log, byte for byte, on one machine. After
    Ctrl-C or a kill, what was recorded is a recording; with --resume the same command finishes it.

    Example: ghostlap record --track lake --laps 2 --both-ways --recovery 0.2 --out rec/lake
    """

    track: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Road to drive: a name, random:SEED, or a CSV file. May be repeated. Without: lake."""
    laps: Count = 2
    """Laps on each track, in each direction."""
    both_ways: bool = False
    """Drive as many laps the other way round, too."""
    recovery: Annotated[float, Range(0, 1, excluding=(1,))] = 0.0
    """Share of what is recorded, from 0 to below 1, that shows the car come back to its line from
    beside it. How it got there is not recorded. This is in addition to the laps."""
    out: Path = Path("rec/expert")
    """Folder of the recording: driving_log.csv, IMG/, ground_truth.csv and recording.json."""
    speed_limit: Annotated[float, Range(1, 200)] = 30.0
    """Highest speed in mph; the expert is slower where a bend asks for it."""
    line: Command = "centre"
    """Line of the road that the expert keeps to: its centre or the middle of a lane; switch changes
    it every 6 s, for 'ghostlap train --lines'."""
    noise: Share = 0.0
    """Standard deviation of an unsteady hand, in steering."""
    style: Style = "steady"
    """The expert's hand: steady, or a person's, who taps keys (most rows steer 0), holds a mouse or
    a gamepad: late, in jumps, with a dead zone. Taps keep to the lake below about 25 mph."""
    conditions: ConditionsKind = "seed"
    """Light, weather and materials: drawn from the seed, or always those of the track's theme. wide
    draws also night, colour casts, roads of dirt or snow, no lines, a sun at the horizon; any draws
    markings, kerbs and the camera, too, independently of all else; markings or camera just that."""
    road: Material | None = None
    """The road's material, whatever the conditions say: dirt, say, which looks like the shoulders
    of some bends."""
    variants: Count = 4
    """Different drawn conditions for each track; they change along the lap."""
    cameras: tuple[CameraName, ...] = ("center", "left", "right")
    """What pictures to take; center is needed."""
    size: tuple[int, int] = (320, 160)
    """Width and height of the pictures in pixels."""
    rate_hz: Annotated[float, Range(1, 100)] = 15.0
    """Moments recorded in a second of driving; 15 is the simulator's own."""
    jpeg_quality: Annotated[int, Range(1, 100)] = 75
    """Quality of the pictures, 1 to 100; 75 is the simulator's own."""
    seed: Annotated[int, Range(0)] = 0
    """Draws the conditions, where and how the car goes astray, and the unsteady hand."""
    processes: Count | None = None
    """How many record at once; as many as there are processor cores by default."""
    cluster: Cluster = ""
    """Ray cluster that works in place of processes here: auto, or host:port of its head, as 'ray
    start' says it. See docs/cluster.md."""
    resume: bool = False
    """Finish the recording in --out; its options stand in its recording.json."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if "center" not in self.cameras or len(set(self.cameras)) < len(self.cameras):
            raise SimulatorError(
                f"--cameras must hold center, and each camera once. Got {' '.join(self.cameras)}."
            )
        if not all(16 <= pixels <= 4096 for pixels in self.size):
            raise SimulatorError(
                f"--size is width and height, 16 to 4096 pixels. Got {self.size[0]} {self.size[1]}."
            )

    def conditions_for(self, theme: Theme, seed: int | None) -> Conditions:
        """Light, weather and materials of a drawn variant, or without a seed of the theme."""
        conditions = conditions_of(self.conditions, theme, seed)
        return dataclasses.replace(conditions, road=self.road) if self.road else conditions

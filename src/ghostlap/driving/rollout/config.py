"""What an evaluation can be told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import EvaluationError
from ghostlap.base.named import is_named
from ghostlap.base.options import Cluster, Count, Options, Positive, Range
from ghostlap.data.formats.config import Columns
from ghostlap.data.lines import Command
from ghostlap.driving.rollout.stress import STRESS_SUITE
from ghostlap.sim.scene.conditions import ConditionsKind

Direction = Literal["both", "forward", "backward"]


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Options, error=EvaluationError):
    """Let a pilot drive the embedded simulator, and measure how well it does.

    Prints a table, and writes it, every drive, a map and the frames around interventions into the
    pilot's run folder. The expert's figures beside the pilot's are what can be reached at all.

    Example: ghostlap evaluate runs/a --track lake --laps 5 --seeds 3 --speed-limit 30
    """

    pilot: tyro.conf.Positional[Path]
    """The pilot's run folder; or package.module:function, a function of yours from an RGB frame and
    the speed in mph to the steering, or to steering and throttle."""
    track: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """lake, jungle, random:SEED or a CSV file; lake if none is named."""
    laps: Count = 1
    """Laps an episode."""
    seeds: Count = 5
    """Each seed draws light and materials, and for an episode each way round a start and small
    pushes. Intervals count seeds, not laps."""
    first_seed: Annotated[int, Range(0)] = 0
    """Seeds count from here."""
    speed_limit: Positive = 30.0
    """Speed to hold, in mph."""
    direction: Direction = "both"
    """Which way round: forward, backward, or an episode each way."""
    conditions: ConditionsKind = "seed"
    """Light and materials drawn from the seeds (wide: also night, colour casts, roads of dirt;
    any: other markings and cameras, too), or
    fixed as Udacity's simulator shows the track."""
    pushes: bool = True
    """Push the car a little now and then."""
    stress: bool = False
    """Drive under each hardship of the stress suite too: light, materials, delays, pushes."""
    under: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Drive under this hardship of the stress suite too, by its name, say "delay 200 ms". May be
    repeated."""
    against: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """Compare the pilot with a person's steering, too: the folder of a recording. May be repeated.
    How well a pilot imitates single pictures says little about how it drives."""
    columns: Columns = ()
    line: Command = "centre"
    """Line of the road to keep to, for a pilot trained with --lines and for the expert beside it:
    centre, left_lane, right_lane; switch commands another one every 6 s, and tells how long changes
    take and how well lines are held."""
    smoothing_s: float = 0.0
    """Time constant by which steering follows the pilot."""
    slow_in_bends: float = 0.0
    """Share of the speed limit taken off at full lock."""
    slow_when_unsure: float = 0.0
    """Share of the speed taken off where the pilot is as unsure as can be; the pilot must have a
    critic ('ghostlap critic'), or have been trained with --steering-std."""
    seconds: Positive | None = None
    """End an episode after so much driven time; None is three times what its laps should take."""
    size: tuple[int, int] = (320, 160)
    """Width and height of the camera's frames in pixels; the pilot must be trained on such."""
    simulation: str = ""
    """A simulation of yours in place of the embedded one: package.module:class, made with the
    arguments of ghostlap.sim.world.World and with its methods of ghostlap.sim.simulation."""
    name: str | None = None
    """Name of the folder below the run folder's evaluate/; made of track and speed by default.
    What an earlier evaluation of that name left is replaced."""
    processes: Count | None = None
    """How many at once; None is one a core."""
    cluster: Cluster = ""
    """Ray cluster that works in place of processes here: auto, or host:port of its head, as 'ray
    start' says it. See docs/cluster.md."""
    resume: bool = False
    """Go on with an interrupted evaluation of the same name and options."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "track", tuple(map(str, self.track)) or ("lake",))
        named = [file_name_of(track) for track in self.track]
        if len(set(named)) < len(named):
            raise EvaluationError(
                "--track: each track can be named once, and files must differ in more than their "
                f"folder. Got {', '.join(self.track)}."
            )
        names = [stress.name for stress in STRESS_SUITE]
        if unknown := [name for name in self.under if name not in names]:
            raise EvaluationError(
                f"--under: there is no hardship {unknown[0]!r}. There are: {'; '.join(names)}."
            )
        if self.name is not None and (Path(self.name).name != self.name or self.name == ".."):
            raise EvaluationError(
                f"--name must be a folder's name, not a path. Got {self.name!r}. The folder is "
                "made below the run folder's evaluate/."
            )

    @property
    def is_policy(self) -> bool:
        """Whether the pilot is a function of the user's, ``package.module:function``."""
        return is_named(str(self.pilot)) and not self.pilot.exists()

    @property
    def folder(self) -> Path:
        """Where everything is written: in the run folder, or for a function in one of its name."""
        run = Path("runs") / file_name_of(str(self.pilot)) if self.is_policy else self.pilot
        return run / "evaluate" / (self.name or self._default_name())

    def _default_name(self) -> str:
        tracks = "-".join(file_name_of(track) for track in self.track[:3])
        if len(self.track) > 3:
            tracks += f"-and-{len(self.track) - 3}-more"
        return f"{tracks}-{self.speed_limit:g}mph{'-stress' if self.stress or self.under else ''}"


def file_name_of(track: str) -> str:
    """A track's name as part of a file's name: ``random:7`` is ``random-7``."""
    stem = Path(track).stem if track.endswith(".csv") else track
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in stem)

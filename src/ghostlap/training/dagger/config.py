"""All options of ``ghostlap dagger``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from ghostlap.base.errors import DaggerError
from ghostlap.base.options import Cluster, Count, Options, Range, Seed, Share
from ghostlap.data.lines import Line
from ghostlap.driving.rollout.config import file_name_of
from ghostlap.sim.scene.conditions import ConditionsKind

FIRST_DRIVEN_SEED = 10_000_000
"""Seeds of what is driven for new data begin here, far from those that pilots are judged by."""

NO_DIFFERENCE = ("iterations", "processes", "cluster", "resume", "cache")
"""Options with which the same improvement may be continued."""


@dataclasses.dataclass(frozen=True)
class DaggerConfig(Options, error=DaggerError):
    """Improve a pilot by corrections where it drives itself (DAgger, arXiv 1011.0686).

    In each iteration the pilot drives the embedded simulator, the expert labels every frame with
    the steering that was right there, and training goes on with these frames added to all earlier
    ones. A control trains as long without them. What is new are recordings, for any training.

    With --corrections the labels are a person's, who took over where the pilot erred (HG-DAgger,
    arXiv 1810.02890), and there is one iteration.

    Call it again with the same --out to go on after Ctrl-C, or with more --iterations.

    Example: ghostlap dagger runs/a --track lake --iterations 3
    """

    pilot: tyro.conf.Positional[Path]
    """The run folder of the pilot to begin with."""
    out: Path | None = None
    """Folder for recordings, run folders, table and plot; None is dagger/ in the pilot's."""
    track: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """lake, jungle, random:SEED or a CSV file; lake if none is named. May be repeated."""
    iterations: Annotated[int, Range(1, 1000)] = 3
    """How often to drive, learn and measure."""
    laps: Annotated[int, Range(1, 1000)] = 1
    """Laps each way round that are driven for new data in an iteration, on each track; each draws
    its own light and materials."""
    metres: Annotated[float, Range(1)] | None = None
    """Drive so far in place of each lap."""
    beta: Share = 0.5
    """Share of the time for which the expert drives in the first iteration. Labels are the
    expert's whoever drives."""
    beta_decay: Share = 0.5
    """Factor on beta from one iteration to the next."""
    corrections: tuple[Path, ...] = ()
    """Recordings with who_drove.csv in which a person took the wheel; only what the person drove
    is learned from."""

    epochs: Count = 4
    """How long to train in an iteration; other options stay as the pilot was trained with."""
    recordings: tuple[Path, ...] = ()
    """The pilot's original recordings, where they are now. None named: those of its pilot.json."""
    without_original: bool = False
    """Learn from the new frames alone, where the originals are lost. There is no control then."""
    control: bool = True
    """Train a control for as many steps, from the same pilot, without the new frames."""

    speed_limit: Annotated[float, Range(1, 200)] = 30.0
    """Speed to hold, in mph, for new data and for measuring."""
    line: Line = "centre"
    """What the expert drives on; that of the original recordings."""
    conditions: ConditionsKind = "seed"
    """Light and materials: drawn from seeds, wide beyond what is usual, or fixed as in Udacity's
    simulator."""
    seeds: Count = 5
    """Each pilot is measured over so many seeds, a lap each way round in each; never those that
    were driven for data."""
    first_seed: Seed = 0
    """These seeds count from here."""
    size: tuple[int, int] = (320, 160)
    """Width and height of the camera's frames in pixels; the pilot must be trained on such."""
    simulation: str = ""
    """A simulation of yours, as for evaluate; named again with --resume."""
    seed: Annotated[int, Range(0, 2**31)] = 0
    """Seed of what is driven, and of who drives when."""
    processes: Count | None = None
    """How many drive at once; None is one a core."""
    cluster: Cluster = ""
    """Ray cluster that works in place of processes here: auto, or host:port of its head, as 'ray
    start' says it. See docs/cluster.md."""
    cache: Path | None = None
    """Folder for decoded frames; None is the one that the pilot was trained with."""
    resume: bool = False
    """Go on with what was begun in --out, with its options."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "track", tuple(map(str, self.track)) or ("lake",))
        if len({file_name_of(track) for track in self.track}) < len(self.track):
            raise DaggerError(
                "--track: each track can be named once, and files must differ in more than their "
                f"folder. Got {', '.join(self.track)}."
            )
        if self.without_original and self.recordings:
            raise DaggerError(
                "--recordings names the original recordings, --without-original leaves them out. "
                "Give one of the two."
            )
        if self.first_seed + self.seeds > FIRST_DRIVEN_SEED:
            raise DaggerError(
                f"--first-seed and --seeds must stay below {FIRST_DRIVEN_SEED}: later seeds are "
                f"driven for new data. Got {self.first_seed} and {self.seeds}."
            )

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        return self.out or self.pilot / "dagger"

    @property
    def rounds(self) -> int:
        """How many iterations there are; what a person corrected is learned from once."""
        return 1 if self.corrections else self.iterations

    @property
    def has_control(self) -> bool:
        return self.control and not self.without_original

    def beta_of(self, iteration: int) -> float:
        """Share of the time for which the expert drives, in an iteration counted from 1."""
        return self.beta * self.beta_decay ** (iteration - 1)


"""Defaults of options, for a ``dagger.json`` of an earlier version, which lacks later ones."""

"""What ``ghostlap failures`` can be told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from ghostlap.base.errors import EvaluationError
from ghostlap.base.options import Cluster, Count, Options, Positive, Range

_LEARNING = ("lake", "random:21", "random:22")
_JUDGING = ("jungle", "random:41", "random:42")
_NOWHERE = ("none",)


@dataclasses.dataclass(frozen=True)
class FailuresConfig(Options, error=EvaluationError):
    """Let a pilot drive until it fails, again and again, and keep what its network computed.

    It drives under the benchmark's graded and extreme conditions, and nominally; mutants of it,
    trained on its recordings, drive nominally. 'ghostlap critic' learns from that to know
    failures ahead. Frames are not kept, but features and truth, 1 to 2 kB a moment.

    Example: ghostlap failures runs/a --mutants 18
    """

    pilot: tyro.conf.Positional[Path]
    """The pilot's run folder, or a pilot that comes along."""
    out: Path | None = None
    """Folder of the drives; None is failures/ in the run folder."""
    track: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Where it drives for the critic to learn from; lake, random:21 and random:22 if nothing
    is named; none for nowhere."""
    held_out: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Where it drives so that the critic can be judged, and learns nothing; jungle, random:41 and
    random:42 if nothing is named. Extremes are driven only here."""
    grades: tuple[Annotated[int, Range(1, 4)], ...] = (1, 2, 3, 4)
    """Which grades of the conditions; a pilot that is good fails in the hardest only."""
    rounds: Count = 2
    """How often everything is driven, each time with other light, starts and pushes."""
    seconds: Positive = 20.0
    """Of each drive under a condition, and of each mutant's."""
    nominal_s: Positive = 200.0
    """Of each nominal drive."""
    speed_limit: Positive = 30.0
    """Speed to hold, in mph; on the jungle track 5 less."""
    mutants: Annotated[int, Range(0, 18)] = 0
    """Train so many mutants of the pilot first, and let them drive, too."""
    recordings: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """What mutants are trained on; what the pilot was trained on if none is named."""
    beside: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """ONNX files that see what the pilot sees on held-out tracks; their first answers are kept
    after its features."""
    first_seed: Annotated[int, Range(0)] = 7000
    """Seeds count from here."""
    processes: Count | None = None
    """How many drive at once; None is one a core."""
    cluster: Cluster = ""
    """Ray cluster that works in place of processes here; see docs/cluster.md."""
    resume: bool = False
    """Go on with interrupted drives of the same folder and options."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("track", "held_out"):
            object.__setattr__(self, name, tuple(map(str, getattr(self, name))))
        if both := set(self.learning) & set(self.judging):
            raise EvaluationError(
                f"--held-out: a critic cannot be judged where it learned. Got {', '.join(both)} "
                "for --track, too."
            )

    @property
    def learning(self) -> tuple[str, ...]:
        """Tracks to learn from."""
        return () if self.track == _NOWHERE else self.track or _LEARNING

    @property
    def judging(self) -> tuple[str, ...]:
        """Tracks that nothing is learned from."""
        return () if self.held_out == _NOWHERE else self.held_out or _JUDGING

    @property
    def folder(self) -> Path:
        """Where the drives are."""
        return self.out or self.pilot / "failures"

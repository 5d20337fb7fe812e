"""What ``ghostlap benchmark`` can be told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import BenchmarkError
from ghostlap.base.options import Cluster, Count, Options, Positive, Range


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(Options, error=BenchmarkError):
    """Measure any policy by a frozen suite of drives, the same for everybody.

    A policy is a run folder; a model (.onnx, .tflite, .keras, .h5); module:function;
    exec:COMMAND, a program of any Python or none; tcp:PORT, where it listens; or expert. All that
    is not a run folder drives in a process of its own, within limits: docs/policies.md.

    Example: ghostlap benchmark runs/a 'exec:other-venv/bin/python my_policy.py'
    """

    policies: tyro.conf.Positional[tuple[str, ...]] = ()
    """Who drives, one or several. With --check the policy that the result is of."""
    check: Path | None = None
    """Check a result.json: its sums, its fingerprint, and some of its drives, driven again."""
    suite: str = "v1"
    """Which suite; a suite never changes."""
    quick: bool = False
    """Its short form, about a tenth of the time; its results are compared among themselves."""
    name: str | None = None
    """What the policy is called in results, if it is one alone."""
    out: Path = Path("benchmark")
    """Folder of results; below it one for the suite, and in that one for each policy."""
    resume: bool = False
    """Go on with what was interrupted."""
    processes: Count | None = None
    """How many drive at once; None is one a core."""
    cluster: Cluster = ""
    """Ray cluster that drives in place of processes here; for run folders and the expert, since
    other policies are on this machine alone. See docs/cluster.md."""
    frames: Literal["raw", "jpeg"] = "raw"
    """How frames are sent to a process: as they are, or compressed (quality 95)."""
    answer_s: Positive = 5.0
    """A process that takes longer for an answer is ended, and the car stopped safely."""
    start_s: Positive = 120.0
    """A process must be ready within this time."""
    memory_gib: Positive = 8.0
    """A process that uses more memory is ended."""
    drives: Annotated[int, Range(0)] = 6
    """Drives that --check drives again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.check is None and not self.policies:
            raise BenchmarkError(
                "Name a policy: a run folder, a model file, module:function, exec:COMMAND, "
                "tcp:PORT or expert. Got none. 'ghostlap benchmark generalist --quick' measures "
                "the pilot that comes along."
            )
        if self.check is not None and len(self.policies) > 1:
            raise BenchmarkError(
                "--check checks one result, so it takes one policy at most. Got "
                f"{len(self.policies)}."
            )
        if self.name is not None and len(self.policies) != 1:
            raise BenchmarkError(
                f"--name names one policy, and {len(self.policies)} are given. Measure them one "
                "after another, or leave it out."
            )


@dataclasses.dataclass(frozen=True)
class CompareConfig(Options, error=BenchmarkError):
    """Compare results of 'ghostlap benchmark': who drives better, by how much, and where.

    All results stand in one table; differences are to the first, drive by drive. Where the first
    two part is shown side by side, if their drives lie beside the results.

    Example: ghostlap compare benchmark/v1/a benchmark/v1/b --video parting.mp4
    """

    results: tyro.conf.Positional[tuple[Path, ...]]
    """result.json files, or their folders; two at least."""
    out: Path = Path("compare.html")
    """Page to write."""
    video: Path | None = None
    """MP4 to write: the moments where the first two part, side by side."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.results) < 2:
            raise BenchmarkError(
                f"Comparing takes two results at least. Got {len(self.results)}. 'ghostlap "
                "benchmark A B' measures two policies."
            )
        if self.video is not None and self.video.suffix != ".mp4":
            raise BenchmarkError(f"--video must end with .mp4. Got {self.video}.")

"""``python -m benchmarks``: what this machine does, beside what it could do.

Every figure is a median over repeats, and the machine's own limit (one large float32 matrix
product; one core's copying and multiplying) is measured in the same run, because shared machines
differ from one minute to the next.

    python -m benchmarks train rec/lake --out bench.json
    python -m benchmarks sim --out sim.json
    python -m benchmarks drive runs/a
    python -m benchmarks cockpit
    python -m benchmarks cluster --repeats 40
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import write_json
from ghostlap.data.provenance import machine, versions

console = Console(stderr=True, soft_wrap=True)


@dataclasses.dataclass(frozen=True)
class BenchConfig:
    """Measure this machine at training, simulating, driving, or at the cockpit.

    train: step, loader, feeding, inference, memory, start. sim: pictures on one core, cars in a
    batch, physics, recording, start. drive: from telemetry sent to steer received by simulators
    that behave as Unity's, one and eight at once; start, memory. cockpit: from a key
    to the picture in a headless browser, with nobody and with ten watching; processors' shares.
    cluster: episodes on one-core Ray nodes of this machine, beside processes.

    Example: python -m benchmarks train ../shared/data/udacity-track1 --out bench.json
    """

    what: Annotated[Literal["train", "sim", "drive", "cockpit", "cluster"], tyro.conf.Positional]
    """What to measure."""
    folder: Annotated[Path | None, tyro.conf.Positional] = None
    """train: a recording to train on. drive: the run folder of a pilot."""
    out: Path | None = None
    """Write all figures as JSON, too."""
    cache: Path | None = None
    """train: folder for decoded frames, as for train."""
    repeats: int = 25
    """Steps, batches and frames that each median is over; fewer for what takes seconds, a hundred
    times as many for round trips to the drive server, four times for presses in the cockpit (60 at
    least). cluster: episodes of a minute."""
    laps: int = 4
    """sim: laps of the lake to record."""
    frames: int = 200_000
    """drive: frames that memory is watched over; an hour of driving has about so many."""


def bench(config: BenchConfig) -> dict[str, Any]:
    """Measure and print; returns the figures.

    Raises:
        GhostlapError: impossible options, or a process to be measured failed.
    """
    _check(config)
    figures: dict[str, Any] = {"machine": machine(), "versions": versions()}
    if config.what == "train":
        from benchmarks import training

        assert config.folder is not None
        figures |= training.measure(config.folder, config.cache, config.repeats, console)
        training.show(figures, console)
    elif config.what == "drive":
        from benchmarks import drive
        from benchmarks.drive_tables import show

        assert config.folder is not None
        figures |= drive.measure(config.folder, config.repeats, config.frames, console)
        show(figures, console)
    elif config.what == "cockpit":
        from benchmarks import cockpit
        from benchmarks.cockpit_tables import show

        figures |= cockpit.measure(config.repeats, console)
        show(figures, console)
    elif config.what == "cluster":
        from benchmarks import cluster

        figures |= cluster.measure(config.repeats, console)
        cluster.show(figures, console)
    else:
        from benchmarks import sim
        from benchmarks.sim_tables import show

        figures |= sim.measure(config.repeats, config.laps, console)
        show(figures, console)
    if config.out is not None:
        write_json(config.out, figures)
    return figures


def _check(config: BenchConfig) -> None:
    if config.repeats < 3:
        raise GhostlapError(f"--repeats must be at least 3. Got {config.repeats}.")
    if config.laps < 1:
        raise GhostlapError(f"--laps must be at least 1. Got {config.laps}.")
    if config.frames < 1000:
        raise GhostlapError(f"--frames must be at least 1000. Got {config.frames}.")
    if config.what == "train" and config.folder is None:
        raise GhostlapError(
            "bench train needs a recording to train on. Say python -m benchmarks train REC."
        )
    if config.what == "drive" and config.folder is None:
        raise GhostlapError(
            "bench drive needs a pilot to drive with. Say python -m benchmarks drive RUN."
        )
    if config.what == "sim" and config.folder is not None:
        raise GhostlapError(
            f"bench sim makes its own recording. Got {config.folder}; leave it out."
        )
    if config.what == "cockpit" and config.folder is not None:
        raise GhostlapError(
            f"bench cockpit drives without a pilot. Got {config.folder}; leave it out."
        )

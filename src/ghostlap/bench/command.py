"""``ghostlap bench``: what this machine does, beside what it could do.

Every figure is a median over repeats, and the machine's own limit (one large float32 matrix
product; one core's copying and multiplying) is measured in the same run, because shared machines
differ from one minute to the next.

    ghostlap bench train rec/lake --out bench.json
    ghostlap bench sim --out sim.json
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from ghostlap.errors import GhostlapError
from ghostlap.files import write_json
from ghostlap.provenance import machine, versions

console = Console(stderr=True)


@dataclasses.dataclass(frozen=True)
class BenchConfig:
    """Measure this machine at training, or at simulating.

    train: step, loader, feeding, inference, memory, start. sim: pictures on one core, cars in a
    batch, physics, recording, start.

    Example: ghostlap bench train ../shared/data/udacity-track1 --out bench.json
    """

    what: Annotated[Literal["train", "sim"], tyro.conf.Positional]
    """What to measure."""
    recording: Annotated[Path | None, tyro.conf.Positional] = None
    """A recording to measure training with."""
    out: Path | None = None
    """Write all figures as JSON, too."""
    cache: Path | None = None
    """train: folder for decoded frames, as for train."""
    repeats: int = 25
    """Steps, batches and frames that each median is over; fewer for what takes seconds."""
    laps: int = 4
    """sim: laps of the lake to record."""


def bench(config: BenchConfig) -> dict[str, Any]:
    """Measure and print; returns the figures.

    Raises:
        GhostlapError: impossible options, or a process to be measured failed.
    """
    _check(config)
    figures: dict[str, Any] = {"machine": machine(), "versions": versions()}
    if config.what == "train":
        from ghostlap.bench import training

        assert config.recording is not None
        figures |= training.measure(config.recording, config.cache, config.repeats, console)
        training.show(figures, console)
    else:
        from ghostlap.bench import sim
        from ghostlap.bench.sim_tables import show

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
    if config.what == "train" and config.recording is None:
        raise GhostlapError(
            "bench train needs a recording to train on. Say ghostlap bench train REC."
        )
    if config.what == "sim" and config.recording is not None:
        raise GhostlapError(
            f"bench sim makes its own recording. Got {config.recording}; leave it out."
        )

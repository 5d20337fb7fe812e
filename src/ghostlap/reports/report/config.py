"""What a report can be told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from ghostlap.base.errors import GhostlapError
from ghostlap.base.options import Options, Range

REPORT_FILE = "report.html"


@dataclasses.dataclass(frozen=True)
class ReportConfig(Options):
    """Write one page about a run: does it drive, where, worst moments, data, training, errors.

    The page is a single file that needs no network and no scripts, and can be sent or printed.
    What is not there yet is said, with the command that makes it.

    Example: ghostlap report runs/a
    """

    pilot: tyro.conf.Positional[Path]
    """The pilot's run folder."""
    out: Path | None = None
    """The page, a file ending in .html. Without: report.html in the run folder."""
    recordings: tuple[Path, ...] = ()
    """Where the training's recordings lie now, in their order. Without: where they lay then."""
    frames: Annotated[int, Range(1, 20_000)] = 600
    """At most so many recorded frames are shown to the pilot, spread evenly."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out is not None and self.out.suffix.lower() not in (".html", ".htm"):
            raise GhostlapError(f"--out must be a file ending in .html. Got {self.out}.")

    @property
    def page(self) -> Path:
        """Where the page is written."""
        return self.pilot / REPORT_FILE if self.out is None else self.out

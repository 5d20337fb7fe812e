"""What a report can be told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from ghostlap.base.errors import GhostlapError
from ghostlap.base.options import settle

REPORT_FILE = "report.html"


@dataclasses.dataclass(frozen=True)
class ReportConfig:
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
    frames: int = 600
    """At most so many recorded frames are shown to the pilot, spread evenly."""

    def __post_init__(self) -> None:
        settle(self)
        if self.out is not None and self.out.suffix.lower() not in (".html", ".htm"):
            raise GhostlapError(f"--out must be a file ending in .html. Got {self.out}.")
        if not 1 <= self.frames <= 20_000:
            raise GhostlapError(f"--frames must be from 1 to 20000. Got {self.frames}.")

    @property
    def page(self) -> Path:
        """Where the page is written."""
        return self.pilot / REPORT_FILE if self.out is None else self.out

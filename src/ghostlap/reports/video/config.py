"""All options of ``ghostlap video``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from ghostlap.base.errors import VideoError
from ghostlap.base.options import Options, Range
from ghostlap.data.formats.config import Columns

ENDING = ".mp4"


@dataclasses.dataclass(frozen=True)
class VideoConfig(Options, error=VideoError):
    """Make a video (MP4, H.264) of a drive's frames, with steering, speed and path drawn in.

    A recording plays at the pace at which it was driven: each picture stays until the next one was
    taken, so the video's frame rate varies; pauses of more than a second are cut. Any other folder
    of pictures plays in the order of its names, without anything drawn in unless a --pilot says
    how it would steer. After Ctrl-C the file holds what was made until then.

    Example: ghostlap video my-drive --pilot runs/a --out my-drive.mp4
    """

    folder: Annotated[Path, tyro.conf.Positional]
    """A recording (driving_log.csv and IMG/), or any folder of JPEG or PNG pictures."""
    columns: Columns = ()
    out: Path | None = None
    """The video, a file ending in .mp4. Without: beside the folder, with the folder's name."""
    fps: Annotated[float, Range(0.1, 1000)] | None = None
    """Pictures a second, all equally long. Without: a recording at the pace at which it was driven,
    other pictures at 60."""
    scale: Annotated[float, Range(0.1, 16)] | None = None
    """Times as large as the pictures are. Without: whole times, until at least 640 pixels wide."""
    pilot: Path | None = None
    """Run folder of a pilot whose steering is drawn in, too: what it would do at each picture.
    Without: what the pilot said that drove, where its predictions.csv stands beside the log."""
    saliency: bool = False
    """Draw in where the --pilot looks, too: what its convolutions respond to."""
    seconds: Annotated[float, Range(0.1, 1_000_000)] | None = None
    """Only so much from the beginning. Without: all."""
    plain: bool = False
    """Only the pictures, nothing drawn in."""
    force: bool = False
    """Replace the video if it exists."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out is not None and Path(self.out).suffix.lower() != ENDING:
            raise VideoError(f"--out must be a file ending in {ENDING}. Got {self.out}.")
        if self.saliency and self.pilot is None:
            raise VideoError("--saliency shows where a pilot looks. Name it with --pilot RUN.")
        if self.plain and self.pilot is not None:
            raise VideoError(
                f"--plain draws nothing, so --pilot {self.pilot} would be for nothing. "
                "Give one of them."
            )

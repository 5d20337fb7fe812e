"""All options of ``ghostlap explain``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from ghostlap.base.errors import GhostlapError
from ghostlap.base.options import Options, Range, Seed
from ghostlap.base.platform import quoted
from ghostlap.data.formats.config import Columns


@dataclasses.dataclass(frozen=True)
class ExplainConfig(Options):
    """Show where a pilot looks, and how it answers when the car stands elsewhere.

    Frames of a recording are drawn across the range of its steering. Written are: the frames with
    what the pilot's convolutions respond to (VisualBackProp), and a video of it; how steering
    answers to the camera moved sideways and turned, beside the rule that labels follow; and two
    checks of the map itself, for a map always looks convincing.

    Example: ghostlap explain runs/a my-drive
    """

    pilot: tyro.conf.Positional[Path]
    """The pilot's run folder."""
    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Recording folders (driving_log.csv and IMG/), of frames as large as the pilot's."""
    columns: Columns = ()
    out: Path | None = None
    """Folder for what is written. Without: explain/ in the run folder."""
    frames: Annotated[int, Range(2, 4096)] = 64
    """How many frames everything is measured on."""
    shown: Annotated[int, Range(1, 48)] = 12
    """How many of them are drawn with their map."""
    seed: Seed = 0
    """Seed of the draw of frames and of the checks."""
    video: bool = True
    """Make a video of the first recording, with the map drawn in."""
    video_s: Annotated[float, Range(0.1)] = 30.0
    """Seconds of the recording in the video, from its beginning."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.recordings:
            raise GhostlapError(
                "explain: name at least one recording, a folder with driving_log.csv and IMG/. "
                f"Example: ghostlap explain {quoted(self.pilot)} my-drive"
            )

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        return self.out or self.pilot / "explain"

"""Pictures of recordings to look at before training: PNG files and one page with all of them.

>>> explore(ExploreConfig(recordings=(Path("rec/lake"),), out=Path("explore")))["page"]
'explore/index.html'
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.console import Console

from ghostlap.augment import KINDS, Augmentation, parse_augmentation
from ghostlap.dataset import Samples, SplitBy, balanced_rows, make_samples, split, usable_rows
from ghostlap.errors import DatasetError, GhostlapError
from ghostlap.explore_facts import recording_facts, timeline
from ghostlap.explore_page import MARK, Picture, page_html
from ghostlap.files import write_text
from ghostlap.recording import Recording, read_recording, require_images

PAGE = "index.html"

console = Console(stderr=True)

_BIN_ROWS = 9
_TOGETHER = 12
_CANDIDATES = 40
_SOME_STEERING = 0.05


@dataclasses.dataclass(frozen=True)
class ExploreConfig:
    """Draw pictures of recordings to look at before training.

    Example: ghostlap explore rec/lake --out explore
    """

    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Recording folders (driving_log.csv and IMG/). Several are looked at together."""
    out: Path = Path("explore")
    """Folder for the pictures and the page, index.html; an earlier explore in it is replaced."""

    cameras: tuple[Literal["center", "left", "right"], ...] = ("center", "left", "right")
    """Views to learn from."""
    side_offset: float = 0.30
    """Steering added for the left camera and taken off for the right one: the feedback gain."""
    bins: int = 25
    """Histogram bins over the steering, for balancing."""
    cap: int | None = 400
    """At most so many rows a bin are kept; None keeps all."""
    split: SplitBy = "time"
    """How validation samples are chosen: blocks of time, whole recordings, or single images."""
    validation: float = 0.2
    """Share of the samples for validation."""
    augment: str = "default"
    """none, default, seed003 or a .json file; then changes such as default,shear.p=0.2"""
    seed: int = 0
    """Of balance, split, augmentation and the frames shown."""

    def __post_init__(self) -> None:
        for name, least in {"side_offset": 1e-6, "bins": 1, "cap": 1, "seed": 0}.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise DatasetError(
                    f"--{name.replace('_', '-')} must be at least {least}. Got {value}."
                )
        if not 0 < self.validation < 1:
            raise DatasetError(f"--validation must be in (0, 1). Got {self.validation}.")


def explore(config: ExploreConfig, console: Console = console) -> dict[str, Any]:
    """Draw what is in recordings, and what balancing, split and augmentation make of them.

    Args:
        config: see :class:`ExploreConfig`.
        console: where progress is shown.

    Returns:
        JSON values: ``page`` and ``pictures`` (paths), ``recordings`` (facts of each), ``rows``,
        ``kept`` and ``removed`` by balancing, ``training`` and ``validation`` (samples; 0 where
        there is too little to split), and ``notes`` on what was left out.

    Raises:
        RecordingError: a recording cannot be read, or has none of its pictures.
        DatasetError: no row can be learned from, or the augmentation is misspelt.
        GhostlapError: the folder cannot be written, or holds another web page.
    """
    augmentation = parse_augmentation(config.augment)
    if not config.recordings:
        raise GhostlapError(
            "explore: name at least one recording, a folder with driving_log.csv and IMG/. "
            "Example: ghostlap explore rec/lake --out explore"
        )
    recordings = [read_recording(path) for path in config.recordings]
    for recording in recordings:
        require_images(recording)
    with console.status("looking at the recordings …") as status:
        exploration = _Exploration(config, augmentation, recordings)
        drawn_before = _prepare_folder(config.out)
        try:
            exploration.draw_charts()
            status.update("drawing frames …")
            exploration.draw_sheets()
            page = exploration.write_page()
        except OSError as error:
            raise _unwritable(config.out, error) from error
    for path in drawn_before - {Path(picture) for picture in exploration.result["pictures"]}:
        path.unlink(missing_ok=True)
    for note in exploration.notes:
        console.print("[yellow]note:[/]", note.replace("`", "'"), highlight=False, markup=True)
    console.print(f"{len(exploration.result['pictures'])} pictures; open {page}", highlight=False, markup=False)
    return exploration.result

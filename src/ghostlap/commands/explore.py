"""Pictures of recordings to look at before training: PNG files and one page with all of them.

>>> explore(ExploreConfig(recordings=(Path("rec/lake"),), out=Path("explore")))["page"]
'explore/index.html'
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import remove, write_text
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.terminal import say
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import Recording, require_images
from ghostlap.data.vision.augmentation import KINDS, Augmentation, parse_augmentation
from ghostlap.data.vision.pictures import decode_rgb, encode_jpeg
from ghostlap.data.vision.preprocessing import SEED, Preprocessing
from ghostlap.reports.explore.config import ExploreConfig
from ghostlap.reports.explore.data import Data, frames_by_bin, prepare, sample_frames
from ghostlap.reports.explore.facts import RecordingFacts
from ghostlap.reports.explore.kinds import amounts, words
from ghostlap.reports.explore.sheets import (
    Frame,
    draw_bins,
    draw_kind,
    draw_preprocessing,
    draw_together,
)
from ghostlap.reports.page import data_uri, page_html, require_own_page

PAGE = "index.html"

console = Console(stderr=True)

_DIAGRAMS = ("balance.png", "split.png", "steering-over-time.png", "speed-and-pedals.png")

FILES = (
    *_DIAGRAMS, "frames-by-steering.png", "preprocessing.png", "augment-together.png",
    *(f"augment-{kind}.png" for kind in KINDS),
)  # fmt: skip
"""All pictures there can be, in the order of the page."""

_TOGETHER = 12
_JPEG_QUALITY = 88


def explore(config: ExploreConfig, console: Console = console) -> dict[str, Any]:
    """Draw what is in recordings, and what balancing, split and augmentation make of them.

        >>> told = ghostlap.explore(ghostlap.ExploreConfig(("my-drive",), out="look"))
        >>> told["rows"]
        120

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
    recordings = [read_recording(path, config.columns) for path in config.recordings]
    for recording in recordings:
        require_images(recording)
    with FolderLock(config.out, GhostlapError):
        return _explore(config, recordings, augmentation, console)


def _explore(
    config: ExploreConfig,
    recordings: Sequence[Recording],
    augmentation: Augmentation,
    console: Console,
) -> dict[str, Any]:
    out, page = config.out, config.out / PAGE
    with console.status("counting …") as status:
        data = prepare(config, recordings)
        require_own_page(page, "explore")
        try:
            status.update("drawing diagrams …")
            drawn, notes = _draw_charts(config, data)
            status.update("drawing frames …")
            frames = sample_frames(data, _TOGETHER, config.seed)
            spec = SEED.for_frames(*frames[0].rgb.shape[:2]) if frames else SEED
            drawn_frames, more_notes = _draw_frames(config, data, augmentation, frames, spec)
            drawn, notes = drawn + drawn_frames, [*data.notes, *notes, *more_notes]
            html = page_html(
                "explore.html",
                verb="explore",
                title=_title(data.facts),
                below="What is in the data, before a network learns from it.",
                config=config,
                data=data,
                notes=notes,
                spec=spec,
                kinds={kind: words(kind, augmentation) for kind in KINDS} if frames else {},
                pictures={file: _uri(out / file) for file in drawn},
            )
            write_text(page, html)
            for file in set(FILES) - set(drawn):  # of an earlier explore
                remove(out / file, out)
        except OSError as error:
            raise GhostlapError(
                f"{out}: the pictures cannot be written there ({error.strerror})."
            ) from error
    for note in notes:
        say(console, f"note: {note}")
    say(console, f"{len(drawn)} pictures, all in {page}")
    return {
        "page": str(page),
        "pictures": [str(out / file) for file in drawn],
        "recordings": [dataclasses.asdict(facts) for facts in data.facts],
        "rows": len(data.steering),
        "kept": int(data.kept.sum()),
        "removed": int((~data.kept).sum()),
        "training": len(data.training) if data.training else 0,
        "validation": len(data.validation) if data.validation else 0,
        "notes": notes,
    }


def _title(facts: Sequence[RecordingFacts]) -> str:
    names = [Path(one.folder).resolve().name for one in facts]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return "Recording " + " + ".join(names[:2]) + more


def _uri(path: Path) -> str:
    """A picture for the page; sheets of frames as JPEG, a tenth of the size."""
    data = path.read_bytes()
    if path.name in _DIAGRAMS:
        return data_uri(data, "png")
    return data_uri(encode_jpeg(decode_rgb(data, str(path)), _JPEG_QUALITY), "jpeg")


def _draw_charts(config: ExploreConfig, data: Data) -> tuple[list[str], list[str]]:
    """Draw the diagrams; which there are, and why others are left out."""
    from ghostlap.reports.explore.charts import plot_balance, plot_speed, plot_split, plot_steering

    out = config.out
    plot_balance(out / "balance.png", data.steering, data.kept, config.bins, config.cap)
    drawn = ["balance.png"]
    if data.training and data.validation:
        plot_split(out / "split.png", data.training, data.validation, config.bins)
        drawn.append("split.png")
    if len(data.time.driven_s) < 2:
        return drawn, ["Over time: one row is too few to draw."]
    plot_steering(out / "steering-over-time.png", data.time)
    drawn.append("steering-over-time.png")
    if not np.isfinite(data.time.speed_mph).any():
        return drawn, ["Speed and pedals: the log has no speed, so they are left out."]
    plot_speed(out / "speed-and-pedals.png", data.time)
    return [*drawn, "speed-and-pedals.png"], []


def _draw_frames(
    config: ExploreConfig,
    data: Data,
    augmentation: Augmentation,
    frames: Sequence[Frame],
    spec: Preprocessing,
) -> tuple[list[str], list[str]]:
    """Draw the sheets of frames; which there are, and why others are left out."""
    out, gain, seed = config.out, config.steering_correction, config.seed
    drawn, notes = [], []
    by_bin = frames_by_bin(data, config)
    if by_bin:
        draw_bins(out / "frames-by-steering.png", by_bin, gain)
        drawn.append("frames-by-steering.png")
    if not frames:
        return drawn, [
            "Augmentation and preprocessing: no centre picture can be read, so they are left out."
        ]
    draw_preprocessing(out / "preprocessing.png", frames[0].rgb, spec)
    drawn.append("preprocessing.png")
    if all(getattr(augmentation, kind).p == 0 for kind in KINDS):
        notes.append(f"All together: `--augment {config.augment}` changes nothing.")
    else:
        draw_together(out / "augment-together.png", frames, augmentation, spec, gain, seed)
        drawn.append("augment-together.png")
    for k, kind in enumerate(KINDS):
        file = f"augment-{kind}.png"
        ends = amounts(kind, augmentation)
        frame = frames[k % len(frames)]
        draw_kind(out / file, frame, kind, ends, augmentation, spec, gain, seed)
        drawn.append(file)
    return drawn, notes

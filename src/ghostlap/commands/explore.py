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
from ghostlap.base.files import read_start, remove, write_text
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.terminal import say
from ghostlap.data.recordings import Recording, read_recording, require_images
from ghostlap.data.vision.augmentation import KINDS, Augmentation, parse_augmentation
from ghostlap.data.vision.preprocessing import SEED
from ghostlap.reports.explore.config import ExploreConfig
from ghostlap.reports.explore.data import Data, frames_by_bin, prepare, sample_frames
from ghostlap.reports.explore.kinds import amounts, words
from ghostlap.reports.explore.page import MARK, Picture, page_html

PAGE = "index.html"

console = Console(stderr=True)

FILES = (
    "balance.png", "split.png", "steering-over-time.png", "speed-and-pedals.png",
    "frames-by-steering.png", "preprocessing.png", "augment-together.png",
    *(f"augment-{kind}.png" for kind in KINDS),
)  # fmt: skip
"""All pictures there can be, in the order of the page."""

_TOGETHER = 12


def explore(config: ExploreConfig, console: Console = console) -> dict[str, Any]:
    """Draw what is in recordings, and what balancing, split and augmentation make of them.

        >>> told = ghostlap.explore(ghostlap.ExploreConfig(("my-drive",), out="look"))
        >>> told["rows"]
        120

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
    with FolderLock(config.out, GhostlapError):
        return _explore(config, recordings, augmentation, console)


def _explore(
    config: ExploreConfig,
    recordings: Sequence[Recording],
    augmentation: Augmentation,
    console: Console,
) -> dict[str, Any]:
    with console.status("counting …") as status:
        data = prepare(config, recordings)
        gallery = _Gallery(config.out, notes=list(data.notes))
        _claim(config.out)
        try:
            status.update("drawing diagrams …")
            _draw_charts(config, data, gallery)
            status.update("drawing frames …")
            _draw_frames(config, data, augmentation, gallery)
            html = page_html(
                config.out, gallery.pictures, gallery.strips, data.facts, gallery.notes
            )
            write_text(config.out / PAGE, html)
            _remove_earlier(config.out, gallery)
        except OSError as error:
            raise _unwritable(config.out, error) from error
    for note in gallery.notes:
        say(console, f"note: {note}")
    page = config.out / PAGE
    files = [str(config.out / picture.file) for picture in gallery.all]
    say(console, f"{len(files)} pictures, all in {page}")
    return {
        "page": str(page),
        "pictures": files,
        "recordings": [dataclasses.asdict(facts) for facts in data.facts],
        "rows": len(data.steering),
        "kept": int(data.kept.sum()),
        "removed": int((~data.kept).sum()),
        "training": len(data.training) if data.training else 0,
        "validation": len(data.validation) if data.validation else 0,
        "notes": gallery.notes,
    }


@dataclasses.dataclass
class _Gallery:
    """What has been drawn so far."""

    out: Path
    notes: list[str]
    pictures: list[Picture] = dataclasses.field(default_factory=list)
    strips: list[Picture] = dataclasses.field(default_factory=list)

    @property
    def all(self) -> list[Picture]:
        return [*self.pictures, *self.strips]


def _draw_charts(config: ExploreConfig, data: Data, gallery: _Gallery) -> None:
    from ghostlap.reports.explore.charts import plot_balance, plot_speed, plot_split, plot_steering

    out = gallery.out
    plot_balance(out / "balance.png", data.steering, data.kept, config.bins, config.cap)
    gallery.pictures.append(
        Picture(
            "balance.png",
            "Balancing",
            "If one bar towers over the others (driving straight, as a rule), a network learns to "
            "go straight: lower `--cap` until the bends count. If one side is empty, drive the "
            "track the other way round too.",
            f"Two histograms of steering: {len(data.steering)} rows before balancing and "
            f"{int(data.kept.sum())} after it.",
        )
    )
    if data.training and data.validation:
        plot_split(out / "split.png", data.training, data.validation, config.bins)
        gallery.pictures.append(
            Picture(
                "split.png",
                "Training against validation",
                "Both should have about the same shape; if bends are missing from validation, its "
                "loss says little about them: try another `--seed` or record more. The humps at "
                f"± {config.steering_correction:g} are the side cameras (`--steering-correction`). "
                f"Split by {config.split}.",
                f"Histogram of {len(data.training)} training labels with that of "
                f"{len(data.validation)} validation labels drawn over it, as shares.",
            )
        )
    if len(data.time.driven_s) < 2:
        gallery.notes.append("Over time: one row is too few to draw.")
        return
    plot_steering(out / "steering-over-time.png", data.time)
    gallery.pictures.append(
        Picture(
            "steering-over-time.png",
            "Steering over time",
            "Short full-height spikes are keyboard taps; a mouse or a gamepad gives smoother "
            "labels, which are easier to learn. Grey bands are pauses in the recording; long flat "
            "parts without a bend add little.",
            "Steering over the seconds of driving, left below zero and right above it.",
        )
    )
    if not np.isfinite(data.time.speed_mph).any():
        gallery.notes.append("Speed and pedals: the log has no speed, so they are left out.")
        return
    plot_speed(out / "speed-and-pedals.png", data.time)
    gallery.pictures.append(
        Picture(
            "speed-and-pedals.png",
            "Speed and pedals",
            "A pilot drives best at the speeds it was shown. If the car stands or creeps for long, "
            "cut those rows; if it was always flat out, do not expect good slow driving.",
            "Speed, throttle and brake over the seconds of driving, and a histogram of speed.",
        )
    )


def _draw_frames(
    config: ExploreConfig, data: Data, augmentation: Augmentation, gallery: _Gallery
) -> None:
    from ghostlap.reports.explore.sheets import (
        draw_bins,
        draw_kind,
        draw_preprocessing,
        draw_together,
    )

    out, gain = gallery.out, config.steering_correction
    by_bin = frames_by_bin(data, config)
    frames = sample_frames(data, _TOGETHER, config.seed)
    if by_bin:
        draw_bins(out / "frames-by-steering.png", by_bin, gain)
        gallery.pictures.append(
            Picture(
                "frames-by-steering.png",
                "Frames from hard left to hard right",
                "The pink line is where each label steers, the dot the spot it aims at. In all "
                "three views the dot should lie on the same spot of the road, and the line should "
                "go where you would drive; where it does not, that moment was badly driven "
                "(`ghostlap doctor` finds more) or `--steering-correction` is wrong.",
                "Rows of frames of the left, centre and right camera, each row another steering "
                "bin, with the labels written under the frames.",
                photographic=True,
            )
        )
    if not frames:
        gallery.notes.append(
            "Augmentation and preprocessing: no centre picture can be read, so they are left out."
        )
        return
    shape = frames[0].rgb.shape
    spec = SEED.for_frames(*shape[:2])
    draw_preprocessing(out / "preprocessing.png", frames[0].rgb, spec)
    gallery.pictures.append(
        Picture(
            "preprocessing.png",
            "What the network sees",
            f"Rows {spec.crop_top_px} to {spec.crop_bottom_px - 1} are kept, turned into YUV, "
            f"blurred a little and made {spec.width_px} by {spec.height_px} pixels. The road and "
            "its edges must be within the pink lines, sky and bonnet outside. U and V are grey "
            "where road and verge have the same colour: there, only brightness tells them apart.",
            "A frame with its crop marked, the picture made from it, and its Y, U and V channels.",
            photographic=True,
        )
    )
    if all(getattr(augmentation, kind).p == 0 for kind in KINDS):
        gallery.notes.append(f"All together: `--augment {config.augment}` changes nothing.")
    else:
        draw_together(out / "augment-together.png", frames, augmentation, spec, gain, config.seed)
        gallery.pictures.append(
            Picture(
                "augment-together.png",
                "Augmentation, all together",
                f"{len(frames)} pictures as training sees them with `--augment {config.augment}`, "
                "each with its label before → after. If you could not drive by them yourself, it "
                "is too strong; if they all look alike, too weak.",
                "A sheet of augmented frames with their labels before and after.",
                photographic=True,
            )
        )
    for k, kind in enumerate(KINDS):
        file = f"augment-{kind}.png"
        draw_kind(
            out / file, frames[k % len(frames)], kind, amounts(kind, augmentation), augmentation,
            spec, gain, config.seed,
        )  # fmt: skip
        title = kind.replace("_", " ")
        gallery.strips.append(
            Picture(
                file, title, words(kind, augmentation),
                f"A frame, and the same frame after {title}, with their labels.",
                photographic=True,
            )
        )  # fmt: skip


def _claim(out: Path) -> None:
    """Make sure that a page in the folder is one of ours."""
    page = out / PAGE
    try:
        foreign = page.exists() and MARK.encode() not in read_start(page, 4000)
    except OSError as error:
        raise _unwritable(out, error) from error
    if foreign:
        raise GhostlapError(
            f"{page}: this page was not made by 'ghostlap explore', so it is left alone. "
            "Name another --out."
        )


def _remove_earlier(out: Path, gallery: _Gallery) -> None:
    """Remove pictures of an earlier explore that this one has none of."""
    for file in set(FILES) - {picture.file for picture in gallery.all}:
        remove(out / file, out)


def _unwritable(out: Path, error: OSError) -> GhostlapError:
    return GhostlapError(f"{out}: the pictures cannot be written there ({error.strerror}).")

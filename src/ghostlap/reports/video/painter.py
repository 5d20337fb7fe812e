"""What the video shows of a picture."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np

from ghostlap.base.errors import VideoError
from ghostlap.data.vision.pictures import Rgb
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.saliency import Saliency, overlay
from ghostlap.reports.video.config import VideoConfig
from ghostlap.reports.video.dashboard import LOG_COLOUR, PILOT_COLOUR, draw_dashboard
from ghostlap.reports.video.path import draw_band, draw_line
from ghostlap.reports.video.shots import Shots

LEAST_WIDTH_PX = 640
"""Least width of a video whose scale is not given: figures can be read."""

SIDE_LIMITS_PX = (16, 4096)
"""Shortest and longest side of a video; players and encoders differ beyond."""


@dataclasses.dataclass
class Tally:
    """What became of the pictures; the first of each kind is told."""

    tried: int = 0
    shown: int = 0
    missing: int = 0
    broken: int = 0
    other_size: int = 0
    first_missing: str = ""
    first_broken: str = ""
    first_other_size: str = ""

    @property
    def notes(self) -> list[str]:
        return [
            f"{count} of {self.tried} pictures {what}. The first: {first}"
            for count, what, first in (
                (self.missing, "are missing and were left out", self.first_missing),
                (self.broken, "are broken and were left out", self.first_broken),
                (self.other_size, "have another size and were fitted in", self.first_other_size),
            )
            if count
        ]


@dataclasses.dataclass(frozen=True)
class Painter:
    """Makes of each picture what the video shows."""

    picture_shape: tuple[int, ...]
    """Shape ``(height, width, 3)`` of the first picture; others are fitted into that."""
    height_px: int
    width_px: int
    pilot: Pilot | Saliency | None
    """One that also says where it looks has that drawn in, too."""
    plain: bool

    def paint(self, rgb: Rgb, shots: Shots, i: int, tally: Tally) -> Rgb:
        """A picture in the video's size, with what is known about it drawn in."""
        pilot_steering = None
        if shots.pilot_steering is not None:
            pilot_steering = float(shots.pilot_steering[i])
        fits = rgb.shape == self.picture_shape
        if self.pilot is not None:
            rgb, pilot_steering = _asked(self.pilot, rgb)
        steering = None if shots.steering is None else float(shots.steering[i])
        speed_mph = None if shots.speed_mph is None else float(shots.speed_mph[i])
        if not fits:
            tally.other_size += 1
            height, width = rgb.shape[:2]
            tally.first_other_size = tally.first_other_size or (
                f"{shots.paths[i]}: {width}x{height} pixels"
            )
        picture = self._scaled(rgb, fits)
        if not self.plain:
            if steering is not None and math.isfinite(steering):
                draw_band(picture, steering, LOG_COLOUR)
            if pilot_steering is not None and math.isfinite(pilot_steering):
                draw_line(picture, pilot_steering, PILOT_COLOUR)
        picture = picture if fits else self._framed(picture)
        if not self.plain and not (steering is None and pilot_steering is None):
            draw_dashboard(picture, steering, speed_mph, pilot_steering)
        return picture

    def _scaled(self, rgb: Rgb, fits: bool) -> Rgb:
        """A picture as large as the video, or as fits in where it has another size."""
        height, width = self.height_px, self.width_px
        if not fits:
            ratio = min(self.height_px / rgb.shape[0], self.width_px / rgb.shape[1])
            height, width = (max(1, round(side * ratio)) for side in rgb.shape[:2])
        if rgb.shape[:2] == (height, width):
            return rgb
        how = cv2.INTER_AREA if height < rgb.shape[0] else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(rgb, (width, height), interpolation=how), np.uint8)

    def _framed(self, picture: Rgb) -> Rgb:
        """A picture in the middle of black."""
        height, width = picture.shape[:2]
        top, left = (self.height_px - height) // 2, (self.width_px - width) // 2
        framed = np.zeros((self.height_px, self.width_px, 3), np.uint8)
        framed[top : top + height, left : left + width] = picture
        return framed


def _asked(pilot: Pilot | Saliency, rgb: Rgb) -> tuple[Rgb, float]:
    """A picture with what the pilot looks at, if it says so, and what it would steer."""
    if rgb.shape != pilot.preprocessing.frame_shape:
        return rgb, math.nan
    if isinstance(pilot, Pilot):
        return rgb, pilot.steer(rgb)
    look = pilot.look(rgb)
    return overlay(rgb, look.maps, pilot.preprocessing), look.steering


def painter_for(
    config: VideoConfig, first: Rgb, name: str, pilot: Pilot | Saliency | None
) -> Painter:
    """Settle the video's size by the first picture that can be shown.

    Raises:
        VideoError: the video would be too large or small, or the pilot is for other pictures.
    """
    height, width = first.shape[:2]
    if pilot is not None and first.shape != pilot.preprocessing.frame_shape:
        wanted = pilot.preprocessing
        raise VideoError(
            f"{config.pilot}: this pilot was trained on pictures of "
            f"{wanted.frame_width_px}x{wanted.frame_height_px} pixels. Got {width}x{height}: "
            f"{name}. Leave --pilot out."
        )
    scale = config.scale or max(1, math.ceil(LEAST_WIDTH_PX / width))
    # H.264 halves the colours' resolution, so both sides must be even.
    height_px, width_px = (2 * round(side * scale / 2) for side in (height, width))
    low, high = SIDE_LIMITS_PX
    if not all(low <= side <= high for side in (height_px, width_px)):
        raise VideoError(
            f"{name}: a video's sides must be {low} to {high} pixels. {width}x{height} pixels at "
            f"--scale {scale:g} would make {width_px}x{height_px}. Give another --scale."
        )
    return Painter(first.shape, height_px, width_px, pilot, config.plain)

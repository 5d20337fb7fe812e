"""Weather and faults of a lens, drawn onto the pictures of any simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.data.vision import photometry
from ghostlap.data.vision.pictures import Rgb
from ghostlap.driving.rollout.stress import TICK_S
from ghostlap.sim.simulation import Simulation, Start

_DROP_GREY = 200
_RAIN_LIGHT = 0.8
_FLAKE_GREY = 235


def rain(rgb: Rgb, drops: float, extra: NDArray[np.float64]) -> Rgb:
    """A darker picture with so many slanting streaks; ``extra`` are drawn numbers in [0, 1)."""
    draw = np.random.default_rng(int(extra[0] * 2**32))
    height, width = rgb.shape[:2]
    ends = draw.random((round(drops), 2)) * (width, height)
    falls = np.array([0.2, 1.0]) * draw.uniform(0.04, 0.12, (len(ends), 1)) * height
    streaks = np.zeros((height, width), np.uint8)
    lines = np.stack([ends, ends + falls], 1).round().astype(np.int32)
    cv2.polylines(streaks, list(lines), isClosed=False, color=255)
    darker = cv2.addWeighted(rgb, _RAIN_LIGHT, rgb, 0.0, 0.0).astype(np.uint8)
    return _blended(darker, streaks, _DROP_GREY, 0.5)


def snow(rgb: Rgb, flakes: float, extra: NDArray[np.float64]) -> Rgb:
    """A picture with so many flakes, some of them near and large."""
    draw = np.random.default_rng(int(extra[0] * 2**32))
    height, width = rgb.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    x, y = (draw.random((2, round(flakes))) * [[width], [height]]).astype(int)
    mask[y, x] = 255
    near = len(x) // 4
    mask[np.minimum(y[:near] + 1, height - 1), x[:near]] = 255
    mask[y[:near], np.minimum(x[:near] + 1, width - 1)] = 255
    return _blended(rgb, mask, _FLAKE_GREY, 0.85)


def _blended(rgb: Rgb, mask: NDArray[np.uint8], grey: int, share: float) -> Rgb:
    """A picture that goes over to a grey where a mask is 255, by a share."""
    covered = cv2.addWeighted(rgb, 1 - share, np.full_like(rgb, grey), share, 0.0)
    mixed: Rgb = np.where(mask[:, :, None] > 0, covered, rgb).astype(np.uint8)
    return mixed


def _contrast(rgb: Rgb, factor: float, _: NDArray[np.float64]) -> Rgb:
    return photometry.recolour(rgb, photometry.contrast(np.array([factor]))[0])


PICTURE_CHANGES: dict[str, Callable[[Rgb, float, NDArray[np.float64]], Rgb]] = {
    "rain": rain,
    "snow": snow,
    "contrast": _contrast,
    "blur": photometry.gaussian_blur,
    "noise": photometry.noise,
}
"""What can be done to a picture, done in this order: a picture, how much (drops, flakes, a factor,
sigma in pixels, sigma in grey levels) and four drawn numbers in [0, 1)."""


def first_row_behind(rows: tuple[int, int], picture: Mapping[str, float]) -> int:
    """The first row of a frame that shows in some rows of it once it is changed.

    A blur mixes several. Below it a frame must be whole: the renderer follows each column from the
    bottom up, and ends in places that differ a little for another beginning.
    """
    reach = math.ceil(3 * picture.get("blur", 0.0)) + 1  # OpenCV's kernels end at 3 sigma
    return max(0, rows[0] - reach)


class SeenThrough:
    """A simulation of which only the pictures differ; the same moment is always seen the same.

    Args:
        picture: how much of each of :data:`PICTURE_CHANGES`.
        rows: part of each frame that is given on, first and end.
        left_out: how many rows of whole frames the simulation leaves out above; they are black
            here. What is drawn depends on a frame's size, so changes are made to whole ones.
    """

    def __init__(
        self,
        simulation: Simulation,
        picture: Mapping[str, float],
        seeds: Sequence[int],
        rows: tuple[int, int] | None,
        left_out: int = 0,
    ) -> None:
        self._simulation, self._picture, self._seeds = simulation, picture, seeds
        self._left_out = ((0, 0), (left_out, 0), (0, 0), (0, 0))
        self._rows = slice(*(rows or (None,)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulation, name)

    def frames(self) -> NDArray[np.uint8]:
        """The center camera's pictures now: RGB, shape ``(cars, 1, rows, width, 3)``."""
        whole = np.pad(self._simulation.frames()[:, 0], self._left_out)
        seen = self._changed(whole, self._seeds)
        return np.ascontiguousarray(seen[:, None, self._rows])

    def frames_at(self, places: list[Start]) -> NDArray[np.uint8]:
        """Whole center pictures of other places: RGB, shape ``(places, height, width, 3)``."""
        return self._changed(self._simulation.frames_at(places), range(len(places)))

    def _changed(self, frames: NDArray[np.uint8], seeds: Sequence[int]) -> NDArray[np.uint8]:
        tick = round(self._simulation.time_s / TICK_S)
        changed = []
        for frame, seed in zip(frames, seeds, strict=True):
            extra = np.random.default_rng([seed, tick, 89]).random(4)
            for name, change in PICTURE_CHANGES.items():
                if name in self._picture:
                    frame = change(frame, self._picture[name], extra)
            changed.append(frame)
        return np.stack(changed)

"""What can be done to a picture on its way to the network: one step, as text, as pixels, as shape.

>>> step = parse_step("resize 200x66 area")
>>> step.shape((75, 320, 3))
(66, 200, 3)
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import GhostlapError

Shape = tuple[int, int, int]
"""Height, width, channels."""

MAX_BLUR_PX = 99
MAX_SIDE_PX = 4096

_NUMBER = r"-?\d{1,9}(?:\.\d{1,17})?"
_GRAMMAR = {
    "crop": r"(\d{1,4}):(\d{1,4}),(\d{1,4}):(\d{1,4})",
    "colour": r"((?:RGB|BGR|GRAY|YUV|HSV|HLS|LAB|Lab|LUV|Luv|YCrCb|YCR_CB|XYZ)2"
    r"(?:RGB|BGR|GRAY|YUV|HSV|HLS|LAB|Lab|LUV|Luv|YCrCb|YCR_CB|XYZ)(?:_FULL)?)",
    "channels": r"([0-2])(?:,([0-2]),([0-2]))?",
    "mix": rf"({_NUMBER}),({_NUMBER}),({_NUMBER})",
    "wrap": r"(-?\d{1,3}),(-?\d{1,3})",
    "blur": rf"(\d\d?)x(\d\d?)(?: ({_NUMBER}),({_NUMBER}))?",
    "box": r"(\d\d?)x(\d\d?)",
    "median": r"([35])",
    "equalize": r"([0-2])",
    "resize": r"(\d{1,4})x(\d{1,4})(?: ([a-z-]+))?",
}
STEPS = (
    "'crop 60:135,20:300', 'colour RGB2YUV' (as OpenCV names it), 'channels 2,1,0' or 'channels 1',"
    " 'mix 0.3,0.6,0.1', 'wrap 1,-128' (x*1-128 modulo 256), 'blur 3x3' (or with sigmas, "
    "'blur 5x5 1,1'), 'box 3x3', 'median 3', 'equalize 0', 'resize 200x66 area'"
)
"""Every kind of step, for a message."""

OPENCV = {
    "linear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST, "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4,
}  # fmt: skip


def _bicubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    near = (1.5 * x - 2.5) * x**2 + 1
    far = -0.5 * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0))


_PILLOW = {
    "pillow-box": (0.5, lambda x: (x <= 0.5) * 1.0),
    "pillow-bilinear": (1.0, lambda x: np.maximum(1 - x, 0)),
    "pillow-hamming": (
        1.0,
        lambda x: np.where(x < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0),
    ),
    "pillow-bicubic": (2.0, _bicubic),
    "pillow-lanczos": (3.0, lambda x: np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)),
}
INTERPOLATIONS = (*OPENCV, "pillow-nearest", *_PILLOW)
"""OpenCV's, and Pillow's, which smooths as it makes smaller."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of the preprocessing."""

    kind: str
    numbers: tuple[float, ...] = ()
    """What the text has as numbers, in its order."""
    name: str = ""
    """Of the conversion of colours, or of the interpolation."""

    def shape(self, shape: Shape) -> Shape:
        """Shape of what the step makes of a picture of this shape.

        Raises:
            GhostlapError: it cannot be done to such a picture.
        """
        height, width, channels = shape
        whole = [int(n) for n in self.numbers]
        fits, result = True, shape
        if self.kind == "crop":
            top, bottom, left, right = whole
            fits = top < bottom <= height and left < right <= width
            result = bottom - top, right - left, channels
        elif self.kind == "resize":
            fits = 1 <= min(whole) <= max(whole) <= MAX_SIDE_PX
            result = whole[1], whole[0], channels
        elif self.kind == "colour":
            fits = channels == (1 if self.name.startswith("GRAY") else 3)
            result = height, width, 1 if self.name.endswith("2GRAY") else 3
        elif self.kind == "channels":
            fits = max(whole) < channels
            result = height, width, len(whole)
        elif self.kind == "mix":
            fits, result = channels == 3, (height, width, 1)
        elif self.kind == "equalize":
            fits = whole[0] < channels
        elif self.kind in ("blur", "box"):
            fits = min(whole[:2]) >= 1 and (self.kind == "box" or bool(whole[0] * whole[1] % 2))
        if not fits:
            raise GhostlapError(
                f"Preprocessing: the step {str(self)!r} cannot be done to a picture of "
                f"{width}x{height} pixels and {channels} channel{'s' * (channels > 1)}."
            )
        return result

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture after the step, ``uint8`` of shape ``(height, width[, channels])``."""
        whole = [int(n) for n in self.numbers]
        done: Any
        if self.kind == "crop":
            done = picture[whole[0] : whole[1], whole[2] : whole[3]]
        elif self.kind == "colour":
            done = cv2.cvtColor(picture, getattr(cv2, f"COLOR_{self.name}"))
        elif self.kind == "channels":
            planes = picture if picture.ndim == 3 else picture[..., None]
            done = np.ascontiguousarray(planes[..., whole if len(whole) > 1 else whole[0]])
        elif self.kind == "mix":
            done = (picture @ np.array(self.numbers)).round().clip(0, 255).astype(np.uint8)
        elif self.kind == "wrap":
            done = ((picture.astype(np.int32) * whole[0] + whole[1]) % 256).astype(np.uint8)
        elif self.kind == "blur":
            sigmas = self.numbers[2:] or (0, 0)
            done = cv2.GaussianBlur(picture, (whole[0], whole[1]), sigmas[0], sigmaY=sigmas[1])
        elif self.kind == "box":
            done = cv2.blur(picture, (whole[0], whole[1]))
        elif self.kind == "median":
            done = cv2.medianBlur(picture, whole[0])
        elif self.kind == "equalize":
            done = picture.copy()
            plane = done if done.ndim == 2 else done[..., whole[0]]
            plane[:] = cv2.equalizeHist(np.ascontiguousarray(plane))
        else:
            done = _resized(picture, whole[1], whole[0], self.name)
        return np.asarray(done, np.uint8)

    def __str__(self) -> str:
        words = [f"{n:.12g}" for n in self.numbers]
        if self.kind == "crop":
            return "crop {}:{},{}:{}".format(*words)
        if self.kind in ("blur", "box", "resize"):
            sigmas = f" {','.join(words[2:])}" if words[2:] else ""
            return f"{self.kind} {words[0]}x{words[1]}{sigmas} {self.name}".strip()
        return f"{self.kind} {self.name or ','.join(words)}"


def crop_step(top: int, bottom: int, left: int, right: int) -> Step:
    return Step("crop", (top, bottom, left, right))


@functools.lru_cache(maxsize=1024)
def parse_step(text: str) -> Step:
    """A step of its text.

    Raises:
        GhostlapError: there is no such step.
    """
    kind, _, rest = text.strip().partition(" ")
    found = re.fullmatch(_GRAMMAR.get(kind, "(?!)"), rest.strip())
    if found:
        parts = [part for part in found.groups() if part is not None]
        names = [part for part in parts if re.search(r"[A-Za-z]", part)]
        numbers = tuple(float(part) for part in parts if part not in names)
        name = names[0] if names else "linear" if kind == "resize" else ""
        known = kind != "resize" or name in INTERPOLATIONS
        if known and (kind != "colour" or hasattr(cv2, f"COLOR_{name}")):
            return Step(kind, numbers, name)
    raise GhostlapError(
        f"Preprocessing: {text[:80]!r} is no step. Steps are {STEPS}, where a resize is one of "
        f"{', '.join(INTERPOLATIONS)}."
    )


def _resized(picture: NDArray[np.uint8], height: int, width: int, how: str) -> Any:
    if picture.shape[:2] == (height, width):
        return picture
    if how in OPENCV:
        return cv2.resize(picture, (width, height), interpolation=OPENCV[how])
    if how == "pillow-nearest":
        rows, columns = map(pillow_nearest, picture.shape, (height, width))
        return picture[rows[:, None], columns]
    planes = picture.reshape(*picture.shape[:2], -1).astype(np.int32)
    if picture.shape[1] != width:
        places, weights = pillow_weights(picture.shape[1], width, how)
        planes = _bytes(planes[:, at] * by[:, None] for at, by in zip(places, weights, strict=True))
    if picture.shape[0] != height:
        places, weights = pillow_weights(picture.shape[0], height, how)
        planes = _bytes(
            planes[at] * by[:, None, None] for at, by in zip(places, weights, strict=True)
        )
    return planes.reshape(height, width, *picture.shape[2:]).astype(np.uint8)


def pillow_nearest(size: int, wanted: int) -> NDArray[np.intp]:
    """Which old pixel becomes each new one, ``(wanted,)``.

    Added up one by one, as Pillow does: it matters where a sum is nearly whole.
    """
    return np.cumsum([size / wanted * 0.5, *[size / wanted] * (wanted - 1)]).astype(np.intp)


PILLOW_BITS = 22
"""Pillow's weights are whole numbers that add up to 2 to this."""


def _bytes(products: Iterable[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Their sum as Pillow rounds it: halves up, cut to a byte."""
    total = np.add.reduce(list(products), dtype=np.int32) + (1 << (PILLOW_BITS - 1))
    return np.asarray((total >> PILLOW_BITS).clip(0, 255), np.int32)


@functools.lru_cache(maxsize=32)
def pillow_weights(size: int, wanted: int, how: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The old pixels that each new one is made of, and their weights, both ``(k, wanted)``.

    After ``precompute_coeffs`` of Pillow's ``Resample.c``: filters are as wide as what is made
    smaller asks for, which OpenCV's are not. Columns are done first, as Pillow always did; its
    newest versions sometimes do rows first, which bilinearly makes 1 of 255 at most.
    """
    support, weight = _PILLOW[how]
    scale = size / wanted
    stretch = max(scale, 1.0)
    most = math.ceil(support * stretch) * 2 + 1
    places, found = np.zeros((2, most, wanted), np.int32)
    for new in range(wanted):
        center = (new + 0.5) * scale
        first = max(0, math.trunc(center - support * stretch + 0.5))
        last = min(size, math.trunc(center + support * stretch + 0.5))
        weights = weight(np.abs((np.arange(first, last) - center + 0.5) / stretch))
        weights = weights / weights.sum() * (1 << PILLOW_BITS)
        places[: last - first, new] = np.arange(first, last)
        found[: last - first, new] = weights + np.copysign(0.5, weights)
    return places, found

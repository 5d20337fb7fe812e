"""*The* preprocessing: one spec, one function. Nothing else touches colour or crop.

A frame is an RGB picture, ``uint8`` of shape ``(height, width, 3)``, everywhere in Ghostlap.
Training, driving, evaluation and explanation all make the network's input from it here, so that
they cannot disagree (RGB against BGR was the commonest reason why cars went straight).

    >>> seen_by_the_network = preprocess(read_rgb("IMG/center_2018_07_16_17_11_43_382.jpg"))
    >>> seen_by_the_network.shape, seen_by_the_network.dtype
    ((66, 200, 3), dtype('float32'))
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import GhostlapError, ImageError
from ghostlap.base.options import misfit
from ghostlap.data.vision import steps as vision_steps
from ghostlap.data.vision.pictures import MAX_IMAGE_SIDE_PX, Rgb

Colour = Literal["yuv", "yuv-legacy", "rgb", "bgr", "hsv", "hsv-s", "grey"]
"""Channels of the network's input; ``hsv-s`` (saturation) and ``grey`` are one channel."""

MAX_STEPS = 32

COLOUR_STEPS: dict[Colour, tuple[str, ...]] = {
    "yuv": ("colour RGB2YUV",),
    "yuv-legacy": ("colour BGR2YUV",),
    "rgb": (),
    "bgr": ("channels 2,1,0",),
    "hsv": ("colour RGB2HSV",),
    "hsv-s": ("colour RGB2HSV", "channels 1"),
    "grey": ("colour RGB2GRAY",),
}


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """From a frame to the network's input; the default is the seeds', pixel for pixel.

    Crop rows, change colour, blur, resize (or ``steps``), then divide and add, in that order.
    """

    frame_height_px: int = 160
    """Height of the frames, in which the crop counts rows."""
    frame_width_px: int = 320
    crop_top_px: int = 60
    """First row kept: above it are sky and trees."""
    crop_bottom_px: int = 135
    """First row no longer kept: below it is the bonnet."""
    colour: Colour = "yuv"
    """``yuv-legacy`` is what OpenCV up to 3.1 called YUV: today's BGR2YUV, applied to RGB.
    ``hsv-s`` (saturation alone) and ``grey`` are of one channel."""
    blur_px: int = 3
    """Side of the Gaussian kernel, odd; 0 for none."""
    height_px: int = 66
    """Height of the network's input."""
    width_px: int = 200
    divide_by: float = 255.0
    offset: float = 0.0
    """Number added after the division."""
    steps: tuple[str, ...] = ()
    """Steps between the crop of rows and the division, in order, if they are not colour, blur and
    a linear resize: 'crop 0:75,20:300' 'resize 200x66 area' 'colour RGB2YUV'. They take the place
    of ``colour`` and ``blur_px``, which are then rgb and 0."""

    def __post_init__(self) -> None:
        if not 0 <= self.crop_top_px < self.crop_bottom_px <= self.frame_height_px:
            raise GhostlapError(
                "Preprocessing: the crop must lie within the frame, "
                f"0 <= top < bottom <= {self.frame_height_px} rows. "
                f"Got rows {self.crop_top_px}:{self.crop_bottom_px}."
            )
        most_px = vision_steps.MAX_BLUR_PX
        if self.blur_px and not (self.blur_px % 2 and 0 < self.blur_px <= most_px):
            raise GhostlapError(
                f"Preprocessing: blur_px must be odd and at most {most_px}, or 0 for none. "
                f"Got {self.blur_px}."
            )
        sides_px = self.frame_height_px, self.frame_width_px, self.height_px, self.width_px
        if not 1 <= min(sides_px) <= max(sides_px) <= MAX_IMAGE_SIDE_PX:
            raise GhostlapError(
                f"Preprocessing: sides must be from 1 to {MAX_IMAGE_SIDE_PX} pixels. Got frames of "
                f"{self.frame_width_px}x{self.frame_height_px}, "
                f"output {self.width_px}x{self.height_px}."
            )
        if not (1e-6 <= abs(self.divide_by) <= 1e6 and abs(self.offset) <= 1e6):
            raise GhostlapError(
                "Preprocessing: divide_by must be a number from 1e-6 to 1e6, offset one up to 1e6. "
                f"Got {self.divide_by} and {self.offset}."
            )
        if self.colour not in COLOUR_STEPS:
            raise GhostlapError(
                f"Preprocessing: colour must be one of {', '.join(COLOUR_STEPS)}. "
                f"Got {self.colour!r}. A newer Ghostlap may have written it."
            )
        if self.steps and (self.colour != "rgb" or self.blur_px):
            raise GhostlapError(
                "Preprocessing: where steps are given, colour and blur are among them, so colour "
                f"must be rgb and blur_px 0. Got {self.colour} and {self.blur_px}."
            )
        if len(self.steps) > MAX_STEPS:
            raise GhostlapError(f"Preprocessing: at most {MAX_STEPS} steps. Got {len(self.steps)}.")
        if self.input_shape[:2] != (self.height_px, self.width_px):
            raise GhostlapError(
                f"Preprocessing: the steps must end with pictures of {self.width_px}x"
                f"{self.height_px} pixels. Got {self.input_shape[1]}x{self.input_shape[0]}."
            )

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return self.frame_height_px, self.frame_width_px, 3

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one network input, ``(height, width, channels)``."""
        shape = self.crop_bottom_px - self.crop_top_px, self.frame_width_px, 3
        for step in self.plan:
            shape = step.shape(shape)
        return shape

    @functools.cached_property
    def plan(self) -> tuple[vision_steps.Step, ...]:
        """What is done between the crop of rows and the division, in this order."""
        texts = self.steps
        if not texts:
            blur = (f"blur {self.blur_px}x{self.blur_px}",) if self.blur_px else ()
            resize = f"resize {self.width_px}x{self.height_px}"
            texts = (*COLOUR_STEPS[self.colour], *blur, resize)
        return tuple(vision_steps.parse_step(text) for text in texts)

    @property
    def view_px(self) -> tuple[int, int, int, int]:
        """Which part of a frame reaches the network: its top, bottom, left and right."""
        box = [float(self.crop_top_px), self.crop_bottom_px, 0, self.frame_width_px]
        shape = self.crop_bottom_px - self.crop_top_px, self.frame_width_px, 3
        for step in self.plan:
            if step.kind == "crop":
                y, x = (box[1] - box[0]) / shape[0], (box[3] - box[2]) / shape[1]
                top, bottom, left, right = step.numbers
                box = [
                    box[0] + top * y, box[0] + bottom * y, box[2] + left * x, box[2] + right * x,
                ]  # fmt: skip
            shape = step.shape(shape)
        top_px, bottom_px, left_px, right_px = (round(side) for side in box)
        return top_px, max(bottom_px, top_px + 1), left_px, max(right_px, left_px + 1)

    def for_frames(self, height_px: int, width_px: int) -> Preprocessing:
        """The same view of frames of another size: the crop keeps its share of the height."""
        if (height_px, width_px) == (self.frame_height_px, self.frame_width_px):
            return self
        ratio, across = height_px / self.frame_height_px, width_px / self.frame_width_px
        steps = list(self.steps)
        for i, step in enumerate(self.plan if steps else ()):
            if step.kind == "resize":  # from here on, pixels are those of the smaller picture
                break
            if step.kind == "crop":
                top, bottom, left, right = step.numbers
                sides = top * ratio, bottom * ratio, left * across, right * across
                steps[i] = str(vision_steps.crop_step(*(round(side) for side in sides)))
        return dataclasses.replace(
            self,
            frame_height_px=height_px,
            frame_width_px=width_px,
            crop_top_px=round(self.crop_top_px * ratio),
            crop_bottom_px=round(self.crop_bottom_px * ratio),
            steps=tuple(steps),
        )

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Preprocessing:
        """Read back what ``dataclasses.asdict`` wrote.

        Raises:
            GhostlapError: names are missing or unknown, or a value has another type.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        values = {"steps": (), **values}  # which pilots of before have not
        if set(values) != names:
            raise GhostlapError(
                "Preprocessing: the saved settings must name exactly "
                f"{sorted(names)}. Got {sorted(values)}."
            )
        if problem := misfit(cls, values):
            raise GhostlapError(f"Preprocessing: {problem}.")
        return cls(**{**values, "steps": tuple(values["steps"])})


SEED = Preprocessing()
"""The seeds' recipe: rows 60:135, RGB to YUV, 3x3 Gaussian blur, 200x66, divided by 255."""


def crop(rgb: Rgb, spec: Preprocessing = SEED) -> Rgb:
    """Rows ``crop_top_px:crop_bottom_px`` of a frame, as a view.

    Raises:
        ImageError: the frame has not the spec's shape.
    """
    if rgb.shape != spec.frame_shape or rgb.dtype != np.uint8:
        raise ImageError(
            f"preprocess: a frame must be uint8 of shape {spec.frame_shape} (height, width, RGB). "
            f"Got {rgb.dtype} of shape {rgb.shape}. "
            "For frames of another size use Preprocessing().for_frames(height, width)."
        )
    return rgb[spec.crop_top_px : spec.crop_bottom_px]


def finish(cropped: Rgb, spec: Preprocessing = SEED) -> NDArray[np.uint8]:
    """Apply the steps to a cropped frame; ``uint8``, shape ``spec.input_shape``."""
    picture = cropped
    for step in spec.plan:
        picture = step.apply(picture)
    return picture.reshape(spec.input_shape)


def scale(pixels: NDArray[np.uint8], spec: Preprocessing = SEED) -> NDArray[np.float32]:
    """Scale pixels of any shape to ``pixels / divide_by + offset``, ``float32``."""
    scaled = np.divide(pixels, np.float32(spec.divide_by), dtype=np.float32)
    if spec.offset:
        scaled += np.float32(spec.offset)
    return scaled


def preprocess(rgb: Rgb, spec: Preprocessing = SEED) -> NDArray[np.float32]:
    """The network's input for one frame.

    Args:
        rgb: RGB ``uint8``, shape ``spec.frame_shape``.

    Returns:
        ``float32``, shape ``spec.input_shape``, by default ``(66, 200, 3)`` in [0, 1].

    Raises:
        ImageError: the frame has another shape or type.
    """
    return scale(finish(crop(rgb, spec), spec), spec)

"""All options of ``ghostlap import``."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import LegacyError
from ghostlap.base.options import Options, Range, Seed
from ghostlap.data.formats.config import Columns
from ghostlap.data.vision.preprocessing import Colour
from ghostlap.data.vision.steps import INTERPOLATIONS, parse_step
from ghostlap.pilots.keras_import.formula import parse_formula
from ghostlap.pilots.keras_import.lambdas import given_lambdas
from ghostlap.pilots.keras_import.recipes import FRAME_HEIGHT_PX, FRAME_WIDTH_PX, Given, crop_sides

_SidePx = Annotated[int, Range(8, 4096)]


@dataclasses.dataclass(frozen=True)
class ImportConfig(Options, error=LegacyError):
    """Turn a model of Keras 1, 2 or 3 into a pilot. Nothing inside its file is executed.

    A model file does not say what was done to the pictures it sees. Name the drive.py that came
    with it, which is read, not run; or say it yourself; or name a recording of a person's drive:
    known ways are then tried on some of its frames, and the one with which the model steers as the
    person did is taken.

    Example: ghostlap import model.h5 --script drive.py --like my-drive --out runs/old
    """

    model: tyro.conf.Positional[Path]
    """model.h5 (whole model, or weights) or model.keras."""
    description: tyro.conf.Positional[Path | None] = None
    """model.json, if the h5 file holds weights only. Without: the one beside it."""
    out: Path = Path("runs/imported")
    """Run folder to write."""
    script: Path | None = None
    """The model's own drive.py, with what it imports beside it: what it does to a picture before
    it asks the model is read out of its text, and shown line by line. Nothing is run."""
    like: Path | None = None
    """Recording on which to find out the preprocessing that is not given otherwise, or to check
    what the script says."""
    columns: Columns = ()
    crop: str | None = None
    """Rows of a frame to keep, as Python counts them: 60:-25; ':' keeps all. With columns:
    60:-25,20:300."""
    colour: Colour | None = None
    """Channels the network sees. yuv-legacy is what OpenCV up to 3.1 called YUV."""
    blur: int | None = None
    """Side of the Gaussian blur, odd; 0 for none."""
    resize: str | None = None
    """How pictures are made smaller: linear (OpenCV's own way), area, nearest, cubic, lanczos, or
    as Pillow does it: pillow-bilinear and so on."""
    steps: tuple[str, ...] = ()
    """Everything between the crop of rows and the scale, in order, instead of the three above:
    'resize 200x66 area' 'colour RGB2YUV' 'blur 3x3'."""
    scale: str | None = None
    """What was done to values from 0 to 255: x/255, x/127.5-1, x/255-0.5, or x for nothing."""
    lambdas: Annotated[tuple[str, ...], tyro.conf.arg(name="lambda")] = ()
    """LAYER=SCALE,OFFSET, LAYER=x/127.5-1 or LAYER=60:135,20:300 (rows and columns that it keeps):
    what a Lambda layer does whose code is not known."""
    output: Annotated[int, Range(0)] | None = None
    """Which of the network's answers is the steering, counted from 0, if it has several and the
    script does not say."""
    steering_scale: float = 1.0
    """Factor that makes its answer a steering in [-1, 1]; 0.04 for degrees of Udacity's car."""
    backend: Literal["tensorflow", "theano"] | None = None
    """What Keras ran on then, if the file does not say it; Theano turns convolutions round."""
    frame_height_px: _SidePx = FRAME_HEIGHT_PX
    """Height of the frames to drive on; with --like that of the recording's."""
    frame_width_px: _SidePx = FRAME_WIDTH_PX
    seed: Seed = 0
    """Of the draw of frames."""

    def __post_init__(self) -> None:
        super().__post_init__()
        given_lambdas(self.lambdas)
        if self.scale is not None:
            parse_formula(self.scale, "--scale")
        if self.crop is not None and self.like is None:
            crop_sides(self.crop, self.frame_height_px, self.frame_width_px)
        if self.resize not in (None, *INTERPOLATIONS):
            raise LegacyError(
                f"--resize must be one of {', '.join(INTERPOLATIONS)}. Got {self.resize!r}."
            )
        for step in self.steps:
            parse_step(step)
        said = [
            f"--{name}"
            for name in ("crop", "colour", "blur", "resize", "steps", "scale")
            if getattr(self, name) not in (None, ())
        ]
        if self.script is not None and said:
            raise LegacyError(
                f"--script says what is done to a picture, so {', '.join(said)} cannot be given, "
                f"too. Got both. Leave out one of them."
            )
        if self.steps and {"--colour", "--blur", "--resize"} & {*said}:
            raise LegacyError(
                f"--steps says colour, blur and size already. Got {', '.join(said)}, too."
            )
        if self.blur is not None and not (
            self.blur == 0 or (self.blur % 2 and 1 <= self.blur < 32)
        ):
            raise LegacyError(f"--blur must be odd, up to 31, or 0 for none. Got {self.blur}.")
        if not (math.isfinite(self.steering_scale) and self.steering_scale):
            raise LegacyError(f"--steering-scale must not be 0. Got {self.steering_scale}.")

    @property
    def given(self) -> Given:
        """What is said of the preprocessing."""
        return Given(self.crop, self.colour, self.blur, self.scale, self.resize, self.steps)

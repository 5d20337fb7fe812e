"""Which preprocessing people's drive.py used, and which of it an option leaves open."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import get_args

from ghostlap.base.errors import LegacyError
from ghostlap.base.platform import quoted
from ghostlap.data.vision.preprocessing import COLOUR_STEPS, Colour, Preprocessing
from ghostlap.pilots.keras_import.formula import SIDES, formula_text, parse_formula

FRAME_HEIGHT_PX, FRAME_WIDTH_PX = 160, 320
"""Of the simulator's frames, in which crops are usually counted."""

CROPS = ("60:-25", "50:140", "20:140", "70:-25", "60:140", "40:-20", "0:160")
"""The commonest first."""
COLOURS: tuple[Colour, ...] = get_args(Colour)
BLURS = (0, 3)
SCALES = ("x/255", "x/127.5-1", "x/255-0.5", "x")


@dataclasses.dataclass(frozen=True)
class Given:
    """What the user said; None for what is to be found out."""

    crop: str | None = None
    """Rows as Python counts them, 60:-25; or rows and columns, 60:-25,20:300."""
    colour: Colour | None = None
    blur_px: int | None = None
    scale: str | None = None
    """A formula of x."""
    resize: str | None = None
    """How pictures are resized."""
    steps: tuple[str, ...] = ()
    """Everything between the crop and the scale, in its order."""


def crop_sides(text: str, height_px: int, width_px: int) -> tuple[int, int, int, int]:
    """First row kept, first no longer kept, and the same of columns, of ``60:-25,20:300``.

    Raises:
        LegacyError: it is no such text, or keeps no row or no column.
    """
    found = SIDES.fullmatch(text.replace(" ", ""))
    if found:
        numbers = [int(n) if n else None for n in found.groups()]
        top, bottom, _ = slice(*numbers[:2]).indices(height_px)
        left, right, _ = slice(*numbers[2:]).indices(width_px)
        if top < bottom and left < right:
            return top, bottom, left, right
    raise LegacyError(
        f"--crop: must be rows to keep of {height_px}, such as 60:-25, or rows and columns, such "
        f"as 60:-25,20:{width_px - 20}. Got {text!r}."
    )


def candidates(
    given: Given, input_shape: tuple[int, int, int], frame: tuple[int, int], scales_itself: bool
) -> Iterator[Preprocessing]:
    """Every known recipe that agrees with what is given, each once.

    Args:
        input_shape: of the network, ``(height, width, channels)``.
        frame: height and width of the frames.
        scales_itself: whether the network takes values from 0 to 255.
    """
    height_px, width_px, channels = input_shape
    raw = (height_px, width_px) == frame
    crops = (given.crop,) if given.crop else (":",) if raw or given.steps else CROPS
    colours: tuple[Colour, ...] = (given.colour,) if given.colour else COLOURS
    blurs = BLURS if given.blur_px is None else (given.blur_px,)
    if given.steps:
        colours, blurs = ("rgb",), (0,)
    scales = (given.scale,) if given.scale else ("x",) if scales_itself else SCALES
    for crop, colour, blur_px, formula in itertools.product(crops, colours, blurs, scales):
        scale, offset = parse_formula(formula, "--scale")
        known = given.crop is None and not raw and not given.steps
        top, bottom, left, right = crop_sides(
            crop, FRAME_HEIGHT_PX if known else frame[0], frame[1]
        )
        if known:  # known crops count rows of the simulator's frames; these may be others
            top, bottom = (round(row * frame[0] / FRAME_HEIGHT_PX) for row in (top, bottom))
        columns = (left, right) != (0, frame[1])
        steps = (f"crop 0:{bottom - top},{left}:{right}",) * columns
        if given.steps:
            steps += given.steps
        elif columns or given.resize not in (None, "linear"):
            blur = (f"blur {blur_px}x{blur_px}",) if blur_px else ()
            resize = f"resize {width_px}x{height_px} {given.resize or 'linear'}"
            steps += (*COLOUR_STEPS[colour], *blur, resize)
        recipe = Preprocessing(
            frame_height_px=frame[0],
            frame_width_px=frame[1],
            crop_top_px=top,
            crop_bottom_px=bottom,
            colour="rgb" if steps else colour,
            blur_px=0 if steps else blur_px,
            height_px=height_px,
            width_px=width_px,
            divide_by=1 / scale,
            offset=offset,
            steps=steps,
        )
        if recipe.input_shape[2] == channels:
            yield recipe


def complete(
    given: Given, input_shape: tuple[int, int, int], frame: tuple[int, int], scales_itself: bool
) -> Preprocessing:
    """The recipe that the user gave in full.

    Raises:
        LegacyError: something is missing, or gives other channels than the network's.
    """
    height_px, width_px, channels = input_shape
    raw = (height_px, width_px) == frame
    missing = []
    if not (given.crop or raw or given.steps):
        missing.append("--crop (such as 60:-25, or : for all rows)")
    if not (given.colour or given.steps):
        missing.append(f"--colour ({', '.join(COLOURS)})")
    missing += [] if given.scale or scales_itself else [f"--scale ({', '.join(SCALES)})"]
    if missing:
        raise LegacyError(
            f"A model file does not say what was done to the pictures it sees, "
            f"{width_px}x{height_px} of {channels} channels. Say it as its drive.py did: "
            f"{'; '.join(missing)}; --blur 3 if there was one. Or have that script read, which "
            "runs nothing of it: --script drive.py. Or let it be found out on a recording of a "
            "person's drive: --like RECORDING."
        )
    given = dataclasses.replace(given, blur_px=given.blur_px or 0)
    found = list(candidates(given, input_shape, frame, scales_itself))
    if not found:
        raise LegacyError(
            f"{'--steps' if given.steps else f'--colour {given.colour}'}: the network sees "
            f"{channels} channel{'s' if channels > 1 else ''}, this colour has other. Choose "
            "another one."
        )
    return found[0]


def recipe_text(recipe: Preprocessing) -> str:
    """A recipe as the options that give it."""
    rows = f"{recipe.crop_top_px}:{recipe.crop_bottom_px}"
    how = f"--colour {recipe.colour} --blur {recipe.blur_px}"
    if recipe.steps:
        how = f"--steps {quoted(*recipe.steps)}"
    return f"--crop {rows} {how} --scale {formula_text(recipe.divide_by, recipe.offset)}"

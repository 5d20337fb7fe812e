"""Which preprocessing people's drive.py used, and which of it an option leaves open."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from typing import get_args

from ghostlap.base.errors import LegacyError
from ghostlap.data.vision.preprocessing import Colour, Preprocessing
from ghostlap.pilots.keras_import.formula import formula_text, parse_formula

FRAME_HEIGHT_PX, FRAME_WIDTH_PX = 160, 320
"""Of the simulator's frames, in which crops are usually counted."""

CROPS = ("60:-25", "50:140", "20:140", "70:-25", "60:140", "40:-20", "0:160")
"""The commonest first."""
COLOURS: tuple[Colour, ...] = get_args(Colour)
BLURS = (0, 3)
SCALES = ("x/255", "x/127.5-1", "x/255-0.5", "x")

_ROWS = re.compile(r"(-?\d+)?:(-?\d+)?")


@dataclasses.dataclass(frozen=True)
class Given:
    """What the user said; None for what is to be found out."""

    crop: str | None = None
    """Rows as Python counts them, 60:-25."""
    colour: Colour | None = None
    blur_px: int | None = None
    scale: str | None = None
    """A formula of x."""


def crop_rows(text: str, height_px: int) -> tuple[int, int]:
    """First row kept and first row no longer kept, of ``60:-25``.

    Raises:
        LegacyError: it is no such text, or keeps no row.
    """
    found = _ROWS.fullmatch(text.strip())
    if found:
        top, bottom, _ = slice(*(int(n) if n else None for n in found.groups())).indices(height_px)
        if top < bottom:
            return top, bottom
    raise LegacyError(f"--crop: must be rows to keep of {height_px}, such as 60:-25. Got {text!r}.")


def candidates(
    given: Given, input_shape: tuple[int, int, int], frame: tuple[int, int], scales_itself: bool
) -> Iterator[Preprocessing]:
    """Every known recipe that agrees with what is given, each once.

    Args:
        given: what the user said.
        input_shape: of the network, ``(height, width, channels)``.
        frame: height and width of the frames.
        scales_itself: whether the network takes values from 0 to 255.
    """
    height_px, width_px, channels = input_shape
    raw = (height_px, width_px) == frame
    crops = (given.crop,) if given.crop else (":",) if raw else CROPS
    colours = (given.colour,) if given.colour else COLOURS
    blurs = BLURS if given.blur_px is None else (given.blur_px,)
    scales = (given.scale,) if given.scale else ("x",) if scales_itself else SCALES
    for crop, colour, blur_px, formula in itertools.product(crops, colours, blurs, scales):
        scale, offset = parse_formula(formula, "--scale")
        known = given.crop is None and not raw
        top, bottom = crop_rows(crop, FRAME_HEIGHT_PX if known else frame[0])
        if known:  # known crops count rows of the simulator's frames; these may be others
            top, bottom = (round(row * frame[0] / FRAME_HEIGHT_PX) for row in (top, bottom))
        recipe = Preprocessing(
            frame_height_px=frame[0],
            frame_width_px=frame[1],
            crop_top_px=top,
            crop_bottom_px=bottom,
            colour=colour,
            blur_px=blur_px,
            height_px=height_px,
            width_px=width_px,
            divide_by=1 / scale,
            offset=offset,
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
    missing = [] if given.crop or raw else ["--crop (such as 60:-25, or : for all rows)"]
    missing += [] if given.colour else [f"--colour ({', '.join(COLOURS)})"]
    missing += [] if given.scale or scales_itself else [f"--scale ({', '.join(SCALES)})"]
    if missing:
        raise LegacyError(
            f"A model file does not say what was done to the pictures it sees, "
            f"{width_px}x{height_px} of {channels} channels. Say it as its drive.py did: "
            f"{'; '.join(missing)}; --blur 3 if there was one. Or let it be found out on a "
            "recording of a person's drive: --like RECORDING."
        )
    assert given.colour is not None
    given = dataclasses.replace(given, blur_px=given.blur_px or 0)
    found = list(candidates(given, input_shape, frame, scales_itself))
    if not found:
        raise LegacyError(
            f"--colour {given.colour}: the network sees {channels} channel"
            f"{'s' if channels > 1 else ''}, this colour has other. Choose another one."
        )
    return found[0]


def recipe_text(recipe: Preprocessing) -> str:
    """A recipe as the options that give it."""
    rows = f"{recipe.crop_top_px}:{recipe.crop_bottom_px}"
    return (
        f"--crop {rows} --colour {recipe.colour} --blur {recipe.blur_px} "
        f"--scale {formula_text(recipe.divide_by, recipe.offset)}"
    )

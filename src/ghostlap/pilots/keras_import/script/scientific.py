"""What a script asks of SciPy, scikit-image and matplotlib."""

from __future__ import annotations

import dataclasses

from ghostlap.data.vision.steps import Step
from ghostlap.pilots.keras_import.script.facts import SKIMAGE_DEFAULT, Call, Facts
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.pillow import pillow_step
from ghostlap.pilots.keras_import.script.values import Arguments

_SKIMAGE_GREY = (0.2125, 0.7154, 0.0721)


def _imresize(given: Arguments, _: Facts) -> Picture:
    """SciPy's, which is Pillow's; of floats it stretches the picture's own range."""
    picture = given.picture("arr")
    if not picture.whole:
        raise Refused("imresize stretches floats by the picture's own brightest and darkest values")
    size = given.get(1, "size")
    if isinstance(size, int | float):
        share = size / 100 if isinstance(size, int) else size
        size = int(picture.shape[0] * share), int(picture.shape[1] * share)
    height, width = Arguments([size], {}, given.where).size(0)
    how = str(given.get(2, "interp", default="bilinear")).upper()
    return picture.done(pillow_step(width, height, how), given.where)


def _skimage_resize(given: Arguments, facts: Facts) -> Picture:
    picture = given.picture("image")
    height, width = given.size(1, "output_shape")
    if given.get(2, "order", default=1) not in (1, None) or "anti_aliasing_sigma" in given.named:
        raise Refused("scikit-image's resize of another order or sigma is not known here")
    smooth = given.get(7, "anti_aliasing", default=None)
    if smooth is None:
        smooth = facts.assume(SKIMAGE_DEFAULT, "smooth", "plain") == "smooth"
    if picture.whole and not given.get(6, "preserve_range", default=False):
        picture = picture.scaled([1 / 255], [0.0], given.where)
    sigmas = [max(0.0, (old / new - 1) / 2) for old, new in
              ((picture.shape[1], width), (picture.shape[0], height))]  # fmt: skip
    if smooth and any(sigmas):
        sides = [2 * round(4 * sigma) + 1 for sigma in sigmas]
        picture = picture.done(Step("blur", (*sides, *sigmas)), given.where)
    step = Step("resize", (width, height), "linear")
    return picture.done(step, given.where).but(given.where, "", whole=False)


def _skimage_grey(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("rgb").done(Step("mix", _SKIMAGE_GREY), given.where)
    whole = given.picture("rgb").whole
    return picture.scaled([1 / 255], [0.0], given.where) if whole else picture


def as_float(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("image")
    return picture.scaled([1 / 255], [0.0], given.where) if picture.whole else picture


def _rescale(given: Arguments, facts: Facts) -> Picture:
    share = given.number(1, "scale")
    size = tuple(round(side * share) for side in given.picture("image").shape[:2])
    named = {"anti_aliasing": given.named.get("anti_aliasing"),
             "preserve_range": given.named.get("preserve_range", False),
             "order": given.named.get("order")}  # fmt: skip
    return _skimage_resize(Arguments([given.picture("image"), size], named, given.where), facts)


def _as_bytes(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("image")
    if picture.whole:
        return picture
    return picture.scaled([255], [0.0], given.where).as_bytes(given.where)


def _of_fractions(given: Arguments, facts: Facts, space: str) -> Picture:
    """scikit-image's colours: of values from 0 to 1, to values from 0 to 1 or about 0."""
    picture = as_float(given, facts)
    plain = picture.scaled([255], [0.0], given.where)
    if picture.axes != "hwc" or not plain.unscaled:
        raise Refused("colours are converted of values that are not from 0 to 1")
    plain = picture.but("", "", scale=(1.0,), offset=(0.0,))
    turned = plain.done(Step("colour", name=f"RGB2{space}"), given.where)
    if space == "HSV":
        return turned.scaled((1 / 180, 1 / 255, 1 / 255), [0.0], given.where)
    return turned.scaled([1 / 255], (0.0, -128 / 255, -128 / 255), given.where)


def _hsv(given: Arguments, _: Facts) -> Picture:
    """matplotlib's: hue and saturation from 0 to 1, value as it was."""
    picture = given.picture("arr")
    (scale, offset), *rest = set(picture.affine())
    if rest or offset or picture.axes != "hwc":
        raise Refused("colours are converted of values that do not begin at 0")
    plain = dataclasses.replace(picture, scale=(1.0,), offset=(0.0,))
    turned = plain.done(Step("colour", name="RGB2HSV"), given.where)
    return turned.scaled((1 / 180, 1 / 255, scale), [0.0], given.where)


CALLS: dict[str, Call] = {
    "scipy.misc.imresize": _imresize,
    "scipy.misc.pilutil.imresize": _imresize,
    "skimage.transform.resize": _skimage_resize,
    "skimage.transform.rescale": _rescale,
    "skimage.color.rgb2gray": _skimage_grey,
    "skimage.color.rgb2hsv": lambda given, facts: _of_fractions(given, facts, "HSV"),
    "skimage.color.rgb2yuv": lambda given, facts: _of_fractions(given, facts, "YUV"),
    "matplotlib.colors.rgb_to_hsv": _hsv,
    **{f"skimage.{room}img_as_float": as_float for room in ("", "util.")},
    **{f"skimage.{room}img_as_ubyte": _as_bytes for room in ("", "util.")},
}

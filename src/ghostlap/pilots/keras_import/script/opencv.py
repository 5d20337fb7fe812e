"""What a script asks of OpenCV."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import cv2

from ghostlap.data.vision.steps import Step
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.planes import EVEN, joined
from ghostlap.pilots.keras_import.script.values import Arguments, Given

_SPACES = re.compile(r"COLOR_((?:RGB|BGR|GRAY|YUV|HSV|HLS|Lab|Luv|YCrCb|XYZ)2"
                     r"(?:RGB|BGR|GRAY|YUV|HSV|HLS|Lab|Luv|YCrCb|XYZ)(?:_FULL)?)")  # fmt: skip
CONVERSIONS = {
    getattr(cv2, name): found[1] for name in dir(cv2) if (found := _SPACES.fullmatch(name))
}
"""Names of conversions of colours by OpenCV's numbers."""
for _code, _name in list(CONVERSIONS.items()):  # one number has two names; that of RGB is plainer
    if _name == "BGR2RGB":
        CONVERSIONS[_code] = "RGB2BGR"

_INTERPOLATIONS = {
    cv2.INTER_NEAREST: "nearest", cv2.INTER_LINEAR: "linear", cv2.INTER_CUBIC: "cubic",
    cv2.INTER_AREA: "area", cv2.INTER_LANCZOS4: "lanczos",
}  # fmt: skip


def constant(name: str) -> int | None:
    """A number of OpenCV's by its name."""
    value = getattr(cv2, name, None)
    return value if isinstance(value, int) and name.isupper() | name.startswith("COLOR_") else None


def _convert(given: Arguments) -> Picture:
    code = given.get(1, "code")
    conversion = CONVERSIONS.get(code) if isinstance(code, int) else None
    if conversion is None:
        raise Refused("the conversion of colours is not known")
    return given.picture("src").coloured(conversion, given.where)


def _resize(given: Arguments) -> Picture:
    """A third argument is the result's place, not the interpolation, whatever was meant."""
    picture = given.picture("src")
    size = given.get(1, "dsize", default=None)
    how = given.get(5, "interpolation", default=cv2.INTER_LINEAR)
    if how not in _INTERPOLATIONS:
        raise Refused("its interpolation is not known")
    if size is None or tuple(size if isinstance(size, tuple | list) else ()) == (0, 0):
        fx, fy = given.number(3, "fx"), given.number(4, "fy")
        width, height = round(picture.shape[1] * fx), round(picture.shape[0] * fy)
    else:
        width, height = given.size(1, "dsize")
    step = Step("resize", (width, height), _INTERPOLATIONS[how])
    misplaced = isinstance(given.get(2, default=None), int)
    note = " (its third argument is no interpolation, so linear)" if misplaced else ""
    return picture.done(step, given.where, f"{step}{note}")


def _gaussian(given: Arguments) -> Picture:
    width, height = given.size(1, "ksize")
    _usual_border(given, 5)
    sigma_x = given.number(2, "sigmaX", default=0)
    sigma_y = given.number(4, "sigmaY", default=0) or sigma_x
    sigmas = (sigma_x, sigma_y) if sigma_x > 0 else ()
    if sigmas and (width, height) == (0, 0):  # as large as OpenCV makes it for bytes
        width, height = (round(6 * sigma + 1) | 1 for sigma in sigmas)
    return given.picture("src").done(Step("blur", (width, height, *sigmas)), given.where)


def _box(given: Arguments, place: int = 1) -> Picture:
    _usual_border(given, 6 if place > 1 else 4)
    if given.get(5 if place > 1 else -1, "normalize", default=True) is not True:
        raise Refused("its sums are not divided")
    return given.picture("src").done(Step("box", given.size(place, "ksize")), given.where)


def _usual_border(given: Arguments, place: int) -> None:
    if given.get(place, "borderType", default=cv2.BORDER_DEFAULT) != cv2.BORDER_DEFAULT:
        raise Refused("another border than OpenCV's default is not known here")


def _median(given: Arguments) -> Picture:
    side = int(given.number(1, "ksize"))
    if side not in (1, 3, 5):
        raise Refused(f"a median over {side}x{side} pixels is not known here")
    picture = given.picture("src")
    return picture if side == 1 else picture.done(Step("median", (side,)), given.where)


def _split(given: Arguments) -> list[Picture]:
    picture = given.picture("m")
    return [picture.indexed([..., channel], given.where) for channel in range(picture.shape[2])]


def _merge(given: Arguments) -> Picture:
    planes = given.get(0, "mv")
    if not isinstance(planes, tuple | list) or not all(isinstance(p, Picture) for p in planes):
        raise Refused("channels are put together that are not known")
    return joined(list(planes), given.where)


def _equalize(given: Arguments) -> Picture:
    return given.picture("src").done(EVEN, given.where)


def opened(frame: tuple[int, int], given: Arguments, place: int) -> Picture:
    """A picture that OpenCV decodes: blue first, or grey."""
    picture = Picture((*frame, 3))
    flags = given.get(place, "flags", default=1)
    if flags == cv2.IMREAD_COLOR_RGB:
        return picture.but(given.where, "decoded by OpenCV as RGB")
    if flags not in (-1, 0, 1, 4):
        raise Refused("its flags are not known")
    if flags == 0:
        return picture.done(Step("colour", name="RGB2GRAY"), given.where, "decoded as grey")
    return picture.done(
        Step("channels", (2, 1, 0)), given.where, "decoded by OpenCV: BGR (channels 2,1,0)"
    )


def _decode(given: Arguments, frame: tuple[int, int]) -> Any:
    if given.get(0, "buf", default=None) is not Given.ENCODED:
        raise Refused("bytes are decoded that are not the frame's")
    return opened(frame, given, 1)


CALLS: dict[str, Callable[[Arguments], Any]] = {
    "cv2.cvtColor": _convert,
    "cv2.resize": _resize,
    "cv2.GaussianBlur": _gaussian,
    "cv2.blur": _box,
    "cv2.boxFilter": lambda given: _box(given, 2),
    "cv2.medianBlur": _median,
    "cv2.split": _split,
    "cv2.merge": _merge,
    "cv2.equalizeHist": _equalize,
}

OPENERS: dict[str, Callable[[Arguments, tuple[int, int]], Any]] = {
    "cv2.imdecode": _decode,
    "cv2.imread": lambda given, frame: opened(frame, given, 1),
}

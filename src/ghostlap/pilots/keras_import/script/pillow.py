"""What a script asks of Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ghostlap.data.vision.steps import Step, crop_step
from ghostlap.pilots.keras_import.script.facts import PILLOW_DEFAULT, Call, Facts
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.planes import joined
from ghostlap.pilots.keras_import.script.values import Arguments, External, number

_FILTERS = {
    "NEAREST": "nearest", "BOX": "box", "BILINEAR": "bilinear", "LINEAR": "bilinear",
    "HAMMING": "hamming", "BICUBIC": "bicubic", "CUBIC": "bicubic", "LANCZOS": "lanczos",
    "ANTIALIAS": "lanczos", 0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box",
    5: "hamming",
}  # fmt: skip


def pillow_step(width: int, height: int, how: Any) -> Step:
    name = how.path.rpartition(".")[2] if isinstance(how, External) else how
    if isinstance(name, bool) or name not in _FILTERS:
        raise Refused("Pillow's filter is not known")
    return Step("resize", (width, height), f"pillow-{_FILTERS[name]}")


def method(picture: Picture, name: str, given: Arguments, facts: Facts) -> Any:
    where = given.where
    if name == "copy":
        return picture.but(where, "", memory=object())
    if name in ("load", "__enter__"):
        return picture
    if name == "getdata":  # whole numbers, but no bytes
        return picture.but(where, "", whole=False, memory=object())
    if name == "split":
        return [_band(picture, place, where) for place in range(picture.shape[2])]
    if name == "getchannel" and (place := "RGB".find(given.get(0, "channel"))) >= 0:
        return _band(picture, place, where)
    if name == "crop":
        box = given.get(0, "box")
        if not isinstance(box, tuple | list) or len(box) != 4:
            raise Refused("its box is not known from the script")
        left, top, right, bottom = (round(number(side)) for side in box)
        height, width, _ = picture.shape
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise Refused(
                f"it is cropped to {(left, top, right, bottom)}, which is not within its "
                f"{width}x{height} pixels"
            )
        what = f"crop: rows {top}:{bottom}, columns {left}:{right} kept"
        return picture.done(crop_step(top, bottom, left, right), where, what)
    if name == "resize":
        width, height = given.size(0, "size")
        how = given.get(1, "resample", default=None)
        if len(given.given) > 2 or given.named.keys() & {"box", "reducing_gap"}:
            raise Refused("a part of it is resized")
        if how is None:
            how = facts.assume(PILLOW_DEFAULT, "BICUBIC", "NEAREST")
        return picture.done(pillow_step(width, height, how), where)
    if name == "convert":
        mode = given.get(0, "mode", default="?")
        if mode == ("RGB" if picture.shape[2] == 3 else "L"):
            return picture
        if mode == "RGB":
            return picture.done(Step("colour", name="GRAY2RGB"), where)
        if picture.shape[2] == 3 and mode == "L":
            return picture.done(Step("colour", name="RGB2GRAY"), where)
        if picture.shape[2] == 3 and mode == "YCbCr":
            turned = picture.done(Step("colour", name="RGB2YCrCb"), where)
            return turned.done(Step("channels", (0, 2, 1)), where)
        raise Refused(f"Pillow's convert({mode!r}) is not known here")
    raise Refused(f"Pillow's {name} is not known here")


def _band(picture: Picture, place: int, where: str) -> Picture:
    return picture.done(Step("channels", (place,)), where)


def from_array(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("obj")
    if not picture.whole or picture.axes not in ("hwc", "hw"):
        raise Refused("Pillow makes a picture of what are no bytes")
    return picture.but(given.where, "", pillow=True)


def _merge(given: Arguments, _: Facts) -> Picture:
    planes = given.get(1, "bands")
    planes = list(planes) if isinstance(planes, Sequence) else []
    if given.get(0, "mode") != "RGB" or not all(isinstance(one, Picture) for one in planes):
        raise Refused("bands are put together that are not known")
    return joined(planes, given.where)


def _grey(given: Arguments, facts: Facts) -> Any:
    return method(given.picture("image"), "convert", Arguments(["L"], {}, given.where), facts)


CALLS: dict[str, Call] = {
    "PIL.Image.open": lambda given, facts: facts.opened(
        given.where, "opened by Pillow: RGB", pillow=True
    ),
    "PIL.Image.fromarray": from_array,
    "PIL.Image.merge": _merge,
    "PIL.ImageOps.grayscale": _grey,
}

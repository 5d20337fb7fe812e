"""A picture as it goes through a script: not its pixels, but the steps that were done to it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from ghostlap.base.errors import GhostlapError
from ghostlap.data.vision.steps import Shape, Step, crop_step

_TINY = 1e-6


class Refused(Exception):
    """Something is done to the picture that cannot be expressed; its text says what."""


@dataclasses.dataclass(frozen=True)
class Line:
    """What was understood of one line of a script."""

    where: str
    """``drive.py:43``."""
    what: str


@dataclasses.dataclass(frozen=True)
class Picture:
    """A frame to which steps were done: ``bytes after the steps * scale + offset``."""

    shape: Shape
    """Height, width, channels; whatever axes it has."""
    steps: tuple[Step, ...] = ()
    axes: str = "hwc"
    """Height, width, channels (only if there are three) and further axes of size 1."""
    scale: tuple[float, ...] = (1.0,)
    """One factor, or one for each channel."""
    offset: tuple[float, ...] = (0.0,)
    whole: bool = True
    """Whether its values are bytes."""
    pillow: bool = False
    """Whether it is a picture of Pillow's, not an array."""
    log: tuple[Line, ...] = dataclasses.field(default=(), compare=False)
    memory: object = dataclasses.field(default_factory=object, compare=False, repr=False)
    """What it shares with its views, which a change in place changes, too."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """As numpy's ``shape``."""
        named = dict(zip("hwc", self.shape, strict=True))
        return tuple(named.get(axis, 1) for axis in self.axes)

    @property
    def unscaled(self) -> bool:
        """Whether its values are the bytes themselves."""
        close = (abs(s - 1) < _TINY and abs(o) < 255 * _TINY for s, o in self.affine())
        return all(close)

    def affine(self) -> list[tuple[float, float]]:
        """Scale and offset of each channel."""
        channels = self.shape[2]
        scales = self.scale if len(self.scale) > 1 else self.scale * channels
        offsets = self.offset if len(self.offset) > 1 else self.offset * channels
        return list(zip(scales, offsets, strict=True))

    def but(self, where: str, what: str, **changes: Any) -> Picture:
        """With something changed, and a line about it."""
        log = (*self.log, Line(where, what)) if what else self.log
        return dataclasses.replace(self, **changes, log=log)

    def done(self, step: Step, where: str, what: str = "") -> Picture:
        """After a step; a trailing axis of size 1 goes, as OpenCV lets it go."""
        axes = self.axes.rstrip("1")
        if axes not in ("hwc", "hw"):
            raise Refused("a step of pictures is done to what is none any more")
        try:
            shape = step.shape(self.shape)
        except GhostlapError as error:
            raise Refused(str(error)) from None
        affine = self.affine()
        if step.kind == "channels":
            affine = [affine[int(n)] for n in step.numbers]
        elif step.kind == "mix":
            if len(set(affine)) > 1:
                raise Refused("channels of different scales are mixed")
            affine = [(affine[0][0], affine[0][1] * sum(step.numbers))]
        elif step.kind in ("equalize", "wrap") and not self.whole:
            raise Refused(f"the step {step.kind} is done to values that are no bytes")
        elif len(affine) != shape[2]:
            affine = [affine[0]] * shape[2]
        return self.but(
            where,
            what or str(step),
            steps=(*self.steps, step),
            shape=shape,
            axes="hwc" if shape[2] > 1 else "hw",
            scale=_short([s for s, _ in affine]),
            offset=_short([o for _, o in affine]),
            whole=self.whole and step.kind != "mix",
            memory=object(),
        )

    def scaled(self, factors: Sequence[float], offsets: Sequence[float], where: str) -> Picture:
        """``x * factor + offset``, one for all channels or one for each."""
        channels = self.shape[2]
        if not {len(factors), len(offsets)} <= {1, channels}:
            raise Refused(f"{max(len(factors), len(offsets))} numbers for {channels} channels")
        if not all(abs(number) < 1e9 for number in (*factors, *offsets)):
            raise Refused("its numbers are not finite")
        factors = [*factors] * (channels if len(factors) == 1 else 1)
        offsets = [*offsets] * (channels if len(offsets) == 1 else 1)
        affine = [
            (s * factor, o * factor + offset)
            for (s, o), factor, offset in zip(self.affine(), factors, offsets, strict=True)
        ]
        scale, offset = _short([s for s, _ in affine]), _short([o for _, o in affine])
        what = f"values: {_formula(scale, offset)}"
        return self.but(where, what, scale=scale, offset=offset, whole=False, memory=object())

    def coloured(self, conversion: str, where: str) -> Picture:
        """Another space of colours, named as OpenCV does; of floats, its values are others."""
        step = Step("colour", name=conversion)
        have, wanted = conversion.split("2")
        if have in ("RGB", "BGR") and wanted in ("RGB", "BGR") and have != wanted:
            return self.done(Step("channels", (2, 1, 0)), where)
        affine = set(self.affine())
        if self.whole or (self.unscaled and wanted == "GRAY"):
            return self.done(step, where)
        if len(affine) > 1:
            raise Refused("colours of channels of different scales are converted")
        ((scale, offset),) = affine
        if wanted == "GRAY":
            return self.done(step, where)
        one = abs(scale - 1) < _TINY or abs(scale - 1 / 255) < _TINY
        if not one or abs(offset) > _TINY or have not in ("RGB", "BGR"):
            raise Refused(
                f"colours are converted of values that are neither 0 to 255 nor 0 to 1 "
                f"({_formula((scale,), (offset,))})"
            )
        if wanted in ("YUV", "YCrCb", "YCR_CB"):
            factors, offsets = (scale,) * 3, (0.0, 0.5 - 128 * scale, 0.5 - 128 * scale)
        elif wanted == "HSV":
            factors, offsets = (2.0, 1 / 255, scale), (0.0, 0.0, 0.0)
        else:
            raise Refused(f"{conversion} of values that are no bytes is not known here")
        plain = dataclasses.replace(self, scale=(1.0,), offset=(0.0,)).done(step, where)
        return dataclasses.replace(plain.scaled(factors, offsets, where), whole=False)

    def indexed(self, keys: Sequence[Any], where: str) -> Picture:
        """As numpy's ``picture[keys]``; each key is a slice, a whole number, a list, None or …"""
        if self.pillow:
            raise Refused("a picture of Pillow's is indexed")
        if Ellipsis in keys:
            place = keys.index(Ellipsis)
            rest = [key for key in keys[place + 1 :] if key is not None]
            given = len([key for key in keys[:place] if key is not None]) + len(rest)
            fill = [slice(None)] * (len(self.axes) - given)
            keys = [*keys[:place], *fill, *keys[place + 1 :]]
        left, axes = list(self.axes), ""
        found = self
        box = [0, self.shape[0], 0, self.shape[1]]
        strides, channels = [1, 1], [*range(self.shape[2])]
        for key in keys:
            if key is None:
                axes += "1"
                continue
            if not left:
                raise Refused("more axes are indexed than it has")
            axis = left.pop(0)
            if axis == "1":
                axes += "" if isinstance(key, int) else "1"
            elif axis == "c":
                channels = _chosen(channels, key)
                axes += "c" if len(channels) > 1 else "" if isinstance(key, int) else "1"
            elif isinstance(key, slice):
                place = "hw".index(axis)
                first, end, stride = key.indices(self.shape[place])
                if stride < 1:
                    raise Refused("it is turned round")
                box[2 * place : 2 * place + 2] = [first, end]
                strides[place] = stride
                axes += axis
            else:
                raise Refused("single rows or columns are taken out of it")
        if box != [0, self.shape[0], 0, self.shape[1]]:
            rows, columns = f"rows {box[0]}:{box[1]}", f"columns {box[2]}:{box[3]}"
            kept = [
                words
                for words, (low, high), size in zip(
                    (rows, columns), (box[:2], box[2:]), self.shape, strict=False
                )
                if (low, high) != (0, size)
            ]
            found = found._kept(crop_step(*box), where, f"crop: {', '.join(kept)} kept")
        if strides != [1, 1]:
            height, width, _ = found.shape
            if height % strides[0] or width % strides[1]:
                raise Refused(
                    f"every {max(strides)}th pixel is taken, which does not come out even"
                )
            small = width // strides[1], height // strides[0]
            found = found._kept(Step("resize", small, "nearest"), where)
        if channels != [*range(self.shape[2])]:
            found = found._kept(Step("channels", tuple(channels)), where)
        return dataclasses.replace(found, axes=axes + "".join(left))

    def _kept(self, step: Step, where: str, what: str = "") -> Picture:
        """After a step that numpy does, whatever axes there are."""
        plain = dataclasses.replace(self, axes="hwc" if self.shape[2] > 1 else "hw")
        view = self.memory if step.kind in ("crop", "channels") else object()
        return dataclasses.replace(plain.done(step, where, what), memory=view)

    def reshaped(self, target: Sequence[int]) -> Picture:
        """Axes of size 1 come and go; everything else would mix up rows and columns."""
        sizes = list(target)
        if sizes.count(-1) == 1:
            rest = -math.prod(sizes)
            sizes[sizes.index(-1)] = math.prod(self.sizes) // max(rest, 1)
        kept = [axis for axis in self.axes if axis != "1"]
        named = dict(zip("hwc", self.shape, strict=True))
        if [size for size in sizes if size != 1] != [named[a] for a in kept if named[a] != 1]:
            raise Refused(
                f"a picture of shape {self.sizes} is reshaped to {tuple(target)}, which mixes its "
                "rows and columns up"
            )
        letters = iter([axis for axis in kept if named[axis] != 1])
        axes = "".join("1" if size == 1 else next(letters) for size in sizes)
        return dataclasses.replace(self, axes=axes)

    def transposed(self, order: Sequence[int]) -> Picture:
        """Axes in another order."""
        count = len(self.axes)
        order = [place % count for place in order if -count <= place < count]
        if sorted(order) != [*range(count)]:
            raise Refused(f"axes are turned to {tuple(order)}")
        return dataclasses.replace(self, axes="".join(self.axes[place] for place in order))

    def as_bytes(self, where: str) -> Picture:
        """``astype(uint8)``."""
        if self.whole:
            return self
        if not self.unscaled:
            raise Refused(
                "values that are not 0 to 255 any more "
                f"({_formula(self.scale, self.offset)}) are cut to whole numbers"
            )
        return dataclasses.replace(self, whole=True, scale=(1.0,), offset=(0.0,))


def _chosen(channels: list[int], key: Any) -> list[int]:
    try:
        if isinstance(key, slice):
            found = channels[key]
        else:
            found = [channels[k] for k in ([key] if isinstance(key, int) else key)]
    except (IndexError, TypeError):
        found = []
    if len(found) not in (1, 3):
        raise Refused(f"{len(found)} channels are taken of {len(channels)}")
    return found


def _short(numbers: list[float]) -> tuple[float, ...]:
    """One number where all are the same."""
    return tuple(numbers[:1]) if len(set(numbers)) == 1 else tuple(numbers)


def _formula(scale: Sequence[float], offset: Sequence[float]) -> str:
    if len(scale) == len(offset) == 1:
        inverse = 1 / scale[0] if scale[0] else 0
        plain = abs(inverse) > 1 and abs(inverse * 10 - round(inverse * 10)) < _TINY
        times = "" if scale[0] == 1 else f"/{inverse:.6g}" if plain else f"*{scale[0]:.6g}"
        return f"x{times}" + (f"{offset[0]:+.6g}" if offset[0] else "")
    words = [" ".join(f"{number:.6g}" for number in numbers) for numbers in (scale, offset)]
    return f"x*({words[0]}) + ({words[1]}), channel by channel"

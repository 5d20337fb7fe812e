"""Channels of a picture taken apart, mixed, and put together again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from ghostlap.data.vision.steps import Step
from ghostlap.pilots.keras_import.script.picture import Line, Picture, Refused
from ghostlap.pilots.keras_import.script.values import Arguments, Unknown, flat_numbers

EVEN = Step("equalize", (0,))
"""What ``equalizeHist`` does to one channel."""


def joined(planes: Sequence[Picture], where: str) -> Picture:
    """Channels put together again that were taken out of one picture, or one three times."""
    if len(planes) == 3 and planes[0].shape[2] == 1 and planes.count(planes[0]) == 3:
        return planes[0]._kept(Step("colour", name="GRAY2RGB"), where)
    even = [place for place, plane in enumerate(planes) if plane.steps[-1:] == (EVEN,)]
    planes = [
        dataclasses.replace(plane, steps=plane.steps[:-1]) if place in even else plane
        for place, plane in enumerate(planes)
    ]
    base = planes[0].steps[:-1]
    changed = [plane for plane in planes if plane.steps[:-1] != base]
    if len(planes) not in (1, 3) or any(
        not plane.steps or plane.steps[-1].kind != "channels" or plane.axes.strip("1") != "hw"
        for plane in planes
    ):
        changed = list(planes)
    if changed:
        raise Refused("channels are put together that are not those of one picture")
    if len({(plane.scale, plane.offset, plane.whole) for plane in planes}) > 1:
        raise Refused("channels of different scales are put together")
    order = tuple(plane.steps[-1].numbers[0] for plane in planes)
    axes = "hwc" if len(order) == 3 else "hw1"
    log = (*planes[-1].log, Line(where, f"channels {','.join(f'{n:g}' for n in order)}"))
    found = dataclasses.replace(
        planes[0],
        steps=(*base, Step("channels", order)),
        shape=(*planes[0].shape[:2], len(order)),
        axes=axes,
        log=log,
        memory=object(),
    )
    for place in even:
        found = found.done(Step("equalize", (place,)), where)
    return found


def painted(owner: Picture, key: Any, value: Any, where: str) -> Picture | Unknown:
    """After ``owner[key] = value``: one of its channels made even, or not known any more."""
    try:
        keys = list(key) if isinstance(key, tuple) else [key]
        part = owner.indexed(keys, where)
        channel = part.steps[-1].numbers
        if part.steps[:-1] == owner.steps and value == part.done(EVEN, where):
            return owner.done(Step("equalize", channel), where)
    except (Refused, IndexError):
        pass
    return Unknown(f"{where}: parts of the picture are painted over")


def mixed(left: Picture, right: Picture, where: str) -> Picture:
    """Channels of one picture added up, each with its weight."""
    weights = [0.0] * 3
    for plane in (left, right):
        step = plane.steps[-1] if plane.steps else None
        if (
            step is None or step.kind not in ("channels", "mix") or plane.shape[2] > 1
            or plane.whole or any(plane.offset) or plane.steps[:-1] != left.steps[:-1]
            or plane.axes != left.axes
        ):  # fmt: skip
            raise Refused("the picture is calculated with another one")
        numbers = step.numbers
        if step.kind == "channels":
            numbers = tuple(float(place == numbers[0]) for place in range(3))
        weights = [w + n * plane.scale[0] for w, n in zip(weights, numbers, strict=True)]
    total = sum(weights)
    if total <= 0:
        raise Refused("channels are taken from each other")
    shape = (*left.shape[:2], 3)
    base = dataclasses.replace(
        right, steps=left.steps[:-1], shape=shape, axes="hwc", scale=(1.0,), offset=(0.0,),
        whole=True,
    )  # fmt: skip
    found = base.done(Step("mix", tuple(round(w / total, 12) for w in weights)), where)
    found = dataclasses.replace(found, axes=left.axes)
    return found if abs(total - 1) < 1e-9 else found.scaled([total], [0.0], where)


def _stacked(given: Arguments, axis: int | None = None) -> Any:
    planes = given.get(0, "arrays", "tup")
    if not isinstance(planes, list | tuple) or not all(isinstance(p, Picture) for p in planes):
        raise Refused("pictures are stacked with something else")
    axis = int(given.number(1, "axis", default=0)) if axis is None else axis
    if len(planes) == 1 and axis == 0:
        return planes[0].but(given.where, "", axes="1" + planes[0].axes, pillow=False)
    if axis in (2, -1):
        return joined(list(planes), given.where)
    raise Refused("several pictures are stacked")


def _average(given: Arguments) -> Any:
    picture, axis = given.picture("a"), given.get(1, "axis", default=None)
    weights = flat_numbers(given.get(2, "weights", default=[1.0, 1.0, 1.0]))
    if axis not in (2, -1) or not weights or sum(weights) <= 0:
        return mean(picture, None, given.where)
    shares = [weight / sum(weights) for weight in weights]
    return dot(Arguments([picture, shares], {}, given.where))


def mean(picture: Picture, axis: Any, where: str) -> Any:
    if axis in (2, -1) and picture.axes == "hwc":
        return picture.done(Step("mix", (1 / 3, 1 / 3, 1 / 3)), where, "mean of the channels")
    raise Refused("its values depend on the mean of the picture's own")


def dot(given: Arguments) -> Picture:
    weights = given.get(1, "b")
    found = flat_numbers(weights)
    if found is None or len(found) != 3 or given.picture("a").axes != "hwc":
        raise Refused("the picture is multiplied by a matrix")
    return given.picture("a").done(Step("mix", found), given.where)


def _summed(given: Arguments) -> Any:
    axis = given.get(1, "axis", default=None)
    picture = given.picture("a")
    return mean(picture, axis, given.where).scaled([float(picture.shape[2])], [0.0], given.where)


def _repeated(given: Arguments) -> Picture:
    picture, count, axis = given.picture("a"), given.number(1, "repeats"), given.get(2, "axis")
    if picture.axes != "hw1" or count != 3 or axis not in (2, -1):
        raise Refused("it is repeated in another way than a grey picture three times")
    return joined([picture] * 3, given.where)


def _one_of(given: Arguments) -> Any:
    """Batches put together to one batch."""
    batches = given.get(0, "tup", "arrays")
    if isinstance(batches, list | tuple) and len(batches) == 1 and isinstance(batches[0], Picture):
        return batches[0]
    if given.get(1, "axis", default=0) in (2, -1):
        return _stacked(Arguments([batches], {}, given.where), 2)
    raise Refused("several pictures are put together")


CALLS: dict[str, Callable[[Arguments], Any]] = {
    "numpy.dstack": lambda given: _stacked(given, 2),
    "numpy.stack": _stacked,
    "numpy.mean": lambda given: mean(
        given.picture("a"), given.get(1, "axis", default=None), given.where
    ),
    "numpy.sum": _summed,
    "numpy.dot": dot,
    "numpy.matmul": dot,
    "numpy.average": _average,
    "numpy.repeat": _repeated,
    "numpy.vstack": _one_of,
    "numpy.concatenate": _one_of,
}

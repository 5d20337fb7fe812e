"""What a script asks of numpy, and of pictures as numpy's arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ghostlap.data.vision.steps import Step
from ghostlap.pilots.keras_import.script import planes
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    Answer,
    Arguments,
    Blank,
    External,
    Given,
    Numbers,
    Unknown,
    flat_numbers,
    numbers_of,
)


def typed(picture: Picture, kind: Any, where: str) -> Picture:
    """As an array of another type of numbers."""
    name = kind.path.rpartition(".")[2] if isinstance(kind, External) else str(kind)
    if name in ("uint8", "ubyte", "B", "u1", "<u1"):
        return picture.as_bytes(where)
    if name.startswith(("float", "f4", "f8", "<f", "half", "double", "single")) or name == "f":
        return picture.but(where, "", whole=False, memory=object())
    if name.startswith("int") and name != "int8" and (picture.whole or picture.unscaled):
        return picture.but(where, "", whole=False)
    raise Refused(f"its values become numbers of type {name[:40]}")


def array(given: Arguments) -> Any:
    value = given.get(0, "a", "object", "obj", "p_object", default=UNKNOWN)
    kind = given.get(1, "dtype", default=None)
    if isinstance(value, list | tuple):
        if len(value) == 1 and isinstance(value[0], Picture):
            picture = value[0]
            value = picture.but(given.where, "", axes="1" + picture.axes, pillow=False)
        elif len(value) == 1 and isinstance(value[0], list) and len(value[0]) == 1:
            return array(Arguments([[array(Arguments(value, {}, given.where))]], {}, given.where))
        else:
            found = flat_numbers(value)
            return UNKNOWN if found is None else Numbers(found)
    if isinstance(value, Picture):
        value = value.but(given.where, "", pillow=False)
        return value if kind is None else typed(value, kind, given.where)
    if kind is not None and str(kind).startswith("float") and isinstance(value, int):
        return float(value)
    return value


def arithmetic(operator: str, left: Any, right: Any, where: str, *, python_2: bool) -> Picture:
    """A picture and a number, or one number for each channel.

    Raises:
        Refused: anything else, or it would overflow bytes in a way that cannot be expressed.
    """
    if (isinstance(left, Picture) and left.pillow) or (isinstance(right, Picture) and right.pillow):
        raise Refused("a picture of Pillow's is calculated with")
    picture, other = (left, right) if isinstance(left, Picture) else (right, left)
    if operator == "MatMult" and picture is left:
        return planes.dot(Arguments([picture, other], {}, where))
    by = numbers_of(other)
    if isinstance(other, Picture) and operator == "+":
        return planes.mixed(left, right, where)
    if by is None:
        raise Refused("the picture is calculated with something that is not a known number")
    turned = picture is right
    wraps = picture.whole and isinstance(other, int) and operator in "+-*"
    if wraps:  # bytes stay bytes
        factor, offset = {"+": (1, other), "-": (-1, other) if turned else (1, -other),
                          "*": (other, 0)}[operator]  # fmt: skip
        if abs(factor) > 255 or abs(offset) > 255:
            raise Refused(f"bytes are calculated with {other}, which no byte can be")
        return picture.done(
            Step("wrap", (factor, offset)), where,
            f"bytes {operator} {other} stay bytes, modulo 256: wrap {factor},{offset}",
        )  # fmt: skip
    if operator == "/" and python_2 and picture.whole and isinstance(other, int):
        raise Refused("Python 2 divides bytes without remainder")
    if operator == "/" and not turned and all(by):
        return picture.scaled([1 / n for n in by], [0.0], where)
    if operator == "*":
        return picture.scaled(by, [0.0], where)
    if operator == "+" or (operator == "-" and not turned):
        sign = 1 if operator == "+" else -1
        return picture.scaled([1.0], [sign * n for n in by], where)
    if operator == "-":
        return picture.scaled([-1.0], by, where)
    raise Refused(f"the picture's values go through {operator!r}")


def _expand(given: Arguments) -> Any:
    picture = given.picture("a")
    axis = given.get(1, "axis", default=0)
    for place in axis if isinstance(axis, tuple | list) else (axis,):
        at = int(place) + (len(picture.axes) + 1 if place < 0 else 0)
        axes = picture.axes[:at] + "1" + picture.axes[at:]
        picture = picture.but(given.where, "", axes=axes, pillow=False)
    return picture


def squeeze(picture: Picture, where: str) -> Picture:
    return picture.but(where, "", axes=picture.axes.replace("1", ""))


def _transpose(given: Arguments) -> Picture:
    picture = given.picture("a")
    order = given.get(1, "axes", default=tuple(range(len(picture.axes)))[::-1])
    return picture.transposed([int(place) for place in order])


def _moved(given: Arguments) -> Picture:
    picture = given.picture("a")
    count = len(picture.axes)
    source, target = (int(given.number(place, name)) % count for place, name in
                      ((1, "source"), (2, "destination")))  # fmt: skip
    order = [place for place in range(count) if place != source]
    order.insert(target, source)
    return picture.transposed(order)


def _rolled(given: Arguments) -> Picture:
    count = len(given.picture("a").axes)
    axis, start = int(given.number(1, "axis")) % count, int(given.number(2, "start", default=0))
    start -= axis < start
    return _moved(Arguments([given.picture("a"), axis, start], {}, given.where))


def _swapped(given: Arguments) -> Picture:
    picture = given.picture("a")
    order = [*range(len(picture.axes))]
    one, two = int(given.number(1, "axis1")), int(given.number(2, "axis2"))
    order[one], order[two] = order[two], order[one]
    return picture.transposed(order)


def clipped(picture: Picture, low: Any, high: Any) -> Picture:
    """Unchanged, where nothing lies outside."""
    ends = [end for s, o in picture.affine() for end in (o, 255 * s + o)]
    low, high = (None if bound is None else numbers_of(bound) for bound in (low, high))
    below = low is not None and min(ends) < low[0] - 1e-6
    if below or (high is not None and max(ends) > high[0] + 1e-6):
        raise Refused("its values are cut off")
    return picture


def _operator(sign: str) -> Callable[[Arguments], Any]:
    def call(given: Arguments) -> Any:
        left, right = given.get(0, "x1"), given.get(1, "x2")
        return arithmetic(sign, left, right, given.where, python_2=False)

    return call


def _as(kind: str) -> Callable[[Arguments], Any]:
    return lambda given: array(Arguments(given.given, {"dtype": kind}, given.where))


def _copied(given: Arguments) -> Any:
    found = array(given)
    return found.but(given.where, "", memory=object()) if isinstance(found, Picture) else found


def _blank(given: Arguments) -> Any:
    shape = flat_numbers(given.get(0, "shape", default=UNKNOWN))
    kind = given.get(1, "dtype", default=None)
    if not shape or not isinstance(given.get(0, "shape"), list | tuple):
        return None
    return Blank(tuple(int(size) for size in shape), whole="uint8" in str(kind))


def _flipped(given: Arguments) -> Picture:
    picture = given.picture("m")
    axis = given.get(1, "axis", default=None)
    if not isinstance(axis, int):
        raise Refused("it is turned round")
    keys = [slice(None)] * len(picture.axes)
    keys[axis] = slice(None, None, -1)
    return picture.indexed(keys, given.where)


def _bytes(given: Arguments) -> Any:
    value = given.get(0, "buffer", default=UNKNOWN)
    return value if value is Given.ENCODED else UNKNOWN


CALLS: dict[str, Callable[[Arguments], Any]] = {
    **planes.CALLS,
    **{f"numpy.{name}": array for name in (
        "asarray", "asanyarray", "ascontiguousarray", "asfarray",
    )},
    **{f"numpy.{name}": _copied for name in ("array", "copy")},
    **{f"numpy.{name}": _blank for name in ("zeros", "empty", "ones", "ndarray")},
    **{f"numpy.{name}": _as(name) for name in ("float32", "float64", "float16", "uint8")},
    "numpy.float": _as("float64"),
    "numpy.frombuffer": _bytes,
    "numpy.fromstring": _bytes,
    "numpy.expand_dims": _expand,
    "numpy.reshape": lambda given: given.picture("a").reshaped(given.get(1, "newshape", "shape")),
    "numpy.transpose": _transpose,
    "numpy.moveaxis": _moved,
    "numpy.rollaxis": _rolled,
    "numpy.swapaxes": _swapped,
    "numpy.squeeze": lambda given: squeeze(given.picture("a"), given.where),
    "numpy.flip": _flipped,
    "numpy.clip": lambda given: clipped(
        given.picture("a"), given.get(1, "a_min"), given.get(2, "a_max")
    ),
    **{f"numpy.{name}": _operator(sign) for name, sign in (
        ("add", "+"), ("subtract", "-"), ("multiply", "*"), ("divide", "/"), ("true_divide", "/"),
    )},
}  # fmt: skip


def method(picture: Picture, name: str, given: Arguments, *, python_2: bool) -> Any:
    """A method of an array."""
    where = given.where
    if name == "astype":
        return typed(picture, given.get(0, "dtype", default="?"), where)
    if name == "copy":
        return picture.but(where, "", memory=object())
    if name in ("numpy", "view", "__array__"):
        return picture
    if name == "reshape":
        shape = given.given[0] if len(given.given) == 1 else given.given
        target = given.named.get("shape", shape)
        sizes = flat_numbers(target)
        if sizes is None:
            raise Refused("it is reshaped to what is not known from the script")
        return picture.reshaped([int(size) for size in sizes])
    if name == "transpose":
        order = given.given[0] if len(given.given) == 1 else given.given
        places = flat_numbers(order) or range(len(picture.axes))[::-1]
        return picture.transposed([int(place) for place in places])
    if name == "squeeze":
        return squeeze(picture, where)
    if name == "mean":
        return planes.mean(picture, given.get(0, "axis", default=None), where)
    if name in ("clip",):
        return clipped(picture, given.get(0, "min"), given.get(1, "max"))
    if name in ("swapaxes", "dot"):
        whole = Arguments([picture, *given.given], given.named, where)
        return CALLS[f"numpy.{name}"](whole)
    signs = {"__add__": "+", "__sub__": "-", "__mul__": "*", "__truediv__": "/", "__div__": "/"}
    if name in signs:
        return arithmetic(signs[name], picture, given.get(0), where, python_2=python_2)
    raise Refused(f"its method {name} is not known here")


def answer_arithmetic(operator: str, left: Any, right: Any) -> Answer:
    """The network's answer, calculated with."""
    answer, other = (left, right) if isinstance(left, Answer) else (right, left)
    by = numbers_of(other)
    scale = None
    if answer.scale is not None and by and len(by) == 1 and by[0]:
        if operator == "*":
            scale = answer.scale * by[0]
        elif operator == "/" and answer is left:
            scale = answer.scale / by[0]
        elif operator == "-" and by[0] == 0:
            scale = answer.scale if answer is left else -answer.scale
    return Answer(scale, answer.place)


def unknown_of(values: list[Any], where: str, what: str) -> Unknown:
    """What is not known any more, with a reason if a picture went into it."""
    for value in values:
        if isinstance(value, Unknown) and value.reason:
            return value
    pictures = any(
        isinstance(one, Picture)
        for value in values
        for one in (value if isinstance(value, list | tuple) else [value])
    )
    return Unknown(f"{where}: {what}") if pictures else UNKNOWN

"""Operators in a network, ``picture / 127.5 - 1`` or ``picture[:, 60:135]``, as layers of Keras.

TensorFlow's Keras wrote them as ``TFOpLambda``, ``SlicingOpLambda`` and ``TensorFlowOpLayer``,
Keras 3 writes its own operations. Only those named here are known.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_import.inbound import TENSOR
from ghostlap.pilots.keras_import.layers import ACTIVATIONS, Origin, Part, simple
from ghostlap.pilots.keras_import.settings import Settings
from ghostlap.pilots.keras_import.weighted import bilinear, grey

_BINARY = {
    "add": "+", "addv2": "+", "radd": "+", "biasadd": "+", "subtract": "-", "sub": "-", "rsub": "-",
    "multiply": "*", "mul": "*", "rmul": "*", "divide": "/", "truediv": "/", "true_divide": "/",
    "truedivide": "/", "realdiv": "/", "div": "/", "div_no_nan": "/", "pow": "**", "power": "**",
    "maximum": "max", "minimum": "min",
}  # fmt: skip
_NOTHING = ("cast", "identity", "stop_gradient", "stopgradient", "convert_to_tensor", "copy")
_UNARY = {
    "absolute": "absolute", "abs": "absolute", "square": "square", "sqrt": "sqrt", "log": "log",
    "exp": "exp", "sign": "sign",
}  # fmt: skip
SCALING = frozenset({"+", "-", "*", "/"})

Function = Callable[[Any], Any]


def name_of(settings: Settings) -> str:
    """``math.truediv``, ``TrueDivide`` and ``RealDiv`` as one word."""
    return str(settings.values.get("function", "")).rpartition(".")[2].lower().strip("_")


def scales(settings: Settings) -> bool:
    """Whether the operator is arithmetic with a constant."""
    operands = settings.values["operands"]
    return _BINARY.get(name_of(settings)) in SCALING and operands.count(TENSOR) == 1


def operator(settings: Settings, origin: Origin) -> list[Part]:
    """The layers of one operator."""
    name, operands = name_of(settings), settings.values["operands"]
    options = settings.values["options"]
    tensors = operands.count(TENSOR)
    if name in _NOTHING and tensors == 1:
        return []
    if name in _BINARY and len(operands) == 2:
        return [_binary(_BINARY[name], operands, settings, origin)]
    if tensors == 1:
        if name in ("negative", "neg"):
            return [simple("Rescaling", scale=-1.0)]
        if name in ("getitem", "slice_helper", "strided_slice") and len(operands) == 2:
            return [cut(_keys(operands[1], settings), settings, origin)]
        if name in _UNARY:
            return [_applied(getattr(keras.ops, _UNARY[name]))]
        if name in ("clip", "clip_by_value"):
            named = [options.get(one, options.get(other)) for one, other in
                     (("x_min", "clip_value_min"), ("x_max", "clip_value_max"))]  # fmt: skip
            low, high = (_number(one, settings) for one in (*operands[1:], *named)[:2])
            return [_applied(functools.partial(keras.ops.clip, x_min=low, x_max=high))]
        if name in ACTIVATIONS and name != "linear" and not operands[1:]:
            old = "hard_sigmoid" if name == "hard_sigmoid" and origin.major < 3 else ""
            if not old:
                return [simple("Activation", activation=name)]
        if name in ("rgb_to_grayscale", "rgbtograyscale") and not origin.channels_first:
            return [grey()]
        if name in ("resize", "resize_images") and not origin.channels_first:
            return [_resize(operands, options, settings, origin)]
    raise settings.fail(
        f"the operator {str(settings.values.get('function'))[:60]} is not understood in this form. "
        "If it stands before the first layer with weights, cut it off in Keras, "
        "keras.Model(model.get_layer(NEXT).input, model.output), and say what it did with --steps "
        "and --scale."
    )


def _number(value: Any, settings: Settings) -> float:
    return Settings(settings.layer, settings.kind, {"number": _plain(value)}).number("number")


def _applied(call: Function) -> Part:
    return Part(lambda name: call)


def _binary(sign: str, operands: Sequence[Any], settings: Settings, origin: Origin) -> Part:
    """Two tensors, or a tensor and a constant, in either order."""
    if operands.count(TENSOR) == 2:
        layers = {"+": "Add", "-": "Subtract", "*": "Multiply", "max": "Maximum", "min": "Minimum"}
        if sign in layers:
            return simple(layers[sign])
        calls: dict[str, Function] = {"/": lambda pair: pair[0] / pair[1]}
        if sign in calls:
            return _applied(calls[sign])
        raise settings.fail(f"{sign} of two tensors is not understood.")
    first = operands[0] is TENSOR
    constant = _plain(operands[1] if first else operands[0])
    several = isinstance(constant, list) and len(constant) > 1
    if several and origin.channels_first:
        raise settings.fail("one number for each channel is not understood, channels first.")
    value = Settings(settings.layer, settings.kind, {"number": constant}).numbers("number")
    values = value if isinstance(value, list) else [value]
    plain: Any
    if sign in ("max", "min"):
        call = keras.ops.maximum if sign == "max" else keras.ops.minimum
        return _applied(lambda tensor: call(tensor, value))
    if sign == "**" and first:
        return _applied(lambda tensor: keras.ops.power(tensor, value))
    if sign == "/" and not first:
        return _applied(lambda tensor: value / tensor)
    if sign == "**" or (sign == "/" and 0 in values):
        raise settings.fail(f"a power of {value}, or a division by 0, is not understood.")
    zero, one_each = [0.0] * len(values), [1.0] * len(values)
    minus = [-one for one in values]
    scale, offset = {
        "+": (one_each, values),
        "-": (one_each, minus) if first else ([-1.0] * len(values), values),
        "*": (values, zero),
        "/": ([1 / one for one in values if one], zero),
    }[sign]  # fmt: skip
    plain = (
        {"scale": scale, "offset": offset} if several else {"scale": scale[0], "offset": offset[0]}
    )
    return simple("Rescaling", **plain)


def _plain(constant: Any) -> Any:
    """A constant out of Keras 3's objects and out of axes of size 1."""
    for _ in range(8):
        if isinstance(constant, dict):
            constant = constant.get("value", constant.get("config"))
        elif isinstance(constant, list) and len(constant) == 1:
            constant = constant[0]
    return constant


def _keys(value: Any, settings: Settings) -> list[Any]:
    """Slices as files hold them; each as ``(start, stop, step)``, or …"""
    found: list[Any] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and one.get("class_name") == "__slice__":
            one = one.get("config")
        if one == "..." or (isinstance(one, dict) and one.get("class_name") == "__ellipsis__"):
            found.append(Ellipsis)
        elif isinstance(one, dict):
            found.append(tuple(one.get(side) for side in ("start", "stop", "step")))
        else:
            raise settings.fail("single rows, columns or channels are taken out, not slices.")
    return found


def cut(keys: Sequence[Any], settings: Settings, origin: Origin) -> Part:
    """``tensor[keys]``; a crop of rows and columns is a layer of Keras.

    Keys are, for each axis, the batch's too, ``(start, stop, step)``; or ``...``.
    """
    for key in keys:
        sides = key if isinstance(key, tuple) else ()
        good = all(s is None or (isinstance(s, int) and abs(s) < 1 << 16) for s in sides)
        if not good or (key is not Ellipsis and len(sides) != 3) or sides[2:] == (0,):
            raise settings.fail("what is taken out of it must be slices of whole numbers.")

    def call(name: str, tensor: Any) -> Any:
        rank = len(tensor.shape)
        whole = [(None, None, None)]
        place = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
        after = list(keys[place + 1 :])
        full = [*keys[:place], *whole * (rank - place - len(after)), *after]
        if len(full) != rank or any(full[0][:2]) or full[0][2] not in (None, 1) or Ellipsis in full:
            raise settings.fail(f"it is cut as {keys}, but has {rank} axes.")
        if origin.channels_first and rank == 4:
            full = [full[0], full[2], full[3], full[1]]
        slices = [slice(*key) for key in full]
        if rank == 4 and all(key[2] in (None, 1) for key in full):
            edges = []
            for size, one in zip(tensor.shape[1:], slices[1:], strict=True):
                start, stop, _ = one.indices(size)
                edges.append((start, max(0, size - stop)))
            tensor = keras.layers.Cropping2D(edges[:2], name=name)(tensor)
            if edges[2] == (0, 0):
                return tensor
            slices[1:3] = slice(None), slice(None)
        return tensor[tuple(slices)]

    return Part(lambda name: functools.partial(call, name))


def _resize(
    operands: Sequence[Any], options: dict[str, Any], settings: Settings, origin: Origin
) -> Part:
    given = Settings(settings.layer, settings.kind, {
        "size": operands[1] if len(operands) > 1 else options.get("size")
    })  # fmt: skip
    height, width = given.pair("size", low=1, high=4096)
    how = options.get("interpolation", options.get("method", "bilinear"))
    if how != "bilinear" or options.get("antialias") or options.get("crop_to_aspect_ratio"):
        raise settings.fail("resizing in this way is not understood.")

    def call(name: str, tensor: Any) -> Any:
        shape = tuple(tensor.shape[1:])
        for i, part in enumerate(bilinear(shape, height, width, origin.half_pixels)):
            made = part.make(f"{name}_resized_{i}")
            tensor = made(tensor)
            if part.known:
                made.set_weights(list(part.known))
        return tensor

    return Part(lambda name: functools.partial(call, name))

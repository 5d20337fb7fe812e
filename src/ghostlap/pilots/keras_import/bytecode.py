"""What a plain function of one picture computes, followed through its bytecode, not executed.

The instructions are walked over once, with symbols in place of values: a picture to which certain
steps were done, a constant, a name. Only what occurs in ``x / 127.5 - 1`` and its kin, resizing and
grey pictures is known. The opcodes are those of CPython's Lib/opcode.py.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

from ghostlap.pilots.keras_import.marshalled import Code, NotUnderstood, read_code

_MOST_INSTRUCTIONS = 200
_MOST_STEPS = 8
_VARIABLE_ARGUMENTS = 0x04 | 0x08 | 0x20  # *args, **kwargs, generator


@dataclasses.dataclass(frozen=True)
class Affine:
    """``x * scale + offset``."""

    scale: float
    offset: float


@dataclasses.dataclass(frozen=True)
class Resize:
    """Bilinear resizing."""

    height: int
    width: int
    function: str
    """``resize_images`` or ``resize``: how pixels are counted depends on it."""


@dataclasses.dataclass(frozen=True)
class Grey:
    """RGB to one channel."""


Key = tuple[int | None, int | None, int | None]


@dataclasses.dataclass(frozen=True)
class Cut:
    """``x[keys]``: for each axis, the batch's too, ``(start, stop, step)``; or ``...``."""

    keys: tuple[Any, ...]


Step = Affine | Resize | Grey | Cut


@dataclasses.dataclass(frozen=True)
class _Picture:
    steps: tuple[Step, ...] = ()


class _Name(NamedTuple):
    path: tuple[str, ...]


class _Instruction(NamedTuple):
    name: str
    argument: int


_BINARY = {20: "*", 21: "//2", 23: "+", 24: "-", 27: "/"}
_OLD = {
    9: "NOP", 11: "NEGATIVE", 25: "SUBSCRIPT", 83: "RETURN", 100: "CONST", 102: "TUPLE",
    103: "TUPLE", 106: "ATTR", 116: "GLOBAL", 124: "FAST", 131: "CALL", 133: "SLICE", **_BINARY,
}  # fmt: skip
_OLD_3 = {code: name for code, name in _OLD.items() if name != "//2"}
_METHODS = {**_OLD_3, 160: "ATTR", 161: "CALL"}
_OPERATORS = {0: "+", 5: "*", 10: "-", 11: "/"}  # of BINARY_OP, by its argument
_NEW_311 = {
    0: "NOP", 2: "NOP", 9: "NOP", 11: "NEGATIVE", 25: "SUBSCRIPT", 83: "RETURN", 100: "CONST",
    102: "TUPLE", 103: "TUPLE", 106: "ATTR", 116: "GLOBAL2", 122: "BINARY", 124: "FAST",
    133: "SLICE", 151: "NOP",
    160: "ATTR", 166: "NOP", 171: "CALL",
}  # fmt: skip
_NEW_312 = {**_NEW_311, 26: "SLICED", 106: "ATTR2"}
del _NEW_312[160], _NEW_312[166]
_NEW_313 = {
    0: "NOP", 4: "SLICED", 5: "SUBSCRIPT", 30: "NOP", 34: "NOP", 36: "RETURN", 42: "NEGATIVE",
    45: "BINARY", 47: "TUPLE", 50: "SLICE",
    52: "TUPLE", 53: "CALL", 82: "ATTR2", 83: "CONST", 85: "FAST", 91: "GLOBAL2", 149: "NOP",
}  # fmt: skip

# For each layout of code: the opcodes of its versions, and from which opcode on a version without
# wordcode has arguments (0: every instruction is two bytes, as from 3.6 on).
_VERSIONS: dict[str, list[tuple[dict[int, str], int]]] = {
    "2.7": [(_OLD, 90)],
    "3.0": [(_OLD_3, 90), (_METHODS, 0)],
    "3.8": [(_METHODS, 0)],
    "3.11": [(_NEW_311, 0), (_NEW_312, 0), (_NEW_313, 0)],
}


def steps_of(data: bytes) -> tuple[Step, ...]:
    """What marshalled code does to a picture.

    Raises:
        NotUnderstood: anything in it is not known, or it could mean two things.
    """
    found: list[tuple[Step, ...]] = []
    reason = ""
    for code in read_code(data):
        _check_signature(code)
        for opcodes, arguments_from in _VERSIONS[code.layout]:
            try:
                steps = _follow(code, _instructions(code.instructions, opcodes, arguments_from))
            except NotUnderstood as error:
                reason = str(error)
                continue
            if steps not in found:
                found.append(steps)
    if len(found) != 1:
        raise NotUnderstood(reason if not found else "its bytes can be read in two ways")
    return found[0]


def _check_signature(code: Code) -> None:
    if code.argcount != 1 or code.keyword_only or code.flags & _VARIABLE_ARGUMENTS:
        raise NotUnderstood("it does not take just one picture")
    if code.closed_over:
        raise NotUnderstood("it uses variables from around it")
    if len(code.varnames) != 1:
        raise NotUnderstood("it has variables of its own")


def _instructions(data: bytes, opcodes: dict[int, str], arguments_from: int) -> list[_Instruction]:
    found: list[_Instruction] = []
    place = 0
    while place < len(data) and len(found) < _MOST_INSTRUCTIONS:
        opcode = data[place]
        if opcode not in opcodes:
            raise NotUnderstood(f"it does more than arithmetic (instruction {opcode})")
        size = 2 if arguments_from == 0 else 3 if opcode >= arguments_from else 1
        if place + size > len(data):
            raise NotUnderstood("it is cut off")
        argument = int.from_bytes(data[place + 1 : place + size], "little")
        found.append(_Instruction(opcodes[opcode], argument))
        place += size
    if place < len(data):
        raise NotUnderstood("it is too long")
    return found


def _follow(code: Code, instructions: list[_Instruction]) -> tuple[Step, ...]:
    stack: list[Any] = []
    whole_division = code.layout == "2.7"
    for place, (name, argument) in enumerate(instructions):
        if name == "RETURN":
            if place != len(instructions) - 1 or len(stack) != 1:
                raise NotUnderstood("it returns in more than one way")
            if not isinstance(stack[0], _Picture):
                raise NotUnderstood("it does not return the picture")
            return stack[0].steps
        _carry_out(code, stack, name, argument, whole_division)
    raise NotUnderstood("it never returns")


def _carry_out(
    code: Code, stack: list[Any], name: str, argument: int, whole_division: bool
) -> None:
    if name == "NOP":
        return
    if name == "SLICE" and argument not in (2, 3):
        raise NotUnderstood("it makes a slice of what is none")
    if name == "FAST":
        _at(code.varnames, argument)
        stack.append(_Picture())
    elif name == "CONST":
        stack.append(_at(code.consts, argument))
    elif name in ("GLOBAL", "GLOBAL2"):
        stack.append(_Name((_at(code.names, argument >> (name == "GLOBAL2")),)))
    elif name in ("ATTR", "ATTR2"):
        owner = _pop(stack, 1)[0]
        if not isinstance(owner, _Name):
            raise NotUnderstood("it asks a value for an attribute")
        stack.append(_Name((*owner.path, _at(code.names, argument >> (name == "ATTR2")))))
    elif name == "SLICE":
        stack.append(slice(*_pop(stack, argument)))
    elif name == "SLICED":
        owner, start, stop = _pop(stack, 3)
        stack.append(_cut(owner, slice(start, stop)))
    elif name == "SUBSCRIPT":
        stack.append(_cut(*_pop(stack, 2)))
    elif name == "TUPLE":
        stack.append(tuple(_pop(stack, argument)))
    elif name == "CALL":
        function, *arguments = _pop(stack, argument + 1)
        stack.append(_called(function, arguments))
    elif name == "NEGATIVE":
        stack.append(_binary("*", _pop(stack, 1)[0], -1))
    else:
        operator = _OPERATORS.get(argument, "?") if name == "BINARY" else name
        left, right = _pop(stack, 2)
        if operator == "//2":
            if whole_division and isinstance(left, int) and isinstance(right, int):
                raise NotUnderstood("Python 2 divides its whole numbers without remainder")
            operator = "/"
        stack.append(_binary(operator, left, right))


def _at(values: tuple[Any, ...], index: int) -> Any:
    if index >= len(values):
        raise NotUnderstood("it refers to what is not there")
    return values[index]


def _pop(stack: list[Any], count: int) -> list[Any]:
    if count > len(stack):
        raise NotUnderstood("it takes more from its stack than is there")
    taken = stack[len(stack) - count :]
    del stack[len(stack) - count :]
    return taken


def _cut(owner: Any, key: Any) -> _Picture:
    keys: list[Any] = []
    for one in key if isinstance(key, tuple) else (key,):
        sides = (one.start, one.stop, one.step) if isinstance(one, slice) else None
        if one is Ellipsis:
            keys.append(one)
        elif sides and all(s is None or (_is_number(s) and isinstance(s, int)) for s in sides):
            keys.append(sides)
        else:
            raise NotUnderstood("it takes something else out of the picture than slices")
    if not isinstance(owner, _Picture) or len(owner.steps) >= _MOST_STEPS or len(keys) > 4:
        raise NotUnderstood("it takes a part of something else than the picture")
    return _Picture((*owner.steps, Cut(tuple(keys))))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _binary(operator: str, left: Any, right: Any) -> Any:
    if operator not in ("+", "-", "*", "/"):
        raise NotUnderstood("it does arithmetic that is not affine")
    if _is_number(left) and _is_number(right):
        return _finite(_of_numbers(operator, float(left), float(right)))
    if isinstance(left, _Picture) and _is_number(right):
        number = float(right)
        if operator == "/":
            return _scaled(left, _of_numbers("/", 1.0, number), 0.0)
        if operator == "*":
            return _scaled(left, number, 0.0)
        return _scaled(left, 1.0, number if operator == "+" else -number)
    if _is_number(left) and isinstance(right, _Picture) and operator != "/":
        if operator == "*":
            return _scaled(right, float(left), 0.0)
        return _scaled(right, 1.0 if operator == "+" else -1.0, float(left))
    raise NotUnderstood("it does arithmetic that is not affine")


def _of_numbers(operator: str, left: float, right: float) -> float:
    if operator == "/":
        return left / right if right else math.inf
    return left * right if operator == "*" else left + right if operator == "+" else left - right


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise NotUnderstood("its numbers are not finite")
    return number


def _scaled(picture: _Picture, scale: float, offset: float) -> _Picture:
    steps = picture.steps
    last = Affine(1.0, 0.0)
    if steps and isinstance(steps[-1], Affine):
        last, steps = steps[-1], steps[:-1]
    both = Affine(_finite(last.scale * scale), _finite(last.offset * scale + offset))
    return _Picture((*steps, both))


def _called(function: Any, arguments: list[Any]) -> _Picture:
    if not isinstance(function, _Name) or not arguments or not isinstance(arguments[0], _Picture):
        raise NotUnderstood("it calls something else than a function of the picture")
    called, picture, rest = ".".join(function.path), arguments[0], arguments[1:]
    if len(picture.steps) >= _MOST_STEPS:
        raise NotUnderstood("it does too much")
    module, what = function.path[:-1], function.path[-1]
    if module[-1:] == ("image",) and what == "rgb_to_grayscale" and not rest:
        return _Picture((*picture.steps, Grey()))
    if module[-1:] == ("image",) and what in ("resize_images", "resize") and len(rest) == 1:
        size = rest[0]
        whole = isinstance(size, tuple) and len(size) == 2
        if whole and all(isinstance(side, int) and 1 <= side <= 4096 for side in size):
            return _Picture((*picture.steps, Resize(size[0], size[1], what)))
    raise NotUnderstood(f"it calls {called[:60]}")

"""What a model's own drive.py does to a picture before the network sees it."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any, TypeVar

from ghostlap.base.errors import GhostlapError, LegacyError
from ghostlap.data.vision.preprocessing import COLOUR_STEPS, Preprocessing
from ghostlap.data.vision.steps import Shape, Step, crop_step
from ghostlap.pilots.keras_import.script.facts import Facts
from ghostlap.pilots.keras_import.script.interpreter import Interpreter
from ghostlap.pilots.keras_import.script.picture import Line, Picture
from ghostlap.pilots.keras_import.script.source import OPTIONS
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    Answer,
    Class,
    Function,
    Given,
    Scope,
    Unknown,
)

LEGACY_YUV = "what OpenCV up to 3.1 called YUV"
_NAMED = re.compile(r"pre_?process|process_?(img|image|frame)|(img|image|frame)_?process", re.I)
_TINY = 1e-9
_FRAMES = 12
"""Sent to a handler that does not ask its network about each."""
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class ScriptReading:
    """A script as it was understood."""

    picture: Picture
    """What the network is given."""
    recipe: Preprocessing
    channel_scale: tuple[tuple[float, float], ...]
    """Scale and offset of each channel, where they differ; the network must then do it."""
    lines: tuple[Line, ...]
    """Line by line."""
    steering_scale: float | None
    """What the answer is multiplied by on its way to the car; None if that was not understood."""
    output: int | None
    """Which of the network's numbers it steers by; None if that was not understood."""
    steers_otherwise: bool
    """Whether more than a factor is done to the answer on its way to the car."""
    assumed: str
    """What was assumed that the script does not say; empty for nothing."""


def read_script(
    script: Path,
    frame: tuple[int, int],
    network: tuple[int, ...] = (),
    *,
    old: bool = False,
    oldest: bool = False,
) -> list[ScriptReading]:
    """The preprocessing of a drive.py, without running it.

    Args:
        script: the file; those beside it that it imports are read, too.
        network: height, width and channels that it sees, if a script should ask.
        old: whether the model is of 2019 or before.
        oldest: whether it is of 2016 or so, when OpenCV's YUV was another.

    Returns:
        What it does, the likeliest first; several where it depends on a library's version.

    Raises:
        LegacyError: it is no Python, or does something that cannot be expressed; with the line.
    """
    facts = Facts(frame, old, network=network)
    readings = [_read(script, facts, "")]
    for question, options in facts.asked.items():
        readings[0] = dataclasses.replace(readings[0], assumed=f"{question} is {options[0]}")
        again = Facts(frame, old, {question: options[1]}, network=network)
        readings.append(_read(script, again, f"{question} is {options[1]}"))
    if facts.typed:
        words = ", ".join(f"--{name} {value}" for name, value in facts.typed.items())
        words = f"its options are as they are if not typed: {words}"
        readings = [
            dataclasses.replace(one, assumed=f"{one.assumed}; {words}".removeprefix("; "))
            for one in readings
        ]
    if oldest:
        for reading in readings[:1]:
            turned = {"RGB2YUV": "BGR2YUV", "BGR2YUV": "RGB2YUV"}
            steps = tuple(
                dataclasses.replace(step, name=turned.get(step.name, step.name))
                for step in reading.picture.steps
            )
            if steps != reading.picture.steps:
                picture = dataclasses.replace(reading.picture, steps=steps)
                recipe, _ = recipe_of(picture, frame)
                changes: dict[str, Any] = {"picture": picture, "recipe": recipe}
                readings.append(dataclasses.replace(reading, assumed=LEGACY_YUV, **changes))
    return readings


def _read(script: Path, facts: Facts, assumed: str) -> ScriptReading:
    try:
        walk = Interpreter(script, facts)
        if walk.handlers:
            walk.asked.clear()
            for _ in range(_FRAMES):
                for handler in walk.handlers:
                    arguments = handler.node.args
                    count = len(arguments.args) - len(handler.bound) or 2 * bool(arguments.vararg)
                    given = [UNKNOWN] * max(0, count - 1) + [Given.TELEMETRY]
                    walk.follow(handler, [*handler.bound, *given], {}, script.name)
                if len(walk.asked) > 1:  # what the first frame leaves may change the next
                    break
        elif not walk.asked:
            _without_handler(walk, script)
    except RecursionError:
        raise LegacyError(f"--script {script}: is nested too deeply. {OPTIONS}.") from None
    picture = _seen(walk, script)
    recipe, channel_scale = recipe_of(picture, facts.frame)
    answers = [answer for answer in walk.sent if isinstance(answer, Answer)]
    scale = _the_one({answer.scale for answer in answers})
    output = _the_one({answer.place for answer in answers if (answer.place or 0) >= 0})
    told = [value for value in walk.sent if not isinstance(value, int | float | str)]
    return ScriptReading(
        picture, recipe, channel_scale, picture.log, scale, output, bool(told) and scale is None,
        assumed,
    )  # fmt: skip


def _the_one(values: set[T]) -> T | None:
    return values.pop() if len(values) == 1 else None


def _without_handler(walk: Interpreter, script: Path) -> None:
    """No telemetry is handled: a function that asks the network, or one that is called so."""
    functions = _functions(walk.main.names)
    asking = [
        one
        for one in functions
        if any(
            isinstance(node, ast.Attribute) and node.attr.startswith("predict")
            for node in ast.walk(one[1].node)
        )
    ]
    for name, function, kind in asking or [one for one in functions if _NAMED.search(one[0])]:
        where = f"{script.name}:{function.node.lineno}"
        picture = walk.facts.opened(where, f"{name} is given an RGB array", pillow=False)
        own = (
            []
            if kind is None
            else [walk.call(kind, [], {}, where, function.node, Scope(walk.main, ()))]
        )
        result = walk.follow(function, [*own, picture], {}, where)
        if not asking and isinstance(result, Picture | Unknown):
            walk.asked.append((result, where))


def _functions(names: dict[str, Any]) -> list[tuple[str, Function, Class | None]]:
    """All functions and methods, with the class whose instance they want."""
    found: list[tuple[str, Function, Class | None]] = []
    for name, value in names.items():
        if isinstance(value, Function):
            found.append((name, value, None))
        elif isinstance(value, Class):
            methods = [(k, v) for k, v in value.names.items() if isinstance(v, Function)]
            found += [
                (f"{name}.{inner}", method, None if method.kind == "staticmethod" else value)
                for inner, method in methods
            ]
    return found


def _seen(walk: Interpreter, script: Path) -> Picture:
    """The one picture that the network is asked about."""
    found = []
    for value, where in walk.asked:
        while isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        if isinstance(value, list | tuple):
            raise LegacyError(
                f"--script {where}: the network is given {len(value)} things at once, a pilot sees "
                "one picture only. Such a model cannot be imported."
            )
        found.append((value, where))
    chained = [where for value, where in found if isinstance(value, Answer)]
    if chained:
        raise LegacyError(
            f"--script {chained[0]}: the network is given what another one answers. {OPTIONS}."
        )
    pictures = [value for value, _ in found if isinstance(value, Picture)]
    reasons = [value.reason for value, _ in found if isinstance(value, Unknown) and value.reason]
    if reasons:
        raise LegacyError(
            f"--script {script}: not everything that is done to the picture is understood. "
            f"{reasons[0].rstrip('.')}. {OPTIONS}."
        )
    others = [where for value, where in found if not isinstance(value, Picture)]
    if not pictures and others:
        raise LegacyError(
            f"--script {others[0]}: how what the network is given here came of the picture is not "
            f"understood. {OPTIONS}."
        )
    if not pictures:
        raise LegacyError(
            f"--script {script}: nothing in it was found that takes the simulator's telemetry (or "
            "a picture) to a model's predict. Name the drive.py that belongs to the model, with "
            f"the files that it imports beside it. {OPTIONS}."
        )
    if any(picture != pictures[0] for picture in pictures):
        raise LegacyError(
            f"--script {script}: the network is asked about pictures that were made in different "
            f"ways, at two places or in two frames ({', '.join(where for _, where in found[:4])}). "
            f"{OPTIONS}."
        )
    picture = pictures[0]
    if picture.axes.replace("1", "") not in ("hwc", "hw", "chw"):
        raise LegacyError(
            f"--script {script}: the network is given a picture of shape {picture.sizes}, whose "
            f"rows, columns and channels are not in the usual order. {OPTIONS}."
        )
    if picture.pillow:
        raise LegacyError(f"--script {script}: the network is given a picture of Pillow's.")
    return picture


def recipe_of(
    picture: Picture, frame: tuple[int, int]
) -> tuple[Preprocessing, tuple[tuple[float, float], ...]]:
    """A picture's steps as a preprocessing; and each channel's scale, if they differ.

    Raises:
        LegacyError: there is no such preprocessing.
    """
    whole = *frame, 3
    steps = plain_steps(picture.steps, whole)
    top, bottom = 0, frame[0]
    if steps and steps[0].kind == "crop":
        top, bottom, left, right = (int(side) for side in steps[0].numbers)
        inner = bottom - top, right - left, 3
        steps = plain_steps(
            [crop_step(0, inner[0], left, right), *steps[1:]], (inner[0], *whole[1:])
        )
    affine = set(picture.affine())
    (scale, offset) = affine.pop() if len(affine) == 1 else (1.0, 0.0)
    size: dict[str, Any] = {
        "frame_height_px": frame[0], "frame_width_px": frame[1], "crop_top_px": top,
        "crop_bottom_px": bottom, "height_px": picture.shape[0], "width_px": picture.shape[1],
        "divide_by": _neat(1 / scale), "offset": _neat(offset),
    }  # fmt: skip
    try:
        for colour in COLOUR_STEPS:
            for blur_px in (0, *(int(s.numbers[0]) for s in steps if s.kind == "blur")):
                usual = Preprocessing(**size, colour=colour, blur_px=blur_px)
                if plain_steps(usual.plan, (bottom - top, frame[1], 3)) == steps:
                    return usual, tuple(picture.affine()) if affine else ()
        texts = tuple(str(step) for step in steps)
        other = Preprocessing(**size, colour="rgb", blur_px=0, steps=texts)
    except GhostlapError as error:
        raise LegacyError(f"--script: was understood, but cannot be done: {error}") from None
    return other, tuple(picture.affine()) if affine else ()


def _neat(number: float) -> float:
    """1 / (1 / 255) is 255."""
    close = round(number * 10) / 10
    return close if abs(number - close) < _TINY * max(1, abs(number)) else number


def plain_steps(steps: Any, shape: Shape) -> list[Step]:
    """The same steps with what does nothing left out, and what can be one made one."""
    found: list[Step] = []
    start = shape
    for step in steps:
        after = step.shape(shape)
        last = found[-1] if found else None
        if step.kind in ("crop", "resize") and after == shape:
            continue
        if step.kind == "channels" and step.numbers == tuple(range(shape[2])):
            continue
        if last and last.kind == step.kind == "crop":
            top, _, left, _ = last.numbers
            sides = zip(step.numbers, (top, top, left, left), strict=True)
            step = crop_step(*(int(side + start) for side, start in sides))
            found.pop()
        elif last and last.kind == step.kind == "channels":
            step = Step("channels", tuple(last.numbers[int(n)] for n in step.numbers))
            found.pop()
            if step.numbers == (0, 1, 2):
                shape = after
                continue
        elif last and last == Step("channels", (2, 1, 0)) and step.name[:4] in ("RGB2", "BGR2"):
            found.pop()
            turned = "BGR" if step.name.startswith("RGB") else "RGB"
            step = Step("colour", name=turned + step.name[3:])
        found.append(step)
        shape = after
    # Crops go before changes of single pixels' colours, which are the same to each pixel.
    for i in range(len(found) - 1, 0, -1):
        if found[i].kind == "crop" and found[i - 1].kind in ("colour", "channels", "mix", "wrap"):
            found[i - 1 : i + 1] = found[i], found[i - 1]
            return plain_steps(found, start)
    return found

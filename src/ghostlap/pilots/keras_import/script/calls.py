"""What a call in a script gives: of its own functions, of libraries, of the network."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

from ghostlap.pilots.keras_import.script import arrays, builtin, libraries
from ghostlap.pilots.keras_import.script.expressions import MADE, Evaluator
from ghostlap.pilots.keras_import.script.facts import Facts
from ghostlap.pilots.keras_import.script.operators import MOST_ITEMS, is_constant
from ghostlap.pilots.keras_import.script.picture import Picture
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    Answer,
    Arguments,
    Bound,
    Class,
    External,
    Function,
    Given,
    Instance,
    Module,
    Partial,
    Scope,
    Unknown,
)

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "int": int, "float": float, "round": round, "abs": abs, "min": min, "max": max, "len": len,
    "tuple": tuple, "list": list, "bool": bool, "slice": slice, "sum": sum, "reversed": reversed,
    "floor": math.floor, "ceil": math.ceil, "sqrt": math.sqrt, "int32": int, "int64": int,
    "rint": round, "trunc": math.trunc, "sorted": sorted, "zip": zip, "enumerate": enumerate,
}  # fmt: skip
_ASKED = ("predict", "predict_on_batch", "predict_classes", "predict_step")


_PAINTING = {
    "thumbnail", "paste", "putpixel", "putalpha", "putdata", "draft", "fill", "sort", "itemset",
    "put", "partition", "rectangle", "line", "circle", "ellipse", "polylines", "fillPoly",
    "fillConvexPoly", "putText", "drawContours", "floodFill", "arrowedLine", "drawMarker", "Draw",
    "copyto", "putmask", "place", "shuffle",
}  # fmt: skip
"""What changes a picture in place, whatever becomes of the result."""


def _painted(function: Any, given: list[Any], named: dict[str, Any]) -> list[Picture]:
    """Pictures that a library's function changes in place."""
    bound = isinstance(function, Bound)
    first, *others = [function.owner, *given] if bound else [*given, None]
    path = function.name if bound else getattr(function, "path", "")
    found: list[Any] = [named.get("out"), named.get("dst")]
    if path.rpartition(".")[2] in _PAINTING:
        found.append(first)
    if bound and path == "resize" and not getattr(first, "pillow", True):
        found.append(first)
    if path.startswith("cv2.") and isinstance(first, Picture):  # its third argument or so
        found += [one for one in others if getattr(one, "memory", None) is first.memory]
    return [one for one in found if isinstance(one, Picture)]


class Caller(Evaluator):
    """Evaluates calls; how a script's own functions are followed is said by who runs it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.asked: list[tuple[Any, str]] = []
        """What the network was given, and where."""
        self.sent: list[Any] = []
        """What the car is told to steer."""
        self.uncertain = 0
        """How many conditions that are not known lead here."""

    def call(
        self, function: Any, given: list[Any], named: dict[str, Any], where: str,
        node: ast.AST, scope: Scope,
    ) -> Any:  # fmt: skip
        """What a call gives."""
        if isinstance(function, Function):
            return self.follow(function, [*function.bound, *given], named, where)
        if isinstance(function, Class):
            made = Instance(function, {})
            self.keep(made.names)
            start = function.find("__init__")
            if isinstance(start, Function):
                self.follow(start, [made, *given], named, where)
            else:
                made.names.update(builtin.fields_of(function, given, named))
            return made
        if isinstance(function, Partial):
            given, named = [*function.given, *given], {**function.named, **named}
            return self.call(function.function, given, named, where, node, scope)
        if isinstance(function, Instance):
            method = function.kind.find("__call__")
            if isinstance(method, Function):
                return self.follow(method, [function, *given], named, where)
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        values = [*given, *named.values()]
        if name in ("emit", "send", "dumps"):
            told = [value for value in values if isinstance(value, dict)]
            self.sent += [value["steering_angle"] for value in told if "steering_angle" in value]
        if self._is_asked(function, name, values):
            first = given[0] if given else named.get("x", named.get("inputs", UNKNOWN))
            self.asked.append((first, where))
            return Answer()
        arguments = Arguments(given, named, where)
        for painted in _painted(function, given, named):
            self.change(painted, Unknown(f"{where}: {name} paints into the picture"))
        if isinstance(function, Bound):
            return self._method(function, arguments, scope)
        if isinstance(function, External):
            found = self._of_python(function.path, arguments, node, scope)
            return self._library(function, arguments, values) if found is None else found[0]
        name = name or ast.unparse(node)[:40]
        return arrays.unknown_of([function, *values], where, f"{name}(…) is not known here")

    def _of_python(
        self, path: str, given: Arguments, node: ast.AST, scope: Scope
    ) -> tuple[Any] | None:
        """What a function of Python's own gives, in a tuple; None for others."""
        path, (first, second, *rest) = path.removeprefix("builtins."), [*given.given, None, None]
        count, where = len(given.given), given.where
        if path == "functools.partial" and count:
            return (Partial(first, tuple(given.given[1:]), given.named),)
        if path in ("functools.reduce", "reduce") and isinstance(second, list | tuple):
            among = [*rest[:1], *second] if count > 2 else [*second]
            found = among[0] if among else UNKNOWN
            for one in among[1:MOST_ITEMS]:
                found = self.call(first, [found, one], {}, where, node, scope)
            return (found,)
        if path == "map" and count == 2 and isinstance(second, list | tuple):
            return ([self.call(first, [one], {}, where, node, scope) for one in second],)
        if path == "exec":
            for names in (*scope.chain, scope.module.names):
                for name, value in list(names.items()):
                    if is_constant(value) or isinstance(value, Picture):
                        names[name] = Unknown(f"{where}: exec may change {name}")
            return (None,)
        if path == "globals":
            return (scope.module.names,)
        if path == "super" and isinstance(first, Class) and isinstance(second, Instance):
            real = second.real or second
            return (Instance(Class("super", {}, first.bases), second.names, real),)
        if path == "isinstance" and count == 2:
            known = builtin.is_a(first, second)
            return (UNKNOWN if known is None else known,)
        if path in ("getattr", "setattr") and isinstance(second, str):
            if path == "getattr":
                return (self.attribute(first, second, where),)
            if isinstance(first, Instance | Class | Module):
                first.names[second] = rest[0] if count > 2 else UNKNOWN
        kinds: dict[str, Any] = {
            "enumerate": enumerate, "zip": zip, "reversed": reversed, "list": list, "tuple": tuple,
        }  # fmt: skip
        among = all(isinstance(one, list | tuple | dict | range) for one in given.given)
        if path in kinds and count and among and not given.named:
            found = [*kinds[path](*given.given)][:MOST_ITEMS]
            return (tuple(found) if path == "tuple" else found,)
        made = builtin.made(path if "." in path else f"builtins.{path}", given)
        return None if made is None else (made,)

    def keep(self, names: dict[str, Any]) -> None:
        """Remember names that a branch may change."""
        raise NotImplementedError

    def change(self, before: Picture, now: Picture | Unknown) -> Picture | Unknown:
        """Pixels are changed where they lie."""
        raise NotImplementedError

    def _is_asked(self, function: Any, name: str, values: list[Any]) -> bool:
        """Whether this is the network being asked."""
        if name in _ASKED and (not isinstance(function, Bound) or function.owner is None):
            return True
        pictures = any(isinstance(one, Picture | Unknown) for one in values)
        path = function.path if isinstance(function, External) else ""
        made = MADE.search(path)
        called_so = name in ("model", "net", "network") and isinstance(function, External | Unknown)
        return pictures and bool(
            made or (called_so and any(isinstance(v, Picture) for v in values))
        )

    def _method(self, function: Bound, given: Arguments, scope: Scope) -> Any:
        owner, name = function.owner, function.name
        python_2 = scope.module.source.python_2
        if isinstance(owner, Picture):
            return libraries.method(owner, name, given, self.facts, python_2=python_2)
        if owner is Given.TELEMETRY and name in ("get", "__getitem__", "pop"):
            return Given.ENCODED if given.get(0, default=None) == "image" else UNKNOWN
        if isinstance(owner, Answer | Given):
            return owner
        if isinstance(owner, list | dict | tuple | str):
            return builtin.method(owner, name, given, sure=not self.uncertain)
        if isinstance(owner, Instance):
            return builtin.parser_method(owner, name, given)
        return arrays.unknown_of([*given.given, *given.named.values()], given.where, f"{name}(…)")

    def _library(self, function: External, given: Arguments, values: list[Any]) -> Any:
        path = function.path
        short = path.rpartition(".")[2]
        if short in _FUNCTIONS and path.startswith(("builtins.", "math.", "numpy.")):
            answers = [value for value in values if isinstance(value, Answer)]
            if len(answers) == 1 and short in ("float", "round", "min", "max"):
                return answers[0]
            if values and all(is_constant(value) for value in values):
                try:
                    found = _FUNCTIONS[short](*given.given)
                except (TypeError, ValueError, OverflowError):
                    return UNKNOWN
                return found if is_constant(found) else [*found][:MOST_ITEMS]
            if short == "len" and isinstance(values[0], list | tuple | dict):
                return len(values[0])
        if path == "builtins.range" and all(isinstance(value, int) for value in values) and values:
            found = range(*given.given)
            return found if len(found) <= MOST_ITEMS else UNKNOWN
        if short in ("str", "repr", "squeeze") and values and isinstance(values[0], Answer):
            return values[0]
        if path == "numpy.clip" and isinstance(values[0], Answer):
            return values[0]
        for value in values:
            if isinstance(value, Unknown) and value.reason:
                return value
        result = libraries.call(path, given, self.facts)
        if result is not None:
            return result
        if any(value is Given.ENCODED for value in values):
            return Given.ENCODED  # decoded from base64, put into a buffer
        known = arrays.unknown_of(values, given.where, f"{path}(…) is not known here")
        return known if known.reason else External(f"{path[:200]}()")

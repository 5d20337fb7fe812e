"""What a call in a script gives: of its own functions, of libraries, of the network."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

from ghostlap.pilots.keras_import.script import arrays, libraries
from ghostlap.pilots.keras_import.script.expressions import Evaluator
from ghostlap.pilots.keras_import.script.libraries import Facts
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
_MODELS = ("load_model", "model_from_json", "Sequential", "models.Model", "model_from_yaml")


class Caller(Evaluator):
    """Evaluates calls; how a script's own functions are followed is said by who runs it."""

    facts: Facts

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.asked: list[tuple[Any, str]] = []
        """What the network was given, and where."""
        self.sent: list[Any] = []
        """What the car is told to steer."""

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
            return made
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
        if isinstance(function, Bound):
            return self._method(function, arguments, scope)
        if isinstance(function, External):
            return self._library(function, arguments, values)
        return arrays.unknown_of([function, *values], where, f"{name}(…) is not known here")

    def keep(self, names: dict[str, Any]) -> None:
        """Remember names that a branch may change."""
        raise NotImplementedError

    def _is_asked(self, function: Any, name: str, values: list[Any]) -> bool:
        """Whether this is the network being asked."""
        if name in _ASKED and (not isinstance(function, Bound) or function.owner is None):
            return True
        pictures = any(isinstance(one, Picture | Unknown) for one in values)
        path = function.path if isinstance(function, External) else ""
        made = path.endswith("()") and any(word in path for word in _MODELS)
        called_so = name in ("model", "net", "network") and isinstance(function, External | Unknown)
        return pictures and (made or (called_so and any(isinstance(v, Picture) for v in values)))

    def _method(self, function: Bound, given: Arguments, scope: Scope) -> Any:
        owner, name = function.owner, function.name
        python_2 = scope.module.source.python_2
        if isinstance(owner, Picture):
            return libraries.method(owner, name, given, self.facts, python_2=python_2)
        if owner is Given.TELEMETRY and name in ("get", "__getitem__", "pop"):
            return Given.ENCODED if given.get(0, default=None) == "image" else UNKNOWN
        if isinstance(owner, Answer | Given):
            return owner
        if isinstance(owner, list) and name == "append" and len(owner) < MOST_ITEMS:
            owner.append(UNKNOWN if self.uncertain else given.get(0, default=None))
            return None
        if isinstance(owner, dict) and name == "get":
            return owner.get(given.get(0, default=None), given.get(1, default=None))
        return arrays.unknown_of([*given.given, *given.named.values()], given.where, f"{name}(…)")

    uncertain = 0
    """How many conditions that are not known lead here."""

    def _library(self, function: External, given: Arguments, values: list[Any]) -> Any:
        path = function.path
        short = path.rpartition(".")[2]
        if short in _FUNCTIONS and path.startswith(("builtins.", "math.", "numpy.")):
            if values and isinstance(values[0], Answer) and short in ("float", "round"):
                return values[0]
            if values and all(is_constant(value) for value in values):
                try:
                    found = _FUNCTIONS[short](*given.given)
                except (TypeError, ValueError, OverflowError):
                    return UNKNOWN
                return found if is_constant(found) else [*found][:MOST_ITEMS]
            if short in ("list", "tuple") and values and isinstance(values[0], list | tuple):
                return values[0]
            if short == "len" and isinstance(values[0], list | tuple | dict):
                return len(values[0])
        if path == "builtins.range" and all(isinstance(value, int) for value in values) and values:
            found = range(*given.given)
            return found if len(found) <= MOST_ITEMS else UNKNOWN
        if short in ("str", "repr", "squeeze") and values and isinstance(values[0], Answer):
            return values[0]
        if path == "builtins.map" and len(values) == 2 and isinstance(values[0], Function):
            among = values[1] if isinstance(values[1], list | tuple) else [UNKNOWN]
            return [self.follow(values[0], [one], {}, given.where) for one in among[:MOST_ITEMS]]
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

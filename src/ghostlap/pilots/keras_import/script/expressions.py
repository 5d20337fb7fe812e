"""What an expression of a script stands for: a picture with its steps, a constant, or unknown."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ghostlap.pilots.keras_import.script import arrays, libraries, opencv
from ghostlap.pilots.keras_import.script.libraries import Facts
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
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
    Numbers,
    Unknown,
    numbers_of,
)

_MOST_ITEMS = 1000
_MOST_NUMBER = 1e12
_BINARY: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add), ast.Sub: ("-", operator.sub), ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv), ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
}  # fmt: skip
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "int": int, "float": float, "round": round, "abs": abs, "min": min, "max": max, "len": len,
    "tuple": tuple, "list": list, "bool": bool, "slice": slice, "sum": sum, "reversed": reversed,
    "floor": math.floor, "ceil": math.ceil, "sqrt": math.sqrt, "int32": int, "int64": int,
    "rint": round, "trunc": math.trunc, "sorted": sorted, "zip": zip, "enumerate": enumerate,
}  # fmt: skip
_ASKED = ("predict", "predict_on_batch", "predict_classes", "predict_step")
_MODELS = ("load_model", "model_from_json", "Sequential", "models.Model", "model_from_yaml")
_TRUE = (Picture, Given, Function, Class, Instance, Module)


class Scope:
    """Where a name is looked up, the innermost first."""

    def __init__(self, module: Module, chain: tuple[dict[str, Any], ...]) -> None:
        self.module = module
        self.chain = chain
        self.shared: set[str] = set()
        """Names that a ``global`` makes those of the module."""
        self.returned: list[Any] = []
        """By branches that ended before."""

    def find(self, name: str) -> Any:
        chain = () if name in self.shared else self.chain
        for names in (*chain, self.module.names):
            if name in names:
                return names[name]
        return External(f"builtins.{name}")

    def set(self, name: str, value: Any) -> None:
        local = self.chain and name not in self.shared
        (self.chain[0] if local else self.module.names)[name] = value


def truth(value: Any) -> bool | None:
    """Whether a value is true; None if that is not known."""
    if isinstance(value, _TRUE):
        return True
    if isinstance(value, Unknown | External | Answer | Bound | Numbers):
        return None
    return bool(value)


def is_constant(value: Any) -> bool:
    plain = value is None or isinstance(value, bool | int | float | str | bytes | slice | range)
    return plain or (isinstance(value, list | tuple) and all(is_constant(one) for one in value))


class Evaluator:
    """Evaluates expressions; how a script's own functions are followed is said by who runs it."""

    facts: Facts

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.asked: list[tuple[Any, str]] = []
        """What the network was given, and where."""
        self.sent: list[Any] = []
        """What the car is told to steer."""

    def follow(
        self, function: Function, given: Sequence[Any], named: Mapping[str, Any], where: str
    ) -> Any:
        raise NotImplementedError

    def step(self, where: str) -> None:
        """Count what is done, so that it ends."""
        raise NotImplementedError

    def eval(self, node: ast.AST | None, scope: Scope) -> Any:
        """What an expression stands for."""
        if node is None:
            return None
        where = scope.module.source.where(node)
        self.step(where)
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            inner = [self.eval(child, scope) for child in ast.iter_child_nodes(node)
                     if isinstance(child, ast.expr)]  # fmt: skip
            return arrays.unknown_of(inner, where, f"{type(node).__name__} is not known here")
        try:
            return method(node, scope)
        except Refused as error:
            text = " ".join(ast.unparse(node).split())
            short = text if len(text) <= 70 else f"{text[:67]}..."
            return Unknown(f"{where}: {short}: {error}")

    def _constant(self, node: ast.Constant, scope: Scope) -> Any:
        return node.value

    def _name(self, node: ast.Name, scope: Scope) -> Any:
        return scope.find(node.id)

    def _tuple(self, node: ast.Tuple | ast.List, scope: Scope) -> Any:
        found: list[Any] = []
        for one in node.elts[:_MOST_ITEMS]:
            if isinstance(one, ast.Starred):
                inner = self.eval(one.value, scope)
                if not isinstance(inner, list | tuple):
                    return UNKNOWN
                found += inner
            else:
                found.append(self.eval(one, scope))
        return found if isinstance(node, ast.List) else tuple(found)

    _list = _tuple

    def _dict(self, node: ast.Dict, scope: Scope) -> Any:
        keys = [self.eval(key, scope) for key in node.keys]
        values = [self.eval(value, scope) for value in node.values]
        return {k: v for k, v in zip(keys, values, strict=True) if isinstance(k, str | int | float)}

    def _slice(self, node: ast.Slice, scope: Scope) -> Any:
        bounds = [self.eval(part, scope) for part in (node.lower, node.upper, node.step)]
        for bound in bounds:
            if bound is not None and not isinstance(bound, int | float):
                raise Refused("a bound of the slice is not known from the script")
        # Python 2 and its numpy took floats, and dropped what is behind the point.
        return slice(*(None if bound is None else int(bound) for bound in bounds))

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Any:
        return Function(node, scope.module, scope.chain, self.defaults(node.args, scope))

    def defaults(self, arguments: ast.arguments, scope: Scope) -> dict[str, Any]:
        """Defaults of a function, by the argument's name."""
        named = [*arguments.posonlyargs, *arguments.args]
        last = named[len(named) - len(arguments.defaults) :]
        pairs = [*zip(last, arguments.defaults, strict=True),
                 *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]  # fmt: skip
        return {argument.arg: self.eval(value, scope) for argument, value in pairs if value}

    def _ifexp(self, node: ast.IfExp, scope: Scope) -> Any:
        known = truth(self.eval(node.test, scope))
        if known is not None:
            return self.eval(node.body if known else node.orelse, scope)
        values = [self.eval(one, scope) for one in (node.body, node.orelse)]
        if values[0] == values[1]:
            return values[0]
        where = scope.module.source.where(node)
        return arrays.unknown_of(values, where, "depends on what is not known from the script")

    def _boolop(self, node: ast.BoolOp, scope: Scope) -> Any:
        value: Any = None
        for part in node.values:
            value = self.eval(part, scope)
            known = truth(value)
            if known is None:
                return UNKNOWN
            if known == isinstance(node.op, ast.Or):
                return value
        return value

    def _compare(self, node: ast.Compare, scope: Scope) -> Any:
        left, right = self.eval(node.left, scope), self.eval(node.comparators[0], scope)
        kind = type(node.ops[0])
        if len(node.ops) > 1:
            return UNKNOWN
        if kind in (ast.Is, ast.IsNot, ast.Eq, ast.NotEq) and (left is None or right is None):
            known = [one for one in (left, right) if one is not None]
            same = not known
            if known and truth(known[0]) is None:
                return UNKNOWN
            return same == (kind in (ast.Is, ast.Eq))
        if not (is_constant(left) and is_constant(right)) or kind not in _COMPARED:
            return UNKNOWN
        try:
            return bool(_COMPARED[kind](left, right))
        except TypeError:
            return UNKNOWN

    def _unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        value = self.eval(node.operand, scope)
        if isinstance(node.op, ast.Not):
            known = truth(value)
            return UNKNOWN if known is None else not known
        if isinstance(node.op, ast.USub):
            if isinstance(value, int | float):
                return -value
            if isinstance(value, Numbers):
                return Numbers(tuple(-one for one in value.values))
            return self.binary("*", operator.mul, value, -1.0, scope, node)
        return value if isinstance(node.op, ast.UAdd) else UNKNOWN

    def _binop(self, node: ast.BinOp, scope: Scope) -> Any:
        left, right = self.eval(node.left, scope), self.eval(node.right, scope)
        if isinstance(node.op, ast.Pow) and isinstance(left, int | float) and right in (2, 3, 0.5):
            return left**right if abs(left) < _MOST_NUMBER else UNKNOWN
        sign, call = _BINARY.get(type(node.op), (type(node.op).__name__, None))
        return self.binary(sign, call, left, right, scope, node)

    def binary(
        self, sign: str, call: Any, left: Any, right: Any, scope: Scope, node: ast.AST
    ) -> Any:
        """Two values joined by an operator."""
        where = scope.module.source.where(node)
        python_2 = scope.module.source.python_2
        for value in (left, right):
            if isinstance(value, Unknown) and value.reason:
                return value
        if isinstance(left, Picture) or isinstance(right, Picture):
            return arrays.arithmetic(sign, left, right, where, python_2=python_2)
        if isinstance(left, Answer) or isinstance(right, Answer):
            return arrays.answer_arithmetic(sign, left, right)
        if call is None or not (_is_small(left) and _is_small(right)):
            return UNKNOWN
        if sign == "/" and python_2 and isinstance(left, int) and isinstance(right, int):
            call = operator.floordiv
        if isinstance(left, Numbers) or isinstance(right, Numbers):
            return _of_numbers(call, left, right)
        numeric = [isinstance(value, int | float) for value in (left, right)]
        if not all(numeric) and (sign not in "+*" or max(map(_size, (left, right))) > _MOST_ITEMS):
            return UNKNOWN
        try:
            return call(left, right)
        except (TypeError, ZeroDivisionError, OverflowError, ValueError):
            return UNKNOWN

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        return self.attribute(
            self.eval(node.value, scope), node.attr, scope.module.source.where(node)
        )

    def attribute(self, owner: Any, name: str, where: str) -> Any:
        """An attribute of a value."""
        if isinstance(owner, Picture):
            height, width, _ = owner.shape
            known = {"shape": owner.sizes, "ndim": len(owner.axes), "height": height,
                     "width": width, "T": None}  # fmt: skip
            if name == "size" and owner.pillow:
                return (width, height)
            if name == "T":
                return owner.transposed(range(len(owner.axes))[::-1])
            return known.get(name, Bound(owner, name))
        if isinstance(owner, External):
            path = f"{owner.path}.{name}"
            if owner.path in ("cv2", "cv2.cv") and (found := opencv.constant(name)) is not None:
                return found
            if path == "numpy.newaxis":
                return None
            return math.pi if path in ("numpy.pi", "math.pi") else External(path)
        if isinstance(owner, Module):
            return owner.names.get(name, External(f"{owner.source.path.stem}.{name}"))
        if isinstance(owner, Instance | Class):
            return self._member(owner, name, where)
        if isinstance(owner, Numbers) and name == "shape":
            return (len(owner.values),)
        return owner if isinstance(owner, Unknown) else Bound(owner, name)

    def _member(self, owner: Instance | Class, name: str, where: str) -> Any:
        kind = owner.kind if isinstance(owner, Instance) else owner
        if isinstance(owner, Instance) and name in owner.names:
            return owner.names[name]
        found = kind.find(name)
        if isinstance(found, Function) and isinstance(owner, Instance):
            if found.kind == "property":
                return self.follow(found, [owner], {}, where)
            if found.kind != "staticmethod":
                bound = (kind if found.kind == "classmethod" else owner,)
                return Function(found.node, found.module, found.enclosing, found.defaults, bound)
        if found is None:
            libraries_bases = [base for base in kind.bases if isinstance(base, External)]
            return External(f"{libraries_bases[0].path}().{name}") if libraries_bases else UNKNOWN
        return found

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        owner, key = self.eval(node.value, scope), self.eval(node.slice, scope)
        if isinstance(owner, Picture):
            keys = list(key) if isinstance(key, tuple) else [key]
            if any(isinstance(one, Unknown | External | Picture) for one in keys):
                raise Refused("what is taken out of the picture is not known from the script")
            return owner.indexed(keys, scope.module.source.where(node))
        if owner is Given.TELEMETRY:
            return Given.ENCODED if key == "image" else UNKNOWN
        if owner is Given.ENCODED or isinstance(owner, Unknown):
            return owner
        if isinstance(owner, Answer):
            place = key if isinstance(key, int) and key else owner.place
            return Answer(owner.scale, place)
        if isinstance(owner, Numbers) and isinstance(key, int | slice):
            owner = owner.values
        try:
            return owner[key] if isinstance(owner, list | tuple | dict | str) else UNKNOWN
        except (TypeError, KeyError, IndexError, ValueError):
            return UNKNOWN

    def _listcomp(self, node: ast.ListComp | ast.GeneratorExp, scope: Scope) -> Any:
        first = node.generators[0]
        among = self.eval(first.iter, scope)
        where = scope.module.source.where(node)
        if len(node.generators) > 1 or first.ifs or not isinstance(among, list | tuple | range):
            return arrays.unknown_of([among], where, "is gone through in a way that is not known")
        inner = Scope(scope.module, ({}, *scope.chain))
        found = []
        for value in among[:_MOST_ITEMS]:
            self.assign(first.target, value, inner)
            found.append(self.eval(node.elt, inner))
        return found

    _generatorexp = _listcomp

    def _namedexpr(self, node: ast.NamedExpr, scope: Scope) -> Any:
        value = self.eval(node.value, scope)
        self.assign(node.target, value, scope)
        return value

    def _await(self, node: ast.Await, scope: Scope) -> Any:
        return self.eval(node.value, scope)

    def assign(self, target: ast.AST, value: Any, scope: Scope) -> None:
        raise NotImplementedError

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        where = scope.module.source.where(node)
        function = self.eval(node.func, scope)
        given: list[Any] = []
        for one in node.args:
            if isinstance(one, ast.Starred):
                inner = self.eval(one.value, scope)
                given += inner if isinstance(inner, list | tuple) else [UNKNOWN]
            else:
                given.append(self.eval(one, scope))
        named = {one.arg: self.eval(one.value, scope) for one in node.keywords if one.arg}
        return self.call(function, given, named, where, node.func, scope)

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
        if isinstance(owner, list) and name == "append" and len(owner) < _MOST_ITEMS:
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
                return found if is_constant(found) else [*found][:_MOST_ITEMS]
            if short in ("list", "tuple") and values and isinstance(values[0], list | tuple):
                return values[0]
            if short == "len" and isinstance(values[0], list | tuple | dict):
                return len(values[0])
        if path == "builtins.range" and all(isinstance(value, int) for value in values) and values:
            found = range(*given.given)
            return found if len(found) <= _MOST_ITEMS else UNKNOWN
        if short in ("str", "repr", "squeeze") and values and isinstance(values[0], Answer):
            return values[0]
        if path == "builtins.map" and len(values) == 2 and isinstance(values[0], Function):
            among = values[1] if isinstance(values[1], list | tuple) else [UNKNOWN]
            return [self.follow(values[0], [one], {}, given.where) for one in among[:_MOST_ITEMS]]
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


def _is_small(value: Any) -> bool:
    if isinstance(value, int | float):
        return abs(value) < _MOST_NUMBER
    if isinstance(value, str | bytes | list | tuple):
        return len(value) < _MOST_ITEMS
    return isinstance(value, Numbers)


def _size(value: Any) -> float:
    return abs(value) if isinstance(value, int | float) else len(value)


def _of_numbers(call: Any, left: Any, right: Any) -> Any:
    one, two = numbers_of(left), numbers_of(right)
    if one is None or two is None:
        return UNKNOWN
    count = max(len(one), len(two))
    one, two = (n * count if len(n) == 1 else n for n in (one, two))
    try:
        return Numbers(tuple(float(call(a, b)) for a, b in zip(one, two, strict=True)))
    except (ValueError, ZeroDivisionError, OverflowError):
        return UNKNOWN

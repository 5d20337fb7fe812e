"""What an expression of a script stands for: a picture with its steps, a constant, or unknown."""

from __future__ import annotations

import ast
import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ghostlap.pilots.keras_import.script import arrays, builtin, opencv
from ghostlap.pilots.keras_import.script.facts import Facts
from ghostlap.pilots.keras_import.script.operators import (
    MOST_ITEMS,
    bounded,
    changed,
    compared,
    joined,
    truth,
)
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    Answer,
    Bound,
    Class,
    External,
    Function,
    Given,
    Instance,
    Module,
    Numbers,
    Scope,
    Unknown,
)

MADE = re.compile(r"(load_model|model_from_json|Sequential|models\.Model|model_from_yaml).*\(\)$")
"""What makes a network."""


class Evaluator:
    """Evaluates expressions; calls and statements are for who derives from it."""

    facts: Facts

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
        for one in node.elts[:MOST_ITEMS]:
            if isinstance(one, ast.Starred):
                inner = self.eval(one.value, scope)
                if not isinstance(inner, list | tuple):
                    return UNKNOWN
                found += inner
            else:
                found.append(self.eval(one, scope))
        return bounded(found if isinstance(node, ast.List) else tuple(found))

    _list = _tuple

    def _dict(self, node: ast.Dict, scope: Scope) -> Any:
        found: dict[Any, Any] = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            value = self.eval(value_node, scope)
            if key_node is None:
                if not isinstance(value, dict):
                    return UNKNOWN
                found |= value
            elif isinstance(key := self.eval(key_node, scope), str | int | float):
                found[key] = value
        return bounded(found)

    def _joinedstr(self, node: ast.JoinedStr, scope: Scope) -> Any:
        parts = [
            self.eval(one.value if isinstance(one, ast.FormattedValue) else one, scope)
            for one in node.values
        ]
        formatted = any(getattr(one, "format_spec", None) for one in node.values)
        plain = not formatted and all(isinstance(one, str | int) for one in parts)
        return "".join(str(one) for one in parts) if plain else UNKNOWN

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
        values = [self.eval(one, scope) for one in (node.left, *node.comparators)]
        found = [
            compared(type(kind), left, right)
            for kind, left, right in zip(node.ops, values, values[1:], strict=False)
        ]
        return False if False in found else UNKNOWN if UNKNOWN in found else True

    def _unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        value, source = self.eval(node.operand, scope), scope.module.source
        return changed(type(node.op), value, source.where(node), python_2=source.python_2)

    def _binop(self, node: ast.BinOp, scope: Scope) -> Any:
        left, right = self.eval(node.left, scope), self.eval(node.right, scope)
        source = scope.module.source
        return joined(type(node.op), left, right, source.where(node), python_2=source.python_2)

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        return self.attribute(
            self.eval(node.value, scope), node.attr, scope.module.source.where(node)
        )

    def attribute(self, owner: Any, name: str, where: str) -> Any:
        """An attribute of a value."""
        if isinstance(owner, Picture):
            height, width, _ = owner.shape
            known = {"shape": owner.sizes, "ndim": len(owner.axes), "height": height,
                     "width": width, "T": None,
                     "dtype": External("numpy.uint8") if owner.whole else UNKNOWN}  # fmt: skip
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
            if self.facts.network and MADE.search(owner.path):
                if name in ("input_shape", "shape"):
                    return (None, *self.facts.network)
                if name in ("layers", "inputs", "input"):
                    return owner if name == "input" else [owner]
            return math.pi if path in ("numpy.pi", "math.pi") else External(path)
        if name == "__dict__" and isinstance(owner, Instance | Class | Module):
            return owner.names
        if isinstance(owner, Module):
            return owner.names.get(name, External(f"{owner.source.path.stem}.{name}"))
        if isinstance(owner, Instance | Class):
            return self._member(owner, name, where)
        if name == "value" and isinstance(owner, int | float | str):  # of an Enum
            return owner
        if isinstance(owner, Numbers) and name == "shape":
            return (len(owner.values),)
        return owner if isinstance(owner, Unknown) else Bound(owner, name)

    def _member(self, owner: Instance | Class, name: str, where: str) -> Any:
        kind = owner.kind if isinstance(owner, Instance) else owner
        if isinstance(owner, Instance) and name in owner.names:
            value = owner.names[name]
            if kind.name == builtin.OPTIONS and isinstance(value, int | float):
                self.facts.typed[name] = value
            return value
        found = kind.find(name)
        if isinstance(found, Function) and found.kind == "classmethod":
            return dataclasses.replace(found, bound=(kind,))
        if isinstance(found, Function) and isinstance(owner, Instance):
            if found.kind == "property":
                return self.follow(found, [owner], {}, where)
            if found.kind != "staticmethod":
                return dataclasses.replace(found, bound=(owner.real or owner,))
        if found is None and kind.name == builtin.PARSER:
            return Bound(owner, name)
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
        if isinstance(owner, External) and owner.path in ("numpy.s_", "numpy.index_exp"):
            return key
        if owner is Given.TELEMETRY:
            return Given.ENCODED if key == "image" else UNKNOWN
        if owner is Given.ENCODED or isinstance(owner, Unknown):
            return owner
        if isinstance(owner, Answer):
            place = owner.place
            for one in key if isinstance(key, tuple) else (key,):
                if isinstance(one, int):  # 0 is as often the one picture of the batch
                    place = one or place or 0
            return Answer(owner.scale, place)
        if isinstance(owner, Numbers) and isinstance(key, int | slice):
            owner = owner.values
        if isinstance(owner, Instance) and owner.kind.fields:  # a named tuple
            owner = owner.in_order()
        try:
            return owner[key] if isinstance(owner, list | tuple | dict | str) else UNKNOWN
        except (TypeError, KeyError, IndexError, ValueError):
            return UNKNOWN

    def _listcomp(self, node: ast.ListComp | ast.GeneratorExp, scope: Scope) -> Any:
        first = node.generators[0]
        among = self.eval(first.iter, scope)
        where = scope.module.source.where(node)
        among = list(among) if isinstance(among, dict) else among
        if len(node.generators) > 1 or not isinstance(among, list | tuple | range):
            return arrays.unknown_of([among], where, "is gone through in a way that is not known")
        inner = Scope(scope.module, ({}, *scope.chain))
        found = []
        for value in among[:MOST_ITEMS]:
            self.assign(first.target, value, inner)
            kept = [truth(self.eval(one, inner)) for one in first.ifs]
            if False in kept:
                continue
            if None in kept:
                return arrays.unknown_of([among, *among], where, "is chosen by what is not known")
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
        named: dict[str, Any] = {}
        scattered = []
        for one in node.args:
            inner = self.eval(one.value if isinstance(one, ast.Starred) else one, scope)
            if not isinstance(one, ast.Starred):
                given.append(inner)
            elif isinstance(inner, list | tuple):
                given += inner
            else:
                scattered.append(inner)
        for keyword in node.keywords:
            inner = self.eval(keyword.value, scope)
            if keyword.arg:
                named[keyword.arg] = inner
            elif isinstance(inner, dict):
                named |= {str(key): value for key, value in inner.items()}
            else:
                scattered.append(inner)
        if scattered:  # arguments without names: defaults may not be taken for what they are
            values = [*given, *named.values(), *scattered]
            if isinstance(function, Function) or any(isinstance(v, Picture) for v in values):
                return arrays.unknown_of(values, where, "some of its arguments are not known")
            given += [UNKNOWN] * len(scattered)
        if isinstance(function, External) and function.path == "builtins.super":
            given = given or [scope.find("__class__"), scope.find("__self__")]
        return self.call(function, given, named, where, node.func, scope)

    def call(
        self, function: Any, given: list[Any], named: dict[str, Any], where: str,
        node: ast.AST, scope: Scope,
    ) -> Any:  # fmt: skip
        raise NotImplementedError

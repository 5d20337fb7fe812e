"""What a script's statements do to its names and pictures; runs nothing.

Conditions that are not known are gone through both ways; what then differs is not known.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from typing import Any

from ghostlap.pilots.keras_import.script.calls import Caller
from ghostlap.pilots.keras_import.script.libraries import Facts
from ghostlap.pilots.keras_import.script.operators import truth
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    Answer,
    Class,
    Function,
    Instance,
    Module,
    Scope,
    Unknown,
)

_MOST_ROUNDS = 64

_CONDITION = "what is done to the picture depends on a condition"
_LOOP = "the picture is changed in a loop, how often"

Signal = tuple[str, Any] | None
"""How a block ended: None (at its end), return, stop (an exception), break, continue."""


class Statements(Caller):
    """Goes through blocks of statements, and remembers who listens to the simulator."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.handlers: list[Function] = []
        """Of the simulator's telemetry."""
        self._kept: list[dict[str, Any]] = []

    def keep(self, names: dict[str, Any]) -> None:
        self._kept.append(names)

    def block(self, statements: Sequence[ast.stmt], scope: Scope) -> Signal:
        for statement in statements:
            self.step(scope.module.source.where(statement))
            signal = self._statement(statement, scope)
            if signal is not None:
                return signal
        return None

    def _statement(self, node: ast.stmt, scope: Scope) -> Signal:
        method = getattr(self, f"_do_{type(node).__name__.lower()}", None)
        try:
            return None if method is None else method(node, scope)
        except Refused as error:  # said where the value is used
            self._spoil(node, scope, f"{scope.module.source.where(node)}: {error}")
            return None

    def _spoil(self, node: ast.AST, scope: Scope, reason: str) -> None:
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            while isinstance(target, ast.Subscript | ast.Attribute | ast.Starred):
                target = target.value
            if isinstance(target, ast.Name):
                scope.set(target.id, Unknown(reason))

    def _do_expr(self, node: ast.Expr, scope: Scope) -> Signal:
        self.eval(node.value, scope)
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute | ast.Name):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name in ("on", "on_event") and len(call.args) > 1:
                self._registered(call, self.eval(call.args[1], scope), scope)
            if name in ("exit", "_exit", "quit"):
                return ("stop", None)
        return None

    def _registered(self, call: ast.Call, handler: Any, scope: Scope) -> None:
        event = self.eval(call.args[0], scope) if call.args else None
        if event == "telemetry" and isinstance(handler, Function):
            self.handlers.append(handler)

    def _do_assign(self, node: ast.Assign, scope: Scope) -> Signal:
        value = self.eval(node.value, scope)
        for target in node.targets:
            self.assign(target, value, scope)
        return None

    def _do_annassign(self, node: ast.AnnAssign, scope: Scope) -> Signal:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value, scope), scope)
        return None

    def _do_augassign(self, node: ast.AugAssign, scope: Scope) -> Signal:
        read = ast.copy_location(ast.BinOp(_read(node.target), node.op, node.value), node)
        value = self.eval(read, scope)
        before = self.eval(_read(node.target), scope)
        if isinstance(before, Picture) and before.whole and not getattr(value, "whole", True):
            raise Refused("bytes cannot become fractions in place")
        self.assign(node.target, value, scope)
        return None

    def assign(self, target: ast.AST, value: Any, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.set(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target.elts, value, scope)
        elif isinstance(target, ast.Attribute):
            owner = self.eval(target.value, scope)
            if isinstance(owner, Instance | Class | Module):
                owner.names[target.attr] = value
        elif isinstance(target, ast.Subscript):
            owner = self.eval(target.value, scope)
            if isinstance(owner, Picture):
                self._spoil(
                    ast.Assign([target.value], target.value), scope,
                    f"{scope.module.source.where(target)}: parts of the picture are painted over",
                )  # fmt: skip
            elif isinstance(owner, dict):
                key = self.eval(target.slice, scope)
                if isinstance(key, str | int):
                    owner[key] = value
            elif isinstance(owner, list):
                owner[:] = [UNKNOWN] * len(owner)

    def _unpack(self, targets: Sequence[ast.expr], value: Any, scope: Scope) -> None:
        values = list(value) if isinstance(value, list | tuple) else None
        stars = any(isinstance(one, ast.Starred) for one in targets)
        if values is None or stars or len(values) != len(targets):
            reason = value if isinstance(value, Unknown) else UNKNOWN
            if isinstance(value, Picture):
                reason = Unknown(f"{scope.module.source.where(targets[0])}: it is taken apart")
            values = [reason] * len(targets)
            if isinstance(value, Answer) and not stars:
                values = [dataclasses.replace(value, place=i) for i in range(len(targets))]
        for target, one in zip(targets, values, strict=True):
            self.assign(target.value if isinstance(target, ast.Starred) else target, one, scope)

    def _do_delete(self, node: ast.Delete, scope: Scope) -> Signal:
        return None

    def _do_return(self, node: ast.Return, scope: Scope) -> Signal:
        return ("return", self.eval(node.value, scope))

    def _do_raise(self, node: ast.Raise, scope: Scope) -> Signal:
        return ("stop", None)

    def _do_break(self, node: ast.Break, scope: Scope) -> Signal:
        return ("break", None)

    def _do_continue(self, node: ast.Continue, scope: Scope) -> Signal:
        return ("continue", None)

    def _do_global(self, node: ast.Global, scope: Scope) -> Signal:
        scope.shared.update(node.names)
        return None

    def _do_functiondef(self, node: Any, scope: Scope) -> Signal:
        words = [ast.unparse(one) for one in node.decorator_list]
        kind = next(
            (word for word in words if word in ("staticmethod", "classmethod", "property")), ""
        )
        defaults = self.defaults(node.args, scope)
        made = Function(node, scope.module, scope.chain, defaults, (), kind)
        scope.set(node.name, made)
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call):
                self._registered(decorator, made, scope)
            elif ast.unparse(decorator).endswith(".event") and node.name == "telemetry":
                self.handlers.append(made)
        return None

    _do_asyncfunctiondef = _do_functiondef

    def _do_classdef(self, node: ast.ClassDef, scope: Scope) -> Signal:
        names: dict[str, Any] = {}
        self.keep(names)
        self.block(node.body, Scope(scope.module, (names, *scope.chain)))
        for value in names.values():  # a method does not see its class's names
            if isinstance(value, Function) and value.enclosing[:1] == (names,):
                value.enclosing = value.enclosing[1:]
        bases = tuple(self.eval(base, scope) for base in node.bases)
        scope.set(node.name, Class(node.name, names, bases))
        return None

    def _do_if(self, node: ast.If, scope: Scope) -> Signal:
        known = truth(self.eval(node.test, scope))
        if known is not None:
            return self.block(node.body if known else node.orelse, scope)
        where = scope.module.source.where(node)
        return self._both([node.body, node.orelse], scope, f"{where}: {_CONDITION}")

    def _do_try(self, node: ast.Try, scope: Scope) -> Signal:
        signal = self.block([*node.body, *node.orelse], scope)
        after = self.block(node.finalbody, scope)
        return after or (None if signal == ("stop", None) else signal)

    _do_trystar = _do_try

    def _do_with(self, node: Any, scope: Scope) -> Signal:
        for item in node.items:
            value = self.eval(item.context_expr, scope)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value, scope)
        return self.block(node.body, scope)

    _do_asyncwith = _do_with

    def _do_for(self, node: Any, scope: Scope) -> Signal:
        among = self.eval(node.iter, scope)
        where = scope.module.source.where(node)
        if not isinstance(among, list | tuple | range) or len(among) > _MOST_ROUNDS:
            self.assign(node.target, UNKNOWN, scope)
            return self._loop(node.body, scope, where)
        for value in list(among):
            self.assign(node.target, value, scope)
            signal = self.block(node.body, scope)
            if signal is not None and signal[0] == "break":
                return None
            if signal is not None and signal[0] != "continue":
                return signal
        return self.block(node.orelse, scope)

    _do_asyncfor = _do_for

    def _do_while(self, node: ast.While, scope: Scope) -> Signal:
        if truth(self.eval(node.test, scope)) is False:
            return None
        return self._loop(node.body, scope, scope.module.source.where(node))

    def _loop(self, body: Sequence[ast.stmt], scope: Scope, where: str) -> Signal:
        """Twice perhaps: what the second round does to the first one's is not known any more."""
        for _ in range(2):
            signal = self._both([body, []], scope, f"{where}: {_LOOP}")
            if signal is not None and signal[0] not in ("break", "continue"):
                return signal
        return None

    def _both(self, bodies: Sequence[Sequence[ast.stmt]], scope: Scope, why: str) -> Signal:
        """Each way from the same start; what then differs is not known."""
        kept = list(self._kept)
        before = [dict(names) for names in kept]
        ends: list[list[dict[str, Any]]] = []
        returned: list[Any] = []
        last: Signal = None
        self.uncertain += 1
        for body in bodies:
            _restore(kept, before)
            signal = self.block(body, scope)
            if signal is not None and signal[0] == "return":
                returned.append(signal[1])
            elif signal != ("stop", None):
                ends.append([dict(names) for names in kept])
                last = signal
        self.uncertain -= 1
        if not ends:
            return ("return", joined(returned, why)) if returned else ("stop", None)
        scope.returned += returned
        merged = [
            {name: joined([one[name] for one in ways if name in one], why)
             for name in {name: None for one in ways for name in one}}
            for ways in zip(*ends, strict=True)
        ]  # fmt: skip
        _restore(kept, merged)
        return last if len(ends) == 1 else None


def _read(target: ast.expr) -> ast.expr:
    """An assignment's target, to be read."""
    found: ast.expr = ast.parse(ast.unparse(target), mode="eval").body
    return ast.copy_location(found, target)


def _restore(kept: Sequence[dict[str, Any]], states: Sequence[dict[str, Any]]) -> None:
    for names, state in zip(kept, states, strict=True):
        names.clear()
        names.update(state)


def joined(values: Sequence[Any], why: str) -> Any:
    """What a value is that may be any of these."""
    first = values[0]
    if all(value is first or (type(value) is type(first) and value == first) for value in values):
        return first
    for value in values:
        if isinstance(value, Unknown) and value.reason:
            return value
    pictures = [value for value in values if isinstance(value, Picture)]
    if pictures and all(picture == pictures[0] for picture in pictures):
        others = [value for value in values if not isinstance(value, Picture)]
        if all(value is None or isinstance(value, Unknown) for value in others):
            return pictures[0]  # nothing else could be asked about
    return Unknown(f"{why}, which is not known from the script") if pictures else UNKNOWN

"""What a script's statements do to its names and pictures; runs nothing.

Conditions that are not known are gone through both ways; what then differs is not known.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from ghostlap.pilots.keras_import.script.assignments import Assigner, Signal
from ghostlap.pilots.keras_import.script.branches import joined, restore
from ghostlap.pilots.keras_import.script.facts import Facts
from ghostlap.pilots.keras_import.script.operators import compared, truth
from ghostlap.pilots.keras_import.script.picture import Refused
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    Class,
    Function,
    Instance,
    Partial,
    Scope,
)

_MOST_ROUNDS = 64

_CONDITION = "what is done to the picture depends on a condition"
_LOOP = "the picture is changed in a loop, how often"


class Statements(Assigner):
    """Goes through blocks of statements, and remembers who listens to the simulator."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.handlers: list[Function] = []
        """Of the simulator's telemetry."""

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

    def _instead(self, body: Sequence[ast.stmt], handler: Sequence[ast.stmt], scope: Scope) -> None:
        raise NotImplementedError

    def _do_return(self, node: ast.Return, scope: Scope) -> Signal:
        return ("return", self.eval(node.value, scope))

    def _do_raise(self, node: ast.Raise, scope: Scope) -> Signal:
        return ("stop", None)

    def _do_break(self, node: ast.Break, scope: Scope) -> Signal:
        return ("break", None)

    def _do_continue(self, node: ast.Continue, scope: Scope) -> Signal:
        return ("continue", None)

    def _do_match(self, node: ast.Match, scope: Scope) -> Signal:
        subject = self.eval(node.subject, scope)
        for case in node.cases:
            pattern = case.pattern
            wild = isinstance(pattern, ast.MatchAs) and pattern.pattern is None
            value = self.eval(pattern.value, scope) if isinstance(pattern, ast.MatchValue) else None
            known = wild or compared(ast.Eq, subject, value) if value is not None or wild else None
            if case.guard is not None or known not in (True, False):
                return self._both(
                    [*(one.body for one in node.cases), []], scope,
                    f"{scope.module.source.where(node)}: {_CONDITION}",
                )  # fmt: skip
            if known:
                return self.block(case.body, scope)
        return None

    def _do_functiondef(self, node: Any, scope: Scope) -> Signal:
        words = [ast.unparse(one) for one in node.decorator_list]
        kind = next(
            (word for word in words if word in ("staticmethod", "classmethod", "property")), ""
        )
        defaults = self.defaults(node.args, scope)
        made = Function(node, scope.module, scope.chain, defaults, (), kind)
        getter = scope.find(node.name)
        if f"{node.name}.setter" in words and isinstance(getter, Function):
            getter.setter = made
            return None
        scope.set(node.name, made)
        for decorator in reversed(node.decorator_list):
            if isinstance(decorator, ast.Call):
                self._registered(decorator, scope.find(node.name), scope)
            elif ast.unparse(decorator).endswith(".event") and node.name == "telemetry":
                self.handlers.append(scope.find(node.name))
            changes = self.eval(decorator, scope)
            if isinstance(changes, Function | Class | Instance | Partial):
                where = scope.module.source.where(decorator)
                inner = self.call(changes, [scope.find(node.name)], {}, where, decorator, scope)
                scope.set(node.name, inner)
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
        typed = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
        fields = [target.id for target in typed if isinstance(target, ast.Name)]
        made = Class(node.name, names, bases, tuple(fields))
        for value in names.values():
            if isinstance(value, Function):
                value.home = value.home or made
        scope.set(node.name, made)
        return None

    def _do_if(self, node: ast.If, scope: Scope) -> Signal:
        known = truth(self.eval(node.test, scope))
        if known is not None:
            return self.block(node.body if known else node.orelse, scope)
        where = scope.module.source.where(node)
        return self._both([node.body, node.orelse], scope, f"{where}: {_CONDITION}")

    def _do_try(self, node: ast.Try, scope: Scope) -> Signal:
        signal = self.block([*node.body, *node.orelse], scope)
        for handler in node.handlers:
            self._instead(node.body, handler.body, scope)
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
        among = list(among) if isinstance(among, dict) else among
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
        for _ in range(0 if isinstance(node.test, ast.Constant) else _MOST_ROUNDS):
            known = truth(self.eval(node.test, scope))
            if known is None:
                break
            if not known:
                return None
            signal = self.block(node.body, scope)
            if signal is not None and signal[0] != "continue":
                return None if signal[0] == "break" else signal
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
            restore(kept, before)
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
        restore(kept, merged)
        return last if len(ends) == 1 else None

"""What a script's assignments do to its names, and to pictures where they lie; runs nothing."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from typing import Any

from ghostlap.pilots.keras_import.script import builtin
from ghostlap.pilots.keras_import.script.branches import change
from ghostlap.pilots.keras_import.script.calls import Caller
from ghostlap.pilots.keras_import.script.facts import Facts
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.planes import painted
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    Answer,
    Blank,
    Class,
    Function,
    Instance,
    Module,
    Scope,
    Unknown,
)

Signal = tuple[str, Any] | None
"""How a block ended: None (at its end), return, stop (an exception), break, continue."""


class Assigner(Caller):
    """Gives values to names, attributes and parts."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._kept: list[dict[str, Any]] = []

    def keep(self, names: dict[str, Any]) -> None:
        self._kept.append(names)

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
        if isinstance(before, Picture) and isinstance(value, Picture | Unknown):
            value = self.change(before, value)
        self.assign(node.target, value, scope)
        return None

    def assign(self, target: ast.AST, value: Any, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.set(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target.elts, value, scope)
        elif isinstance(target, ast.Attribute):
            owner = self.eval(target.value, scope)
            known = owner.kind.find(target.attr) if isinstance(owner, Instance) else None
            if isinstance(known, Function) and known.setter is not None:
                where = scope.module.source.where(target)
                self.follow(known.setter, [owner, value], {}, where)
            elif isinstance(owner, Instance | Class | Module):
                owner.names[target.attr] = value
        elif isinstance(target, ast.Subscript):
            owner = self.eval(target.value, scope)
            key = self.eval(target.slice, scope)
            where = scope.module.source.where(target)
            if isinstance(owner, Picture):
                self.change(owner, painted(owner, key, value, where))
            elif isinstance(owner, Blank) and isinstance(value, Picture):
                self.assign(target.value, owner.filled(key, value), scope)
            elif isinstance(owner, dict | list):
                builtin.put(owner, key, value, sure=not self.uncertain)

    def change(self, before: Picture, now: Picture | Unknown) -> Picture | Unknown:
        if isinstance(now, Picture):
            now = dataclasses.replace(now, memory=before.memory)
        change(self._kept, before, now, sure=not self.uncertain)
        return now

    def _unpack(self, targets: Sequence[ast.expr], value: Any, scope: Scope) -> None:
        if isinstance(value, Instance) and value.kind.fields:
            value = value.in_order()
        values = list(value) if isinstance(value, list | tuple) else None
        stars = [place for place, one in enumerate(targets) if isinstance(one, ast.Starred)]
        if values is not None and stars and len(values) >= len(targets) - 1:
            end = len(values) - (len(targets) - 1 - stars[0])
            values[stars[0] : end] = [values[stars[0] : end]]
        if values is None or len(values) != len(targets):
            reason = value if isinstance(value, Unknown) else UNKNOWN
            if isinstance(value, Picture):
                reason = Unknown(f"{scope.module.source.where(targets[0])}: it is taken apart")
            values = [reason] * len(targets)
            if isinstance(value, Answer) and not stars:
                values = [dataclasses.replace(value, place=i) for i in range(len(targets))]
        for target, one in zip(targets, values, strict=True):
            self.assign(target.value if isinstance(target, ast.Starred) else target, one, scope)

    def _do_delete(self, node: ast.Delete, scope: Scope) -> Signal:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                owner, key = self.eval(target.value, scope), self.eval(target.slice, scope)
                if isinstance(owner, dict | list):
                    builtin.delete(owner, key, sure=not self.uncertain)
        return None

    def _do_global(self, node: ast.Global, scope: Scope) -> Signal:
        scope.shared.update(node.names)
        return None

    def _do_nonlocal(self, node: ast.Nonlocal, scope: Scope) -> Signal:
        scope.outer.update(node.names)
        return None

    def _spoil(self, node: ast.AST, scope: Scope, reason: str) -> None:
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            while isinstance(target, ast.Subscript | ast.Attribute | ast.Starred):
                target = target.value
            if isinstance(target, ast.Name):
                scope.set(target.id, Unknown(reason))


def _read(target: ast.expr) -> ast.expr:
    """An assignment's target, to be read."""
    found: ast.expr = ast.parse(ast.unparse(target), mode="eval").body
    return ast.copy_location(found, target)

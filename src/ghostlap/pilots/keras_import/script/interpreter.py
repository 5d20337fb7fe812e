"""Goes through a script as Python would, with pictures that are lists of steps; runs nothing.

Every walk ends: what is done is counted, loops are gone through a bounded number of times.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.script.assignments import Signal
from ghostlap.pilots.keras_import.script.branches import joined
from ghostlap.pilots.keras_import.script.facts import Facts
from ghostlap.pilots.keras_import.script.picture import Picture
from ghostlap.pilots.keras_import.script.source import OPTIONS, read_source
from ghostlap.pilots.keras_import.script.statements import Statements
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    External,
    Function,
    Module,
    Scope,
    Unknown,
)

_MOST_STEPS = 200_000
_MOST_CALLS = 40
_MOST_MODULES = 20


class Interpreter(Statements):
    """One walk through a script and the files beside it."""

    def __init__(self, script: Path, facts: Facts) -> None:
        super().__init__(facts)
        self.folder = script.parent
        self.modules: dict[Path, Module] = {}
        self._steps = 0
        self._depth = 0
        self.main = self.load(script, "__main__")

    def load(self, path: Path, name: str) -> Module:
        """A file's names after it was gone through."""
        if path in self.modules:
            return self.modules[path]
        source = read_source(path)
        module = Module(source, {"__name__": name, "__file__": str(path)})
        self.modules[path] = module
        self.keep(module.names)
        self.block(source.tree.body, Scope(module, ()))
        return module

    def step(self, where: str) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise LegacyError(f"--script {where}: does more than can be followed. {OPTIONS}.")

    # Functions

    def follow(
        self, function: Function, given: Sequence[Any], named: Mapping[str, Any], where: str
    ) -> Any:
        if self._depth >= _MOST_CALLS:
            values = [*given, *named.values()]
            pictures = any(isinstance(value, Picture) for value in values)
            return (
                Unknown(f"{where}: functions call each other without end") if pictures else UNKNOWN
            )
        node = function.node
        names: dict[str, Any] = {}
        arguments = node.args
        places = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        names.update(dict.fromkeys((*places, *(a.arg for a in arguments.kwonlyargs)), UNKNOWN))
        names.update(function.defaults)
        names.update(zip(places, given, strict=False))
        rest = dict(named)
        for name in [name for name in rest if name in names]:
            names[name] = rest.pop(name)
        if arguments.vararg:
            names[arguments.vararg.arg] = tuple(given[len(places) :])
        if arguments.kwarg:
            names[arguments.kwarg.arg] = rest
        if function.home is not None and given:
            names |= {"__class__": function.home, "__self__": given[0]}
        scope = Scope(function.module, (names, *function.enclosing))
        self._depth += 1
        self.keep(names)
        try:
            if isinstance(node, ast.Lambda):
                return self.eval(node.body, scope)
            signal = self.block(node.body, scope)
        finally:
            self._kept = [one for one in self._kept if one is not names]
            self._depth -= 1
        if signal is None:
            scope.returned.append(None)
        elif signal[0] == "return":
            scope.returned.append(signal[1])
        return joined(scope.returned, f"{where}: what {getattr(node, 'name', '')} gives")

    # Files beside the script

    def _instead(self, body: Sequence[ast.stmt], handler: Sequence[ast.stmt], scope: Scope) -> None:
        """Imports of a handler that find files beside the script, where the first ones do not."""
        if not any(isinstance(one, ast.Import | ast.ImportFrom) for one in body):
            return
        for one in handler:
            if isinstance(one, ast.Import | ast.ImportFrom):
                names = [alias.asname or alias.name for alias in one.names]
                before = {name: scope.find(name) for name in names}
                self._statement(one, scope)
                for name, value in before.items():
                    if isinstance(scope.find(name), External):
                        scope.set(name, value)

    def _do_import(self, node: ast.Import, scope: Scope) -> Signal:
        for alias in node.names:
            found = self._imported(alias.name, scope)
            first, *parts = alias.name.split(".")
            if alias.asname or not (parts or isinstance(found, External)):
                scope.set(alias.asname or first, found)
                continue
            for part in reversed(parts) if isinstance(found, Module) else ():
                found = Module(found.source, {part: found})
            scope.set(first, found if isinstance(found, Module) else External(first))
        return None

    def _do_importfrom(self, node: ast.ImportFrom, scope: Scope) -> Signal:
        module = self._imported(node.module or "", scope, node.level)
        for alias in node.names:
            if alias.name == "*":
                if isinstance(module, Module):
                    names = {k: v for k, v in module.names.items() if not k.startswith("_")}
                    for name, value in names.items():
                        scope.set(name, value)
            elif isinstance(module, Module) and alias.name in module.names:
                scope.set(alias.asname or alias.name, module.names[alias.name])
            else:
                inner = f"{node.module}.{alias.name}" if node.module else alias.name
                found = self._imported(inner, scope, node.level)
                if isinstance(found, External) and isinstance(module, External):
                    found = self.attribute(module, alias.name, "")  # a constant, perhaps
                scope.set(alias.asname or alias.name, found)
        return None

    def _imported(self, name: str, scope: Scope, level: int = 0) -> Any:
        here = scope.module.source.path.parent
        folders = [here, self.folder] if not level else [here]
        for _ in range(level - 1):
            folders = [folder.parent for folder in folders]
        parts = name.split(".") if name else []
        for folder in folders:
            base = folder.joinpath(*parts)
            for path in (base.with_suffix(".py"), base / "__init__.py") if parts else ():
                within = path.resolve().is_relative_to(self.folder.resolve())
                if within and path.is_file() and len(self.modules) < _MOST_MODULES:
                    return self.load(path, name)
        return External(name)

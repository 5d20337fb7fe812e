"""Data flows one way: a room imports only from rooms on floors below, and nothing in a circle."""

from __future__ import annotations

import ast
import graphlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from places import ROOT, TESTS

PACKAGE = ROOT / "src" / "ghostlap"
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())


def floors() -> dict[str, int]:
    """The floor of each room, as the table of docs/architecture.md has it."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return {room: int(floor) for floor, room in re.findall(r"^\| (\d) \| `(\w+)` \|", text, re.M)}


def module_of(path: Path) -> str:
    """The dotted name of a file, below ``ghostlap``; a package's is its folder's."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py") if module_of(path)}


@cache
def imports_of(module: str) -> frozenset[str]:
    """The modules below ``ghostlap`` that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ghostlap."):
            home = (node.module or "").removeprefix("ghostlap.")
            names = {f"{home}.{alias.name}" for alias in node.names}
            found |= {name for name in names if name in MODULES} or {home}
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("ghostlap.")
                for alias in node.names
                if alias.name.startswith("ghostlap.")
            }
    return frozenset(found)


def test_every_room_has_its_floor_in_the_picture() -> None:
    assert sorted(floors()) == ROOMS
    alone = {path.name for path in PACKAGE.glob("*.py")}
    assert alone == {"__init__.py", "__main__.py"}, "a module of no room"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_uses_only_what_is_below_it(room: str) -> None:
    floor = floors()
    wrong = {
        f"{module} imports {imported}"
        for module in MODULES
        if module.split(".")[0] == room
        for imported in imports_of(module)
        if imported.split(".")[0] != room and floor[imported.split(".")[0]] >= floor[room]
    }
    assert not wrong


def test_nothing_imports_in_a_circle() -> None:
    """Neither modules nor, within a room, the packages and modules that lie side by side there."""
    graphlib.TopologicalSorter({m: imports_of(m) - {m} for m in MODULES}).prepare()
    side_by_side: dict[str, set[str]] = {}
    for module in MODULES:
        here = ".".join(module.split(".")[:2])
        there = {".".join(imported.split(".")[:2]) for imported in imports_of(module)}
        side_by_side.setdefault(here, set()).update(there - {here})
    graphlib.TopologicalSorter(side_by_side).prepare()


def test_children_are_started_in_one_way() -> None:
    """``base.engine.processes.python`` lets none import what lies in the current folder."""
    named = [name for name, path in MODULES.items() if "sys.executable" in path.read_text("utf-8")]
    assert named == ["base.engine.processes"]


def test_the_tests_lie_where_what_they_test_lies() -> None:
    rooms = {path.name for path in TESTS.iterdir() if any(path.rglob("test_*.py"))}
    assert rooms <= {*ROOMS, "benchmarks", "docs"}


def test_driving_needs_no_training_framework() -> None:
    """What a small computer has to load to drive is the core install and nothing more."""
    code = (
        "import sys, onnxruntime, ghostlap.commands.drive, ghostlap.commands.cli;"
        "heavy = set('keras tensorflow pandas matplotlib h5py optuna filelock warp scipy'.split());"
        "heavy |= {'jinja2', 'msgspec'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


IMPORTS = """
import importlib, logging, os, pkgutil, sys
import cv2
import ghostlap

def state():
    loggers = [logging.getLogger(name) for name in ("", "uvicorn", "uvicorn.error", "websockets")]
    return {
        "path": list(sys.path),
        "opencv": cv2.getNumThreads(),
        "loggers": [(log.level, log.handlers[:], log.propagate, log.disabled) for log in loggers],
        "tensorflow": os.environ.get("TF_CPP_MIN_LOG_LEVEL"),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "signals": signals(),
    }

def signals():
    import signal
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

swapped = []
real = os.dup2
os.dup2 = lambda *of: (swapped.append(of), real(*of))[1]
before = state()
for module in pkgutil.walk_packages(ghostlap.__path__, "ghostlap."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert not swapped, swapped
assert state() == before, (before, state())
"""


def test_importing_changes_nothing_of_the_process_that_imports() -> None:
    """Neither loggers of others nor standard streams, OpenCV's threads, signals or sys.path."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTS], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr

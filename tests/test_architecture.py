"""Data flows one way: a module imports only from modules before it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "ghostlap"

FRONT_DOORS = {"__init__", "__main__", "__pycache__", "py"}
PARTS = sorted(
    path.stem
    for path in PACKAGE.iterdir()
    if path.stem not in FRONT_DOORS and (path.is_dir() or path.suffix == ".py")
)
"""The modules and packages directly below ``ghostlap``."""


def flow() -> list[str]:
    """The parts in the order of the table in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)(?:\.py|/)`", row.split("|")[1])]


def imports_of(part: str) -> set[str]:
    found: set[str] = set()
    for path in [PACKAGE / f"{part}.py", *(PACKAGE / part).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())) if path.exists() else ():
            if isinstance(node, ast.ImportFrom) and node.module == "ghostlap":
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ghostlap."):
                found.add((node.module or "").split(".")[1])
    return found & set(PARTS) - {part}


def test_every_part_has_its_place_in_the_picture() -> None:
    assert sorted(flow()) == PARTS


@pytest.mark.parametrize("part", PARTS)
def test_imports_go_one_way(part: str) -> None:
    order = flow()
    later = {name for name in imports_of(part) if order.index(name) > order.index(part)}
    assert not later, f"{part} imports {sorted(later)}, which come after it"


def test_driving_needs_no_training_framework() -> None:
    """What a small computer has to load to drive is the core install and nothing more."""
    code = (
        "import sys, onnxruntime, ghostlap.drive.command, ghostlap.cli;"
        "heavy = set('keras tensorflow pandas matplotlib h5py optuna filelock warp scipy'.split());"
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

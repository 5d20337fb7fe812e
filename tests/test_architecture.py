"""Data flows one way: a module imports only from modules before it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "ghostlap"

MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))


def flow() -> list[str]:
    """The modules in the order of the table in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)\.py`", row.split("|")[1])]


def imports_of(module: str) -> set[str]:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "ghostlap":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ghostlap."):
            found.add((node.module or "").removeprefix("ghostlap."))
    return found & set(MODULES)


def test_every_module_has_its_place_in_the_picture() -> None:
    assert sorted(flow()) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    order = flow()
    later = {name for name in imports_of(module) if order.index(name) >= order.index(module)}
    assert not later, f"{module}.py imports {sorted(later)}, which come after it"


def test_driving_needs_no_training_framework() -> None:
    """What a small computer has to load to drive is the core install and nothing more."""
    code = (
        "import sys; import ghostlap.pilot, ghostlap.recorder, ghostlap.cli; import onnxruntime;"
        "heavy = {'keras', 'tensorflow', 'pandas', 'matplotlib', 'h5py', 'optuna', 'filelock'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

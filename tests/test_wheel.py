"""The wheel: all of its files, and that it works from an empty folder, with nothing but Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drive_smoke import check_drive, serving
from places import ROOT
from websockets.sync.client import connect

SOURCE = ROOT / "src"
PACKAGE = SOURCE / "ghostlap"


def source_files() -> set[str]:
    """All that is below ``src/ghostlap``, as a wheel names it."""
    return {
        path.relative_to(SOURCE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_file_of_the_source_is_declared_to_be_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["ghostlap"]
    declared = {path.relative_to(SOURCE).as_posix() for p in patterns for path in PACKAGE.glob(p)}
    packages = {path.parent.relative_to(SOURCE).as_posix() for path in PACKAGE.rglob("__init__.py")}
    left_out = {
        name
        for name in source_files() - declared
        if not name.endswith(".py") or name.rpartition("/")[0] not in packages
    }
    assert left_out == set(), "add them to package-data in pyproject.toml, or an __init__.py"


def test_an_older_python_is_told_which_one_is_needed() -> None:
    code = "import sys; sys.version_info = (3, 10, 13); sys.version = '3.10.13 (main)'; "
    ended = subprocess.run(
        [sys.executable, "-c", code + "import ghostlap"], capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("Ghostlap needs Python 3.11 or newer, and ")
    assert " is 3.10.13. " in ended.stderr
    assert "Traceback" not in ended.stderr


class Installed:
    """An environment with the wheel in it, and an empty folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.ghostlap = self.programs / "ghostlap"
        self.empty = folder / "empty"
        # Neither git nor make nor the repository; SYSTEMROOT is what Windows' sockets need.
        kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
        home = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA"), str(folder))
        self.options: dict[str, Any] = {
            "cwd": self.empty,
            "env": {**kept, **home, "PATH": str(self.programs), "PYTHONUTF8": "1"},
        }

    def __call__(self, *arguments: str) -> str:
        """What ``ghostlap`` prints, which must end well."""
        return run(self.ghostlap, *arguments, **self.options)


def run(*arguments: str | Path, **options: Any) -> str:
    ended = subprocess.run(arguments, capture_output=True, encoding="utf-8", **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The wheel of a copy of the source, so that nothing of earlier builds is in it or is left."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    shutil.copytree(SOURCE, copy / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, copy)
    shutil.rmtree(copy)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("ghostlap/")}
    assert packed == source_files()
    venv.create(folder / "venv", with_pip=True)
    installed = Installed(folder)
    constraints = ("-c", ROOT / "constraints.txt")
    python = installed.programs / "python"
    # Where PYTHONPATH names the source, pip would take that for an installed one.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run(python, "-m", "pip", "install", "-q", *constraints, f"{wheel}[all]", env=env)
    installed.empty.mkdir()
    yield installed
    shutil.rmtree(folder)  # it has gigabytes


@pytest.mark.slow
def test_the_wheel_works_from_an_empty_folder(installed: Installed) -> None:
    assert "usage: ghostlap COMMAND" in installed("--help")
    assert list(installed.empty.iterdir()) == []
    told = json.loads(installed("demo", "--quick", "--json").splitlines()[-1])
    assert "report" in told["stages"]
    assert list(installed.empty.iterdir()) == [installed.empty / "ghostlap-demo"]


@pytest.mark.slow
def test_the_pilot_that_comes_along_drives(installed: Installed) -> None:
    check_drive([installed.ghostlap], **installed.options)


@pytest.mark.slow
def test_the_cockpit_has_its_page_and_its_pilot(installed: Installed) -> None:
    def fetched(port: int, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
            return bytes(answer.read())

    page = PACKAGE / "cockpit" / "page"
    with serving([installed.ghostlap, "sim", "--page-port", "0"], **installed.options) as port:
        assert fetched(port, "") == (page / "index.html").read_bytes()
        for file in page.iterdir():
            assert fetched(port, f"static/{file.name}") == file.read_bytes(), file
        with connect(f"ws://127.0.0.1:{port}/ws") as socket:
            texts = (message for message in socket if isinstance(message, str))
            state = next(told for text in texts if (told := json.loads(text))["type"] == "state")
    assert state["pilot"] == "generalist"

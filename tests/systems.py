"""Marks of tests of what only some systems have, each with the reason."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest


def linux(reason: str) -> pytest.MarkDecorator:
    """A test that runs on Linux only."""
    return pytest.mark.skipif(sys.platform != "linux", reason=f"only Linux: {reason}")


def posix(reason: str) -> pytest.MarkDecorator:
    """A test of what Windows does not have."""
    return pytest.mark.skipif(os.name == "nt", reason=f"not on Windows: {reason}")


def link_or_skip(link: Path, target: Any, is_folder: bool = False) -> None:
    """``Path.symlink_to`` for tests on Windows, where one needs a right to make links."""
    if sys._getframe(1).f_globals["__name__"].startswith("_pytest"):
        raise OSError("pytest's own links are not worth skipping a test")
    try:
        os.symlink(target, link, is_folder)
    except OSError:
        pytest.skip("this system does not let everybody make links")
    if not link.is_symlink():  # Wine makes none, and says nothing of it
        pytest.skip("this system makes no links")


def why_not_there(path: Path) -> str:
    """What this system says of a file that is not there; Windows says when it is the folder."""
    try:
        path.stat()
    except OSError as error:
        return str(error.strerror)
    raise AssertionError(f"{path} is there")

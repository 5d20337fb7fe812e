"""Marks of tests of what only some systems have, each with the reason."""

from __future__ import annotations

import os
import sys

import pytest


def linux(reason: str) -> pytest.MarkDecorator:
    """A test that runs on Linux only."""
    return pytest.mark.skipif(sys.platform != "linux", reason=f"only Linux: {reason}")


def posix(reason: str) -> pytest.MarkDecorator:
    """A test of what Windows does not have."""
    return pytest.mark.skipif(os.name == "nt", reason=f"not on Windows: {reason}")

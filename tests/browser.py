"""A real browser for tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks import browser as real
from ghostlap.base.errors import GhostlapError

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless browser, ended afterwards; the test is skipped where there is none."""
    with ExitStack() as opened:
        try:
            browser = opened.enter_context(real.open_browser())
        except GhostlapError as error:
            if os.environ.get(real.VARIABLE):
                raise
            pytest.skip(str(error))
        yield browser

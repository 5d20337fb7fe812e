"""A real browser for tests: Debian's Chromium, or the one that Playwright brings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_HINT = "no browser: 'make setup' installs Chromium where it can, or set GHOSTLAP_CHROMIUM"


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless browser, ended afterwards; the test is skipped where there is none."""
    named = os.environ.get("GHOSTLAP_CHROMIUM")
    executable = named or next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_playwright() as playwright:
        try:
            # Root, as in a container, cannot use the sandbox; tests open nothing but our own pages.
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        except Error as error:
            if named:
                raise
            pytest.skip(f"{_HINT} ({str(error).splitlines()[0]})")
        try:
            yield browser
        finally:
            browser.close()

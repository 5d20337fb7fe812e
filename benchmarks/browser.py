"""A real browser without a window: Debian's Chromium, or the one that Playwright brings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ghostlap.base.errors import GhostlapError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "GHOSTLAP_CHROMIUM"
"""Environment variable that names the browser's executable."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless browser, ended afterwards.

    Raises:
        GhostlapError: Playwright is not installed, or there is no browser that starts.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        raise GhostlapError(
            "A browser is driven by the package playwright, which is not installed. "
            "Install Ghostlap with it: pip install 'ghostlap[sim,cockpit,dev]'"
        ) from None
    executable = os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_playwright() as playwright:
        try:
            # Root, as in a container, cannot use the sandbox; only our own pages are opened.
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        except Error as error:
            raise GhostlapError(
                f"No browser: {executable or 'Chromium'} does not start "
                f"({str(error).splitlines()[0]}). 'make setup' installs Chromium where it can, or "
                f"set {VARIABLE} to one."
            ) from None
        try:
            yield browser
        finally:
            browser.close()


def browser_pid() -> int | None:
    """The process of the browser that this one has opened; None where it cannot be told."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "--remote-debugging-pipe" in process.cmdline():
                return int(process.pid)
    return None

"""The cockpit in Debian's Firefox, by WebDriver BiDi, and in its WebKit: it drives in both."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import open_browser
from cockpits import PATIENCE_S, Cockpit
from firefox import KEYS, open_firefox
from recordings import make_recording
from small_pilot import make_pilot

pytestmark = pytest.mark.slow

WIDE_PX, HIGH_PX = 1280, 800
SHOWN = "window.ghostlap && ghostlap.frame >= 0 && ghostlap.state !== null"
BUTTONS = """(() => {
    const shown = [...document.querySelectorAll(".bar[aria-label=Drive] button")].filter(
        (one) => one.offsetParent !== null);
    return shown.map((one) => one.getBoundingClientRect()).map(
        (box) => [box.left, box.top, box.right, box.bottom]);
})()"""
GREYS = """(() => {
    const small = document.createElement("canvas").getContext("2d");
    small.drawImage(document.querySelector("#main"), 0, 0, 32, 16);
    return [...small.getImageData(0, 0, 32, 16).data];
})()"""

Evaluate = Callable[[str], Any]
"""The value of an expression in the page."""
Press = Callable[[str, bool], None]
"""Press the key of a name (True), or let go of it."""


@pytest.fixture(scope="module")
def cockpit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cockpit]:
    folder = tmp_path_factory.mktemp("cockpit")
    make_pilot(folder / "runs" / "grey")
    make_recording(folder / "recordings" / "made", rows=30)
    cockpit = Cockpit(folder)
    cockpit.start()
    yield cockpit
    cockpit.stop()


def program(*names: str, package: str) -> str:
    """The path of a program of Debian's; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(
            f"no {names[0]}: apt-get install {package}, which 'make test-all' tries as root"
        )
    return found


def until(evaluate: Evaluate, condition: str) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not evaluate(f"Boolean({condition})"):
        assert time.monotonic() < give_up_s, (condition, evaluate("window.ghostlap?.state"))
        time.sleep(0.03)


def check_drives(evaluate: Evaluate, press: Press) -> None:
    """Keys drive the car, a picture is shown, the pilot drives, a drive is recorded."""
    until(evaluate, SHOWN)
    until(evaluate, "!document.querySelector('#record').disabled")
    press("ArrowUp", True)
    until(evaluate, "ghostlap.state.speed_mph > 4")
    press("a", True)
    until(evaluate, "ghostlap.state.steering < -0.3")
    press("a", False)
    until(evaluate, "ghostlap.state.steering === 0")
    press("ArrowUp", False)
    greys = evaluate(GREYS)
    assert max(greys[::4]) - min(greys[::4]) > 30  # a picture, not an empty canvas
    for button, state in {"#record": "recording !== null", "#pause": "paused"}.items():
        evaluate(f"document.querySelector({button!r}).click()")
        until(evaluate, f"ghostlap.state.{state}")
        evaluate(f"document.querySelector({button!r}).click()")
        until(evaluate, f"!(ghostlap.state.{state})")


def check_one_row(boxes: list[list[float]]) -> None:
    """Buttons stand side by side within the page, none on another."""
    assert len(boxes) >= 5
    assert len({round(top) for _, top, _, _ in boxes}) == 1, boxes
    assert all(box[2] <= after[0] for box, after in itertools.pairwise(boxes)), boxes
    assert boxes[-1][2] <= WIDE_PX
    assert all(bottom - top < 60 for _, top, _, bottom in boxes), boxes  # of one line of text


def test_firefox(cockpit: Cockpit, tmp_path: Path) -> None:
    with open_firefox(tmp_path / "profile") as page:
        page.open(cockpit.address, WIDE_PX, HIGH_PX)
        check_drives(page.evaluate, page.press)
        firefox = buttons(page.evaluate)
    with open_browser() as browser:
        chromium_page = browser.new_page(viewport={"width": WIDE_PX, "height": HIGH_PX})
        chromium_page.goto(cockpit.address)
        chromium = buttons(chromium_page.evaluate)
    for boxes in (chromium, firefox):
        check_one_row(boxes)
    wide = [[right - left for left, _, right, _ in boxes] for boxes in (chromium, firefox)]
    assert wide[0] == pytest.approx(wide[1], rel=0.15)


def buttons(evaluate: Evaluate) -> list[list[float]]:
    until(evaluate, SHOWN)
    found: list[list[float]] = evaluate(BUTTONS)
    return found


# Of selenium's own: it leaves its driver's output open.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:setting remote_server_addr:DeprecationWarning")
def test_webkit(cockpit: Cockpit, tmp_path: Path) -> None:
    driver_path = program("WebKitWebDriver", package="webkit2gtk-driver")
    xvfb = program("Xvfb", package="xvfb")
    selenium = pytest.importorskip("selenium", reason="no package selenium, which drives WebKit")
    del selenium
    from selenium.webdriver import WebKitGTK
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.webkitgtk.options import Options
    from selenium.webdriver.webkitgtk.service import Service

    display = subprocess.Popen(
        [xvfb, "-displayfd", "1", "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert display.stdout is not None
        number = display.stdout.readline().strip()
        environment = {
            "DISPLAY": f":{number}", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin",
            "GDK_BACKEND": "x11", "XDG_RUNTIME_DIR": str(tmp_path), "LIBGL_ALWAYS_SOFTWARE": "1",
            "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
        }  # fmt: skip
        browser = WebKitGTK(Options(), Service(driver_path, env=environment))
        try:
            browser.set_window_size(WIDE_PX, HIGH_PX)
            browser.get(cockpit.address)

            def evaluate(text: str) -> Any:
                return browser.execute_script(f"return ({text});")

            def press(key: str, down: bool) -> None:
                chain = ActionChains(browser)
                (chain.key_down if down else chain.key_up)(KEYS.get(key, key)).perform()

            check_drives(evaluate, press)
        finally:
            browser.quit()
    finally:
        display.terminate()
        display.wait()

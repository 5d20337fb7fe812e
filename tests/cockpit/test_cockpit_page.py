"""The cockpit's page in a real browser, against the real server and simulator."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import open_browser
from cockpits import PATIENCE_S, Cockpit
from places import ROOT
from recordings import make_recording
from small_pilot import make_pilot

from ghostlap.commands.doctor import examine
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings.tables_beside import read_who_drove

pytest.importorskip("playwright", reason="no package playwright, which drives a browser")
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

PAGE = ROOT / "src" / "ghostlap" / "cockpit" / "page"
ROWS = 120

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def cockpit(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cockpit]:
    folder = tmp_path_factory.mktemp("cockpit")
    make_pilot(folder / "runs" / "grey")
    make_recording(folder / "recordings" / "made", rows=ROWS)
    cockpit = Cockpit(folder)
    cockpit.start()
    yield cockpit
    cockpit.stop()


@contextmanager
def opened(browser: Browser, cockpit: Cockpit, **options: Any) -> Iterator[Page]:
    """A page that drives; it must not complain about anything but a lost connection, and a
    recording that is not there, as one that has just gone to the trash."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "/api/recordings/" not in message.location["url"]:
            complaints.append(message.text + message.location["url"])

    page.on("console", listen)
    try:
        page.goto(cockpit.address)
        until(page, "ghostlap.frame >= 0 && ghostlap.state !== null")
        yield page
    finally:
        context.close()
    assert [text for text in complaints if "ERR_CONNECTION" not in text] == []


@pytest.fixture
def page(browser: Browser, cockpit: Cockpit) -> Iterator[Page]:
    """A fresh page in the driver's seat of a car that stands, in manual mode, without a pilot."""
    with opened(browser, cockpit, viewport={"width": 1280, "height": 800}) as page:
        expect(page.locator("#record")).to_be_enabled()
        page.select_option("#pilot", "")
        until(page, "ghostlap.state.pilot === null && ghostlap.state.mode === 'manual'")
        yield page
        if page.evaluate("Boolean(window.ghostlap?.state?.recording)"):
            page.keyboard.press("r")
            until(page, "!ghostlap.state.recording")


def until(page: Page, condition: str) -> None:
    """Wait for a condition in the page, which lets nobody evaluate text by itself."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not page.evaluate(f"Boolean(window.ghostlap && ({condition}))"):
        assert time.monotonic() < give_up_s, (condition, page.evaluate("window.ghostlap?.state"))
        page.wait_for_timeout(30)


def state(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("ghostlap.state")
    return found


def pixels(page: Page, canvas: str = "#main") -> np.ndarray:
    """Some of what a canvas shows, as grey values."""
    values = page.evaluate(
        """(name) => {
            const small = new OffscreenCanvas(32, 16).getContext("2d");
            small.drawImage(document.querySelector(name), 0, 0, 32, 16);
            return [...small.getImageData(0, 0, 32, 16).data];
        }""",
        canvas,
    )
    return np.array(values, float).reshape(16, 32, 4)[..., :3].mean(axis=2)


def drive_on(page: Page, speed_mph: float = 4.0) -> None:
    page.keyboard.down("ArrowUp")
    until(page, f"ghostlap.state.speed_mph > {speed_mph}")


def choose_grey(page: Page) -> None:
    page.select_option("#pilot", "grey")
    until(page, "ghostlap.state.pilot === 'grey'")


def go(page: Page, screen: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=screen).click()


def test_keys_drive_the_car(page: Page) -> None:
    before, seen = state(page), pixels(page)
    drive_on(page)
    page.keyboard.down("a")
    until(page, "ghostlap.state.steering < -0.3")
    page.keyboard.up("a")
    until(page, "ghostlap.state.steering === 0")
    page.keyboard.up("ArrowUp")
    after = state(page)
    assert (after["x"], after["y"]) != (before["x"], before["y"])
    assert np.abs(pixels(page) - seen).mean() > 2
    assert pixels(page).std() > 10  # a picture, not an empty canvas
    assert pixels(page, "#camera-left").std() > 10
    assert page.locator("#speed").inner_text() != "0"
    until(page, "ghostlap.latency_ms.length > 0")
    assert min(page.evaluate("ghostlap.latency_ms")) > 0


def test_one_press_of_the_space_bar_shows_a_car_that_drives(
    browser: Browser, tmp_path: Path
) -> None:
    cockpit = Cockpit(tmp_path)
    cockpit.start()
    try:
        with opened(browser, cockpit) as page:
            expect(page.locator("#hint")).to_contain_text("You drive. ← → steer")
            expect(page.locator("#hint")).to_contain_text("Space: the pilot drives")
            page.keyboard.press("Space")
            until(page, "ghostlap.state.driving === 'pilot' && ghostlap.state.speed_mph > 3")
            expect(page.locator("#who")).to_contain_text("generalist drives")
            expect(page.locator("#hint")).to_contain_text("← or → takes the wheel")
            expect(page.locator("#measured")).to_contain_text("generalist here: autonomy")
    finally:
        cockpit.stop()


def test_a_mouse_drives_too(page: Page) -> None:
    view = page.locator("#view").bounding_box()
    assert view is not None
    middle = view["x"] + view["width"] / 2, view["y"] + view["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 120, middle[1] - 70)
    until(page, "Math.abs(ghostlap.state.steering - 0.5) < 0.01 && ghostlap.state.throttle === 0.5")
    page.mouse.up()
    until(page, "ghostlap.state.steering === 0 && ghostlap.state.throttle === 0")


def test_recording_is_a_valid_recording(page: Page, cockpit: Cockpit) -> None:
    page.click("#record")
    drive_on(page)
    page.keyboard.press("ArrowRight", delay=100)  # the doctor wants to see some steering
    until(page, "ghostlap.state.recording?.rows > 20")
    expect(page.locator("#rec")).to_contain_text("Recording")
    page.keyboard.up("ArrowUp")
    page.keyboard.press("r")  # the click has left the keys to the view
    until(page, "ghostlap.state.recording === null")
    expect(page.locator("#rec")).to_be_hidden()

    recording = read_recording(cockpit.newest_recording())
    assert len(recording.frames) > 20
    assert recording.frames.speed_mph.max() > 4
    errors = [one for one in examine(recording) if one.severity == "error"]
    assert errors == []

    go(page, "Teach")
    card = page.locator(f'.card[data-name="{cockpit.newest_recording().name}"]')
    expect(card).to_contain_text("rows")
    expect(card.locator(".verdict")).to_contain_text(re.compile("healthy|warning"))
    assert card.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)")


def test_hand_over_take_over_hand_back(page: Page, cockpit: Cockpit) -> None:
    expect(page.locator("#mode")).to_be_disabled()  # nobody to hand over to
    choose_grey(page)
    page.keyboard.press("r")
    until(page, "ghostlap.state.recording !== null")
    page.keyboard.press("Space")
    until(page, "ghostlap.state.driving === 'pilot' && ghostlap.state.recording?.rows > 5")
    expect(page.locator("#who")).to_contain_text("grey drives")
    page.keyboard.down("ArrowLeft")
    until(page, "ghostlap.state.driving === 'person'")
    page.keyboard.up("ArrowLeft")
    taken = state(page)
    assert taken["mode"] == "autonomous"
    assert taken["interventions"] >= 1
    expect(page.locator("#who")).to_contain_text("You took the wheel")
    until(page, f"ghostlap.state.recording.rows > {taken['recording']['rows'] + 3}")
    page.get_by_role("button", name="Hand back").click()
    until(page, "ghostlap.state.driving === 'pilot'")
    page.get_by_role("button", name="Take the wheel").click()
    until(page, "ghostlap.state.driving === 'person'")
    assert state(page)["interventions"] > taken["interventions"]
    page.keyboard.press("h")
    until(page, "ghostlap.state.driving === 'pilot'")
    page.keyboard.press("r")
    until(page, "ghostlap.state.recording === null")
    page.keyboard.press("Space")
    until(page, "ghostlap.state.mode === 'manual'")

    said = read_who_drove(cockpit.newest_recording()).values()
    assert {row.driver for row in said} == {"person", "pilot"}
    assert all(row.pilot_steering is not None for row in said)


def test_reset_and_pause(page: Page) -> None:
    drive_on(page)
    page.keyboard.down("ArrowRight")
    until(page, "Math.abs(ghostlap.state.cte_m) > 0.5")
    page.keyboard.up("ArrowRight")
    page.keyboard.up("ArrowUp")
    page.keyboard.press("p")
    until(page, "ghostlap.state.paused")
    expect(page.locator("#who")).to_contain_text("Paused")
    page.keyboard.press("Backspace")
    until(page, "Math.abs(ghostlap.state.cte_m) < 0.1")
    page.keyboard.press("p")
    until(page, "!ghostlap.state.paused")


def test_settings(page: Page) -> None:
    page.focus("#view")
    before = round(state(page)["speed_limit_mph"])
    page.keyboard.press("-")
    until(page, f"ghostlap.state.speed_limit_mph === {before - 1}")
    expect(page.locator("#limit-value")).to_have_text(f"{before - 1} mph")
    page.locator("#limit").fill(str(before))
    until(page, f"ghostlap.state.speed_limit_mph === {before}")
    page.focus("#view")
    for key, line in ((".", "right_lane"), (",", "centre"), (",", "left_lane"), (",", "left_lane")):
        page.keyboard.press(key)
        until(page, f"ghostlap.state.line === '{line}'")
    expect(page.locator("#line")).to_have_value("left_lane")
    expect(page.locator("#who-text")).to_have_text("You drive, left lane")
    shown = "one => { one.value = 'switch'; return one.selectedOptions[0].text }"
    assert page.eval_on_selector("#line", shown) == "changing lines"
    page.select_option("#line", "centre")
    until(page, "ghostlap.state.line === 'centre'")
    page.click("#open-road")
    page.select_option("#direction", "-1")
    page.get_by_role("button", name="Go there").click()
    until(page, "ghostlap.state.direction === -1")
    expect(page.locator("#road-shown")).to_contain_text("reversed")
    page.click("#open-road")
    page.select_option("#direction", "1")
    page.keyboard.press("Escape")  # changes nothing
    page.wait_for_timeout(300)
    assert state(page)["direction"] == -1
    page.click("#open-road")
    page.select_option("#direction", "1")
    page.get_by_role("button", name="Go there").click()
    until(page, "ghostlap.state.direction === 1")


def test_typing_does_not_drive(page: Page) -> None:
    page.locator("#limit").focus()
    page.keyboard.press("r")
    page.keyboard.down("ArrowUp")
    page.keyboard.up("ArrowUp")
    page.locator("#view").focus()
    drive_on(page, 1.0)  # whatever came before has been heard by now
    page.keyboard.press("?")  # hands are off while one reads
    until(page, "ghostlap.state.throttle === 0")
    assert state(page)["recording"] is None
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.up("ArrowUp")
    assert state(page)["recording"] is None


def test_keyboard_alone(page: Page) -> None:
    reached: list[str] = []
    while len(reached) < 40:
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => {
                const one = document.activeElement;
                return [one === document.body ? "" : one.id || one.textContent.trim(),
                        getComputedStyle(one).outlineStyle];
            }"""
        )
        if not name:  # once round
            break
        assert outline != "none", name
        reached.append(name)
    # No trap, and in the order in which they stand.
    wanted = [
        "open-help", "view", "record", "reset", "pause", "pilot", "limit", "line", "open-road",
    ]  # fmt: skip
    assert [name for name in reached if name in wanted] == wanted

    page.focus("#record")
    page.keyboard.press("Space")  # a focused button is pressed; the mode stays
    until(page, "ghostlap.state.recording !== null")
    assert page.locator("#record").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    until(page, "ghostlap.state.recording === null")
    page.focus("#open-help")
    page.keyboard.press("Enter")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#open-help")).to_be_focused()


def test_a_reload_while_driving(page: Page) -> None:
    drive_on(page)
    page.reload()
    until(page, "ghostlap.frame >= 0 && ghostlap.state.speed_mph < 1")  # nobody held it meanwhile
    page.keyboard.up("ArrowUp")
    expect(page.locator("#seat")).to_have_text("You have the seat")
    drive_on(page)
    page.keyboard.up("ArrowUp")


def test_a_hidden_page_lets_go(page: Page) -> None:
    drive_on(page)
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { value: true, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    until(page, "ghostlap.state.driver === null && ghostlap.state.speed_mph < 1")
    page.evaluate(
        "() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.keyboard.up("ArrowUp")
    expect(page.locator("#seat")).to_have_text("You have the seat")


def test_two_pages(page: Page, browser: Browser, cockpit: Cockpit) -> None:
    with opened(browser, cockpit) as second:
        expect(second.locator("#seat")).to_have_text("You watch")
        expect(second.locator("#record")).to_be_disabled()
        drive_on(page)
        until(second, "ghostlap.state.speed_mph > 4")
        second.keyboard.press("r")
        expect(second.locator("#say")).to_contain_text("You watch")
        second.get_by_role("button", name="Take the seat").click()
        expect(second.locator("#seat")).to_have_text("You have the seat")
        expect(page.locator("#seat")).to_have_text("You watch")
        page.keyboard.up("ArrowUp")
        assert state(page)["recording"] is None
        drive_on(second)
        until(page, "ghostlap.state.speed_mph > 4")
        second.keyboard.up("ArrowUp")
    expect(page.locator("#seat")).to_have_text("The seat is free")
    page.click("#take-seat")
    expect(page.locator("#seat")).to_have_text("You have the seat")


def test_replay_and_cut(page: Page, cockpit: Cockpit) -> None:
    go(page, "Teach")
    page.get_by_role("link", name="Replay made", exact=True).click()
    expect(page.locator("#replay-facts")).to_contain_text(f"{ROWS} rows")
    expect(page.locator("#moment-frame")).to_have_text("1")
    page.select_option("#replay-pilot", "grey")
    page.focus("#replay-view")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#moment-frame")).to_have_text("2")
    expect(page.locator("#moment-pilot")).to_have_text(re.compile(r"\d\.\d{3}"))
    seen = pixels(page, "#replay-frame")
    page.keyboard.press("[")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("]")
    expect(page.locator("#cut-shown")).to_contain_text("Rows 2 to 17")
    page.locator("#scrub").fill(str(ROWS - 1))
    expect(page.locator("#moment-frame")).to_have_text(str(ROWS))
    until(page, "document.querySelector('#replay-frame').width === 320")
    for _ in range(600):
        if np.abs(pixels(page, "#replay-frame") - seen).mean() > 0.5:
            break
        page.wait_for_timeout(50)
    else:
        raise AssertionError("the picture stayed the same")
    page.click("#cut")
    page.click("#confirm-yes")
    expect(page.locator("#replay-facts")).to_contain_text(f"{ROWS - 16} rows")
    assert len(read_recording(cockpit.recordings / "made-cut").frames) == ROWS - 16

    go(page, "Teach")
    expect(page.locator('.card[data-name="made"]')).to_have_count(0)
    page.locator("#trash summary").click()
    page.get_by_role("button", name="Restore made", exact=True).click()
    expect(page.locator('.card[data-name="made"]')).to_be_visible()
    page.get_by_role("button", name="Move made-cut to the trash").click()
    expect(page.locator('.card[data-name="made-cut"]')).to_have_count(0)
    page.get_by_role("button", name="Empty the trash").click()
    page.click("#confirm-yes")
    expect(page.locator("#trash")).to_be_hidden()
    assert (cockpit.recordings / "made").is_dir()


def test_a_link_that_nobody_meant_opens_the_page(page: Page, cockpit: Cockpit) -> None:
    for link in "replay/%", "replay/%E0%A4%A", "replay/none", "nowhere/%":
        page.goto(f"{cockpit.address}?{len(link)}#{link}")
        until(page, "ghostlap.state !== null")


@pytest.mark.parametrize("size", [(360, 740), (390, 844), (844, 390)])
def test_a_phone(browser: Browser, cockpit: Cockpit, size: tuple[int, int]) -> None:
    width, height = size
    options = {"viewport": {"width": width, "height": height}, "has_touch": True, "is_mobile": True}
    with opened(browser, cockpit, **options) as page:
        for screen in ("Teach", "Replay", "Drive"):
            go(page, screen)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, screen
        cut_off = "button => button.offsetParent && button.scrollWidth > button.clientWidth"
        assert (
            page.evaluate(f"[...document.querySelectorAll('button')].filter({cut_off}).length") == 0
        )
        if page.locator("#take-seat").is_visible():
            page.click("#take-seat")
        expect(page.locator("#record")).to_be_enabled()
        assert page.locator("#record").bounding_box()["height"] >= 40  # type: ignore[index]
        expect(page.locator("#hint")).to_contain_text("Left pad steers")
        touch = page.context.new_cdp_session(page)
        left, right = (width * 0.25, height * 0.83), (width * 0.75, height * 0.83)

        def fingers(kind: str, *points: tuple[float, float]) -> None:
            at = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

        fingers("touchStart", left)
        fingers("touchStart", left, right)
        fingers("touchMove", (left[0] + 55, left[1]), (right[0], right[1] - 90))
        until(
            page, "Math.abs(ghostlap.state.steering - 0.5) < 0.01 && ghostlap.state.throttle === 1"
        )
        fingers("touchEnd")
        until(page, "ghostlap.state.steering === 0 && ghostlap.state.throttle === 0")


def test_train_and_drive_with_it(page: Page, cockpit: Cockpit) -> None:
    go(page, "Teach")
    expect(page.locator("#train")).to_be_disabled()
    page.check('[aria-label="Learn from made"]')
    page.fill("#epochs", "1")
    page.click("#train")
    job = page.locator(".job").first
    expect(job).to_be_visible()
    give_up_s = time.monotonic() + 5 * PATIENCE_S
    while job.get_attribute("data-state") not in ("done", "failed"):
        assert time.monotonic() < give_up_s, job.inner_text()
        page.wait_for_timeout(200)
    expect(job).to_contain_text("epoch 1 of 1, loss")
    expect(job.locator("canvas")).to_have_attribute("aria-label", re.compile("validation"))
    assert pixels(page, ".job canvas").std() > 0  # something is drawn
    run = job.locator("h3").inner_text()
    assert (cockpit.runs / run / "pilot.json").is_file()
    job.get_by_role("button", name="Drive with it").click()
    until(page, f"ghostlap.state.pilot === {run!r}")
    page.keyboard.press("o")  # every training leaves a saliency beside the pilot
    until(page, "ghostlap.state.saliency")
    expect(page.locator("#saliency")).to_have_attribute("aria-pressed", "true")
    frame = page.evaluate("ghostlap.frame")
    page.keyboard.press("Space")
    until(page, f"ghostlap.state.driving === 'pilot' && ghostlap.frame > {frame + 3}")
    page.keyboard.press("Space")
    until(page, "ghostlap.state.mode === 'manual'")
    page.keyboard.press("o")


def test_a_lost_connection_comes_back(page: Page, cockpit: Cockpit) -> None:
    drive_on(page)
    cockpit.stop()
    expect(page.locator("#lost")).to_contain_text("Connection lost, trying again")
    expect(page.locator("#record")).to_be_disabled()
    page.keyboard.up("ArrowUp")
    cockpit.start()
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("#seat")).to_have_text("You have the seat")
    drive_on(page)
    page.keyboard.up("ArrowUp")


def test_the_page_needs_nothing_from_elsewhere() -> None:
    files = sorted(PAGE.iterdir())
    assert {path.suffix for path in files} == {".html", ".css", ".js", ".svg"}
    for path in files:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("https:", "").replace("http:", ""), path.name
        assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", text), path.name
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", html)
    names = {path.name for path in files}
    for path in files:
        for name in re.findall(r'from "\./([^"]+)"', path.read_text(encoding="utf-8")):
            assert name in names, f"{path.name} wants {name}"

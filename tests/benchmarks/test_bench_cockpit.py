"""The benchmark of the cockpit: that it measures what it says, not how fast it is."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from browser import open_browser as browser_or_skip
from rich.console import Console
from rings import ring_file
from websockets.asyncio.client import ClientConnection

from benchmarks import cockpit, command
from benchmarks.browser import VARIABLE, open_browser
from benchmarks.cockpit_load import BarePage, Press, drive_bare, presses_of
from benchmarks.cockpit_tables import show
from benchmarks.command import BenchConfig, bench
from benchmarks.measures import processor_s, spent_s
from ghostlap.base.errors import GhostlapError
from ghostlap.cockpit.protocol import Kind, picture

RATES = {
    "events": 120, "unanswered": 0, "p50_ms": 31.4, "p95_ms": 48.6, "seconds": 20.0,
    "made_per_s": 29.8, "drawn_per_s": 29.1, "server_cores": 0.61, "measuring_cores": 0.04,
}  # fmt: skip
LIMIT = {"copy_gb_per_s": 11.5, "multiply_gflops": 21.5}
MADE_UP: dict[str, Any] = {
    "browser": "150.0",
    "limit": LIMIT,
    "painting": {"paint_ms": 14.2, "jpeg_ms": 1.6, "cameras_ms": 9.3, "kilobytes": 41.0},
    "bare": {**RATES, "unchanged": 2},
    "page": {
        **RATES, "p50_ms": 47.9, "unanswered": 3, "browser_cores": 0.52, "watchers_per_s": [],
    },
    "watched": {**RATES, "p50_ms": 63.0, "browser_cores": 0.51, "watchers_per_s": [27.5, 29.2]},
    "limit_after": LIMIT,
}  # fmt: skip


class Scripted:
    """A connection on which the server says what the test wants."""

    def __init__(self, messages: list[str | bytes]) -> None:
        self.messages, self.sent = messages, list[dict[str, Any]]()

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        for message in self.messages:
            yield message


def state(frame: int, ack: int) -> str:
    return json.dumps({"type": "state", "frame": frame, "input_ack": ack})


def main_picture(frame: int, jpeg: bytes) -> bytes:
    return picture(Kind.MAIN, frame, 0.0, jpeg)


def test_a_bare_page_times_the_first_picture_that_shows_an_input() -> None:
    hello = json.dumps({"type": "hello"})
    first: list[str | bytes] = [hello, state(6, 0), main_picture(6, b"a"), main_picture(7, b"b")]
    # The state tells that frame 8 has the first input; what came before is no answer.
    left = picture(Kind.LEFT, 8, 0.0, b"left")
    script = Scripted([*first, state(8, 1), left, main_picture(8, b"b")])
    page = BarePage(cast(ClientConnection, script))

    async def drive() -> None:
        await page.hold("up", "left")
        await page.hold("up")
        await page.read()

    asyncio.run(drive())
    assert len(page.latency_s) == 1
    assert page.latency_s[0] > 0
    assert (page.unanswered, page.unchanged, page.pictures, page.frame) == (1, 1, 3, 8)
    inputs, seen = script.sent[:2], script.sent[2:]
    assert [(one["n"], one["keys"]) for one in inputs] == [(1, ["up", "left"]), (2, ["up"])]
    assert [one["frame"] for one in seen] == [6, 7, 8]
    page.forget()
    assert (page.latency_s, page.pictures, page.unchanged) == ([], 0, 0)


def test_what_is_never_answered_is_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.cockpit_load._ANSWERED_WITHIN_S", 0.05)
    page = BarePage(cast(ClientConnection, Scripted([])))
    asyncio.run(drive_bare(page, [Press("left", 0.0, 0.0)] * 3))
    assert (page.unanswered, page.latency_s) == (6, [])


def test_presses_are_the_same_every_time_and_at_no_fixed_rate() -> None:
    presses = presses_of(60)
    assert presses == presses_of(60)
    assert presses != presses_of(60, seed=1)
    assert {press.key for press in presses} == {"left", "right"}
    assert len({press.held_s for press in presses}) == 60
    assert all(0.06 <= s <= 0.2 for press in presses for s in (press.held_s, press.released_s))


def test_processor_time_is_that_of_the_process() -> None:
    before = processor_s(os.getpid())
    sum(k * k for k in range(3_000_000))
    assert spent_s(before, processor_s(os.getpid())) > 0
    assert spent_s({1: 2.0, 7: 9.0}, {1: 2.5, 8: 1.0}) == 1.5  # one has ended, one begun


def test_the_tables_show_it() -> None:
    text = io.StringIO()
    show(MADE_UP, Console(file=text, width=140))
    shown = text.getvalue()
    for words in (
        "47.9", "29.8", "29.1", "0.52", "browser, 2 watching",
        "120 presses and releases, of which were not answered: 0 + 3 + 0",
        "the same as before: 2", "the browser adds 16.5 ms", "Chromium 150.0",
        "each gets 27.5 to 29.2 pictures/s", "painting 14.2 ms, JPEG 1.6 ms (41 kB)",
        "copying 11.5 and 11.5 GB/s",
    ):  # fmt: skip
        assert words in shown, words


def test_cockpit_measures_every_part_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def noting(result: Any) -> Callable[..., Any]:
        def note(presses: list[Press], *given: Any) -> Any:
            asked.append((len(presses), *given))
            return result

        return note

    class Opened:
        version = "150.0"

        def __enter__(self) -> Opened:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(cockpit, "open_browser", Opened)
    monkeypatch.setattr(cockpit, "one_core_limits", lambda repeats: LIMIT)
    monkeypatch.setattr(cockpit, "painting", lambda repeats: MADE_UP["painting"])
    monkeypatch.setattr(cockpit, "bare", noting(MADE_UP["bare"]))
    monkeypatch.setattr(cockpit, "in_browser", noting(MADE_UP["watched"]))
    monkeypatch.setattr(command, "console", Console(file=io.StringIO()))
    found = bench(BenchConfig("cockpit", out=tmp_path / "out.json", repeats=20))
    assert asked == [(80,), (80,), (80, 10)]
    assert json.loads((tmp_path / "out.json").read_text()) == found
    assert set(MADE_UP) < set(found)
    asked.clear()
    bench(BenchConfig("cockpit", repeats=3))
    assert asked == [(60,), (60,), (60, 10)]


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(GhostlapError, match=r"playwright.*pip install 'ghostlap\[.*dev\]'"):
        bench(BenchConfig("cockpit"))


def test_a_browser_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere/chromium")
    with (
        pytest.raises(GhostlapError, match=r"(?s)/nowhere/chromium does not start.*make setup"),
        open_browser(),
    ):
        pass


def test_a_folder_is_too_much() -> None:
    with pytest.raises(GhostlapError, match="drives without a pilot. Got runs/a; leave it out"):
        bench(BenchConfig("cockpit", Path("runs/a")))


def test_a_bare_page_drives_the_real_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path))
    found = cockpit.bare(presses_of(3), ring_file(tmp_path))
    assert (found["events"], found["unanswered"]) == (6, 0)
    assert 0 < found["p50_ms"] <= found["p95_ms"]
    assert found["made_per_s"] >= found["drawn_per_s"] > 0
    assert found["server_cores"] > 0


@pytest.mark.slow
def test_a_browser_drives_the_real_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with browser_or_skip():
        pass
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path))
    found = cockpit.in_browser(presses_of(3), 2, ring_file(tmp_path))
    assert (found["events"], found["unanswered"]) == (6, 0)
    assert found["made_per_s"] >= found["drawn_per_s"] > 0
    assert found["browser_cores"] > 0
    assert len(found["watchers_per_s"]) == 2
    assert all(found["watchers_per_s"])

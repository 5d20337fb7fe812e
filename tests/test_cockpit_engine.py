"""The engine: what a picture waits for, and what it tells."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from rings import ring_file

from ghostlap.cockpit.cabin import Cabin
from ghostlap.cockpit.engine import Engine
from ghostlap.cockpit.protocol import Input, Kind
from ghostlap.cockpit.stage import Stage

PATIENCE_S = 60.0
PICTURES = 20


class Presser:
    """Presses or releases a key as soon as it is shown a picture."""

    def __init__(self) -> None:
        self.engine: Engine
        self.published: list[set[Kind]] = []
        self.told: list[int | None] = []
        """The input that each main picture says it had."""
        self.done = threading.Event()

    def publish(self, pictures: dict[Kind, bytes], state: dict[str, Any] | None) -> None:
        self.published.append(set(pictures))
        if Kind.MAIN in pictures:
            self.told.append(None if state is None else state["input_ack"])
            number = len(self.told)
            keys = frozenset({"left"}) if number % 2 else frozenset()
            self.engine.tell(Input(number, keys))  # type: ignore[arg-type]
            if number > PICTURES:
                self.done.set()

    def say(self, level: str, text: str) -> None: ...

    def new_map(self, road: dict[str, Any] | None) -> None: ...


def never(*_: Any) -> Any:
    raise AssertionError("nothing is made here")


def test_every_input_is_told_with_the_picture_that_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path))
    outlet = Presser()
    cabin = Cabin(Stage(ring_file(tmp_path)), outlet.say)
    engine = outlet.engine = Engine(cabin, outlet, never, never, never)
    engine.sit(True)
    engine.watched_by(1)
    engine.start()
    assert outlet.done.wait(PATIENCE_S)
    engine.stop()
    assert outlet.told[1 : PICTURES + 1] == list(range(1, PICTURES + 1))
    # The three cameras come after the view, which does not wait for them.
    cameras = {Kind.LEFT, Kind.CENTER, Kind.RIGHT}
    assert cameras in outlet.published
    assert all(kinds in ({Kind.MAIN}, cameras) for kinds in outlet.published)
    assert outlet.published[outlet.published.index(cameras) - 1] == {Kind.MAIN}

"""How Python shares its time."""

from __future__ import annotations

import gc
import sys
from collections import deque

from ghostlap.base.promptness import prompt_threads


def test_what_is_there_already_is_not_looked_through_for_garbage() -> None:
    before = len(gc.get_objects())
    with prompt_threads():
        assert len(gc.get_objects()) < before / 10
    assert len(gc.get_objects()) > before / 2


def test_a_thread_gets_its_turn_soon() -> None:
    before_s = sys.getswitchinterval()
    with prompt_threads():
        assert sys.getswitchinterval() < before_s / 5
    assert sys.getswitchinterval() == before_s


def test_garbage_is_taken_away_in_small_lots_and_all_is_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with prompt_threads():
        lots: list[int] = []

        def see(phase: str, info: dict[str, int]) -> None:
            if phase == "stop":
                lots.append(info["collected"])

        gc.callbacks.append(see)
        try:
            alive: deque[object] = deque(maxlen=3000)  # each for a while, as connections are
            for _ in range(80_000):
                one: list[object] = []
                one.append(one)
                alive.append(one)
        finally:
            gc.callbacks.remove(see)
    assert max(lots) < 15_000
    assert sum(lots) > 60_000
    assert gc.get_threshold() == before

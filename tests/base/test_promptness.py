"""How Python shares its time."""

from __future__ import annotations

import gc
import sys

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

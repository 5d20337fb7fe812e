"""What there is already, and garbage."""

from __future__ import annotations

import gc

from ghostlap.base.memory import unsearched


def test_what_is_there_already_is_not_looked_through_for_garbage() -> None:
    before = len(gc.get_objects())
    with unsearched():
        assert len(gc.get_objects()) < before / 10
    assert len(gc.get_objects()) > before / 2

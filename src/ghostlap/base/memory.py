"""Garbage, where somebody waits for answers."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def unsearched() -> Iterator[None]:
    """Do not look for garbage in what there is already, for as long as the block lasts.

    A look through all objects of all libraries stops every thread for some 50 ms, and a client that
    connects again and again causes one every few seconds.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

"""How Python shares its time, where somebody waits for answers."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

_SWITCH_S = 0.0005


@contextlib.contextmanager
def prompt_threads() -> Iterator[None]:
    """Let no thread wait long for another, for as long as the block lasts.

    A thread that wants Python's lock back, as after each of OpenCV's functions, gets it from a busy
    one after half a millisecond, not five. What there is already is not looked through for garbage:
    that stops every thread for some 50 ms, and a client that connects again and again causes it
    every few seconds.
    """
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(switch_s)

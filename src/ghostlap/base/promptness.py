"""How Python shares its time, where somebody waits for answers."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

_SWITCH_S = 0.0005
_THRESHOLDS = (700, 3, 3)


@contextlib.contextmanager
def prompt_threads() -> Iterator[None]:
    """Let no thread wait long for another, for as long as the block lasts.

    A thread that wants Python's lock back, as after each of OpenCV's functions, gets it from a busy
    one after half a millisecond, not five. What there is already is not looked through for garbage,
    which would stop every thread for some 50 ms; what clients leave that connect again and again is
    taken away in small lots.
    """
    switch_s, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()
    gc.collect()  # so that it knows how little there is beside that: it waits for a quarter more
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        sys.setswitchinterval(switch_s)

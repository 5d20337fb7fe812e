"""Results so far, for who listens while a command runs: a tracker of experiments.

Whatever keeps a result at once, an epoch's, a trial's, an iteration's, an episode's, tells of it:

    >>> with heard(lambda folder, result: print(folder, result)):
    ...     tell(Path("runs/a"), lambda: {"history": [{"epoch": 1, "loss": 0.5}]})
    runs/a {'history': [{'epoch': 1, 'loss': 0.5}]}
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

Listener = Callable[[Path, Mapping[str, Any]], None]
"""Gets the folder that a result is kept in, and the result as it is by now, as JSON values."""

_listeners: list[Listener] = []


def tell(folder: Path, result: Callable[[], Mapping[str, Any]]) -> None:
    """Tell all listeners of this process; the result is reckoned only if there are any."""
    for listener in _listeners:
        listener(folder, result())


@contextlib.contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """Have a listener told within this context."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)

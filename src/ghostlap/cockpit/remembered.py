"""What was worked out of files, until they change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Found = TypeVar("Found")

_MOST_KEPT = 500


class Remembered(Generic[Found]):
    """Findings about folders; any thread may ask, and nobody waits while another works one out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[object, Found]] = {}

    def of(self, folder: Path, stamp: object, find: Callable[[], Found]) -> Found:
        """The finding about a folder, worked out anew where its stamp is another one."""
        with self._lock:
            known = self._known.get(folder)
        if known is None or known[0] != stamp:
            known = stamp, find()
            with self._lock:
                if len(self._known) >= _MOST_KEPT:
                    self._known.clear()
                self._known[folder] = known
        return known[1]

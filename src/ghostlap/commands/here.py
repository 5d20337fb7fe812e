"""What lies in a folder and below it: recordings and runs, known by their files' names alone.

Nothing is opened and nothing imported that takes time, so that it can be told at once.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_SIGNS = {
    "driving_log.csv": "recording", "manifest.json": "tub", "meta/info.json": "LeRobot dataset",
    "pilot.json": "run",
}  # fmt: skip
_DEEPEST = 4
_MOST_FOLDERS = 2000
_MOST_ENTRIES = 2000
"""Of one folder."""
_WITHOUT = frozenset({"IMG", "images", "node_modules", "site-packages", "__pycache__"})


class Found(NamedTuple):
    """A recording or a run."""

    path: Path
    kind: str
    """What it is: recording, tub, LeRobot dataset or run."""
    changed_s: float
    """When its log or description was last written, since 1970."""


def find(folder: Path) -> Iterator[Found]:
    """Recordings and runs in a folder and some levels below it, as far as can be told quickly."""
    level = [folder]
    looked_at = 0
    for _ in range(_DEEPEST + 1):
        below: list[Path] = []
        for one in level:
            if looked_at == _MOST_FOLDERS:
                return
            looked_at += 1
            yield from _at(one)
            below += _folders(one)
        level = below


def _at(folder: Path) -> Iterator[Found]:
    for sign, kind in _SIGNS.items():
        try:
            changed_s = (folder / sign).stat().st_mtime
        except OSError:
            continue
        if kind != "tub" or any(folder.glob("catalog_*.catalog")):
            yield Found(folder, kind, changed_s)
            return


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                folder / entry.name
                for entry in itertools.islice(entries, _MOST_ENTRIES)
                if entry.is_dir(follow_symlinks=False)
                and not entry.name.startswith(".")
                and entry.name not in _WITHOUT
            )
    except OSError:
        return []

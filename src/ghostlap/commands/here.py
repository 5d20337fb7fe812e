"""What lies in a folder and below it: recordings and runs, known by their files' names alone.

Nothing is opened and nothing imported that takes time, so that it can be told at once.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ghostlap.base.platform import quoted

_SIGNS = {
    "driving_log.csv": "recording", "manifest.json": "tub", "meta/info.json": "LeRobot dataset",
    "pilot.json": "run", "checkpoint/state.json": "unfinished run",
}  # fmt: skip
_DEEPEST = 4
_NAMED = 4
_MOST_FOLDERS = 2000
_MOST_ENTRIES = 2000
"""Of one folder."""
_WITHOUT = frozenset({"IMG", "images", "node_modules", "site-packages", "__pycache__"})


class Found(NamedTuple):
    """A recording or a run."""

    path: Path
    kind: str
    """What it is: recording, tub, LeRobot dataset, run or unfinished run."""
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


def where_you_stand() -> str:
    """What there is in the current folder and below, and what to type next."""
    found = _sorted_out()
    lines = [f"Ghostlap clones how a person drives. Here, in {Path.cwd()}:", "", *_told(found)]
    lines += ["", "Next:"]
    lines += [f"  {command:<49}  # {why}" for command, why in _next(*found.values())]
    lines += ["", "'ghostlap --help' lists all commands."]
    return "\n".join(lines) + "\n"


def _sorted_out() -> dict[str, list[Path]]:
    """Recordings, runs and unfinished runs, the newest first."""
    found = sorted(find(Path()), key=lambda one: -one.changed_s)
    return {
        "recordings": [one.path for one in found if not one.kind.endswith("run")],
        "runs": [one.path for one in found if one.kind == "run"],
        "unfinished runs": [one.path for one in found if one.kind == "unfinished run"],
    }


def what_is_here() -> list[str]:
    """Recordings and runs in the current folder and below, a line for each kind."""
    return _told(_sorted_out())


def _told(found: dict[str, list[Path]]) -> list[str]:
    return [
        f"  {what + ':':<17}{_listed(paths)}"
        for what, paths in found.items()
        if paths or what != "unfinished runs"
    ]


def _listed(paths: list[Path]) -> str:
    more = f", and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return (", ".join(map(str, paths[:_NAMED])) + more) or "none"


def _next(
    recordings: list[Path], runs: list[Path], unfinished: list[Path]
) -> Iterator[tuple[str, str]]:
    """Commands and what each is for, the most likely one first."""
    if unfinished:
        out = quoted(unfinished[0])
        yield f"ghostlap train --resume --out {out}", "go on with a training"
    if runs:
        run = quoted(runs[0])
        if any(runs[0].glob("evaluate/*/evaluation.json")):
            yield f"ghostlap report {run}", "one page about how it drives, and where it fails"
            yield "ghostlap runs", "all runs, the best driver first"
        else:
            yield f"ghostlap evaluate {run}", "let it drive, and measure how well"
    elif recordings:
        recording = quoted(recordings[0])
        out = quoted(f"runs/{recordings[0].resolve().name}")
        yield f"ghostlap doctor {recording}", "is anything wrong with it?"
        yield f"ghostlap train {recording} --out {out}", "make a pilot of it"
    else:
        yield "ghostlap demo --quick", "see all stages once, from nothing to a pilot"
    yield "ghostlap sim --open-browser", "watch a pilot drive in the browser, drive, record"


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

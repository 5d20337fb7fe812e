"""``ghostlap edit``: a recording without some rows, split, joined or mirrored.

ghostlap edit my-drive --drop 120:340
ghostlap edit my-drive --keep 'steering != 0' --out my-drive-curves
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console

from ghostlap.base.errors import ImageError, RecordingError
from ghostlap.base.folder_lock import replacing_folder, require_free
from ghostlap.base.options import Options
from ghostlap.base.platform import quoted
from ghostlap.base.terminal import say
from ghostlap.data.formats.config import Columns
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import Recording
from ghostlap.data.recordings.copying import Part, edit_line, rows_of_recording, write_copy
from ghostlap.data.row_choice import EXAMPLES, Mask, rows_where

PARTS = ("first", "rest")
"""What the two recordings are called that one is split into."""


@dataclasses.dataclass(frozen=True)
class EditConfig(Options, error=RecordingError):
    """Make a new recording of some rows of one or several; the originals are never touched.

    What the tables beside the log say of the rows is kept, and edits.txt in the new recording says
    what was done.

    Rows are named in one of three ways. 120:340 are lines as messages count them (records of a tub,
    frames of a dataset), both included; 120: and :340 leave an end open. 12.5s:30s are seconds
    since the first row. Anything else is a condition on steering, throttle, brake, speed_mph, line,
    time_s and the columns of the tables beside the log, with and, or, not, + - * /, abs() and
    comparisons: 'abs(steering) > 0.1 and driver == "person"'.

    Example: ghostlap edit my-drive --drop 120:340 --out my-drive-short
    """

    recording: tyro.conf.Positional[Path | None] = None
    """A recording of any format; what is written is driving_log.csv and IMG/."""
    drop: tuple[str, ...] = ()
    """Leave out these rows."""
    keep: tuple[str, ...] = ()
    """Leave out all other rows."""
    split: str | None = None
    """Write two recordings, OUT/first and OUT/rest: a share from 0 to 1 goes into the first (0.8),
    or the rows named so (:340, 0s:60s, 'speed_mph > 10')."""
    merge: tuple[Path, ...] = ()
    """Recordings to append, in this order."""
    mirror: bool = False
    """Exchange left and right in pictures, cameras, steering and tables."""
    out: Path | None = None
    """A folder that is not there yet, or empty; beside the recording, with -edited, by default."""
    columns: Columns = ()

    def sources(self) -> tuple[Path, ...]:
        """The recordings that the new one is made of."""
        return (*filter(None, [self.recording]), *self.merge)

    def words(self) -> list[str]:
        """What was asked for, as it is typed."""
        asked = [("--drop", self.drop), ("--keep", self.keep), ("--merge", self.merge)]
        words = [str(word) for flag, values in asked if values for word in (flag, *values)]
        words += ["--split", self.split] if self.split is not None else []
        return [*words, *["--mirror"] * self.mirror]


def edit(config: EditConfig) -> dict[str, Any]:
    """Write what is left of recordings after an edit as a new one.

        >>> ghostlap.edit(ghostlap.EditConfig("my-drive", drop="1:20"))["rows"]
        [100]

    Returns:
        ``{"out": folders of the new recordings, "rows": of each, "total": rows before}``, ready
        for JSON.

    Raises:
        GhostlapError: a recording cannot be read, no row is meant or left, or ``out`` is in use.
    """
    out = _checked_out(config)
    recordings = [read_recording(one, config.columns) for one in config.sources()]
    kept = _kept(config, recordings)
    new = {out: kept}
    if config.split is not None:
        firsts = _first_part(config.split, recordings, kept)
        rests = [keep & ~first for keep, first in zip(kept, firsts, strict=True)]
        new = {out / PARTS[0]: firsts, out / PARTS[1]: rests}
    total = sum(len(one.frames) for one in recordings)
    rows = [sum(int(mask.sum()) for mask in masks) for masks in new.values()]
    if not all(rows):
        raise RecordingError(
            f"edit: no row would be left in {list(new)[rows.index(0)]}. Drop fewer, keep more, or "
            "split elsewhere."
        )
    words = [*map(str, filter(None, [config.recording])), *config.words()]
    try:
        with replacing_folder(out, RecordingError) as unfinished:
            for (folder, masks), count in zip(new.items(), rows, strict=True):
                target = unfinished / folder.relative_to(out)
                target.mkdir(exist_ok=True)
                done = edit_line(count, total, words)
                write_copy(target, _parts(recordings, masks), done, mirror=config.mirror)
    except ImageError as error:
        raise RecordingError(
            f"{error} So it cannot be mirrored. Make a copy without such rows, and mirror that: "
            f"ghostlap doctor {quoted(*config.sources())} --fix OUT"
        ) from error
    except OSError as error:
        raise RecordingError(
            f"{out}: cannot be written ({error.strerror or error}). Nothing was left there. Choose "
            "another place with --out."
        ) from error
    sources = ", ".join(map(str, config.sources()))
    for folder, count in zip(new, rows, strict=True):
        say(Console(stderr=True), f"{count} of {total} rows of {sources} (untouched) in {folder}")
    return {"out": [str(folder) for folder in new], "rows": rows, "total": total}


def _checked_out(config: EditConfig) -> Path:
    """Where the new recording goes.

    Raises:
        RecordingError: nothing is asked for, a recording is named twice, or a folder is in use.
    """
    sources = config.sources()
    if not sources:
        raise RecordingError(
            "edit: no recording was given. Name one: ghostlap edit REC --drop 1:20"
        )
    if not config.words():
        raise RecordingError(
            f"edit: nothing is asked for. Say which rows to leave out, as in "
            f"'ghostlap edit {quoted(sources[0])} --drop 1:20', or --keep, --split 0.8, "
            "--merge OTHER, --mirror."
        )
    folders = [path.resolve().parent if path.is_file() else path.resolve() for path in sources]
    if len(set(folders)) < len(folders):
        raise RecordingError(
            f"{folders[-1]}: is there twice, and a picture has one row. Name each recording once."
        )
    source = sources[0].parent if sources[0].is_file() else sources[0]
    source = source if source.name.strip(".") else folders[0]
    out = config.out or source.with_name(f"{source.name}-edited")
    numbers = (out.with_name(f"{out.name}-{number}") for number in itertools.count(2))
    free = next(path for path in numbers if not path.exists())
    advice = f"Name a folder that is not there: --out {quoted(free)}"
    require_free(out, RecordingError, advice)
    return out


def _kept(config: EditConfig, recordings: list[Recording]) -> list[Mask]:
    """Masks of the rows that stay, shape ``(rows,)``."""
    kept = [np.full(len(one.frames), not config.keep) for one in recordings]
    for where in config.keep:
        kept = [
            mask | wanted for mask, wanted in zip(kept, rows_where(recordings, where), strict=True)
        ]
    for where in config.drop:
        kept = [mask & ~out for mask, out in zip(kept, rows_where(recordings, where), strict=True)]
    return kept


def _first_part(split: str, recordings: list[Recording], kept: list[Mask]) -> list[Mask]:
    """Masks of the rows that go into the first of two recordings."""
    try:
        share = float(split)
    except ValueError:
        masks = rows_where(recordings, split)
        return [keep & mask for keep, mask in zip(kept, masks, strict=True)]
    if not 0 < share < 1:
        raise RecordingError(
            f"--split must be a share above 0 and below 1, as 0.8, or name rows: {EXAMPLES}. "
            f"Got {split}."
        )
    whole = np.concatenate(kept)
    first = whole & (np.cumsum(whole) <= round(share * int(whole.sum())))
    return np.split(first, np.cumsum([len(mask) for mask in kept])[:-1])


def _parts(recordings: list[Recording], masks: list[Mask]) -> Iterator[Part]:
    for recording, mask in zip(recordings, masks, strict=True):
        yield Part(recording.folder, rows_of_recording(recording, np.flatnonzero(mask)))

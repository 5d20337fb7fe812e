"""What can be read, and opening it: one line of :data:`READERS` for each format.

    >>> recording = read_recording("my-drive")
    >>> recording.frames[["center", "steering", "speed_mph"]]

Whatever is read becomes the same :class:`~ghostlap.data.recordings.Recording`, so every command
takes every format.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ghostlap.base.addresses import here_of, is_address
from ghostlap.base.engine.travel import located
from ghostlap.base.errors import RecordingError
from ghostlap.base.files import read_json
from ghostlap.base.remote import mirrored
from ghostlap.data.formats.lerobot_format import INFO
from ghostlap.data.formats.table import find_tables, read_table
from ghostlap.data.recordings import Recording
from ghostlap.data.recordings.columns import Choice, choice_of
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.reading import read_driving_log
from ghostlap.data.recordings.tub import is_tub, read_tub

_LOOKED_AT_BELOW = 2000
_NAMED = 4
_PILOT = "pilot.json"
"""By what a run folder is known."""
_PICTURES = (".jpg", ".jpeg", ".png")


class Reader(NamedTuple):
    """A format that can be read."""

    name: str
    claims: Callable[[Path], bool]
    """Whether a path, which may not be there, is of this format; opens no more than it must."""
    read: Callable[[Path, Choice], Recording]


def _is_driving_log(path: Path) -> bool:
    return (path.name == LOG_NAME and path.is_file()) or (path / LOG_NAME).is_file()


def _is_lerobot(path: Path) -> bool:
    return (path / INFO).is_file()


def _read_lerobot(path: Path, choice: Choice) -> Recording:
    from ghostlap.data.formats.lerobot_unpacking import read_unpacked

    return read_unpacked(path, choice)


_TABLE = Reader("table with pictures", lambda path: len(find_tables(path)) == 1, read_table)

READERS = (
    Reader("Udacity recording", _is_driving_log, read_driving_log),
    Reader("donkeycar tub", is_tub, read_tub),
    Reader("LeRobot dataset", _is_lerobot, _read_lerobot),
    _TABLE,
)
"""The first that claims a path reads it."""


def read_recording(
    path: str | os.PathLike[str], columns: Sequence[str] = (), where: Sequence[str] = ()
) -> Recording:
    """Read a recording of any format.

    Args:
        path: a folder, or the log or table in it.
        columns: ``--columns``: which column, key or feature holds what, as in
            ``("steering=angle:deg",)``.
        where: ``--where``: only rows of a log or table in which columns have these values.

    Raises:
        RecordingError: nothing readable is there, or it cannot be read.
    """
    folder = here_of(path)
    here = mirrored(folder) if is_address(folder) else located(folder)
    reader = _reader_of(here)
    if reader is None:
        raise RecordingError(_nothing_to_read(folder if here == located(folder) else here))
    try:
        recording = reader.read(here, choice_of(columns, where))
    except RecordingError as error:
        is_folder = reader is _TABLE and here.is_dir() and not columns
        if is_folder and (below := _recordings_below(here, tables=False)):
            raise RecordingError(below) from error  # the table is of something else
        raise
    if here == folder:
        return recording
    # What is said of it names the folder that the user knows.
    if here.is_file():
        folder, here = folder.parent, here.parent
    return dataclasses.replace(recording, folder=folder / recording.folder.relative_to(here))


def is_recording(path: str | os.PathLike[str]) -> bool:
    """Whether something can be read as a recording; a table among pictures only by its name."""
    reader = _reader_of(Path(path))
    return reader is not None and (reader is not _TABLE or Path(path).is_file())


def _reader_of(path: Path) -> Reader | None:
    try:
        if (path / _PILOT).is_file() and not _is_driving_log(path):
            return None  # whatever tables a run folder has
        return next((reader for reader in READERS if reader.claims(path)), None)
    except (OSError, ValueError):  # ValueError: of a name that no file can have
        return None


def _nothing_to_read(path: Path) -> str:
    """What is there instead, and the command that helps."""
    kinds = f"{LOG_NAME} with IMG, a donkeycar tub, a LeRobot dataset or a table with pictures"
    if not os.path.exists(path):
        record = f"'ghostlap record --laps 1 --out {_quoted(path)}' has the expert drive one."
        return f"{path}: no such folder. {_meant(path)}Give the folder that holds {kinds}. {record}"
    if (path / _PILOT).is_file():
        return (
            f"{path}: the run folder of a pilot, not a recording. {_learned_from(path)}To see it "
            f"drive: ghostlap evaluate {shlex.quote(str(path))}"
        )
    if around := next((one for one in path.absolute().parents[:2] if _is_driving_log(one)), None):
        return f"{path}: a part of a recording. Name all of it: ghostlap doctor {_quoted(around)}"
    if path.is_file():
        return (
            f"{path}: neither a log nor a table (.csv, .txt, .tsv). Give the folder it lies in, "
            f"with {kinds}: ghostlap doctor {shlex.quote(str(path.parent))}"
        )
    if below := _recordings_below(path):
        return below
    tables = find_tables(path)
    if tables:
        names = ", ".join(table.name for table in tables[:_NAMED])
        return (
            f"{path}: no {LOG_NAME}, and several tables ({names}). Name the one with the pictures: "
            f"ghostlap doctor {shlex.quote(str(tables[0]))}"
        )
    pictures = sum(1 for _ in itertools.islice(_pictures(path), 1000))
    found = f"{pictures} pictures alone" if pictures else "nothing else that can be read"
    return (
        f"{path}: no {LOG_NAME} in it, and {found}. A recording is {kinds}. Give the folder that "
        "was chosen in the simulator when recording."
    )


def _recordings_below(path: Path, tables: bool = True) -> str:
    """Which recordings are below a folder, and how to name them; "" where there is none."""
    below = [
        (one, reader.name)
        for one in _below(path)
        if (reader := _reader_of(one)) and (tables or reader is not _TABLE)
    ]
    if not below:
        return ""
    kind = below[0][1]
    found = f"{len(below)} below it" if len(below) > 1 else "one below it"
    names = shlex.join(str(one) for one, _ in below[:_NAMED])
    more = f" … ({len(below) - _NAMED} more)" if len(below) > _NAMED else ""
    return (
        f"{path}: no recording itself, but {found} ({kind}). Name what you mean{more}: "
        f"ghostlap doctor {names}"
    )


def _meant(path: Path) -> str:
    """What else there is, where a name is misspelt."""
    names = [one.name for one in _folders(path.parent)]
    close = difflib.get_close_matches(path.name, names, 1)
    return f"Did you mean {_quoted(path.with_name(close[0]))}? " if close else ""


def _learned_from(run: Path) -> str:
    try:
        first = Path(read_json(run / _PILOT)["training"]["recordings_seen"][0]["folder"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    is_there = _reader_of(first) is not None
    return f"It learned from this: ghostlap doctor {_quoted(first)}. " if is_there else ""


def _quoted(path: Path) -> str:
    """A path to be pasted into a shell, as short as it is from here."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _below(path: Path) -> Iterator[Path]:
    """Folders in a folder, and in these."""
    inner = [one for one in _folders(path) if one.name != "IMG"]
    yield from inner
    for one in inner:
        yield from _folders(one)


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            some = itertools.islice(entries, _LOOKED_AT_BELOW)
            return sorted(Path(entry.path) for entry in some if entry.is_dir())
    except OSError:
        return []


def _pictures(path: Path) -> Iterator[str]:
    with os.scandir(path) as entries:
        yield from (one.name for one in entries if one.name.lower().endswith(_PICTURES))

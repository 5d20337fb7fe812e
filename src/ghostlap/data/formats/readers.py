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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ghostlap.base.addresses import here_of, is_address
from ghostlap.base.engine.travel import located
from ghostlap.base.errors import RecordingError
from ghostlap.base.files import read_json
from ghostlap.base.platform import quoted
from ghostlap.base.remote import mirrored
from ghostlap.data.formats.lerobot_format import INFO
from ghostlap.data.formats.table import find_tables, read_table
from ghostlap.data.recordings import Recording
from ghostlap.data.recordings.columns import Choice, choice_of
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.picture_finder import PICTURE_ENDINGS
from ghostlap.data.recordings.reading import read_driving_log
from ghostlap.data.recordings.tub import is_tub, read_tub

_LOOKED_AT_BELOW = 2000
_LEVELS_BELOW = 3
_NAMED = 4
_PILOT = "pilot.json"
"""By what a run folder is known."""
_OTHER_FILES = {
    "an archive. Unpack it, and name the folder that comes of it.": (
        ".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar",
    ),
    "a model, not a recording. 'ghostlap import' makes a pilot of one from elsewhere.": (
        ".h5", ".hdf5", ".keras", ".onnx", ".tflite",
    ),
}  # fmt: skip


_UNREAD = (
    ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".parquet", ".npz", ".npy", ".h5", ".hdf5", ".bag",
    ".mcap", ".pkl", ".mp4", ".avi",
)  # fmt: skip


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
        named = folder if here == located(folder) else here
        told, meant = _nothing_to_read(named)
        raise RecordingError(told).meaning(named, meant)
    try:
        recording = reader.read(here, choice_of(columns, where))
    except RecordingError as error:
        is_folder = reader is _TABLE and here.is_dir() and not columns
        if is_folder and (below := recordings_below(here, tables=False)):
            told, meant = below  # the table is of something else
            raise RecordingError(told).meaning(folder, meant) from error
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
        if _is_run(path) and not _is_driving_log(path):
            return None  # whatever tables a run folder has
        return next((reader for reader in READERS if reader.claims(path)), None)
    except (OSError, ValueError):  # ValueError: of a name that no file can have
        return None


def _is_run(path: Path) -> bool:
    return (path / _PILOT).is_file() or (path / "checkpoint").is_dir()


def _nothing_to_read(path: Path) -> tuple[str, Path | None]:
    """What is there instead, and the recording that seems to be meant."""
    kinds = f"{LOG_NAME} with IMG, a donkeycar tub, a LeRobot dataset or a table with pictures"
    if not os.path.exists(path):
        record = f"'ghostlap record --laps 1 --out {_quoted(path)}' has the expert drive one."
        meant = _meant(path)
        question = f"Did you mean {_quoted(meant)}? " if meant else ""
        told = f"{path}: no such folder. {question}Give the folder that holds {kinds}. {record}"
        return told, meant if meant and _reader_of(meant) else None
    if _is_run(path):
        first = _learned_from(path)
        learned = f"It learned from {_quoted(first)}. " if first else ""
        return (
            f"{path}: the run folder of a pilot, not a recording. {learned}To see it drive: "
            f"ghostlap evaluate {quoted(path)}"
        ), first
    if around := next((one for one in path.absolute().parents[:2] if _is_driving_log(one)), None):
        return f"{path}: a part of a recording. Name all of it: {_quoted(around)}", _short(around)
    if path.is_file():
        for what, endings in _OTHER_FILES.items():
            if path.name.lower().endswith(endings):
                unpacked = path.with_name(path.name.split(".")[0])
                return f"{path}: {what}", unpacked if is_recording(unpacked) else None
        return (
            f"{path}: neither a log nor a table (.csv, .txt, .tsv). Give the folder that holds "
            f"{kinds}."
        ), path.parent if is_recording(path.parent) else _first_below(path.parent)
    if below := recordings_below(path):
        return below
    tables = find_tables(path)
    if tables:
        names = ", ".join(table.name for table in tables[:_NAMED])
        return (
            f"{path}: no {LOG_NAME}, and several tables ({names}). Name the one with the pictures."
        ), tables[0]
    pictures = sum(1 for _ in itertools.islice(_pictures(path), 1000))
    found = f"{pictures} pictures alone" if pictures else "nothing else that can be read"
    others = [one.name for folder in (path, *_below(path)) for one in _entries(folder)
              if one.suffix.lower() in _UNREAD]  # fmt: skip
    if others:
        found += (
            f" ({', '.join(others[:_NAMED])} cannot be: make a table of it, a CSV file beside the "
            "pictures with a line for each, its name and the steering)"
        )
    return (
        f"{path}: no {LOG_NAME} in it, and {found}. A recording is {kinds}. Give the folder that "
        "was chosen in the simulator when recording, or have the expert drive one: ghostlap record "
        "--laps 1 --out my-drive"
    ), None


def _first_below(path: Path) -> Path | None:
    return next((one for one in _below(path) if _reader_of(one)), None)


def recordings_below(path: Path, tables: bool = True) -> tuple[str, Path] | None:
    """Which recordings are below a folder, and the first of them; None where there is none."""
    below = [
        (one, reader.name)
        for one in _below(path)
        if (reader := _reader_of(one)) and (tables or reader is not _TABLE)
    ]
    if not below:
        return None
    kind = below[0][1]
    found = f"{len(below)} below it" if len(below) > 1 else "one below it"
    names = ", ".join(_quoted(one) for one, _ in below[:_NAMED])
    more = f", … ({len(below) - _NAMED} more)" if len(below) > _NAMED else ""
    told = f"{path}: no recording itself, but {found} ({kind}): {names}{more}."
    return told, below[0][0]


def _meant(path: Path) -> Path | None:
    """What else there is, where a name is misspelt."""
    names = [one.name for one in _folders(path.parent)]
    close = difflib.get_close_matches(path.name, names, 1)
    return path.with_name(close[0]) if close else None


def _learned_from(run: Path) -> Path | None:
    """The first recording that a pilot learned from, if it is still there."""
    try:
        first = Path(read_json(run / _PILOT)["training"]["recordings_seen"][0]["folder"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return _short(first) if _reader_of(first) else None


def _quoted(path: Path) -> str:
    """A path to be pasted into a shell."""
    return quoted(_short(path))


def _short(path: Path) -> Path:
    """A path as short as it is from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _below(path: Path) -> Iterator[Path]:
    """Folders in a folder, and in these, three deep."""
    level = [path]
    for _ in range(_LEVELS_BELOW):
        level = [one for above in level for one in _folders(above) if one.name != "IMG"]
        yield from level[:_LOOKED_AT_BELOW]


def _folders(path: Path) -> list[Path]:
    return [one for one in _entries(path) if one.is_dir()]


def _entries(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(Path(one.path) for one in itertools.islice(entries, _LOOKED_AT_BELOW))
    except OSError:
        return []


def _pictures(path: Path) -> Iterator[str]:
    with os.scandir(path) as entries:
        yield from (one.name for one in entries if one.name.lower().endswith(PICTURE_ENDINGS))

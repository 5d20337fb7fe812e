"""Files: written so that a kill or a full disk never leaves half of one in place of a whole; read
so that nothing from outside is opened that could wait, never end, or not fit into memory."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from ghostlap.base.errors import FolderError, GhostlapError
from ghostlap.base.platform import AT_ONCE

UNFINISHED = ".unfinished."
"""What a file's name begins with until all of it is written."""

MAX_JSON_BYTES = 4 * 1024**2
"""Largest description or settings that are read; a pilot's have some 5 kB."""
MAX_RESULTS_BYTES = 64 * 1024**2
"""Largest file of results of many drives or trials that is read."""
MOST_JSON_NESTED = 32
_LARGEST_INT = 2**63
"""Whole numbers beyond it can be no float, or take longer to write out than to read."""

GIT_LFS_START = b"version https://git-lfs"
"""Of what Git leaves in place of a large file that was not fetched."""
GIT_LFS_ADVICE = "Git LFS has only a pointer here: type 'git lfs pull' in the repository"

_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_file(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a file of unknown origin to read its bytes, if it is a regular file.

    What is none is not opened at all: a FIFO would wait for a writer, a device may never end.

    Raises:
        OSError: it is not there, cannot be opened, or is no regular file; ``strerror`` says which.
    """
    try:
        _require_regular(os.stat(path).st_mode, path)
        # It may be exchanged between the two calls: then opening must not wait, at least.
        file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115
    except ValueError:  # a zero byte or the like in its name
        raise OSError(errno.EINVAL, "there can be no file of this name", str(path)) from None
    try:
        _require_regular(os.fstat(file.fileno()).st_mode, path)
    except OSError:
        file.close()
        raise
    return file


def read_file(path: str | os.PathLike[str], most_bytes: int) -> bytes:
    """The content of a file of unknown origin, whose size is checked before it is read.

    Raises:
        OSError: as :func:`open_file` says, or it is larger than ``most_bytes``.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            problem = f"may have at most {most_bytes:,} bytes, and has {size:,}"
            raise OSError(errno.EFBIG, problem, str(path))
        return file.read(size)


def content_hash(*parts: bytes) -> str:
    """What content is known again by: BLAKE2b of the parts, one after another, 32 digits."""
    return hashlib.blake2b(b"".join(parts), digest_size=16).hexdigest()


def read_start(path: str | os.PathLike[str], most_bytes: int) -> bytes:
    """The first bytes of a file of unknown origin.

    Raises:
        OSError: as :func:`open_file` says.
    """
    with open_file(path) as file:
        return file.read(most_bytes)


def open_text(path: str | os.PathLike[str], errors: str = "replace") -> TextIO:
    """Open a file of unknown origin to read its UTF-8, line ends as they are.

    Raises:
        OSError: as :func:`open_file` says.
    """
    return io.TextIOWrapper(open_file(path), encoding="utf-8", errors=errors, newline="")


def read_json(path: str | os.PathLike[str], most_bytes: int = MAX_JSON_BYTES) -> Any:
    """What a JSON file of unknown origin says.

    Raises:
        OSError: as :func:`read_file` says.
        ValueError: it is no JSON, or holds what :func:`write_json` never writes: NaN, infinite
            numbers, halves of characters, or lists more than ``MOST_JSON_NESTED`` deep.
    """
    try:
        values = json.loads(read_file(path, most_bytes))
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError(_TOO_NESTED) from None
    level = [values]
    for _ in range(MOST_JSON_NESTED + 1):
        if any(type(one) is int and abs(one) >= _LARGEST_INT for one in level):
            raise ValueError(f"it holds a whole number of {_LARGEST_INT:.0e} or more")
        lists = [one for one in level if isinstance(one, dict | list)]
        if not lists:
            return values
        level = [item for one in lists for item in (one.values() if type(one) is dict else one)]
    raise ValueError(_TOO_NESTED)


_TOO_NESTED = f"it is nested more than {MOST_JSON_NESTED} deep"


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | AT_ONCE)


def _require_regular(mode: int, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(mode):
        kind = next((kind for matches, kind in _KINDS if matches(mode)), "something else")
        raise OSError(errno.EINVAL, f"must be a file, and is {kind}", str(path))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; rename it to ``path`` if all went well.

    The temporary name keeps the file's endings, because writers choose formats by them. It is the
    same each time, so that what a killed process left is overwritten by whoever goes on; a folder's
    lock (:mod:`ghostlap.base.folder_lock`) sees to it that two processes do not meet there.

    Raises:
        OSError: it cannot be written; it names the file, also where the system does not, as for a
            full disk.
    """
    temporary = path.with_name(f"{UNFINISHED}{path.name}")
    try:
        with named_in_errors(path):
            temporary.unlink(missing_ok=True)  # a link there would be written through
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def named_in_errors(path: Path) -> Iterator[None]:
    """Have an error of the system name the file that is being written.

    The system names those that cannot be opened, but none for which a full disk has no room.
    """
    try:
        yield
    except OSError as error:
        with contextlib.suppress(AttributeError):  # FFmpeg's errors cannot be told
            error.filename = error.filename or str(path)
        raise


def is_link(path: Path) -> bool:
    """Whether a path is a symbolic link, or what Windows has in its place."""
    is_junction = getattr(os.path, "isjunction", None)  # from Python 3.12 on
    return path.is_symlink() or (is_junction is not None and is_junction(path))


def refuse_link(path: Path, error: type[GhostlapError] = FolderError) -> None:
    """Make sure that what is written at a path does not land elsewhere.

    Raises:
        GhostlapError: of the kind asked for: the path is a link.
    """
    if is_link(path):
        raise error(
            f"{path}: this is a link to elsewhere, and nothing is written through one. Remove the "
            "link, or name another folder."
        )


def own_folder(path: Path, error: type[GhostlapError] = FolderError) -> Path:
    """Make a folder unless it is there.

    Raises:
        GhostlapError: of the kind asked for: there is a link to elsewhere in its place.
        OSError: it cannot be made.
    """
    refuse_link(path, error)
    path.mkdir(parents=True, exist_ok=True)
    return path


def remove(path: Path, within: Path) -> None:
    """Remove a file, a link or a folder and all that is in it; nothing where there is none.

    A link is removed itself, wherever it leads.

    Raises:
        FolderError: a link on the way leads out of ``within``, so something else would be removed.
        OSError: it cannot be removed.
    """
    way = path.parent.relative_to(within)
    if path.parent.resolve() != within.resolve() / way:
        raise FolderError(
            f"{path}: is not removed, because a link leads from {within} to elsewhere: to "
            f"{path.parent.resolve()}. Remove the link."
        )
    if path.is_dir() and not is_link(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def explained(error: type[GhostlapError], advice: str) -> Iterator[None]:
    """Say where it was that the system refused to read or write, and what to do about it.

    ``advice`` is a sentence on how to go on.
    """
    try:
        yield
    except OSError as refused:
        where = f"{refused.filename}: " if refused.filename else ""
        mend = "Make room there. " if refused.errno in _FULL else ""
        raise error(
            f"{where}{refused.strerror or refused}. What was finished before is kept. "
            f"{mend}{advice}"
        ) from refused


def write_text(path: Path, text: str) -> None:
    """Write UTF-8, with the same bytes on every system."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, values: Any) -> None:
    """Write JSON for people too: indented, with a final newline; what is not finite is null."""
    write_text(path, json_text(values, indent=2) + "\n")


def csv_text(*rows: Iterable[Any]) -> str:
    """Rows as CSV, as we write it everywhere."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def json_text(
    values: Any, *, indent: int | None = None, default: Callable[[Any], Any] | None = None
) -> str:
    """JSON that everything reads: NaN and infinities, which it has no words for, become null."""
    text = json.dumps(values, default=default)
    return json.dumps(json.loads(text, parse_constant=lambda _: None), indent=indent)


def append_row(file: int, row: bytes) -> None:
    """Append a row to an open file in one write, whole or not at all.

    Raises:
        OSError: it cannot be written; what a full disk took of it is taken back.
    """
    size = os.fstat(file).st_size
    if os.write(file, row) < len(row):
        os.ftruncate(file, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def cache_folder() -> Path:
    """Where things that can be made again are kept: the user's cache, or ``$GHOSTLAP_CACHE``."""
    import platformdirs

    return Path(os.environ.get("GHOSTLAP_CACHE") or platformdirs.user_cache_path("ghostlap"))

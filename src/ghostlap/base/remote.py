"""Folders at an address, ``s3://bucket/lap``: what is small is copied here, pictures stay there.

A **mirror** is a folder of the cache that stands for one at an address. A path in it whose file is
not there names the file at the address, which is read when it is needed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ghostlap.base.addresses import address_of, is_address
from ghostlap.base.errors import RecordingError
from ghostlap.base.files import (
    cache_folder,
    content_hash,
    read_start,
    remove,
    replacing,
    write_text,
)
from ghostlap.base.folder_lock import LOCK_NAME, FolderLock

MOST_COPIED_BYTES = 2 * 1024**3
"""Of one file that is copied."""

_NAME = ".address"
_NOT_IN_NAMES = set("\\:\0" if os.name == "nt" else "\0")
_MOST_NAME_BYTES = 4096
_WHOLE = ("meta", "data", "videos")
"""Folders of LeRobot's datasets, which are read as a whole."""
_STAYS = (".jpg", ".jpeg", ".png", ".tar")
_CONNECT_S, _ANSWER_S = 10.0, 60.0
_WHERE_CREDENTIALS = (
    "Credentials are those that the store's own tools use: AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY or ~/.aws/credentials, GOOGLE_APPLICATION_CREDENTIALS."
)


def mirrored(path: Path) -> Path:
    """The mirror of a folder at an address, or of a file in one, with what is there now.

    Raises:
        RecordingError: nothing is there, it cannot be read, or a file is too large to be copied.
    """
    address = address_of(path)
    with _told(address):
        filesystem, there = _opened(address)
        kind = filesystem.get_file_info(there).type.name
        if kind == "NotFound":
            raise RecordingError(f"{address}: nothing is there. Give the folder of a recording.")
        if kind == "File":
            return mirrored(path.parent) / path.name
        folder = _mirror_of(address)
        folder.mkdir(parents=True, exist_ok=True)
        with FolderLock(folder, RecordingError, wait=True):
            write_text(folder / _NAME, address)
            copied = {folder / _NAME, folder / LOCK_NAME}
            for info in _to_copy(filesystem, there):
                target = folder / _inside(PurePosixPath(info.path).relative_to(there))
                _copy(filesystem, info, target)
                copied.add(target)
            for path in folder.rglob("*"):  # what is there no more
                if path.is_file() and path not in copied:
                    remove(path, folder)
    return folder


def local_of(folder: Path) -> Path:
    """The folder here that holds what is here of a recording: its mirror, if it has an address."""
    return _mirror_of(address_of(folder)) if is_address(folder) else folder


def read_there(path: str, most_bytes: int, start: int = 0, size: int | None = None) -> bytes | None:
    """All of a file that stayed at its address, or a part; None where a path is in no mirror.

    Raises:
        OSError: it is not there, too large, or cannot be read.
    """
    found = _place_of(path)
    if found is None:
        return None
    with found[0].open_input_file(found[1]) as file:
        wanted = file.size() if size is None else size
        if wanted > most_bytes:
            raise OSError(f"may have at most {most_bytes:,} bytes, and has {wanted:,}")
        return bytes(file.read_at(wanted, start))


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether a file exists, here or where a mirror's files are."""
    if os.path.isfile(path):
        return True
    found = _place_of(str(path))
    return found is not None and bool(found[0].get_file_info(found[1]).type.name == "File")


def _place_of(path: str) -> tuple[Any, str] | None:
    """File system and path at the address of what a mirror's path names."""
    root = os.path.join(_root(), "")
    if not path.startswith(root):
        return None
    key, _, rest = path[len(root) :].partition(os.sep)
    try:
        inside = _inside(PurePosixPath(rest.replace(os.sep, "/")))
        filesystem, there = _opened(_address_in(os.path.join(root, key)))
    except OSError:
        return None
    return filesystem, f"{there}/{inside}"


def _inside(path: PurePosixPath) -> PurePosixPath:
    """A path below a folder, which leads nowhere else, on any system.

    Raises:
        OSError: it does; a store's names may hold anything.
    """
    if not path.parts or ".." in path.parts or _NOT_IN_NAMES & set(str(path)):
        raise OSError(f"a file there is called {str(path)!r}")
    return path


@lru_cache(maxsize=64)
def _address_in(mirror: str) -> str:
    return read_start(os.path.join(mirror, _NAME), _MOST_NAME_BYTES).decode()


def _mirror_of(address: str) -> Path:
    return _root() / content_hash(address.encode())


def _root() -> Path:
    return cache_folder() / "remote"


@lru_cache(maxsize=64)
def _opened(address: str) -> tuple[Any, str]:
    try:
        from pyarrow import fs
    except ModuleNotFoundError as error:
        raise RecordingError(
            f"{address}: reading from an address needs the package {error.name}, which is not "
            "installed. Install Ghostlap with it: pip install 'ghostlap[convert]'"
        ) from error
    if address.startswith("s3://"):
        place = address.removeprefix("s3://")
        return fs.S3FileSystem(
            connect_timeout=_CONNECT_S,
            request_timeout=_ANSWER_S,
            endpoint_override=os.environ.get("AWS_ENDPOINT_URL_S3")
            or os.environ.get("AWS_ENDPOINT_URL"),
        ), place
    filesystem, there = fs.FileSystem.from_uri(address.replace("gcs://", "gs://", 1))
    return filesystem, there.rstrip("/")


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, NotImplementedError) as error:  # ValueError: of its addresses
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise RecordingError(
            f"{address}: cannot be read ({first}). {_WHERE_CREDENTIALS}"
        ) from error


def _to_copy(filesystem: Any, there: str) -> Iterator[Any]:
    """All but pictures and shards: files of the folder, and of those below that are not pictures'.

    Lists of pictures, which can have millions of lines, are not asked for.
    """
    from pyarrow import fs

    for info in filesystem.get_file_info(fs.FileSelector(there)):
        if info.type == fs.FileType.Directory and info.base_name in _WHOLE:
            inner = filesystem.get_file_info(fs.FileSelector(info.path, recursive=True))
            yield from (one for one in inner if one.type == fs.FileType.File)
        elif info.type == fs.FileType.Directory:
            index = filesystem.get_file_info(f"{info.path}/shards.csv")
            if index.type == fs.FileType.File:
                yield index
        elif not info.base_name.lower().endswith(_STAYS) and not info.base_name.startswith("."):
            yield info


def _copy(filesystem: Any, info: Any, target: Path) -> None:
    """Copy a file that is not here as it is there."""
    if info.size > MOST_COPIED_BYTES:
        raise RecordingError(
            f"{info.path}: may have at most {MOST_COPIED_BYTES:,} bytes, and has {info.size:,}."
        )
    changed_ns = info.mtime_ns or 0
    with contextlib.suppress(FileNotFoundError):
        here = target.stat()
        if (here.st_size, here.st_mtime_ns) == (info.size, changed_ns):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        filesystem.open_input_stream(info.path) as source,
        replacing(target) as unfinished,
        open(unfinished, "wb") as file,
    ):
        while piece := source.read(1 << 20):
            file.write(piece)
        file.flush()
        os.utime(unfinished, ns=(changed_ns, changed_ns))

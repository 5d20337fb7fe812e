"""Files of tasks on their way to the nodes of a cluster, which have no disk in common, and back.

What a task reads goes to each node once, by the hash of its content, and is kept there in
Ghostlap's cache. What it leaves in a folder comes back as bytes, and appears in that folder here
entry by entry, each of them whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ghostlap.base.errors import CacheError, FolderError
from ghostlap.base.files import cache_folder, explained, own_folder, remove
from ghostlap.base.folder_lock import FolderLock

Pieces = list[tuple[str, bytes]]
"""Names below a folder, and bytes that are appended to the file there."""

_CHUNK_BYTES = 16 * 2**20
DELIVERY = ".delivery.part"
"""What came from a node lies there, in the folder it belongs to, until all of it is whole."""

_places: dict[str, Path] = {}


def located(path: Path) -> Path:
    """Where a path that a task names lies on this machine: there, or where it was brought to."""
    for above in (path, *path.parents) if _places else ():
        if place := _places.get(str(above)):
            return place / path.relative_to(above)
    return path


def is_elsewhere() -> bool:
    """Whether this is a node that works for another machine, whose paths mean nothing here."""
    return bool(_places)


@contextlib.contextmanager
def brought(places: Mapping[str, Path]) -> Iterator[None]:
    """In this context, paths lie elsewhere."""
    _places.update(places)
    try:
        yield
    finally:
        _places.clear()


@dataclasses.dataclass(frozen=True)
class Parcel:
    """A file or a folder that tasks read."""

    key: str
    """Hash of its content; a place in nodes' caches."""
    path: Path

    def chunks(self) -> Iterator[Pieces]:
        """Its content, a bounded part after another."""
        chunk: Pieces = []
        size = 0
        for name, data in _content_of(self.path):
            chunk.append((name, data))
            size += len(data)
            if size >= _CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        yield chunk


def parcel_of(path: Path) -> Parcel:
    """A file, or a folder with all that is in it but what is hidden.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, data in _content_of(path):
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return Parcel(digest.hexdigest(), path)


def _content_of(path: Path) -> Iterator[tuple[str, bytes]]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        if file.is_file() and not any(part.startswith(".") for part in name.split("/")):
            with file.open("rb") as opened:
                yield name, opened.read(_CHUNK_BYTES)
                while data := opened.read(_CHUNK_BYTES):
                    yield name, data


def place_of(key: str, path: str, is_folder: bool) -> Path | None:
    """Where a parcel lies on this node; None if it has not come yet."""
    place = _home() / key
    if not place.is_dir():
        return None
    return place if is_folder else place / Path(path).name


def receive(key: str, chunks: Iterable[Pieces]) -> None:
    """Keep a parcel on this node, unless another process has just done so.

    Raises:
        CacheError: it cannot be written.
    """
    home = _home()
    with (
        explained(CacheError, "Or start that node with GHOSTLAP_CACHE naming another folder."),
        FolderLock(home, CacheError, wait=True),
    ):
        unfinished = home / f".{key}.part"
        if not (home / key).is_dir():
            remove(unfinished, home)
            for chunk in chunks:
                _write(unfinished, chunk)
            unfinished.mkdir(parents=True, exist_ok=True)
            unfinished.rename(home / key)


def _home() -> Path:
    return cache_folder() / "cluster"


def _write(folder: Path, pieces: Pieces) -> None:
    for name, data in pieces:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)


@contextlib.contextmanager
def leaving(folder: Path | None) -> Iterator[Callable[[], tuple[str, Pieces]]]:
    """In this context a folder of a task lies in a temporary one.

    Yields:
        What gives that folder and all that was left there.
    """
    with tempfile.TemporaryDirectory(prefix="ghostlap-") as temporary:
        left = Path(temporary).resolve()
        if folder is not None:
            _places[str(folder)] = left
        yield lambda: (str(left), list(_content_of(left)))


def deliver(left: str, pieces: Pieces, folder: Path, entries: str) -> None:
    """Move what a task left on a node to the folder that it names.

    Args:
        left: where it lay on the node; JSON files and logs that name it shall name the folder.
        entries: a glob pattern of what appears at once and whole, in the order of the names; it
            replaces what was of that name.
    """
    delivery = own_folder(folder) / DELIVERY
    remove(delivery, folder)
    _write(delivery, [(name, _renamed(name, data, left, folder)) for name, data in pieces])
    for entry in sorted(delivery.glob(entries)):
        target = folder / entry.relative_to(delivery)
        own_folder(target.parent, FolderError)
        if entry.is_dir():
            remove(target, folder)
        os.replace(entry, target)
    remove(delivery, folder)


def _renamed(name: str, data: bytes, left: str, folder: Path) -> bytes:
    if not name.endswith((".json", ".log")):
        return data
    here = str(folder.resolve())
    if name.endswith(".json"):
        here = json.dumps(here)[1:-1]
    return data.replace(left.encode(), here.encode())


def reads_of(task: Any) -> tuple[Path, ...]:
    """Files and folders that a task opens."""
    return tuple(getattr(task, "reads", ()))

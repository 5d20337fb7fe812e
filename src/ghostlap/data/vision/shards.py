"""Pictures packed into a few large files, which disks and stores give faster than many small ones.

A folder of pictures holds ``shard-00000.tar``, … and ``shards.csv`` with a line for each picture:
its name, its shard, and where in it its bytes are. Its pictures are named as if they were files.
"""

from __future__ import annotations

import io
import os
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.files import open_file, read_file
from ghostlap.base.remote import is_there, read_there

INDEX = "shards.csv"
_HEADER = b"name,shard,offset,bytes"
_MOST_INDEX_BYTES = 512 * 1024**2
_TAR_HEADER_BYTES = 512


class _Index(NamedTuple):
    """The pictures of a folder, by name."""

    names: NDArray[np.bytes_]
    places: NDArray[np.int64]
    """Shard, offset and bytes of each, shape ``(n, 3)``."""


class ShardWriter:
    """Packs pictures into a folder, in files of about ``shard_bytes``, until it is closed."""

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self._folder, self._shard_bytes = folder, shard_bytes
        self._tar: tarfile.TarFile | None = None
        self._shards = 0
        self._index = (folder / INDEX).open("wb")
        self._index.write(_HEADER + b"\n")

    def add(self, name: str, data: bytes) -> None:
        """Pack a picture."""
        if self._tar is None or self._tar.offset + len(data) > self._shard_bytes:
            self._end_shard()
            path = self._folder / _shard_name(self._shards)
            self._tar = tarfile.TarFile(path, "w", format=tarfile.USTAR_FORMAT)
            self._shards += 1
        offset = self._tar.offset + _TAR_HEADER_BYTES
        info = tarfile.TarInfo(name)  # of 1970: the same pictures give the same bytes
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))
        self._index.write(f"{name},{self._shards - 1},{offset},{len(data)}\n".encode())

    def close(self) -> None:
        """End the last shard and the index."""
        self._end_shard()
        self._index.close()

    def _end_shard(self) -> None:
        if self._tar is not None:
            self._tar.close()


def read_elsewhere(path: str | os.PathLike[str], most_bytes: int) -> bytes | None:
    """The bytes of a picture in a shard or at an address; None of one that is in neither.

    Raises:
        OSError: it is too large, or cannot be read.
    """
    folder, name = os.path.split(path)
    place = _place_in(folder, name)
    if place is None:
        return read_there(os.fspath(path), most_bytes)
    shard, offset, size = place
    if not 0 <= size <= most_bytes or offset < 0:
        raise OSError(f"may have at most {most_bytes:,} bytes, and has {size:,}")
    shard_path = os.path.join(folder, _shard_name(shard))
    try:
        with open_file(shard_path) as file:
            file.seek(offset)
            data: bytes | None = file.read(size)
    except FileNotFoundError:
        data = read_there(shard_path, most_bytes, offset, size)
    if data is None or len(data) < size:
        raise OSError(f"{_shard_name(shard)} is missing, or ends too early")
    return data


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a picture is there: as a file, in a shard, or at an address."""
    return is_there(path) or _place_in(*os.path.split(path)) is not None


def _place_in(folder: str, name: str) -> tuple[int, int, int] | None:
    """Shard, offset and size of a picture of a folder that is packed."""
    index_path = os.path.join(folder, INDEX)
    try:
        found = os.stat(index_path)
    except (OSError, ValueError):
        return None
    index = _index_of(index_path, found.st_mtime_ns, found.st_size)
    wanted = name.encode("utf-8", "surrogateescape")
    at = int(np.searchsorted(index.names, wanted))
    if at == len(index.names) or index.names[at] != wanted:
        return None
    shard, offset, size = map(int, index.places[at])
    return shard, offset, size


@lru_cache(maxsize=8)
def _index_of(path: str, changed_ns: int, size: int) -> _Index:
    """The index of a folder, read once for as long as it does not change."""
    lines = read_file(path, _MOST_INDEX_BYTES).splitlines()
    try:
        if lines[:1] != [_HEADER]:
            raise ValueError
        cells = [line.rsplit(b",", 3) for line in lines[1:]]
        names = np.array([name for name, *_ in cells], bytes)
        places = np.array([place for _, *place in cells], np.int64).reshape(-1, 3)
    except (ValueError, OverflowError):
        raise OSError(f"{INDEX} is no index of shards; pack them anew") from None
    order = np.argsort(names, kind="stable")
    return _Index(names[order], places[order])


def _shard_name(number: int) -> str:
    return f"shard-{number:05d}.tar"

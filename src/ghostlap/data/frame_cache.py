"""Pictures as decoded frames, each decoded once, however many trainings ask for it.

Decoding a JPEG costs more than all augmentation of it, and every epoch asks for each picture
again. So its frame is kept in a store, by the content of the file, and all trainings share one
store for each frame size. What does not fit within the store's limit is read and decoded each time
it is asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import CacheError, ImageError
from ghostlap.base.files import explained
from ghostlap.base.folder_lock import FolderLock
from ghostlap.data.frame_store import KEY, MAX_STORE_BYTES, FrameStore
from ghostlap.data.vision.pictures import Rgb, decode_rgb, read_picture

MAX_PROBLEMS_KEPT = 1000

_FIRST_OUTSIDE = -2
"""Slots of frames outside the store are this, and downwards."""
_READERS = 16
"""Threads that read pictures, which may be far away."""
_CHUNK = 256
"""Number of pictures in memory while decoding (39 MB of 320x160 frames)."""

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Callback with the numbers of pictures done and in all."""


@dataclasses.dataclass(frozen=True)
class Located:
    """Places of a data set's pictures in the store."""

    slots: NDArray[np.int64]
    """What :meth:`FrameCache.frames_at` takes, for each path; -1 if the picture cannot be used."""
    problems: tuple[str, ...]
    """Messages about pictures that cannot be used, at most ``MAX_PROBLEMS_KEPT``."""


class FrameCache:
    """Frames of pictures, all of one shape, ``(height, width, 3)``.

    Raises:
        CacheError: the store's folder cannot be made.
    """

    def __init__(
        self, folder: Path, frame_shape: tuple[int, int, int], limit_bytes: int = MAX_STORE_BYTES
    ) -> None:
        self.store = FrameStore(folder, frame_shape, limit_bytes)
        self.problem: ImageError | None = None
        """Why a frame could not be given, however many libraries have put that into their words."""
        self._outside: list[tuple[str, bytes]] = []  # paths and keys of frames without a place

    def locate(
        self, paths: Sequence[str] | NDArray[np.object_], progress: Progress | None = None
    ) -> Located:
        """Find the frames of picture files, decoding those that are not in the store yet.

        Raises:
            CacheError: the disk is full, or the store cannot be written.
        """
        problems: list[str] = []
        with ThreadPoolExecutor(_READERS) as pool:
            wanted = np.zeros(len(paths), KEY)
            readable = np.zeros(len(paths), bool)
            for start, results in _in_chunks(pool, _digest_of_file, paths):
                for i, result in enumerate(results, start):
                    if isinstance(result, ImageError):
                        problems += [str(result)] * bool(paths[i])
                    else:
                        wanted[i], readable[i] = np.void(result), True
            with (
                explained(CacheError, "Or name a folder on another disk with --cache DIR."),
                FolderLock(self.store.folder, CacheError, wait=True),
            ):
                # One path for each content that the store lacks.
                contents, first = np.unique(wanted[readable], return_index=True)
                is_known = _find(self.store.keys(), contents) >= 0
                if self.store.is_full_of_others(len(contents), int(is_known.sum())):
                    self.store.begin_anew()
                    is_known[:] = False
                missing = [str(paths[i]) for i in np.flatnonzero(readable)[first[~is_known]]]
                outside: list[str] = []
                if missing:
                    fitting = self.store.room_for(len(missing))
                    missing, outside = missing[:fitting], missing[fitting:]
                    decoded = self._decoded(missing, pool, problems, progress)
                    self.store.append(decoded, len(missing))
                known = self.store.keys()
                self.store.remap()
            keys = self._keys_of(outside, pool, problems)
        slots = np.full(len(paths), -1, np.int64)
        slots[readable] = _find(known, wanted[readable])
        if len(keys):
            places = _find(keys, wanted[readable])
            slots[np.flatnonzero(readable)[places >= 0]] = _FIRST_OUTSIDE - places[places >= 0]
        return Located(slots, tuple(problems[:MAX_PROBLEMS_KEPT]))

    def frames_at(self, slots: NDArray[np.int64]) -> list[Rgb]:
        """Frames at slots, none -1; each ``uint8`` of the store's shape and read-only.

        Raises:
            ImageError: a picture that is not in the store cannot be read any more, or has changed.
        """
        far = set(slots[slots < 0].tolist())
        if not far:
            return [self.store.frames[slot] for slot in slots]
        with ThreadPoolExecutor(min(_READERS, len(far))) as pool:
            read = dict(zip(far, pool.map(self._read_outside, far), strict=True))
        return [read[slot] if slot < 0 else self.store.frames[slot] for slot in slots.tolist()]

    def _read_outside(self, slot: int) -> Rgb:
        path, key = self._outside[_FIRST_OUTSIDE - slot]
        result = self._decode(path)
        if not isinstance(result, ImageError) and result[0] != key:
            result = ImageError(f"{path}: the picture has changed since it was first read.")
        if isinstance(result, ImageError):
            self.problem = self.problem or result
            raise result
        return result[1]

    def _keys_of(
        self, paths: list[str], pool: ThreadPoolExecutor, problems: list[str]
    ) -> NDArray[np.void]:
        """Remember pictures that the store has no room for; the keys of all of them."""
        for _, results in _in_chunks(pool, self._decode, paths):
            for path, result in zip(paths, results, strict=False):
                if isinstance(result, ImageError):
                    problems.append(str(result))
                else:
                    self._outside.append((path, result[0]))
            paths = paths[_CHUNK:]
        return np.array([key for _, key in self._outside], KEY)

    def _decoded(
        self,
        paths: list[str],
        pool: ThreadPoolExecutor,
        problems: list[str],
        progress: Progress | None,
    ) -> Iterator[list[tuple[bytes, Rgb]]]:
        """Keys and frames of pictures, chunk by chunk, without those that cannot be decoded."""
        for start, results in _in_chunks(pool, self._decode, paths):
            problems += [str(result) for result in results if isinstance(result, ImageError)]
            yield [result for result in results if not isinstance(result, ImageError)]
            if progress:
                progress(min(start + _CHUNK, len(paths)), len(paths))

    def _decode(self, path: str) -> tuple[bytes, Rgb] | ImageError:
        try:
            data = read_picture(path)
            frame = decode_rgb(data, path)
        except ImageError as error:
            return error
        if frame.shape != self.store.frame_shape:
            (height, width), got = self.store.frame_shape[:2], frame.shape
            return ImageError(
                f"{path}: the picture is {got[1]}x{got[0]}, the others are {width}x{height}."
            )
        return _digest(data), frame


def _in_chunks(
    pool: ThreadPoolExecutor,
    work: Callable[[str], T],
    paths: Sequence[str] | NDArray[np.object_],
) -> Iterator[tuple[int, list[T]]]:
    """Map over paths in threads, chunk by chunk; yields each chunk's first index and results."""
    for start in range(0, len(paths), _CHUNK):
        yield start, list(pool.map(work, paths[start : start + _CHUNK]))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=KEY.itemsize).digest()


def _digest_of_file(path: str) -> bytes | ImageError:
    try:
        return _digest(read_picture(path))
    except ImageError as error:
        return error


def _find(known: NDArray[np.void], keys: NDArray[np.void]) -> NDArray[np.int64]:
    """Position of each key among the known ones, or -1."""
    found = np.full(len(keys), -1, np.int64)
    if len(known) and len(keys):
        order = np.argsort(known, kind="stable")
        place = np.minimum(np.searchsorted(known, keys, sorter=order), len(known) - 1)
        candidate = order[place]
        same = known[candidate] == keys
        found[same] = candidate[same]
    return found

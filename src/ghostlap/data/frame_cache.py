"""Decoded frames on disk, memory-mapped, keyed by the content of the picture files.

Decoding a JPEG costs more than all augmentation of it, and every epoch asks for each picture
again. So a picture is decoded once, into one store for each frame size that all trainings share:

- ``frames-160x320.pixels``: the frames one after another, RGB ``uint8``;
- ``frames-160x320.digests``: the key of each, 16 bytes of BLAKE2b of the picture *file*.

Both only grow at the end, first the pixels, flushed to disk, then the keys: whenever the process is
killed, the keys name complete frames only. What does not fit within the store's limit is read and
decoded each time it is asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import CacheError, ImageError
from ghostlap.base.files import explained, refuse_link, remove
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.platform import give_back_pages
from ghostlap.data.vision.pictures import Rgb, decode_rgb, read_picture

MAX_STORE_BYTES = 20 * 2**30
"""Default limit of a store; one that would grow beyond it is begun anew, since its frames can be
decoded again."""

MAX_PROBLEMS_KEPT = 1000

_DIGEST_BYTES = 16
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
    """One store: all frames of one shape, ``(height, width, 3)``.

    Raises:
        CacheError: the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        frame_shape: tuple[int, int, int],
        limit_bytes: int = MAX_STORE_BYTES,
    ) -> None:
        self.frame_shape = frame_shape
        self._limit_bytes = limit_bytes
        self._outside: list[tuple[str, bytes]] = []  # paths and keys of frames without a place
        self.problem: ImageError | None = None
        """Why a frame could not be given, however many libraries have put that into their words."""
        self.frame_bytes = int(np.prod(frame_shape))
        height, width, _ = frame_shape
        self.pixels_path = folder / f"frames-{height}x{width}.pixels"
        self.digests_path = folder / f"frames-{height}x{width}.digests"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CacheError(
                f"{folder}: the folder for decoded frames cannot be made ({error.strerror}). "
                "Name another one with --cache DIR."
            ) from error
        self._map: mmap.mmap | None = None
        self.frames: NDArray[np.uint8] = np.empty((0, *frame_shape), np.uint8)
        """All frames, memory-mapped and read-only, shape ``(slots, height, width, 3)``."""
        self._remap(len(self._digests()))

    def locate(
        self, paths: Sequence[str] | NDArray[np.object_], progress: Progress | None = None
    ) -> Located:
        """Find the frames of picture files, decoding those that are not in the store yet.

        Raises:
            CacheError: the disk is full, or the store cannot be written.
        """
        problems: list[str] = []
        with ThreadPoolExecutor(_READERS) as pool:
            wanted = np.zeros(len(paths), f"V{_DIGEST_BYTES}")
            readable = np.zeros(len(paths), bool)
            for start, results in _in_chunks(pool, _digest_of_file, paths):
                for i, result in enumerate(results, start):
                    if isinstance(result, ImageError):
                        problems.append(str(result))
                    else:
                        wanted[i], readable[i] = np.void(result), True
            with (
                explained(CacheError, "Or name a folder on another disk with --cache DIR."),
                FolderLock(self.digests_path.parent, CacheError, wait=True),
            ):
                known = self._digests()
                # One path for each content that the store lacks.
                contents, first = np.unique(wanted[readable], return_index=True)
                is_known = _find(known, contents) >= 0
                if self._is_full_of_others(len(known), is_known):
                    self._begin_anew()
                    is_known[:] = False
                missing = [str(paths[i]) for i in np.flatnonzero(readable)[first[~is_known]]]
                outside: list[str] = []
                if missing:
                    fitting = self._room_for(len(missing))
                    missing, outside = missing[:fitting], missing[fitting:]
                    problems += self._add(missing, pool, progress)
                    known = self._digests()
                self._remap(len(known))
            keys = self._keys_of(outside, pool, problems)
        slots = np.full(len(paths), -1, np.int64)
        slots[readable] = _find(known, wanted[readable])
        if len(keys):
            places = _find(keys, wanted[readable])
            slots[np.flatnonzero(readable)[places >= 0]] = _FIRST_OUTSIDE - places[places >= 0]
        return Located(slots, tuple(problems[:MAX_PROBLEMS_KEPT]))

    def frames_at(self, slots: NDArray[np.int64]) -> list[Rgb]:
        """Frames at slots, none -1; each ``uint8`` of :attr:`frame_shape` and read-only.

        Raises:
            ImageError: a picture that is not in the store cannot be read any more, or has changed.
        """
        far = set(slots[slots < 0].tolist())
        if not far:
            return [self.frames[slot] for slot in slots]
        with ThreadPoolExecutor(min(_READERS, len(far))) as pool:
            read = dict(zip(far, pool.map(self._read_outside, far), strict=True))
        return [read[slot] if slot < 0 else self.frames[slot] for slot in slots.tolist()]

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
        return np.array([key for _, key in self._outside], f"V{_DIGEST_BYTES}")

    def release(self) -> None:
        """Give back the mapped memory, of which the process would seem to own ever more.

        The frames stay in the system's file cache.
        """
        if self._map is not None:
            give_back_pages(self._map)

    def _digests(self) -> NDArray[np.void]:
        """Keys of the complete frames in the store, in order."""
        try:
            keys = self.digests_path.read_bytes()
            frames_on_disk = self.pixels_path.stat().st_size // self.frame_bytes
        except FileNotFoundError:
            return np.zeros(0, f"V{_DIGEST_BYTES}")
        count = min(len(keys) // _DIGEST_BYTES, frames_on_disk)
        return np.frombuffer(keys, f"V{_DIGEST_BYTES}", count)

    def _add(
        self, paths: list[str], pool: ThreadPoolExecutor, progress: Progress | None
    ) -> list[str]:
        """Decode and append pictures; returns messages about those that cannot be decoded."""
        problems: list[str] = []
        for path in (self.pixels_path, self.digests_path):
            refuse_link(path)
        count = len(self._digests())
        try:
            with (
                open(self.pixels_path, "ab") as pixels_file,
                open(self.digests_path, "ab") as digests_file,
            ):
                # What a killed process left after the last complete frame goes first.
                _cut(pixels_file, count * self.frame_bytes)
                _cut(digests_file, count * _DIGEST_BYTES)
                for start, results in _in_chunks(pool, self._decode, paths):
                    keys = b""
                    for result in results:
                        if isinstance(result, ImageError):
                            problems.append(str(result))
                        else:
                            key, frame = result
                            pixels_file.write(frame.tobytes())
                            keys += key
                    pixels_file.flush()
                    os.fsync(pixels_file.fileno())
                    digests_file.write(keys)
                    digests_file.flush()
                    if progress:
                        progress(min(start + _CHUNK, len(paths)), len(paths))
        except OSError as error:
            free = shutil.disk_usage(self.pixels_path.parent).free
            raise CacheError(
                f"{self.pixels_path}: decoded frames cannot be written ({error.strerror}); "
                f"{len(paths)} pictures need {len(paths) * self.frame_bytes / 1e6:.0f} MB and "
                f"{free / 1e6:.0f} MB are free. What was decoded so far is kept. Make room, or "
                "name a folder on another disk with --cache DIR."
            ) from error
        return problems

    def _is_full_of_others(self, count: int, is_known: NDArray[np.bool_]) -> bool:
        """Whether there is no room, and most of what is in the store is not asked for."""
        ours, lacking = int(is_known.sum()), int((~is_known).sum())
        return (count + lacking) * self.frame_bytes > self._limit_bytes and ours < count / 2

    def _begin_anew(self) -> None:
        # Processes that have the old files mapped keep them until they are done; on Windows,
        # nothing that is mapped can be removed.
        self._map, self.frames = None, self.frames[:0].copy()
        folder = self.pixels_path.parent
        remove(self.digests_path, folder)
        remove(self.pixels_path, folder)

    def _room_for(self, frames: int) -> int:
        """How many of so many more frames may be added."""
        count, folder = len(self._digests()), self.pixels_path.parent
        fitting = max(0, min(frames, self._limit_bytes // self.frame_bytes - count))
        needed, free = fitting * self.frame_bytes, shutil.disk_usage(folder).free
        if needed > free:
            raise CacheError(
                f"{folder}: {fitting} pictures need {needed / 1e6:.0f} MB when decoded, and "
                f"{free / 1e6:.0f} MB are free. Make room, name a folder on another disk with "
                f"--cache DIR, or keep fewer: --cache-limit {max(1, int(free / 2e6))}MB."
            )
        return fitting

    def _decode(self, path: str) -> tuple[bytes, Rgb] | ImageError:
        try:
            data = read_picture(path)
            frame = decode_rgb(data, path)
        except ImageError as error:
            return error
        if frame.shape != self.frame_shape:
            (height, width), got = self.frame_shape[:2], frame.shape
            return ImageError(
                f"{path}: the picture is {got[1]}x{got[0]}, the others are {width}x{height}."
            )
        return _digest(data), frame

    def _remap(self, count: int) -> None:
        if count:
            with open(self.pixels_path, "rb") as file:
                self._map = mmap.mmap(
                    file.fileno(), count * self.frame_bytes, access=mmap.ACCESS_READ
                )
            self.frames = np.frombuffer(self._map, np.uint8).reshape(count, *self.frame_shape)


def _cut(file: BinaryIO, size: int) -> None:
    """Cut off what is too much; Windows refuses even to try while anybody has the file mapped."""
    if file.tell() > size:  # it was opened at its end
        file.truncate(size)


def _in_chunks(
    pool: ThreadPoolExecutor,
    work: Callable[[str], T],
    paths: Sequence[str] | NDArray[np.object_],
) -> Iterator[tuple[int, list[T]]]:
    """Map over paths in threads, chunk by chunk; yields each chunk's first index and results."""
    for start in range(0, len(paths), _CHUNK):
        yield start, list(pool.map(work, paths[start : start + _CHUNK]))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


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

"""Decoded frames on disk, memory-mapped, each under a key.

- ``frames-160x320.pixels``: the frames one after another, RGB ``uint8``;
- ``frames-160x320.digests``: the key of each, 16 bytes of BLAKE2b of the picture *file*.

Both only grow at the end, first the pixels, flushed to disk, then the keys: whenever the process is
killed, the keys name complete frames only.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import CacheError
from ghostlap.base.files import refuse_link, remove
from ghostlap.base.platform import give_back_pages
from ghostlap.data.vision.pictures import Rgb

MAX_STORE_BYTES = 20 * 2**30
"""Default limit of a store; one that would grow beyond it is begun anew, since its frames can be
decoded again."""

KEY = np.dtype("V16")


class FrameStore:
    """All frames of one shape, ``(height, width, 3)``.

    Raises:
        CacheError: the folder cannot be made.
    """

    def __init__(
        self, folder: Path, frame_shape: tuple[int, int, int], limit_bytes: int = MAX_STORE_BYTES
    ) -> None:
        self.folder = folder
        self.frame_shape = frame_shape
        self.frame_bytes = int(np.prod(frame_shape))
        self._limit_bytes = limit_bytes
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
        self.remap()

    def keys(self) -> NDArray[np.void]:
        """Keys of the complete frames, in order."""
        try:
            keys = self.digests_path.read_bytes()
            frames_on_disk = self.pixels_path.stat().st_size // self.frame_bytes
        except FileNotFoundError:
            return np.zeros(0, KEY)
        return np.frombuffer(keys, KEY, min(len(keys) // KEY.itemsize, frames_on_disk))

    def remap(self) -> None:
        """Map all frames that are there now."""
        if count := len(self.keys()):
            size = count * self.frame_bytes
            with open(self.pixels_path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
            self.frames = np.frombuffer(self._map, np.uint8).reshape(count, *self.frame_shape)

    def release(self) -> None:
        """Give back the mapped memory, of which the process would seem to own ever more.

        The frames stay in the system's file cache.
        """
        if self._map is not None:
            give_back_pages(self._map)

    def append(self, chunks: Iterable[Sequence[tuple[bytes, Rgb]]], pictures: int) -> None:
        """Append keys and frames.

        Args:
            chunks: of which each is on disk before the next is asked for.
            pictures: number of them in all, at most.

        Raises:
            CacheError: the disk is full, or the store cannot be written.
        """
        for path in (self.pixels_path, self.digests_path):
            refuse_link(path)
        count = len(self.keys())
        try:
            with (
                open(self.pixels_path, "ab") as pixels_file,
                open(self.digests_path, "ab") as digests_file,
            ):
                # What a killed process left after the last complete frame goes first.
                self._cut(pixels_file, count * self.frame_bytes)
                self._cut(digests_file, count * KEY.itemsize)
                for chunk in chunks:
                    for _, frame in chunk:
                        pixels_file.write(frame.tobytes())
                    pixels_file.flush()
                    os.fsync(pixels_file.fileno())
                    digests_file.write(b"".join(key for key, _ in chunk))
                    digests_file.flush()
        except OSError as error:
            free = shutil.disk_usage(self.folder).free
            raise CacheError(
                f"{self.pixels_path}: decoded frames cannot be written ({error.strerror}); "
                f"{pictures} pictures need {pictures * self.frame_bytes / 1e6:.0f} MB and "
                f"{free / 1e6:.0f} MB are free. What was decoded so far is kept. Make room, or "
                "name a folder on another disk with --cache DIR."
            ) from error

    def is_full_of_others(self, wanted: int, there: int) -> bool:
        """Whether so many frames do not fit, and most of what is there is none of them."""
        count = len(self.keys())
        too_much = (count + wanted - there) * self.frame_bytes > self._limit_bytes
        return too_much and there < count / 2

    def begin_anew(self) -> None:
        """Remove all frames."""
        # Processes that have the old files mapped keep them until they are done; on Windows,
        # nothing that is mapped can be removed.
        self._unmap()
        remove(self.digests_path, self.folder)
        remove(self.pixels_path, self.folder)

    def room_for(self, frames: int) -> int:
        """How many of so many more frames may be added.

        Raises:
            CacheError: the disk has no room for them.
        """
        fitting = max(0, min(frames, self._limit_bytes // self.frame_bytes - len(self.keys())))
        needed, free = fitting * self.frame_bytes, shutil.disk_usage(self.folder).free
        if needed > free:
            raise CacheError(
                f"{self.folder}: {fitting} pictures need {needed / 1e6:.0f} MB when decoded, and "
                f"{free / 1e6:.0f} MB are free. Make room, name a folder on another disk with "
                f"--cache DIR, or keep fewer: --cache-limit {max(1, int(free / 2e6))}MB."
            )
        return fitting

    def _cut(self, file: BinaryIO, size: int) -> None:
        """Cut off what is too much; Windows refuses even to try while anybody has it mapped."""
        if file.tell() > size:  # it was opened at its end
            self._unmap()
            os.ftruncate(file.fileno(), size)

    def _unmap(self) -> None:
        self._map, self.frames = None, self.frames[:0].copy()

"""The doctor's checks on a recording's images: that they are there, whole, and of their camera."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import ImageError
from ghostlap.data.doctor.findings import Finding, finding
from ghostlap.data.recordings import CAMERAS, Recording
from ghostlap.data.recordings.picture_finder import PICTURE_ENDINGS
from ghostlap.data.vision.camera import SIDE_CAMERA_M, Camera
from ghostlap.data.vision.pictures import Rgb, decode_rgb, read_picture, read_rgb
from ghostlap.data.vision.shards import is_picture

_NOT_NAMED, _MISSING, _BROKEN, _FINE = 0, 1, 2, 3
_IMAGES_A_TASK = 64
_SAMPLED_ROWS = 60
_GROUND_ROWS = (75, 130)  # of 160: road, above the bonnet
_CLEAR_MARGIN = 0.05
"""Smallest clear margin; real recordings have a median of 0.48 (in hills) to 0.60."""


@dataclasses.dataclass(frozen=True)
class ImageScan:
    """State, size and digest of each image, arrays of shape ``(rows, 3)`` by camera."""

    state: NDArray[np.int8]
    size_px: NDArray[np.int32]
    """Height times 65536 plus width; 0 without a picture."""
    digest: NDArray[np.uint64]
    """Digest of the file's content."""
    orphans: int
    orphan_example: str

    @property
    def usual_size_px(self) -> int:
        """The size of most images; 0 if there are none."""
        sizes, counts = np.unique(self.size_px[self.state == _FINE], return_counts=True)
        return int(sizes[counts.argmax()]) if len(sizes) else 0

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Mask of the images that are there, whole and of the usual size."""
        return (self.state == _FINE) & (self.size_px == self.usual_size_px)


def scan_images(recording: Recording) -> ImageScan:
    """Read and decode every image that the log names, on all cores."""
    rows = len(recording.frames)
    paths = [path for camera in CAMERAS for path in recording.frames[camera]]
    state = np.zeros(len(paths), dtype=np.int8)
    size_px = np.zeros(len(paths), dtype=np.int32)
    digest = np.zeros(len(paths), dtype=np.uint64)

    def look_at_some(start: int) -> None:
        for index in range(start, min(start + _IMAGES_A_TASK, len(paths))):
            state[index], size_px[index], digest[index] = _look_at(paths[index])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        collections.deque(pool.map(look_at_some, range(0, len(paths), _IMAGES_A_TASK)), maxlen=0)
    orphans, example = _orphans(recording, paths)
    return ImageScan(
        state=state.reshape(3, rows).T,
        size_px=size_px.reshape(3, rows).T,
        digest=digest.reshape(3, rows).T,
        orphans=orphans,
        orphan_example=example,
    )


def _look_at(path: str) -> tuple[int, int, int]:
    if not path:
        return _NOT_NAMED, 0, 0
    if not is_picture(path):
        return _MISSING, 0, 0
    try:
        data = read_picture(path)
        height, width = decode_rgb(data, path).shape[:2]
    except ImageError:
        return _BROKEN, 0, 0
    digest = hashlib.blake2b(data, digest_size=8).digest()
    return _FINE, height * 65536 + width, int.from_bytes(digest, "big")


def _orphans(recording: Recording, paths: Sequence[str]) -> tuple[int, str]:
    named = {os.path.basename(path) for path in paths}
    count, example = 0, ""
    try:
        with os.scandir(recording.image_folder) as entries:
            for entry in entries:
                is_one = entry.name.lower().endswith(PICTURE_ENDINGS) and entry.name[0] != "."
                if is_one and entry.name not in named:
                    count += 1
                    example = example or entry.name
    except OSError:
        return 0, ""
    return count, example


def check_images(recording: Recording, scan: ImageScan) -> Iterator[Finding]:
    """Missing, broken, odd-sized, orphaned and repeated images."""
    missing = scan.state == _MISSING
    missing[:, 0] |= scan.state[:, 0] == _NOT_NAMED
    if missing.any():
        example = _first(recording, missing)
        yield finding("missing-images", missing.sum(), example, folder=recording.image_folder)
    broken = scan.state == _BROKEN
    if broken.any():
        example = f"{_first(recording, broken)}: {_reason(recording, broken)}"
        yield finding("broken-images", broken.sum(), example)
    odd = (scan.state == _FINE) & ~scan.usable
    if odd.any():
        example = f"{_first(recording, odd)}: {_size(int(scan.size_px[odd][0]))}"
        yield finding("odd-sized-images", odd.sum(), example, size=_size(scan.usual_size_px))
    if scan.orphans:
        yield finding("orphaned-images", scan.orphans, scan.orphan_example)
    yield from _check_repeated(recording, scan)


def _check_repeated(recording: Recording, scan: ImageScan) -> Iterator[Finding]:
    center = recording.frames["center"]
    counted = (scan.state[:, 0] == _FINE) & ~center.duplicated().to_numpy(dtype=bool)
    names, digests = center[counted], scan.digest[counted, 0]
    _, first, counts = np.unique(digests, return_index=True, return_counts=True)
    repeated = counts > 1
    if not repeated.any():
        return
    kind = "all-identical-images" if len(counts) == 1 else "identical-images"
    example = Path(names.iloc[int(first[repeated.argmax()])]).name
    yield finding(kind, (counts[repeated] - 1).sum(), example)


def _first(recording: Recording, mask: NDArray[np.bool_]) -> str:
    row, camera = np.argwhere(mask)[0]
    path = recording.frames[CAMERAS[camera]].iloc[int(row)]
    return f"{recording.counts} {recording.lines[row]}: {Path(path).name}"


def _reason(recording: Recording, mask: NDArray[np.bool_]) -> str:
    row, camera = np.argwhere(mask)[0]
    path = recording.frames[CAMERAS[camera]].iloc[int(row)]
    try:
        read_rgb(path)
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")
    return "it was"


def _size(size_px: int) -> str:
    return f"{size_px % 65536}x{size_px // 65536}"


def cameras_swapped(recording: Recording, scan: ImageScan) -> tuple[bool, int]:
    """Whether left and right hold each other's images, and by the pixels of how many rows.

    A camera further left sees the ground further right, the more the nearer it is.
    """
    rows = np.flatnonzero(scan.usable.all(axis=1))
    if not len(rows):
        return False, 0
    rows = rows[np.linspace(0, len(rows) - 1, min(_SAMPLED_ROWS, len(rows))).astype(int)]
    margins = []
    for row in rows:
        try:
            pictures = [read_rgb(recording.frames[camera].iloc[int(row)]) for camera in CAMERAS]
        except ImageError:
            continue
        shifts_px = _shifts_px(*pictures[0].shape[:2])
        center, left, right = map(_ground, pictures)
        margins.append(
            _left_margin(center, left, shifts_px) - _left_margin(center, right, shifts_px)
        )
    return bool(margins) and float(np.median(margins)) < -_CLEAR_MARGIN, len(margins)


def check_cameras(recording: Recording, scan: ImageScan) -> Iterator[Finding]:
    """Left and right swapped."""
    swapped, rows = cameras_swapped(recording, scan)
    if swapped:
        yield finding("swapped-cameras", len(recording.frames), rows=rows)


def _ground_rows(height_px: int) -> slice:
    first, last = (row * height_px // 160 for row in _GROUND_ROWS)
    return slice(first, last)


def _shifts_px(height_px: int, width_px: int) -> NDArray[np.int64]:
    """Shift of each row of the ground to the right, for a camera 0.83 m to the left."""
    camera = Camera().for_frames(height_px, width_px)
    rows = np.arange(height_px)[_ground_rows(height_px)]
    shifts_px = (rows - camera.horizon_px) * camera.shear_per_m() * SIDE_CAMERA_M
    return np.rint(shifts_px).astype(np.int64)


def _ground(rgb: Rgb) -> NDArray[np.float32]:
    """The fine detail of the ground, shape ``(ground rows, width)``; only detail tells a shift."""
    brightness = rgb[_ground_rows(len(rgb))].mean(axis=2, dtype=np.float32)
    window = np.full(max(3, brightness.shape[1] // 16), 1, np.float32)
    smooth = np.stack([np.convolve(row, window / len(window), mode="same") for row in brightness])
    detail: NDArray[np.float32] = brightness - smooth
    return detail


def _left_margin(
    center: NDArray[np.float32], side: NDArray[np.float32], shifts_px: NDArray[np.int64]
) -> float:
    """Correlation of a side picture as the left camera's, less that as the right camera's."""
    columns = np.arange(center.shape[1])

    def fit(shifts_px: NDArray[np.int64]) -> float:
        source = columns[None, :] + shifts_px[:, None]
        inside = (source >= 0) & (source < len(columns))
        one = center[inside]
        other = np.take_along_axis(side, source.clip(0, len(columns) - 1), axis=1)[inside]
        scale = np.sqrt((one**2).sum() * (other**2).sum())
        return float((one * other).sum() / scale) if scale else 0.0

    return fit(shifts_px) - fit(-shifts_px)

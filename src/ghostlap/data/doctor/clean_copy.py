"""Writing a clean copy of a recording; the original is never touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import RecordingError
from ghostlap.base.folder_lock import replacing_folder, require_free
from ghostlap.data.recordings import Recording
from ghostlap.data.recordings.copying import Part, Row, rows_of_recording, write_copy


@dataclasses.dataclass(frozen=True)
class CleanCopy:
    """The contents of a clean copy."""

    folder: str
    rows: int
    rows_left_out: int
    side_images_left_out: int
    """Number of missing or broken side images whose row is kept."""
    cameras_swapped_back: bool


def write_clean_copy(
    recording: Recording,
    out: Path,
    *,
    keep: NDArray[np.bool_],
    usable_images: NDArray[np.bool_],
    swap_sides: bool = False,
) -> CleanCopy:
    """Write the good part of a recording as a new one.

    Args:
        keep: mask of the rows to keep, shape ``(rows,)``.
        usable_images: mask of the images to copy, shape ``(rows, 3)`` by camera, with the center
            image of every kept row.

    Raises:
        RecordingError: ``out`` is in use, nothing is left to write, or it cannot be written.
    """
    check_out(out)
    if not keep.any():
        raise RecordingError(
            f"{recording.folder}: no row is good, so there is nothing to write to {out}. "
            "The findings above say why."
        )
    try:
        with replacing_folder(out, RecordingError) as unfinished:
            rows = _kept(recording, keep, usable_images, swap_sides)
            write_copy(unfinished, [Part(recording.folder, rows)])
    except OSError as error:
        raise RecordingError(
            f"{out}: the clean copy cannot be written ({error.strerror}). Nothing was left there."
        ) from error
    named = (recording.frames[["left", "right"]] != "").to_numpy(dtype=bool)
    return CleanCopy(
        folder=str(out),
        rows=int(keep.sum()),
        rows_left_out=int((~keep).sum()),
        side_images_left_out=int((named & ~usable_images[:, 1:])[keep].sum()),
        cameras_swapped_back=swap_sides,
    )


def check_out(out: Path) -> None:
    """Check that nothing would be overwritten.

    Raises:
        RecordingError: ``out`` is a file, or a folder that holds something.
    """
    advice = "Give --fix a folder that does not exist yet, or an empty one."
    require_free(out, RecordingError, advice)


def _kept(
    recording: Recording, keep: NDArray[np.bool_], usable: NDArray[np.bool_], swap_sides: bool
) -> Iterator[Row]:
    kept = np.flatnonzero(keep)
    for row, line in zip(kept, rows_of_recording(recording, kept), strict=True):
        center, left, right = np.where(usable[row], line.pictures, "").tolist()
        sides = (right, left) if swap_sides else (left, right)
        yield line._replace(pictures=(center, *sides))

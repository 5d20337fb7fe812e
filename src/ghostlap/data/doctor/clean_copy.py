"""Writing a clean copy of a recording; the original is never touched."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import RecordingError
from ghostlap.base.folder_lock import is_free, replacing_folder, tidy
from ghostlap.data.recordings import CAMERAS, Recording
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.image_names import NO_TIME, stamp_of, time_ms_of
from ghostlap.data.recordings.log_row import row_text
from ghostlap.data.recordings.tables_beside import copy_tables


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
        recording: the original.
        out: a folder that does not exist yet, or is empty.
        keep: mask of the rows to keep, shape ``(rows,)``.
        usable_images: mask of the images to copy, shape ``(rows, 3)`` by camera, with the center
            image of every kept row.
        swap_sides: whether to exchange the left and right column.

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
            (unfinished / "IMG").mkdir()
            _write(recording, unfinished, keep, usable_images, swap_sides)
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
    tidy(out)
    if not is_free(out):
        raise RecordingError(
            f"{out}: already in use. Give --fix a folder that does not exist yet, or an empty one."
        )


def _write(
    recording: Recording,
    folder: Path,
    keep: NDArray[np.bool_],
    usable_images: NDArray[np.bool_],
    swap_sides: bool,
) -> None:
    columns = [recording.frames[camera].tolist() for camera in CAMERAS]
    names = ("steering", "throttle", "brake", "speed_mph")
    numbers = recording.frames[list(names)].to_numpy()
    times_ms = recording.frames["time"].to_numpy("datetime64[ms]").astype(np.int64)
    centers: dict[str, str] = {}
    with (folder / LOG_NAME).open("w", encoding="utf-8", newline="\n") as log:
        for row in np.flatnonzero(keep):
            cells = []
            for camera, paths in enumerate(columns):
                if usable_images[row, camera]:
                    source = Path(paths[row])
                    target = folder / "IMG" / _name(source, CAMERAS[camera], int(times_ms[row]))
                    if not target.exists():
                        shutil.copyfile(source, target)
                    cells.append(target.name)
                else:
                    cells.append("")
            if swap_sides:
                cells[1], cells[2] = cells[2], cells[1]
            centers[Path(columns[0][row]).name] = cells[0]
            log.write(row_text(cells, numbers[row]))
    copy_tables(recording.folder, folder, centers)


def _name(source: Path, camera: str, time_ms: int) -> str:
    """An image's name, with its time added if only the tub's record has it."""
    if time_ms == NO_TIME or time_ms_of(source.name) != NO_TIME:
        return source.name
    return f"{camera}_{source.stem}_{stamp_of(time_ms)}{source.suffix}"

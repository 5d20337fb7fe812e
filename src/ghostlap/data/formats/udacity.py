"""Writing a recording as Udacity's simulator does: ``driving_log.csv`` and ``IMG/``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from ghostlap.data.formats.frames import Moment
from ghostlap.data.recordings import CAMERAS
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.image_names import NO_TIME, stamp_of
from ghostlap.data.vision.shards import ShardWriter

_NOMINAL_HZ = 15


def write_udacity(
    moments: Iterable[Moment], folder: Path, shard_bytes: int | None = None
) -> list[str]:
    """Write moments into an empty folder; picture files are kept byte for byte.

    Args:
        shard_bytes: size of the files that pictures are packed into; None leaves each its own.

    Returns:
        The name of each row's center picture. A moment without a time is named 1/15 s after the
        one before, the first one as of 1970; one that is not later than the one before 1 ms after
        it.
    """
    images = folder / "IMG"
    images.mkdir()
    last_ms = -1
    names: list[str] = []
    names_in_use: set[int] = set()
    with (
        (folder / LOG_NAME).open("w", encoding="utf-8", newline="\n") as log,
        contextlib.closing(ShardWriter(images, shard_bytes))
        if shard_bytes
        else contextlib.nullcontext() as shards,
    ):
        for moment in moments:
            time_ms = moment.time_ms
            if time_ms == NO_TIME:
                time_ms = last_ms + round(1000 / _NOMINAL_HZ)
            while time_ms in names_in_use:
                time_ms += 1
            names_in_use.add(time_ms)
            last_ms = time_ms
            cells = []
            for camera in CAMERAS:
                picture = moment.pictures.get(camera)
                name = f"{camera}_{stamp_of(time_ms)}{picture.ending}" if picture else ""
                if picture:
                    if shards:
                        shards.add(name, picture.data)
                    else:
                        (images / name).write_bytes(picture.data)
                cells.append(f"IMG/{name}" if name else "")
            numbers = (moment.steering, moment.throttle, moment.brake, moment.speed_mph)
            log.write(",".join([*cells, *(f"{number:.9g}" for number in numbers)]) + "\n")
            names.append(cells[0].removeprefix("IMG/"))
    return names

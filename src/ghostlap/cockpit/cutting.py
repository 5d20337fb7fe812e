"""Cutting a stretch out of a recording: a new one without it, the original in the trash."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from ghostlap.cockpit.library import Library
from ghostlap.errors import CockpitError
from ghostlap.recording.driving_log import LOG_NAME
from ghostlap.recording.image_names import image_name_of
from ghostlap.recording.who_drove import WHO_DROVE_NAME


def cut(library: Library, name: str, first: int, last: int) -> str:
    """Leave out the rows ``first`` to ``last``, both included; gives the new recording's name.

    The rows that stay are copied as they stand in the log, and pictures are shared with the
    original where the disk can (hard links). What ``who_drove.csv`` says of them stays, too.

    Raises:
        CockpitError: no such recording or rows, nothing would be left, or it cannot be written.
        RecordingError: its log cannot be read.
    """
    folder, log = library.log(name)
    if not 0 <= first <= last < len(log):
        raise CockpitError(
            f"{name} has the rows 0 to {len(log) - 1}. Got a cut from {first} to {last}."
        )
    kept = [i for i in range(len(log)) if not first <= i <= last]
    if not kept:
        raise CockpitError(f"Nothing of {name} would be left. Throw it away instead.")
    new = library.new_recording(f"{folder.name.removesuffix('-cut')}-cut")
    unfinished = new.with_name(f".{new.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        (unfinished / "IMG").mkdir(parents=True)
        lines = (folder / LOG_NAME).read_bytes().split(b"\n")
        rows = [lines[log.lines[i] - 1] for i in kept]
        (unfinished / LOG_NAME).write_bytes(b"\n".join(rows) + b"\n")
        for i in kept:
            for names in log.names:
                _share(folder, unfinished, names[i])
        _keep_drivers(folder, unfinished, {log.names[0][i] for i in kept})
        unfinished.rename(new)
    except OSError as error:
        raise CockpitError(f"{name}: the cut cannot be written ({error.strerror}).") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    library.throw_away(name)
    return new.name


def _share(folder: Path, target: Path, image: str) -> None:
    for images in (folder / "IMG", folder / "img", folder):
        source, place = images / image, target / "IMG" / image
        if image and source.is_file() and not place.exists():
            try:
                os.link(source, place)
            except OSError:  # another kind of disk
                shutil.copyfile(source, place)
            return


def _keep_drivers(folder: Path, target: Path, centers: set[str]) -> None:
    path = folder / WHO_DROVE_NAME
    if path.is_file():
        header, *lines = path.read_bytes().split(b"\n")
        kept = [
            line
            for line in lines
            if image_name_of(line.split(b",")[0].decode("utf-8", "replace")) in centers
        ]
        (target / WHO_DROVE_NAME).write_bytes(b"\n".join([header, *kept]) + b"\n")

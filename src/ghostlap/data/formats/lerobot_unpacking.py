"""A LeRobot dataset as a recording: its pictures are unpacked once, into the user's cache.

Training, looking and doctoring want any picture at any time; videos give them in order only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from rich.console import Console

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import cache_folder, read_json, write_json
from ghostlap.base.folder_lock import is_free, replacing_folder
from ghostlap.base.terminal import say
from ghostlap.data.formats.lerobot_reading import read_lerobot
from ghostlap.data.formats.udacity import write_udacity
from ghostlap.data.recordings.columns import NO_CHOICE, Choice
from ghostlap.data.recordings.log_table import LogNote
from ghostlap.data.recordings.reading import Recording, read_driving_log

_TOLD = "told.json"
_MOST_TOLD = 10_000
_MAX_JSON_BYTES = 16 * 1024**2


def read_unpacked(folder: Path, choice: Choice) -> Recording:
    """Read a dataset; what was unpacked of it before, as long as it did not change.

    Raises:
        GhostlapError: it cannot be read, or there is no room for its pictures.
    """
    source = read_lerobot(folder, choice)
    unpacked = cache_folder() / "lerobot" / _key(folder, choice)
    if is_free(unpacked):
        where = f"{folder}: {source.total} frames are unpacked once, into"
        say(Console(stderr=True), where, unpacked)
        try:
            with replacing_folder(unpacked, RecordingError) as unfinished:
                if not write_udacity(source.moments, unfinished):
                    first = f" The first: {source.left_out[0]}." if source.left_out else ""
                    raise RecordingError(f"{folder}: no frame can be used.{first}")
                told = {"notes": source.notes, "left_out": source.left_out[:_MOST_TOLD]}
                write_json(unfinished / _TOLD, told)
        except OSError as error:
            raise RecordingError(
                f"{unpacked}: the pictures of {folder} cannot be unpacked there "
                f"({error.strerror or error}). Set GHOSTLAP_CACHE to a folder on another disk."
            ) from error
    told = read_json(unpacked / _TOLD, _MAX_JSON_BYTES)
    notes = [LogNote(0, "columns", "", note) for note in told["notes"]]
    notes += [LogNote(0, "unreadable", "", why) for why in told["left_out"]]
    recording = read_driving_log(unpacked, NO_CHOICE)
    return dataclasses.replace(
        recording, folder=folder, notes=tuple(notes), origins=(), counts="frame"
    )


def _key(folder: Path, choice: Choice) -> str:
    """A name for what is unpacked, which another state of the dataset does not have."""
    digest = hashlib.blake2b(digest_size=12)
    digest.update(repr((str(folder.resolve()), sorted(choice.columns.items()))).encode())
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            about = os.stat(os.path.join(parent, name))
            digest.update(json.dumps([parent, name, about.st_size, about.st_mtime_ns]).encode())
    return digest.hexdigest()

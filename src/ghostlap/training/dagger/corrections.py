"""Recordings of a person who took the wheel: what is to be learned from them.

Only rows that the person drove are labels. The seconds before a takeover are the pilot's own: their
steering is what led to it, and learning it would teach the mistake once more. Nor is it known what
the person would have steered there.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import RecordingError
from ghostlap.base.files import remove
from ghostlap.data.dataset import seconds, usable_rows
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.motion import STRETCH_GAP_S
from ghostlap.data.recordings import CAMERAS, Recording
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.tables_beside import WHO_DROVE, WhoDrove, copy_tables, read_who_drove
from ghostlap.data.vision.pictures import decode_rgb, read_picture
from ghostlap.data.vision.shards import is_picture
from ghostlap.pilots.pilot import Pilot

_PAUSE_S = 2 * STRETCH_GAP_S
"""Time between two takeovers, at least; they are different stretches of driving."""

_FIRST_MOMENT = datetime.datetime(2001, 1, 1)

Corrected = tuple[Recording, dict[str, WhoDrove]]


def read_corrections(folders: Sequence[Path], pilot: Pilot) -> list[Corrected]:
    """Read recordings, and make sure that there is something in each to learn from.

    Raises:
        RecordingError: a recording cannot be read, does not say who drove, a person never drove in
            it, or its pictures are of another size than the pilot's.
        ImageError: its first picture cannot be decoded.
    """
    found = []
    for folder in folders:
        recording = read_recording(folder)
        who = read_who_drove(recording.folder)
        rows = _rows_of_person(recording, who)
        if len(rows) == 0:
            drivers = ", ".join(sorted({said.driver for said in who.values()})) or "nobody"
            raise RecordingError(
                f"{recording.folder}: a person drove in none of the {len(recording.frames)} rows "
                f"that can be learned from; {WHO_DROVE.name} names {drivers}. Take over where the "
                "pilot errs, and record that."
            )
        path = recording.frames["center"].iloc[rows[0]]
        height_px, width_px = decode_rgb(read_picture(path), path).shape[:2]
        wanted_height_px, wanted_width_px, _ = pilot.preprocessing.frame_shape
        if (height_px, width_px) != (wanted_height_px, wanted_width_px):
            raise RecordingError(
                f"{recording.folder}: its pictures are of {width_px}x{height_px} pixels. The pilot "
                f"was trained on frames of {wanted_width_px}x{wanted_height_px}, and goes on with "
                "such only."
            )
        found.append((recording, who))
    return found


def write_learned(corrected: Corrected, folder: Path) -> None:
    """Write a recording of what the person drove; it has its final name once it is whole.

    Pictures are copied as they are. Decoded frames are kept by content, so that none is decoded
    twice for it.

    Raises:
        ImageError: a picture cannot be read.
        RecordingError: the folder cannot be written.
    """
    recording, who = corrected
    unfinished = folder.with_name(f".{folder.name}.part")
    remove(unfinished, unfinished.parent)
    frames, time_s = recording.frames, seconds(recording.frames)
    shift_s, before = 0.0, -2
    centers: dict[str, str] = {}
    with Recorder(unfinished) as recorder:
        for row in _rows_of_person(recording, who):
            if row != before + 1 and before >= 0:
                pause_s = time_s[row] - time_s[before]
                shift_s += max(0.0, _PAUSE_S - pause_s)
            before = row
            moment = frames.iloc[row]
            center, _, _ = recorder.append(
                **_pictures(moment),
                steering=moment["steering"],
                throttle=_within(moment["throttle"], 1.0),
                brake=_within(moment["brake"], 1.0),
                speed_mph=_within(moment["speed_mph"], 999.0),
                time=_FIRST_MOMENT + datetime.timedelta(seconds=float(time_s[row] + shift_s)),
            )
            centers[image_name_of(moment["center"])] = center
    copy_tables(unfinished, [(recording.folder, centers)])
    unfinished.rename(folder)


def learned_folders(folders: Sequence[Path], out: Path) -> list[Path]:
    """Where what is learned from each recording is kept; two may have one name."""
    return [
        out / f"{number:02d}-{folder.resolve().name}" for number, folder in enumerate(folders, 1)
    ]


def _rows_of_person(recording: Recording, who: dict[str, WhoDrove]) -> Any:
    """The rows that a person drove and that can be learned from, in order."""
    names = map(image_name_of, recording.frames["center"])
    by_person = [name in who and who[name].driver == "person" for name in names]
    return np.flatnonzero(np.array(by_person, bool) & usable_rows(recording.frames))


def _pictures(moment: Any) -> dict[str, Any]:
    """The pictures' files of all cameras that took one; the center one must be there."""
    paths = {camera: moment[camera] for camera in CAMERAS}
    return {
        camera: read_picture(path)
        for camera, path in paths.items()
        if camera == "center" or (path and is_picture(path))
    }


def _within(value: float, most: float) -> float:
    """A number that a log may hold, for one that says nothing about the steering."""
    return float(np.nan_to_num(np.clip(value, 0.0, most)))

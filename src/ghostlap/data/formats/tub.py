"""Writing a donkeycar tub of format 2, as donkeycar 4 and 5 read it."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ghostlap.data.formats.frames import Moment, known
from ghostlap.data.recordings.columns import MPH_PER_MPS
from ghostlap.data.recordings.image_names import NO_TIME
from ghostlap.data.recordings.tub import IMAGE_FOLDER, MANIFEST_NAME
from ghostlap.data.recordings.tub_records import (
    IMAGE_KEY,
    MODE_KEY,
    PERSON_DRIVES,
    STEERING_KEY,
    THROTTLE_KEY,
    TIME_KEY,
)

RECORDS_A_CATALOG = 1000
SPEED_KEY = "enc/speed"
_NOMINAL_STEP_MS = 1000 / 15


def write_tub(moments: Iterable[Moment], folder: Path, has_speed: bool) -> list[str]:
    """Write moments into an empty folder, picture files byte for byte; gives the pictures' names.

    A tub has one camera and one pedal: side pictures are left out, and ``user/throttle`` is the
    throttle less the brake, as donkeycar means it. The speed is ``enc/speed``, in m/s.
    """
    (folder / IMAGE_FOLDER).mkdir()
    created_at = time.time()
    session = f"{datetime.datetime.fromtimestamp(created_at):%y-%m-%d}_0"
    lines: list[bytes] = []
    catalogs: list[str] = []
    names: list[str] = []
    for count, moment in enumerate(moments, 1):
        picture = moment.pictures["center"]
        name = f"{count - 1}_cam_image_array_{picture.ending}"
        (folder / IMAGE_FOLDER / name).write_bytes(picture.data)
        names.append(name)
        time_ms = moment.time_ms
        record: dict[str, Any] = {
            "_index": count - 1,
            "_session_id": session,
            TIME_KEY: round((count - 1) * _NOMINAL_STEP_MS) if time_ms == NO_TIME else time_ms,
            IMAGE_KEY: name,
            STEERING_KEY: moment.steering,
            THROTTLE_KEY: moment.throttle - moment.brake,
            MODE_KEY: PERSON_DRIVES,
        }
        if has_speed and known(moment.speed_mph):
            record[SPEED_KEY] = moment.speed_mph / MPH_PER_MPS
        lines.append(_line(record))
        if len(lines) == RECORDS_A_CATALOG:
            catalogs.append(_write_catalog(folder, len(catalogs), lines, created_at))
            lines = []
    if lines or not catalogs:
        catalogs.append(_write_catalog(folder, len(catalogs), lines, created_at))
    inputs = {IMAGE_KEY: "image_array", STEERING_KEY: "float", THROTTLE_KEY: "float"}
    inputs[MODE_KEY] = "str"
    if has_speed:
        inputs[SPEED_KEY] = "float"
    sessions = {"all_full_ids": [session], "last_id": 0, "last_full_id": session}
    about: tuple[Any, ...] = (
        list(inputs),
        list(inputs.values()),
        {},
        {"created_at": created_at, "sessions": sessions},
        {
            "paths": catalogs,
            "current_index": len(names),
            "max_len": RECORDS_A_CATALOG,
            "deleted_indexes": [],
        },
    )
    (folder / MANIFEST_NAME).write_bytes(
        b"".join(json.dumps(one).encode() + b"\n" for one in about)
    )
    return names


def _write_catalog(folder: Path, number: int, lines: list[bytes], created_at: float) -> str:
    name = f"catalog_{number}.catalog"
    (folder / name).write_bytes(b"".join(lines))
    about = {
        "created_at": created_at,
        # Of the lines with their breaks: donkeycar seeks by them.
        "line_lengths": [len(line) for line in lines],
        "path": f"{name}_manifest",
        "start_index": number * RECORDS_A_CATALOG,
    }
    (folder / f"{name}_manifest").write_bytes(_line(about))
    return name


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values, allow_nan=False, sort_keys=True).encode() + b"\n"

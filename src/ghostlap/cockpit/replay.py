"""Any recording or drive, frame by frame, and what a pilot says to each."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ghostlap.base.errors import CockpitError, GhostlapError, ImageError
from ghostlap.cockpit.library import Library
from ghostlap.cockpit.trouble import told
from ghostlap.data.recordings.image_names import NO_TIME
from ghostlap.data.recordings.log_table import DrivingLog
from ghostlap.data.recordings.tables_beside import read_who_drove
from ghostlap.data.vision.pictures import decode_rgb, read_picture
from ghostlap.data.vision.preprocessing import crop
from ghostlap.pilots.pilot import Pilot

CameraName = Literal["center", "left", "right"]
COLUMNS = ("time_s", "steering", "throttle", "speed_mph", "driver")
MOST_ROWS = 20_000
_BATCH = 32
_KEPT = 8
_LOOK_UP_S = 1.0
_PICTURE_STARTS = (b"\xff\xd8", b"\x89PNG")


def frame(library: Library, name: str, row: int, camera: str) -> tuple[bytes, str]:
    """A picture of a recording, as it lies there, and its media type.

    Raises:
        CockpitError: no such recording, row or camera.
        RecordingError, ImageError: the log or the picture cannot be read.
    """
    if camera not in get_args(CameraName):
        raise CockpitError(f"camera must be one of {', '.join(get_args(CameraName))}.")
    folder, log = library.log(name)
    if not 0 <= row < len(log):
        raise CockpitError(f"{name} has the rows 0 to {len(log) - 1}. Got {row}.")
    image = log.names[get_args(CameraName).index(camera)][row]
    if not image:
        raise CockpitError(f"{name}: row {row} has no picture of the {camera} camera.")
    data = read_picture(_image_path(folder, image))
    if not data.startswith(_PICTURE_STARTS):
        raise ImageError(f"{name}: the picture of row {row} is neither JPEG nor PNG.")
    return data, "image/png" if data.startswith(_PICTURE_STARTS[1]) else "image/jpeg"


def rows(library: Library, name: str) -> dict[str, Any]:
    """The numbers of a recording: ``columns``, ``rows``, and ``every``: each how manieth it is.

    Raises:
        CockpitError: no such recording.
        RecordingError: its log cannot be read.
    """
    folder, log = library.log(name)
    every = every_of(log)
    shown = range(0, len(log), every)
    steering, throttle, brake, speed_mph = log.numbers
    first_ms = log.times_ms[0] if len(log) else 0
    drivers = _drivers(folder)
    return {
        "columns": list(COLUMNS),
        "every": every,
        "total": len(log),
        "rows": [
            [
                None if NO_TIME in (log.times_ms[i], first_ms)
                else (log.times_ms[i] - first_ms) / 1000,
                steering[i], throttle[i] - brake[i], speed_mph[i], drivers.get(log.names[0][i]),
            ]
            for i in shown
        ],
    }  # fmt: skip


def every_of(log: DrivingLog) -> int:
    """Rows for each one that is shown."""
    return max(1, -(-len(log) // MOST_ROWS))


class Predictions:
    """What pilots say to recordings, worked out one at a time on a thread; kept for a while."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._found: dict[tuple[object, ...], _Work] = {}
        self._turn = threading.Lock()
        self._stopped = False

    def of(self, name: str, run: str) -> dict[str, Any]:
        """``steering`` for each row that :func:`rows` shows, or ``progress`` until it is there.

        Raises:
            CockpitError: no such recording or run.
            GhostlapError: the pilot or the recording cannot be read.
        """
        folder, log = self._library.log(name)
        run_folder = self._library.run_folder(run)
        key = folder, id(log), run_folder, (run_folder / "pilot.json").stat().st_mtime_ns
        with self._lock:
            work = self._found.get(key)
            if work is None:
                while len(self._found) >= _KEPT:
                    self._found.pop(next(iter(self._found))).stopped = True
                work = _Work(folder, log, run_folder, self._turn)
                threading.Thread(target=work.run, name="ghostlap-replay", daemon=True).start()
                self._found[key] = work
        if work.error is not None:
            with self._lock:
                self._found.pop(key, None)
            raise work.error
        if work.steering is None:
            return {"progress": work.progress}
        return {"steering": work.steering}

    def stop(self) -> None:
        """Work out nothing more."""
        with self._lock:
            for work in self._found.values():
                work.stopped = True


class _Work:
    """One pilot on one recording."""

    def __init__(self, folder: Path, log: DrivingLog, run: Path, turn: threading.Lock) -> None:
        self.progress = 0.0
        self.steering: list[float | None] | None = None
        self.error: CockpitError | None = None
        self.stopped = False
        self._folder, self._log, self._run, self._turn = folder, log, run, turn

    def run(self) -> None:
        while not self._turn.acquire(timeout=_LOOK_UP_S):
            if self.stopped:  # and the one before may never end
                return
        try:
            self.steering = self._steering()
        except BaseException as error:  # a network may fail in its own ways
            self.error = CockpitError(told(error, "the pilot fails"))
        finally:
            self._turn.release()

    def _steering(self) -> list[float | None]:
        pilot = Pilot.load(self._run)
        shown = range(0, len(self._log), every_of(self._log))
        names = [self._log.names[0][i] for i in shown]
        found: list[float | None] = []
        for start in range(0, len(names), _BATCH):
            if self.stopped:
                raise CockpitError("Others were asked for meanwhile. Ask again.")
            found += self._answers(pilot, names[start : start + _BATCH])
            self.progress = len(found) / len(names)
        return found

    def _answers(self, pilot: Pilot, names: list[str]) -> list[float | None]:
        """Steering for each picture; None for one that is missing or broken."""
        seen: dict[int, np.ndarray] = {}
        for i, name in enumerate(names):
            try:
                picture = decode_rgb(read_picture(_image_path(self._folder, name)), name)
                seen[i] = crop(picture, pilot.preprocessing.for_frames(*picture.shape[:2]))
            except GhostlapError:
                continue
        if not seen:
            return [None] * len(names)
        answers = pilot.predict_cropped(list(seen.values()))[:, 0].astype(float).round(5).tolist()
        by_row = dict(zip(seen, answers, strict=True))
        return [by_row.get(i) for i in range(len(names))]


def _image_path(folder: Path, image: str) -> Path:
    """Where a picture lies: always in the recording itself, whatever its log says."""
    with contextlib.suppress(OSError, ValueError):  # there can be no file of this name
        for images in (folder / "IMG", folder / "img", folder):
            if (images / image).is_file():
                return images / image
    return folder / "IMG" / image


def _drivers(folder: Path) -> dict[str, str]:
    """Who drove, by the center image; empty where nothing says so."""
    try:
        return {center: said.driver for center, said in read_who_drove(folder).items()}
    except GhostlapError:
        return {}

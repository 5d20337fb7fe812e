"""What is driven is written down as a recording, beside the loop and never in its way."""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import math
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from raw_simulator import RawSimulator, leave_all, telemetry
from small_pilot import make_pilot

from ghostlap.base.errors import RecordingError
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import background_recorder
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.tables_beside import PREDICTIONS
from ghostlap.data.vision.pictures import encode_jpeg, read_picture
from ghostlap.driving.control import Control
from ghostlap.driving.server.drive_recorder import (
    AnsweredFrame,
    DriveRecorder,
    Recordings,
)
from ghostlap.driving.server.model_thread import PendingFrame, Prediction
from ghostlap.driving.unity.wire import TelemetryEvent

JPEG = encode_jpeg(np.full((160, 320, 3), 90, np.uint8))


def moment(
    steering: float = 0.1, speed_mph: float | None = None, **telemetry: Any
) -> AnsweredFrame:
    told = TelemetryEvent(**{"steering_deg": -5.0, "throttle": 0.5, "speed_mph": 12.5, **telemetry})
    return AnsweredFrame(
        PendingFrame(told, 0.0, 1),
        Prediction(steering, speed_mph, JPEG),
        Control(np.array([0.25]), np.array([-0.5])),
        0.002,
    )


def recorded(folder: Path, *moments: AnsweredFrame) -> tuple[list[str], int]:
    """Write moments; returns what was said, and how many were lost."""
    said: list[str] = []
    lost: list[None] = []
    recorder = DriveRecorder(folder, said.append, lambda: lost.append(None))
    for one in moments:
        recorder.add(one)
    recorder.close(20)
    return said, len(lost)


def predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / PREDICTIONS.name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_drive_is_a_recording_with_what_was_predicted_beside_it(tmp_path: Path) -> None:
    more = moment(-0.2, 14.0, throttle=-0.3, extra={"lapNumber": 2.0, "cte": -0.5})
    assert recorded(tmp_path, moment(), more) == ([], 0)
    frames = read_recording(tmp_path).frames
    np.testing.assert_allclose(frames["steering"], -0.2)
    np.testing.assert_allclose(frames["throttle"], [0.5, 0.0])
    np.testing.assert_allclose(frames["brake"], [0.0, 0.3])
    np.testing.assert_allclose(frames["speed_mph"], 12.5)
    assert read_picture(frames["center"][0]) == JPEG, "the simulator's own bytes"
    rows = predictions(tmp_path)
    assert [row["center"] for row in rows] == [Path(path).name for path in frames["center"]]
    assert list(rows[0]) == ["center", *PREDICTIONS.columns]
    assert list(rows[0].values())[1:] == ["0.100000", "", "", "0.2500", "-0.5000", "2.00", "", ""]
    assert list(rows[1].values())[1:] == [
        "-0.200000", "14.0000", "", "0.2500", "-0.5000", "2.00", "2", "-0.5000",
    ]  # fmt: skip


def test_a_second_drive_goes_on_below_the_first(tmp_path: Path) -> None:
    recorded(tmp_path, moment())
    recorded(tmp_path, moment(), moment())
    assert len(read_recording(tmp_path).frames) == len(predictions(tmp_path)) == 3


def test_a_pilots_spread_is_written_down(tmp_path: Path) -> None:
    unsure = moment(0.1)
    unsure = dataclasses.replace(
        unsure, prediction=Prediction(0.1, None, JPEG, spread=0.25, unsure=0.7)
    )
    recorded(tmp_path, unsure)
    assert predictions(tmp_path)[0]["pilot_spread"] == "0.250000"


def test_predictions_that_an_older_version_began_keep_their_columns(tmp_path: Path) -> None:
    recorded(tmp_path, moment(0.1))
    path = tmp_path / PREDICTIONS.name
    older = [name for name in ("center", *PREDICTIONS.columns) if name != "pilot_spread"]
    center = predictions(tmp_path)[0]["center"]
    path.write_text(",".join(older) + f"\n{center},0.1,,0.25,-0.5,2.00,,\n")
    recorded(tmp_path, moment(-0.2, 14.0))
    row = predictions(tmp_path)[1]
    assert list(row) == older
    assert (row["pilot_steering"], row["pilot_speed_mph"]) == ("-0.200000", "14.0000")
    assert (row["steering"], row["latency_ms"]) == ("0.2500", "2.00")


@pytest.mark.parametrize("number", [math.nan, 1e9, -1e9])
def test_whatever_a_simulator_tells_the_log_takes_it(tmp_path: Path, number: float) -> None:
    strange = moment(math.nan, steering_deg=number, throttle=number, speed_mph=number)
    assert recorded(tmp_path, strange) == ([], 0)
    assert len(read_recording(tmp_path).frames) == 1


def test_what_a_slow_disk_cannot_take_is_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()
    append = Recorder.append

    def slow(self: Recorder, **values: Any) -> tuple[str, str, str]:
        writing.set()
        go_on.wait(20)
        return append(self, **values)

    monkeypatch.setattr(Recorder, "append", slow)
    monkeypatch.setattr(background_recorder, "_MOST_WAITING", 3)
    lost: list[None] = []
    recorder = DriveRecorder(tmp_path, print, lambda: lost.append(None))
    recorder.add(moment())
    writing.wait(20)
    for _ in range(10):
        recorder.add(moment())  # returns at once
    assert len(lost) == 7
    go_on.set()
    recorder.close(20)
    assert len(read_recording(tmp_path).frames) == len(predictions(tmp_path)) == 4


def test_a_full_disk_is_said_once_and_the_driving_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Recorder, **_: Any) -> tuple[str, str, str]:
        raise RecordingError(f"{self.folder}: the row cannot be saved (No space left on device).")

    monkeypatch.setattr(Recorder, "append", full)
    said, lost = recorded(tmp_path, *[moment()] * 5)
    assert said == [
        f"{tmp_path}: the row cannot be saved (No space left on device). "
        "The driving goes on, unrecorded."
    ]
    assert lost == 5


def test_each_simulator_has_a_folder_of_its_own(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "drive", print, lambda: None)
    first, second, third = recordings.open(), recordings.open(), recordings.open()
    assert first is not None
    assert second is not None
    assert third is not None
    assert [one.folder.name for one in (first, second, third)] == ["drive", "drive-2", "drive-3"]
    for one in (first, second):
        one.add(moment())
    second.finish()
    again = recordings.open()
    assert again is second
    again.add(moment())
    recordings.close()
    assert len(read_recording(first.folder).frames) == 1
    assert len(read_recording(second.folder).frames) == 2


def test_the_next_simulator_tries_a_disk_that_was_full_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    failed = threading.Event()

    def full(self: Recorder, **_: Any) -> tuple[str, str, str]:
        raise RecordingError("no room.")

    def say(text: str) -> None:
        said.append(text)
        failed.set()

    recordings = Recordings(tmp_path, say, lambda: None)
    with monkeypatch.context() as while_full:
        while_full.setattr(Recorder, "append", full)
        recorder = recordings.open()
        assert recorder is not None
        recorder.add(moment())
        failed.wait(20)
    recorder.finish()
    again = recordings.open()
    assert again is recorder
    again.add(moment())
    recordings.close()
    assert said == ["no room. The driving goes on, unrecorded."]
    assert len(read_recording(tmp_path).frames) == 1


def test_a_folder_that_cannot_be_written_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        Recordings(tmp_path / "file", print, lambda: None)
    (tmp_path / "drive" / PREDICTIONS.name).mkdir(parents=True)
    with pytest.raises(RecordingError, match="predictions.csv: cannot be written"):
        Recordings(tmp_path / "drive", print, lambda: None)


def test_a_further_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "drive-2").write_text("")
    said: list[str] = []
    recordings = Recordings(tmp_path / "drive", said.append, lambda: None)
    assert recordings.open() is not None
    assert recordings.open() is None
    assert said[0].endswith("The driving goes on, unrecorded.")
    recordings.close()


def test_what_a_kill_left_of_a_prediction_becomes_no_part_of_the_next(tmp_path: Path) -> None:
    recorded(tmp_path, moment())
    path = tmp_path / PREDICTIONS.name
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        DriveRecorder(tmp_path, print, lambda: None).close()
        header = whole[: whole.index(b"\n") + 1]
        assert path.read_bytes() == header
    path.write_bytes(whole.replace(b"\n", b"\r"))  # as an old spreadsheet saves it
    recorded(tmp_path, moment())
    assert len(predictions(tmp_path)) == 2


def test_a_strangers_table_is_neither_changed_nor_gone_on_with(tmp_path: Path) -> None:
    for text in ("a,b\n1,2\n", "a,b", "center,other\n"):
        (tmp_path / PREDICTIONS.name).write_text(text)
        with pytest.raises(RecordingError, match="predictions.csv: has other columns than center"):
            DriveRecorder(tmp_path, print, lambda: None)
        assert (tmp_path / PREDICTIONS.name).read_text() == text


def test_nothing_waits_for_a_second_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a kill would lose it: it is left out, which is said and counted."""
    now_s = 1000.0
    monkeypatch.setattr(background_recorder, "time", SimpleNamespace(monotonic=lambda: now_s))
    writing, go_on = threading.Event(), threading.Event()
    append = Recorder.append

    def slow(self: Recorder, **values: Any) -> tuple[str, str, str]:
        writing.set()
        go_on.wait(20)
        return append(self, **values)

    monkeypatch.setattr(Recorder, "append", slow)
    said: list[str] = []
    lost: list[None] = []
    recorder = DriveRecorder(tmp_path, said.append, lambda: lost.append(None))
    recorder.add(moment())
    writing.wait(20)
    recorder.add(moment())
    recorder.add(moment())
    now_s += 0.9
    recorder.add(moment(speed_mph=7.0))
    go_on.set()
    while len(lost) < 2:
        time.sleep(0.01)
    recorder.close(20)
    assert said == [f"{tmp_path}: the disk is too slow, moments are left out."]
    assert len(lost) == 2
    assert [row["pilot_speed_mph"] for row in predictions(tmp_path)] == ["", "7.0000"]


def test_once_there_is_room_again_the_same_drive_is_recorded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, is_full, said = 1000.0, True, queue.SimpleQueue[str]()
    monkeypatch.setattr(background_recorder, "time", SimpleNamespace(monotonic=lambda: now_s))
    really_write = os.write

    def write(file: int, row: bytes) -> int:
        return really_write(file, row[:20] if is_full and row.startswith(b"IMG/") else row)

    lost: list[None] = []
    recorder = DriveRecorder(tmp_path, said.put, lambda: lost.append(None))
    monkeypatch.setattr(os, "write", write)
    recorder.add(moment())
    assert "(No space left on device). The rows recorded before it are safe (0 by" in said.get(
        timeout=20
    )
    recorder.add(moment())
    assert len(lost) == 2
    is_full = False
    now_s += 11.0
    recorder.add(moment())
    assert said.get(timeout=20) == (
        f"{tmp_path}: there is room again, and the drive is recorded again."
    )
    recorder.add(moment())
    recorder.close(20)
    assert len(lost) == 2
    assert len(read_recording(tmp_path).frames) == len(predictions(tmp_path)) == 2


def test_what_a_full_disk_kept_is_told_truly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's row fits, and the prediction's does not."""
    really_write = os.write
    said: list[str] = []
    lost: list[None] = []
    recorder = DriveRecorder(tmp_path, said.append, lambda: lost.append(None))
    monkeypatch.setattr(
        os,
        "write",
        lambda file, row: really_write(file, row if row.startswith(b"IMG/") else row[:9]),
    )
    recorder.add(moment())
    recorder.close(20)
    assert said == [
        f"{tmp_path / PREDICTIONS.name}: the row cannot be saved (No space left on device). The "
        "rows before are safe. Make room, then go on. The driving goes on, unrecorded."
    ]
    assert (len(read_recording(tmp_path).frames), predictions(tmp_path), lost) == (1, [], [])


SLOW_SERVER = """
import sys, time
from pathlib import Path
from ghostlap.commands.drive import drive
from ghostlap.driving.server.config import DriveConfig
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.tables_beside import PREDICTIONS
save = Recorder._save
def slowly(*arguments):
    time.sleep(0.04)
    save(*arguments)
Recorder._save = slowly
drive(DriveConfig(Path(sys.argv[1]), port=0, record=Path(sys.argv[2]), late_after_s=1000.0))
"""


def test_a_killed_server_loses_no_more_than_a_second(tmp_path: Path) -> None:
    """On a disk that takes 25 pictures a second, of a simulator that sends more."""
    pilot = make_pilot(tmp_path / "run")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SERVER, str(pilot), str(tmp_path / "drive")],
        stderr=subprocess.PIPE,
    )

    async def drive_until_killed(port: int) -> list[float]:
        simulator = await RawSimulator.connect(port)
        answered_s: list[float] = []
        try:
            while True:
                simulator.say(telemetry(JPEG, f"{len(answered_s) / 100:.4f}"))
                await simulator.steered()
                answered_s.append(time.monotonic())
                if answered_s[-1] > answered_s[0] + 4.0:
                    process.kill()
        except (asyncio.IncompleteReadError, ConnectionError):
            await leave_all()
            return answered_s

    try:
        assert process.stderr is not None
        port = int(process.stderr.readline().split(b"127.0.0.1:")[1].split(b";")[0])
        answered_s = asyncio.run(drive_until_killed(port))
    finally:
        process.kill()
        process.communicate()
    newest = round(100 * read_recording(tmp_path / "drive").frames["speed_mph"].iloc[-1])
    assert answered_s[-1] - answered_s[newest] < 1.5

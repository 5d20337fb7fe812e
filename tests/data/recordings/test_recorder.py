from __future__ import annotations

import datetime
import errno
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from odd_logs import ODD_LOGS, rows_of
from recordings import START, draw_frame, make_recording
from systems import posix

from ghostlap.base.errors import RecordingError
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import recorder as recorder_module
from ghostlap.data.recordings.driving_log import parse_log, read_log
from ghostlap.data.recordings.log_end import CUT_OFF_NAME
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.tables_beside import read_who_drove
from ghostlap.data.vision.pictures import encode_jpeg, read_rgb

TINY = np.full((16, 32, 3), (200, 30, 10), np.uint8)
JPEG = encode_jpeg(TINY)
DRIVE: dict[str, Any] = {"steering": 0.25, "throttle": 1.0, "brake": 0.0, "speed_mph": 30.19029}


def record(folder: Path, rows: int, **changes: float) -> None:
    with Recorder(folder) as recorder:
        for row in range(rows):
            moment = START + datetime.timedelta(milliseconds=70 * row)
            recorder.append(center=TINY, left=TINY, right=TINY, time=moment, **(DRIVE | changes))


def test_the_log_is_the_simulators_own(tmp_path: Path) -> None:
    record(tmp_path, 1)
    assert (tmp_path / "driving_log.csv").read_text() == (
        "IMG/center_2024_05_06_07_08_09_000.jpg, IMG/left_2024_05_06_07_08_09_000.jpg, "
        "IMG/right_2024_05_06_07_08_09_000.jpg,0.25,1,0,30.19029\n"
    )
    assert len(list((tmp_path / "IMG").iterdir())) == 3


def test_what_is_recorded_reads_back(tmp_path: Path) -> None:
    frame = draw_frame(0.2)
    with Recorder(tmp_path) as recorder:
        names = recorder.append(center=frame, time=START, **DRIVE)
    recording = read_recording(tmp_path)
    assert names == ("center_2024_05_06_07_08_09_000.jpg", "", "")
    assert recording.frames["left"][0] == ""
    assert recording.frames["time"][0] == START
    assert recording.notes == ()
    difference = read_rgb(recording.frames["center"][0]).astype(int) - frame
    assert abs(difference).mean() < 12  # red is first on both sides


def test_a_file_that_was_a_jpeg_before_is_kept_byte_for_byte(tmp_path: Path) -> None:
    jpeg = encode_jpeg(draw_frame(0.2), 40)
    with Recorder(tmp_path) as recorder:
        name, *_ = recorder.append(center=jpeg, time=START, **DRIVE)
    assert (tmp_path / "IMG" / name).read_bytes() == jpeg
    assert len(read_recording(tmp_path).frames) == 1


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 100))
def test_numbers_read_back_to_six_decimals(
    steering: float, throttle: float, brake: float, speed_mph: float
) -> None:
    from ghostlap.data.recordings.recorder import _plain

    values = (steering, throttle, brake, speed_mph)
    log = parse_log([f"a.jpg,b.jpg,c.jpg,{','.join(map(_plain, values))}\n".encode()])
    assert [column[0] for column in log.numbers] == pytest.approx(values, abs=5e-7)


def test_an_existing_recording_is_continued(tmp_path: Path) -> None:
    record(tmp_path, 3)
    record(tmp_path, 2)  # at the same times again: the names go on 1 ms apart
    recording = read_recording(tmp_path)
    assert len(recording.frames) == 5
    assert recording.frames["center"].is_unique
    assert recording.frames["time"].is_monotonic_increasing


def test_a_clock_that_goes_back_keeps_names_unique(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        first = recorder.append(center=TINY, time=START, **DRIVE)
        earlier = START - datetime.timedelta(hours=1)
        second = recorder.append(center=TINY, time=earlier, **DRIVE)
    assert first[0] == "center_2024_05_06_07_08_09_000.jpg"
    assert second[0] == "center_2024_05_06_07_08_09_001.jpg"


def test_a_missing_final_newline_is_added(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "drive", rows=3)
    log = folder / "driving_log.csv"
    log.write_text(log.read_text().rstrip("\n"))
    record(folder, 1)
    assert len(read_recording(folder).frames) == 4
    assert not (folder / CUT_OFF_NAME).exists()


def test_a_cut_off_row_is_moved_aside_and_never_becomes_a_wrong_one(
    tmp_path: Path, open_files_stay: None
) -> None:
    log = tmp_path / "driving_log.csv"
    record(tmp_path, 4)
    whole = log.read_bytes()
    third_row_end = len(b"".join(whole.splitlines(keepends=True)[:3]))
    for end in range(third_row_end, len(whole)):
        log.write_bytes(whole[:end])
        Recorder(tmp_path).close()
        read = read_recording(tmp_path)
        assert len(read.frames) in (3, 4)
        assert set(read.frames["speed_mph"]) == {DRIVE["speed_mph"]}
        assert read.notes == ()
    assert b"IMG/center_2024_05_06_07_08_09_210.jpg" in (tmp_path / CUT_OFF_NAME).read_bytes()


def test_a_log_cut_at_any_byte_of_its_last_two_rows(tmp_path: Path) -> None:
    record(tmp_path, 6)
    log = tmp_path / "driving_log.csv"
    whole = log.read_bytes()
    frames = read_recording(tmp_path).frames
    start = len(b"".join(whole.splitlines(keepends=True)[:4]))
    for end in range(start, len(whole) + 1):
        log.write_bytes(whole[:end])
        read = read_recording(tmp_path).frames
        complete = whole[:end].count(b"\n")
        assert len(read) in (complete, complete + 1)
        assert read.equals(frames.iloc[: len(read)])


SPEEDS = st.lists(st.floats(0, 40, width=32), min_size=3, max_size=6)


@given(SPEEDS, st.data())
def test_no_cut_gives_a_wrong_speed(speeds_mph: list[float], data: st.DataObject) -> None:
    from ghostlap.data.recordings.recorder import _plain

    lines = [
        f"IMG/c{row}.jpg, IMG/l{row}.jpg, IMG/r{row}.jpg,0.5,1,0,{_plain(speed_mph)}\n".encode()
        for row, speed_mph in enumerate([12.345678, *speeds_mph])
    ]
    whole = parse_log(lines)
    end = data.draw(st.integers(0, len(lines[-1])))
    log = parse_log([*lines[:-1], lines[-1][:end]] if end else lines[:-1])
    kept = len(log)
    assert kept in (len(lines) - 1, len(lines))
    assert list(log.numbers[3]) == pytest.approx(list(whole.numbers[3])[:kept], rel=1e-6)


RECORDING_PROCESS = """
import sys, numpy as np
from ghostlap.data.recordings.recorder import Recorder
frame = np.random.default_rng(0).integers(0, 255, (160, 320, 3), np.uint8)
with Recorder(sys.argv[1]) as recorder:
    print("ready", flush=True)
    while True:
        recorder.append(center=frame, left=frame, right=frame,
                        steering=0.25, throttle=1, brake=0, speed_mph=30.19029)
"""


def test_a_killed_recording_stays_readable(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    wait = random.Random(seed)
    rows = 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", RECORDING_PROCESS, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        log = tmp_path / "driving_log.csv"
        before = log.stat().st_size
        while log.stat().st_size == before:
            time.sleep(0.01)
        time.sleep(wait.uniform(0.0, 0.13))
        process.kill()
        process.wait()
        process.stdout.close()
        frames = read_recording(tmp_path).frames
        assert len(frames) > rows, f"seed {seed}"
        rows = len(frames)
        assert set(frames["steering"]) == {0.25}
        for camera in ("center", "left", "right"):
            assert read_rgb(frames[camera].iloc[-1]).shape == (160, 320, 3)
    assert frames["center"].is_unique


# Errors


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steering", float("nan"), r"steering must be a finite number from -1 to 1. Got nan"),
        ("steering", 1.01, r"Got 1.01"),
        ("throttle", -0.1, r"throttle must be a finite number from 0 to 1. Got -0.1"),
        ("brake", float("inf"), "brake must be a finite number"),
        ("speed_mph", -1.0, "speed_mph must be a finite number from 0 to 1000"),
    ],
)
def test_a_bad_value_never_reaches_the_log(
    tmp_path: Path, name: str, value: float, message: str
) -> None:
    with pytest.raises(RecordingError, match=message):
        record(tmp_path, 1, **{name: value})
    assert (tmp_path / "driving_log.csv").read_bytes() == b""
    assert list((tmp_path / "IMG").iterdir()) == []


def test_a_frame_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    with (
        Recorder(tmp_path) as recorder,
        pytest.raises(RecordingError, match=r"left frame must be uint8 .* Got float32 of shape"),
    ):
        recorder.append(center=TINY, left=TINY.astype(np.float32), **DRIVE)


def test_a_full_disk_says_what_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.append(center=TINY, **DRIVE)

        def full(path: Path, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(
            RecordingError,
            match=r"No space left .* are safe \(1 by",
        ):
            recorder.append(center=TINY, **DRIVE)
    assert len(read_recording(tmp_path).frames) == 1


def test_a_disk_that_fills_up_within_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_write = os.write
    with Recorder(tmp_path) as recorder:
        recorder.append(center=TINY, **DRIVE)
        monkeypatch.setattr(os, "write", lambda file, row: really_write(file, row[:50]))
        with pytest.raises(RecordingError, match="rows recorded before it are safe"):
            recorder.append(center=TINY, **DRIVE)
    assert (tmp_path / "driving_log.csv").read_bytes().count(b"\n") == 1
    assert read_recording(tmp_path).notes == ()


def test_a_closed_recorder_says_so(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.close()
    recorder.close()
    with pytest.raises(RecordingError, match="closed"):
        recorder.append(center=TINY, **DRIVE)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        Recorder(tmp_path / "file" / "drive")


def test_the_recorder_loads_no_pandas() -> None:
    code = "import sys, ghostlap.data.recordings.recorder; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@example(b"center,left,right,")
@example(b"center,left,right,steering,throttle,brake,spee")
@example(
    b"IMG/0.jpg,,IMG/r0.PNG,0.25,1,0,30.19029\n" * 6
    + b"IMG/0.jpg,,IMG/r0.PNG,0,1,0,0,5,2\nIMG/0.jpg,,IMG/r0.PNG,0,1,0,0,5,2"
)
@given(ODD_LOGS)
def test_going_on_with_any_log_changes_nothing_of_it(data: bytes) -> None:
    """Whatever breaks its lines and however it ends: the old rows, then the new one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "driving_log.csv"
        path.write_bytes(data)
        try:
            log = read_log(path, may_be_empty=True)
        except RecordingError:
            log = None
        if log is None or not log.is_usual:
            with pytest.raises(RecordingError):
                Recorder(folder)
            assert path.read_bytes() == data
            return
        with Recorder(folder) as recorder:
            name, *_ = recorder.append(center=JPEG, **DRIVE)
        *after, new = rows_of(read_log(path))
        assert after == rows_of(log)
        assert new[:7] == (name, "", "", 0.25, 1.0, 0.0, 30.19029)


def test_a_log_that_cannot_be_read_is_not_gone_on_with(tmp_path: Path) -> None:
    """What was recorded into it would be lost."""
    log = tmp_path / "driving_log.csv"
    log.write_text("IMG/a.jpg,IMG/b.jpg,IMG/c.jpg,0,1,0,3\n", encoding="utf-16")
    with pytest.raises(RecordingError, match="its encoding are not the simulator"):
        Recorder(tmp_path)
    assert log.read_bytes().startswith(b"\xff\xfe")


def test_no_more_rows_are_recorded_than_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path, 2)
    monkeypatch.setattr(recorder_module, "MAX_ROWS", 3)
    with Recorder(tmp_path) as recorder:
        recorder.append(center=TINY, **DRIVE)
        with pytest.raises(RecordingError, match="at most 3 rows"):
            recorder.append(center=TINY, **DRIVE)
    assert len(read_recording(tmp_path).frames) == 3


@posix("FIFOs")
@pytest.mark.parametrize("name", ["driving_log.csv", "who_drove.csv"])
def test_what_is_no_file_is_neither_waited_for_nor_written(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(RecordingError, match="a FIFO"):
        Recorder(tmp_path) if name.startswith("driving") else read_who_drove(tmp_path)
    with pytest.raises(RecordingError):
        read_recording(tmp_path)

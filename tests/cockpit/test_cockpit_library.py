"""What the cockpit does with recordings and runs: listing, the trash, cutting, replay, training."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_logs import ODD_LOGS, rows_of
from recordings import make_recording
from small_pilot import make_pilot

from ghostlap.base.errors import CockpitError, GhostlapError, RecordingError
from ghostlap.base.files import write_json
from ghostlap.base.folder_lock import FolderLock
from ghostlap.cockpit import replay, trainer
from ghostlap.cockpit.cutting import cut
from ghostlap.cockpit.doctor_worker import DoctorWorker
from ghostlap.cockpit.library import Library
from ghostlap.cockpit.replay import Predictions
from ghostlap.cockpit.trainer import TrainingJobs
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings.tables_beside import WHO_DROVE, read_who_drove
from ghostlap.driving.measured import EVALUATION_FILE

PATIENCE_S = 60.0


def until(found: Callable[[], Any]) -> Any:
    """What there is once there is something."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not (value := found()):
        assert time.monotonic() < give_up_s
        time.sleep(0.02)
    return value


@pytest.fixture(autouse=True)
def _no_pilots_come_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ghostlap.cockpit.library.BUILT_IN", tmp_path / "along")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each test gets a copy of."""
    folder = tmp_path_factory.mktemp("made")
    make_recording(folder / "recordings" / "one", rows=30)
    make_recording(folder / "runs" / "a" / "drive-1", rows=5)
    make_pilot(folder / "runs" / "a")
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Library:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True, copy_function=os.link)
    log = tmp_path / "recordings" / "one" / "driving_log.csv"
    rows = log.read_bytes()
    log.unlink()
    log.write_bytes(rows)  # some tests change it
    return Library(tmp_path / "recordings", tmp_path / "runs")


def test_recordings_and_drives_are_listed(library: Library) -> None:
    one, drive = library.list_recordings()
    assert one == {
        "name": "one", "rows": 30, "seconds": pytest.approx(2.03), "complete": True,
        "thumbnail": "/api/recordings/one/frames/15.jpg", "kind": "recording",
    }  # fmt: skip
    assert (drive["name"], drive["rows"], drive["kind"]) == ("a:drive-1", 5, "drive")
    assert drive["thumbnail"] == "/api/recordings/a%3Adrive-1/frames/2.jpg"
    assert library.list_runs() == [
        {"name": "a", "outputs": ["steering"], "measured": "", "has_saliency": False}
    ]
    assert library.free_gb() > 0


def test_pilots_that_come_along_are_listed_too(library: Library, tmp_path: Path) -> None:
    make_pilot(tmp_path / "along" / "handy")
    assert [run["name"] for run in library.list_runs()] == ["a", "handy"]
    assert library.run_folder("handy") == tmp_path / "along" / "handy"


def test_what_is_listed_follows_the_disk(library: Library) -> None:
    library.list_recordings()
    log = library.recordings / "one" / "driving_log.csv"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:10]))
    assert library.list_recordings()[0]["rows"] == 10


def test_broken_folders_do_not_spoil_the_list(library: Library) -> None:
    for name, text in (("empty", ""), ("junk", "\x00\x01\n" * 3)):
        (library.recordings / name).mkdir()
        (library.recordings / name / "driving_log.csv").write_text(text)
    (library.runs / "b").mkdir()
    (library.runs / "b" / "pilot.json").write_text("{")
    rows = {one["name"]: (one["rows"], one["thumbnail"]) for one in library.list_recordings()}
    assert (rows["empty"], rows["junk"]) == ((0, None), (0, None))
    assert [run["name"] for run in library.list_runs()] == ["a", "b"]


def test_folders_that_are_not_there_are_empty(tmp_path: Path) -> None:
    library = Library(tmp_path / "no" / "recordings", tmp_path / "no" / "runs")
    assert (library.list_recordings(), library.list_runs(), library.trash_names()) == ([], [], {})
    assert library.free_gb() > 0


def test_only_listed_names_are_known(library: Library, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    library.folder("one").rename(outside)
    (library.recordings / "link").symlink_to(outside)
    for name in (
        "../outside", "..", ".", "", "/etc", "a:../../outside", "a:", ":", ".trash", "one\0",
        "link",
    ):  # fmt: skip
        for act in (library.folder, library.throw_away, library.restore, library.run_folder):
            with pytest.raises(CockpitError, match="There is no"):
                act(name)
    assert outside.is_dir()


def test_the_trash_keeps_until_it_is_emptied(library: Library) -> None:
    library.throw_away("one")
    library.throw_away("a:drive-1")
    assert library.list_recordings() == []
    assert list(library.trash_names()) == ["one", "a:drive-1"]
    library.restore("a:drive-1")
    assert library.folder("a:drive-1") == library.runs / "a" / "drive-1"
    assert library.empty_trash() == 1
    assert library.trash_names() == {}
    assert [one["name"] for one in library.list_recordings()] == ["a:drive-1"]


def test_restoring_overwrites_nothing(library: Library) -> None:
    library.throw_away("one")
    library.folder("a:drive-1").rename(library.recordings / "one")
    with pytest.raises(CockpitError, match="there is one of this name again"):
        library.restore("one")
    library.throw_away("one")
    assert list(library.trash_names()) == ["one", "one-2"]


def test_a_cut_leaves_the_rest_and_keeps_the_original(library: Library) -> None:
    with WHO_DROVE.open(library.recordings / "one") as drove:
        for center in read_recording(library.recordings / "one").frames["center"]:
            drove.append(Path(center).name, {"driver": "person"})
    before = read_recording(library.recordings / "one").frames
    assert cut(library, "one", 10, 19) == "one-cut"
    assert list(library.trash_names()) == ["one"]
    after = read_recording(library.recordings / "one-cut").frames
    kept = [*range(10), *range(20, 30)]
    assert after["steering"].tolist() == before["steering"].iloc[kept].tolist()
    names = [Path(path).name for path in before["center"].iloc[kept]]
    assert [Path(path).name for path in after["center"]] == names
    assert list(read_who_drove(library.recordings / "one-cut")) == names
    assert all(Path(path).is_file() for camera in ("center", "left") for path in after[camera])
    library.empty_trash()
    assert all(Path(path).is_file() for path in after["right"])


def test_impossible_cuts_change_nothing(library: Library) -> None:
    for first, last in ((-1, 3), (3, 2), (0, 30), (0, 29)):
        with pytest.raises(CockpitError):
            cut(library, "one", first, last)
    assert [path.name for path in library.recordings.iterdir()] == ["one"]


def test_replay_shows_rows_and_frames(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    found = replay.rows(library, "one")
    assert found["columns"] == ["time_s", "steering", "throttle", "speed_mph", "driver"]
    assert (found["every"], found["total"], len(found["rows"])) == (1, 30, 30)
    frames = read_recording(library.recordings / "one").frames
    assert found["rows"][3][:2] == [pytest.approx(0.21), frames["steering"][3]]
    data, kind = replay.frame(library, "one", 3, "left")
    assert data == Path(frames["left"][3]).read_bytes()
    assert kind == "image/jpeg"
    monkeypatch.setattr(replay, "MOST_ROWS", 10)
    thinned = replay.rows(library, "one")
    assert (thinned["every"], len(thinned["rows"])) == (3, 10)
    assert thinned["rows"][1] == found["rows"][3]


def test_frames_that_are_not_there_are_told(library: Library) -> None:
    frames = read_recording(library.recordings / "one").frames
    Path(frames["center"][4]).unlink()
    Path(frames["center"][5]).unlink()
    Path(frames["center"][5]).write_text("root:x:0:0", encoding="utf-8")
    for row, camera in ((-1, "center"), (30, "center"), (0, "back"), (4, "center"), (5, "center")):
        with pytest.raises(GhostlapError):
            replay.frame(library, "one", row, camera)


def test_a_pilots_answers_are_worked_out_once(library: Library) -> None:
    Path(read_recording(library.recordings / "one").frames["center"][2]).unlink()
    predictions = Predictions(library)
    assert 0 <= predictions.of("one", "a").get("progress", 0) <= 1
    steering = until(lambda: predictions.of("one", "a").get("steering"))
    assert len(steering) == 30
    assert [i for i, one in enumerate(steering) if one is None] == [2]
    assert predictions.of("one", "a")["steering"] is steering
    with pytest.raises(CockpitError, match="There is no run"):
        predictions.of("one", "b")


def test_the_doctor_is_asked_once_for_each_state(library: Library) -> None:
    verdicts = DoctorWorker()
    folder = library.folder("one")
    for image in (folder / "IMG").glob("center*"):
        image.unlink()
    assert verdicts.of(folder) is None
    found = until(lambda: verdicts.of(folder))
    assert found["errors"] > 0
    assert verdicts.of(folder) is found
    (folder / "driving_log.csv").touch()
    assert verdicts.of(folder) is None
    verdicts.stop()
    assert verdicts.of(folder) is None


@pytest.fixture
def training(
    library: Library, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> TrainingJobs:
    """A trainer whose trainings are played by a small program."""
    program = f"""
import pathlib, sys, time
from ghostlap.base.signals import listening, stop_with_input
stop_with_input()
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
out.mkdir()
(out / "args").write_text("\\n".join(sys.argv[1:]))
(out / "history.csv").write_text("epoch,loss,val_loss\\n1,0.5,0.6\\n2,0.4,")
{request.param}
"""
    real = subprocess.Popen

    def played(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return real(
            [sys.executable, "-c", program, *command[command.index("ghostlap") + 1 :]], **options
        )

    monkeypatch.setattr("ghostlap.base.platform.subprocess.Popen", played)
    monkeypatch.setattr(trainer, "_LEAVE_AFTER_S", 0.5)
    return TrainingJobs(library)


@pytest.mark.parametrize("training", ["(out / 'pilot.json').write_text('{}')"], indirect=True)
def test_a_training_runs_to_its_end(training: TrainingJobs, library: Library) -> None:
    job = training.start(["one"], 2, "a")
    (found,) = until(lambda: [one for one in training.list_jobs() if one["state"] == "done"])
    assert (found["id"], found["epoch"], found["epochs"]) == (job, 1, 2)
    assert found["history"] == [[1.0, 0.5, 0.6]]
    arguments = (library.runs / found["run"] / "args").read_text().splitlines()
    assert arguments == [
        "train", str(library.recordings / "one"), "--out", str(library.runs / found["run"]),
        "--epochs", "2", "--init", str(library.runs / "a"),
    ]  # fmt: skip
    assert found["run"] in library.run_names()


WAITS = """
with listening():
    try:
        for _ in range(600):
            time.sleep(0.1)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("training", [WAITS], indirect=True)
def test_a_training_is_stopped_as_by_ctrl_c(training: TrainingJobs) -> None:
    job = training.start(["one"], 2, None)
    with pytest.raises(CockpitError, match="under way already"):
        training.start(["one"], 2, None)
    until(lambda: training.list_jobs()[0]["history"])
    training.stop(job)
    found = until(lambda: [one for one in training.list_jobs() if one["state"] == "stopped"])[0]
    assert found["message"].startswith("'ghostlap train --resume --out ")


@pytest.mark.parametrize(
    "training", ["with listening() as asked:\n asked.hold()\n while True: time.sleep(60)"],
    indirect=True,
)  # fmt: skip
def test_no_training_outlives_the_cockpit(training: TrainingJobs) -> None:
    training.start(["one"], 2, None)
    until(lambda: training.list_jobs()[0]["history"])
    training.stop_all()
    assert training.list_jobs()[0]["state"] in ("stopped", "failed")


@pytest.mark.parametrize(
    "training", ["print('error: rec: no good.', file=sys.stderr); sys.exit(2)"], indirect=True
)
def test_a_training_that_fails_says_why(training: TrainingJobs) -> None:
    training.start(["one"], 2, None)
    found = until(lambda: [one for one in training.list_jobs() if one["state"] == "failed"])[0]
    assert found["message"] == "error: rec: no good."


def test_what_was_measured_is_the_last_evaluations(library: Library) -> None:
    folder = library.runs / "a" / "evaluate" / "lake"
    folder.mkdir(parents=True)
    lines = [
        {"track": "lake", "driver": driver, "stress": stress, "autonomy_percent": percent}
        for driver, stress, percent in (
            ("expert", "none", 99), ("pilot", "none", 93.5), ("pilot", "dark", 7),
        )
    ]  # fmt: skip
    write_json(folder / EVALUATION_FILE, {"lines": lines})
    assert library.list_runs()[0]["measured"] == "lake: autonomy 93.5 %"
    (folder / EVALUATION_FILE).write_text("[]")
    assert library.list_runs()[0]["measured"] == ""


@given(ODD_LOGS, st.data())
def test_a_cut_of_any_log_takes_out_what_was_asked_for(log: bytes, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = Library(Path(folder, "rec"), Path(folder, "runs"))
        (library.recordings / "odd").mkdir(parents=True)
        (library.recordings / "odd" / "driving_log.csv").write_bytes(log)
        try:
            before = rows_of(library.log("odd")[1])
        except RecordingError:
            return
        first = data.draw(st.integers(0, len(before) - 1))
        last = data.draw(st.integers(first, len(before) - 1))
        kept = before[:first] + before[last + 1 :]
        if kept:
            new = cut(library, "odd", first, last)
            assert rows_of(library.log(new)[1]) == kept
            assert library.log(new)[1].notes == []


def test_a_cut_keeps_what_the_tables_beside_the_log_say(library: Library) -> None:
    folder = library.recordings / "one"
    centers = [Path(path).name for path in read_recording(folder).frames["center"]]
    for name, break_ in (("who_drove.csv", "\r"), ("ground_truth.csv", "\r\n")):
        header = "center,driver,pilot_steering,track\n".replace("\n", break_)
        rows = [f'"{center}",person,,"a, b ü"{break_}' for center in centers]
        (folder / name).write_text(header + "".join(rows), encoding="utf-8", newline="")
    new = library.recordings / cut(library, "one", 5, 28)
    assert list(read_who_drove(new)) == [*centers[:5], centers[29]]
    truth = (new / "ground_truth.csv").read_text(encoding="utf-8").splitlines()
    assert truth[1:] == [f'{center},person,,"a, b ü"' for center in [*centers[:5], centers[29]]]


def test_half_a_picture_of_a_killed_recording_is_tidied(tmp_path: Path) -> None:
    recordings = tmp_path / "recordings"
    for name in ("killed", "busy"):
        make_recording(recordings / name, rows=2)
        (recordings / name / "IMG" / ".left_2026_01_02_03_04_05_678.jpg.part").write_bytes(b"half")
    before = {path: path.read_bytes() for path in recordings.rglob("*.jpg")}
    with FolderLock(recordings / "busy"):
        Library(recordings, tmp_path / "runs").tidy()
    assert [path.parts[-3] for path in recordings.rglob("*.part")] == ["busy"]
    assert {path: path.read_bytes() for path in recordings.rglob("*.jpg")} == before
    assert not (recordings / "killed" / ".lock").exists()

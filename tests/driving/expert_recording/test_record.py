"""The expert's recordings: plan, pictures and log, truth, interruptions."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import errno
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro
from kills import kills_of
from rich.console import Console
from rings import ring, ring_file
from systems import linux, posix

import ghostlap.commands.record as command
from ghostlap.base.engine import Report
from ghostlap.base.errors import FolderError, RecordingError, SimulatorError, TrackError
from ghostlap.commands.doctor import DoctorConfig, doctor
from ghostlap.commands.record import fingerprint_of
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.loader import BatchLoader
from ghostlap.data.recordings import require_images
from ghostlap.data.recordings.image_names import ms_of
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.driving.expert_recording import stretch
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.driving.expert_recording.folder import ABOUT_NAME, Part
from ghostlap.driving.expert_recording.plan import RECOVERY_MARGIN_M, Job, jobs_of, plan
from ghostlap.sim.scene.conditions import Conditions
from ghostlap.sim.track import tracks
from ghostlap.sim.track.track import Track
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import prepare_data

QUIET = Console(file=io.StringIO())


class DrawnRenderer:
    """Instead of the renderer: a picture whose colours tell where the camera is."""

    def __init__(
        self, scene: Any, views: int, *, height_px: int, width_px: int, **_: object
    ) -> None:
        self.shape = (views, height_px, width_px, 3)

    def render(self, eyes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        pictures = np.zeros(self.shape, np.uint8)
        pictures[:] = (eyes[:, :3] * 3 % 200 + 20).astype(np.uint8)[:, None, None, :]
        return pictures


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring instead of all tracks, and drawn pictures instead of rendered ones."""
    track = ring()

    def named(name: str) -> Track:
        if name == "nowhere":
            return tracks.track_named(name)
        return dataclasses.replace(track, name=name)

    monkeypatch.setattr(command, "track_named", named)
    monkeypatch.setattr(stretch, "_track", named)
    monkeypatch.setattr(stretch, "_scene", lambda name, conditions: None)
    monkeypatch.setattr("ghostlap.sim.render.renderer.Renderer", DrawnRenderer)


def small(out: Path, **changes: Any) -> RecordConfig:
    """One lap of a ring with small pictures, in this process."""
    values: dict[str, Any] = {
        "track": ("ring",), "laps": 1, "out": out, "size": (32, 16), "processes": 1, "variants": 2,
        "rate_hz": 5.0,
    }  # fmt: skip
    return RecordConfig(**(values | changes))


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file but the one with machine and time in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ABOUT_NAME
    }


def truth_of(folder: Path) -> list[dict[str, str]]:
    with (folder / GROUND_TRUTH.name).open() as file:
        return list(csv.DictReader(file))


def record(
    config: RecordConfig,
    console: Console,
    record_job: Callable[[Job, Report], int] = stretch.record_job,
) -> dict[str, Any]:
    """Record with a stand-in for what drives and writes some stretches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "record_job", record_job)
        return command.record(config, console)


class Interrupted:
    """Records, and presses Ctrl-C after so many moments."""

    def __init__(self, after: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.left = after
        self.error = error

    def __call__(self, job: Job, report: Report) -> int:
        def reporting(metres: float) -> None:
            report(metres)
            self.left -= 1
            if self.left == 0:
                raise self.error

        return stretch.record_job(job, reporting)


# The plan


def test_laps_cover_the_track_both_ways() -> None:
    track = ring(radius_m=200)
    config = RecordConfig(laps=2, both_ways=True, variants=3)
    stretches = plan(config, [track])
    for direction in (1, -1):
        driven = [s for s in stretches if s.direction == direction]
        assert sum(s.length_m for s in driven) == pytest.approx(2 * track.length_m)
        ends = [(s.s_m + direction * s.length_m) % track.length_m for s in driven]
        starts = [s.s_m for s in driven]
        gaps = np.subtract(ends[:-1], starts[1:])
        gaps = (gaps + track.length_m / 2) % track.length_m - track.length_m / 2
        assert np.abs(gaps).max() < 1e-6
    assert [s.number for s in stretches] == list(range(len(stretches)))
    assert not any(s.recovery for s in stretches)


def test_every_place_is_seen_under_several_conditions() -> None:
    config = RecordConfig(laps=4, variants=4)
    seen: dict[float, set[int | None]] = {}
    for s in plan(config, [ring(radius_m=200)]):
        seen.setdefault(round(s.s_m, 3), set()).add(s.conditions_seed)
    assert len(seen) == 4
    assert all(len(seeds) == 4 for seeds in seen.values())
    fixed = plan(dataclasses.replace(config, conditions="fixed"), [ring()])
    assert {s.conditions_seed for s in fixed} == {None}


def test_slots_of_time_do_not_meet() -> None:
    stretches = plan(RecordConfig(laps=3, recovery=0.3), [ring()])
    for before, after in itertools.pairwise(stretches):
        assert after.start_ms - before.start_ms > before.limit_s * 1000 + 10_000


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_recoveries_have_their_share(share: float) -> None:
    stretches = plan(RecordConfig(laps=4, both_ways=True, recovery=share), [ring(radius_m=100)])
    recovered_m = sum(s.length_m for s in stretches if s.recovery)
    total_m = sum(s.length_m for s in stretches)
    assert recovered_m > 0
    assert abs(recovered_m / total_m - share) < 0.02


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("width_m", [1.0, 8.0])
def test_recoveries_begin_on_the_road_and_differ(seed: int, width_m: float) -> None:
    track = ring(width_m=width_m)
    config = RecordConfig(laps=6, both_ways=True, recovery=0.5, seed=seed)
    recoveries = [s for s in plan(config, [track]) if s.recovery]
    most_m = max(0.0, width_m / 2 - RECOVERY_MARGIN_M)
    assert all(abs(s.cte_m) <= most_m for s in recoveries)
    assert all(abs(s.heading_error_rad) <= 0.27 for s in recoveries)
    # Not towards the edge that is already near.
    assert (
        all(s.cte_m * s.heading_error_rad <= 0 for s in recoveries if abs(s.cte_m) > 0.95 * most_m)
        or most_m == 0
    )
    if most_m:
        assert len({s.cte_m for s in recoveries}) == len(recoveries)
    assert {s.direction for s in recoveries} == {1, -1}


def test_another_seed_is_another_plan_at_another_time() -> None:
    first, again, other = (
        plan(RecordConfig(recovery=0.2, seed=seed), [ring()]) for seed in (1, 1, 2)
    )
    assert first == again
    assert [s.conditions_seed for s in first] != [s.conditions_seed for s in other]
    assert first[0].start_ms != other[0].start_ms
    assert first == plan(RecordConfig(recovery=0.2, seed=1, out=Path("b"), processes=7), [ring()])


def test_recordings_are_dated_in_the_past() -> None:
    """A file of the day after tomorrow sorts last, and puzzles whoever finds it."""
    days = [plan(RecordConfig(seed=seed), [ring()])[-1].start_ms for seed in range(100)]
    assert max(days) < ms_of(datetime.datetime(2020, 6, 1))
    assert len(set(days)) > 90


@pytest.mark.parametrize("processes", [1, 2, 5])
@pytest.mark.parametrize("conditions", ["seed", "fixed"])
def test_jobs_hold_every_stretch_once(processes: int, conditions: Any) -> None:
    config = RecordConfig(laps=5, recovery=0.2, conditions=conditions)
    stretches = plan(config, [ring(radius_m=200)])
    jobs = jobs_of(config, stretches, processes)
    assert sorted(s.number for job in jobs for s in job.stretches) == list(range(len(stretches)))
    assert all(len({(s.track, s.conditions_seed) for s in job.stretches}) == 1 for job in jobs)
    assert len(jobs) >= processes
    assert str(jobs[0]).startswith("lake, stretches 0 to ")
    assert str(stretches[0]) == "stretch 0 of lake at 0 m"
    assert str(stretches[-1]).startswith("recovery ")
    assert jobs_of(config, [], processes) == []


# What is written


@pytest.mark.usefixtures("drawn")
def test_it_is_a_recording_with_truth(tmp_path: Path) -> None:
    out = tmp_path / "rec"
    result = record(small(out, both_ways=True, recovery=0.2, rate_hz=15.0), QUIET)
    assert sorted(path.name for path in out.iterdir()) == [
        "IMG", "driving_log.csv", GROUND_TRUTH.name, ABOUT_NAME,
    ]  # fmt: skip
    recording = read_recording(out)
    require_images(recording)
    frames, truths = recording.frames, truth_of(out)
    assert len(frames) == len(truths) == result["rows"]
    assert [Path(path).name for path in frames["center"]] == [row["center"] for row in truths]
    assert list(truths[0]) == ["center", *GROUND_TRUTH.columns]
    assert len(list((out / "IMG").iterdir())) == 3 * len(frames)
    assert read_rgb(frames["left"][0]).shape == (16, 32, 3)
    assert frames["speed_mph"].between(15, 30.5).all()
    assert frames["time"].is_monotonic_increasing
    assert set(np.diff(frames["time"]) / np.timedelta64(1, "ms")) & {66.0, 67.0} == {66.0, 67.0}
    assert {row["direction"] for row in truths} == {"1", "-1"}
    assert abs(result["share_of_recovery"] - 0.2) < 0.03
    # A ring to the left is steered to the left one way, and to the right the other.
    steering = frames["steering"].to_numpy()
    laps = np.array([row["recovery"] == "0" for row in truths])
    forwards = np.array([row["direction"] == "1" for row in truths])
    assert (steering[laps & forwards] < 0).all()
    assert (steering[laps & ~forwards] > 0).all()


@pytest.mark.usefixtures("drawn")
def test_truth_is_where_the_car_is(tmp_path: Path) -> None:
    record(small(tmp_path / "rec", recovery=0.5), QUIET)
    for row in truth_of(tmp_path / "rec"):
        x_m, y_m = float(row["x_m"]), float(row["y_m"])
        assert float(row["cte_m"]) == pytest.approx(20 - np.hypot(x_m, y_m), abs=0.02)
        assert float(row["margin_m"]) == pytest.approx(4 - abs(float(row["cte_m"])), abs=0.001)
        angle = np.arctan2(y_m, x_m) % (2 * np.pi)
        assert abs(float(row["s_m"]) - 20 * angle) % (40 * np.pi) < 0.05 or angle > 6.27
        curvature_per_m = int(row["direction"]) / 20
        assert float(row["curvature_ahead_per_m"]) == pytest.approx(curvature_per_m, abs=1e-4)
        assert float(row["width_m"]) == pytest.approx(8, abs=0.001)
        assert len(bytes.fromhex(row["road_mask"])) == 25


@pytest.mark.usefixtures("drawn")
def test_truth_tells_the_steering_for_each_line(tmp_path: Path) -> None:
    record(small(tmp_path / "rec", line="switch", rate_hz=15), QUIET)
    steering = read_recording(tmp_path / "rec").frames["steering"].to_numpy()
    columns = ("steering_right_lane", "steering_centre", "steering_left_lane")
    truth = truth_of(tmp_path / "rec")
    on_lines = np.array([[float(row[name]) for name in columns] for row in truth])
    lane = np.array([int(row["lane"]) for row in truth])
    assert len(set(lane)) > 1
    off = steering - on_lines[np.arange(len(lane)), 1 + lane]
    assert (np.abs(off) < 1e-3).mean() > 0.9, "the expert's hand takes a moment to turn the wheel"
    assert (np.diff(on_lines, axis=1) <= 0).all(), "further left is steered further left"
    assert (on_lines[:, 0] - on_lines[:, 2]).min() > 0.1


@pytest.mark.usefixtures("drawn")
def test_recoveries_show_only_the_way_back(tmp_path: Path) -> None:
    record(small(tmp_path / "rec", recovery=0.7), QUIET)
    rows = [row for row in truth_of(tmp_path / "rec") if row["recovery"] == "1"]
    offsets: dict[str, list[float]] = {}
    for row in rows:
        offsets.setdefault(row["stretch"], []).append(abs(float(row["cte_m"])))
    far = [values for values in offsets.values() if values[0] > 1.5]
    assert far
    for values in far:
        assert values[-1] < 0.5 * values[0]
    assert min(float(row["margin_m"]) for row in rows) > 0.3


@pytest.mark.usefixtures("drawn")
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    config = small(tmp_path / "a", recovery=0.2, noise=0.05)
    record(config, QUIET)
    record(dataclasses.replace(config, out=tmp_path / "b"), QUIET)
    record(dataclasses.replace(config, out=tmp_path / "c", seed=5), QUIET)
    assert content_of(tmp_path / "a") == content_of(tmp_path / "b")
    one, other = ((tmp_path / name / "driving_log.csv").read_text() for name in "ac")
    assert one != other


@pytest.mark.usefixtures("drawn")
def test_tracks_cameras_size_and_rate_as_asked(tmp_path: Path) -> None:
    out = tmp_path / "rec"
    config = small(
        out, track=("ring", "a,b", "ring"), cameras=("center",), size=(40, 24), rate_hz=5.0
    )
    record(config, QUIET)
    frames = read_recording(out).frames
    assert (frames["left"] == "").all()
    assert read_rgb(frames["center"][0]).shape == (24, 40, 3)
    assert np.median(np.diff(frames["time"]) / np.timedelta64(1, "ms")) == 200
    assert list(dict.fromkeys(row["track"] for row in truth_of(out))) == ["ring", "a,b"]


@pytest.mark.usefixtures("drawn")
def test_it_says_where_it_comes_from(tmp_path: Path) -> None:
    config = small(tmp_path / "rec")
    result = record(config, QUIET)
    about = json.loads((tmp_path / "rec" / ABOUT_NAME).read_text())
    assert about["complete"] is True
    assert about["rows"] == result["rows"]
    assert RecordConfig.from_json(about["config"]) == config
    [track] = about["tracks"]
    assert track["blake2b"] == fingerprint_of(ring())
    assert track["blake2b"] != fingerprint_of(ring(radius_m=21))
    used = {row["conditions_seed"] for row in truth_of(tmp_path / "rec")}
    assert used <= {str(conditions["seed"]) for conditions in track["conditions"]}
    known = {k: v for k, v in track["conditions"][0].items() if k != "seed"}
    assert Conditions(**known | {"tint": tuple(known["tint"])})
    assert about["versions"]["ghostlap"]
    assert about["machine"]["cores"]


# Interruptions


@pytest.mark.usefixtures("drawn")
def test_what_an_earlier_version_began_is_gone_on_with(tmp_path: Path) -> None:
    """It had fewer columns of truth: what they would have said of its rows is not known."""
    config = small(tmp_path / "rec", laps=2, both_ways=True)
    with pytest.raises(KeyboardInterrupt):
        record(config, QUIET, Interrupted(90))
    for truth in (*(config.out / "parts").glob("*truth*"), config.out / GROUND_TRUTH.name):
        rows = truth.read_text().splitlines()
        truth.write_text("".join(row.rsplit(",", 6)[0] + "\n" for row in rows), newline="\n")
    before = len(rows) - 1
    record(dataclasses.replace(config, resume=True), QUIET)
    told = list(GROUND_TRUTH.rows(config.out, "cte_m", "width_m", "road_mask"))
    assert len(told) == len(read_recording(config.out).frames) > before > 0
    assert all(cte_m is not None for _, cte_m, *_ in told)
    assert 0 < sum(width_m is None for _, _, width_m, _ in told) <= before
    assert told[-1][2] is not None


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("after", [1, 20, 50])
def test_ctrl_c_leaves_a_recording_that_resume_finishes(after: int, tmp_path: Path) -> None:
    config = small(tmp_path / "rec", recovery=0.2)
    record(dataclasses.replace(config, out=tmp_path / "whole"), QUIET)
    shown = Console(file=io.StringIO(), width=200)
    with pytest.raises(KeyboardInterrupt):
        record(config, shown, Interrupted(after))
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert f"stopped after {after} moments, which are a recording" in text
    assert f"ghostlap record --resume --out {tmp_path / 'rec'}" in text
    part = read_recording(tmp_path / "rec")
    assert len(part.frames) == len(truth_of(tmp_path / "rec")) == after
    assert all(map(os.path.exists, part.frames["right"]))
    record(RecordConfig(out=tmp_path / "rec", resume=True, processes=1), QUIET)
    assert content_of(tmp_path / "rec") == content_of(tmp_path / "whole")


@pytest.mark.usefixtures("drawn")
def test_a_kill_at_any_file_leaves_what_resume_finishes(tmp_path: Path) -> None:
    """The folder as it is after an interruption, and with any one of its files not there yet."""
    config = small(tmp_path / "rec")
    record(dataclasses.replace(config, out=tmp_path / "whole"), QUIET)
    with pytest.raises(KeyboardInterrupt):
        record(config, QUIET, Interrupted(30))
    part = Part(tmp_path / "rec", 0)
    log = part.log if part.is_finished else part.unfinished_log
    log.write_bytes(log.read_bytes()[:-7])  # a row cut off
    (tmp_path / "rec" / "driving_log.csv").unlink()
    (tmp_path / "rec" / "IMG" / ".center_2020_01_01_00_00_00_000.jpg.part").touch()
    (tmp_path / "rec" / "IMG" / "mine.jpg").touch()
    unfinished = list((tmp_path / "rec" / "parts").glob("*unfinished*"))
    assert unfinished or part.is_finished
    if part.is_finished:
        log.replace(part.unfinished_log)  # killed between the truth's renaming and the log's
    record(dataclasses.replace(config, resume=True), QUIET)
    content = content_of(tmp_path / "rec")
    assert content.pop("IMG/mine.jpg") == b""
    assert content == content_of(tmp_path / "whole")


def two_moments_a_stretch(job: Job, report: Report) -> int:
    """Instead of driving: writes files as a stretch does."""
    for one in job.stretches:
        part = Part(job.config.out, one.number)
        picture = np.full((16, 32, 3), one.number, np.uint8)
        with (
            part.unfinished_truth.open("w") as truth,
            Recorder(job.config.out, log=part.unfinished_log) as recorder,
        ):
            for row in range(2):
                time = datetime.datetime(1970, 1, 1) + datetime.timedelta(
                    milliseconds=one.start_ms + row
                )
                recorder.append(
                    center=picture, steering=0, throttle=0, brake=0, speed_mph=row, time=time
                )
                truth.write(f"{one.number},{row}\n")
                report(1.0)
        part.finish()
    return 2 * len(job.stretches)


@pytest.mark.usefixtures("drawn")
@linux("the harness of kills looks at /proc")
@pytest.mark.parametrize("begin", ["new", "resumed"])
def test_a_kill_at_any_step_leaves_what_can_be_gone_on_with(begin: str, tmp_path: Path) -> None:
    config = small(tmp_path / "rec", rate_hz=1.0, cameras=("center",))
    resume = dataclasses.replace(config, resume=True)
    record(dataclasses.replace(config, out=tmp_path / "whole"), QUIET, two_moments_a_stretch)

    def after_one(job: Job, report: Report) -> int:
        two_moments_a_stretch(dataclasses.replace(job, stretches=job.stretches[:1]), report)
        raise KeyboardInterrupt

    def interrupted() -> None:
        if begin == "resumed":
            with pytest.raises(KeyboardInterrupt):
                record(config, QUIET, after_one)

    def killed() -> None:
        record(resume if begin == "resumed" else config, QUIET, two_moments_a_stretch)

    for _ in kills_of(killed, config.out, most=25, before=interrupted):
        try:
            record(resume, QUIET, two_moments_a_stretch)
        except RecordingError as error:
            if "complete" not in str(error):
                record(config, QUIET, two_moments_a_stretch)
        assert content_of(config.out) == content_of(tmp_path / "whole")
        assert json.loads((config.out / ABOUT_NAME).read_text())["complete"]
        assert not list(config.out.glob(".*"))


@pytest.mark.usefixtures("drawn")
def test_pictures_are_not_written_to_or_removed_from_elsewhere(tmp_path: Path) -> None:
    out, theirs = tmp_path / "rec", tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "center_2020_01_01_00_00_00_000.jpg").touch()
    with pytest.raises(KeyboardInterrupt):
        record(small(out), QUIET, Interrupted(5))
    for name in ("IMG", "parts"):
        (out / name).rename(tmp_path / name)
        (out / name).symlink_to(theirs)
        with pytest.raises(FolderError, match=f"{name}: this is a link to elsewhere"):
            record(small(out, resume=True), QUIET)
        (out / name).unlink()
        (tmp_path / name).rename(out / name)
    assert [path.name for path in theirs.iterdir()] == ["center_2020_01_01_00_00_00_000.jpg"]


@pytest.mark.usefixtures("drawn")
def test_a_full_disk_says_what_is_truly_there_and_keeps_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room for pictures, and none for the log that would be put together from the parts."""
    out = tmp_path / "rec"
    with pytest.raises(KeyboardInterrupt):
        record(small(out), QUIET, Interrupted(15))
    log = (out / "driving_log.csv").read_bytes()
    assert log.count(b"\n") == 15

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def killed_by_it(job: Job, report: Report) -> int:
        with monkeypatch.context() as patch:
            patch.setattr("ghostlap.data.recordings.recorder.append_row", full)
            monkeypatch.setattr(Part, "copy", full)
            return stretch.record_job(job, report)

    with pytest.raises(RecordingError) as caught:
        record(small(out, resume=True), QUIET, killed_by_it)
    told = str(caught.value)
    assert "rec: cannot be written (No space left on device)" in told
    rows = (out / "driving_log.csv").read_bytes().count(b"\n")
    kept = sum(Part(out, number).whole_rows() for number in range(20))
    assert f"{kept} moments are kept in {out / 'parts'}" in told
    assert f"driving_log.csv holds {rows}." in told
    assert f"'ghostlap record --resume --out {out}'" in told
    monkeypatch.undo()


@pytest.mark.usefixtures("drawn")
def test_log_and_truth_are_kept_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_PUT_TOGETHER_EVERY_S", 0.0)
    seen = []

    def looking(job: Job, report: Report) -> int:
        def reporting(metres: float) -> None:
            report(metres)
            seen.append(len((tmp_path / "rec" / "driving_log.csv").read_text().splitlines()))

        return stretch.record_job(job, reporting)

    record(small(tmp_path / "rec"), QUIET, looking)
    assert seen == list(range(1, len(seen) + 1))


@pytest.mark.usefixtures("drawn")
def test_a_full_disk_is_told_and_keeps_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Recorder._save

    def full(self: Recorder, picture: bytes, path: Path) -> None:
        if self.rows_written == 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, picture, path)

    monkeypatch.setattr(Recorder, "_save", full)
    with pytest.raises(RecordingError, match="No space left on device.*stopped after 20 moments"):
        record(small(tmp_path / "rec"), QUIET)
    assert len(read_recording(tmp_path / "rec").frames) == 20


@pytest.mark.usefixtures("drawn")
def test_a_full_disk_stops_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(file: int, row: bytes) -> int:
        return write(file, row[:9] if row.startswith(b"center_") else row)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RecordingError, match="No space left on device.*stopped after 0 moments"):
        record(small(tmp_path / "rec"), QUIET)


# Who may write where


@pytest.mark.usefixtures("drawn")
def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    for name, message in {
        "file": "cannot be written, because this is a file. Name a folder",
        "full": "the folder is not empty. Name another --out",
    }.items():
        with pytest.raises(RecordingError, match=f"{name}: {message}"):
            record(small(tmp_path / name), QUIET)
    record(small(tmp_path / "rec"), QUIET)
    with pytest.raises(RecordingError, match="rec: the folder holds a recording already"):
        record(small(tmp_path / "rec"), QUIET)
    with pytest.raises(RecordingError, match="rec: the recording there is complete. Name another"):
        record(small(tmp_path / "rec", resume=True), QUIET)
    with pytest.raises(RecordingError, match="none: no recording.json there, so nothing to resume"):
        record(small(tmp_path / "none", resume=True), QUIET)


@pytest.mark.usefixtures("drawn")
def test_an_unfinished_recording_is_not_begun_anew_or_changed(tmp_path: Path) -> None:
    out = tmp_path / "rec"
    with pytest.raises(KeyboardInterrupt):
        record(small(out), QUIET, Interrupted(5))
    with pytest.raises(
        RecordingError, match="not finished. Finish it with .*--resume --out .*rec'?', or"
    ):
        record(small(out), QUIET)
    with pytest.raises(
        RecordingError, match="Differing: laps was 1, now 3; size was .32, 16., now .64, 32."
    ):
        record(small(out, laps=3, size=(64, 32), resume=True), QUIET)
    (out / ABOUT_NAME).write_text("{")
    with pytest.raises(RecordingError, match="recording.json: cannot be read"):
        record(small(out, resume=True), QUIET)


@pytest.mark.usefixtures("drawn")
def test_two_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "rec"

    def second(job: Job, report: Report) -> int:
        with pytest.raises(RecordingError, match="rec: another process is writing there"):
            record(small(out, resume=True), QUIET)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(small(out), QUIET, second)


@pytest.mark.usefixtures("drawn")
def test_an_unknown_track_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="nowhere"):
        record(small(tmp_path / "rec", track=("nowhere",)), QUIET)
    assert not (tmp_path / "rec").exists()


@pytest.mark.usefixtures("drawn")
def test_an_expert_that_gets_stuck_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = np.zeros(1), np.zeros(1)
    monkeypatch.setattr("ghostlap.sim.expert.ExpertDriver.control", lambda *_: nothing)
    with pytest.raises(
        SimulatorError, match="ring: the expert does not get on at 0 m, direction 1"
    ):
        record(small(tmp_path / "rec"), QUIET)


@pytest.mark.usefixtures("drawn")
def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="file.rec: cannot be written .*Choose a folder"):
        record(small(tmp_path / "file" / "rec"), QUIET)


# Options


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"laps": 0}, "--laps must be at least 1. Got 0."),
        ({"variants": 0}, "--variants must be at least 1. Got 0."),
        ({"seed": -1}, "--seed must be at least 0. Got -1."),
        ({"processes": 0}, "--processes must be at least 1. Got 0."),
        ({"speed_limit": 0.0}, "--speed-limit must be from 1 to 200. Got 0.0."),
        ({"rate_hz": float("nan")}, "--rate-hz must be from 1 to 100. Got nan."),
        ({"jpeg_quality": 101}, "--jpeg-quality must be from 1 to 100. Got 101."),
        ({"noise": 2.0}, "--noise must be from 0 to 1. Got 2.0."),
        ({"recovery": 1.0}, "--recovery must be from 0 to below 1. Got 1.0."),
        ({"cameras": ("left",)}, "--cameras must hold center, and each camera once. Got left."),
        ({"cameras": ("center", "center")}, "each camera once. Got center center."),
        ({"size": (320, 8)}, "--size is width and height, 16 to 4096 pixels. Got 320 8."),
    ],
)
def test_impossible_options_are_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        RecordConfig(**changes)


def test_options_of_the_command_line() -> None:
    config = tyro.cli(
        RecordConfig,
        args=[
            *("--track", "lake", "--track", "jungle", "--laps", "1", "--both-ways"),
            *("--size", "64", "32", "--cameras", "center", "--out", "rec/a"),
        ],
    )
    assert config.track == ("lake", "jungle")
    assert config.size == (64, 32)
    assert config.cameras == ("center",)
    read_back = RecordConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert read_back == dataclasses.replace(config, out=config.out.resolve())


# For real


def recording_process(out: Path, *options: str) -> subprocess.Popen[bytes]:
    """One that records small pictures, and keeps its scenes beside them."""
    code = (
        "import sys, tyro\n"
        "from ghostlap.commands.record import record\n"
        "from ghostlap.driving.expert_recording.config import RecordConfig\n"
        "record(tyro.cli(RecordConfig, args=sys.argv[1:]))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, "--out", str(out), "--size", "48", "24", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "GHOSTLAP_CACHE": str(out.parents[1] / "scenes")},
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, bytes]]:
    """A track, and the content of a recording of it by one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    track, out = ring_file(folder), folder / "rec"
    process = recording_process(out, "--track", track, "--laps", "3", "--processes", "1")
    assert process.wait(60) == 0
    return track, content_of(out)


@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=posix("SIGINT")), None])
def test_two_processes_killed_and_resumed(
    how: int | None, undisturbed: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    """The bytes are those of one process that nobody disturbed."""
    track, content = undisturbed
    out = tmp_path / "rec"
    process = recording_process(out, "--track", track, "--laps", "3", "--processes", "2")
    while len(list((out / "IMG").glob("center*"))) < 10:
        assert process.poll() is None
        time.sleep(0.02)
    if how is None:
        process.kill()
    else:
        process.send_signal(how)
    process.wait(20)
    if how is not None:
        assert len(read_recording(out).frames) > 0
    assert recording_process(out, "--resume").wait(60) == 0
    assert content_of(out) == content


def test_it_passes_the_doctor_and_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rendered pictures of full size, all the way to batches."""
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path))
    config = RecordConfig(
        track=(ring_file(tmp_path),), laps=1, both_ways=True, recovery=0.3, noise=0.03,
        conditions="fixed", rate_hz=2.0, out=tmp_path / "rec", processes=1,
    )  # fmt: skip
    rows = record(config, QUIET)["rows"]
    assert rows > 60
    [examined] = doctor(DoctorConfig((config.out,)))["recordings"]
    assert {finding["severity"] for finding in examined["findings"]} <= {"note"}
    data = prepare_data(TrainConfig((config.out,), cache=tmp_path), QUIET)
    assert len(data.training) + len(data.validation) > rows  # side cameras, too
    loader = BatchLoader(data.training, data.slots, data.cache, data.preprocessing, batch_size=16)
    pictures, steering = loader.batch(0)[:2]
    assert np.asarray(pictures).std() > 0.05
    assert np.ptp(steering) > 0.05

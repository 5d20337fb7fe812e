"""``ghostlap edit``: new recordings of some rows, with all that is known of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from kills import kills_of
from places import ROOT
from recordings import make_recording
from systems import linux

from ghostlap.base.errors import GhostlapError, RecordingError
from ghostlap.base.platform import quoted, words_of
from ghostlap.commands.cli import main
from ghostlap.commands.convert import convert
from ghostlap.commands.doctor import DoctorConfig, doctor
from ghostlap.commands.edit import EditConfig, edit
from ghostlap.data.auxiliary import MASK_COLUMNS, MASK_ROWS, truth_of
from ghostlap.data.formats.config import ConvertConfig
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.lines import lines_of
from ghostlap.data.recordings import CAMERAS
from ghostlap.data.recordings.tables_beside import (
    GROUND_TRUTH,
    WHO_DROVE,
    edits_of,
    read_who_drove,
)
from ghostlap.data.vision.pictures import read_rgb


def with_tables(folder: Path) -> Path:
    """Say of each row that a person drove, and where the car was."""
    with WHO_DROVE.open(folder) as drove, GROUND_TRUTH.open(folder) as truth:
        for row, path in enumerate(read_recording(folder).frames["center"]):
            center = Path(path).name
            drove.append(center, {"driver": "person", "pilot_steering": row / 100, "lane": row % 2})
            place: dict[str, float | str | None] = {
                "track": "lake",
                "s_m": row,
                "cte_m": 0.5,
                "margin_m": 2.0,
                "stretch": 3,
                "road_mask": "80001" + "0" * 40 + "c0000",
            }
            truth.append(center, place)
    return folder


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_tables(make_recording(tmp_path_factory.mktemp("edit") / "rec", rows=20))


@pytest.fixture(autouse=True)
def _untouched(drive: Path) -> object:
    before = contents(drive)
    yield
    assert contents(drive) == before


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def edited(source: Path, out: Path, **options: object) -> Path:
    edit(EditConfig(source, out=out, **options))  # type: ignore[arg-type]
    return out


def test_dropped_rows_are_gone_and_all_else_is_kept(drive: Path, tmp_path: Path) -> None:
    new = edited(drive, tmp_path / "new", drop=("3:5", "18:"))
    kept = [0, 1, *range(5, 17)]
    before, after = read_recording(drive).frames.iloc[kept], read_recording(new).frames
    for column in ("steering", "throttle", "brake", "speed_mph", "time"):
        assert after[column].tolist() == before[column].tolist()
    for camera in CAMERAS:
        for old, copied in zip(before[camera], after[camera], strict=True):
            assert Path(copied).name == Path(old).name
            assert Path(copied).read_bytes() == Path(old).read_bytes()
    names = [Path(path).name for path in after["center"]]
    assert list(read_who_drove(new)) == names
    truth = list(GROUND_TRUTH.rows(new, "track", "s_m", "stretch"))
    assert truth == [(name, "lake", row, 3.0) for name, row in zip(names, kept, strict=True)]
    typed = quoted(drive, "--drop", "3:5", "18:")
    assert edits_of(new) == [f"14 of 20 rows: ghostlap edit {typed}"]
    assert len(list((new / "IMG").iterdir())) == 3 * len(kept)


def test_what_was_done_before_stays_said(drive: Path, tmp_path: Path) -> None:
    first = edited(drive, tmp_path / "a", drop="1")
    second = edited(first, tmp_path / "b", keep="line > 4", drop="line == 10")
    assert [line.split(":")[0] for line in edits_of(second)] == ["19 of 20 rows", "14 of 19 rows"]
    clean = tmp_path / "clean"
    found = doctor(DoctorConfig((second,), fix=clean))["recordings"][0]["findings"]
    assert next(one for one in found if one["kind"] == "edited")["count"] == 2
    assert edits_of(clean) == edits_of(second)


def test_a_split_shares_the_rows_out(drive: Path, tmp_path: Path) -> None:
    result = edit(EditConfig(drive, split="0.8", out=tmp_path / "two"))
    assert result["rows"] == [16, 4]
    frames = [read_recording(folder).frames for folder in result["out"]]
    whole = read_recording(drive).frames["steering"].tolist()
    assert [*frames[0]["steering"], *frames[1]["steering"]] == whole
    by_time = edit(EditConfig(drive, split="0s:0.3s", out=tmp_path / "time"))
    by_condition = edit(EditConfig(drive, split="line <= 5", out=tmp_path / "condition"))
    assert by_time["rows"] == by_condition["rows"] == [5, 15]


def test_joined_recordings_keep_each_picture_and_table(drive: Path, tmp_path: Path) -> None:
    """Pictures of the same names are others, and a table that only one has does not get lost."""
    other = make_recording(tmp_path / "other", rows=20, seed=5)
    third = with_tables(make_recording(tmp_path / "third", rows=4, seed=7))
    (third / "ground_truth.csv").unlink()
    text = (
        (third / "who_drove.csv").read_text().replace("\n", ",x\n").replace("lane,x", "lane,mood")
    )
    (third / "who_drove.csv").write_text(text)
    new = edited(drive, tmp_path / "new", merge=(other, third))
    parts = [read_recording(one).frames for one in (drive, other, third)]
    after = read_recording(new).frames
    for column in ("steering", "time"):
        assert after[column].tolist() == [value for part in parts for value in part[column]]
    for camera in CAMERAS:
        old = [Path(path).read_bytes() for part in parts for path in part[camera]]
        assert [Path(path).read_bytes() for path in after[camera]] == old
    who, names = read_who_drove(new), [Path(path).name for path in after["center"]]
    assert list(who) == [*names[:20], *names[40:]]
    assert who[names[43]].pilot_steering == 0.03
    assert [center for center, _ in GROUND_TRUTH.rows(new, "s_m")] == names[:20]
    lines = (new / "who_drove.csv").read_text().splitlines()
    assert lines[0] == "center,driver,pilot_steering,lane,mood"
    assert (lines[1].split(",")[4], lines[-1].split(",")[4]) == ("", "x")


def test_a_condition_may_be_of_several_recordings(drive: Path, tmp_path: Path) -> None:
    other = with_tables(make_recording(tmp_path / "other", rows=6))
    config = EditConfig(merge=(drive, other), keep=("line < 3",), out=tmp_path / "new")
    assert edit(config)["rows"] == [4]
    with pytest.raises(RecordingError, match="is of one recording, and 2 are joined"):
        edit(EditConfig(drive, merge=(other,), drop=("3:4",), out=tmp_path / "no"))


def test_a_mirrored_drive_steers_the_other_way(drive: Path, tmp_path: Path) -> None:
    new = edited(drive, tmp_path / "new", mirror=True)
    before, after = read_recording(drive).frames, read_recording(new).frames
    assert after["steering"].tolist() == [-value for value in before["steering"]]
    for camera, other in (("center", "center"), ("left", "right"), ("right", "left")):
        assert Path(after[camera][4]).name.startswith(camera)
        one, other_way = read_rgb(after[camera][4]), read_rgb(before[other][4])[:, ::-1]
        assert np.abs(one.astype(int) - other_way).mean() < 2
    who = list(read_who_drove(new).values())
    assert [said.pilot_steering for said in who[:3]] == [0.0, -0.01, -0.02]
    assert lines_of(read_recording(new)).tolist() == [0, -1] * 10
    names = ("cte_m", "margin_m", "track", "s_m", "steering_left_lane", "road_mask")
    (_, *told), *_ = GROUND_TRUTH.rows(new, *names)
    assert told == [-0.5, 2.0, None, None, None, "80001" + "0" * 40 + "00003"]
    masks = [truth_of(read_recording(folder))["mask"][0] for folder in (drive, new)]
    seen, turned = (np.unpackbits(mask).reshape(MASK_ROWS, MASK_COLUMNS) for mask in masks)
    assert seen.any()
    assert (turned == seen[:, ::-1]).all()
    found = doctor(DoctorConfig((new,)))
    assert found["errors"] == 0
    both = edited(drive, tmp_path / "both", merge=new)
    assert len(read_recording(both).frames) == len(read_who_drove(both)) == 40
    assert lines_of(read_recording(both)).tolist() == [0, 1] * 10 + [0, -1] * 10


def test_a_png_stays_one_when_mirrored(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)
    (tmp_path / "rec/IMG").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "rec/IMG/a.png"), pixels)
    (tmp_path / "rec/driving_log.csv").write_text("IMG/a.png,,,0.5,1,0,3\n")
    new = edited(tmp_path / "rec", tmp_path / "new", mirror=True)
    assert np.array_equal(read_rgb(new / "IMG/a.png"), pixels[:, ::-1, ::-1])


def test_pictures_that_are_missing_stay_missing(tmp_path: Path) -> None:
    """None of another recording takes their place when two are joined."""
    one = make_recording(tmp_path / "one", rows=6)
    two = make_recording(tmp_path / "two", rows=6, seed=1)
    gone = Path(read_recording(one).frames["center"][2])
    gone.unlink()
    new = read_recording(edited(one, tmp_path / "new", merge=two)).frames
    assert not Path(new["center"][2]).exists()
    there = Path(read_recording(two).frames["center"][2])
    assert Path(new["center"][8]).read_bytes() == there.read_bytes()
    back = read_recording(edited(two, tmp_path / "back", merge=one)).frames
    assert not Path(back["center"][8]).exists()


def test_pictures_of_one_name_in_two_folders_are_kept_apart(tmp_path: Path) -> None:
    """A clean copy took the first one for both."""
    lines = ["image,steering,throttle,speed"]
    for name, grey in (("a", 10), ("b", 200)):
        (tmp_path / "rec" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "rec" / name / "1.png"), np.full((8, 12, 3), grey, np.uint8))
        lines.append(f"{name}/1.png,0.1,1,9")
    (tmp_path / "rec/table.csv").write_text("\n".join(lines) + "\n")
    doctor(DoctorConfig((tmp_path / "rec",), fix=tmp_path / "clean"))
    edited(tmp_path / "rec", tmp_path / "new", keep="line > 0")
    for folder in (tmp_path / "clean", tmp_path / "new"):
        greys = [read_rgb(path)[0, 0, 0] for path in read_recording(folder).frames["center"]]
        assert greys == [10, 200]


@pytest.mark.parametrize("to", ["udacity", "tub"])
def test_a_converted_recording_keeps_the_tables_beside_the_log(
    drive: Path, tmp_path: Path, to: str
) -> None:
    convert(ConvertConfig(drive, to, tmp_path / "new"))  # type: ignore[arg-type]
    names = [Path(path).name for path in read_recording(tmp_path / "new").frames["center"]]
    assert list(read_who_drove(tmp_path / "new")) == names
    assert [row for _, row in GROUND_TRUTH.rows(tmp_path / "new", "s_m")] == list(range(20))
    back = edited(tmp_path / "new", tmp_path / "back", keep="cte_m == 0.5")
    assert len(read_who_drove(back)) == 20


def test_that_lerobot_has_no_tables_is_told(drive: Path, tmp_path: Path) -> None:
    notes = convert(ConvertConfig(drive, "lerobot", tmp_path / "new"))["notes"]
    assert any("has no tables beside its log" in note for note in notes)


def test_the_new_recording_lies_beside_the_old_one(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(drive, tmp_path / "my drive")
    monkeypatch.chdir(tmp_path)
    result = edit(EditConfig(Path("my drive"), drop=("1",)))
    assert result["out"] == ["my drive-edited"]
    assert "19 of 20 rows of my drive (untouched) in my drive-edited" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path / "my drive")
    with pytest.raises(RecordingError) as refused:
        edit(EditConfig(Path(), drop=("1",)))
    advice = words_of(str(refused.value).partition("not there: ")[2])
    assert advice[0] == "--out"
    edit(EditConfig(Path(), drop=("1",), out=Path(advice[1])))
    assert (tmp_path / "my drive-edited-2" / "driving_log.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "edit: no recording was given. Name one: ghostlap edit REC --drop 1:20"),
        (["{rec}"], "nothing is asked for"),
        (["{rec}", "--merge", "{rec}"], "is there twice"),
        (["{rec}", "--drop", "1:99"], "no row would be left in"),
        (["{rec}", "--split", "2"], "must be a share above 0 and below 1"),
        (["{rec}", "--split", "0.01"], "no row would be left in .*first"),
        (["{rec}", "--split", ":99"], "no row would be left in .*rest"),
        (["{rec}", "--out", "{rec}", "--mirror"], "already in use"),
        (["nowhere", "--mirror"], "nowhere: no such folder"),
    ],
)
def test_mistakes_are_told(
    drive: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["edit", *(word.format(rec=drive) for word in arguments)])
    assert ended.value.code == 2
    assert re.search(said, capsys.readouterr().err.replace("\n", " "))


def test_a_broken_picture_cannot_be_mirrored_and_the_advice_helps(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "rec", rows=8)
    Path(read_recording(folder).frames["left"][3]).write_bytes(b"no picture")
    with pytest.raises(GhostlapError, match="ghostlap doctor .* --fix OUT"):
        edited(folder, tmp_path / "new", mirror=True)
    assert os.listdir(tmp_path) == ["rec"]
    doctor(DoctorConfig((folder,), fix=tmp_path / "clean"))
    edited(tmp_path / "clean", tmp_path / "new", mirror=True)


@linux("forks")
def test_a_kill_leaves_nothing_half(drive: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    config = EditConfig(drive, drop=("3:5",), split="0.5", out=home / "new")
    edit(config)
    wanted = contents(home / "new")
    for _ in kills_of(lambda: edit(config), home, most=25, before=home.mkdir):
        with contextlib.suppress(RecordingError):  # it was finished
            edit(config)
        assert contents(home / "new") == wanted
        assert os.listdir(home) == ["new"]


def test_each_command_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = with_tables(make_recording(tmp_path / "my-drive", rows=120))
    drove = (folder / "who_drove.csv").read_text().replace("person", "pilot", 20)
    (folder / "who_drove.csv").write_text(drove)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "editing.md").read_text(encoding="utf-8")
    commands = re.findall(r"^ghostlap (edit .*)$", page, re.M)
    assert len(commands) >= 9
    for command in commands:
        words = words_of(command)
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0, capsys.readouterr().err
        assert (Path(words[-1]) / "edits.txt").is_file() or "--split" in words

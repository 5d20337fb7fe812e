from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recordings import image_names, log_lines, make_recording

from ghostlap.base.errors import RecordingError
from ghostlap.commands.doctor import DoctorConfig, doctor, examine
from ghostlap.data.doctor.findings import Finding
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.vision.pictures import encode_jpeg


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("clean") / "drive", rows=40)


@pytest.fixture
def drive(clean: Path, tmp_path: Path) -> Path:
    """A copy of a recording without faults, to be damaged."""
    shutil.copytree(clean, tmp_path / "drive")
    return tmp_path / "drive"


def findings(folder: Path) -> dict[str, Finding]:
    return {finding.kind: finding for finding in examine(read_recording(folder))}


def edit(folder: Path, change: Callable[[list[list[str]]], None]) -> None:
    """Change the cells of a recording's log."""
    log = folder / "driving_log.csv"
    rows = [line.split(",") for line in log.read_text().splitlines()]
    change(rows)
    log.write_text("".join(",".join(cells) + "\n" for cells in rows))


def set_cell(row: int, column: int, text: str) -> Callable[[list[list[str]]], None]:
    def change(rows: list[list[str]]) -> None:
        rows[row][column] = text

    return change


def fixed(folder: Path, out: Path) -> dict[str, Finding]:
    doctor(DoctorConfig((folder,), fix=out))
    return findings(out)


def errors(found: dict[str, Finding]) -> set[str]:
    return {kind for kind, finding in found.items() if finding.severity != "note"}


def test_a_good_recording_has_no_faults(clean: Path) -> None:
    assert errors(findings(clean)) == set()


@pytest.mark.parametrize(
    ("column", "text", "kind"),
    [
        (3, "1.5", "bad-steering"),
        (3, "nan", "bad-steering"),
        (4, "-0.5", "bad-throttle"),
        (5, "inf", "bad-brake"),
        (6, "-3", "bad-speed-mph"),
    ],
)
def test_bad_values(drive: Path, tmp_path: Path, column: int, text: str, kind: str) -> None:
    edit(drive, set_cell(7, column, text))
    found = findings(drive)
    assert errors(found) == {kind}
    assert found[kind].count == 1
    assert found[kind].example.startswith("line 8: ")
    assert errors(fixed(drive, tmp_path / "out")) == set()


def test_text_for_a_number(drive: Path, tmp_path: Path) -> None:
    edit(drive, set_cell(7, 3, "left"))
    assert errors(findings(drive)) == {"text", "bad-steering"}
    assert errors(fixed(drive, tmp_path / "out")) == set()


def test_decimal_commas_and_a_cut_off_row(drive: Path, tmp_path: Path) -> None:
    def to_commas(rows: list[list[str]]) -> None:
        for cells in rows:
            cells[3:] = [cell.replace(".", ",") for cell in cells[3:]]

    edit(drive, to_commas)
    log = drive / "driving_log.csv"
    log.write_text(log.read_text()[:-6])
    found = findings(drive)
    assert errors(found) == {"mended", "cut-off"}
    assert found["mended"].count == 39
    after = fixed(drive, tmp_path / "out")
    assert errors(after) == set()
    assert read_recording(tmp_path / "out").notes == ()
    frames = read_recording(drive).frames[["steering", "speed_mph"]]
    assert read_recording(tmp_path / "out").frames[["steering", "speed_mph"]].equals(frames)


def test_missing_broken_and_odd_sized_images(drive: Path, tmp_path: Path) -> None:
    images = drive / "IMG"
    (images / image_names(3)[0]).unlink()
    (images / image_names(4)[1]).unlink()
    cut_off = images / image_names(5)[0]
    cut_off.write_bytes(cut_off.read_bytes()[:500])
    (images / image_names(6)[2]).write_text("no picture")
    small = np.zeros((80, 160, 3), np.uint8)
    (images / image_names(7)[0]).write_bytes(encode_jpeg(small))
    (images / "center_of_nothing.jpg").write_bytes(encode_jpeg(small))
    found = findings(drive)
    assert {kind: found[kind].count for kind in found if kind.endswith("-images")} == {
        "missing-images": 2,
        "broken-images": 2,
        "odd-sized-images": 1,
        "orphaned-images": 1,
    }
    assert found["missing-images"].example == f"line 4: {image_names(3)[0]}"
    assert found["odd-sized-images"].example == f"line 8: {image_names(7)[0]}: 160x80"

    after = fixed(drive, tmp_path / "out")
    assert errors(after) == set()
    assert "orphaned-images" not in after
    frames = read_recording(tmp_path / "out").frames
    assert len(frames) == 37
    assert (frames["left"] == "").sum() == 1
    assert (frames["right"] == "").sum() == 1


def test_all_images_missing(tmp_path: Path) -> None:
    (tmp_path / "driving_log.csv").write_text("".join(log_lines(3)))
    found = findings(tmp_path)
    assert "all 9 images that the log names are missing" in found["no-images"].message
    with pytest.raises(RecordingError, match="no row is good"):
        doctor(DoctorConfig((tmp_path,), fix=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_duplicate_rows(drive: Path, tmp_path: Path) -> None:
    edit(drive, lambda rows: rows.append(rows[5]))
    found = findings(drive)
    assert found["duplicate-rows"].count == 1
    assert "time-backwards" in found
    assert "duplicate-rows" not in fixed(drive, tmp_path / "out")
    assert len(read_recording(tmp_path / "out").frames) == 40


def test_identical_images_are_noted(drive: Path) -> None:
    shutil.copyfile(drive / "IMG" / image_names(0)[0], drive / "IMG" / image_names(1)[0])
    assert findings(drive)["identical-images"].severity == "note"


def test_swapped_cameras_are_seen_in_the_pixels(drive: Path, tmp_path: Path) -> None:
    def swap(rows: list[list[str]]) -> None:
        for cells in rows:
            cells[1], cells[2] = cells[2], cells[1]

    edit(drive, swap)
    assert errors(findings(drive)) == {"swapped-cameras"}
    assert errors(fixed(drive, tmp_path / "out")) == set()
    first = (tmp_path / "out" / "driving_log.csv").read_text().splitlines()[0]
    assert first.startswith(",".join(f"IMG/{name}" for name in image_names(0)))


def test_cameras_that_see_the_same_are_not_called_swapped(drive: Path) -> None:
    for row in range(40):
        center, *sides = image_names(row)
        for side in sides:
            shutil.copyfile(drive / "IMG" / center, drive / "IMG" / side)
    assert "swapped-cameras" not in findings(drive)


def test_steering_that_never_changes(drive: Path) -> None:
    def centre(rows: list[list[str]]) -> None:
        for cells in rows:
            cells[3] = "0"

    edit(drive, centre)
    found = findings(drive)
    assert found["constant-steering"].severity == "error"
    assert "all of them steer 0" in found["constant-steering"].message


def steering_of(folder: Path, values: list[float], step_ms: int = 70) -> dict[str, Finding]:
    """Findings on a log of these steering values, whose images are missing."""
    folder.mkdir()
    lines = []
    for row, value in enumerate(values):
        names = image_names(row, step_ms=step_ms)
        lines.append(",".join([*names, str(value), "1", "0", "20.12345"]) + "\n")
    (folder / "driving_log.csv").write_text("".join(lines))
    return findings(folder)


def test_stuck_steering(tmp_path: Path) -> None:
    found = steering_of(tmp_path / "a", [0.0] * 5 + [0.3] * 60 + [-0.1, 0.1] * 10)
    assert found["stuck-steering"].example == "line 6: 0.3 for 4.1 s"
    assert "stuck-steering" not in steering_of(tmp_path / "b", [0.0] * 90 + [0.3] * 20 + [-0.1])


def test_a_single_wild_value(tmp_path: Path) -> None:
    found = steering_of(tmp_path / "a", [0.1] * 5 + [-0.9] + [0.1] * 5)
    assert found["steering-spikes"].example == "line 6: 0.1, -0.9, 0.1"
    slow = steering_of(tmp_path / "b", [0.1] * 5 + [-0.9] + [0.1] * 5, step_ms=300)
    assert "steering-spikes" not in slow


def test_lopsided_steering(tmp_path: Path) -> None:
    found = steering_of(tmp_path / "a", [-0.1, -0.2, 0.0] * 20)
    assert "40 steer left, 0 right" in found["lopsided-steering"].message


def test_gaps(tmp_path: Path) -> None:
    found = steering_of(tmp_path / "a", [0.1, 0.2, 0.3], step_ms=1500)
    assert found["time-gaps"].count == 2
    assert found["time-gaps"].example == "line 2: 1.5 s"


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows_and_only_a_center_camera(tmp_path: Path, rows: int) -> None:
    folder = make_recording(tmp_path / "drive", rows=rows, side_cameras=False)
    assert errors(findings(folder)) == set()


def test_images_without_times(tmp_path: Path) -> None:
    (tmp_path / "driving_log.csv").write_text("a.jpg,,,0,0,0,1\nb.jpg,,,0.3,0,0,1\n")
    assert "no-times" in findings(tmp_path)


def test_the_result_is_json_and_the_table_is_printed(
    clean: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = doctor(DoctorConfig((clean,)))
    assert json.loads(json.dumps(result)) == result
    assert result["recordings"][0]["rows"] == 40
    printed = capsys.readouterr().out
    assert "40 rows, no errors" in printed.replace("\n", " ")


def test_what_a_killed_fix_of_several_left_does_not_hinder(clean: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / ".clean.part" / "IMG").mkdir(parents=True)
    (out / ".clean.part" / ".lock").touch()
    (out / ".empty.part").mkdir()
    copies = doctor(DoctorConfig((clean, clean), fix=out))["clean_copies"]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        Path(copy["folder"]).name for copy in copies
    )


def test_a_fix_never_overwrites(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    with pytest.raises(RecordingError, match=r"out: already in use. Give --fix a folder"):
        doctor(DoctorConfig((clean,), fix=tmp_path / "out"))
    with pytest.raises(RecordingError, match="already in use"):
        doctor(DoctorConfig((clean,), fix=clean))


def test_each_of_several_recordings_gets_its_own_folder(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    result = doctor(DoctorConfig((clean, clean), fix=tmp_path / "out"))
    folders = [copy["folder"] for copy in result["clean_copies"]]
    assert folders == [str(tmp_path / "out" / "drive"), str(tmp_path / "out" / "drive-2")]
    assert len(read_recording(folders[1]).frames) == 40


def test_no_recording_given() -> None:
    with pytest.raises(RecordingError, match="no recording was given"):
        doctor(DoctorConfig(()))


@pytest.mark.parametrize("name", ["udacity-track1", "udacity-jungle"])
def test_real_recordings_are_fine_and_swapped_ones_are_not(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    lines = (shared_data / name / "driving_log.csv").read_text().splitlines()
    (tmp_path / "IMG").symlink_to(shared_data / name / "IMG")
    for swapped in (False, True):
        rows = [line.split(",") for line in lines[:: len(lines) // 60]]
        if swapped:
            rows = [[cells[0], cells[2], cells[1], *cells[3:]] for cells in rows]
        text = "".join(",".join(cells) + "\n" for cells in rows)
        (tmp_path / "driving_log.csv").write_text(text)
        assert errors(findings(tmp_path)) == ({"swapped-cameras"} if swapped else set())


def test_a_clean_copy_keeps_what_the_tables_beside_the_log_say(drive: Path, tmp_path: Path) -> None:
    names = [Path(path).name for path in read_recording(drive).frames["center"]]
    for table in ("who_drove.csv", "predictions.csv", "ground_truth.csv"):
        rows = "".join(f"{name},pilot,0.5\n" for name in names)
        (drive / table).write_text("center,driver,value\n" + rows)
    (drive / "IMG" / names[3]).write_bytes(b"no picture")
    doctor(DoctorConfig((drive,), fix=tmp_path / "out"))
    kept = [name for name in names if name != names[3]]
    for table in ("who_drove.csv", "predictions.csv", "ground_truth.csv"):
        lines = (tmp_path / "out" / table).read_text().splitlines()
        assert lines == ["center,driver,value", *(f"{name},pilot,0.5" for name in kept)]

"""Recordings as they come out of archives, other programs and other hands, each read as it is."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console

from ghostlap.base.errors import DatasetError, RecordingError
from ghostlap.commands.doctor import DoctorConfig, diagnose, doctor
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import Recording, require_images
from ghostlap.data.recordings.columns import parse_columns
from ghostlap.data.vision.pictures import Rgb, read_rgb
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import prepare_data

ROWS = 12
STEERING = [0.01 * row - 0.05 for row in range(ROWS)]


def picture(row: int, size_px: tuple[int, int] = (320, 160)) -> Rgb:
    """One whose brightness tells its row."""
    return np.full((size_px[1], size_px[0], 3), 20 * row + 10, np.uint8)


def make(
    folder: Path,
    line: Callable[[int], Sequence[object]],
    *,
    header: str = "",
    name: str = "driving_log.csv",
    where: Callable[[int], Sequence[str]] = lambda row: [f"IMG/center_{row}.jpg"],
    separator: str = ",",
) -> Path:
    """A recording of one camera.

    Args:
        line: cells of each row of the log.
        where: the pictures of each row, below the folder.
    """
    for row in range(ROWS):
        for path in where(row):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / path), picture(row))
    lines = [header] * bool(header) + [separator.join(map(str, line(row))) for row in range(ROWS)]
    (folder / name).write_text("".join(f"{one}\n" for one in lines))
    return folder


def usual(path: Callable[[int], str] = "IMG/center_{}.jpg".format) -> Callable[[int], list[object]]:
    return lambda row: [path(row), "", "", STEERING[row], 0.5, 0, 20.5]


def check_pairs(recording: Recording, steering: Sequence[float] = STEERING) -> None:
    """Each row has its own picture and steering."""
    frames = recording.frames
    rows = [round((read_rgb(path)[0, 0, 0] - 10) / 20) for path in frames["center"]]
    assert rows == list(range(ROWS))
    assert frames["steering"].tolist() == pytest.approx(list(steering))


def findings(folder: Path) -> dict[str, str]:
    """What doctor says: fix and example, by kind."""
    found = diagnose(read_recording(folder)).findings
    return {one.kind: f"{one.fix} | {one.example}" for one in found}


def trained(folder: Path, tmp_path: Path) -> tuple[int, str]:
    """How many samples are trained on, and what is said before."""
    told = io.StringIO()
    config = TrainConfig((folder,), out=tmp_path / "run", cache=tmp_path / "cache", cap=None)
    data = prepare_data(config, Console(file=told, width=5000))
    return len(data.training) + len(data.validation), told.getvalue()


# Pictures

RUNS = [f"run{1 + row // 6}/{row % 6}.jpg" for row in range(ROWS)]
PLACES: dict[str, tuple[Callable[[int], str], Callable[[int], str]]] = {
    "a folder in the folder": ("IMG/center_{}.jpg".format, "IMG/IMG/center_{}.jpg".format),
    "a folder for each camera": ("IMG/center_{}.jpg".format, "IMG/center/center_{}.jpg".format),
    "several folders": (lambda row: f"{row % 2}/IMG/{row}.jpg",) * 2,
    "the same names in several folders": (RUNS.__getitem__,) * 2,
    "the same names in several folders, from elsewhere": (
        lambda row: "C:\\Users\\a b\\" + RUNS[row].replace("/", "\\"), RUNS.__getitem__),
    "names in another case": ("IMG/Center_{}.JPG".format, "IMG/center_{}.jpg".format),
    "converted pictures": ("IMG/center_{}.jpg".format, "IMG/center_{}.png".format),
}  # fmt: skip


@pytest.mark.parametrize("name", ["driving_log.csv", "rides.csv"])
@pytest.mark.parametrize("kind", PLACES)
def test_pictures_are_found_and_never_confused(kind: str, name: str, tmp_path: Path) -> None:
    said, there = PLACES[kind]
    folder = make(tmp_path / "rec", usual(said), name=name, where=lambda row: [there(row)])
    check_pairs(read_recording(folder))
    assert "left out" not in trained(folder, tmp_path)[1]


def test_a_picture_that_may_be_several_is_none(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "rec", usual(lambda row: f"/x/{row % 6}.jpg"), where=lambda row: [RUNS[row]],
        name="rides.csv",
    )  # fmt: skip
    assert set(read_recording(folder).frames["center"]) == {""}


@pytest.mark.parametrize("name", ["driving_log.csv", "rides.csv"])
def test_some_missing_pictures_are_said(name: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "rec", usual(), name=name)
    (folder / "IMG/center_3.jpg").unlink()
    assert "line 4: center_3.jpg" in findings(folder)["missing-images"]


def test_files_that_a_mac_leaves_are_not_seen(tmp_path: Path) -> None:
    folder = make(tmp_path / "zip/a/data", usual(), name="rides.csv")
    for name in ("._rides.csv", ".DS_Store", "IMG/._center_0.jpg"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    check_pairs(read_recording(folder))
    assert "orphaned-images" not in findings(folder)
    left = tmp_path / "zip/__MACOSX/a/data"
    left.mkdir(parents=True)
    (left / "._rides.csv").write_bytes(b"\0\5\x16\7")
    with pytest.raises(Exception, match="but one below it") as error:
        read_recording(tmp_path / "zip")
    assert error.value.instead[1] == folder  # type: ignore[attr-defined]


def test_pictures_of_another_format_are_refused_with_what_helps(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "rec", usual("IMG/{}.bmp".format), where=lambda row: [f"IMG/{row}.bmp"]
    )
    with pytest.raises(DatasetError, match=r"0\.bmp.*JPEG and PNG.*same name but for its ending"):
        trained(folder, tmp_path)
    for row in range(ROWS):
        cv2.imwrite(str(folder / f"IMG/{row}.png"), picture(row))
    check_pairs(read_recording(folder))


def test_what_git_left_for_large_files_is_known(tmp_path: Path) -> None:
    folder = make(tmp_path / "rec", usual())
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    for path in (folder / "IMG").iterdir():
        path.write_bytes(pointer)
    assert "git lfs pull" in findings(folder)["broken-images"]
    with pytest.raises(DatasetError, match="git lfs pull"):
        trained(folder, tmp_path)
    (folder / "driving_log.csv").write_bytes(pointer)
    with pytest.raises(RecordingError, match="git lfs pull"):
        read_recording(folder)


def test_the_size_of_most_pictures_counts(tmp_path: Path) -> None:
    folder = make(tmp_path / "rec", usual())
    for row in range(3):
        cv2.imwrite(str(folder / f"IMG/center_{row}.jpg"), picture(row, (160, 80)))
    _, told = trained(folder, tmp_path)
    assert "3 samples are left out" in told
    assert "160x80, the others are 320x160" in told


# Columns

CAMERAS = ["left", "center", "right"]


@pytest.mark.parametrize(
    "header",
    [
        "CenterImage,LeftImage,RightImage,SteeringAngle,Throttle,Brake,SpeedMph",
        "rgb_front,rgb_left,rgb_right,steer,throttle,brake,speed",
        "field.center,field.left,field.right,field.steering,field.throttle,field.brake,field.speed",
    ],
)
@pytest.mark.parametrize("separator", [",", "|", "\t"])
def test_columns_by_the_names_that_programs_give(
    header: str, separator: str, tmp_path: Path
) -> None:
    def line(row: int) -> list[object]:
        return [*usual()(row)[::-1], row]

    names = ",".join([*header.split(",")[::-1], "no"])
    folder = make(tmp_path / "rec", line, header=names.replace(",", separator), separator=separator)
    recording = read_recording(folder)
    check_pairs(recording)
    assert recording.frames["speed_mph"].tolist() == [20.5] * ROWS


def test_rows_of_other_cameras_are_not_taken_for_the_center(tmp_path: Path) -> None:
    def line(row: int) -> list[object]:
        camera = CAMERAS[row % 3]
        return [row, f"{camera}_camera", f"{camera}/{row // 3}.jpg", STEERING[row // 3]]

    folder = make(
        tmp_path / "rec", line, header="index,frame_id,filename,angle", name="interpolated.csv",
        where=lambda row: [f"{camera}/{row}.jpg" for camera in CAMERAS],
    )  # fmt: skip
    frames = read_recording(folder).frames
    assert [Path(path).parent.name for path in frames["center"]] == ["center"] * (ROWS // 3)
    assert frames["steering"].tolist() == pytest.approx(STEERING[: ROWS // 3])
    assert "frame_id=center_camera" in findings(folder)["cameras"]
    assert "only rows with frame_id=center_camera" in trained(folder, tmp_path)[1]
    left = read_recording(folder, (), ("frame_id=left_camera",)).frames["center"]
    assert [Path(path).parent.name for path in left] == ["left"] * (ROWS // 3)


def test_a_column_of_turns_is_none_of_cameras(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "rec", lambda row: [f"IMG/center_{row}.jpg", STEERING[row], CAMERAS[row % 3]],
        header="image,steering,turn",
    )  # fmt: skip
    check_pairs(read_recording(folder))


def test_an_unknown_header_says_what_its_columns_are_taken_for(tmp_path: Path) -> None:
    header = "Mitte,Links,Rechts,Lenkung,Gas,Bremse,Tempo"
    folder = make(tmp_path / "rec", usual(), header=header)
    check_pairs(read_recording(folder))
    assert "taken for center,left,right,steering" in findings(folder)["unreadable"]
    assert "taken for center,left,right,steering" in trained(folder, tmp_path)[1]


def test_the_steering_is_suggested_by_its_name(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "rec", lambda row: [row, f"IMG/center_{row}.jpg", 0.5, STEERING[row]],
        header="zeit,bild,gas_pos,steering_raw", name="rides.csv",
    )  # fmt: skip
    with pytest.raises(RecordingError, match="steering=steering_raw"):
        read_recording(folder)


# Numbers


def steered(folder: Path, value: Callable[[float], float]) -> Path:
    """Keys, mostly not pressed, and so the same in any unit."""
    steering = [-0.5 if row % 10 == 0 else 0.3 if row % 10 == 5 else 0.0 for row in range(ROWS)]
    return make(folder, lambda row: [*usual()(row)[:3], value(steering[row]), 0.5, 0, 20.5])


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("deg", lambda one: 25 * one), ("100", lambda one: 100 * one),
        ("1000..2000", lambda one: 1500 + 500 * one),
    ],
)  # fmt: skip
def test_steering_in_another_unit_is_asked_about(
    unit: str, value: Callable[[float], float], tmp_path: Path
) -> None:
    folder = steered(tmp_path / "rec", value)
    advice = f"--columns steering=4:{unit}"
    assert advice in findings(folder)["bad-steering"]
    right = read_recording(folder, (f"steering=4:{unit}",)).frames["steering"].tolist()
    assert right == pytest.approx(read(steered(tmp_path / "usual", lambda one: one)))
    with pytest.raises(DatasetError, match=re.escape(advice)):
        trained(folder, tmp_path)
    with pytest.raises(RecordingError, match="no row is good"):
        doctor(DoctorConfig((folder,), fix=tmp_path / "fixed"))


def read(folder: Path, *columns: str) -> list[float]:
    steering: list[float] = read_recording(folder, columns).frames["steering"].tolist()
    return steering


def test_steering_around_a_half_is_asked_about(tmp_path: Path) -> None:
    def line(row: int) -> list[object]:
        return [*usual()(row)[:3], 0.5 + STEERING[row % ROWS] / 2, 0.5, 0, 20.5]

    folder = make(tmp_path / "rec", line)
    log = folder / "driving_log.csv"
    log.write_text(log.read_text() * 3)
    assert "--columns steering=4:0..1" in findings(folder)["one-sided-steering"]
    told = trained(folder, tmp_path)[1]
    assert "--columns steering=4:0..1" in told
    assert "ghostlap doctor --fix keeps the first of each" in told
    assert read(folder, "steering=4:0..1") == pytest.approx(STEERING * 3)


@pytest.mark.parametrize("unit", ["1..1", "a..b", "..", "0..inf", "1.."])
def test_a_range_must_be_one(unit: str) -> None:
    with pytest.raises(RecordingError, match=r"or LEFT\.\.RIGHT"):
        parse_columns([f"steering=angle:{unit}"])


def test_a_pedal_for_both_brakes_where_it_is_negative(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "rec", lambda row: [f"IMG/center_{row}.jpg", STEERING[row], row / 10 - 0.5],
        header="image,steering,throttle",
    )  # fmt: skip
    frames = read_recording(folder).frames
    assert frames["throttle"].tolist() == pytest.approx(
        [max(0, row / 10 - 0.5) for row in range(ROWS)]
    )
    assert frames["brake"].tolist() == pytest.approx(
        [max(0, 0.5 - row / 10) for row in range(ROWS)]
    )
    assert "bad-throttle" not in findings(folder)


def test_an_empty_brake_is_none(tmp_path: Path) -> None:
    folder = make(tmp_path / "rec", lambda row: [*usual()(row)[:5], "", ""])
    assert read_recording(folder).frames["brake"].tolist() == [0] * ROWS
    assert "bad-brake" not in findings(folder)


def test_numbers_without_end_say_nothing_else(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    huge = ["1e308", "1e999", "9" * 400, "-1e999", "nan"]
    folder = make(
        tmp_path / "rec", lambda row: [*usual()(row)[:3], (huge + ["0"] * ROWS)[row], 0.5, 0, 20.5]
    )
    assert "bad-steering" in findings(folder)
    assert not [one for one in recwarn if one.category is RuntimeWarning]


# Tubs


@pytest.mark.parametrize(
    "record",
    [{"user/mode": None}, {"user/angle": "0.25"}, {"cam/image_array": "C:\\tub\\images\\0.jpg"}],
)
@pytest.mark.parametrize("images", ["images", "."])
def test_tubs_of_other_programs(record: dict[str, Any], images: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "tub", usual(), where=lambda row: [f"{images}/{row}.jpg"])
    (folder / "driving_log.csv").unlink()
    usually = {"user/angle": 0.25, "user/throttle": 0.5, "user/mode": "user"}
    records = [usually | {"cam/image_array": f"{row}.jpg"} | record for row in range(ROWS)]
    (folder / "catalog_0.catalog").write_text("\n".join(map(json.dumps, records)))
    about = {"paths": ["catalog_0.catalog"], "deleted_indexes": [1.0, 2]}
    (folder / "manifest.json").write_text(json.dumps(about))
    recording = read_recording(folder)
    require_images(recording)
    assert recording.frames["steering"].tolist() == [0.25] * (ROWS - 2)


def test_only_missing_pictures_are_counted(tmp_path: Path) -> None:
    folder = make(tmp_path / "rec", usual())
    (folder / "IMG/center_3.jpg").unlink()
    assert "1 samples are left out, because 1 pictures" in trained(folder, tmp_path)[1]


@pytest.mark.parametrize("marks", ["'{}'", "['{}']"])
def test_rows_as_python_prints_them(marks: str, tmp_path: Path) -> None:
    def line(row: int) -> list[object]:
        cells = [str(cell) for cell in usual()(row)]
        return [marks.format("', '".join(cells[:3]) + "', " + ", ".join(cells[3:])).rstrip("'")]

    check_pairs(read_recording(make(tmp_path / "rec", line)))


@pytest.mark.parametrize("name", ["metadata.jsonl", "data/train-0.parquet", "log.XLSX"])
def test_tables_that_are_not_read_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(RecordingError, match=f"{Path(name).name} cannot be: make a table of it"):
        read_recording(tmp_path)

"""Recordings as strangers have them, each with its right value; and advice that helps."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import draw_frame, image_names, make_recording, steering_at
from rich.console import Console

from ghostlap.base.errors import GhostlapError, RecordingError
from ghostlap.base.platform import quoted, words_of
from ghostlap.commands.cli import main
from ghostlap.commands.convert import convert
from ghostlap.commands.doctor import diagnose
from ghostlap.commands.explore import explore
from ghostlap.data.formats.config import ConvertConfig
from ghostlap.data.formats.readers import READERS, is_recording, read_recording
from ghostlap.data.recordings import require_images
from ghostlap.data.recordings.driving_log import parse_log
from ghostlap.data.recordings.layout import column_named
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.reports.explore.config import ExploreConfig
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import prepare_data

QUIET = Console(quiet=True)
ROWS = 12
STEERING = [round(0.3 * math.sin(row / 2) - 0.001, 4) for row in range(ROWS)]
JPEGS = [encode_jpeg(draw_frame(0.1, distance_m=row)) for row in range(ROWS)]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where datasets are unpacked."""
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path / "cache"))


def write(
    folder: Path, lines: Sequence[str], *, name: str = "driving_log.csv", encoding: str = "utf-8",
    end: str = "\n", images: str = "IMG",
) -> Path:  # fmt: skip
    """A log and its pictures, named as the simulator does."""
    (folder / images).mkdir(parents=True)
    for row in range(ROWS):
        for name_of_it in image_names(row):
            (folder / images / name_of_it).write_bytes(JPEGS[row])
    (folder / name).write_bytes((end.join(lines) + end).encode(encoding))
    return folder


def center(row: int) -> str:
    return image_names(row)[0]


def names(row: int, folder: str = "") -> list[str]:
    return [folder + name for name in image_names(row)]


def lines_of(cells: Callable[[int], Sequence[object]], separator: str = ",") -> list[str]:
    return [separator.join(map(str, cells(row))) for row in range(ROWS)]


def usual(row: int, folder: str = "IMG/") -> list[object]:
    return [*names(row, folder), STEERING[row], 0.5, 0, f"20.{row + 1}"]


def comma(value: float) -> str:
    return str(value).replace(".", ",")


FORK = "frame_id,model,lap,cte,steering_angle,throttle,speed,brake,distance,time,center,tot_OBEs"

KINDS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "a lap after the seventh column": (lines_of(lambda k: [*usual(k), 1]), {}),
    "an index before, a lap after": (lines_of(lambda k: [k, *usual(k), 1]), {}),
    "a folder in gbk": (lines_of(lambda k: usual(k, "D:\\自动驾驶\\IMG\\")), {"encoding": "gbk"}),
    "a folder in latin-1": (lines_of(lambda k: usual(k, "C:\\Müller\\IMG\\")),
                            {"encoding": "latin-1"}),
    "lines end with CR alone": (lines_of(usual), {"end": "\r"}),
    "UTF-16": (lines_of(usual), {"encoding": "utf-16", "end": "\r\n"}),
    "UTF-8 with its mark": (lines_of(usual), {"encoding": "utf-8-sig", "end": "\r\n"}),
    "a header of words": (["Center Image,Left Image,Right Image,Steering Angle,Throttle,Break,"
                           "Speed", *lines_of(usual)], {}),
    "a header of snakes": (["center_image,left_image,right_image,steering_angle,throttle,brake,"
                            "speed", *lines_of(usual)], {}),
    "resaved by pandas": ([",center,left,right,steering,throttle,brake,speed",
                           *lines_of(lambda k: [k, *usual(k)])], {}),
    "resaved by R": (['"","center","left","right","steering","throttle","brake","speed"',
                      *lines_of(lambda k: [f'"{k}"', *(f'"{c}"' for c in names(k)),
                                           *usual(k)[3:]])], {}),
    "a header with a lap": (["center,left,right,steering,throttle,brake,speed,lap",
                             *lines_of(lambda k: [*usual(k), 1])], {}),
    "positions, one camera": (lines_of(lambda k: [f"IMG/{center(k)}", "", "", *usual(k)[3:],
                                                  f"{1285.7 + k}:503.5:39.0", f"{k / 3:.3f}:6:5"]),
                              {}),
    "a research fork": ([FORK, *lines_of(lambda k: [k, "dave2.h5", 1, 0.3, STEERING[k], 0.5,
                                                    usual(k)[6], 0, 12.5, k / 10,
                                                    f"/home/a/run1/IMG/{center(k)}", 0])], {}),
    "any order": (["speed,brake,image_path,steer,gas", *lines_of(
        lambda k: [usual(k)[6], 0, f"IMG/{center(k)}", STEERING[k], 0.5])], {}),
    "semicolons and decimal commas": (
        ["sep=;", "center;left;right;steering;throttle;brake;speed",
         *lines_of(lambda k: [*names(k), comma(STEERING[k]), "0,5", 0, f"20,{k + 1}"], ";")],
        {"end": "\r\n", "encoding": "utf-8-sig"}),
    "tabs, as Excel's Unicode text": (
        ["center\tleft\tright\tsteering\tthrottle\tbrake\tspeed", *lines_of(usual, "\t")],
        {"end": "\r\n", "encoding": "utf-16"}),
    "units in the header": (
        ["Frame;Center Camera Image;Steering Angle [deg];Throttle (%);Brake;Speed (km/h)",
         *lines_of(lambda k: [k, center(k), STEERING[k] * 25, 50, 0,
                              (20 + (k + 1) / 10 ** len(str(k + 1))) * 1.609344], ";")], {}),
    "Windows' paths of every form": (lines_of(lambda k: usual(k, [
        "\\\\server\\share\\a, b\\IMG\\", "C:IMG\\", "C:/x/IMG/", "D:\\a/b\\", ".\\IMG\\",
        "file:///C:/x y/IMG/"][k % 6])), {}),
    "a header twice, and another one": (
        [*["center,left,right,steering,throttle,brake,speed"] * 2, *lines_of(usual)[:5],
         "steering,center,speed,throttle",
         *lines_of(lambda k: [STEERING[k], center(k), usual(k)[6], 0.5])[5:]], {}),
    "a table": (["img_path,steering,throttle,pos_x,speed,hit", *lines_of(
        lambda k: [f"IMG/{center(k)}", STEERING[k], 0.5, 1.5, usual(k)[6], "none"])],
        {"name": "log.csv"}),
    "a log by another name": (lines_of(usual), {"name": "driving_log (1).csv"}),
    "pictures in a folder by another name": (lines_of(usual), {"images": "frames"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_of_strangers_is_read(kind: str, tmp_path: Path) -> None:
    lines, options = KINDS[kind]
    recording = read_recording(write(tmp_path / "rec", lines, **options))
    frames = recording.frames
    assert frames["steering"].tolist() == pytest.approx(STEERING)
    assert frames["throttle"].tolist() == pytest.approx([0.5] * ROWS)
    assert frames["brake"].tolist() == [0] * ROWS
    speeds_mph = [float(f"20.{row + 1}") for row in range(ROWS)]
    assert frames["speed_mph"].tolist() == pytest.approx(speeds_mph, rel=1e-6)
    assert all(Path(path).is_file() for path in frames["center"])
    assert frames["time"].notna().all()
    assert not {note.kind for note in recording.notes} - {"columns", "header", "mended"}


def test_columns_that_are_not_read_are_said(tmp_path: Path) -> None:
    lines, options = KINDS["a header with a lap"]
    (note,) = read_recording(write(tmp_path / "rec", lines, **options)).notes
    assert note.message == "columns passed over: lap"
    lines, options = KINDS["a lap after the seventh column"]
    findings = diagnose(read_recording(write(tmp_path / "other", lines, **options))).findings
    assert [one.example for one in findings if one.kind == "columns"] == [
        "line 1: cells after the seventh are passed over"
    ]


# Decimal commas: one decision for a log


def test_rows_that_stand_still_do_not_make_a_lap_a_fraction(tmp_path: Path) -> None:
    still = lines_of(lambda k: [*names(k), 0, 0, 0, 0, 1])[:6]
    moving = lines_of(lambda k: [*usual(k), 1])[6:]
    frames = read_recording(write(tmp_path / "rec", still + moving)).frames
    assert len(frames) == ROWS
    assert frames["speed_mph"].tolist()[:7] == [0] * 6 + [20.7]
    standing = read_recording(write(tmp_path / "still", still)).frames
    assert standing["speed_mph"].tolist() == [0] * 6


def test_decimal_commas_are_never_mended_beside_decimal_points(tmp_path: Path) -> None:
    lines = lines_of(usual)
    lines[3] = ",".join([*names(3), "0", "1", "0", "30", "19029"])
    lines[7] = ";".join([*names(7), "0,5", "1", "0", "20"])
    recording = read_recording(write(tmp_path / "rec", lines))
    assert len(recording.frames) == ROWS - 2
    assert [(note.line, note.kind) for note in recording.notes] == [
        (4, "ambiguous"),
        (8, "ambiguous"),
    ]
    assert "in a log that has decimal points" in recording.notes[0].message


def test_what_is_recorded_after_decimal_commas_changes_nothing_of_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "rec", lines_of(lambda k: [*names(k), 0, 1, 0, "30", 19029 + k]))
    before = read_recording(folder).frames
    with Recorder(folder) as recorder:
        recorder.append(center=JPEGS[0], steering=0.25, throttle=0.5, brake=0.0, speed_mph=30.5)
    after = read_recording(folder).frames
    assert after["speed_mph"].tolist() == [*before["speed_mph"], 30.5]


def test_a_log_of_other_columns_is_not_gone_on_with(tmp_path: Path) -> None:
    lines, options = KINDS["any order"]
    folder = write(tmp_path / "my rec", lines, **options)
    with pytest.raises(RecordingError, match="columns or its encoding are not") as error:
        Recorder(folder)
    run_advice(error.value, tmp_path)
    Recorder(Path(f"{folder}-copy")).close()


# Choosing columns, keys and cameras


def table_of(folder: Path, row: Callable[[int], Sequence[object]], *header: str) -> Path:
    return write(folder, [*header, *lines_of(row)], name="log.csv")


def read(folder: Path, *columns: str) -> list[float]:
    steering: list[float] = read_recording(folder, columns).frames["steering"].tolist()
    return steering


def test_a_number_is_a_number_where_there_is_no_header(tmp_path: Path) -> None:
    lap = table_of(tmp_path / "lap", lambda k: [f"IMG/{center(k)}", -3.0, 0.5, 0, 30.1, 2])
    columns = ("center=1", "steering=2:deg", "throttle=3", "speed=5")
    assert read(lap, *columns) == [-0.12] * ROWS
    full = table_of(tmp_path / "full", lambda k: [f"IMG/{center(k)}", -0.1, 1, 0, 30.1])
    frames = read_recording(full, ("center=1", "steering=2", "throttle=3", "speed=5")).frames
    assert frames["throttle"].tolist() == [1.0] * ROWS
    assert all(Path(path).is_file() for path in frames["center"])


def test_a_table_is_mended_as_a_log_is(tmp_path: Path) -> None:
    lines = ["image;angle;gas", *(f"IMG/{center(k)};-0,15;0,5" for k in range(ROWS))]
    folder = write(tmp_path / "rec", lines, name="log.csv")
    assert read(folder, "center=image", "steering=angle", "throttle=gas") == [-0.15] * ROWS
    assert read(folder) == [-0.15] * ROWS


def test_what_is_chosen_goes_before_what_names_say(tmp_path: Path) -> None:
    folder = table_of(
        tmp_path / "rec", lambda k: [f"IMG/{center(k)}", 9, STEERING[k]], "image,steering,smooth"
    )
    assert read(folder) == [9] * ROWS
    assert read(folder, "steering=smooth") == STEERING
    assert read(folder, "steering=3") == STEERING
    assert read_recording(folder, (), ("smooth=-0.001",)).frames["steering"].tolist() == [9]


@pytest.mark.parametrize(
    ("name", "target", "unit"),
    [
        ("Center Image", "center", ""), ("left_camera", "left", ""), ("front", "center", ""),
        ("img_path", "center", ""), ("steering_angle", "steering", "1"), ("angle", "steering", "1"),
        ("Steering [deg]", "steering", "deg"), ("throttle (%)", "throttle", "100"),
        ("speed (km/h)", "speed", "kmh"), ("velocity m/s", "speed", "mps"), ("Break", "brake", "1"),
        ("user/angle", "steering", "1"), ("gas_pedal_normalized", "throttle", "1"),
        ("frame_id", "", ""), ("left_wheel_speed", "", ""), ("tot_crashes", "", ""), ("", "", ""),
        ("distance to center", "", ""), ("camera", "", ""), ("speed_deg", "", ""),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, target: str, unit: str) -> None:
    column, _ = column_named(name)
    assert (column.target, column.unit) == (target, unit) if column else target == ""


def make_tub(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Path:
    (folder / "images").mkdir(parents=True)
    lines = []
    for row in range(ROWS):
        name = f"{row}_cam_image_array_.jpg"
        (folder / "images" / name).write_bytes(JPEGS[row])
        record = {"cam/image_array": name, "user/angle": STEERING[row], "user/throttle": 0.5,
                  "user/mode": "user", "_timestamp_ms": 1_600_000_000_000 + 50 * row}  # fmt: skip
        change(record)
        lines.append(json.dumps(record))
    (folder / "catalog_0.catalog").write_text("\n".join(lines) + "\n")
    (folder / "manifest.json").write_text('{"paths": ["catalog_0.catalog"]}\n')
    return folder


def renamed(**keys: str) -> Callable[[dict[str, Any]], object]:
    """Keys of a record called otherwise; several names of one are parted by blanks."""

    def change(record: dict[str, Any]) -> None:
        for old, new in keys.items():
            key = next(one for one in record if one.endswith(old))
            value = record.pop(key)
            record.update(dict.fromkeys(new.split(), value))

    return change


def test_two_tubs_of_different_keys(tmp_path: Path) -> None:
    plain = make_tub(tmp_path / "plain")
    other = make_tub(tmp_path / "other", renamed(angle="user/steering"))
    assert read(plain) == read(other, "steering=user/steering") == STEERING
    assert read(other, "steering=user/steering:0.5")[3] == pytest.approx(STEERING[3] * 2)
    with pytest.raises(RecordingError, match=r"no record has user/steering \(steering\)"):
        read(plain, "steering=user/steering")
    stereo = make_tub(tmp_path / "stereo", renamed(image_array="cam/a cam/b"))
    frames = read_recording(stereo, ("center=cam/b", "left=cam/a")).frames
    assert (frames["left"] == frames["center"]).all()


# Refusals name a command, and it helps


def run_advice(error: GhostlapError, folder: Path, *, status: int = 0) -> None:
    """Run the command that ends a message, or names what seems to be meant, in a folder."""
    message = str(error)
    if error.instead:
        message += f": ghostlap doctor {quoted(error.instead[1])}"
    found = re.search(r": (ghostlap .*)$", message)
    assert found, message
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main(words_of(found[1])[1:])
    assert ended.value.code == status, message


def folder_of_tubs(folder: Path) -> Path:
    make_tub(folder / "tub_1")
    make_tub(folder / "tub 2")
    return folder


def several_tables(folder: Path) -> Path:
    table_of(folder, usual)
    (folder / "other.csv").write_text("a,b\n1,2\n")
    return folder


HELPFUL: dict[str, Callable[[Path], Path]] = {
    "a tub below": lambda folder: make_tub(folder / "data").parent,
    "tubs below": folder_of_tubs,
    "a recording two folders below": lambda folder: make_recording(folder / "a/b").parent.parent,
    "another key": lambda folder: make_tub(folder, renamed(angle="user/steering")),
    "another key without a hint": lambda folder: make_tub(folder, renamed(angle="user/x")),
    "two cameras": lambda folder: make_tub(folder, renamed(image_array="cam/a cam/b")),
    "one picture and numbers": lambda folder: write(folder, lines_of(
        lambda k: [f"IMG/{center(k)}", STEERING[k], 0.5, 0, 20.5])),
    "a lap first": lambda folder: table_of(
        folder, lambda k: [1, f"IMG/{center(k)}", STEERING[k], 20.5]),
    "angles after blanks": lambda folder: write(
        folder, [f"{center(k)} {STEERING[k]},2018-07-01 17:09:44:912" for k in range(ROWS)],
        name="data.txt"),
    "a header of other words": lambda folder: write(
        folder, ["img,wheel,gas", *lines_of(lambda k: [center(k), STEERING[k], 0.5])]),
    "a header in another language": lambda folder: table_of(
        folder, lambda k: [f"IMG/{center(k)}", STEERING[k]], "Bild,Lenkung"),
    "two steerings": lambda folder: table_of(
        folder, lambda k: [f"IMG/{center(k)}", STEERING[k], 0.1],
        "image,steering_angle,steering_cmd"),
    "the same name twice": lambda folder: table_of(
        folder, lambda k: [f"IMG/{center(k)}", STEERING[k], 0.1], "image,steering,steering"),
    "two center images": lambda folder: table_of(
        folder, lambda k: [f"IMG/{center(k)}", f"IMG/{center(k)}", 0.1], "img,image,steering"),
    "several tables": several_tables,
    "a picture": lambda folder: make_recording(folder, rows=3) / "IMG",
}  # fmt: skip


@pytest.mark.parametrize("kind", HELPFUL)
def test_the_command_that_a_refusal_names_helps(kind: str, tmp_path: Path) -> None:
    folder = HELPFUL[kind](tmp_path / "my rec")
    if kind == "a picture":
        folder = next(folder.iterdir())
    with pytest.raises(RecordingError) as error:
        read_recording(folder)
    run_advice(error.value, tmp_path)


def test_asking_for_what_is_not_there_names_what_is(tmp_path: Path) -> None:
    folder = write(tmp_path / "rec", lines_of(usual))
    with pytest.raises(RecordingError, match="has no column 'image'.*7 columns and no header") as e:
        read_recording(folder, ("center=image", "steering=angle"))
    run_advice(e.value, tmp_path)


def test_errors_are_the_exit_status_of_doctor(tmp_path: Path) -> None:
    same = write(tmp_path / "same", lines_of(lambda k: [*names(k), 0, 1, 0, 20.5]) * 10)
    for folder, status in ((same, 1), (make_recording(tmp_path / "good", rows=12), 0)):
        with pytest.raises(SystemExit) as ended:
            main(["doctor", str(folder)])
        assert ended.value.code == status


@pytest.mark.parametrize(
    ("values", "said"),
    [([0.0], "steer 0: nothing can be learned"), ([0.0, -1.0, 1.0], "only -1 or 0 or 1")],
)
def test_training_says_what_doctor_knows_of_the_steering(
    values: list[float], said: str, tmp_path: Path
) -> None:
    folder = make_recording(tmp_path / "rec", rows=120)
    log = folder / "driving_log.csv"
    cells = [line.split(",") for line in log.read_text().splitlines()]
    for row, line in enumerate(cells):
        line[3] = str(values[row % len(values)])
    log.write_text("".join(",".join(line) + "\n" for line in cells))
    found = [finding.message for finding in diagnose(read_recording(folder)).findings]
    assert any(said in message for message in found)
    told = io.StringIO()
    config = TrainConfig((folder,), out=tmp_path / "run", cache=tmp_path / "cache")
    prepare_data(config, Console(file=told, width=500))
    assert said in told.getvalue()


def test_degrees_are_asked_about(tmp_path: Path) -> None:
    folder = table_of(
        tmp_path / "rec", lambda k: [f"IMG/{center(k)}", 25 * STEERING[k]], "image,angle"
    )
    (found,) = [one for one in diagnose(read_recording(folder)).findings
                if one.kind == "bad-steering"]  # fmt: skip
    assert "--columns steering=angle:deg" in found.fix
    assert read(folder, "steering=angle:deg") == pytest.approx(STEERING)


# LeRobot


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of v3.0: two episodes, of 12 and of 6 frames."""
    import datetime

    parent = tmp_path_factory.mktemp("dataset")
    first = make_recording(parent / "a", rows=12)
    later = datetime.datetime(2024, 5, 6, 8, 0, 0)
    second = make_recording(parent / "b", rows=6, start=later)
    for picture in (second / "IMG").iterdir():
        picture.rename(first / "IMG" / picture.name)
    with (first / "driving_log.csv").open("a") as log:
        log.write((second / "driving_log.csv").read_text())
    convert(ConvertConfig(first, "lerobot", parent / "lr"), QUIET)
    return parent / "lr"


def as_v2(dataset: Path, folder: Path, version: str, *, pictures: bool) -> Path:
    """The dataset as LeRobot wrote it before v3: files of its own for each episode."""
    import av
    import pyarrow as pa
    import pyarrow.parquet as pq

    info = json.loads((dataset / "meta/info.json").read_text())
    info |= {"codebase_version": version, "chunks_size": 1,
             "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
             "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/"
                           "episode_{episode_index:06d}.mp4"}  # fmt: skip
    (folder / "meta").mkdir(parents=True)
    table = pq.read_table(dataset / "data/chunk-000/file-000.parquet", partitioning=None)
    episodes = pq.read_table(
        dataset / "meta/episodes/chunk-000/file-000.parquet", partitioning=None
    ).to_pylist()
    keys = [key for key in info["features"] if key.startswith("observation.images")]
    about = []
    for episode in episodes:
        number, start, stop = (episode[key] for key in (
            "episode_index", "dataset_from_index", "dataset_to_index"))  # fmt: skip
        part = table.slice(start, stop - start)
        for key in keys:
            with av.open(str(dataset / f"videos/{key}/chunk-000/file-000.mp4")) as video:
                frames = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                          for frame in video.decode(video=0)]  # fmt: skip
            if pictures:
                cells = [{"bytes": encode_jpeg(frame), "path": None}
                         for frame in frames[start:stop]]  # fmt: skip
                part = part.append_column(key, pa.array(cells))
                info["features"][key] = {"dtype": "image", "shape": [160, 320, 3]}
                continue
            path = folder / info["video_path"].format(
                episode_chunk=number, video_key=key, episode_index=number
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            with av.open(str(path), "w") as out:
                stream: Any = out.add_stream("libx264", rate=14)
                stream.width, stream.height, stream.pix_fmt = 320, 160, "yuv420p"
                for frame in frames[start:stop]:
                    out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
                out.mux(stream.encode(None))
        path = folder / info["data_path"].format(episode_chunk=number, episode_index=number)
        path.parent.mkdir(parents=True)
        pq.write_table(part, path)
        about.append({"episode_index": number, "tasks": ["drive"], "length": stop - start})
    (folder / "meta/info.json").write_text(json.dumps(info))
    text = "".join(json.dumps(one) + "\n" for one in about)
    (folder / "meta/episodes.jsonl").write_text(text)
    return folder


def change_info(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "meta/info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))
    return folder


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v2.1 pictures", "v3.0", "v3.1"])
def test_a_lerobot_dataset_of_any_version(dataset: Path, version: str, tmp_path: Path) -> None:
    folder = tmp_path / "lr"
    if version.startswith("v2"):
        as_v2(dataset, folder, version[:4], pictures="pictures" in version)
    else:
        shutil.copytree(dataset, folder)
        change_info(folder, lambda info: info.update(codebase_version=version))
    recording = read_recording(folder)
    require_images(recording)
    rows = [*range(12), *range(6)]
    assert recording.folder == folder
    assert recording.frames["steering"].tolist() == pytest.approx(
        [steering_at(row) for row in rows], abs=1e-6
    )
    assert (recording.frames["left"] != "").all()
    steps_s = recording.frames["time"].diff().dt.total_seconds().tolist()
    assert [row for row, step_s in enumerate(steps_s) if step_s > 1] == [12]


def test_a_dataset_is_unpacked_once_until_it_changes(
    dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(dataset, tmp_path / "lr"))
    first = read_recording(folder).frames
    assert "18 frames are unpacked once" in capfd.readouterr().err
    assert read_recording(folder).frames.equals(first)
    assert capfd.readouterr().err == ""
    change_info(folder, lambda info: info["features"]["action"].update(names=["a", "b", "c"]))
    with pytest.raises(GhostlapError, match="no number of its action is called steering") as error:
        read_recording(folder)
    run_advice(error.value, tmp_path)
    chosen = read_recording(folder, ("steering=action.b",)).frames
    assert chosen["steering"].tolist() == pytest.approx(first["throttle"].tolist())


def test_cameras_of_a_dataset_by_other_names(dataset: Path, tmp_path: Path) -> None:
    folder = as_v2(dataset, tmp_path / "lr", "v2.1", pictures=False)

    def rename(info: dict[str, Any], **names: str) -> None:
        for old, new in names.items():
            feature = info["features"].pop(f"observation.images.{old}")
            info["features"][f"observation.images.{new}"] = feature
            for path in folder.glob(f"videos/*/observation.images.{old}"):
                path.rename(path.with_name(f"observation.images.{new}"))

    change_info(folder, lambda info: rename(info, center="cam_front"))
    assert len(read_recording(folder).frames) == 18
    change_info(folder, lambda info: rename(info, cam_front="top"))
    with pytest.raises(GhostlapError, match="which picture looks ahead") as error:
        read_recording(folder)
    run_advice(error.value, tmp_path)


# Whatever can be read can be worked with


@pytest.mark.parametrize("kind", ["Udacity", "tub", "LeRobot", "table"])
def test_everything_that_is_read_is_trained_on_and_looked_at(
    kind: str, dataset: Path, small_recording: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "rec"
    if kind == "LeRobot":
        folder = dataset
    elif kind == "tub":
        convert(ConvertConfig(small_recording, "tub", folder), QUIET)
    else:
        shutil.copytree(small_recording, folder)
    if kind == "table":
        (folder / "driving_log.csv").rename(folder / "rides.csv")
    assert is_recording(folder / "rides.csv" if kind == "table" else folder)
    config = TrainConfig((folder,), out=tmp_path / "run", cache=tmp_path / "frames", cap=None)
    assert len(prepare_data(config, QUIET).training) > 10
    told = explore(ExploreConfig((folder,), out=tmp_path / "look"), QUIET)
    assert told["rows"] > 10
    assert not [one for one in diagnose(read_recording(folder)).findings if one.severity == "error"]


def test_readers_claim_nothing_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", Path("\0"), Path("x" * 5000)):
        assert not is_recording(path)
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(RecordingError):
        read_recording(tmp_path / "link")
    assert len({reader.name for reader in READERS}) == len(READERS)


# However a log is written, it reads back

HEADINGS = {
    "center": ["center", "Center Image", "center_image", "CENTRE", "center camera"],
    "steering": ["steering", "Steering Angle", "steer", "steering_cmd"],
    "throttle": ["throttle", "Gas", "throttle_input", "accelerator pedal"],
    "brake": ["brake", "Break", "reverse", "brake value"],
    "speed": ["speed", "Speed (mph)", "velocity", "car_speed"],
    "extra": ["lap", "", "frame_id", "note", "Unnamed: 0"],
}  # fmt: skip
VALUES = st.tuples(
    st.floats(-1, 1, width=16), st.floats(0, 1, width=16), st.floats(0, 1, width=16),
    st.floats(0, 90, width=16),
)  # fmt: skip


@st.composite
def any_log(draw: st.DrawFn) -> tuple[bytes, list[Any], str]:
    rows = draw(st.lists(VALUES, min_size=2, max_size=8))
    separator = draw(st.sampled_from([",", ";", "\t"]))
    columns = draw(st.permutations(["center", "steering", "throttle", "brake", "speed"]))
    extras = draw(st.integers(0, 2))
    for _ in range(extras):
        columns.insert(draw(st.integers(0, len(columns))), "extra")
    header = [draw(st.sampled_from(HEADINGS[column])) for column in columns]
    decimal = "," if separator != "," and draw(st.booleans()) else "."
    quote = draw(st.sampled_from(["", '"']))
    folder = draw(st.sampled_from(["IMG/", "C:\\Müller\\IMG\\", "", "/home/ä/IMG/"]))
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in header)]
    for number, row in enumerate(rows):
        values = dict(zip(("steering", "throttle", "brake", "speed"), row, strict=True))
        cells = []
        for column in columns:
            if column == "center":
                cells.append(f"{folder}center_{number}.jpg")
            elif column == "extra":
                cells.append(str(number % 3))
            else:
                cells.append(f"{values[column]:.6f}".replace(".", decimal))
        lines.append(separator.join(f"{quote}{cell}{quote}" for cell in cells))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"]))
    return (end.join(lines) + end).encode(encoding), rows, encoding


@settings(max_examples=60, deadline=None)
@given(any_log())
def test_a_log_written_in_any_of_these_ways_reads_back(
    made: tuple[bytes, list[Any], str],
) -> None:
    data, rows, _ = made
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "driving_log.csv").write_bytes(data)
        recording = read_recording(name)
    read_rows = recording.frames[["steering", "throttle", "brake", "speed_mph"]].to_numpy()
    assert read_rows == pytest.approx(np.array(rows), abs=1e-6)
    assert [Path(path).name for path in recording.frames["center"]] == [
        f"center_{number}.jpg" for number in range(len(rows))
    ]


WORDS = [word for words in HEADINGS.values() for word in words]
TEXT = st.text(alphabet="0123456789.,;\t \"'centrligsgahob_ -\n\\/:jpgé", max_size=40)


@settings(max_examples=200)
@given(st.lists(st.one_of(TEXT, st.sampled_from([*WORDS, "a.jpg", ",", "\n"]))))
def test_whatever_a_header_says_only_a_recording_error_comes_out(parts: list[str]) -> None:
    data = "".join(parts).encode()
    with contextlib.suppress(RecordingError):
        assert len(parse_log(data.splitlines(keepends=True))) > 0


def test_mixed_encodings_and_line_ends(tmp_path: Path) -> None:
    lines = lines_of(lambda k: usual(k, "C:\\Müller\\IMG\\"))
    folder = write(tmp_path / "rec", lines)
    encodings, ends = ("utf-8", "latin-1", "utf-8-sig"), (b"\n", b"\r\n", b"\r")
    (folder / "driving_log.csv").write_bytes(
        b"".join(line.encode(encodings[k % 3]) + ends[k % 3] for k, line in enumerate(lines))
    )
    assert read(folder) == STEERING

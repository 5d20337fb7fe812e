"""Data in and out: Udacity's folders, tubs, LeRobot datasets and tables, there and back."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from recordings import START, draw_frame, make_recording
from rich.console import Console

from ghostlap.base.errors import ExchangeError, GhostlapError, RecordingError
from ghostlap.commands.convert import convert
from ghostlap.data.formats.config import ConvertConfig
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.formats.table import read_table
from ghostlap.data.recordings import CAMERAS, driving_log
from ghostlap.data.recordings.columns import choice_of, parse_columns
from ghostlap.data.vision.pictures import encode_jpeg, read_rgb

QUIET = Console(quiet=True)


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where datasets are unpacked."""
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path_factory.mktemp("cache")))


def converted(source: Path, out: Path, to: str, **options: object) -> dict[str, object]:
    return convert(ConvertConfig(source, to, out, **options), QUIET)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stretches of driving: 30 moments, a pause, and 10 more."""
    parent = tmp_path_factory.mktemp("drive")
    folder = make_recording(parent / "rec", rows=30)
    later = make_recording(parent / "later", rows=10, start=START + datetime.timedelta(minutes=1))
    for picture in (later / "IMG").iterdir():
        picture.rename(folder / "IMG" / picture.name)
    with (folder / "driving_log.csv").open("a") as log:
        log.write((later / "driving_log.csv").read_text())
    return folder


def test_a_tub_holds_the_same_drive(drive: Path, tmp_path: Path) -> None:
    result = converted(drive, tmp_path / "tub", "tub")
    assert result["moments"] == 40
    before, after = read_recording(drive).frames, read_recording(tmp_path / "tub").frames
    for column in ("steering", "throttle", "brake", "speed_mph"):
        assert after[column].to_numpy() == pytest.approx(before[column].to_numpy(), abs=1e-6)
    assert (after["time"] == before["time"]).all()
    assert Path(after["center"].iloc[7]).read_bytes() == Path(before["center"].iloc[7]).read_bytes()
    assert (after["left"] == "").all()


def test_a_tub_is_laid_out_as_donkeycar_seeks_in_it(small_recording: Path, tmp_path: Path) -> None:
    """Line lengths in a catalog's manifest are those of its lines, breaks included."""
    converted(small_recording, tmp_path / "tub", "tub")
    text = (tmp_path / "tub/manifest.json").read_text()
    manifest = [json.loads(line) for line in text.splitlines()]
    assert len(manifest) == 5
    assert dict(zip(manifest[0], manifest[1], strict=True))["cam/image_array"] == "image_array"
    assert manifest[4]["current_index"] == 120
    for path in manifest[4]["paths"]:
        catalog = (tmp_path / "tub" / path).read_bytes()
        about = json.loads((tmp_path / "tub" / f"{path}_manifest").read_text())
        assert about["line_lengths"] == [len(line) + 1 for line in catalog.splitlines()]
        assert about["path"] == f"{path}_manifest"


def test_lerobot_there_and_back(drive: Path, tmp_path: Path) -> None:
    result = converted(drive, tmp_path / "lr", "lerobot")
    assert result["moments"] == 40
    back = converted(tmp_path / "lr", tmp_path / "back", "udacity")
    assert back["moments"] == 40
    before, after = read_recording(drive).frames, read_recording(tmp_path / "back").frames
    for column in ("steering", "throttle", "brake", "speed_mph"):
        assert after[column].to_numpy() == pytest.approx(before[column].to_numpy(), abs=1e-5)
    assert (after["time"] == before["time"]).all()
    for camera in CAMERAS:  # the right pictures, each at its place: neighbours differ far more
        for row in (0, 1, 29, 30, 39):
            one = read_rgb(before[camera].iloc[row]).astype(float)
            other = read_rgb(after[camera].iloc[row]).astype(float)
            assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


def test_lerobots_tables(drive: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    converted(drive, tmp_path / "lr", "lerobot")
    info = json.loads((tmp_path / "lr/meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"], info["fps"]) == (2, 40, 14)
    data = pq.read_table(tmp_path / "lr/data/chunk-000/file-000.parquet").to_pylist()
    videos = {key for key, one in info["features"].items() if one["dtype"] == "video"}
    assert set(data[0]) == set(info["features"]) - videos
    assert videos == {f"observation.images.{camera}" for camera in CAMERAS}
    episodes = pq.read_table(tmp_path / "lr/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    for episode in episodes:
        rows = data[episode["dataset_from_index"] : episode["dataset_to_index"]]
        assert [row["frame_index"] for row in rows] == list(range(episode["length"]))
        assert {row["episode_index"] for row in rows} == {episode["episode_index"]}
        steps = np.diff([row["timestamp"] for row in rows])
        assert steps == pytest.approx(1 / info["fps"], abs=1e-5)
        begin = "videos/observation.images.left/"
        seconds = episode[begin + "to_timestamp"] - episode[begin + "from_timestamp"]
        assert seconds == pytest.approx(episode["length"] / info["fps"])
        stats = np.array([row["action"] for row in rows])
        assert np.ravel(episode["stats/action/max"]) == pytest.approx(stats.max(axis=0))
    stats = json.loads((tmp_path / "lr/meta/stats.json").read_text())
    actions = np.array([row["action"] for row in data])
    assert stats["action"]["mean"] == pytest.approx(actions.mean(axis=0))
    assert stats["action"]["std"] == pytest.approx(actions.std(axis=0), abs=1e-6)
    assert np.shape(stats["observation.images.center"]["mean"]) == (3, 1, 1)
    assert set(stats) == set(info["features"])


def change_info(folder: Path, **changes: object) -> Path:
    path = folder / "meta" / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def test_lerobot_bad_input(drive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lr"
    converted(drive, folder, "lerobot")
    info = json.loads((folder / "meta/info.json").read_text())
    for changes, message in (
        ({"codebase_version": "v1.6"}, "convert_dataset_v1_to_v2"),
        ({"codebase_version": "v2.1"}, "must lie where v2.1 puts them"),
        ({"data_path": "../../{chunk_index}"}, "must lie where v3.0 puts them"),
        ({"fps": 0}, "frame rate"),
        ({"features": {"../x.center": {"dtype": "video"}, "action": {}}}, "has the pictures none"),
    ):
        with pytest.raises(ExchangeError, match=message):
            converted(change_info(folder, **{**info, **changes}), tmp_path / "out", "udacity")
    change_info(folder, **info)
    columns = ("center=observation.images.left", "steering=action.turn")
    with pytest.raises(ExchangeError, match=r"has no number 'action\.turn'"):
        converted(folder, tmp_path / "out", "udacity", columns=columns)
    video = folder / "videos/observation.images.left/chunk-000/file-000.mp4"
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(ExchangeError, match="Copy the whole dataset again"):
        converted(folder, tmp_path / "out", "udacity")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    (folder / "frames").mkdir()
    rows = ["stamp,camera,file,wheel,gas,v"]
    for number in range(4):
        (folder / "frames" / f"{number}.jpg").write_bytes(encode_jpeg(draw_frame(0.1 * number)))
        for camera in ("front", "rear"):
            rows.append(
                f"{10**18 + number * 10**8},{camera},/home/x/{number}.jpg,{-5 * number},0.5,36"
            )
    (folder / "data.csv").write_text("\n".join(rows) + "\n\n")
    return folder


def test_a_table_by_its_columns(table: Path, tmp_path: Path) -> None:
    columns = ("center=file", "steering=wheel:-25", "throttle=gas", "speed=v:kmh", "time=stamp:ns")
    result = converted(table, tmp_path / "out", "udacity", columns=columns, where=("camera=front",))
    assert result["moments"] == 4
    frames = read_recording(tmp_path / "out").frames
    assert frames["steering"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6])
    assert frames["speed_mph"].tolist() == pytest.approx([22.36936] * 4, abs=1e-4)
    assert frames["time"].to_numpy().astype("datetime64[ms]").astype(int).tolist() == [
        10**12 + 100 * number for number in range(4)
    ]


def test_a_table_without_header(table: Path, tmp_path: Path) -> None:
    path = table / "frames" / "data.txt"
    path.write_text("0.jpg 25.0\n1.jpg -12.5\nmissing.jpg 3\n2.jpg x\n")
    result = converted(path, tmp_path / "out", "tub", columns=("center=1", "steering=2:deg"))
    assert (result["moments"], result["left_out"]) == (2, 2)
    assert read_recording(tmp_path / "out").frames["steering"].tolist() == [1.0, -0.5]


def test_a_table_opens_nothing_outside_its_folder(table: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(encode_jpeg(draw_frame(0.0)))
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (inside / "data.csv").write_text(
        f"a,b\n../secret.jpg,0\n{tmp_path}/secret.jpg,0\na/../../secret.jpg,0\n"
    )
    with pytest.raises(RecordingError, match="all 3 images that the log names are missing"):
        converted(inside, tmp_path / "out", "udacity", columns=("center=a", "steering=b"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("center=file", "steering"), "must be TARGET=COLUMN"),
        (("center=file", "wheel=wheel"), "must be TARGET=COLUMN"),
        (("center=file", "steering=wheel:kmh"), "unit of steering must be deg"),
        (("center=file", "steering=wheel:0"), "unit of steering must be deg"),
        (("center=file:deg", "steering=wheel"), "a picture has no unit"),
        (("center=file", "steering=wheel", "time=stamp:h"), "unit of time must be s, ms"),
        (("center=file", "center=file", "steering=wheel"), "named twice"),
    ],
)
def test_misspelt_columns(columns: tuple[str, ...], message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        parse_columns(columns)


def test_clear_errors(table: Path, drive: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="has no column 'angle'. It has stamp, camera, file"):
        converted(table, tmp_path / "out", "tub", columns=("center=file", "steering=angle"))
    with pytest.raises(RecordingError, match="--columns center=file steering=wheel throttle=gas"):
        converted(table, tmp_path / "out", "tub")
    with pytest.raises(ExchangeError, match="already in use"):
        converted(drive, table, "tub")
    with pytest.raises(GhostlapError, match="no such folder"):
        converted(tmp_path / "nowhere", tmp_path / "out", "tub")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line_break", ["\r", "\r\n"])
def test_a_table_of_any_spreadsheet(table: Path, tmp_path: Path, line_break: str) -> None:
    choice = choice_of(["center=file", "steering=wheel"])
    folder = Path(shutil.copytree(table, tmp_path / "table"))
    expected = read_table(folder / "data.csv", choice).frames
    text = (folder / "data.csv").read_text().replace("\n", line_break)
    (folder / "data.csv").write_text(text, newline="")
    assert len(expected) == 4
    assert read_table(folder / "data.csv", choice).frames.equals(expected)


def test_a_table_without_rows_fills_no_memory(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving_log, "MAX_UNREADABLE_LINES", 5)
    folder = Path(shutil.copytree(table, tmp_path / "table"))
    with (folder / "data.csv").open("a") as data:
        data.write("?\n" * 6)
    with pytest.raises(RecordingError, match="Only 4 rows of 16 lines can be read"):
        read_table(folder / "data.csv", choice_of(["center=file", "steering=wheel"]))

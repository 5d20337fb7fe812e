"""What a person gets to see before training."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from recordings import draw_frame, make_recording
from rich.console import Console
from systems import posix

from ghostlap.base.errors import DatasetError, GhostlapError, RecordingError
from ghostlap.commands.explore import explore
from ghostlap.data.vision.augmentation import KINDS, PRESETS
from ghostlap.data.vision.preprocessing import SEED
from ghostlap.reports.explore.config import ExploreConfig
from ghostlap.reports.explore.sheets import Frame, draw_together

PROMISED = {
    "balance.png", "split.png", "steering-over-time.png", "speed-and-pedals.png",
    "frames-by-steering.png", "preprocessing.png", "augment-together.png",
    *(f"augment-{kind}.png" for kind in KINDS),
}  # fmt: skip


def run(*recordings: Path, out: Path, **options: Any) -> dict[str, Any]:
    return explore(ExploreConfig(recordings=recordings, out=out, **options), Console(quiet=True))


def shown(result: dict[str, Any]) -> set[str]:
    return {Path(picture).name for picture in result["pictures"]}


def edit_log(folder: Path, column: int, value: str, rows: slice = slice(None)) -> None:
    log = folder / "driving_log.csv"
    lines = [line.split(",") for line in log.read_text().splitlines()]
    for cells in lines[rows]:
        cells[column] = value
    log.write_text("".join(",".join(cells) + "\n" for cells in lines))


class Page(HTMLParser):
    """The images, the tags and the text of a page."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(Path(path).read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("lake") / "lake", rows=40)


@pytest.fixture(scope="module")
def explored(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(recording, out=tmp_path_factory.mktemp("out"), cap=5)


def test_every_promised_picture_is_drawn(explored: dict[str, Any]) -> None:
    assert shown(explored) == PROMISED
    for path in explored["pictures"]:
        pixels = cv2.imread(path)
        assert pixels is not None, path
        assert min(pixels.shape[:2]) > 150, path
        assert pixels.std() > 5, path


def test_the_page_holds_every_picture_and_needs_nothing_else(explored: dict[str, Any]) -> None:
    page = Page(explored["page"])
    assert {image["title"] for image in page.images} == PROMISED
    for image in page.images:
        assert image["alt"]
        kind, _, data = (image["src"] or "").partition(";base64,")
        assert kind in ("data:image/png", "data:image/jpeg")
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
    assert not {"script", "link", "iframe"} & page.tags
    assert Path(explored["page"]).stat().st_size < 10e6


def test_the_counts_are_those_of_a_training(explored: dict[str, Any]) -> None:
    assert explored["rows"] == 40
    assert explored["kept"] + explored["removed"] == 40
    assert explored["removed"] > 0
    assert 0 < explored["validation"] < explored["training"] < 3 * explored["kept"]
    (facts,) = explored["recordings"]
    assert facts["frame_px"] == (320, 160)
    assert facts["driving_s"] == pytest.approx(39 * 0.07, abs=0.06)
    assert facts["distance_km"] == pytest.approx(39 * 0.07 * 28.5 * 0.447 / 1000, rel=0.05)
    assert facts["recorded"] == "2024-05-06 07:08"


@posix("angle brackets in names")
def test_recordings_are_listed_one_by_one_and_their_names_escaped(tmp_path: Path) -> None:
    first = make_recording(tmp_path / "<b>x & $y$", rows=12)
    second = make_recording(tmp_path / "[red]`z`", rows=12, side_cameras=False, step_ms=2000)
    edit_log(second, 6, "nan")
    result = run(first, second, out=tmp_path / "out", split="recording")
    assert [facts["stretches"] for facts in result["recordings"]] == [1, 12]
    assert result["recordings"][1]["driving_s"] == 0
    page = Page(result["page"])
    assert "b" not in page.tags
    assert f"1. {first}" in page.text
    assert f"2. {second}" in page.text
    assert "not recorded" in page.text


def test_the_seed_decides_what_happens_to_a_frame(tmp_path: Path) -> None:
    def sheet(seed: int) -> bytes:
        frames = [Frame(draw_frame(0.2), 0.2)] * 3
        draw_together(tmp_path / "sheet.png", frames, PRESETS["default"], SEED, 0.3, seed)
        return (tmp_path / "sheet.png").read_bytes()

    assert sheet(1) == sheet(1) != sheet(2)


def test_an_earlier_explore_is_replaced_and_other_files_stay(
    explored: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(Path(explored["page"]).parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "balance.png").write_bytes(b"old")

    one_row = make_recording(tmp_path / "one", rows=1)
    result = run(one_row, out=tmp_path, augment="none")

    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert cv2.imread(str(tmp_path / "balance.png")) is not None
    assert {path.name for path in tmp_path.glob("*.png")} == shown(result)
    assert not list(tmp_path.glob(".*"))
    missing = {"split.png", "steering-over-time.png", "speed-and-pedals.png"}
    assert shown(result) == PROMISED - missing - {"augment-together.png"}
    text = Page(result["page"]).text
    assert "too few" in text
    assert "changes nothing" in text


def test_a_web_page_of_someone_else_is_not_overwritten(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>My site</h1>")
    with pytest.raises(GhostlapError, match="not made by 'ghostlap explore'"):
        run(recording, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_constant_steering_without_speed_or_time(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "bare", rows=8)
    for row, line in enumerate((folder / "driving_log.csv").read_text().splitlines()):
        for cell, camera in zip(line.split(","), ("center", "left", "right"), strict=False):
            image = folder / "IMG" / cell.rpartition("\\")[2]
            image.rename(image.with_name(f"{camera}{row}.jpg"))
    lines = [f"center{i}.jpg,left{i}.jpg,right{i}.jpg,0,nan,nan,nan\n" for i in range(8)]
    (folder / "driving_log.csv").write_text("".join(lines))
    result = run(folder, out=tmp_path / "out")
    assert shown(result) == PROMISED - {"speed-and-pedals.png"}
    assert "no speed" in Page(result["page"]).text
    assert "hold no time" in Page(result["page"]).text
    assert result["recordings"][0]["mean_speed_mph"] is None


def test_missing_and_broken_pictures_are_done_without_and_own_ranges_told(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "holes", rows=24)
    pictures = sorted((folder / "IMG").glob("center*"))
    for picture in pictures[::2]:
        picture.unlink()
    pictures[1].write_bytes(pictures[1].read_bytes()[:500])
    edit_log(folder, 3, "nan", slice(5))
    augment = "none,shear.p=0.37,shear.high=0.5,rotate.p=0.2"
    result = run(folder, out=tmp_path / "out", augment=augment)
    assert shown(result) == PROMISED
    assert result["recordings"][0]["missing_pictures"] == 12
    assert result["rows"] == 19
    assert "12 pictures that the log names are missing" in Page(result["page"]).text
    assert "It happens to 37% of the training pictures" in Page(result["page"]).text
    assert "give it a range, as in --augment default,rotate.low=-6" in Page(result["page"]).text


def test_without_any_picture_it_says_where_they_were_looked_for(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "bare", rows=3)
    for picture in (folder / "IMG").iterdir():
        picture.unlink()
    with pytest.raises(RecordingError, match="all 9 images that the log names are missing"):
        run(folder, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bins": 0}, "--bins must be from 1 to 100000. Got 0"),
        ({"cap": 0}, "--cap must be at least 1. Got 0"),
        ({"validation": 1.0}, "--validation must be above 0 and below 1. Got 1.0"),
        ({"steering_correction": 0.0}, "--steering-correction must be from 1e-06 to 10. Got 0.0"),
        ({"augment": "wild"}, "neither a .json file nor a preset"),
        ({"recordings": ()}, "name at least one recording"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    wrong: dict[str, Any], message: str, tmp_path: Path
) -> None:
    options = {"recordings": (tmp_path,), "out": tmp_path / "out", **wrong}
    with pytest.raises((DatasetError, GhostlapError), match=message):
        explore(ExploreConfig(**options), Console(quiet=True))


def test_the_folder_cannot_be_made(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GhostlapError, match="cannot be written"):
        run(recording, out=tmp_path / "file")


def test_help_does_not_wait_for_the_drawing_library() -> None:
    code = (
        "import sys, ghostlap.commands.explore;"
        "print('matplotlib' in sys.modules, 'pandas' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


def test_a_real_recording_is_balanced_as_seed_003_was(shared_data: Path, tmp_path: Path) -> None:
    seeds = {"steering_correction": 0.15, "split": "image", "min_speed_share": 0.0}
    result = run(shared_data / "udacity-track1", out=tmp_path, **seeds)
    assert (result["rows"], result["removed"], result["kept"]) == (4053, 2590, 1463)
    assert (result["training"], result["validation"]) == (3511, 878)
    assert shown(result) == PROMISED

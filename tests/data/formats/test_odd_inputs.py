"""Recordings as they come out of archives, other programs and other hands, each read as it is."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from ghostlap.commands.doctor import diagnose
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import Recording
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import prepare_data

ROWS = 12
STEERING = [0.01 * row - 0.05 for row in range(ROWS)]
HEADER = "center,left,right,steering,throttle,brake,speed"


def picture(row: int, size_px: tuple[int, int] = (320, 160)) -> np.ndarray:
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

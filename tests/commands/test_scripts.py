"""The front doors of simple drive.py and video.py scripts."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from drives import make_pilot
from legacy_models import small_model
from places import ROOT
from recordings import draw_frame, image_names

import ghostlap.commands.drive
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.driving.server.config import DriveConfig
from ghostlap.pilots.pilot import Pilot

SCRIPTS = ROOT / "scripts"


def run(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: str) -> Any:
    """Run a script as from a shell; its exit code."""
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    return ended.value.code


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[DriveConfig]:
    """What drives were asked for, none of which begins."""
    asked: list[DriveConfig] = []

    def drive(config: DriveConfig) -> None:
        asked.append(config)

    monkeypatch.setattr(ghostlap.commands.drive, "drive", drive)
    return asked


def test_video_py_takes_a_folder_and_fps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run1"
    folder.mkdir()
    for row in range(6):
        name = image_names(row)[0].removeprefix("center_")
        (folder / name).write_bytes(encode_jpeg(draw_frame(0.0)))
    assert run(monkeypatch, "video.py", str(folder), "--fps", "48") == 0
    import av

    with av.open(str(tmp_path / "run1.mp4")) as file:
        assert file.streams.video[0].frames == 6
        assert file.duration == pytest.approx(1e6 * 6 / 48, abs=1000)


def test_video_py_explains_mistakes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "video.py", "nowhere") == 2
    assert "error: nowhere: no such folder." in capsys.readouterr().err


def test_drive_py_takes_a_model_and_a_folder_for_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driven: list[DriveConfig]
) -> None:
    pilot = make_pilot(tmp_path / "a", 0.1)
    shutil.copy(pilot / "model.onnx", pilot / "model.h5")  # it is not read
    assert run(monkeypatch, "drive.py", str(pilot / "model.h5")) == 0
    assert run(monkeypatch, "drive.py", str(pilot / "model.h5"), "run1") == 0
    assert run(monkeypatch, "drive.py", str(pilot), "--speed-limit", "9") == 0
    monkeypatch.chdir(pilot)
    assert run(monkeypatch, "drive.py", "model.h5", "run1", "--throttle", "seed") == 0
    assert driven == [
        DriveConfig(pilot),
        DriveConfig(pilot, record=Path("run1")),
        DriveConfig(pilot, speed_limit=9),
        DriveConfig(Path("."), record=Path("run1"), throttle="seed"),
    ]


def test_drive_py_says_which_models_it_drives(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    driven: list[DriveConfig],
) -> None:
    foreign = tmp_path / "model.h5"
    assert run(monkeypatch, "drive.py", str(foreign)) == 2
    assert f"error: {foreign}: no such file. Give the run folder" in capsys.readouterr().err
    other = make_pilot(tmp_path / "a", 0.1) / "notes.txt"
    other.write_bytes(b"")
    assert run(monkeypatch, "drive.py", str(other), "run1") == 2
    assert f"error: {other}: is no model that can be driven." in capsys.readouterr().err
    assert run(monkeypatch, "drive.py") == 2
    assert "usage: python scripts/drive.py model.h5 [image_folder]" in capsys.readouterr().err
    assert driven == []


def test_drive_py_imports_models_from_elsewhere_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    driven: list[DriveConfig],
) -> None:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path / "cache"))
    model = small_model(tmp_path / "model.h5")
    assert run(monkeypatch, "drive.py", str(model)) == 2
    assert "does not say what was done to the pictures" in capsys.readouterr().err
    options = ["--crop", "60:-25", "--colour", "bgr", "--speed-limit", "9", "--scale", "x/255"]
    assert run(monkeypatch, "drive.py", str(model), "run1", *options) == 0
    folder = driven[0].pilot
    assert driven == [DriveConfig(folder, record=Path("run1"), speed_limit=9)]
    recipe = Pilot.load(folder).preprocessing
    assert (recipe.crop_bottom_px, recipe.colour, recipe.divide_by) == (135, "bgr", 255)
    monkeypatch.setattr(
        "ghostlap.commands.import_model.import_model", None
    )  # it is not needed again
    assert run(monkeypatch, "drive.py", str(model), "run1", *options) == 0
    assert driven[1] == driven[0]


def test_drive_py_passes_on_why_a_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "model.h5").write_bytes(b"\x80\x04pickled")
    assert run(monkeypatch, "drive.py", str(tmp_path / "model.h5")) == 2
    assert "It is a pickle" in capsys.readouterr().err

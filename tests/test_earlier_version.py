"""What the first version wrote is read as before: its recordings, run folders and caches.

``golden/first_version.zip`` was written by it: a recording and its pilot, both also as a kill left
them, and the first three pictures of its cache. Paths in it begin with ``@FOLDER@``.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from places import GOLDEN

from ghostlap.commands.record import record
from ghostlap.commands.train import train
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.frame_cache import FrameCache
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.pilots.pilot import Pilot
from ghostlap.training.config import TrainConfig


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The folder with everything that the first version wrote."""
    with zipfile.ZipFile(GOLDEN / "first_version.zip") as archive:
        archive.extractall(tmp_path)
    for path in tmp_path.rglob("*.json"):
        path.write_text(path.read_text().replace("@FOLDER@", tmp_path.as_posix()))
    return tmp_path


def test_its_recordings_pilots_and_caches_are_read(earlier: Path) -> None:
    expected = json.loads((earlier / "expected.json").read_text())
    recording = read_recording(earlier / "rec")
    assert len(recording.frames) == expected["rows"]
    pilot = Pilot.load(earlier / "run")
    steering = [float(pilot.steer(read_rgb(path))) for path in recording.frames["center"]]
    np.testing.assert_allclose(steering, expected["steering"], atol=2e-6)
    pictures = [str(earlier / "rec" / "IMG" / name) for name in expected["cached"]]
    cache = FrameCache(earlier / "cache", (80, 160, 3))
    slots = cache.locate(pictures).slots
    assert sorted(slots) == [0, 1, 2], "nothing was decoded again"
    for slot, picture in zip(slots, pictures, strict=True):
        np.testing.assert_array_equal(cache.store.frames[slot], read_rgb(picture))


def test_its_unfinished_training_is_gone_on_with(earlier: Path) -> None:
    run = earlier / "unfinished-run"
    result = train(TrainConfig(out=run, model="tiny_network:tiny", resume=True))
    assert result.epochs == 2
    assert Pilot.load(run).outputs == ("steering",)


def test_its_unfinished_recording_is_gone_on_with(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(earlier)
    out = Path("unfinished-rec")
    kept = {path: path.read_bytes() for path in out.glob("IMG/*.jpg")}
    record(RecordConfig(out=out, resume=True))
    assert len(read_recording(out).frames) > len(kept)
    assert json.loads((out / "recording.json").read_text())["complete"]
    assert not (out / "parts").exists()

"""LeRobot itself, in an environment of its own: its datasets, its training, its policy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from places import ROOT
from recordings import make_recording
from rich.console import Console

from ghostlap.commands.convert import convert
from ghostlap.data.formats.config import ConvertConfig
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.driving.policies.foreign import Foreign, Talk

CENTER = ("center=1", "steering=4", "throttle=5", "brake=6", "speed=7")

LOAD = """
import sys
from lerobot.datasets.lerobot_dataset import LeRobotDataset
found = LeRobotDataset("me/mine", root=sys.argv[1], video_backend="pyav")
item = found[len(found) - 1]
print(len(found), *item["observation.images.center"].shape, *item["action"].shape)
"""

TRAIN = [
    "-m",
    "lerobot.scripts.lerobot_train",
    "--dataset.repo_id=me/mine",
    "--dataset.root=lr",
    "--dataset.video_backend=pyav",
    "--policy.type=act",
    "--policy.device=cpu",
    "--policy.push_to_hub=false",
    "--policy.pretrained_backbone_weights=null",
    "--policy.chunk_size=4",
    "--policy.n_action_steps=1",
    "--policy.dim_model=32",
    "--policy.n_heads=2",
    "--policy.dim_feedforward=32",
    "--policy.n_encoder_layers=1",
    "--policy.use_vae=false",
    "--steps=2",
    "--batch_size=2",
    "--num_workers=0",
    "--save_freq=2",
    "--wandb.enable=false",
    "--output_dir=run",
]

CREATE = """
import sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset
for dtype, names in (("image", ["steering"]), ("video", ["steering", "throttle"])):
    features = {
        "observation.images.front": {
            "dtype": dtype, "shape": (96, 160, 3), "names": ["height", "width", "channels"]},
        "action": {"dtype": "float32", "shape": (len(names),), "names": names},
    }
    made = LeRobotDataset.create(
        "me/" + dtype, 10, features, root=dtype, use_videos=dtype == "video")
    for episode in range(2):
        for k in range(5):
            picture = np.full((96, 160, 3), 20 * k + 100 * episode, np.uint8)
            action = np.array([0.1 * k, 0.3][:len(names)], np.float32)
            made.add_frame({"observation.images.front": picture, "action": action, "task": "go"})
        made.save_episode()
    made.finalize()
"""


@pytest.fixture(scope="module")
def lerobot(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has LeRobot: that of ``$LEROBOT_PYTHON``, or one made here (8 GB)."""
    if named := os.environ.get("LEROBOT_PYTHON"):
        return named
    folder = tmp_path_factory.mktemp("lerobot") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    made = subprocess.run(
        [python, "-m", "pip", "install", "-q", "lerobot>=0.4.4,<0.5"], check=False
    )
    if made.returncode:
        pytest.skip("LeRobot 0.4 and torch cannot be installed here: set LEROBOT_PYTHON")
    return str(python)


def run(python: str, folder: Path, *words: str | Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [python, *words], cwd=folder, capture_output=True, encoding="utf-8", check=False,
        env={**environment, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


@pytest.mark.slow
def test_a_recording_becomes_a_policy_of_lerobot_that_drives(lerobot: str, tmp_path: Path) -> None:
    recording = make_recording(tmp_path / "rec", rows=12)
    config = ConvertConfig(recording, "lerobot", tmp_path / "lr", columns=CENTER)
    convert(config, Console(quiet=True))
    assert run(lerobot, tmp_path, "-c", LOAD, "lr").split() == ["12", "3", "160", "320", "3"]
    run(lerobot, tmp_path, *TRAIN)
    model = tmp_path / "run" / "checkpoints" / "000002" / "pretrained_model"
    example = str(ROOT / "examples" / "lerobot_policy.py")
    answers = []
    for _ in range(2):
        policy = Talk(Foreign("act", (lerobot, example, str(model)), start_s=600, answer_s=60))
        policy.begin((160, 320, 3))
        answers.append([policy(np.full((160, 320, 3), grey, np.uint8), 9.0) for grey in (0, 200)])
        assert not policy.problem
        assert not policy.faults
        policy.close()
    assert np.isfinite(answers).all()
    assert answers[0] == answers[1], "each time the same"


@pytest.mark.slow
def test_what_lerobot_writes_is_read(
    lerobot: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path / "cache"))
    run(lerobot, tmp_path, "-c", CREATE)
    for dtype, throttle in (("image", 0.0), ("video", 0.3)):
        frames = read_recording(tmp_path / dtype).frames
        assert frames["steering"].to_numpy() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4] * 2)
        assert frames["throttle"].to_numpy() == pytest.approx([throttle] * 10)
        greys = [read_rgb(path).mean() for path in frames["center"]]
        assert greys == pytest.approx([0, 20, 40, 60, 80, 100, 120, 140, 160, 180], abs=3)

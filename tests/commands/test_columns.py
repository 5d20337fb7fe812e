"""Every command that reads recordings takes ``--columns``."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostlap.commands.cli import main
from ghostlap.training.fit import TrainResult

COMMANDS = {
    "doctor": ["REC"],
    "explore": ["REC", "--out", "OUT"],
    "train": ["REC", "--out", "OUT"],
    "search": ["REC", "--out", "OUT", "--trials", "1"],
    "edit": ["REC", "--drop", "0:5", "--out", "OUT"],
    "convert": ["REC", "--out", "OUT"],
    "video": ["REC", "--out", "OUT.mp4"],
    "evaluate": ["RUN", "--against", "REC"],
    "export": ["RUN", "--recording", "REC", "--out", "OUT.onnx"],
    "explain": ["RUN", "REC", "--out", "OUT"],
    "import": ["RUN/model.h5", "--like", "REC", "--out", "OUT"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_column_is_looked_for_in_the_recording(
    command: str,
    trained: TrainResult,
    small_recording: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"REC": small_recording, "RUN": trained.out, "OUT": tmp_path / "out"}
    words = COMMANDS[command]
    for name, place in places.items():
        words = [word.replace(name, str(place)) for word in words]
    with pytest.raises(SystemExit) as ended:
        main([command, *words, "--columns", "steering=wheel"])
    assert ended.value.code == 2
    assert "has no column 'wheel'" in " ".join(capsys.readouterr().err.split())

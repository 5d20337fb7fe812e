"""The command line: quick, kind to mistakes, and readable by machines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from trainings import short_training

from ghostlap.commands.cli import COMMANDS, main
from ghostlap.driving.server.config import DriveConfig
from ghostlap.training.config import TrainConfig


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from ghostlap.commands.cli import main\n"
        "try: main(['--help'])\n"
        "finally: sys.exit(str([m for m in ('numpy', 'cv2', 'keras', 'tyro') if m in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr.strip() == "[]"
    assert all(name in ended.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    told = capsys.readouterr().out
    assert f"usage: ghostlap {command}" in told
    assert "Example" in told


def test_mistakes_end_with_a_message_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fly") == 2
    assert "error: no such command: 'fly'. Commands: demo, doctor" in capsys.readouterr().err
    assert run("train", str(tmp_path / "nowhere"), "--out", str(tmp_path / "r")) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err
    assert run("train", "x", "--recipe", "cake") == 2
    assert "--recipe must be one of default, seed003. Got 'cake'" in capsys.readouterr().err
    assert run("train", "x", "--epochs", "many") == 2
    assert run("train", "x", "--epochs", "0") == 2
    assert "--epochs must be at least 1. Got 0" in capsys.readouterr().err


def test_a_pilot_may_be_named_by_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    import ghostlap.commands.drive as command

    seen: list[DriveConfig] = []

    def drive(config: DriveConfig) -> None:
        seen.append(config)

    monkeypatch.setattr(command, "drive", drive)
    assert run("drive", "--speed-limit", "10", "--pilot", "generalist") == 0
    assert run("drive", "--pilot=generalist", "--speed-limit", "10") == 0
    assert [config.pilot for config in seen] == [Path("generalist")] * 2
    assert [config.speed_limit for config in seen] == [10, 10]


def test_a_package_that_is_not_installed_is_named(
    small_recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The core install has no pandas; the command that needs it says what to install."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert run("doctor", str(small_recording)) == 2
    assert "needs the package pandas, which is not installed" in capsys.readouterr().err


def test_the_recipe_sets_the_defaults_and_options_go_over_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ghostlap.commands.train as command

    seen: list[TrainConfig] = []

    def train(config: TrainConfig) -> None:
        seen.append(config)

    monkeypatch.setattr(command, "train", train)
    assert run("train", "rec", "--recipe", "seed003", "--epochs", "3", "--cap", "None") == 0
    assert (seen[0].recipe, seen[0].split, seen[0].epochs) == ("seed003", "image", 3)
    assert seen[0].cap is None
    assert seen[0].recordings == (Path("rec"),)


def test_train_prints_one_line_of_json_last(
    small_recording: Path, cache_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = short_training(small_recording, tmp_path / "r", cache_folder)
    arguments = [
        "train", str(small_recording), "--out", str(config.out), "--cache", str(cache_folder),
        "--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "8", "--json",
    ]  # fmt: skip
    assert run(*arguments) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["out"] == str(config.out)
    assert result["validation"]["mse"] > 0

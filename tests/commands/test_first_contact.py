"""What a newcomer types first, and what is said: each time with a command that works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from recordings import make_recording
from small_pilot import make_pilot

from ghostlap.base.files import read_json, write_json
from ghostlap.base.platform import quoted, words_of
from ghostlap.cockpit.library import Library
from ghostlap.commands.cli import COMMANDS, config_from, main
from ghostlap.commands.here import find, where_you_stand
from ghostlap.data.formats.readers import read_recording
from ghostlap.pilots.pilot import Pilot


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording, a second one deeper down, and two runs, of which one learned from the first."""
    make_recording(tmp_path / "my-drive", rows=4)
    make_recording(tmp_path / "old" / "lake day", rows=4)
    make_pilot(tmp_path / "runs" / "a")
    make_pilot(tmp_path / "runs" / "b c")
    path = tmp_path / "runs" / "a" / "pilot.json"
    seen = [{"folder": str(tmp_path / "my-drive"), "rows": 4, "blake2b": "x"}]
    write_json(path, {**read_json(path), "training": {"recordings_seen": seen}})
    for run in ("a", "b c"):
        (tmp_path / "runs" / run / "history.csv").write_text("epoch,loss\n1,0.5\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], typed: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words_of(typed))
    told = capsys.readouterr().err
    assert ended.value.code == 2, told
    return plain(" ".join(told.split()))


def plain(text: str) -> str:
    """Paths as they are elsewhere than on Windows, and one kind of quotes."""
    return text.replace(os.sep, "/").replace('"', "'")


def helps(command: str) -> None:
    """Make sure that a command is understood, and finds what it names."""
    program, name, *rest = words_of(command)
    assert program == "ghostlap"
    assert name in COMMANDS
    config = config_from(name, rest)
    for recording in getattr(config, "recordings", ()) if name != "sim" else ():
        read_recording(recording)
    for field in ("source", "recording"):
        if named := getattr(config, field, None):
            read_recording(named)
    if name == "doctor":
        with pytest.raises(SystemExit) as ended:
            main([name, *rest])
        assert ended.value.code in (0, 1)
    for field in ("pilot", "run") if name not in ("record", "sim") else ():
        if named := getattr(config, field, None):
            Pilot.load(named)


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("trian my-drive --epochs 3", "ghostlap train my-drive --epochs 3"),
        ("my-drive", "ghostlap doctor my-drive"),
        ("runs/a", "ghostlap evaluate runs/a"),
        ("doctor runs/a", "ghostlap doctor my-drive"),
        ("train runs/a --out runs/c", "ghostlap train my-drive --out runs/c"),
        ("explore 'runs/b c'", "ghostlap evaluate 'runs/b c'"),
        ("train my-drive/IMG --out runs/c", "ghostlap train my-drive --out runs/c"),
        ("doctor {picture}", "ghostlap doctor my-drive"),
        ("train . --out runs/c", "ghostlap train my-drive --out runs/c"),
        ("doctor old", "ghostlap doctor 'old/lake day'"),
        ("convert . --out new", "ghostlap convert my-drive --out new"),
        ("convert runs/a --out new", "ghostlap convert my-drive --out new"),
        ("convert my-drvie --out new", "ghostlap convert my-drive --out new"),
        ("convert notes.md --out new", "ghostlap convert my-drive --out new"),
        ("edit old --drop 1:2 --out new", "ghostlap edit 'old/lake day' --drop 1:2 --out new"),
        ("video old", "ghostlap video 'old/lake day'"),
        ("search . --out new", "ghostlap search my-drive --out new"),
        ("export runs --out p.onnx", "ghostlap export runs/a --out p.onnx"),
        ("report runs", "ghostlap report runs/a"),
        ("dagger runs/aa", "ghostlap dagger runs/a"),
        ("drive runs/a/pilot.json", "ghostlap drive runs/a"),
        ("evaluate my-drive", "ghostlap train my-drive --out runs/my-drive"),
        ("evaluate 'old/lake day'", "ghostlap train 'old/lake day' --out 'runs/lake day'"),
        ("sim --pilot my-drive", "ghostlap train my-drive --out runs/my-drive"),
        ("drive my-drive", "ghostlap train my-drive --out runs/my-drive"),
        ("report my-drive", "ghostlap train my-drive --out runs/my-drive"),
        ("evaluate runs", "ghostlap evaluate runs/a"),
        ("evaluate runs/a/pilot.json", "ghostlap evaluate runs/a"),
        ("evaluate pilot.onnx", "ghostlap benchmark pilot.onnx --quick"),
        ("doctor 'my trip'", "ghostlap record --laps 1 --out 'my trip'"),
        ("benchmark", "ghostlap benchmark generalist --quick"),
    ],
)
def test_the_first_mistake_is_answered_with_a_command_that_works(
    home: Path, capsys: pytest.CaptureFixture[str], typed: str, advice: str
) -> None:
    picture = next((home / "my-drive" / "IMG").iterdir()).relative_to(home)
    (home / "pilot.onnx").touch()
    (home / "notes.md").touch()
    assert advice in said(capsys, typed.format(picture=quoted(picture)))
    helps(advice)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("doctor my-drvie", "Did you mean my-drive?"),
        ("evaluate runs/aa", "Did you mean runs/a? 'ghostlap train REC --out runs/aa' makes one"),
        ("evaluate old", "'ghostlap runs' lists those"),
        ("video runs/a", "ghostlap video REC --pilot runs/a"),
        ("fly", "Commands: demo, doctor"),
        ("explain runs/aa my-drive", "runs/aa: no such run folder. Did you mean runs/a?"),
        ("sim --pilot runs/aa --page-port 0", "Type: ghostlap sim --pilot runs/a --page-port 0"),
        ("sim --pilot aa", "runs/aa: no such run folder. Did you mean runs/a?"),
        ("sim --pilot old", "old: holds no pilot.json"),
        ("sim --page-port 80000", "--page-port must be from 0 to 65535. Got 80000."),
        ("evaluate runs/a --track Lake", "There is no track 'Lake'. Did you mean lake?"),
        ("doctor drive.zip", "drive.zip: an archive. Unpack it, and name the folder that comes"),
        ("train my-drive.tar.gz --out x", "an archive. Unpack it, and name the folder that comes"),
        ("train my-drive.tar.gz --out x", "Type: ghostlap train my-drive --out x"),
        ("doctor runs/model.keras", "a model, not a recording. 'ghostlap import' makes a"),
        ("doctor old/lake day", 'old/lake day: a name with blanks needs quotes: "old/lake day"'),
        ("evaluate runs/b c --seeds 1", 'a name with blanks needs quotes: "runs/b c"'),
        ("train my-drive --out runs/b c", 'a name with blanks needs quotes: "runs/b c"'),
    ],
)
def test_what_else_is_meant(
    home: Path, capsys: pytest.CaptureFixture[str], typed: str, told: str
) -> None:
    for name in ("drive.zip", "my-drive.tar.gz", "runs/model.keras"):
        (home / name).touch()
    assert plain(told) in said(capsys, typed)


@pytest.mark.parametrize("command", ["evaluate", "report", "explain", "drive", "video", "convert"])
def test_who_names_nothing_sees_an_example_and_what_there_is(
    home: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    told = said(capsys, command)
    example = re.search(r"Example: (ghostlap .*?) recordings: .*my-drive.* runs: .*runs/a", told)
    assert example is not None, told
    program, *words = words_of(example[1])
    assert (program, words[0]) == ("ghostlap", command)
    config_from(command, words[1:])


def test_the_demo_says_what_is_not_installed_before_it_begins(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "needs the package keras, which is not installed" in said(capsys, "demo --out new")
    assert not (home / "new").exists()


def test_a_table_of_something_else_does_not_hide_the_recordings_below(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "oval.csv").write_text("x_m,y_m,w_tr_right_m,w_tr_left_m\n1,2,3,4\n")
    assert "ghostlap doctor my-drive" in said(capsys, "doctor .")


def test_the_cockpits_pilot_may_be_named_as_everywhere(home: Path) -> None:
    for pilot in ("runs/a", "runs/a/", "a"):
        config = config_from("sim", ["--pilot", pilot]).cockpit()
        assert (config.runs, config.pilot) == (Path("runs"), "a")
    make_pilot(home / "elsewhere" / "d")
    config = config_from("sim", ["--pilot", "elsewhere/d"]).cockpit()
    assert (config.runs, config.pilot) == (Path("elsewhere"), "d")
    assert config_from("sim", ["--pilot", "generalist"]).cockpit().pilot == "generalist"


def test_the_cockpit_names_the_runs_that_there_are(home: Path) -> None:
    with pytest.raises(Exception, match="There is: generalist, a, b c"):
        Library(home / "recordings", home / "runs").run_folder("aa")


def next_commands(told: str) -> list[str]:
    """Each as a shell takes the whole line: what follows # is a comment."""
    lines = plain(told).partition("Next:")[2].splitlines()[1:-2]
    return [line.partition(" #")[0].strip() for line in lines]


def test_alone_it_says_where_you_stand(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    told = plain(capsys.readouterr().out)
    recordings = re.search(r"recordings: +(.*)", told)
    assert recordings is not None
    assert set(recordings[1].split(", ")) == {"my-drive", "old/lake day"}
    assert "runs/a" in told
    assert "'ghostlap --help' lists all commands" in told
    commands = next_commands(told)
    assert commands[0].startswith("ghostlap evaluate ")
    for command in commands:
        helps(command)


def test_what_to_type_next_follows_from_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert next_commands(where_you_stand())[0] == "ghostlap demo --quick"
    make_recording(tmp_path / "a drive", rows=3)
    first, second, _ = next_commands(where_you_stand())
    assert (first, second) == (
        "ghostlap doctor 'a drive'", "ghostlap train 'a drive' --out 'runs/a drive'",
    )  # fmt: skip
    helps(first)
    helps(second)
    (tmp_path / "runs/b/checkpoint").mkdir(parents=True)
    (tmp_path / "runs/b/checkpoint/state.json").write_text("{}")
    assert next_commands(where_you_stand())[0] == "ghostlap train --resume --out runs/b"
    make_pilot(tmp_path / "runs/b")
    assert next_commands(where_you_stand())[0] == "ghostlap evaluate runs/b"
    (tmp_path / "runs/b/evaluate/lake").mkdir(parents=True)
    (tmp_path / "runs/b/evaluate/lake/evaluation.json").write_text("{}")
    assert next_commands(where_you_stand())[:2] == ["ghostlap report runs/b", "ghostlap runs"]


def test_the_search_is_bounded_and_imports_nothing_heavy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        make_pilot(tmp_path / "runs" / f"r{number}") if number < 2 else (
            tmp_path / f"f{number}" / "x"
        ).mkdir(parents=True)
    make_pilot(tmp_path / "1/2/3/4/5/6/deep")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert {one.path.name for one in find(tmp_path)} == {"r0", "r1"}
    monkeypatch.setattr("ghostlap.commands.here._MOST_FOLDERS", 3)
    assert list(find(tmp_path)) == []
    code = (
        "import sys; from ghostlap.commands.cli import main\n"
        "try: main([])\n"
        "finally: sys.exit(str([m for m in ('numpy', 'cv2', 'rich', 'tyro') if m in sys.modules]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.stderr.strip() == "[]"

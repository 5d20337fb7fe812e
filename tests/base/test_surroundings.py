"""Commands in odd places: they work there, or say in a sentence what is needed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from recordings import make_recording
from systems import posix

from ghostlap.base.errors import GhostlapError
from ghostlap.base.surroundings import made_fit

ON_POSIX = posix("a POSIX shell")
PROGRAM = "from ghostlap.commands.cli import main; main()"


def ghostlap(
    program: str,
    *arguments: str | Path,
    before: str = "",
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command after what a shell does first."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", f'{before}\nexec "$0" "$@"', *command] if before else command,
        capture_output=True, text=True, env={**os.environ, **(environment or {})},
    )  # fmt: skip


def said(ended: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in ended.stderr
    return " ".join(ended.stderr.split())


@ON_POSIX
def test_a_current_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    ended = ghostlap(
        PROGRAM, "train", tmp_path, before=f"mkdir '{gone}' && cd '{gone}' && rmdir '{gone}'"
    )
    assert ended.returncode == 2
    assert "The current folder is gone" in said(ended)


@ON_POSIX
def test_names_that_are_no_text_are_said(tmp_path: Path) -> None:
    c_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = ghostlap(PROGRAM, "train", "drivé", environment=c_locale)
    assert ended.returncode == 2
    assert r"driv\udcc3\udca9: is no text in ascii" in said(ended)
    assert "say it again with PYTHONUTF8=1, or rename it." in said(ended)
    ended = ghostlap(PROGRAM, "doctor", os.fsdecode(b"driv\xff"))
    assert ended.returncode == 2
    assert r"driv\udcff: is no text in utf-8" in said(ended)
    assert "To go on, rename it." in said(ended)


def test_no_place_for_temporary_files_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(GhostlapError, match="no folder for temporary files .*TMPDIR=/some/folder"):
        made_fit([])


@ON_POSIX
def test_what_is_made_can_be_written_into_whatever_the_umask(tmp_path: Path) -> None:
    recording, out = make_recording(tmp_path / "rec", rows=20), tmp_path / "tub"
    ended = ghostlap(
        PROGRAM, "convert", recording, "--as", "tub", "--out", out,
        before="umask 777; ulimit -Sn 20", environment={"COLUMNS": "1", "TERM": "dumb"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert len(list((out / "images").iterdir())) == 20
    for path in [out, *out.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o600 == 0o600, path
        assert mode & 0o077 == 0, path


@ON_POSIX
def test_without_a_home_a_recording_can_be_looked_at(tmp_path: Path) -> None:
    recording = make_recording(tmp_path / "rec", rows=20)
    nowhere = {"HOME": "/nonexistent/home", "XDG_CACHE_HOME": "/nonexistent/cache"}
    ended = ghostlap(PROGRAM, "doctor", recording, environment=nowhere)
    assert ended.returncode == 0, ended.stderr
    assert "20 rows" in " ".join(ended.stdout.split())


LIMITED = """
from ghostlap.commands import cli
def command(name, arguments):
    {raises}
cli._run = command
cli.main()
"""


@pytest.mark.parametrize(
    ("raises", "told"),
    [
        ("raise RuntimeError('can\\'t start new thread')", "can't start new thread. This process"),
        ("raise MemoryError", "There is not enough memory. This process may not use more"),
        ("import errno; raise OSError(errno.EMFILE, 'Too many open files')", "'ulimit -a' shows"),
    ],
)
def test_limits_are_said(raises: str, told: str) -> None:
    ended = ghostlap(LIMITED.format(raises=raises), "train")
    assert ended.returncode == 2
    assert told in said(ended)
    assert "What was finished before is kept." in said(ended)


def test_asking_a_pilot_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    code = (
        "import numpy, ghostlap; pilot = ghostlap.Pilot.load('generalist'); "
        "pilot.steer(numpy.zeros(pilot.preprocessing.frame_shape, numpy.uint8))"
    )
    names = ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME")
    environment = {**os.environ, **dict.fromkeys(names, str(tmp_path))}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    for variable in ("CI", "ORT_RUNNING_UNIT_TESTS"):  # silence it, too
        environment.pop(variable, None)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []

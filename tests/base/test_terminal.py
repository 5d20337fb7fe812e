"""What a person reads: text from outside never acts, and no stream ends the work."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT
from recordings import make_recording
from rich.console import Console
from rich.table import Table
from systems import posix

from ghostlap.base.terminal import escaped, in_html, plain, say, warn
from ghostlap.training.dagger.plots import plot_iterations
from ghostlap.training.dagger.results import Measured, Row

PACKAGE = ROOT / "src" / "ghostlap"
NASTY = "rec[/][red]\x1b[2J\x07:cat:\n\r\u200f\u202e\udcff\x9b31m\u2028$x_$"
HARMLESS = r"rec[/][red]\x1b[2J\x07:cat:\n\r\u200f\u202e\udcff\x9b31m\u2028$x_$"


def test_what_would_act_is_shown_as_an_escape() -> None:
    assert escaped(NASTY) == HARMLESS
    assert escaped("Jürgen's 東京 🚗 – 3 µm") == "Jürgen's 東京 🚗 – 3 µm"
    assert escaped(Path("a\tb")) == r"a\tb"
    assert in_html('<b a="\x1b\u202e">') == r"&lt;b a=&quot;\x1b\u202e&quot;&gt;"


def test_each_line_is_one_line_without_markup() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=20)
    say(console, f"{NASTY}: made", "and more", bold=NASTY)
    warn(console, NASTY)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert written == (
        f"\x1b[1m{HARMLESS}\x1b[0m: made\nand more\n\x1b[33mwarning:\x1b[0m {HARMLESS}\n"
    )


def test_a_cell_of_a_table_is_no_markup_either() -> None:
    console = Console(file=io.StringIO(), width=200)
    table = Table("what")
    table.add_row(plain(NASTY))
    console.print(table)
    assert HARMLESS in console.file.getvalue()  # type: ignore[attr-defined]


HARMLESS_IN_STATUS = {"name", "len(tasks)"}


def _says_nothing_from_outside(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        values = [v.value for v in node.values if isinstance(v, ast.FormattedValue)]
        return all(ast.unparse(value) in HARMLESS_IN_STATUS for value in values)
    return isinstance(node, ast.Constant) or ast.unparse(node).startswith("plain(")


def _is_formatted(node: ast.expr) -> bool:
    return any(isinstance(part, ast.JoinedStr) for part in ast.walk(node))


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """All calls in the package but terminal.py's own, each with its place."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and path.name != "terminal.py":
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def test_no_text_is_given_to_rich_that_it_would_read_as_markup() -> None:
    for where, node in _calls():
        if not isinstance(node.func, ast.Attribute):
            continue
        of, name = ast.unparse(node.func.value).lower(), node.func.attr
        if name == "print" and of.endswith("console"):
            for argument in node.args:
                assert not _is_formatted(argument) or "Rule(" in ast.unparse(argument), where
                assert not isinstance(argument, ast.Constant), f"{where}: say() writes lines"
        if name == "status":
            assert _says_nothing_from_outside(node.args[0]), where


PROGRAM = "from ghostlap.commands.cli import main; main()"
QUICK = """
import pathlib, sys
from rich.console import Console
from ghostlap.commands import cli
from ghostlap.base.terminal import say

def command(name, arguments):
    console = Console(stderr=True)
    with open(arguments[0], "w") as file:  # would be number 2, were that closed
        for i in range(200):
            say(console, f"line {i}")
            file.write("row\\n")
    if name == "doctor":
        for i in range(20_000):
            print("a table")
    return {"done": True, "errors": 0} if name == "doctor" else {"done": True}

cli._run = command
cli.main()
"""
"""A command that is over at once; all else is as ever."""


def ghostlap(program: str, *arguments: str | Path, ends: str) -> subprocess.CompletedProcess[str]:
    """Run a command with what a shell says of its streams."""
    line = f'exec "$0" -c "$@" {ends}'
    return subprocess.run(
        ["bash", "-c", line, sys.executable, program, *map(str, arguments)],
        capture_output=True,
        text=True,
    )


ON_POSIX = posix("a POSIX shell")
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")


@ON_POSIX
@FULL
@pytest.mark.parametrize("ends", ["2>&-", "2>/dev/full", "<&- 2>&-", "2> >(exec true)"])
def test_all_is_done_whatever_standard_error_is(ends: str, tmp_path: Path) -> None:
    ended = ghostlap(QUICK, "train", tmp_path / "log", "--json", ends=ends)
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == {"done": True}
    assert (tmp_path / "log").read_text() == 200 * "row\n"


@ON_POSIX
def test_a_real_command_does_its_work_without_standard_streams(tmp_path: Path) -> None:
    recording, out = make_recording(tmp_path / "rec", rows=20), tmp_path / "tub"
    ended = ghostlap(
        PROGRAM, "convert", recording, "--as", "tub", "--out", out, ends="<&- >&- 2>&-"
    )
    assert ended.returncode == 0
    assert len(list((out / "images").iterdir())) == 20


@ON_POSIX
@FULL
@pytest.mark.parametrize(
    ("ends", "json_asked", "status", "told"),
    [
        (">/dev/full", True, 1, "standard output cannot be written (No space left on device)"),
        (">&-", True, 1, "standard output cannot be written (Bad file descriptor)"),
        (">&- 2>&-", True, 1, ""),
        ("<&- >&-", False, 0, ""),
        (">/dev/full", False, 0, ""),
    ],
)
def test_a_result_that_cannot_be_written_is_told(
    ends: str, json_asked: bool, status: int, told: str, tmp_path: Path
) -> None:
    options = ["--json"] if json_asked else []
    ended = ghostlap(QUICK, "train", tmp_path / "log", *options, ends=ends)
    assert ended.returncode == status
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (tmp_path / "log").read_text() == 200 * "row\n"


@ON_POSIX
def test_a_reader_who_wants_no_more_is_no_error(tmp_path: Path) -> None:
    """The table is longer than what a pipe holds."""
    ended = ghostlap(QUICK, "doctor", tmp_path / "log", ends="> >(exec head -c 1)")
    assert ended.returncode == 141
    assert ended.stderr.splitlines() == [f"line {i}" for i in range(200)]
    assert (tmp_path / "log").read_text() == 200 * "row\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_that_lacks_letters_gets_escapes(encoding: str, tmp_path: Path) -> None:
    recording = make_recording(tmp_path / "東京 rec", rows=20)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "doctor", str(recording)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "500"},  # the path on one line
    )  # fmt: skip
    assert ended.returncode == 0
    assert ended.stderr == b""
    assert rb"\u6771\u4eac rec: 20 rows" in b" ".join(ended.stdout.split())
    assert b"\\u25" not in ended.stdout  # lines are dashes


@posix("names that hold line breaks")
def test_a_name_full_of_markup_and_escapes_is_shown_as_it_is(tmp_path: Path) -> None:
    recording = make_recording(tmp_path / "rec[/]\x1b[2J\u202e\n", rows=20)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "convert", str(recording), "--as", "tub",
         "--out", str(tmp_path / "tub[/red]\x07\u200f")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0
    assert r"tub[/red]\x07\u200f (tub)" in ended.stderr
    assert ended.stderr.replace("\n", "").isprintable()


def test_a_name_with_dollars_is_no_formula_in_a_diagram(tmp_path: Path) -> None:
    measured = Measured(90.0, 1.0, 0.5, 0.2, 4.0, {})
    title = rf"{NASTY} \frac{{"
    plot_iterations([Row(0, "start", "a", measured, None)], None, title, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize("is_crash", [False, True])
def test_words_of_native_code_are_dropped_and_a_crash_is_told(is_crash: bool) -> None:
    end = "os.abort()" if is_crash else ""
    program = (
        "import os, sys\n"
        "from ghostlap.base.terminal import native_words_dropped, open_streams\n"
        "open_streams()\n"
        "with native_words_dropped():\n"
        "    os.write(2, b'Corrupt JPEG data\\n'); print('ours \u2500', file=sys.stderr)\n"
        f"    {end}\n"
        "os.write(2, b'after\\n'); print('as before', file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    if is_crash:
        assert ended.stderr.startswith("ours \u2500\nFatal Python error: Aborted")
    else:
        assert (ended.returncode, ended.stderr) == (0, "ours \u2500\nafter\nas before\n")

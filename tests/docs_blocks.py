"""The code blocks of the documentation, and running them as a reader would.

``python tests/docs_blocks.py docs/commands.md`` runs a page's blocks and writes what they printed
into the ``text`` blocks below them, where it is something else.

A comment above a block says what is otherwise: ``<!-- not run: needs Windows -->``;
``<!-- run with: train --epochs 1; sim --port $PORT -->``, which is added to these commands' lines
(``$PORT`` is a free port); ``<!-- stays open -->``, a server, ended after the page;
``<!-- exits with: 1 -->``. A Python block that begins with ``# name.py`` is written to that file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from places import ROOT

LANGUAGES = {"bash", "powershell", "python", "text", "json", "dockerfile"}
RUN = {"bash", "powershell", "python"}
MARKS = {"not run", "run with", "stays open", "exits with"}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK_S, OPENS_S = 900.0, 120.0
_MARK = re.compile(r"<!-- ([a-z ]+?)(?:: (.*?))? -->", re.S)


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code: where it stands, and what the comments above it say."""

    page: Path
    line: int
    """Of its first line of code, from 1."""
    language: str
    code: str
    marks: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language in RUN and "not run" not in self.marks

    def commands(self) -> list[list[str]]:
        """The words of each line of a shell."""
        if self.language not in ("bash", "powershell"):
            return []
        lines = self._lines().splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]

    def as_run(self) -> str:
        """A shell's lines, with what is added to them."""
        code = self._lines()
        for added in filter(None, self.marks.get("run with", "").split(";")):
            command, options = added.split(maxsplit=1)
            code, count = re.subn(
                rf"^(.*ghostlap {command}\b.*?)(\s*#.*|\s*)$", rf"\1 {options}\2", code, flags=re.M
            )
            assert count, f"{self.place}: no 'ghostlap {command}' to run with {options}"
        return code.rstrip()

    def _lines(self) -> str:
        return re.sub(r"[\\`]\n", " ", self.code)


def blocks_of(page: Path) -> list[Block]:
    """All code blocks of a page, in order."""
    found, marks = [], dict[str, str]()
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "html_block":
            marks |= {name: why or "" for name, why in _MARK.findall(token.content)}
            continue
        if token.type in ("fence", "code_block") and token.map:
            found.append(Block(page, token.map[0] + 2, token.info.strip(), token.content, marks))
        marks = {}
    return found


def inline_code(page: Path) -> list[str]:
    """What stands between single backticks."""
    tokens = MarkdownIt().enable("table").parse(page.read_text("utf-8"))
    children = [child for token in tokens for child in token.children or ()]
    return [child.content for child in children if child.type == "code_inline"]


class Page:
    """A folder in which a page's blocks are run, one after another."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder / "here"
        self.folder.mkdir()
        (folder / "bin").mkdir()
        for name, begins in (("ghostlap", " -m ghostlap"), ("python", ""), ("py", "")):
            program = folder / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{begins} "$@"\n')
            program.chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), "."]),
            "PYTHONUNBUFFERED": "1",
            "GHOSTLAP_CACHE": str(cache),
            "COLUMNS": "100",
            "PORT": str(port),
        }
        self.servers: list[subprocess.Popen[str]] = []

    def run(self, block: Block) -> str:
        """What a block prints; a failure says where."""
        code = block.code
        name = re.match(r"# ([\w/]+\.py)\n", code)
        if block.language == "python":
            if name:
                (self.folder / name[1]).write_text(code, "utf-8")
                return ""
            command = [sys.executable, "-c", code]
        else:
            code = block.as_run()
            command = ["bash", "-euo", "pipefail", "-c", code]
        if "stays open" in block.marks:
            return self._open(["bash", "-c", f"exec {code}"], block)
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environment, timeout=BLOCK_S, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        expected = int(block.marks.get("exits with", 0))
        assert ended.returncode == expected, (
            f"{block.place}: exit status {ended.returncode}\n{code}\n{ended.stdout}"
        )
        return ended.stdout

    def _open(self, command: list[str], block: Block) -> str:
        log = self.folder.parent / f"{block.line}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, encoding="utf-8",
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.servers.append(process)
        until = time.monotonic() + OPENS_S
        while "127.0.0.1:" not in log.read_text("utf-8"):
            said = f"{block.place}: {command}\n{log.read_text('utf-8')}"
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.1)
        time.sleep(0.2)  # the rest of what it says at first
        return log.read_text("utf-8")

    def close(self) -> None:
        for process in self.servers:
            process.terminate()
        for process in self.servers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


@contextlib.contextmanager
def opened_page(folder: Path, cache: Path) -> Iterator[Page]:
    page = Page(folder, cache)
    try:
        yield page
    finally:
        page.close()


def _alike(text: str) -> str:
    """Text in which numbers, lengths of lines and what stands for the machine are all the same."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"[-−–]?\d[\d.,:]*(e[-+]\d+)?", "0", text)
    return re.sub(r"([─━╌═-])\1+", r"\1", text)


def is_as_shown(shown: str, printed: str) -> bool:
    """Whether a block shows what was printed: a line ``...`` is anything, numbers may differ."""
    parts = re.split(r"^\.\.\.$", shown, flags=re.M)
    want, got = (
        [" ".join(_alike(part).split()) for part in parts],
        " ".join(_alike(printed).split()),
    )
    return re.fullmatch(".*?".join(map(re.escape, want)), got, re.S) is not None


def run_page(blocks: list[Block], folder: Path, cache: Path) -> Iterator[tuple[Block, str]]:
    """Runs a page's blocks; gives each ``text`` block below one that ran, and what that printed."""
    with opened_page(folder, cache) as page:
        printed = None
        for block in blocks:
            if block.is_run:
                printed = page.run(block)
            elif block.language == "text" and printed is not None:
                yield block, printed
                printed = None
            else:
                printed = None


def difference(block: Block, printed: str) -> str:
    lines = difflib.unified_diff(
        block.code.splitlines(), printed.splitlines(), "shown", "printed", lineterm="", n=1
    )
    return f"{block.place}: another output\n" + "\n".join(lines)


def main(page: Path) -> None:
    """Write what a page's commands print into it, up to the first that fails."""
    ran = list[tuple[Block, str]]()
    with tempfile.TemporaryDirectory() as folder:
        try:
            ran.extend(run_page(blocks_of(page), Path(folder), Path(folder) / "cache"))
        finally:
            _write(page, ran)


def _write(page: Path, ran: list[tuple[Block, str]]) -> None:
    lines = page.read_text("utf-8").splitlines(keepends=True)
    for block, printed in reversed(ran):
        if block.code == "...\n" or not is_as_shown(block.code, printed):
            kept = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines())
            lines[block.line - 1 : block.line - 1 + block.code.count("\n")] = [kept + "\n"]
    page.write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        main(Path(name).resolve())

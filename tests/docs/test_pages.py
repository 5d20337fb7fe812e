"""Every command and block of code in the documentation is there, and does what the page shows."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
from pathlib import Path

import pytest
from docs_blocks import (
    LANGUAGES,
    MARKS,
    PAGES,
    RUN,
    Block,
    blocks_of,
    difference,
    inline_code,
    is_as_shown,
    run_page,
)
from places import ROOT

from ghostlap.commands import cli
from ghostlap.commands.tracking import TRACKED, check_tracker

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
NOT_RUN = [block for block in BLOCKS if "not run" in block.marks]
PAGES_THAT_RUN = [page for page in PAGES if any(block.is_run for block in blocks_of(page))]

TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


def name_of(place: Block | Path) -> str:
    return place.place if isinstance(place, Block) else str(place.relative_to(ROOT))


@functools.cache
def flags_of(command: str) -> set[str]:
    """All options of a command, out of its help."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.raises(SystemExit):
        cli.config_from(command, ["--help"])
    others = {"--json", "--pilot", "--recipe", *(["--tracker"] if command in TRACKED else [])}
    return {*others, *re.findall(r"--[a-z][\w.-]*", shown.getvalue())}


def of_ghostlap(words: list[str]) -> list[str]:
    """The arguments of ``ghostlap``, in each way that it is called."""
    for begins in (
        ["ghostlap"],
        [".venv/bin/ghostlap"],
        ["python", "-m", "ghostlap"],
        ["py", "-m", "ghostlap"],
    ):
        if words[: len(begins)] == begins:
            return words[len(begins) :]
    return []


@pytest.mark.parametrize("block", BLOCKS, ids=name_of)
def test_each_block_says_what_it_is(block: Block) -> None:
    assert block.language in LANGUAGES, f"{block.place}: ```{block.language}; one of {LANGUAGES}"
    assert set(block.marks) <= MARKS, f"{block.place}: {set(block.marks) - MARKS}; one of {MARKS}"
    if "not run" in block.marks:
        assert block.language in RUN
        assert len(block.marks["not run"]) > 8, f"{block.place}: does not say why it is not run"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.commands()], ids=name_of)
def test_each_command_and_option_is_there(block: Block) -> None:
    for words in block.commands():
        if words[0] == "make":
            asked = {word for word in words[1:] if "=" not in word}
            assert asked <= TARGETS, f"{block.place}: no such target: {asked - TARGETS}"
        arguments = [word for word in of_ghostlap(words) if word not in ("--json", "&")]
        if "--tracker" in arguments:
            at = arguments.index("--tracker")
            check_tracker(arguments[at + 1], arguments[0])
            del arguments[at : at + 2]
        if not arguments or arguments[0].startswith("-"):
            continue
        assert arguments[0] in cli.COMMANDS, f"{block.place}: {words}"
        assert understood(arguments) == "", f"{block.place}: {words}"


def understood(arguments: list[str]) -> str:
    """What the command line says to arguments that it does not understand; "" where it does."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            cli.config_from(arguments[0], arguments[1:])
    except SystemExit as ended:
        return said.getvalue() if ended.code else ""
    return ""


def test_each_command_has_its_section_and_its_line() -> None:
    page = ROOT / "docs" / "commands.md"
    explained = re.findall(r"^<!-- help: (\w+) -->", page.read_text("utf-8"), re.M)
    assert sorted(explained) == sorted(cli.COMMANDS)
    shown = next(block for block in blocks_of(page) if block.language == "text")
    listed = re.findall(r"^  (\w+) +\S", shown.code, re.M)
    assert listed == list(cli.COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_option_named_in_a_sentence_is_there(page: Path) -> None:
    for code in inline_code(page):
        if target := re.fullmatch(r"make ([a-z-]+)", code):
            assert target[1] in TARGETS, f"{name_of(page)}: {code}: no such target"
        command = re.match(r"ghostlap ([a-z]+)\b", code)
        if command:
            assert command[1] in cli.COMMANDS, f"{name_of(page)}: {code}"
        named = set(re.findall(r"(?<!\S)--[a-z][\w.-]*", code))
        if command or code.startswith("--"):
            commands = [command[1]] if command else list(cli.COMMANDS)
            known = set[str]().union(*(flags_of(name) for name in commands)) if named else set()
            assert named <= known, f"{name_of(page)}: `{code}`: no such option: {named - known}"


def test_what_is_shown_may_differ_in_numbers_only() -> None:
    assert is_as_shown("a 12.5 s\n", "a 7 s")
    assert is_as_shown("first\n...\nlast 3\n", "first\nand\nmore\nlast 4\n")
    assert not is_as_shown("a 12 s\n", "b 12 s\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="blocks are run by bash")
@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=name_of)
def test_each_page_does_what_it_shows(page: Path, tmp_path: Path, cache_folder: Path) -> None:
    wrong = [
        difference(block, printed)
        for block, printed in run_page(blocks_of(page), tmp_path, cache_folder)
        if not is_as_shown(block.code, printed)
    ]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("block", NOT_RUN, ids=name_of)
def test_what_is_not_run(block: Block) -> None:
    pytest.skip(f"{block.place}: {block.marks['not run']}")

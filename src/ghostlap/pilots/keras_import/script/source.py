"""A script's text as a syntax tree, that of Python 2 too; it is parsed, never run."""

from __future__ import annotations

import ast
import dataclasses
import io
import re
import tokenize
import warnings
from pathlib import Path

from ghostlap.base.errors import LegacyError
from ghostlap.base.files import read_file

MAX_BYTES = 1 << 20
_MOST_NESTED = 200

OPTIONS = "Say it with --crop, --colour, --blur, --resize and --scale, or step by step with --steps"
"""What to type where a script is not understood."""


@dataclasses.dataclass(frozen=True)
class Source:
    """One file of a script."""

    path: Path
    tree: ast.Module
    python_2: bool
    """Whether ``/`` of two whole numbers is one, too."""

    def where(self, node: ast.AST) -> str:
        return f"{self.path.name}:{getattr(node, 'lineno', '?')}"


def read_source(path: Path) -> Source:
    """Parse a script.

    Raises:
        LegacyError: it cannot be read, is too large, or is Python of neither 2 nor 3.
    """
    try:
        data = read_file(path, MAX_BYTES)
    except FileNotFoundError:
        raise LegacyError(f"--script {path}: no such file.") from None
    except OSError as error:
        raise LegacyError(
            f"--script {path}: cannot be read ({error.strerror or error}). "
            f"It must be a Python file of at most {MAX_BYTES >> 10} KiB. {OPTIONS}."
        ) from None
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    try:
        tree, python_2 = _parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        at, what = f"{path}:{line}" if line else str(path), getattr(error, "msg", None) or error
        raise LegacyError(
            f"--script {at}: is no Python that can be read ({what}). {OPTIONS}."
        ) from None
    return Source(path, tree, python_2 and "division" not in _future(tree))


def _parse(text: str) -> tuple[ast.Module, bool]:
    """The tree, and whether it was made Python 3 first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its backslashes
        try:
            return _shallow(ast.parse(text)), False
        except SyntaxError as error:
            try:
                return _shallow(ast.parse(_as_python_3(text))), True
            except (SyntaxError, tokenize.TokenError, IndentationError):
                raise error from None


def _shallow(tree: ast.Module) -> ast.Module:
    """A tree that can be walked without running out of stack."""
    level: list[ast.AST] = [tree]
    for _ in range(_MOST_NESTED):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise ValueError(f"it is nested more than {_MOST_NESTED} deep")


def _future(tree: ast.Module) -> set[str]:
    return {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    }


def _as_python_3(text: str) -> str:
    """Statements of Python 2 as Python 3 has them; lines stay where they were."""
    text = text.expandtabs(8)
    caught = r"^(\s*except\s+[^:,()]+|\s*except\s*\([^()]*\)),\s*(\w+)\s*:"
    text = re.sub(caught, r"\1 as \2:", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=[\w)\]'\"]) <> ", " != ", text)
    text = re.sub(r"\b0([0-7]+)\b(?![.\w])", r"0o\1", text)
    text = re.sub(r"\b(\d+)[lL]\b", r"\1", text)
    text = re.sub(r"\b[uU][rR](?=['\"])", "r", text)
    text = re.sub(
        r"^(\s*)raise\s+([\w.]+)\s*,\s*(.+)$", r"\1raise \2(\3)", text, flags=re.MULTILINE
    )
    text = re.sub(r"^(\s*)exec\s+(?![=(.])(.*)$", r"\1pass", text, flags=re.MULTILINE)
    lines = text.split("\n")
    changes: list[tuple[tuple[int, int], str]] = []
    starts, printing, depth = True, False, 0
    last = (1, 0)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        word = token.string
        if printing and depth == 0 and (
            word == ";" or token.type in (tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER)
        ):  # fmt: skip
            changes.append((last, ")"))
            printing = False
        if starts and word == "print" and token.type == tokenize.NAME:
            changes.append((token.end, "("))
            printing = True
        elif printing and word == ">>" and changes[-1] == (last, "("):
            changes[-1] = (token.end, "(")
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + "  " + lines[row - 1][column + 2 :]
        depth += (word in "([{") - (word in ")]}") if token.type == tokenize.OP else 0
        if token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT):
            starts = token.type == tokenize.NEWLINE or (word in (";", ":") and depth == 0)
        if token.type not in (tokenize.INDENT, tokenize.DEDENT, tokenize.NL):
            last = token.end
    for (row, column), bracket in reversed(changes):
        lines[row - 1] = lines[row - 1][:column] + bracket + lines[row - 1][column:]
    return "\n".join(lines)

"""Which rows of a recording are meant: by line, by time or by a condition.

    >>> rows_where([recording], "120:340")
    >>> rows_where([recording], "12.5s:30s")
    >>> rows_where([recording], "steering != 0 and driver == 'person'")

A condition is pandas' to work out, once it is certain that it holds comparisons of columns and
numbers and nothing else: no attribute, no call but ``abs``, no other name. Nothing of it is run.
"""

from __future__ import annotations

import ast
import difflib
import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import RecordingError
from ghostlap.data.dataset import seconds
from ghostlap.data.recordings import Recording
from ghostlap.data.recordings.tables_beside import TABLES

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]

MOST_CHARACTERS = 300
EXAMPLES = "120:340, 12.5s:30s or 'steering != 0 and speed_mph > 5'"

_RANGE = re.compile(r"(?:(\d{1,9}(?:\.\d{1,9})?)(s?))?\s*:\s*(?:(\d{1,9}(?:\.\d{1,9})?)(s?))?")
_NUMBERS = ("steering", "throttle", "brake", "speed_mph")
_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE,
    ast.Gt, ast.GtE, ast.Name, ast.Load, ast.Constant, ast.Call,
)  # fmt: skip


def rows_where(recordings: Sequence[Recording], where: str) -> list[Mask]:
    """The rows of some recordings that are meant, as masks of shape ``(rows,)``.

    Args:
        where: ``first:last`` by line (of a tub by record, of a dataset by frame), as messages about
            the recording count them; ``first:last`` in seconds since its first row, with an s; both
            ends are in it, and either may be left out. Else a condition on ``steering``,
            ``throttle``, ``brake``, ``speed_mph``, ``line``, ``time_s``, and the columns of the
            tables beside the log.

    Raises:
        RecordingError: it is none of these, or no row of any recording is meant.
    """
    text = where.strip()
    span = _RANGE.fullmatch(f"{text}:{text}" if text.isascii() and text.isdigit() else text)
    if span is None:
        masks = [_rows_that(recording, text) for recording in recordings]
    elif len(recordings) > 1:
        raise RecordingError(
            f"{where!r} is of one recording, and {len(recordings)} are joined. Cut that one first, "
            "then join: two commands. Or give a condition."
        )
    else:
        masks = [_rows_between(recordings[0], *span.groups())]
    if not any(mask.any() for mask in masks):
        raise RecordingError(f"{where!r} means no row. {' '.join(map(_extent, recordings))}")
    return masks


def _rows_between(
    recording: Recording, first: str | None, first_s: str, last: str | None, last_s: str
) -> Mask:
    places = seconds(recording.frames) if first_s or last_s else recording.lines
    mask: Mask = (places >= float(first or 0)) & (places <= float(last or "inf"))
    return mask


def _extent(recording: Recording) -> str:
    """What there is to choose from."""
    lines = recording.lines
    parts = [f"{recording.counts} {lines.min()} to {lines.max()}"]
    parts.append(f"0s to {seconds(recording.frames).max():g}s")
    for name in _NUMBERS:
        values = recording.frames[name].to_numpy()
        if np.isfinite(values).any():
            parts.append(f"{name} {np.nanmin(values):g} to {np.nanmax(values):g}")
    return f"{recording.folder} has {', '.join(parts)}."


def _rows_that(recording: Recording, text: str) -> Mask:
    if len(text) > MOST_CHARACTERS:
        raise _refused(recording, f"{text[:40]}…", f"it has more than {MOST_CHARACTERS} characters")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refused(recording, text, getattr(error, "msg", str(error))) from None
    for problem in _problems(tree):
        raise _refused(recording, text, problem)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {"abs"}
    table = _table(recording, text, names)
    if _counts_with_text(tree, {name for name in names if table[name].dtype.kind not in "if"}):
        raise _refused(recording, text, "a text can only be compared with a text")
    try:
        with np.errstate(all="ignore"):
            found: Any = table.eval(ast.unparse(tree), engine="python", parser="pandas")
    except Exception as error:  # pandas says in many ways that it cannot
        raise _refused(recording, text, str(error) or type(error).__name__) from error
    if np.shape(found) != (len(table),) or found.dtype.kind != "b":
        raise _refused(recording, text, "it is neither true nor false for a row")
    mask: Mask = found.to_numpy()
    return mask


def _problems(tree: ast.AST) -> Iterator[str]:
    called = set()
    for node in ast.walk(tree):  # a call comes before its function
        if isinstance(node, ast.Call):
            is_abs = isinstance(node.func, ast.Name) and node.func.id == "abs"
            if not is_abs or len(node.args) != 1 or node.keywords:
                yield "the only function is abs(…), of one value"
            called.add(node.func)
        elif isinstance(node, ast.Name) and node.id == "abs" and node not in called:
            yield "abs is a function: abs(steering)"
        elif not isinstance(node, _ALLOWED):
            yield f"it may not hold {ast.unparse(node) or type(node).__name__!r}"
        elif isinstance(node, ast.Constant) and type(node.value) not in (int, float, str):
            yield f"it may not hold {node.value!r}"


def _counts_with_text(tree: ast.AST, texts: set[str]) -> bool:
    """Whether arithmetic is done with texts, which could make very long ones of them."""
    return any(
        (isinstance(inner, ast.Constant) and isinstance(inner.value, str))
        or (isinstance(inner, ast.Name) and inner.id in texts)
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp | ast.Call)
        for inner in ast.walk(node)
    )


def _table(recording: Recording, text: str, names: set[str]) -> pd.DataFrame:
    """The columns that a condition names."""
    import pandas as pd

    table = pd.DataFrame({name: recording.frames[name].to_numpy() for name in _NUMBERS})
    table["line"], table["time_s"] = recording.lines, seconds(recording.frames)
    beside = [table for table in TABLES if (recording.folder / table.name).is_file()]
    for name in sorted(names - set(table.columns)):
        found = [one for one in beside or TABLES if name in one.columns]
        if not found:
            known = [*table.columns, *(column for one in beside for column in one.columns)]
            close = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            there = ", ".join(dict.fromkeys(known))
            problem = f"there is no column {name!r}{hint}; there are {there}"
            raise _refused(recording, text, problem)
        said = dict(found[0].rows(recording.folder, name))
        cells = [said.get(os.path.basename(path)) for path in recording.frames["center"]]
        is_number = found[0].columns[name] != "s" and isinstance(found[0].columns[name], str)
        table[name] = np.array(cells, float if is_number else object)
    return table


def _refused(recording: Recording, text: str, problem: str) -> RecordingError:
    return RecordingError(
        f"{recording.folder}: {text!r} says nothing about rows: {problem}. Name lines, seconds or "
        f"a condition: {EXAMPLES}."
    )

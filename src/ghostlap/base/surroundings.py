"""What a command finds around it: made fit where that can be done, said in a sentence where not."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence

from ghostlap.base.errors import GhostlapError
from ghostlap.base.platform import let_many_files_be_open

_OWNER = 0o700
_FEWEST_COLUMNS = 40
_MOST_WORDS = 12
"""Of one name."""


def made_fit(arguments: Sequence[str]) -> None:
    """Make sure of what every command takes for granted.

    Raises:
        GhostlapError: the current folder is gone, a name cannot be told as text or was typed with
            blanks and without quotes, or there is no place for temporary files.
    """
    os.umask(os.umask(0) & ~_OWNER)  # what we make, we must be able to write into
    let_many_files_be_open()
    if os.environ.get("COLUMNS", "").isdigit() and int(os.environ["COLUMNS"]) < _FEWEST_COLUMNS:
        os.environ["COLUMNS"] = str(_FEWEST_COLUMNS)
    _check_names([*arguments, _current_folder()])
    _check_blanks(arguments)
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise GhostlapError(
            "There is no folder for temporary files that can be written to. Name one: "
            "TMPDIR=/some/folder ghostlap …"
        ) from error


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise GhostlapError(
            f"The current folder is gone or cannot be entered ({error.strerror}). Change to one "
            "that is there, and say it again."
        ) from error


def _check_blanks(words: Sequence[str]) -> None:
    """A name with blanks that was typed without quotes comes as several words."""
    for i, word in enumerate(words):
        if word.startswith("-") or os.path.exists(word):
            continue
        for end in range(i + 2, min(i + _MOST_WORDS, len(words)) + 1):
            name = " ".join(words[i:end])
            if os.path.exists(name):
                raise GhostlapError(f'{name}: a name with blanks needs quotes: "{name}"')


def _check_names(names: Sequence[str]) -> None:
    """Names that are no text cannot be passed to OpenCV, TensorFlow or ONNX Runtime."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            encoding = sys.getfilesystemencoding()
            hint = "" if encoding == "utf-8" else "say it again with PYTHONUTF8=1, or "
            raise GhostlapError(
                f"{name}: is no text in {encoding}, which names are written in here. "
                f"To go on, {hint}rename it."
            ) from error

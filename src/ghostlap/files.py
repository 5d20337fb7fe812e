"""Writing files so that a kill or a full disk never leaves half of one in place of a whole."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; rename it to ``path`` if all went well.

    The temporary name keeps the file's endings, because writers choose formats by them.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(out: Path) -> Iterator[Path]:
    """Give a new folder beside ``out`` to write to; rename it to ``out`` if all went well.

    Args:
        out: a folder that is not there yet, or empty.
    """
    out = out.absolute()
    unfinished = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    """Write JSON for people too: indented, with a final newline. NaN is refused."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def append_row(file: int, row: bytes) -> None:
    """Append a row to an open file in one write, whole or not at all.

    Raises:
        OSError: it cannot be written; what a full disk took of it is taken back.
    """
    size = os.fstat(file).st_size
    if os.write(file, row) < len(row):
        os.ftruncate(file, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def cache_folder() -> Path:
    """Where things that can be made again are kept: the user's cache, or ``$GHOSTLAP_CACHE``."""
    import platformdirs

    return Path(os.environ.get("GHOSTLAP_CACHE") or platformdirs.user_cache_path("ghostlap"))

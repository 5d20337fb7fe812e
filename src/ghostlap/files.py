"""Writing files so that a kill or a full disk never leaves half of one in place of a whole."""

from __future__ import annotations

import contextlib
import json
import os
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


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    """Write JSON for people too: indented, with a final newline. NaN is refused."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def cache_folder() -> Path:
    """Where things that can be made again are kept: the user's cache, or ``$GHOSTLAP_CACHE``."""
    import platformdirs

    return Path(os.environ.get("GHOSTLAP_CACHE") or platformdirs.user_cache_path("ghostlap"))

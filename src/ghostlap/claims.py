"""One folder, one process that writes into it: whoever works for long claims its folder first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ghostlap.errors import GhostlapError

_LOCK_FILE = ".lock"


@contextlib.contextmanager
def claimed(out: Path, sign: str, what: str, error: type[GhostlapError]) -> Iterator[None]:
    """Make a folder, and keep other processes from writing into it meanwhile.

    Args:
        out: the folder.
        sign: the file by which a folder that one may go on with is known.
        what: a noun for what is made there, for messages.
        error: what to raise.

    Raises:
        GhostlapError: of the kind asked for: the folder holds something else, cannot be made, or
            another process is at work there.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(out / _LOCK_FILE)
    try:
        if out.exists() and not (out / sign).exists():
            others = [path.name for path in out.iterdir() if path.name != _LOCK_FILE]
            if others:
                raise error(
                    f"{out}: the folder holds {others[0]} and no {what}. Name another --out."
                )
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as busy:
        raise error(
            f"{out}: another {what} is at work there. Wait for it, or name another --out."
        ) from busy
    except OSError as failed:
        raise error(f"{out}: cannot be written ({failed.strerror}).") from failed
    try:
        yield
    finally:
        lock.release()

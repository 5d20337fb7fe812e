"""One process that writes into a folder: its lock, and folders and files that appear whole.

A lock is a file in the folder, locked by the operating system, which forgets it when the process
ends, however it ends: what a killed process leaves hinders nobody.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from ghostlap.base.errors import FolderError, GhostlapError
from ghostlap.base.files import UNFINISHED, is_link, named_in_errors, refuse_link, remove
from ghostlap.base.platform import OPEN_FILES_STAY

LOCK_NAME = ".lock"

_PART = ".part"
_PATIENCE_S = 0.25
"""Another process may have a lock for a moment only to see whether anyone has it."""
_TRIES = 20
_OWN_FOLDERS = ("IMG", "parts", "drives", "interventions", "moments", "checkpoint")
"""Empty ones are left by a process killed before it had done anything."""


class FolderLock:
    """The right to write into a folder, from when it is made until it is released.

    Args:
        folder: made when missing; taken away again if nothing came to lie in it.
        wait: for another process to end, in place of an error.
        told: what messages name, if not the folder.

    Raises:
        GhostlapError: of the kind asked for: another process writes there, or nobody can.
    """

    def __init__(
        self,
        folder: Path,
        error: type[GhostlapError] = FolderError,
        *,
        wait: bool = False,
        told: Path | None = None,
    ) -> None:
        from filelock import FileLock, Timeout  # not before it is needed: driving can do without

        self.folder, told = folder, told or folder
        self._made = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
        self._lock = FileLock(folder / LOCK_NAME, thread_local=False)
        if folder.exists() and not folder.is_dir():
            raise error(f"{told}: cannot be written, because this is a file. Name a folder.")
        for left in reversed(range(_TRIES)):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._lock.acquire(timeout=-1 if wait else _PATIENCE_S)
                return
            except Timeout as busy:
                raise error(
                    f"{told}: another process is writing there. Wait until it has ended, or name "
                    "another one."
                ) from busy
            except RuntimeError as never:
                raise error(
                    f"{told}: this very process is writing there, for something else. Name another "
                    "folder."
                ) from never
            except OSError as failed:
                # Another process may just have taken the empty folder away.
                if not isinstance(failed, FileNotFoundError) or not left:
                    raise error(
                        f"{told}: cannot be written ({failed.strerror}). Choose a folder that you "
                        "may write to."
                    ) from failed

    def empty(self) -> None:
        """Remove all that is in the folder but the lock itself."""
        for path in self.folder.iterdir():
            if path.name != LOCK_NAME:
                remove(path, self.folder)

    def move_to(self, folder: Path) -> None:
        """Rename the folder, while nobody else can write there."""
        if OPEN_FILES_STAY:
            self._lock.release()
        self.folder.rename(folder)
        self.folder, self._made = folder, []

    def release(self) -> None:
        """Let others write. Releasing twice is harmless."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):  # Windows removes no open file; filelock does there
                (self.folder / LOCK_NAME).unlink()
            self._lock.release()
            with contextlib.suppress(OSError):
                for folder in self._made:
                    folder.rmdir()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def is_free(folder: Path) -> bool:
    """Whether a folder is not there, or holds nothing but what a killed process leaves.

    That is its lock, a file that it had only begun, and folders in which there is no more.
    """
    if not folder.exists():
        return True
    return folder.is_dir() and all(map(_is_leftover, folder.iterdir()))


def require_free(out: Path, error: type[GhostlapError], advice: str) -> None:
    """Make sure that a new folder overwrites nothing, and that no killed process' traces stay.

    Raises:
        GhostlapError: of the kind asked for: ``out`` is a file, or a folder that holds something.
    """
    for folder in (out.parent, out):
        tidy(folder)
    if not is_free(out):
        raise error(f"{out}: already in use. {advice}")


def _is_leftover(path: Path) -> bool:
    if is_link(path):
        return False
    if path.is_dir():
        return path.name in _OWN_FOLDERS and is_free(path)
    return path.name == LOCK_NAME or path.name.startswith(UNFINISHED)


@contextlib.contextmanager
def locked_folder(
    out: Path, sign: str, what: str, error: type[GhostlapError]
) -> Iterator[FolderLock]:
    """Make a folder that one may go on with, and keep other processes from writing there.

    Args:
        sign: the file by which a folder that was begun is known.
        what: a noun for what is made there, for messages.

    Raises:
        GhostlapError: of the kind asked for: the folder holds something else, nobody can write
            there, or another process does.
    """
    with FolderLock(out, error) as lock:
        if not (out / sign).exists():
            others = [path.name for path in sorted(out.iterdir()) if not _is_leftover(path)]
            if others:
                raise error(
                    f"{out}: the folder holds {others[0]} and no {what}. Name another --out."
                )
        yield lock


@contextlib.contextmanager
def replacing_folder(out: Path, error: type[GhostlapError] = FolderError) -> Iterator[Path]:
    """Give a new folder beside ``out`` to write to; rename it to ``out`` if all went well.

    Raises:
        GhostlapError: of the kind asked for: ``out`` is in use, or another process is making it.
        FolderError: it is a link to elsewhere.
    """
    out = Path(os.path.abspath(out))
    refuse_link(out)
    with _workshop(out, error) as lock:
        if not is_free(out):
            raise error(
                f"{out}: already in use. Name a folder that does not exist yet, or an empty one."
            )
        made = lock.folder / out.name  # without the lock, which a kill would leave in it
        made.mkdir()
        with named_in_errors(out):
            yield made
        if out.exists():
            for path in out.iterdir():
                if _is_leftover(path):
                    remove(path, out)
            out.rmdir()
        made.rename(out)


@contextlib.contextmanager
def replacing_output(out: Path, error: type[GhostlapError] = FolderError) -> Iterator[Path]:
    """Give a path to write a file to that becomes ``out`` if all went well.

    For files in folders that are not ours alone, such as a person's own. It replaces what was
    there.

    Raises:
        GhostlapError: of the kind asked for: another process is writing that very file.
        OSError: it cannot be written; it names the file, also where the system does not.
    """
    out = Path(os.path.abspath(out))
    with _workshop(out, error) as lock:
        unfinished = lock.folder / out.name
        with named_in_errors(out):
            yield unfinished
            os.replace(unfinished, out)


@contextlib.contextmanager
def _workshop(out: Path, error: type[GhostlapError]) -> Iterator[FolderLock]:
    """A hidden folder beside ``out`` in which nobody else writes, and which does not stay."""
    tidy(out.parent)
    workshop = out.with_name(f".{out.name}{_PART}")
    try:
        with FolderLock(workshop, error, told=out) as lock:
            lock.empty()  # of what a killed process left
            try:
                yield lock
            finally:
                with contextlib.suppress(OSError):
                    lock.empty()
    finally:
        with contextlib.suppress(OSError):
            workshop.rmdir()  # also where it was another's when this began, who has left since


def tidy(folder: Path) -> None:
    """Remove the hidden folders that killed processes left in a folder.

    One in which a process is still at work has a lock that cannot be had.
    """
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob(f".*{_PART}")):
            if is_link(path) or not path.is_dir():
                continue
            if (path / LOCK_NAME).is_file():
                with contextlib.suppress(GhostlapError), FolderLock(path) as lock:
                    lock.empty()
            with contextlib.suppress(OSError):  # killed before it had its lock: then it is empty
                path.rmdir()

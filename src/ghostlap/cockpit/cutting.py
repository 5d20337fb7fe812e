"""Cutting a stretch out of a recording: a new one without it, the original in the trash."""

from __future__ import annotations

from ghostlap.base.errors import CockpitError
from ghostlap.base.folder_lock import FolderLock, replacing_folder
from ghostlap.cockpit.library import Library
from ghostlap.data.recordings.copying import Part, edit_line, rows_of_log, write_copy


def cut(library: Library, name: str, first: int, last: int) -> str:
    """Leave out the rows ``first`` to ``last``, both included; gives the new recording's name.

    The rows that stay are written as they are read, each on a line of its own, and pictures are
    shared with the original where the disk can (hard links). What the tables beside the log say of
    them stays, too.

    Raises:
        CockpitError: no such recording or rows, nothing would be left, or it cannot be written.
        RecordingError: its log cannot be read.
    """
    folder, log = library.log(name)
    if not 0 <= first <= last < len(log):
        raise CockpitError(
            f"{name} has the rows 0 to {len(log) - 1}. Got a cut from {first} to {last}."
        )
    kept = [i for i in range(len(log)) if not first <= i <= last]
    if not kept:
        raise CockpitError(f"Nothing of {name} would be left. Throw it away instead.")
    new = library.new_recording(f"{folder.name.removesuffix('-cut')}-cut")
    try:
        with FolderLock(folder, CockpitError), replacing_folder(new, CockpitError) as unfinished:
            words = [folder.name, "--drop", f"{log.lines[first]}:{log.lines[last]}"]
            done = edit_line(len(kept), len(log), words)
            write_copy(unfinished, [Part(folder, rows_of_log(log, folder, kept))], done)
    except OSError as error:
        raise CockpitError(f"{name}: the cut cannot be written ({error.strerror}).") from error
    library.throw_away(name)
    return new.name

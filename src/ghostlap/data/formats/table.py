"""Any table with pictures, as a recording: read as logs are, but pictures lie anywhere below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.columns import NO_CHOICE, Choice
from ghostlap.data.recordings.driving_log import read_log
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.reading import Recording, recording_of

TABLE_ENDINGS = (".csv", ".txt", ".tsv")
MAX_FILES = 5_000_000

_PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")
_SEVERAL = ""


def read_table(path: Path, choice: Choice = NO_CHOICE) -> Recording:
    """Read a table with pictures, or the only one in a folder.

    Throttle and brake are 0 and the speed is NaN where it has none; pictures that are not in its
    folder or below it have the path "".

    Raises:
        RecordingError: a column that is not there or not clear, or no row.
    """
    table = path if path.suffix.lower() in TABLE_ENDINGS else find_tables(path)[0]
    pictures = _Pictures(table.parent)
    log = read_log(table, choice=choice, name_of=pictures.name)
    return recording_of(log, table.parent, table.parent)


def find_tables(path: Path) -> list[Path]:
    """A path itself if it is a table, or the tables in a folder."""
    if path.is_file():
        return [path] if path.suffix.lower() in TABLE_ENDINGS else []
    if not path.is_dir():
        return []
    return sorted(one for one in path.iterdir() if one.suffix.lower() in TABLE_ENDINGS)


class _Pictures:
    """Finds pictures by what a table says of them, within one folder and nowhere else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_name: dict[str, str] = {}
        for path in self._all():
            name = os.path.basename(path)
            for key in (name, os.path.splitext(name)[0]):
                self._by_name[key] = _SEVERAL if key in self._by_name else path

    def _all(self) -> Iterator[str]:
        count, before = 0, len(os.path.join(self.folder, ""))
        for parent, _, names in os.walk(self.folder):
            for name in names:
                if name.lower().endswith(_PICTURE_ENDINGS):
                    count += 1
                    if count > MAX_FILES:
                        raise RecordingError(
                            f"{self.folder}: more than {MAX_FILES} pictures in it and below."
                        )
                    yield os.path.join(parent, name)[before:]

    def name(self, text: str) -> str:
        """A picture, as seen from the folder: as the table says, else by its name; or ""."""
        said = PurePosixPath(text.replace("\\", "/"))
        if text.isprintable() and not said.is_absolute() and ".." not in said.parts:
            beside = self.folder / said
            if text and beside.is_file() and beside.resolve().is_relative_to(self.folder.resolve()):
                return str(said)
        return self._by_name.get(image_name_of(text), "")

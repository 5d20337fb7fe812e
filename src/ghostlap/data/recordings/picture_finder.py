"""Pictures below a folder, found by what a log or table says of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.layout import IMAGE

MAX_FILES = 5_000_000
PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")

_SEVERAL = ""
_DEEPEST = 4
"""Folders of a path, of whatever machine, that may be here, and the file."""


class PictureFinder:
    """Finds pictures within one folder only: as the end of a path says, else by the file's name.

    A name may differ in case, as Windows does not care, and in its ending, as where pictures were
    converted. Of several that it may be, none is taken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_name: dict[str, str] = {}
        for path in self._all():
            name = os.path.basename(path)
            for key in {name, *_loosely(name)}:
                self._by_name[key] = _SEVERAL if key in self._by_name else path

    def __len__(self) -> int:
        return len(self._by_name)

    def _all(self) -> Iterator[str]:
        count, before = 0, len(os.path.join(self.folder, ""))
        for parent, _, names in os.walk(self.folder):
            for name in names:
                if name.lower().endswith(PICTURE_ENDINGS) and not name.startswith("."):
                    count += 1
                    if count > MAX_FILES:
                        raise RecordingError(
                            f"{self.folder}: more than {MAX_FILES} pictures in it and below."
                        )
                    yield os.path.join(parent, name)[before:]

    def name(self, text: str) -> str:
        """A picture, as seen from the folder; its name where it is not there, "" where that is no
        name or several pictures have it."""
        name = image_name_of(text)
        parts = text.replace("\\", "/").split("/") if text.isprintable() and name else []
        for first in range(max(0, len(parts) - _DEEPEST), len(parts)):
            said = "/".join(parts[first:])
            if ".." not in parts[first:] and said[0] != "/" and self._has(said):
                return said
        for key in (name, *_loosely(name)):
            if key in self._by_name:
                return self._by_name[key]
        return name if name.isprintable() and name not in (".", "..") else ""

    def _has(self, said: str) -> bool:
        path = self.folder / said
        if not said.lower().endswith(PICTURE_ENDINGS):
            return False
        return os.path.isfile(path) and path.resolve().is_relative_to(self.folder.resolve())


def _loosely(name: str) -> tuple[str, str]:
    """Keys that no file's name is: in small letters, and without the ending."""
    small = name.lower()
    stem = os.path.splitext(small)[0]
    return f"/{small}", f"/{stem if IMAGE.search(small) else small}/"

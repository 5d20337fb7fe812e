"""Any table with pictures, as a recording: read as logs are, but pictures lie anywhere below it."""

from __future__ import annotations

from pathlib import Path

from ghostlap.data.recordings.columns import NO_CHOICE, Choice
from ghostlap.data.recordings.driving_log import read_log
from ghostlap.data.recordings.picture_finder import PictureFinder
from ghostlap.data.recordings.reading import Recording, recording_of

TABLE_ENDINGS = (".csv", ".txt", ".tsv")


def read_table(path: Path, choice: Choice = NO_CHOICE) -> Recording:
    """Read a table with pictures, or the only one in a folder.

    Throttle and brake are 0 and the speed is NaN where it has none.

    Raises:
        RecordingError: a column that is not there or not clear, or no row.
    """
    table = path if path.suffix.lower() in TABLE_ENDINGS else find_tables(path)[0]
    pictures = PictureFinder(table.parent)
    log = read_log(table, choice=choice, name_of=pictures.name)
    return recording_of(log, table.parent, table.parent)


def find_tables(path: Path) -> list[Path]:
    """A path itself if it is a table, or the tables in a folder, without hidden files."""
    if path.is_file():
        return [path] if path.suffix.lower() in TABLE_ENDINGS else []
    if not path.is_dir():
        return []
    return sorted(
        one
        for one in path.iterdir()
        if one.suffix.lower() in TABLE_ENDINGS and not one.name.startswith(".") and one.is_file()
    )

"""The columns of paths: as if they were plain text, in a fraction of the memory."""

from __future__ import annotations

import io
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recordings import image_names, log_lines, make_recording

from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings.columns import CAMERAS
from ghostlap.data.recordings.names import Names
from ghostlap.data.recordings.path_column import Paths

NAMES = [f"center_{number:07d}.jpg" if number % 7 else "" for number in range(3000)]
PLAIN = pd.Series([f"/rec/IMG/{name}" if name else "" for name in NAMES], dtype=object)


def column() -> pd.Series:
    return pd.Series(Paths("/rec/IMG/", Names(NAMES)))


def plain(found: object) -> list[object]:
    return list(found)  # type: ignore[call-overload]


def test_many_names_and_odd_ones() -> None:
    odd = ["", "a\0b", "\udc80", "ü\n", "x" * 255]
    names = Names(odd * 500)
    assert list(names) == odd * 500
    assert (names[-1], names[3], names[2000:2003]) == ("x" * 255, "ü\n", odd[:3])
    assert list(names.at([2499, 0, 1])) == [odd[4], odd[0], odd[1]]
    assert list(names.without({0, 2498})) == (odd * 500)[1:-2] + odd[-1:]
    with pytest.raises(IndexError):
        names[2500]


def test_a_column_does_what_plain_text_does() -> None:
    shuffled = np.random.default_rng(0).permutation(len(PLAIN))
    for work in (
        lambda one: one,
        lambda one: one == PLAIN[5],
        lambda one: one != "",
        lambda one: one == PLAIN,
        lambda one: one.str.endswith("7.jpg"),
        lambda one: one.map(len),
        lambda one: one.iloc[shuffled],
        lambda one: one[one != ""],
        lambda one: one.iloc[[0, -1, 5]],
        lambda one: one.sort_values(kind="stable"),
        lambda one: one.reindex([3, 4], fill_value=""),
        lambda one: one.unique(),
        lambda one: pd.concat([one, one.iloc[::-1]]),
        lambda one: pd.concat([one, column()]),
        lambda one: pd.factorize(one.to_numpy(object))[0],
        lambda one: one.to_frame("a").groupby("a").size(),
        lambda one: one.astype(str),
        lambda one: pickle.loads(pickle.dumps(one)),
        lambda one: io.StringIO(one.to_csv()),
    ):
        assert plain(work(column())) == plain(work(PLAIN))
    assert column().reindex([1, 9999]).tolist() == [PLAIN[1], ""]
    assert repr(column().head(3)).splitlines()[:-1] == repr(PLAIN.head(3)).splitlines()[:-1]
    assert column().iloc[1:1].tolist() == []


def test_what_is_changed_in_a_copy_stays_as_it_was_elsewhere() -> None:
    frames = pd.DataFrame({"center": column(), "steering": 0.0})
    changed = frames.copy()
    changed.loc[2, "center"] = "elsewhere.jpg"
    changed.loc[changed["center"] == "", "center"] = "none"
    assert changed["center"][:3].tolist() == ["none", PLAIN[1], "elsewhere.jpg"]
    assert frames["center"].tolist() == PLAIN.tolist()


def test_tables_of_several_recordings_go_together(tmp_path: Path) -> None:
    folders = [make_recording(tmp_path / name, rows=3) for name in "ab"]
    both = pd.concat([read_recording(folder).frames for folder in folders])
    for place, camera in enumerate(CAMERAS):
        assert both[camera].tolist() == [
            str(folder / "IMG" / image_names(row)[place]) for folder in folders for row in range(3)
        ]


def test_a_row_takes_little_memory(tmp_path: Path) -> None:
    rows = 10_000
    (tmp_path / "driving_log.csv").write_text("\n".join(log_lines(rows)) + "\n")
    read_recording(tmp_path)  # imports what it needs
    tracemalloc.start()
    frames = read_recording(tmp_path).frames
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(frames) == rows
    assert peak_bytes / rows < 200

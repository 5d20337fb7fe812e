"""Tables beside a log: written, read back, copied, and what is wrong with them said."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings.tables_beside import (
    DRIVERS,
    PREDICTIONS,
    WHO_DROVE,
    WhoDrove,
    copy_tables,
    read_who_drove,
)

LONGER = WHO_DROVE.plus({"cte_m": ".5f"})
HEADER = "center,driver,pilot_steering\n"

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20).map(
    lambda stem: f"{stem}.jpg"
)
steering = st.none() | st.floats(-2, 2)
moments = st.dictionaries(names, st.tuples(st.sampled_from(DRIVERS), steering), max_size=20)


def write(folder: Path, text: str | bytes) -> Path:
    content = text.encode() if isinstance(text, str) else text
    (folder / WHO_DROVE.name).write_bytes(content)
    return folder


@given(said=moments)
def test_what_is_written_is_read_back(
    said: dict[str, tuple[str, float | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rec")
    with WHO_DROVE.open(folder) as log:
        for name, (driver, answer) in said.items():
            log.append(name, {"driver": driver, "pilot_steering": answer})
    found = read_who_drove(folder)
    assert list(found) == list(said)
    for name, (driver, answer) in said.items():
        assert found[name].driver == driver
        assert found[name].pilot_steering == (
            None if answer is None else pytest.approx(answer, abs=1e-6)
        )


@given(content=st.binary(max_size=300))
def test_nothing_but_a_clear_error_comes_of_any_bytes(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for start in (b"", HEADER.encode()):
        folder = write(tmp_path_factory.mktemp("rec"), start + content)
        with contextlib.suppress(RecordingError):
            assert all(said.driver in DRIVERS for said in read_who_drove(folder).values())


@given(kept=st.integers(0, 200))
def test_a_kill_at_any_byte_loses_at_most_one_row(
    kept: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rec")
    with LONGER.open(folder) as log:
        for row in range(5):
            log.append(f"center_{row}.jpg", {"driver": "pilot", "cte_m": row / 10})
    path = folder / WHO_DROVE.name
    content = path.read_bytes()
    path.write_bytes(content[:kept])
    with LONGER.open(folder) as log:
        log.append("center_9.jpg", {"driver": "person", "cte_m": 1.0})
    rows = max(0, content[:kept].count(b"\n") - 1)
    assert list(read_who_drove(folder)) == [
        *(f"center_{i}.jpg" for i in range(rows)),
        "center_9.jpg",
    ]


def test_a_last_row_without_a_line_break_is_no_row(tmp_path: Path) -> None:
    write(tmp_path, HEADER + "a.jpg,person,0.5\nb.jpg,pilot,-0.12")
    assert read_who_drove(tmp_path) == {"a.jpg": WhoDrove("person", 0.5)}


def test_logs_of_other_programs_are_understood(tmp_path: Path) -> None:
    """A byte order mark, Windows's line breaks and folders, an empty line, more columns."""
    text = "center,driver,pilot_steering,lap\r\nC:\\a b\\IMG\\c.jpg, person ,,2\r\n\r\n"
    write(tmp_path, b"\xef\xbb\xbf" + text.encode())
    assert read_who_drove(tmp_path) == {"c.jpg": WhoDrove("person", None)}


def test_an_answer_that_is_no_number_counts_as_none(tmp_path: Path) -> None:
    with WHO_DROVE.open(tmp_path) as log:
        log.append("a.jpg", {"driver": "expert", "pilot_steering": math.nan})
    assert read_who_drove(tmp_path)["a.jpg"].pilot_steering is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must begin with center and name driver, pilot_steering. Got ''"),
        ("driver,center\n", "the first line must begin with .* Got 'driver,center'"),
        (HEADER + "a.jpg,person\n", r"line 2 must have 3 cells, .* Got 2: 'a.jpg,person'"),
        (
            HEADER + "a.jpg,ghost,\n",
            "line 2: driver must be person, .* Got 'ghost'",
        ),
        (HEADER + "a.jpg,pilot,left\n", "line 2: pilot_steering must be a finite .* Got 'left'"),
        (HEADER + "a.jpg,pilot,nan\n", "line 2: pilot_steering must be a finite .* Got 'nan'"),
        (HEADER + ",pilot,0\n", "line 2 names no center image"),
        (
            HEADER + "a.jpg,pilot,0\na.jpg,person,0\n",
            "line 3 is about a.jpg, of which a",
        ),
        (HEADER.encode() + b"\xff\xfe\n", "is no text"),
    ],
)
def test_what_is_wrong_is_said(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=message):
        read_who_drove(write(tmp_path, text))


def test_a_recording_without_it_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=f"no {WHO_DROVE.name} in it, so nothing says where"):
        read_who_drove(tmp_path)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be written .* folder that you may write to"):
        WHO_DROVE.open(tmp_path / "nowhere")
    log = WHO_DROVE.open(tmp_path)
    with log, pytest.raises(RecordingError, match="driver must be person, .* Got 'nobody'"):
        log.append("a.jpg", {"driver": "nobody"})
    with pytest.raises(RecordingError, match="is closed"):
        log.append("a.jpg", {"driver": "pilot"})
    with pytest.raises(RecordingError, match="has other columns than center,.*,cte_m"):
        LONGER.open(tmp_path)
    assert read_who_drove(tmp_path) == {}


def test_a_full_disk_leaves_the_rows_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all = os.write
    with WHO_DROVE.open(tmp_path) as log:
        log.append("a.jpg", {"driver": "pilot"})
        monkeypatch.setattr(os, "write", lambda file, row: write_all(file, row[:7]))
        with pytest.raises(RecordingError, match="The rows before are safe"):
            log.append("b.jpg", {"driver": "pilot"})
        monkeypatch.undo()
        log.append("c.jpg", {"driver": "person"})
    assert list(read_who_drove(tmp_path)) == ["a.jpg", "c.jpg"]


def test_columns_are_read_by_their_names(tmp_path: Path) -> None:
    """Whatever order they have, and whatever strangers wrote beside them."""
    (tmp_path / PREDICTIONS.name).write_text("center,x,lap,latency_ms\na.jpg,?,2,\nb.jpg,,,1.5\n")
    rows = list(PREDICTIONS.rows(tmp_path, "latency_ms", "lap"))
    assert rows == [("a.jpg", None, 2.0), ("b.jpg", 1.5, None)]


def test_a_copy_names_the_images_anew_and_keeps_strangers_columns(tmp_path: Path) -> None:
    write(tmp_path, "center,driver,pilot_steering,mood\nIMG/a.jpg,person,,ü\nb.jpg,pilot,0.5,x\n")
    (tmp_path / "copy").mkdir()
    copy_tables(tmp_path / "copy", [(tmp_path, {"a.jpg": "z.jpg"})])
    copied = (tmp_path / "copy" / WHO_DROVE.name).read_text(encoding="utf-8")
    assert copied == "center,driver,pilot_steering,mood\nz.jpg,person,,ü\n"

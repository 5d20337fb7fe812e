"""Which rows are meant: by line, time and condition; and that no condition does anything else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import make_recording

from ghostlap.base.errors import RecordingError
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import Recording
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH, WHO_DROVE
from ghostlap.data.row_choice import MOST_CHARACTERS, rows_where


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Forty rows, 70 ms apart; a person drove the first ten, and nobody knows of the last."""
    folder = make_recording(tmp_path_factory.mktemp("choice") / "rec", rows=40, header=True)
    found = read_recording(folder)
    centers = [Path(path).name for path in found.frames["center"]]
    with WHO_DROVE.open(folder) as drove, GROUND_TRUTH.open(folder) as truth:
        for row, center in enumerate(centers[:-1]):
            driver = "person" if row < 10 else "pilot"
            drove.append(center, {"driver": driver, "pilot_steering": row / 10})
            truth.append(center, {"track": "lake", "cte_m": row - 20.0})
    return found


def chosen(recording: Recording, where: str) -> list[int]:
    return np.flatnonzero(rows_where([recording], where)[0]).tolist()


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("2:4", [0, 1, 2]),  # lines: the first is the header
        ("3", [1]),
        (":3", [0, 1]),
        ("40:", [38, 39]),
        (" 41 : 99 ", [39]),
        ("0s:0.14s", [0, 1, 2]),
        ("0.07:0.14s", [1, 2]),
        ("2.7s:", [39]),
        ("line < 4", [0, 1]),
        ("time_s > 2.7", [39]),
        ("driver == 'person' and not line > 3", [0, 1]),
        ("abs(cte_m) < 1", [20]),
        ("-1 <= cte_m <= 1 or line == 2", [0, 19, 20, 21]),
        ("pilot_steering * 10 >= 38", [38]),
        ("track != 'lake'", [39]),
    ],
)
def test_rows_are_meant(recording: Recording, where: str, rows: list[int]) -> None:
    assert chosen(recording, where) == rows


def test_a_condition_on_the_log_itself(recording: Recording) -> None:
    steering = recording.frames["steering"].to_numpy()
    assert chosen(recording, "steering != 0") == np.flatnonzero(steering).tolist()
    both = (np.abs(steering) > 0.3) & (recording.frames["speed_mph"].to_numpy() > 28)
    assert chosen(recording, "abs(steering) > .3 and speed_mph>28") == np.flatnonzero(both).tolist()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("50:60", "means no row. .* has line 2 to 41, 0s to 2.73s, steering -0.39"),
        ("9s:", "means no row"),
        ("steering > 2", "means no row"),
        (
            "steerin > 0",
            r"no column 'steerin' \(did you mean steering\?\); there are steering, thr",
        ),
        ("steering = 0", "says nothing about rows: .*Name lines, seconds or a condition: 120:340"),
        ("steering", "neither true nor false"),
        ("1 == 1", "neither true nor false"),
        ("driver > 3", "says nothing about rows"),
        ("driver * 99999 == 'person'", "a text can only be compared"),
        ("driver == 'x' * 999999999", "a text can only be compared"),
        ("steering ** 9 > 1", "may not hold"),
        ("steering.size > 1", "may not hold 'steering.size'"),
        ("__import__('os').system('x')", "the only function is abs"),
        ("abs(steering).max() > 0", "the only function is abs"),
        ("abs > 1", "abs is a function"),
        ("@steering > 1", "says nothing about rows"),
        ("`steering` > 1", "says nothing about rows"),
        ("[x for x in (1, 2)]", "may not hold"),
        ("(lambda: 1)() == 1", "the only function is abs"),
        ("steering > 1j", "may not hold 1j"),
        ("(" * 150 + "1" + ")" * 150, "says nothing about rows"),
        ("-" * 250 + "steering > 0", None),
        ("steering > " + "1" * (MOST_CHARACTERS - 20), "means no row"),
        ("x" * (MOST_CHARACTERS + 1), "more than 300 characters"),
        ("", "says nothing about rows"),
    ],
)
def test_what_means_no_rows_is_told(recording: Recording, where: str, said: str | None) -> None:
    if said is None:
        assert chosen(recording, where)
        return
    with pytest.raises(RecordingError, match=said):
        rows_where([recording], where)


def test_a_column_of_a_table_that_is_not_there(tmp_path: Path) -> None:
    recording = read_recording(make_recording(tmp_path / "rec", rows=3))
    with pytest.raises(
        RecordingError, match=r"no who_drove.csv in it, so nothing says where a person"
    ):
        rows_where([recording], "driver == 'person'")


WORDS = r"""steering driver line abs ( ) [ ] . , == < > and or not - + * ** / // @ ` ' " 1 2.5 1e999
    nan __class__ lambda : for in if else x := = & | ~ ; # \ True None f'{1}' is"""
words = st.sampled_from(WORDS.split())


@pytest.fixture(scope="module")
def happened() -> Iterator[list[str]]:
    """What Python is asked to run, while the list is looked at; a hook of it stays for ever."""
    events: list[str] = []
    watching = True

    def look(event: str, _: object) -> None:
        if watching and event in ("exec", "import", "os.system", "subprocess.Popen"):
            events.append(event)

    sys.addaudithook(look)
    yield events
    watching = False


@given(text=st.lists(words, max_size=20).map(" ".join) | st.text(max_size=MOST_CHARACTERS + 2))
def test_of_any_text_nothing_comes_but_rows_or_an_error(
    recording: Recording, happened: list[str], text: str
) -> None:
    rows_where([recording], "abs(steering) < 9 and driver != ''")  # all is imported
    happened.clear()
    try:
        (mask,) = rows_where([recording], text)
        assert mask.shape == (40,)
        assert mask.any()
    except RecordingError:
        pass
    assert happened == []

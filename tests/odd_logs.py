"""Logs as no program should write them, and some do: every break, glued rows, decimal commas."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from recordings import WINDOWS, image_names

from ghostlap.data.recordings.log_table import DrivingLog

_NUMBERS = st.sampled_from(
    ["0.25,1,0,30.19029", "0,1,0,29", "-0,25,1,0,30,2", "0,1,0,0,5,2", "0,1,0,0,30,2", "nan,1,0,30",
     "left,1,0,30", "0.5,1,0,1.736906E-05", "1,2,3", '"0,5",1,0,"30,2"', "7,-inf,0,31"]
)  # fmt: skip
_FOLDERS = st.sampled_from(["IMG/", "", WINDOWS, "C:\\data, new, 3\\IMG\\", "/b/IMG/", " x\u2028/"])
_BREAKS = st.sampled_from(
    ["\n"] * 5 + ["\r\n", "\r\n", "\r", "\r", "", "", " ", "\r\r\n", "\n\n", "\v", "\f", "\x85",
                  "\u2028", "\0\0\0", "\ufeff", "\x1c", ",", ";\n", "\t"]
)  # fmt: skip
_JUNK = st.sampled_from(
    ["center,left,right,steering,throttle,brake,speed", "IMG/center_2024", "a.jpg,b.jpg,c.jpg,1",
     ",", '"', "\0\0\0\0", "x.jpg,,,", '"a, b.jpg",,"c""d.png",1,0,0,3', "ü.jpg,,,0,0,0,5",
     "a.jpg" * 60 + ",,,0,0,0,1"]
)  # fmt: skip


@st.composite
def _row(draw: st.DrawFn) -> str:
    index, folder = draw(st.integers(0, 30)), draw(_FOLDERS)
    names = image_names(index) if draw(st.booleans()) else (f"{index}.jpg", "", f"r{index}.PNG")
    return ",".join(folder + name if name else "" for name in names) + "," + draw(_NUMBERS)


@st.composite
def _log(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.tuples(_row() | _row() | _row() | _JUNK, _BREAKS), max_size=12))
    data = "".join(line + end for line, end in lines).encode()
    data = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])) + data
    return data[: len(data) - draw(st.sampled_from([0, 0, 0, 1, 2, 5, 9, 30]))]


ODD_LOGS = _log()


def rows_of(log: DrivingLog) -> list[tuple[object, ...]]:
    """What is read of each row, to be compared."""
    return [
        tuple(names[row] for names in log.names)
        + tuple("nan" if math.isnan(column[row]) else column[row] for column in log.numbers)
        + (log.times_ms[row],)
        for row in range(len(log))
    ]

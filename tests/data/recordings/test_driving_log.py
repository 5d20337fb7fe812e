from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_logs import ODD_LOGS, rows_of
from recordings import WINDOWS, image_names, log_lines

from ghostlap.base.errors import RecordingError
from ghostlap.data.recordings import log_table
from ghostlap.data.recordings.driving_log import parse_log, read_log
from ghostlap.data.recordings.image_names import NO_TIME, stamp_of, time_ms_of
from ghostlap.data.recordings.lines import lines_of
from ghostlap.data.recordings.log_table import DrivingLog

NUMBERS = "0.25,1,0,30.19029"
ORIGINS = {
    "windows": "C:\\Users\\Amer\\Desktop\\new_track\\IMG\\",
    "windows with a space": WINDOWS,
    "windows with commas": "C:\\data, new, 3\\IMG\\",
    "linux": "/home/b-sh/track2_new/IMG/",
    "mac": "/Users/Ann/Desktop/IMG/",
    "relative": "IMG/",
    "leading space": " IMG/",
    "bare": "",
}


def parse(text: str) -> DrivingLog:
    return parse_log(text.encode().splitlines(keepends=True))


def row(origin: str = "IMG/", numbers: str = NUMBERS, index: int = 0) -> str:
    return ",".join(origin + name for name in image_names(index)) + f",{numbers}\n"


def numbers_of(log: DrivingLog, index: int = 0) -> tuple[float, ...]:
    return tuple(values[index] for values in log.numbers)


def kinds(log: DrivingLog) -> list[str]:
    return [note.kind for note in log.notes]


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS)
def test_only_the_file_name_counts(origin: str) -> None:
    log = parse(row(origin))
    assert [column[0] for column in log.names] == list(image_names(0))
    assert numbers_of(log) == (0.25, 1, 0, 30.19029)
    assert log.notes == []


def test_header_bom_quotes_and_crlf() -> None:
    header = "\ufeffcenter,left,right,steering,throttle,reverse,speed\r\n"
    quoted = ",".join(f'"{cell}"' for cell in row(WINDOWS).strip().split(",")) + "\r\n"
    whole_line_quoted = '"' + row(WINDOWS, index=1).strip() + '"\r\n'
    log = parse(header + quoted + whole_line_quoted)
    assert len(log) == 2
    assert list(log.lines) == [2, 3]
    assert numbers_of(log, 1) == (0.25, 1, 0, 30.19029)
    assert log.origins == [WINDOWS.rstrip("\\")]


def test_a_header_in_the_middle_is_noted() -> None:
    log = parse(row() + "center,left,right,steering,throttle,brake,speed\n" + row(index=1))
    assert len(log) == 2
    assert kinds(log) == ["header"]


def test_the_time_stands_in_the_name() -> None:
    assert time_ms_of("center_1970_01_01_00_00_01_234.jpg") == 1234
    assert stamp_of(1234) == "1970_01_01_00_00_01_234"
    assert time_ms_of("center_2018_13_45_00_00_01_234.jpg") == NO_TIME
    assert time_ms_of("frame7.jpg") == NO_TIME


def test_a_camera_may_lack_its_image() -> None:
    log = parse(f"IMG/center_1.jpg,,,{NUMBERS}\n")
    assert [column[0] for column in log.names] == ["center_1.jpg", "", ""]


def test_rows_glued_where_one_recording_had_no_final_newline() -> None:
    first = "".join(log_lines(20, origin=ORIGINS["windows"]))
    second = "".join(log_lines(20, origin="/home/b/IMG/", first=20))
    log = parse(first.rstrip("\n") + second)
    assert len(log) == 40
    assert kinds(log) == ["glued"]
    assert list(log.lines[18:22]) == [19, 20, 20, 21]
    assert numbers_of(log, 19)[3] == 12.34567
    assert log.names[0][20] == image_names(20)[0]


def test_two_rows_of_cells_on_one_line_are_taken_apart() -> None:
    log = parse(row().strip() + "," + row(index=1))
    assert len(log) == 2
    assert kinds(log) == ["glued"]


def test_text_for_a_number_is_nan_and_noted() -> None:
    log = parse(row(numbers="left,1,0,30"))
    assert numbers_of(log)[0] != numbers_of(log)[0]
    assert "no number: 'left'" in log.notes[0].message


def test_values_out_of_range_are_kept() -> None:
    log = parse(row(numbers="7,nan,-inf,-3"))
    assert numbers_of(log)[0] == 7
    assert numbers_of(log)[2:] == (float("-inf"), -3)
    assert log.notes == []


# Decimal commas


@pytest.mark.parametrize(
    ("numbers", "read"),
    [
        ("0,1,0,30,19029", (0, 1, 0, 30.19029)),
        ("-0,1899052,1,0,30,20197", (-0.1899052, 1, 0, 30.20197)),
        ("0,05,0,4,0,25,12,5", (0.05, 0.4, 0.25, 12.5)),
        ("0,0,0,5,239444E-05", (0, 0, 0, 5.239444e-05)),
        ("\u22120,5,1,0,30,19029", (-0.5, 1, 0, 30.19029)),
        ('"0,5",1,0,"30,2"', (0.5, 1, 0, 30.2)),
        ("0/5,1,0,30/2", (0.5, 1, 0, 30.2)),
    ],
)
def test_decimal_commas_are_mended(numbers: str, read: tuple[float, ...]) -> None:
    log = parse(row(numbers=numbers))
    assert numbers_of(log) == read
    assert kinds(log) == ["mended"]


@given(st.integers(2, 6), st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 30)),
                                   min_size=1, max_size=6))  # fmt: skip
def test_decimal_commas_of_as_many_digits_for_every_number(
    digits: int, driven: list[tuple[float, float, float]]
) -> None:
    written = [
        [f"{value:.{digits}f}" for value in (steering, throttle, 0.0, speed_mph)]
        for steering, throttle, speed_mph in driven
    ]
    log = parse("".join(row(numbers=",".join(one).replace(".", ","), index=index)
                        for index, one in enumerate(written)))  # fmt: skip
    assert [numbers_of(log, i) for i in range(len(log))] == [tuple(map(float, w)) for w in written]


@pytest.mark.parametrize("digits", ["", ".2f", ".4f"])
def test_decimal_commas_beside_the_number_of_the_lap_are_never_guessed(digits: str) -> None:
    driven = [(0, 0, 0, 0.5 * index) for index in range(9)] + [(-0.15, 0.5, 0, 4.75)]
    lines = [
        row(
            numbers=",".join(f"{value:{digits}}" for value in one).replace(".", ",") + ",1", index=i
        )
        for i, one in enumerate(driven)
    ]
    with pytest.raises(RecordingError, match="cannot be told from cells after the seventh") as told:
        parse("".join(lines))
    assert "With semicolons between cells it can be read" in str(told.value)
    told_apart = ""
    for line, numbers in zip(lines, driven, strict=True):
        texts = [f"{value:{digits}}".replace(".", ",") for value in numbers]
        told_apart += ";".join([*line.split(",")[:3], *texts, "1"]) + "\n"
    log = parse(told_apart)
    assert [numbers_of(log, i) for i in range(len(log))] == driven


def test_a_spreadsheet_with_semicolons() -> None:
    cells = [*image_names(0), "-0,25", "1", "0", "30,19"]
    assert numbers_of(parse(";".join(cells) + "\n")) == (-0.25, 1, 0, 30.19)


AMBIGUOUS = "0,1,0,0,5,2"  # 0.1 0 0.5 2, or 0.1 0 0 5.2


def test_an_ambiguous_row_is_left_out_and_said() -> None:
    log = parse(row(numbers=AMBIGUOUS) + "\n" * 3 + row(numbers="0,1,0,30,19029", index=99))
    assert len(log) == 1
    assert kinds(log) == ["ambiguous", "mended"]
    assert "0.1 0 0.5 2 or 0.1 0 0 5.2; left out" in log.notes[0].message


def test_the_speed_before_and_after_decides_an_ambiguous_row() -> None:
    log = parse(
        row(numbers="0,1,0,7,123456", index=0)
        + row(numbers=AMBIGUOUS, index=1)
        + row(numbers="0,1,0,5,123456", index=2)
    )
    assert numbers_of(log, 1) == (0.1, 0, 0, 5.2)


def with_decimal_commas(line: bytes) -> bytes:
    cells = line.split(b",")
    return b",".join([*cells[:3], *(cell.replace(b".", b",") for cell in cells[3:])])


@pytest.mark.parametrize("name", ["udacity-track1", "udacity-jungle"])
def test_a_real_log_as_a_german_machine_writes_it(shared_data: Path, name: str) -> None:
    path = shared_data / name / "driving_log.csv"
    truth = read_log(path)
    lines = path.read_bytes().splitlines(keepends=True)
    log = parse_log(map(with_decimal_commas, lines))
    place = {line: index for index, line in enumerate(log.lines)}
    kept = [i for i, line in enumerate(truth.lines) if line in place]
    wrong = sum(numbers_of(truth, i) != numbers_of(log, place[truth.lines[i]]) for i in kept)
    left_out = len(truth) - len(kept)
    print(f"{name}: {len(kept) - wrong} right, {left_out} left out, {wrong} wrong")
    assert (wrong, left_out) == (0, 0)


pedal = st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1, width=32))


@given(st.floats(-1, 1, width=32), pedal, pedal, st.floats(0, 31, width=32))
def test_a_mended_row_is_never_a_wrong_one(
    steering: float, throttle: float, brake: float, speed_mph: float
) -> None:
    values = [f"{value:.7g}" for value in (steering, throttle, brake, speed_mph)]
    values = ["0" if value == "-0" else value.upper() for value in values]
    commas = ",".join(values).replace(".", ",")
    try:
        log = parse(row(numbers=commas))
    except RecordingError as ambiguous:  # and no neighbours to decide it
        message = str(ambiguous)
        log = None
    assert numbers_of(log) == tuple(map(float, values)) if log else "for certain" in message


# Cut off


def test_a_log_cut_at_any_byte_loses_at_most_its_last_row() -> None:
    text = "".join(log_lines(12, speed_mph=17.00781)).encode()
    whole = parse_log(text.splitlines(keepends=True))
    two_rows = len("".join(log_lines(2, first=10)))
    for end in range(len(text) - two_rows, len(text) + 1):
        log = parse_log(text[:end].splitlines(keepends=True))
        complete = text[:end].count(b"\n")
        assert len(log) in (complete, complete + 1)
        for index in range(len(log)):
            assert numbers_of(log, index) == numbers_of(whole, index)
            assert log.names[2][index] == whole.names[2][index]


def test_a_last_row_without_newline_is_kept_if_it_is_whole() -> None:
    text = "".join(log_lines(5))
    assert len(parse(text.rstrip("\n"))) == 5
    cut = parse(text[:-4])
    assert len(cut) == 4
    assert "may be cut off" in cut.notes[0].message


def test_a_last_row_whose_speed_jumps_is_left_out() -> None:
    text = "".join(log_lines(5)) + row(numbers="0,0,0,9.876543", index=5).rstrip("\n") + "\n"
    assert len(parse(text)) == 6
    jump = "".join(log_lines(5)) + row(numbers="0,0,0,1.736906", index=5).rstrip("\n")
    assert len(parse(jump)) == 5


# Errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the log is empty"),
        ("\n \n", "the log is empty"),
        ("center,left,right,steering,throttle,brake,speed\n", "a header but no rows"),
        ("a.jpg,b.jpg,c.jpg,0,0,0\n" * 2, r"A row must have 7 cells.*Line 1 has 6: 'a.jpg"),
        ("a.jpg,b.jpg,0,0,0,1\n" * 2, "Line 1 has 6"),
        ("x,y\n1,2\n", "No row of 2 lines can be read"),
        ("\0\1\2MZ", "not a text file"),
        ("left,center,right,steering,throttle,brake,speed\n", "a header but no rows"),
        (
            "center,left,wheel,gas\na.jpg,b.jpg,1,2\n",
            "which column is the steering[?] It has center, left, wheel",
        ),
        ("angle,center,steering,speed,steering\n?\n", "It may be steering, steering"),
        ("PK\3\4", "an Excel workbook"),
    ],
)
def test_an_unusable_log_says_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "driving_log.csv"
    path.write_text(text)
    with pytest.raises(RecordingError, match=message):
        read_log(path)


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "driving_log.csv"
    path.write_text(row() + "x" * 70_000)
    with pytest.raises(RecordingError, match="line 2: a line may have at most 65536 bytes"):
        read_log(path)


def test_some_unreadable_rows_do_not_lose_the_others() -> None:
    log = parse(row() + "junk\n" + "a.jpg,b.jpg,c.jpg,0,0,0\n" + row(index=1))
    assert len(log) == 2
    assert [(note.line, note.kind) for note in log.notes] == [(2, "unreadable"), (3, "unreadable")]


def test_a_row_behind_a_cut_off_one_is_found() -> None:
    log = parse(row().strip()[:60] + row(WINDOWS, index=1))
    assert [column[0] for column in log.names] == list(image_names(1))


def test_notes_are_bounded() -> None:
    log = parse(row() + "junk" * 1000 + "\n")
    assert len(log.notes[0].text) <= 100
    with pytest.raises(RecordingError, match="Only 1 rows of"):
        parse(row() + "junk\n" * 10_001)


cells = st.text(alphabet='0123456789.,;E-+\\/:" aIMGjpgn\t\0\ufeff\u2212é', max_size=60)
fragments = st.sampled_from([*ORIGINS.values(), *image_names(0), NUMBERS, ",", "\n", "\r\n", "."])


@settings(max_examples=300)
@given(st.lists(st.one_of(cells, fragments), max_size=30).map("".join))
def test_whatever_stands_in_a_log_only_a_recording_error_comes_out(text: str) -> None:
    with contextlib.suppress(RecordingError):
        log = parse(text)
        assert len(log) >= 1
        assert all(len(column) == len(log) for column in (*log.names, *log.numbers, log.times_ms))
        assert all(name.isprintable() for column in log.names for name in column)


@given(st.binary(max_size=400))
def test_whatever_bytes_stand_in_a_log(data: bytes) -> None:
    with contextlib.suppress(RecordingError):
        parse_log(data.splitlines(keepends=True))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(ORIGINS.values())),
            st.floats(-1, 1, width=32),
            st.sampled_from(["\n", "\r\n"]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_mix_of_machines_comes_back(drives: list[tuple[str, float, str]]) -> None:
    text = "".join(
        row(origin, f"{steering},1,0,30.25", index).rstrip("\n") + end
        for index, (origin, steering, end) in enumerate(drives)
    )
    log = parse(text)
    assert list(log.numbers[0]) == [steering for _, steering, _ in drives]
    assert log.names[0] == [image_names(index)[0] for index in range(len(drives))]
    assert log.notes == []


# Lines


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_a_line_ends_with_any_line_break(line_break: str, tmp_path: Path) -> None:
    log = tmp_path / "driving_log.csv"
    log.write_text("".join(log_lines(2000)).replace("\n", line_break), newline="")
    read = read_log(log)
    assert rows_of(read) == rows_of(parse("".join(log_lines(2000))))
    assert read.notes == []


@pytest.mark.parametrize("mark", ["\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_what_only_some_programs_take_for_a_break_is_none(mark: str, tmp_path: Path) -> None:
    log = tmp_path / "driving_log.csv"
    log.write_text(f"{mark}/drive/".join(["", *log_lines(3)]), encoding="utf-8")
    assert list(read_log(log).lines) == [1, 2, 3]


@settings(max_examples=50)
@given(ODD_LOGS, st.integers(1, 40))
def test_it_makes_no_difference_how_a_log_is_read_from_the_disk(data: bytes, block: int) -> None:
    class Dribbling(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(block)

    assert list(lines_of(Dribbling(data), "log")) == data.splitlines(keepends=True)


def test_the_memory_that_a_log_takes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_table, "MAX_HELD_BYTES", 20_000)
    plain = [line.encode() for line in log_lines(120)]
    assert len(parse_log(plain)) == 120
    for held in (
        [line.encode() for line in log_lines(200)],
        [row(numbers=AMBIGUOUS, index=k).encode() for k in range(20)],
        [row(numbers="0,1,0,30,19029", index=k).encode() for k in range(60)],
        [f"{'a' * 200}{k}.jpg,,,0,0,0,0\n".encode() for k in range(100)],
        [b"what is this?\n"] * 60,
        [b"a.jpg,b.jpg,c.jpg,0,0,0,17IMG/"] * 90,
    ):
        with pytest.raises(RecordingError, match="Cut it into several recordings"):
            parse_log(held)
    monkeypatch.setattr(log_table, "MAX_ROWS", 100)
    with pytest.raises(RecordingError, match="at most 100 rows"):
        parse_log(plain)


def test_a_name_that_no_file_can_have_is_no_row() -> None:
    log = parse(row() + f"{'ü' * 130}.jpg,,,0,1,0,3\n")
    assert (len(log), kinds(log)) == (1, ["unreadable"])


def test_a_number_without_end_is_read_at_once() -> None:
    """Digits may be shared out between two places of a pattern in as many ways as there are."""
    endless = "9" * 30_000 + "x"
    line = f"IMG/c.jpg,IMG/l.jpg,IMG/r.jpg,{endless},1,0,{endless}\n"
    good = "IMG/c.jpg,IMG/l.jpg,IMG/r.jpg,0.5,1,0,3\n"
    assert len(parse(line + good).lines) >= 1

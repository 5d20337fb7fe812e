"""Tracks from CSV files: every dialect of the format, and every way in which a file is none."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import SHARED
from systems import why_not_there

from ghostlap.base.errors import TrackError
from ghostlap.sim.track import track_file
from ghostlap.sim.track.corner_path import Corner, line_through
from ghostlap.sim.track.track import Edge, Floats, Surface
from ghostlap.sim.track.track_file import track_from_csv

FORMAT = (
    "A track is a CSV file with columns x_m,y_m,w_tr_right_m,w_tr_left_m, one row for each point."
)
HEADER = "# x_m,y_m,w_tr_right_m,w_tr_left_m\n"
CIRCUITS = SHARED / "circuits"


def oval(count: int = 120, noise_m: float = 0.0) -> Floats:
    """Rows of a course 200 by 120 m, counterclockwise, 4 m wide to the right and 5 to the left."""
    angle = np.arange(count) * (2 * np.pi / count)
    line = np.stack([100 * np.cos(angle), 60 * np.sin(angle)], -1)
    line = line + np.random.default_rng(1).normal(0, noise_m, line.shape)
    return np.column_stack([line, np.full(count, 4.0), np.full(count, 5.0)])


def text_of(rows: Floats, separator: str = ",") -> str:
    return "".join(separator.join(f"{value:.6f}" for value in row) + "\n" for row in rows)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "oval.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(TrackError) as caught:
        track_from_csv(path)
    return str(caught.value)


def test_a_file_is_a_flat_circuit_with_white_lines(tmp_path: Path) -> None:
    track = track_from_csv(written(tmp_path, HEADER + text_of(oval())))
    assert (track.name, track.theme, track.markings) == ("oval", "circuit", "white_edges")
    assert track.length_m == pytest.approx(511, abs=2)
    assert np.ptp(track.elevation_m) == 0
    assert set(track.surface) == {Surface.ROAD}
    assert set(track.edge_left) == set(track.edge_right) == {Edge.LINED}
    left_m, right_m = track.half_widths(track.stations_s_m)
    assert left_m == pytest.approx(5.0)
    assert right_m == pytest.approx(4.0)
    assert np.abs(track.curvature(track.start_s_m)) < 1 / 120


@pytest.mark.parametrize(
    "text",
    [
        text_of(oval()),
        HEADER.removeprefix("# ") + text_of(oval()),
        HEADER.replace(",", "; ") + text_of(oval(), " ;\t"),
        "\ufeff# a comment\n\n" + HEADER + "# another\n" + text_of(oval()).replace("\n", "\r\n"),
        HEADER + text_of(np.concatenate([oval(), oval()[:1]])),
        HEADER + text_of(np.repeat(oval(), 2, axis=0)),
        "# s_m; w_tr_left_m; w_tr_right_m; y_m; x_m; v_mps\n"
        + text_of(np.column_stack([np.zeros(120), oval()[:, ::-1], np.ones(120)]), ";"),
    ],
    ids=["bare", "plain header", "semicolons", "comments", "closing row", "repeats", "order"],
)
def test_every_dialect_says_the_same(tmp_path: Path, text: str) -> None:
    usual = track_from_csv(written(tmp_path, HEADER + text_of(oval())))
    track = track_from_csv(written(tmp_path, text))
    for name in ("points_m", "half_left_m", "half_right_m"):
        assert getattr(track, name) == pytest.approx(getattr(usual, name), abs=1e-9)


def test_noise_is_smoothed_away_and_the_line_stays(tmp_path: Path) -> None:
    clean = track_from_csv(written(tmp_path, text_of(oval())))
    noisy = track_from_csv(written(tmp_path, text_of(oval(noise_m=0.05))))
    s_m = clean.stations_s_m
    line = noisy.position(s_m * noisy.length_m / clean.length_m)
    place = clean.locate(line[:, 0], line[:, 1], 0.0)
    assert np.abs(place.cte_m).max() < 0.15
    assert np.abs(noisy.curvature(s_m)).max() < 1.5 * np.abs(clean.curvature(s_m)).max()


def test_widths_change_along_the_road(tmp_path: Path) -> None:
    rows = oval()
    rows[:60, 3] = 8.0
    track = track_from_csv(written(tmp_path, text_of(rows)))
    at_m = track.length_m * np.array([0.25, 0.75])
    assert track.half_widths(at_m)[0] == pytest.approx([8, 5], abs=0.01)


def test_small_tracks_for_small_cars(tmp_path: Path) -> None:
    """F1TENTH's are a tenth of a circuit's size."""
    track = track_from_csv(written(tmp_path, text_of(oval() * 0.15)))
    assert track.length_m == pytest.approx(76.6, abs=0.5)


@pytest.mark.skipif(not CIRCUITS.is_dir(), reason=f"no circuits in {CIRCUITS}")
@pytest.mark.parametrize(
    ("name", "length_m"),
    [("Budapest", 4376), ("Monza", 5789), ("Norisring", 2292), ("Spa", 6999), ("Zandvoort", 4315)],
)
def test_real_circuits(name: str, length_m: float) -> None:
    track = track_from_csv(CIRCUITS / f"{name}.csv")
    assert track.length_m == pytest.approx(length_m, abs=2)
    given_m = np.loadtxt(CIRCUITS / f"{name}.csv", delimiter=",")
    assert np.abs(track.locate(given_m[:, 0], given_m[:, 1], 0.0).cte_m).max() < 1.0
    ahead = track.start_s_m + np.linspace(-20, 20, 41)
    assert np.abs(track.curvature(ahead)).max() < 1 / 300


def test_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert refusal(path) == f"{path}: cannot be read ({why_not_there(path)}). {FORMAT}"
    assert (
        refusal(tmp_path)
        == f"{tmp_path}: cannot be read (must be a file, and is a folder). {FORMAT}"
    )


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = written(tmp_path, b"1,2,3,4\n\xff\xd8\xff")
    assert refusal(path) == f"{path}: not a text file, at byte 8. {FORMAT}"


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_file, "LARGEST_FILE_BYTES", 2**20)
    path = written(tmp_path, b"#" * (2**20 + 1))
    assert refusal(path) == f"{path}: the file is larger than 1 MiB. {FORMAT}"


def test_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_file, "MOST_ROWS", 119)
    path = written(tmp_path, text_of(oval()))
    assert refusal(path) == f"{path}: more than 119 rows. Thin the points out."
    monkeypatch.setattr(track_file, "MOST_ROWS", 120)
    track_from_csv(path)


def test_a_header_without_a_column(tmp_path: Path) -> None:
    path = written(tmp_path, "# x_m,y_m,width\n" + text_of(oval()))
    assert refusal(path) == f"{path}: the header lacks w_tr_right_m, w_tr_left_m. {FORMAT}"


def test_a_row_that_is_too_short(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "1,2,3,4\n1,2,3\n")
    assert refusal(path) == f"{path}, line 3: a row needs at least 4 values. Got 3. {FORMAT}"


@pytest.mark.parametrize("row", ["a,b,c,d", "1,2,,4", "1.0,2,3m,4", "x" * 100 + ",1,2,3"])
def test_a_row_that_is_not_numbers(tmp_path: Path, row: str) -> None:
    path = written(tmp_path, row + "\n")
    assert refusal(path) == f"{path}, line 1: a row must be numbers. Got {row[:60]!r}. {FORMAT}"


@pytest.mark.parametrize("text", ["", HEADER, "\n\n# nothing\n", "1,2,3,4\n", "1,2,3,4\n1,2,3,4\n"])
def test_a_file_with_hardly_a_row(tmp_path: Path, text: str) -> None:
    assert "oval: a track needs at least 4 points. Got " in refusal(written(tmp_path, text))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("nan,2,3,4", "oval: x of point 121 must be a number from -20000 to 20000, in metres."),
        ("1,1e999,3,4", "oval: y of point 121 must be a number"),
        ("1,2,-3,4", "oval: the road's width to the right of point 121 must be from 0.5 to 30 m"),
        ("1,2,3,0", "oval: the road's width to the left of point 121 must be from 0.5 to 30 m"),
    ],
)
def test_rows_that_no_road_has(tmp_path: Path, row: str, message: str) -> None:
    assert refusal(written(tmp_path, text_of(oval()) + row)).startswith(message)


def test_a_line_that_is_no_loop(tmp_path: Path) -> None:
    assert "is not closed" in refusal(written(tmp_path, text_of(oval()[:80])))


def test_a_line_that_crosses_itself_on_the_level(tmp_path: Path) -> None:
    """The car's place goes by the way driven, not by the nearest stretch; of made-up circuits."""
    rows = oval()
    rows[:, 1] = 60 * np.sin(2 * np.arange(120) * (2 * np.pi / 120))
    track = track_from_csv(written(tmp_path, text_of(rows)))
    at_s_m = [track.locate(0.0, 0.0, 0.0, np.array(near_s_m)).s_m
              for near_s_m in (track.length_m / 4 - 10, 3 * track.length_m / 4 - 10)]  # fmt: skip
    assert track.position(np.array(at_s_m)) == pytest.approx(np.zeros((2, 2)), abs=0.05)
    assert abs(at_s_m[0] - at_s_m[1]) == pytest.approx(track.length_m / 2, abs=1)


def test_a_road_wider_than_a_bend_is_cut_on_the_inside_of_it(tmp_path: Path) -> None:
    """A made-up bend; no real circuit that has one was tried."""
    corners = [Corner(0, 0, 40), Corner(250, 0, 6), Corner(120, 120, 40), Corner(0, 150, 60)]
    line = line_through(corners)
    rows = np.column_stack([line, np.full((len(line), 2), 7.5)])
    track = track_from_csv(written(tmp_path, text_of(rows)))
    bend = track.curvature(track.stations_s_m)
    left_m, right_m = track.half_widths(track.stations_s_m)
    assert 1 / bend.max() < 6
    assert left_m[bend.argmax()] < 1 / bend.max()
    assert right_m == pytest.approx(7.5)
    assert np.isclose(left_m, 7.5).mean() > 0.9


numbers = st.floats(-1e3, 1e3) | st.floats(allow_nan=True, allow_infinity=True)
widths = st.floats(0.5, 5) | st.floats()


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(numbers, numbers, widths, widths), max_size=12))
def test_any_numbers_are_a_track_or_refused(
    tmp_path: Path, rows: list[tuple[float, float, float, float]]
) -> None:
    path = written(tmp_path, "".join(",".join(map(repr, row)) + "\n" for row in rows))
    with contextlib.suppress(TrackError):
        track = track_from_csv(path)
        assert np.isfinite(track.stations_m).all()


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200) | st.text("0123456789.,;-e#\n\r xyw_tr", max_size=80))
def test_any_bytes_are_refused(tmp_path: Path, content: str | bytes) -> None:
    assert str(tmp_path) in (message := refusal(written(tmp_path, content))) or "oval" in message


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.floats(-5000, 5000),
    st.floats(-5000, 5000),
    st.floats(0.3, 3.0),
    st.integers(20, 200),
    st.sampled_from([",", ";", " , "]),
)
def test_what_was_written_is_read(
    tmp_path: Path, x_m: float, y_m: float, scale: float, count: int, separator: str
) -> None:
    rows = oval(count) * (scale, scale, 1, 1) + (x_m, y_m, 0, 0)
    track = track_from_csv(written(tmp_path, HEADER + text_of(rows, separator)))
    place = track.locate(rows[:, 0], rows[:, 1], 0.0)
    assert np.abs(place.cte_m).max() < 0.5
    assert np.all(track.curvature(track.stations_s_m) > 0)

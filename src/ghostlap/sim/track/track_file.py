"""Tracks from files: the CSV format of TUM's racetrack database and of F1TENTH.

Columns ``x_m,y_m,w_tr_right_m,w_tr_left_m``: the centre line and the widths to either edge, in
driving order, separated by commas or semicolons. A header, with or without ``#`` before it, may
name the columns in another order, and others among them. The line is smoothed over about half the
road's half width, because the noise of measurements would be felt as bends. Where a bend is tighter
than the road's half width, the road's inner side is cut; a road may cross itself on the level.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from ghostlap.base.errors import TrackError
from ghostlap.base.files import open_file
from ghostlap.sim.track.corner_path import POINT_SPACING_M, loop_length, straightest_s_m
from ghostlap.sim.track.track import Edge, Floats, Surface, Track
from ghostlap.sim.track.track_checks import check_points, check_track

COLUMNS = ("x_m", "y_m", "w_tr_right_m", "w_tr_left_m")
LARGEST_FILE_BYTES = 16 * 2**20
MOST_ROWS = 100_000

_FORMAT = f"A track is a CSV file with columns {','.join(COLUMNS)}, one row for each point."
_FITS, _CUT_TO = 0.995, 0.9
"""Half width on the inside of a bend as a share of what fits there: the most, and of a cut one."""
_SMOOTHED = 0.5
"""Standard deviation of the smoothing, as a share of the road's half width."""


def track_from_csv(path: Path) -> Track:
    """Read a track: flat, with white edge lines, named like the file without its ending.

    Raises:
        TrackError: the file cannot be read, or describes no valid track.
    """
    given = _track(path.stem, _without_repeats(_rows(path)))
    check_points(given)
    rows = _cut_inside(_smoothed(given))
    track = _track(path.stem, rows, straightest_s_m(rows[:, :2]))
    check_track(track, crossings=True)
    return track


def _track(name: str, rows: Floats, start_s_m: float = 0.0) -> Track:
    """A flat track through points with widths, columns in the order of :data:`COLUMNS`."""
    count = len(rows)
    return Track(
        name=name,
        theme="circuit",
        markings="white_edges",
        points_m=rows[:, :2],
        half_left_m=rows[:, 3],
        half_right_m=rows[:, 2],
        elevation_m=np.zeros(count),
        surface=np.full(count, Surface.ROAD, np.uint8),
        edge_left=np.full(count, Edge.LINED, np.uint8),
        edge_right=np.full(count, Edge.LINED, np.uint8),
        start_s_m=start_s_m,
    )


def _smoothed(given: Track) -> Floats:
    """Evenly spaced rows along a track, freed of the noise of its points."""
    half_m = float(np.mean([given.half_left_m, given.half_right_m]))
    spacing_m = min(POINT_SPACING_M, half_m / 2, given.length_m / 16)
    count = round(given.length_m / spacing_m)
    s_m = np.arange(count) * (given.length_m / count)
    half_left_m, half_right_m = given.half_widths(s_m)
    rows = np.column_stack([given.position(s_m), half_right_m, half_left_m])
    return np.asarray(gaussian_filter1d(rows, _SMOOTHED * half_m / spacing_m, axis=0, mode="wrap"))


def _cut_inside(rows: Floats) -> Floats:
    """Evenly spaced rows whose edges do not fold in bends.

    The largest circle that touches the line at a point from one side and has nothing of the bend
    within it reaches to where the bend's inner edges meet: its radius is the most that fits.
    """
    line, heading = rows[:, :2], np.roll(rows[:, :2], -1, axis=0) - np.roll(rows[:, :2], 1, axis=0)
    left = np.stack([-heading[:, 1], heading[:, 0]], -1)
    left /= np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-9)
    spacing_m = loop_length(line) / len(line)
    reach = min(math.ceil(2 * math.pi * rows[:, 2:].max() / spacing_m), (len(line) - 1) // 2)
    fits_m = np.full((len(line), 2), np.inf)  # to the right and to the left
    for ahead in (*range(-reach, 0), *range(1, reach + 1)):
        offset = np.roll(line, -ahead, axis=0) - line
        aside_m = (offset * left).sum(1)
        radius_m = (offset**2).sum(1) / np.maximum(2 * np.abs(aside_m), 1e-9)
        for side, is_there in enumerate((aside_m < 0, aside_m > 0)):
            fits_m[is_there, side] = np.minimum(fits_m, radius_m[:, None])[is_there, side]
    fits_m = minimum_filter1d(fits_m, 3, axis=0, mode="wrap")
    widths_m = rows[:, 2:]
    return np.column_stack([line, np.where(widths_m > _FITS * fits_m, _CUT_TO * fits_m, widths_m)])


def _rows(path: Path) -> Floats:
    """The table in a file, columns in the order of :data:`COLUMNS`."""
    order = list(range(len(COLUMNS)))
    rows: list[list[float]] = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        comment = line.lstrip().startswith("#")
        cells = [cell.strip() for cell in re.split("[,;]", line.lstrip("# \t"))]
        if COLUMNS[0] in cells and not rows:
            order = _order(path, cells)
        elif line.strip() and not comment:
            if len(rows) >= MOST_ROWS:
                raise TrackError(f"{path}: more than {MOST_ROWS} rows. Thin the points out.")
            rows.append(_row(f"{path}, line {number}", cells, order))
    return np.array(rows, float).reshape(-1, len(COLUMNS))


def _text(path: Path) -> str:
    try:
        with open_file(path) as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise TrackError(f"{path}: cannot be read ({error.strerror}). {_FORMAT}") from error
    if len(content) > LARGEST_FILE_BYTES:
        raise TrackError(
            f"{path}: the file is larger than {LARGEST_FILE_BYTES // 2**20} MiB. {_FORMAT}"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TrackError(f"{path}: not a text file, at byte {error.start}. {_FORMAT}") from error


def _order(path: Path, header: list[str]) -> list[int]:
    """Position of each of :data:`COLUMNS` in a header."""
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise TrackError(f"{path}: the header lacks {', '.join(missing)}. {_FORMAT}")
    return [header.index(name) for name in COLUMNS]


def _row(where: str, cells: list[str], order: list[int]) -> list[float]:
    if len(cells) <= max(order):
        raise TrackError(
            f"{where}: a row needs at least {max(order) + 1} values. Got {len(cells)}. {_FORMAT}"
        )
    try:
        return [float(cells[column]) for column in order]
    except ValueError:
        got = ",".join(cells)[:60]
        raise TrackError(f"{where}: a row must be numbers. Got {got!r}. {_FORMAT}") from None


def _without_repeats(rows: Floats) -> Floats:
    """Rows without those that the next one, or the first after the last, repeats."""
    if len(rows) < 2:
        return rows
    return rows[(rows[:, :2] != np.roll(rows[:, :2], -1, axis=0)).any(1)]

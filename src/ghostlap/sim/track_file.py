"""Tracks from files: the CSV format of TUM's racetrack database and of F1TENTH.

Columns ``x_m,y_m,w_tr_right_m,w_tr_left_m``: the centre line and the widths to either edge, in
driving order, separated by commas or semicolons. A header, with or without ``#`` before it, may
name the columns in another order, and others among them. The line is smoothed over about half the
road's half width: what is left of a measurement's noise would be felt as bends.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ghostlap.errors import TrackError
from ghostlap.sim.course import evenly_spaced, loop_length, straightest_s_m
from ghostlap.sim.track import Edge, Floats, Surface, Track
from ghostlap.sim.track_checks import FEWEST_POINTS, check_track

COLUMNS = ("x_m", "y_m", "w_tr_right_m", "w_tr_left_m")
LARGEST_FILE_BYTES = 16 * 2**20
MOST_ROWS = 100_000
LARGEST_EXTENT_M = 20_000.0

_FORMAT = f"A track is a CSV file with columns {','.join(COLUMNS)}, one row for each point."


def track_from_csv(path: Path) -> Track:
    """The track in a file; flat, with white edge lines, named as the file is without its ending.

    Raises:
        TrackError: the file is no such file, or what it describes is no track.
    """
    rows = _without_repeats(_rows(path))
    name = path.stem
    _check_given(name, rows)
    line, half_right_m, half_left_m = _smoothed(rows)
    count = len(line)
    track = Track(
        name=name,
        theme="circuit",
        markings="white_edges",
        points_m=line,
        half_left_m=half_left_m,
        half_right_m=half_right_m,
        elevation_m=np.zeros(count),
        surface=np.full(count, Surface.ROAD, np.uint8),
        edge_left=np.full(count, Edge.LINED, np.uint8),
        edge_right=np.full(count, Edge.LINED, np.uint8),
        start_s_m=straightest_s_m(line),
    )
    check_track(track)
    return track

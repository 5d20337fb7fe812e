"""Tracks by name: two built in after Udacity's, random ones, and files.

``lake``'s shape and widths were measured on a real recording of Udacity's first track: heading by
the flow of distant pixels, distance by speed, widths on the road seen from above. ``jungle`` has
the second track's widths and kinds of bends on a line of its own.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.engine.travel import located
from ghostlap.base.errors import TrackError
from ghostlap.sim.track.corner_path import Corner, line_through, point_spacing_m
from ghostlap.sim.track.hills import Hills
from ghostlap.sim.track.random_track import RANDOM_PREFIX, random_track, random_track_from_name
from ghostlap.sim.track.track import Edge, Floats, Surface, Track
from ghostlap.sim.track.track_file import track_from_csv

_LAKE_LENGTH_M = 1139.0
_LAKE_HALF_WIDTH_M = 4.0
"""Half width that puts the inner yellow lines 6.9 m apart."""
_BRIDGE_HALF_WIDTH_M = 4.6
_LAKE = (
    Corner(-22, -12, 42), Corner(48, 10, 75), Corner(90, 72, 110), Corner(80, 200, 300),
    Corner(8, 328, 280), Corner(-85, 404, 85), Corner(-166, 388, 72), Corner(-203, 304, 150),
    Corner(-238, 100, 42), Corner(-80, 113, 34),
)  # fmt: skip
"""Corners, counterclockwise as in Udacity's recordings; only the last bends to the right."""

_JUNGLE_HALF_WIDTH_M = 4.6
_JUNGLE = (
    Corner(20, 35, 28), Corner(95, 18, 50), Corner(165, 45, 50), Corner(235, 25, 28),
    Corner(262, 82, 24), Corner(236, 112, 20), Corner(150, 103, 15), Corner(140, 134, 15),
    Corner(240, 152, 13.5), Corner(246, 180, 13.5), Corner(186, 190, 40), Corner(166, 268, 16),
    Corner(132, 280, 16), Corner(118, 208, 14), Corner(88, 212, 14), Corner(88, 292, 14),
    Corner(58, 298, 14), Corner(20, 232, 35), Corner(42, 165, 40), Corner(80, 140, 15),
    Corner(72, 105, 15), Corner(22, 98, 25),
)  # fmt: skip
_JUNGLE_HILLS = Hills(
    tops=np.array(
        [(262, 170, 60, 15), (75, 300, 60, 13), (20, 50, 50, 7), (165, 45, 45, -4),
         (200, 250, 50, 3), (30, 180, 40, 5)], float),
    slope=(0.0, 0.03),
)  # fmt: skip


def track_named(name: str) -> Track:
    """The track with a name: ``lake``, ``jungle``, ``random:7``, or the path of a CSV file.

    Raises:
        TrackError: there is no such track, or the file describes no valid one.
    """
    if name in TRACKS:
        return TRACKS[name]()
    if name.startswith(RANDOM_PREFIX):
        return random_track(random_track_from_name(name))
    path = located(Path(name))
    if name.lower().endswith(".csv") or os.path.isfile(path):
        return track_from_csv(path)
    close = difflib.get_close_matches(name.lower(), TRACKS, 1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise TrackError(
        f"There is no track {name!r}.{meant} Known are {', '.join(TRACKS)}, random:SEED "
        "(say, random:7 or random:7,length=1200,twist=0.5,hills=0.3), and files like "
        "circuits/Spa.csv with columns x_m,y_m,w_tr_right_m,w_tr_left_m."
    )


def track_files(names: Iterable[str]) -> tuple[Path, ...]:
    """The files among tracks' names, for nodes of a cluster."""
    return tuple(Path(name) for name in names if name not in TRACKS and os.path.isfile(name))


def lake() -> Track:
    """A lap of 1139 m around a lake, nearly flat, mostly to the left, over a straight bridge."""
    line = line_through(_LAKE, _LAKE_LENGTH_M)
    s_m = np.asarray(np.arange(len(line)) * point_spacing_m(line))
    bridge = _between(s_m, 742, 830)
    edge_right = np.full(len(line), Edge.LINED, np.uint8)
    for start_m, end_m in ((104, 138), (884, 936)):
        edge_right[_between(s_m, start_m, end_m)] = Edge.DIRT
    lap = 2 * np.pi * s_m / _LAKE_LENGTH_M
    half_width = np.where(bridge, _BRIDGE_HALF_WIDTH_M, _LAKE_HALF_WIDTH_M)
    return Track(
        name="lake",
        theme="lake",
        markings="double_yellow",
        points_m=line,
        half_left_m=half_width,
        half_right_m=half_width.copy(),
        elevation_m=0.55 * np.sin(lap) + 0.25 * np.sin(3 * lap + 1.0) + 0.1 * np.sin(7 * lap),
        surface=np.where(bridge, Surface.BRIDGE, Surface.ROAD).astype(np.uint8),
        edge_left=np.full(len(line), Edge.LINED, np.uint8),
        edge_right=edge_right,
        start_s_m=1083.0,
    )


def jungle() -> Track:
    """A lap of 1.2 km, climbing and falling by up to 14 %, with hairpins of 13 to 16 m radius."""
    line = line_through(_JUNGLE)
    edge_left, edge_right = _JUNGLE_HILLS.edges(line)
    half_width = np.full(len(line), _JUNGLE_HALF_WIDTH_M)
    return Track(
        name="jungle",
        theme="jungle",
        markings="two_lanes",
        points_m=line,
        half_left_m=half_width,
        half_right_m=half_width.copy(),
        elevation_m=_JUNGLE_HILLS.road_heights(line),
        surface=np.full(len(line), Surface.ROAD, np.uint8),
        edge_left=edge_left,
        edge_right=edge_right,
        start_s_m=125.0,
    )


TRACKS = {"lake": lake, "jungle": jungle}
"""The built-in tracks, by name."""


def _between(s_m: Floats, start_m: float, end_m: float) -> NDArray[np.bool_]:
    return np.asarray((s_m >= start_m) & (s_m < end_m))

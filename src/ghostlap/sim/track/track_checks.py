"""Checks whether a track can be driven, and how fast."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree

from ghostlap.base.errors import TrackError
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.sim.track.corner_path import loop_length
from ghostlap.sim.track.track import Floats, Track

LATERAL_LIMIT_MPS2 = 8.0
"""Sideways acceleration that the tyres of :mod:`ghostlap.sim.vehicle` hold, about."""

FEWEST_POINTS = 4
FARTHEST_M = 20_000.0
"""Largest distance from the origin: single precision of pictures is 2 mm there."""
SHORTEST_M = 20.0
LONGEST_M = 30_000.0
"""Bounds of a lap's length, along straight lines between its points."""
NARROWEST_M = 0.5
WIDEST_M = 30.0
"""Bounds of the width from the centre line to an edge."""

FLATTEST_CROSSING_DEG = 30.0
"""Smallest angle at which a road may cross itself on the level."""

_CLOSEST_POINTS_M = 1e-3
_MOST_STATIONS = 20_000
_MOST_PAIRS = 5_000_000


def check_track(track: Track, *, crossings: bool = False) -> None:
    """Raise :class:`~ghostlap.base.errors.TrackError` unless the track is one that can be driven.

    Refused are fewer than four points, numbers not finite or out of bounds, a place given twice in
    a row, a line that is not closed, a bend tighter than the road's half width on its inside, and a
    road that overlaps itself, unless crossings on one level are allowed.
    """
    check_points(track)
    _check_bends(track)
    _check_apart(track, crossings)


def check_points(track: Track) -> None:
    """Check the points as given, not the curve through them; a part of :func:`check_track`."""
    _check_numbers(track)
    _check_widths(track)
    _check_length(track)
    _check_closed(track)


def allowed_speed_mps(
    track: Track, lateral_limit_mps2: float = LATERAL_LIMIT_MPS2
) -> tuple[float, float]:
    """The highest speed in the tightest bend, and where that is.

    In m/s, ``v = sqrt(lateral limit / curvature)``, infinite where nothing bends; in metres.
    """
    curvature = np.abs(track.curvature(track.stations_s_m))
    worst = int(curvature.argmax())
    if curvature[worst] <= 0:
        return math.inf, 0.0
    return math.sqrt(lateral_limit_mps2 / curvature[worst]), float(track.stations_s_m[worst])


def speed_warning(
    track: Track, speed_mps: float, lateral_limit_mps2: float = LATERAL_LIMIT_MPS2
) -> str | None:
    """A warning that the tightest bend forbids a speed; None if the whole track allows it."""
    allowed_mps, s_m = allowed_speed_mps(track, lateral_limit_mps2)
    if speed_mps <= allowed_mps:
        return None
    radius_m = allowed_mps**2 / lateral_limit_mps2
    return (
        f"{track.name}: the bend at {s_m:.0f} m has a radius of {radius_m:.1f} m, too tight for "
        f"{speed_mps / MPS_A_MPH:.1f} mph. With {lateral_limit_mps2:g} m/s2 sideways it allows "
        f"{allowed_mps / MPS_A_MPH:.1f} mph ({allowed_mps:.1f} m/s): faster cars run wide, so "
        "lower the speed limit or let the driver slow down there."
    )


def _check_numbers(track: Track) -> None:
    count = len(track.points_m)
    if count < FEWEST_POINTS:
        raise TrackError(
            f"{track.name}: a track needs at least {FEWEST_POINTS} points. Got {count}."
        )
    columns = {
        "x": track.points_m[:, 0], "y": track.points_m[:, 1], "left width": track.half_left_m,
        "right width": track.half_right_m, "elevation": track.elevation_m,
    }  # fmt: skip
    for what, column in columns.items():
        if len(column) != count:
            raise TrackError(
                f"{track.name}: {count} points need as many values of {what}. Got {len(column)}."
            )
        wrong = ~(np.abs(column) <= FARTHEST_M)  # not a number is wrong, too
        if wrong.any():
            at = int(wrong.argmax())
            raise TrackError(
                f"{track.name}: {what} of point {at + 1} must be a number from -{FARTHEST_M:g} to "
                f"{FARTHEST_M:g}, in metres. Got {column[at]:g}. Mend that point; if all points "
                "are far out, subtract the first from all."
            )
    onward_m = np.linalg.norm(track.points_m - np.roll(track.points_m, 1, axis=0), axis=1)
    if onward_m.min() < _CLOSEST_POINTS_M:
        at = int(onward_m.argmin())
        raise TrackError(
            f"{track.name}: point {at + 1} lies where the point before it does. Remove one."
        )


def _check_widths(track: Track) -> None:
    for side, widths in (("left", track.half_left_m), ("right", track.half_right_m)):
        wrong = (widths < NARROWEST_M) | (widths > WIDEST_M)
        if wrong.any():
            at = int(wrong.argmax())
            raise TrackError(
                f"{track.name}: the road's width to the {side} of point {at + 1} must be from "
                f"{NARROWEST_M:g} to {WIDEST_M:g} m. Got {widths[at]:g}."
            )


def _check_length(track: Track) -> None:
    length_m = loop_length(track.points_m)
    if not SHORTEST_M <= length_m <= LONGEST_M:
        raise TrackError(
            f"{track.name}: a lap must be from {SHORTEST_M:g} to {LONGEST_M:g} m. Got "
            f"{length_m:.4g} m. Coordinates are to be in metres."
        )


def _check_closed(track: Track) -> None:
    onward_m = np.linalg.norm(np.diff(track.points_m, axis=0), axis=1)
    gap_m = float(np.linalg.norm(track.points_m[0] - track.points_m[-1]))
    usual_m = float(np.median(onward_m))
    if gap_m > 5 * usual_m and gap_m > 1.5 * onward_m.max():
        raise TrackError(
            f"{track.name}: the track is not closed. From its last point to its first it is "
            f"{gap_m:.1f} m, while points are usually {usual_m:.1f} m apart. Add the missing part."
        )


def _check_bends(track: Track) -> None:
    curvature = track.curvature(track.stations_s_m)
    left_m, right_m = track.half_widths(track.stations_s_m)
    inside_m = np.where(curvature > 0, left_m, right_m)
    folded = np.abs(curvature) * inside_m
    at = int(folded.argmax())
    if folded[at] >= 1:
        raise TrackError(
            f"{track.name}: the bend at {track.stations_s_m[at]:.0f} m is tighter than the road's "
            f"half width: radius {1 / abs(curvature[at]):.1f} m, half width {inside_m[at]:.1f} m. "
            "Make the bend wider or the road narrower."
        )


def _check_apart(track: Track, crossings: bool) -> None:
    """Check that the road never comes near enough to itself to overlap.

    A line that never bends tighter than a circle of the half width strays from itself at least as
    fast as that circle does (Schur's theorem), and half the circle's circumference on, it is a
    whole width away. So any two places further apart along the road than that must also be
    further apart on the plane than the widths of the sides that face each other.
    """
    widest_m = float(max(track.half_left_m.max(), track.half_right_m.max()))
    narrowest_m = float(min(track.half_left_m.min(), track.half_right_m.min()))
    count = int(np.clip(track.length_m / min(2.0, narrowest_m), 64, _MOST_STATIONS))
    s_m = np.arange(count) * (track.length_m / count)
    place = track.position(s_m)
    left_m, right_m = track.half_widths(s_m)
    tree = cKDTree(place)
    if tree.count_neighbors(tree, 2 * widest_m) > 2 * _MOST_PAIRS:
        raise TrackError(
            f"{track.name}: the road overlaps itself almost everywhere: {track.length_m:.0f} m of "
            f"it, up to {2 * widest_m:.0f} m wide, lie within "
            f"{' x '.join(f'{side:.0f}' for side in np.ptp(place, axis=0))} m."
        )
    first, second = tree.query_pairs(2 * widest_m, output_type="ndarray").T
    along_m = np.abs(s_m[first] - s_m[second])
    along_m = np.minimum(along_m, track.length_m - along_m)
    tangent = track.heading(s_m)
    needed_m = _facing(place, tangent, left_m, right_m, first, second)
    needed_m += _facing(place, tangent, left_m, right_m, second, first)
    larger_m = np.maximum(left_m, right_m)
    apart_m = np.linalg.norm(place[first] - place[second], axis=1)
    short_m = needed_m - apart_m
    short_m[along_m <= math.pi * np.maximum(larger_m[first], larger_m[second])] = -math.inf
    if crossings:
        across = np.abs(np.sin(tangent[first] - tangent[second]))
        short_m[across >= math.sin(math.radians(FLATTEST_CROSSING_DEG))] = -math.inf
    if len(short_m) and short_m.max() > 0:
        at = int(short_m.argmax())
        one, other = sorted((s_m[first[at]], s_m[second[at]]))
        raise TrackError(
            f"{track.name}: the road crosses or overlaps itself. At {one:.0f} m and at "
            f"{other:.0f} m its centre line is {apart_m[at]:.1f} m apart, where the road's widths "
            f"need {needed_m[at]:.1f} m. Move these stretches apart"
            + (
                f", or let them cross at {FLATTEST_CROSSING_DEG:g} degrees or more."
                if crossings
                else "."
            )
        )


def _facing(
    place: Floats, heading: Floats, left_m: Floats, right_m: Floats, of: np.ndarray, to: np.ndarray
) -> Floats:
    """Half width of the road on the side of the other place."""
    offset = place[to] - place[of]
    on_left = np.cos(heading[of]) * offset[:, 1] - np.sin(heading[of]) * offset[:, 0] > 0
    return np.asarray(np.where(on_left, left_m[of], right_m[of]))

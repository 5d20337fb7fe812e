"""The line of a road from its corners: straights, and arcs of chosen radii between them.

A corner is the place where two straights would meet, as a surveyor would stake it out. The line is
closed by construction, and each bend has the radius given, which decides how fast it can be driven.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from ghostlap.sim.track.track import Floats

POINT_SPACING_M = 2.0
"""Approximate distance between the points of a track made here."""

_TRANSITION_M = 4.0
"""Half the length over which a straight becomes an arc, as a driver turns the wheel."""

_FINE_M = 0.25


class Corner(NamedTuple):
    """The place where two straights would meet, and the radius of the arc that joins them."""

    x_m: float
    y_m: float
    radius_m: float


def line_through(corners: Sequence[Corner], length_m: float | None = None) -> Floats:
    """Points of the closed line past corners, evenly spaced, shape ``(n, 2)``.

    Arcs that do not fit between their neighbours are made tighter.

    Args:
        corners: at least three, in driving order.
        length_m: the line is scaled to this length, and its radii with it.
    """
    line = evenly_spaced(_straights_and_arcs(np.asarray(corners, float)), _FINE_M)
    transition = _TRANSITION_M / _FINE_M
    line = np.asarray(gaussian_filter1d(line, transition, axis=0, mode="wrap"))
    if length_m is not None:
        line *= length_m / loop_length(line)
    return evenly_spaced(line, POINT_SPACING_M)


def evenly_spaced(loop: Floats, spacing_m: float) -> Floats:
    """Evenly spaced points along a closed polygon, from its first on, about ``spacing_m`` apart."""
    closed = np.concatenate([loop, loop[:1]])
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    count = max(8, round(at[-1] / spacing_m))
    wanted = np.arange(count) * (at[-1] / count)
    return np.stack([np.interp(wanted, at, closed[:, axis]) for axis in (0, 1)], axis=1)


def loop_length(loop: Floats) -> float:
    """Length of a closed polygon, in metres."""
    return float(np.linalg.norm(loop - np.roll(loop, 1, axis=0), axis=1).sum())


def point_spacing_m(loop: Floats) -> float:
    """Mean distance between the points of a closed line."""
    return loop_length(loop) / len(loop)


def _straights_and_arcs(corners: Floats) -> Floats:
    """A polygon with the corners rounded, shape ``(n, 2)``."""
    places, radii = corners[:, :2], corners[:, 2]
    onward = np.roll(places, -1, axis=0) - places
    sides_m = np.linalg.norm(onward, axis=1)
    directions = onward / sides_m[:, None]
    arriving = np.roll(directions, 1, axis=0)
    turns_rad = np.arctan2(
        arriving[:, 0] * directions[:, 1] - arriving[:, 1] * directions[:, 0],
        (arriving * directions).sum(1),
    )
    half_tangents = np.tan(np.abs(turns_rad) / 2)
    tangents_m = radii * half_tangents
    share = np.minimum(1.0, sides_m / np.maximum(tangents_m + np.roll(tangents_m, -1), 1e-9))
    tangents_m *= np.minimum(share, np.roll(share, 1))

    pieces = []
    for k in range(len(places)):
        start = places[k] - arriving[k] * tangents_m[k]
        if half_tangents[k] < 1e-6:
            pieces.append(places[k : k + 1])
            continue
        radius = tangents_m[k] / half_tangents[k]
        steps = max(2, int(abs(turns_rad[k]) * radius / _FINE_M))
        turned = turns_rad[k] * np.arange(steps + 1) / steps
        side = np.sign(turns_rad[k])
        left = np.array([-arriving[k, 1], arriving[k, 0]])
        pieces.append(
            start
            + radius * np.sin(np.abs(turned))[:, None] * arriving[k]
            + side * radius * (1 - np.cos(turned))[:, None] * left
        )
    return np.concatenate(pieces)


def curvature_along(line_m: Floats) -> Floats:
    """Curvature at evenly spaced points of a closed line, in 1/m, positive to the left."""
    onward = np.roll(line_m, -1, axis=0) - line_m
    arriving = np.roll(onward, 1, axis=0)
    turn_rad = np.arctan2(
        arriving[:, 0] * onward[:, 1] - arriving[:, 1] * onward[:, 0], (arriving * onward).sum(1)
    )
    return np.asarray(turn_rad * 2 / np.linalg.norm(onward + arriving, axis=1))


def straightest_s_m(line_m: Floats, stretch_m: float = 50.0) -> float:
    """Arc length of the middle of the straightest stretch of a closed, evenly spaced line."""
    spacing_m = point_spacing_m(line_m)
    width = max(3, min(round(stretch_m / spacing_m), len(line_m)))
    bend = uniform_filter1d(np.abs(curvature_along(line_m)), width, mode="wrap")
    return float(bend.argmin() * spacing_m)

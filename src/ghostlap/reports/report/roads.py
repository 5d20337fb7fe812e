"""Where it drove: tracks from above with the driven lines, and the same roads unrolled."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import GhostlapError
from ghostlap.driving.evaluation.results import read_drive
from ghostlap.driving.metrics import Drive
from ghostlap.reports.report.charts import WIDTH, Chart, Figure, path, svg
from ghostlap.reports.report.evaluations import Evaluation, short, way
from ghostlap.reports.report.worst_moments import WorstMoment
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_named

STEPS_M = (0.25, 0.5, 1.0, 2.0)
"""Where the colours of |cte| change."""

_MOST_MAPS = 4
_MOST_PLACES = 9000
"""Places drawn in one map, of all its lines together: more would not be seen."""
_MOST_DRIVES = 60
_PADDING = 16.0
_TALLEST = 400.0

Floats = NDArray[np.float64]


def section(found: Sequence[Evaluation], moments: Sequence[WorstMoment]) -> dict[str, Any]:
    """A map of each track that was driven without stress, of the evaluation to believe."""
    shown: dict[str, Evaluation] = {}
    for one in found:
        for line in one.plain:
            shown.setdefault(line.track, one)
    steps = [f"{step:g}" for step in STEPS_M]
    words = [f"up to {steps[0]}", *(f"to {step}" for step in steps[1:]), f"above {steps[-1]} m"]
    return {
        "colours": [(f"c{i}", text) for i, text in enumerate(words)],
        "tracks": [
            _track(one, name, [m for m in moments if m.evaluation is one])
            for name, one in list(shown.items())[:_MOST_MAPS]
        ],
    }


def _track(one: Evaluation, name: str, moments: Sequence[WorstMoment]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "title": f"{short(name)} at {one.speed_limit_mph:g} mph",
        "evaluation": one.folder.name,
        "problem": "",
        "figures": [],
        "unread": False,
    }
    try:
        track = track_named(name)
    except (GhostlapError, OSError, ValueError) as error:
        return shown | {"problem": str(error)}
    for direction in (1, -1):
        drives, some_unread = _drives(one, name, direction)
        shown["unread"] |= some_unread
        if drives:
            here = [
                moment
                for moment in moments
                if (moment.episode.track, moment.episode.direction) == (name, direction)
                and moment.episode.stress == "none"
            ]
            lines = _Lines(track, direction, drives, here)
            title = f"{way(direction)}, {len(drives)} drive{'s' if len(drives) > 1 else ''}"
            shown["figures"].append(Figure(from_above(lines) + unrolled(lines), title))
    return shown


def _drives(one: Evaluation, name: str, direction: int) -> tuple[list[Drive], bool]:
    wanted = [
        episode
        for episode in one.episodes
        if (episode.track, episode.driver, episode.stress, episode.direction)
        == (name, "pilot", "none", direction)
    ][:_MOST_DRIVES]
    drives = []
    for episode in wanted:
        try:
            drives.append(read_drive(episode.file))
        except GhostlapError:
            continue
    return drives, len(drives) < len(wanted)


@dataclasses.dataclass(frozen=True, eq=False)
class _Lines:
    """The drives one way round a track."""

    track: Track
    direction: int
    drives: Sequence[Drive]
    moments: Sequence[WorstMoment]

    @property
    def every(self) -> int:
        """Step between the rows that are drawn."""
        return max(1, sum(len(drive.time_s) for drive in self.drives) // _MOST_PLACES)

    def place(self, drive: Drive, rows: NDArray[np.intp]) -> Floats:
        return self.track.position(drive.s_m[rows], self.direction * drive.cte_m[rows])


def from_above(lines: _Lines) -> str:
    """The road with the driven lines on it, north up."""
    track = lines.track
    s_m = np.append(track.stations_s_m[:: max(1, len(track.stations_s_m) // 700)], track.length_m)
    left_m, right_m = track.half_widths(s_m)
    left, right = track.position(s_m, left_m), track.position(s_m, -right_m)
    low, high = np.minimum(left, right).min(0), np.maximum(left, right).max(0)
    size_m = high - low
    scale = min((WIDTH - 2 * _PADDING) / size_m[0], (_TALLEST - 2 * _PADDING) / size_m[1])
    height = size_m[1] * scale + 2 * _PADDING + 14
    shift = (WIDTH - size_m[0] * scale) / 2

    def at(places_m: Floats) -> tuple[Floats, Floats]:
        x = (places_m[:, 0] - low[0]) * scale + shift
        return x, (high[1] - places_m[:, 1]) * scale + _PADDING

    marks = [f'<path class="road" d="{path(*at(left))}z{path(*at(right))}z"/>']
    runs: list[list[str]] = [[] for _ in range(len(STEPS_M) + 1)]
    for drive in lines.drives:
        for colour, rows in _runs(drive, lines.every):
            runs[colour].append(path(*at(lines.place(drive, rows))))
    marks += [
        f'<path class="driven c{colour}" d="{"".join(pieces)}"/>'
        for colour, pieces in enumerate(runs)
        if pieces
    ]
    for drive in lines.drives:
        x, y = at(lines.place(drive, np.array([0])))
        marks.append(f'<circle class="start" cx="{x[0]:.1f}" cy="{y[0]:.1f}" r="3"/>')
    for drive in lines.drives:
        fell = np.flatnonzero(drive.intervention)
        for x, y in zip(*at(lines.place(drive, fell)), strict=True) if len(fell) else ():
            marks.append(f'<path class="cross" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0-8l-8 8"/>')
    badges = _Badges(WIDTH, height)
    for moment in lines.moments:
        x, y = at(lines.place(moment.drive, np.array([moment.row])))
        marks.append(badges.mark(float(x[0]), float(y[0]), moment.number))
    marks.append(_scale_bar(scale, height))
    alt = (
        f"Map of {short(track.name)}, driven {way(lines.direction)}: {len(lines.drives)} lines, "
        f"{sum(int((d.intervention > 0).sum()) for d in lines.drives)} takeovers."
    )
    return svg(WIDTH, height, marks, alt, "map")


def _runs(drive: Drive, every: int) -> list[tuple[int, NDArray[np.intp]]]:
    """Stretches of one colour, as rows; none leaps from an intervention to where it goes on."""
    breaks = np.flatnonzero(drive.intervention[:-1]) + 1
    found = []
    for rows in np.split(np.arange(len(drive.time_s)), breaks):
        thin = np.unique(np.append(rows[::every], rows[-1])) if len(rows) else rows
        if len(thin) < 2:
            continue
        # Each piece shows the largest error of the rows that it stands for.
        errors_m = np.maximum.reduceat(np.abs(drive.cte_m[rows]), thin[:-1] - rows[0])
        colour = np.searchsorted(STEPS_M, errors_m)
        ends = np.append(np.flatnonzero(np.diff(colour)) + 1, len(colour))
        begin = 0
        for end in ends:
            found.append((int(colour[begin]), thin[begin : end + 1]))
            begin = int(end)
    return found


class _Badges:
    """Numbers beside places, each with a line to its place and none over another."""

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        self._taken: list[tuple[float, float]] = []

    def mark(self, x: float, y: float, which: int) -> str:
        at_x, at_y = self._free_place(x, y)
        self._taken.append((at_x, at_y))
        return (
            f'<path class="lead" d="M{x:.1f} {y:.1f}L{at_x:.1f} {at_y:.1f}"/>'
            f'<circle class="badge" cx="{at_x:.1f}" cy="{at_y:.1f}" r="8.5"/>'
            f'<text class="badge" x="{at_x:.1f}" y="{at_y + 3.6:.1f}" text-anchor="middle">'
            f"{which}</text>"
        )

    def _free_place(self, x: float, y: float) -> tuple[float, float]:
        """Inwards if there is room."""
        inwards = 0.0 if x < self._width / 2 else math.pi
        for away in (22.0, 34.0, 46.0):
            for turn in (-0.7, 0.7, -1.4, 1.4, 2.2, -2.2):
                angle = inwards + (turn if inwards == 0 else -turn)
                at_x, at_y = x + away * math.cos(angle), y + away * math.sin(angle)
                inside = 10 < at_x < self._width - 10 and 10 < at_y < self._height - 10
                if inside and all(math.dist((at_x, at_y), one) > 19 for one in self._taken):
                    return at_x, at_y
        return x, y


def _scale_bar(scale: float, height: float) -> str:
    length_m = next(
        (metres for metres in (20, 50, 100, 200, 500, 1000) if metres * scale > 45), 2000
    )
    y, end = height - 5, 8 + length_m * scale
    return (
        f'<path class="axis" d="M8 {y - 4:.1f}V{y:.1f}H{end:.1f}V{y - 4:.1f}"/>'
        f'<text class="tick" x="{end + 5:.1f}" y="{y:.1f}">{length_m} m</text>'
    )


def unrolled(lines: _Lines) -> str:
    """Cross-track error over arc length, in the driving direction, between the road's edges."""
    track, direction = lines.track, lines.direction
    s_m = np.append(track.stations_s_m[:: max(1, len(track.stations_s_m) // 300)], track.length_m)
    left_m, right_m = track.half_widths(s_m % track.length_m)
    if direction < 0:
        left_m, right_m = right_m, left_m
    widest_m = float(max(left_m.max(), right_m.max())) * 1.15
    chart = Chart(
        (0, track.length_m), (-widest_m, widest_m), "m along the road, in driving direction",
        "m to the left", height=150,
    )  # fmt: skip

    def along(places_m: Floats) -> Floats:
        return places_m if direction > 0 else track.length_m - places_m

    chart.band(along(s_m), -right_m, left_m, "road")
    chart.line([0, track.length_m], [0, 0], "centre")
    for drive in lines.drives:
        leaps = np.abs(np.diff(drive.s_m)) > track.length_m / 2
        breaks = np.flatnonzero(leaps | (drive.intervention[:-1] > 0)) + 1
        x: list[Floats] = []
        y: list[Floats] = []
        for rows in np.split(np.arange(len(drive.time_s)), breaks):
            x += [along(drive.s_m[rows[:: lines.every]]), np.array([np.nan])]
            y += [drive.cte_m[rows[:: lines.every]], np.array([np.nan])]
        chart.line(np.concatenate(x), np.concatenate(y), "drive")
    for drive in lines.drives:
        for row in np.flatnonzero(drive.intervention):
            x_at, y_at = float(chart.x(along(drive.s_m[row]))), float(chart.y(drive.cte_m[row]))
            chart.raw(f'<path class="cross" d="M{x_at - 3:.1f} {y_at - 3:.1f}l6 6m0-6l-6 6"/>')
    badges = _Badges(WIDTH, chart.height - 30)
    for moment in lines.moments:
        place_m, cte_m = moment.drive.s_m[moment.row], moment.drive.cte_m[moment.row]
        x_at, y_at = float(chart.x(along(place_m))), float(chart.y(cte_m))
        chart.raw(badges.mark(x_at, y_at, moment.number))
    largest_m = max(float(np.abs(drive.cte_m).max()) for drive in lines.drives)
    return chart.svg(
        f"Cross-track error over arc length, driven {way(direction)}; the largest is "
        f"{largest_m:.2f} m."
    )

"""A track from above with the lines that were driven on it, and the same road unrolled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.files import replacing
from ghostlap.base.terminal import escaped
from ghostlap.driving.metrics import Drive, Intervention
from ghostlap.driving.rollout.plan import Episode
from ghostlap.sim.track.track import Track

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = {
    Intervention.OFF_ROAD: ("X", "left the road"),
    Intervention.STANDING: ("s", "stood"),
    Intervention.TURNED: ("D", "turned round"),
}
_COLOURS = "turbo"
_WAYS = {1: "forward", -1: "backward"}


def save_map(
    track: Track, episodes: Sequence[Episode], drives: Sequence[Drive], title: str, picture: Path
) -> None:
    """Draw what was driven on one track."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    ways = sorted({episode.start.direction for episode in episodes}, reverse=True)
    left_m, right_m = track.half_widths(track.stations_s_m)
    colours = Normalize(0.0, float(np.median(np.minimum(left_m, right_m))))
    figure = Figure(figsize=(7.5 * len(ways) + 1, 11), layout="constrained")
    grid = figure.add_gridspec(2, len(ways), height_ratios=(2.6, 1))
    for column, way in enumerate(ways):
        chosen = [
            (episode, drive)
            for episode, drive in zip(episodes, drives, strict=True)
            if episode.start.direction == way
        ]
        _draw_from_above(figure.add_subplot(grid[0, column]), track, way, chosen, colours)
        _draw_unrolled(figure.add_subplot(grid[1, column]), track, way, chosen)
    figure.colorbar(
        ScalarMappable(colours, _COLOURS), ax=figure.axes[::2], label="|cross-track error| in m",
        shrink=0.6, extend="max",
    )  # fmt: skip
    figure.suptitle(escaped(title), parse_math=False)
    with replacing(picture) as temporary:
        figure.savefig(temporary, dpi=100)


def _draw_from_above(
    axes: Axes, track: Track, way: int, chosen: Sequence[tuple[Episode, Drive]], colours: Any
) -> None:
    from matplotlib.collections import LineCollection

    s_m = np.append(track.stations_s_m, track.length_m)
    left_m, right_m = track.half_widths(s_m)
    left, right = track.position(s_m, left_m), track.position(s_m, -right_m)
    road = np.concatenate([left, right[::-1]])
    axes.fill(road[:, 0], road[:, 1], color="0.9")
    for edge in (left, right):
        axes.plot(edge[:, 0], edge[:, 1], color="0.6", lw=0.5)
    for _, drive in chosen:
        places = track.position(drive.s_m, way * drive.cte_m)
        pieces = np.stack([places[:-1], places[1:]], axis=1)
        whole = drive.intervention[:-1] == Intervention.NONE  # not the leap of being put back
        lines = LineCollection(list(pieces[whole]), cmap=_COLOURS, norm=colours, lw=2.2)
        lines.set_array(np.abs(drive.cte_m)[:-1][whole])
        axes.add_collection(lines)
        axes.plot(*places[0], "o", color="black", mfc="white", ms=6, zorder=4)
    for kind, rows in _interventions(chosen):
        places = np.concatenate([track.position(d.s_m[at], way * d.cte_m[at]) for d, at in rows])
        marker, label = _MARKERS[kind]
        axes.plot(
            *places.T, marker, color="black", mec="white", ms=9, zorder=5,
            label=f"{label}: {len(places)}",
        )  # fmt: skip
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")
    axes.set_aspect("equal")
    axes.set(xlabel="east in m", ylabel="north in m")
    axes.set_title(f"{_WAYS[way]}: {len(chosen)} episodes, circles where they start", fontsize=10)


def _draw_unrolled(
    axes: Axes, track: Track, way: int, chosen: Sequence[tuple[Episode, Drive]]
) -> None:
    """Cross-track error over arc length, between the edges of the road."""
    s_m = track.stations_s_m
    left_m, right_m = track.half_widths(s_m)
    if way < 0:
        left_m, right_m = right_m, left_m
    axes.fill_between(s_m, -right_m, left_m, color="0.92", lw=0)
    axes.axhline(0, color="0.6", lw=0.8)
    for _, drive in chosen:
        gaps = (np.abs(np.diff(drive.s_m)) > track.length_m / 2) | (drive.intervention[:-1] > 0)
        cte_m = np.insert(drive.cte_m, np.flatnonzero(gaps) + 1, np.nan)
        along_m = np.insert(drive.s_m, np.flatnonzero(gaps) + 1, np.nan)
        axes.plot(along_m, cte_m, lw=0.7)
    for kind, rows in _interventions(chosen):
        for drive, at in rows:
            axes.plot(drive.s_m[at], drive.cte_m[at], _MARKERS[kind][0], color="black", ms=7)
    widest_m = max(left_m.max(), right_m.max()) * 1.25
    axes.set(
        xlim=(0, track.length_m) if way > 0 else (track.length_m, 0),
        ylim=(-widest_m, widest_m),
        xlabel="arc length in m, in the driving direction",
        ylabel="to the left in m",
    )


def _interventions(
    chosen: Sequence[tuple[Episode, Drive]],
) -> list[tuple[Intervention, list[tuple[Drive, NDArray[np.intp]]]]]:
    """Drives and their rows with an intervention, for each kind that occurred."""
    found = []
    for kind in _MARKERS:
        rows = [(drive, np.flatnonzero(drive.intervention == kind)) for _, drive in chosen]
        rows = [(drive, at) for drive, at in rows if len(at)]
        if rows:
            found.append((kind, rows))
    return found

"""The page and the video of results side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.data.vision.pictures import Rgb
from ghostlap.driving.benchmark.comparison import Difference, Parting
from ghostlap.driving.benchmark.suite import Suite
from ghostlap.driving.metrics import Drive
from ghostlap.driving.rollout.episode import simulation_of
from ghostlap.driving.rollout.incidents import rows_around, start_at
from ghostlap.driving.rollout.stress import TICK_S
from ghostlap.reports.benchmark.page import episode_of, figure_cell
from ghostlap.reports.page import Cell, limits, number, page_html
from ghostlap.reports.report.worst_moments import Moment, side

_BEFORE_S, _AFTER_S = 3.0, 3.0
_SCALE = 2
_BAND_PX = 28


def compare_page(
    suite: Suite,
    results: Sequence[dict[str, Any]],
    names: Sequence[str],
    apart: Mapping[str, Sequence[Difference]],
    unlike: Mapping[str, Sequence[str]],
    found: Sequence[Parting],
) -> str:
    """The whole page.

    Args:
        apart: differences of the others to the first, by name.
        unlike: what is different about them, values one a result.
    """
    ranked = sorted(
        zip(names, results, strict=True), key=lambda pair: -pair[1]["score"]["autonomy_percent"]
    )
    groups = [one["group"] for one in results[0]["groups"]]
    return page_html(
        "compare.html",
        verb="compare",
        title=" and ".join(names) if len(names) < 4 else f"{len(names)} policies",
        below=f"Suite {suite.name}: {len(results[0]['episodes'])} drives each, the same for all.",
        groups=groups,
        board=[_row(place, *pair) for place, pair in enumerate(ranked, 1)],
        first=names[0],
        apart=[[name, *map(_apart, some)] for name, some in apart.items()],
        scenarios=[
            [name, *(figure_cell(line, "autonomy_percent", 1) for line in lines)]
            for name, lines in _by_scenario(results)
        ],
        names=names,
        unlike=[[name, *values] for name, values in unlike.items()],
        partings=[_shown(number, one) for number, one in enumerate(found, 1)],
    )


def _row(place: int, name: str, result: dict[str, Any]) -> list[str | Cell]:
    score = result["score"]
    return [
        f"{place}. {name}",
        Cell(
            number(score["autonomy_percent"], 1),
            limits(tuple(score["interval_95"]), 1),
            score["autonomy_percent"],
        ),
        *(figure_cell(one, "autonomy_percent", 1) for one in result["groups"]),
        result["fingerprint"][:8],
    ]


def _apart(one: Difference) -> Cell:
    low, high = (number(limit, 1, sign=True) for limit in one.interval)
    return Cell(number(one.value, 1, sign=True), f"{low} to {high}")


def _by_scenario(results: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    by_name = [{line["scenario"]: line for line in one["lines"]} for one in results]
    return [(name, [lines[name] for lines in by_name]) for name in by_name[0]]


def _shown(count: int, one: Parting) -> list[tuple[Moment, int]]:
    """What both saw around the moment, at the same times; and their interventions."""
    simulation, episode = simulation_of(one.task), episode_of(one.task)
    moments = []
    for drive in one.drives:
        rows = rows_around(drive, one.row)
        frames = simulation.frames_at([start_at(drive, row, episode.direction) for row in rows])
        moments.append(Moment(count, episode, drive, one.row, tuple(frames)))
    return list(zip(moments, one.interventions, strict=True))


def write_video(found: Sequence[Parting], names: Sequence[str], path: Path) -> None:
    """Seconds around each parting, the first policy on the left, the second on the right."""
    from ghostlap.reports.video.writer import VideoWriter

    writer, count = None, 0
    try:
        for one in found:
            for picture in _pictures(one, names):
                if writer is None:
                    writer = VideoWriter(path, *picture.shape[:2])
                writer.add(picture, count * TICK_S)
                count += 1
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise
    assert writer is not None
    writer.close(count * TICK_S)


def _pictures(one: Parting, names: Sequence[str]) -> list[Rgb]:
    simulation = simulation_of(one.task)
    direction = one.task.episodes[0].start.direction
    rows = range(
        max(0, one.row - round(_BEFORE_S / TICK_S)),
        min(*(len(drive.time_s) for drive in one.drives), one.row + round(_AFTER_S / TICK_S)),
    )
    halves = [
        simulation.frames_at([start_at(drive, row, direction) for row in rows])
        for drive in one.drives
    ]
    pictures = []
    for place, row in enumerate(rows):
        sides = [
            _captioned(half[place], name, drive, row, one)
            for half, name, drive in zip(halves, names, one.drives, strict=True)
        ]
        pictures.append(np.hstack(sides))
    return pictures


def _captioned(frame: NDArray[np.uint8], name: str, drive: Drive, row: int, one: Parting) -> Rgb:
    large = cv2.resize(frame, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_LINEAR)
    picture = cv2.copyMakeBorder(large, _BAND_PX, 0, 0, 0, cv2.BORDER_CONSTANT)
    since_s = drive.time_s[row] - drive.time_s[one.row]
    place = "taken over" if drive.intervention[row] else side(float(drive.cte_m[row]))
    text = f"{name[:24]}  {one.task.stress.name}  {since_s:+.1f} s  {place}"
    colour = (255, 120, 90) if drive.intervention[row] else (255, 255, 255)
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(picture, plain, (8, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)

"""The worst moments: what the pilot saw before and after each, as strips of frames."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import GhostlapError
from ghostlap.data.vision.pictures import Rgb, decode_rgb, read_picture
from ghostlap.driving.evaluation.results import read_drive
from ghostlap.driving.failures.figures import lead_s
from ghostlap.driving.metrics import Drive, Intervention
from ghostlap.driving.rollout.incidents import rows_around
from ghostlap.reports.page import number, photograph
from ghostlap.reports.report.evaluations import (
    EvaluatedEpisode,
    Evaluation,
    TableLine,
    hardness,
    short,
    way,
)

MOST_STRIPS = 8
_MOST_OF_A_LINE = 3
_MOST_READ = 400
_JPEG_QUALITY = 78

_NAME = re.compile(r"(?P<drive>.+)-row-(?P<row>\d{1,9})\.jpg")

_HAPPENED: dict[int, str] = {
    Intervention.OFF_ROAD: "left the road",
    Intervention.STANDING: "stood for 3 s",
    Intervention.TURNED: "turned round",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Moment:
    """A moment of a drive, and what was seen around it."""

    number: int
    """On the page, from 1."""
    episode: EvaluatedEpisode
    drive: Drive
    row: int
    frames: tuple[Rgb, ...]
    alarm: float | None = None
    """Doubt at which the pilot's critic warns, if it has one."""

    @property
    def happened(self) -> str:
        """What someone had to take over for; empty if nobody had to."""
        return _HAPPENED.get(int(self.drive.intervention[self.row]), "")

    @property
    def headline(self) -> str:
        if self.happened:
            return f"The car {self.happened}{self._foreseen}"
        cte_m, margin_m = self.drive.cte_m[self.row], self.drive.margin_m[self.row]
        return f"{side(float(cte_m))} of the centre line, {margin_m:.2f} m from the edge"

    @property
    def _foreseen(self) -> str:
        if self.alarm is None:
            return ""
        early_s = lead_s(self.drive, self.row, self.drive.spread, self.alarm)
        return ", not foreseen" if np.isnan(early_s) else f", foreseen {early_s:.1f} s ahead"

    @property
    def where(self) -> str:
        episode, drive, row = self.episode, self.drive, self.row
        stress = "" if episode.stress == "none" else f", {episode.stress}"
        return (
            f"{short(episode.track)}, {way(episode.direction)}, seed {episode.seed}{stress}, "
            f"{drive.time_s[row]:.0f} s after the start, {drive.speed_mph[row]:.0f} mph"
            f"{_pushed(drive, row)}"
        )

    @property
    def strip(self) -> list[dict[str, Any]]:
        """The frames with what was known of each."""
        drive = self.drive
        return [
            {
                "picture": photograph(frame, _JPEG_QUALITY),
                "is_moment": at == self.row,
                "time": number(float(drive.time_s[at] - drive.time_s[self.row]), 2, sign=True),
                "place": side(float(drive.cte_m[at])),
                "steering": number(float(drive.steering[at]), 2, sign=True),
            }
            for at, frame in zip(rows_around(drive, self.row), self.frames, strict=True)
        ]


@dataclasses.dataclass(frozen=True, eq=False)
class WorstMoment(Moment):
    """A moment of an evaluation of which frames were kept."""

    evaluation: Evaluation = dataclasses.field(kw_only=True)


def find_moments(found: Sequence[Evaluation], alarm: float | None = None) -> list[WorstMoment]:
    """The worst moments of which frames were kept, numbered as on the page.

    Driving without stress comes first, each track as the evaluation to believe has it, then the
    hardest stress. Of each line of a table, interventions come before the largest cross-track
    error, and no drive twice before each has been there once. What the pilot's critic foresaw is
    said of evaluations of the network that is there now.
    """
    chosen: list[WorstMoment] = []
    shown: dict[str, tuple[Evaluation, TableLine]] = {}
    for one in found:
        for line in one.plain:
            shown.setdefault(line.track, (one, line))
    lines = list(shown.values())
    lines += [(one, line) for one in found for line in sorted(one.stressed, key=hardness)]
    kept_by = {one.folder: _kept(one) for one in found}
    for one, line in lines:
        kept = [
            moment
            for moment in kept_by[one.folder]
            if (moment[0].track, moment[0].stress) == (line.track, line.stress)
        ]
        most = _MOST_OF_A_LINE if line.stress == "none" else 1
        for moment in _worst_first(kept)[:most]:
            if len(chosen) == MOST_STRIPS:
                return chosen
            episode, drive, row, file = moment
            frames = _frames(file, len(rows_around(drive, row)))
            if frames:
                chosen.append(
                    WorstMoment(
                        len(chosen) + 1, episode, drive, row, frames,
                        alarm if one.of_this_network else None, evaluation=one,
                    )
                )  # fmt: skip
    return chosen


_Kept = tuple[EvaluatedEpisode, Drive, int, Path]


def _kept(one: Evaluation) -> list[_Kept]:
    by_name = {episode.file.stem: episode for episode in one.episodes}
    kept = []
    for file in sorted((one.folder / "moments").glob("*.jpg"))[:_MOST_READ]:
        match = _NAME.fullmatch(file.name)
        episode = by_name.get(match["drive"]) if match else None
        if match is None or episode is None:
            continue
        try:
            drive = read_drive(episode.file)
        except GhostlapError:
            continue
        if int(match["row"]) < len(drive.time_s):
            kept.append((episode, drive, int(match["row"]), file))
    return kept


def _worst_first(kept: Sequence[_Kept]) -> list[_Kept]:
    """Interventions first and the largest error first, each drive's worst before any second."""

    def badness(one: _Kept) -> tuple[bool, float, str]:
        _, drive, row, file = one
        return drive.intervention[row] == 0, -abs(float(drive.cte_m[row])), file.name

    ranked, seen = [], dict[str, int]()
    for one in sorted(kept, key=badness):
        name = one[0].file.name
        ranked.append((seen.get(name, 0), *badness(one), one))
        seen[name] = seen.get(name, 0) + 1
    return [entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:4])]


def _frames(file: Path, count: int) -> tuple[Rgb, ...]:
    """The frames of a strip; none where it is broken or of another size."""
    try:
        strip = decode_rgb(read_picture(file), file.name)
    except GhostlapError:
        return ()
    if strip.shape[1] % count:
        return ()
    return tuple(np.ascontiguousarray(frame) for frame in np.split(strip, count, axis=1))


def side(cte_m: float) -> str:
    return f"{abs(cte_m):.2f} m {'left' if cte_m >= 0 else 'right'}"


def _pushed(drive: Drive, row: int) -> str:
    """Whether the car had just been pushed, which explains a good deal."""
    before = (drive.time_s <= drive.time_s[row]) & (drive.time_s > drive.time_s[row] - 2.0)
    return ", within 2 s of a push" if drive.pushed[before].any() else ""

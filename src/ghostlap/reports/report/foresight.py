"""What a pilot's critic foresaw, and what it did not."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from statistics import median

import numpy as np

from ghostlap.base.errors import GhostlapError
from ghostlap.driving.evaluation.results import read_drive
from ghostlap.driving.failures.figures import MARGIN_S, false_alarms, lead_s
from ghostlap.reports.report.evaluations import Evaluation, short

_MOST_DRIVES = 1000
_MOST_NAMED = 6


def in_words(found: Sequence[Evaluation], alarm: float | None) -> str:
    """How many interventions were foreseen, how early, and where those were that were not.

    Empty without a critic, which warns from the doubt ``alarm`` on, or if it never looked.
    """
    if alarm is None:
        return ""
    ahead_s: list[float] = []
    unseen: Counter[str] = Counter()
    alarms, km = 0, 0.0
    driven = (episode for one in found if one.of_this_network for episode in one.episodes)
    pilots = (episode for episode in driven if episode.driver == "pilot")
    for episode in itertools.islice(pilots, _MOST_DRIVES):
        try:
            drive = read_drive(episode.file)
        except GhostlapError:
            continue
        if not np.isfinite(drive.spread).any():
            continue
        alarms += false_alarms(drive, drive.spread, alarm)
        km += float(drive.distance_m[-1]) / 1000
        for row in np.flatnonzero(drive.intervention):
            early_s = lead_s(drive, int(row), drive.spread, alarm)
            if np.isnan(early_s):
                stress = "" if episode.stress == "none" else f" ({episode.stress})"
                unseen[f"{short(episode.track)}{stress}"] += 1
            else:
                ahead_s.append(early_s)
    if not km:
        return ""
    false = f"Warnings for nothing: {alarms} in {km:.1f} km."
    total = len(ahead_s) + unseen.total()
    if not total:
        return f"The pilot's critic had nothing to foresee. {false}"
    early = f", {median(ahead_s):.1f} s ahead at the median" if ahead_s else ""
    places = ", ".join(f"{count} on {name}" for name, count in unseen.most_common(_MOST_NAMED))
    missed = f" Not foreseen: {places}{', …' if len(unseen) > _MOST_NAMED else ''}."
    return (
        f"The pilot's critic foresaw {len(ahead_s)} of {total} interventions within "
        f"{MARGIN_S:g} s{early}.{missed if unseen else ''} {false}"
    )

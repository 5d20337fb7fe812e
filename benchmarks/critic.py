"""How well a critic knows failures ahead, beside other forecasts: ``python -m benchmarks.critic``.

    python -m benchmarks.critic --learned-from A --judged-by B --out critic.json

Of the first folders' drives critics are fitted, one for each part of the conditions and mutants,
and judged by the second folders' drives of that very part, on other tracks: whatever is judged was
never in the fitting. Extremes are never fitted to. The second folders were driven with ``--beside``
networks of ``benchmarks.doubts``. Thresholds come from their nominal drives one way round, and
false alarms from those the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from benchmarks.critic_figures import (
    average_precision,
    interval,
    mean_by_group,
    pooled_auroc,
    rates,
)
from benchmarks.doubts import NAMES
from ghostlap.driving.failures import figures
from ghostlap.driving.failures.corpus import FailureDrive, read_corpus
from ghostlap.training.critic import CriticTraining, FittedCritic, fit_critic

Floats = NDArray[np.float64]

PARTS = 4
AT = figures.HORIZONS_S.index(figures.AHEAD_S)
_MEAN_TICKS = 20
"""Other forecasts are means over a second, too."""


def measure(
    learned_from: tuple[Path, ...], judged_by: tuple[Path, ...], out: Path = Path("critic.json")
) -> dict[str, Any]:
    """Fit, judge, and write the table."""
    learning, judging = read_corpus(learned_from), read_corpus(judged_by)
    scores = {"critic": _critics(learning, judging, CriticTraining())}
    for name, of in _others(judging).items():
        scores[name] = [[one] * len(figures.HORIZONS_S) for one in of]
    table = {name: _line(judging, columns) for name, columns in scores.items()}
    result = {
        "drives": len(judging),
        "learned_from": len(learning),
        "failures_learned": sum(int((d.drive.intervention > 0).sum()) for d in learning),
        "failures_judged": sum(int((d.drive.intervention > 0).sum()) for d in judging),
        "km": sum(float(d.drive.distance_m[-1]) for d in (*learning, *judging)) / 1000,
        "table": table,
        "unforeseen": _unforeseen(judging, [one[AT] for one in scores["critic"]]),
    }
    out.write_text(json.dumps(result, indent=1), encoding="utf-8")
    for name, line in table.items():
        print(name, json.dumps(line))
    return result


def part_of(drive: FailureDrive, families: Sequence[str]) -> int:
    return families.index(drive.group.family) % PARTS


def _critics(
    learning: Sequence[FailureDrive], judging: Sequence[FailureDrive], training: CriticTraining
) -> list[list[Floats]]:
    """For each judged drive, the log-odds by a critic that knows nothing of its family."""
    families = sorted({one.group.family for one in (*learning, *judging)} - {"nominal"})
    fitted: list[FittedCritic] = []
    for part in range(PARTS):
        drives = [
            one for one in learning if one.group.kind == "nominal" or part_of(one, families) != part
        ]
        fitted.append(fit_critic(drives, training))
    return [
        list(np.mean([f.log_odds(one) for f in fitted], axis=0).T)
        if one.group.kind == "nominal"
        else list(fitted[part_of(one, families)].log_odds(one).T)
        for one in judging
    ]


def _others(drives: Sequence[FailureDrive]) -> dict[str, list[Floats]]:
    scores: dict[str, list[Floats]] = {
        "abs(steering)": [_mean(np.abs(one.drive.steering)) for one in drives],
        "change of steering": [
            _mean(np.abs(np.diff(one.drive.steering, prepend=one.drive.steering[0])))
            for one in drives
        ],
    }
    for column, name in enumerate(NAMES):
        if all(one.beside.shape[1] > column for one in drives):
            scores[name] = [_mean(one.beside[:, column].astype(float)) for one in drives]
    return scores


def _mean(values: Floats) -> Floats:
    """Over the last second, or what there is of it."""
    total = np.cumsum(np.insert(values, 0, 0.0))
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(end - _MEAN_TICKS, 0)
    return np.asarray((total[end] - total[begin]) / (end - begin))


def _line(drives: Sequence[FailureDrive], columns: list[list[Floats]]) -> dict[str, Any]:
    line: dict[str, Any] = {}
    for at, ahead_s in enumerate(figures.HORIZONS_S):
        pairs = [(one, of[at]) for one, of in zip(drives, columns, strict=True)]
        groups = {
            "all": [pair for pair in pairs if pair[0].group.kind != "nominal"],
            "with nominal": pairs,
        }
        for kind in ("graded", "extreme", "mutant"):
            groups[kind] = [pair for pair in pairs if pair[0].group.kind == kind]
        parts = {name: figures.moments_of(group, ahead_s) for name, group in groups.items()}
        line[f"auroc_{ahead_s:g}s"] = {name: pooled_auroc(of) for name, of in parts.items()}
        line[f"by_condition_{ahead_s:g}s"] = mean_by_group(parts["all"])
        if ahead_s != figures.AHEAD_S:
            continue
        for name, of in parts.items():
            line[f"interval_{name}"] = interval(of, pooled_auroc)
        line["interval_by_condition"] = interval(parts["all"], mean_by_group)
        line["by_condition_extreme"] = mean_by_group(parts["extreme"])
        line["by_condition_mutant"] = mean_by_group(parts["mutant"])
        score, trouble = figures.joined(parts["all"])
        line["auprc"] = average_precision(score, trouble)
        line["share_troubled"] = float(trouble.mean())
        nominal = [pair for pair in pairs if pair[0].group.kind == "nominal"]
        calibrating = [pair for pair in nominal if "forward" in pair[0].name]
        others = [pair for pair in nominal if "backward" in pair[0].name]
        for rate in figures.FALSE_RATES:
            above = figures.threshold(calibrating, rate)
            true, false = rates(groups["all"], above)
            firsts = figures.first_failures(groups["all"], above)
            leads = [one.lead_s for one in firsts if one.lead_s == one.lead_s]
            line[f"at_{rate:g}"] = {
                "true_positive_rate": true,
                "false_positive_rate_conditions": false,
                "false_positive_rate_nominal": _nominal_rate(others, above),
                "first_failures": len(firsts),
                "foreseen": len(leads),
                "median_lead_s": float(np.median(leads)) if leads else None,
                "false_alarms_a_km_nominal": figures.false_alarms_a_km(others, above),
                "false_alarms_a_km_conditions": figures.false_alarms_a_km(groups["all"], above),
            }
    return line


def _nominal_rate(pairs: figures.Scored, above: float) -> float:
    score, trouble = figures.joined(figures.moments_of(pairs, figures.AHEAD_S))
    return float((score[~trouble] > above).mean())


def _unforeseen(drives: Sequence[FailureDrive], scores: list[Floats]) -> list[dict[str, Any]]:
    """The first failures without an alarm at 1 %: where, what, how fast, how bent."""
    pairs = list(zip(drives, scores, strict=True))
    nominal = [p for p in pairs if p[0].group.kind == "nominal" and "forward" in p[0].name]
    above = figures.threshold(nominal, figures.FALSE_RATES[0])
    told = []
    for one, score in pairs:
        first = figures.first_failure(one.drive, score, above)
        if first is None or first[1] == first[1]:
            continue
        row = int(np.flatnonzero(one.drive.intervention)[0])
        told.append(
            {
                "drive": one.name, "group": one.group.name, "what": first[0].name,
                "at_s": round(float(one.drive.time_s[row]), 2),
                "pushed_s": _since_push_s(one, row),
                "speed_mph": round(float(one.drive.speed_mph[row]), 1),
                "steering": round(float(one.drive.steering[row]), 2),
                "highest": round(float(score[max(row - 100, 0) : row].max() - above), 2),
            }
        )  # fmt: skip
    return told


def _since_push_s(one: FailureDrive, row: int) -> float | None:
    pushes = np.flatnonzero(one.drive.pushed[:row])
    return (
        round(float(one.drive.time_s[row] - one.drive.time_s[pushes[-1]]), 2)
        if len(pushes)
        else None
    )


if __name__ == "__main__":
    tyro.cli(measure)

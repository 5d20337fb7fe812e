"""The page of one result: score, table, worst moments, where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ghostlap.driving.benchmark.suite import Suite
from ghostlap.driving.evaluation.results import Finished
from ghostlap.driving.metrics import in_table
from ghostlap.driving.rollout.episode import simulation_of
from ghostlap.driving.rollout.incidents import worst_of
from ghostlap.driving.rollout.plan import EpisodesTask
from ghostlap.reports.page import Cell, limits, number, page_html
from ghostlap.reports.report.evaluations import EvaluatedEpisode
from ghostlap.reports.report.worst_moments import Moment

MOST_MOMENTS = 8


def benchmark_page(result: dict[str, Any], suite: Suite, finished: Finished) -> str:
    """The whole page; the same result gives the same bytes."""
    score, policy = result["score"], result["policy"]
    km = sum(one["distance_km"] for one in result["groups"])
    taken_over = round(sum(one["interventions"] for one in result["groups"]))
    kind = next(
        k
        for least, k in ((99, "good"), (90, "fair"), (-1, "poor"))
        if score["autonomy_percent"] >= least
    )
    return page_html(
        "benchmark.html",
        verb="benchmark",
        title=policy["name"],
        below=f"Suite {suite.name}: {len(finished)} drives, {km:.1f} km, "
        f"{taken_over} interventions.",
        kind=kind,
        score=number(score["autonomy_percent"], 1),
        interval=limits(tuple(score["interval_95"]), 1) or number(score["autonomy_percent"], 1),
        titles=[f"{figure.title} {figure.unit}".strip() for figure in in_table()],
        groups=[_row(one["group"], one) for one in result["groups"]],
        lines=[_row(one["scenario"], one, one["group"]) for one in result["lines"]],
        means=suite.groups,
        faults=faults_of(result),
        moments=worst_moments(result, finished),
        fingerprint=result["fingerprint"],
        told={
            "policy": policy["name"],
            "kind": policy["kind"],
            "hash": policy["blake2b"] or "none: it is not in files here",
            "suite": f"{suite.name}, {suite.blake2b}",
            "fingerprint": result["fingerprint"],
        },
        about=result["about"],
        provenance={**result["provenance"]["versions"], **result["provenance"]["machine"]},
    )


def _row(name: str, line: dict[str, Any], small: str = "") -> list[str | Cell]:
    cells = [figure_cell(line, one.name, one.digits) for one in in_table()]
    return [Cell(name, small) if small else name, *cells, number(line["distance_km"], 1)]


def figure_cell(line: dict[str, Any], name: str, digits: int) -> Cell:
    """A figure of a line with its interval, the autonomy with a bar."""
    interval = line["interval_95"].get(name)
    return Cell(
        number(line[name], digits),
        limits(tuple(interval), digits) if interval else "",
        line[name] if name == "autonomy_percent" else None,
    )


def faults_of(result: dict[str, Any]) -> list[str]:
    """What a policy should not have done, in words, by drives."""
    drives: dict[str, int] = {}
    for one in result["episodes"]:
        for fault in one["faults"]:
            drives[fault] = drives.get(fault, 0) + 1
    return [f"{fault}: in {count} drives" for fault, count in sorted(drives.items())]


def worst_moments(result: dict[str, Any], finished: Finished) -> list[Moment]:
    """What was seen at the worst moment of the worst scenarios; none of the expert's, who does not
    look."""
    hardest = sorted(
        result["lines"], key=lambda line: (line["autonomy_percent"], -line["max_abs_cte_m"])
    )
    by_scenario: dict[str, list[Any]] = {}
    for task, driven in finished:
        if not task.by_expert:
            by_scenario.setdefault(task.stress.name, []).append((task, driven.drives[0]))
    moments: list[Moment] = []
    for line in hardest[:MOST_MOMENTS]:
        some = by_scenario.get(line["scenario"])
        if some:
            task, drive = max(
                some, key=lambda pair: ((pair[1].intervention > 0).any(), abs(pair[1].cte_m).max())
            )
            seen = worst_of(simulation_of(task), task.episodes, [drive])
            frames = tuple(seen.frames)
            moments.append(Moment(len(moments) + 1, episode_of(task), drive, seen.row, frames))
    return moments


def episode_of(task: EpisodesTask) -> EvaluatedEpisode:
    """A task's drive, as pages name it."""
    (episode,) = task.episodes
    return EvaluatedEpisode(
        file=Path(),
        track=task.track,
        driver="pilot",
        stress=task.stress.name,
        seed=episode.seed,
        direction=episode.start.direction,
    )

"""Does it drive? The answer in one glance, and the tables below it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ghostlap.base.terminal import in_html
from ghostlap.driving.metrics import rarest_km
from ghostlap.reports.report.charts import Scale
from ghostlap.reports.report.evaluations import Evaluation, Line, hardness, short, tracks_in_words
from ghostlap.reports.report.parts import (
    Cell,
    Section,
    command_line,
    grid,
    heading,
    limits,
    missing,
    number,
    paragraph,
    table,
)

_MOST_TRACKS = 4
_MOST_ROWS = 60

_TILES = (
    ("autonomy_percent", "Autonomy", "%", 1, "time driven without help"),
    ("off_road_per_km", "Off the road", "per km", 2, "times that the car left the road"),
    ("mean_abs_cte_m", "Mean |cte|", "m", 2, "distance from the centre line"),
    ("steering_rate_per_s", "Steering rate", "1/s", 2, "full locks a second, RMS; low is smooth"),
)  # fmt: skip

_CONDITIONS = {
    "seed": "Light, materials and starts are drawn anew for each seed",
    "wide": "Light, materials and starts are drawn anew for each seed from a wide range",
    "fixed": "Light and materials are fixed; each seed draws its starts",
}


def answer(run: Path, found: Sequence[Evaluation], problems: Sequence[str]) -> Section:
    """The top of the page: the evaluation to believe, in a sentence and four figures a track."""
    notes = "".join(missing(problem) for problem in problems)
    if not found or not found[0].plain:
        html = (
            '<p class="answer unknown">Not known yet.</p>'
            + missing(
                "No drive of this pilot has been measured, and a training's loss does not tell "
                "whether it drives. This measures it:",
                command_line("evaluate", run, "--track", "lake", "--seeds", 5),
            )
            + notes
        )
        return Section("drives", "Does it drive?", html)
    best = found[0]
    html = _sentence(best) + paragraph(_basis(best), "basis") + _doubts(run, best) + notes
    for line in best.plain[:_MOST_TRACKS]:
        html += _tiles(best, line)
    if len(best.plain) > _MOST_TRACKS:
        html += paragraph(f"{len(best.plain) - _MOST_TRACKS} more tracks are in the table below.")
    return Section("drives", "Does it drive?", html)


def _sentence(best: Evaluation) -> str:
    taken_over = round(sum(line.figures["interventions"] for line in best.plain))
    where = f"{best.distance_km:.1f} km on {tracks_in_words(best.plain)}"
    if taken_over == 0:
        kind, text = "good", f"{where} without anyone taking over."
    else:
        kind = "poor" if min(_autonomy(best)) < 90 else "fair"
        times = "once" if taken_over == 1 else f"{taken_over} times"
        text = f"Someone had to take over {times} in {where}."
    return f'<p class="answer {kind}">{in_html(text)}</p>'


def _autonomy(best: Evaluation) -> list[float]:
    return [line.figures["autonomy_percent"] for line in best.plain]


def _basis(best: Evaluation) -> str:
    line = best.plain[0]
    conditions = _CONDITIONS.get(best.conditions, f"Conditions: {best.conditions}")
    seeds = f"{line.seeds} seed{'s' if line.seeds > 1 else ''}"
    text = (
        f"Embedded simulator, speed limit {best.speed_limit_mph:g} mph, {line.episodes} episodes "
        f"of {seeds} a track. {conditions}{', with small pushes' if best.pushes else ''}."
    )
    if line.seeds == 1:
        text += " One seed gives no intervals."
    if not any(line.figures["interventions"] for line in best.plain):
        text += (
            f" No takeover in {best.distance_km:.1f} km: with 95 % confidence there is fewer than "
            f"one in {rarest_km(best.distance_km):.1f} km."
        )
    return text


def _doubts(run: Path, best: Evaluation) -> str:
    doubts = ""
    if not best.of_this_network:
        doubts += missing(
            "These figures are of an earlier network of this run folder, not of the one that is "
            "there now. This measures the present one:",
            command_line("evaluate", run, "--name", best.folder.name),
        )
    if not best.complete:
        doubts += missing(
            f"`{best.folder.name}` was stopped before it was complete. The command that began it "
            "goes on with `--resume`."
        )
    return doubts


def _tiles(best: Evaluation, line: Line) -> str:
    expert = best.expert_beside(line)
    tiles = [
        _tile(name, title, unit, digits, below, line, expert)
        for name, title, unit, digits, below in _TILES
    ]
    title = heading(f"{short(line.track)} \N{MIDDLE DOT} {line.figures['distance_km']:.1f} km")
    return title + grid(*tiles, kind="tiles")


def _tile(
    name: str, title: str, unit: str, digits: int, below: str, line: Line, expert: Line | None
) -> str:
    value, interval = line.figures[name], line.interval.get(name)
    shown = limits(interval, digits)
    if interval is None:
        range_text = "no interval: one seed"
    elif interval[0] == interval[1]:
        range_text = f"same in all {line.seeds} seeds"
    else:
        range_text = f"95 %: {shown or number(value, digits)}"
    beside = "" if expert is None else f"expert: {number(expert.figures[name], digits)}"
    return (
        f'<div class="tile"><p class="tile-title">{in_html(title)}</p>'
        f'<p class="tile-value">{number(value, digits)} <span>{in_html(unit)}</span></p>'
        f"{_whisker(name, value, interval, expert)}"
        f'<p class="tile-range"><span>{range_text}</span> <span class="beside">{beside}</span></p>'
        f'<p class="tile-below">{in_html(below)}</p></div>'
    )


def _whisker(
    name: str, value: float, interval: tuple[float, float] | None, expert: Line | None
) -> str:
    """The figure as a dot on its interval, the expert's as a tick, on one scale."""
    low, high = interval or (value, value)
    others = [high, value] + ([] if expert is None else [expert.figures[name]])
    if name == "autonomy_percent":
        scale = Scale(0 if min(low, value) < 90 else 90, 100, 4, 196)
    else:
        scale = Scale(0, max(max(others) * 1.15, 1e-9), 4, 196)
    begin, end, at = (f"{float(scale(x)):.1f}" for x in (low, high, value))
    marks = '<path class="rule" d="M4 8H196"/>'
    if expert is not None:
        tick = f"{float(scale(expert.figures[name])):.1f}"
        marks += f'<path class="tick-expert" d="M{tick} 1V15"/>'
    marks += (
        f'<path class="whisker" d="M{begin} 8H{end}"/><circle class="dot" cx="{at}" cy="8" r="4"/>'
    )
    return f'<svg class="whiskers" viewBox="0 0 200 16" aria-hidden="true">{marks}</svg>'


def tables(run: Path, found: Sequence[Evaluation]) -> Section:
    """Every evaluation's figures without stress, the expert's below the pilot's."""
    rows: list[list[str | Cell]] = []
    faint = []
    for one in found:
        for line in one.plain:
            if len(rows) >= _MOST_ROWS:
                break
            rows.append(_row(one, line))
            expert = one.expert_beside(line)
            if expert is not None:
                faint.append(len(rows))
                rows.append(_row(one, expert))
    if not rows:
        return Section("figures", "All figures", _nothing(run))
    html = table(
        ("track", "who", "km", "autonomy %", "off road 1/km", "mean |cte| m", "max |cte| m",
         "margin m", "steering 1/s", "speed mph", "evaluation"),
        rows,
        "Each evaluation without stress; small: 95 % interval over seeds",
        words=2,
        faint=faint,
    )  # fmt: skip
    html += paragraph(
        "cte is the cross-track error, from the centre line to the car's centre. The margin is "
        "the smallest distance to the road's edge; below 0 the road was left. The expert is a "
        "program that knows where the road is: what can be reached at that speed.",
        "small",
    )
    return Section("figures", "All figures", html)


def _nothing(run: Path) -> str:
    return missing("No evaluation, so no figures.", command_line("evaluate", run))


def _row(one: Evaluation, line: Line) -> list[str | Cell]:
    def cell(name: str, digits: int) -> Cell:
        interval = line.interval.get(name)
        return Cell(number(line.figures[name], digits), limits(interval, digits))

    state = "" if one.complete else "not complete"
    if not one.of_this_network:
        state = "earlier network"
    return [
        short(line.track),
        line.driver,
        number(line.figures["distance_km"], 1),
        cell("autonomy_percent", 1),
        cell("off_road_per_km", 2),
        cell("mean_abs_cte_m", 2),
        number(line.figures["max_abs_cte_m"], 2),
        number(line.figures["min_margin_m"], 2),
        cell("steering_rate_per_s", 2),
        number(line.figures["mean_speed_mph"], 1),
        Cell(one.folder.name, state),
    ]


def stress(run: Path, found: Sequence[Evaluation]) -> Section:
    """What hardships cost, hardest first."""
    tested = next((one for one in found if one.stressed), None)
    if tested is None:
        html = missing(
            "It has not been driven under stress: other light and materials, delays, lost frames, "
            "hard pushes.",
            command_line("evaluate", run, "--stress", "--seeds", 2),
        )
        return Section("stress", "Under stress", html)
    lines = [*tested.plain, *sorted(tested.stressed, key=hardness)]
    several = len({line.track for line in lines}) > 1
    rows: list[list[str | Cell]] = []
    for line in lines[:_MOST_ROWS]:
        autonomy = line.figures["autonomy_percent"]
        rows.append([
            ("no stress" if line.stress == "none" else line.stress)
            + (f" ({short(line.track)})" if several else ""),
            Cell(
                number(autonomy, 1), limits(line.interval.get("autonomy_percent"), 1), autonomy
            ),
            number(line.figures["interventions"], 0),
            Cell(
                number(line.figures["mean_abs_cte_m"], 2),
                limits(line.interval.get("mean_abs_cte_m"), 2),
            ),
            number(line.figures["max_abs_cte_m"], 2),
            number(line.figures["distance_km"], 1),
        ])  # fmt: skip
    html = table(
        ("stress", "autonomy %", "takeovers", "mean |cte| m", "max |cte| m", "km"),
        rows,
        f"{tested.folder.name}: the pilot under each stress, hardest first; small: 95 % interval",
    )
    if not tested.complete:
        html += missing("This evaluation was stopped before it was complete.")
    return Section("stress", "Under stress", html)

"""The table that a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ghostlap.base.terminal import plain, say
from ghostlap.driving.evaluation.failure_prediction import AHEAD_S, FailurePrediction
from ghostlap.driving.evaluation.results import Finished, TableLine
from ghostlap.driving.metrics import Figure, autonomy_percent, in_table
from ghostlap.driving.summary import rarest_km

_WIDTH = 200
"""More columns than the table needs: a narrower terminal wraps it, and nothing is cut off."""


def show(lines: Sequence[TableLine], console: Console) -> None:
    """Print the table and what its figures rest on."""
    wide = Console(
        file=console.file,
        width=max(_WIDTH, console.width),
        force_terminal=console.is_terminal,
    )
    wide.print(table(lines))
    say(console, note(lines))


def table(lines: Sequence[TableLine]) -> Table:
    """A line for the pilot on each track and under each stress, and the expert's below it."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("track\n", "driver\n"):
        shown.add_column(column, no_wrap=True)
    add_figure_columns(shown, in_table())
    for line in _in_order(lines):
        summary = line.summary
        cells = [figure.cell(summary.figures, summary.interval) for figure in in_table()]
        shown.add_row(plain(_short(line.track)), _who(line), *cells, style=_style(line))
    return shown


def add_figure_columns(shown: Table, figures: Iterable[Figure]) -> None:
    for figure in figures:
        shown.add_column(f"{figure.title}\n{figure.unit}", justify="right", no_wrap=True)


def note(lines: Sequence[TableLine]) -> str:
    """What the figures rest on."""
    of_pilot = [line for line in lines if line.driver == "pilot"]
    summary = of_pilot[0].summary
    sentences = [
        f"{summary.episodes} episodes a line, {summary.figures['distance_km']:.1f} km; "
        + (
            f"below a figure its 95 % interval over {summary.seeds} seeds."
            if summary.interval
            else "no interval, because they are all of one seed."
        )
    ]
    plain = [line for line in of_pilot if line.stress == "none"]
    if len(plain) > 1:
        sentences.append(_together(plain))
    else:
        sentences += [_how_rare(line) for line in plain]
    return " ".join(sentences)


def _how_rare(line: TableLine) -> str:
    figures = line.summary.figures
    if figures["interventions"] == 0:
        km = figures["distance_km"]
        return (
            f"No intervention in {km:.1f} km on {_short(line.track)}: with 95 % confidence fewer "
            f"than one in {rarest_km(km):.1f} km."
        )
    return (
        f"An intervention on {_short(line.track)} every {figures['s_between_interventions']:.0f} s "
        f"or {figures['km_between_interventions']:.2f} km."
    )


def _together(plain: Sequence[TableLine]) -> str:
    """All tracks as one: interventions of all over the time of all."""
    interventions, elapsed_s, km = (
        sum(line.summary.figures[name] for line in plain)
        for name in ("interventions", "elapsed_s", "distance_km")
    )
    return (
        f"All {len(plain)} tracks together: autonomy "
        f"{autonomy_percent(interventions, elapsed_s):.1f} %, {interventions:.0f} interventions "
        f"in {km:.1f} km."
    )


def _short(track: str) -> str:
    """A file's name without its folder."""
    return Path(track).stem if track.endswith(".csv") else track


_IN_WORDS = {
    "steering": "|steering|",
    "speed_steering": "speed times |steering|",
    "steering_change": "the steering's change",
}


def failure_prediction_note(seen: FailurePrediction) -> str:
    """How well the spread announced interventions, beside what needs no spread."""

    def figure(name: str) -> str:
        low_high = "–".join(f"{limit:.2f}" for limit in seen.interval.get(name, ()))
        return f"{seen.auroc[name]:.2f}" + (f" ({low_high})" if low_high else "")

    others = ", ".join(f"{words} {figure(name)}" for name, words in _IN_WORDS.items())
    return (
        f"The spread announces an intervention within {AHEAD_S:g} s with an AUROC of "
        f"{figure('spread')}; chance is 0.5. Beside it: {others}. From {seen.moments} moments, "
        f"{seen.troubled} of them before an intervention."
    )


def answers_warnings(by_pilot: Finished) -> list[str]:
    """What to tell of answers that the controller could not carry out as they were."""
    moments = sum(len(drive.time_s) for _, result in by_pilot for drive in result.drives)
    lost = sum(sum(result.not_a_number) for _, result in by_pilot)
    clipped = sum(sum(result.out_of_range) for _, result in by_pilot)
    warnings = []
    if lost:
        warnings.append(
            f"the pilot's answer was not a number at {lost} of {moments} moments: the car braked. "
            "Was its loss finite? Train anew with a lower --learning-rate."
        )
    if clipped:
        warnings.append(
            f"the pilot steered beyond full lock at {clipped} of {moments} moments: clipped to "
            "-1 and 1."
        )
    return warnings


def _in_order(lines: Sequence[TableLine]) -> list[TableLine]:
    """By track, then by stress, the pilot before the expert."""
    tracks = list(dict.fromkeys(line.track for line in lines))
    stresses = list(dict.fromkeys(line.stress for line in lines if line.driver == "pilot"))
    drawn = [line for line in lines if line.stress in stresses]  # else stopped before the pilot's
    return sorted(
        drawn,
        key=lambda line: (
            tracks.index(line.track), stresses.index(line.stress), line.driver == "expert",
        ),
    )  # fmt: skip


def _who(line: TableLine) -> str:
    if line.driver == "expert":
        return "expert" if line.stress == "none" else "  expert"
    return "pilot" if line.stress == "none" else line.stress


def _style(line: TableLine) -> str:
    if line.driver == "expert":
        return "dim"
    autonomy = line.summary.figures["autonomy_percent"]
    return "green" if autonomy == 100 else "yellow" if autonomy >= 90 else "red"

"""``ghostlap report``: one page about one run.

ghostlap report runs/a
"""

from __future__ import annotations

from typing import Any

from rich.console import Console

from ghostlap.base.errors import GhostlapError
from ghostlap.base.folder_lock import replacing_output
from ghostlap.base.terminal import say
from ghostlap.pilots.pilot import Pilot
from ghostlap.reports.page import page_html, require_own_page
from ghostlap.reports.report import (
    attention,
    curves,
    driving,
    foresight,
    latency,
    origin,
    recorded,
    roads,
    steering,
    worst_moments,
)
from ghostlap.reports.report.config import ReportConfig
from ghostlap.reports.report.evaluations import read_evaluations

console = Console(stderr=True)

SECTIONS = {
    "drives": "Does it drive?",
    "map": "Where it drove",
    "moments": "Worst moments",
    "figures": "All figures",
    "stress": "Under stress",
    "recorded": "What was recorded",
    "training": "Training",
    "offline": "Offline error",
    "saliency": "What it looks at",
    "latency": "Latency",
    "origin": "Configuration and versions",
}
"""Anchors and headings, in the order of the page; the first is the answer on top."""


def report(config: ReportConfig, console: Console = console) -> dict[str, Any]:
    """Write the page of a run.

        >>> page = ghostlap.report(ghostlap.ReportConfig("runs/a"))["page"]

    Returns:
        JSON values: ``page`` (its path), ``bytes``, ``sections`` (names), ``evaluations`` (names
        of their folders, the one on top first), ``moments`` (how many strips), ``frames`` (how
        many recorded ones the pilot was shown).

    Raises:
        PilotError: the run folder holds no usable pilot.
        GhostlapError: the page cannot be written, or another one stands there.
    """
    pilot = Pilot.load(config.pilot)
    require_own_page(config.page, "report")
    with console.status("reading evaluations …") as status:
        found, problems = read_evaluations(config.pilot)
        alarm = None if pilot.critic is None else pilot.critic.alarm
        worst = worst_moments.find_moments(found, alarm)
        status.update("reading recordings …")
        data = recorded.find_recorded(config, pilot)
        status.update("looking at recorded frames …")
        compared = steering.compare_with_person(pilot, data, config.frames)
        status.update("drawing …")
        told = pilot.description.get("training")
        told = told if isinstance(told, dict) else {}
        run = config.pilot
        html = page_html(
            "report.html",
            verb="report",
            title=run.resolve().name,
            below=_below(told),
            run=run,
            sections=SECTIONS,
            shown={
                "drives": driving.answer(found, problems),
                "map": roads.section(found, worst),
                "moments": {
                    "found": found,
                    "moments": worst,
                    "foreseen": foresight.in_words(found, alarm),
                },
                "figures": driving.tables(found),
                "stress": driving.stress(found),
                "recorded": recorded.section(config, data),
                "training": curves.section(run, told),
                "offline": steering.section(pilot, compared, found),
                "saliency": attention.section(run, pilot, compared, worst),
                "latency": latency.section(run),
                "origin": origin.section(pilot, found),
            },
        )
        try:
            config.page.parent.mkdir(parents=True, exist_ok=True)
            with replacing_output(config.page, GhostlapError) as unfinished:
                unfinished.write_bytes(html.encode())
        except OSError as error:
            raise GhostlapError(
                f"{config.page}: the page cannot be written there ({error.strerror})."
            ) from error
    size = config.page.stat().st_size
    say(console, f"{config.page}: {size / 1e6:.1f} MB")
    return {
        "page": str(config.page),
        "bytes": size,
        "sections": list(SECTIONS),
        "evaluations": [one.folder.name for one in found],
        "moments": len(worst),
        "frames": 0 if compared is None else len(compared.person),
    }


def _below(told: dict[str, Any]) -> str:
    """One line about the run."""
    seen = told.get("recordings_seen")
    listed = seen if isinstance(seen, list) else []
    rows = [one.get("rows", "?") for one in listed if isinstance(one, dict)]
    parts = [f"A pilot ({told['model']})" if isinstance(told.get("model"), str) else "A pilot"]
    if rows and all(isinstance(count, int) for count in rows):
        recordings = "one recording" if len(rows) == 1 else f"{len(rows)} recordings"
        parts.append(f"trained on {sum(rows):,} rows of {recordings}")
    if isinstance(told.get("epochs"), int):
        parts.append(f"for {told['epochs']} epochs")
    return " ".join(parts) + "."

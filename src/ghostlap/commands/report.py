"""``ghostlap report``: one page about one run.

ghostlap report runs/a
"""

from __future__ import annotations

from typing import Any

from rich.console import Console

from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import read_start
from ghostlap.base.folder_lock import replacing_output
from ghostlap.base.terminal import say
from ghostlap.pilots.pilot import Pilot
from ghostlap.reports.report import (
    attention,
    curves,
    driving,
    latency,
    origin,
    recorded,
    roads,
    worst_moments,
)
from ghostlap.reports.report.config import ReportConfig
from ghostlap.reports.report.evaluations import read_evaluations
from ghostlap.reports.report.page import MARK, page_html
from ghostlap.reports.report.steering import compare_with_person
from ghostlap.reports.report.steering import section as offline_section

console = Console(stderr=True)


def report(config: ReportConfig, console: Console = console) -> dict[str, Any]:
    """Write the page of a run.

        >>> page = ghostlap.report(ghostlap.ReportConfig("runs/a"))["page"]

    Args:
        config: see :class:`ReportConfig`.
        console: where progress is shown.

    Returns:
        JSON values: ``page`` (its path), ``bytes``, ``sections`` (names), ``evaluations`` (names
        of their folders, the one on top first), ``moments`` (how many strips), ``frames`` (how
        many recorded ones the pilot was shown).

    Raises:
        PilotError: the run folder holds no usable pilot.
        GhostlapError: the page cannot be written, or another one stands there.
    """
    pilot = Pilot.load(config.pilot)
    _check_page(config)
    with console.status("reading evaluations …") as status:
        found, problems = read_evaluations(config.pilot)
        worst = worst_moments.find_moments(found)
        status.update("reading recordings …")
        data = recorded.find_recorded(config, pilot)
        status.update("looking at recorded frames …")
        compared = compare_with_person(pilot, data, config.frames)
        status.update("drawing …")
        told = pilot.description.get("training")
        told = told if isinstance(told, dict) else {}
        run = config.pilot
        sections = [
            driving.answer(run, found, problems),
            roads.section(run, found, worst),
            worst_moments.section(run, found, worst),
            driving.tables(run, found),
            driving.stress(run, found),
            recorded.section(config, data),
            curves.section(run, told),
            offline_section(config, pilot, compared, found),
            attention.section(run, pilot, compared, worst),
            latency.section(run),
            origin.section(pilot, found),
        ]
        html = page_html(run.resolve().name, _below(told), sections)
        try:
            config.page.parent.mkdir(parents=True, exist_ok=True)
            with replacing_output(config.page, GhostlapError) as unfinished:
                unfinished.write_text(html, encoding="utf-8")
        except OSError as error:
            raise GhostlapError(
                f"{config.page}: the page cannot be written there ({error.strerror})."
            ) from error
    size = config.page.stat().st_size
    say(console, f"{config.page}: {size / 1e6:.1f} MB")
    return {
        "page": str(config.page),
        "bytes": size,
        "sections": [section.name for section in sections],
        "evaluations": [one.folder.name for one in found],
        "moments": len(worst),
        "frames": 0 if compared is None else len(compared.person),
    }


def _below(told: dict[str, Any]) -> str:
    """What the run is, in a line."""
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


def _check_page(config: ReportConfig) -> None:
    """Make sure that the page is none of somebody else's."""
    try:
        foreign = config.page.exists() and MARK.encode() not in read_start(config.page, 4000)
    except OSError as error:
        raise GhostlapError(f"{config.page}: cannot be written ({error.strerror}).") from error
    if foreign:
        raise GhostlapError(
            f"{config.page}: this page was not made by 'ghostlap report', so it is left alone. "
            "Name another --out."
        )

"""The table of a campaign: on the terminal, as JSON, and between two marks of a document."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
from pathlib import Path
from typing import Any

from benchmarks.attack.campaign import FAULTS, Campaign, Row

BEGIN, END = "<!-- attack:begin -->", "<!-- attack:end -->"
_HEADER = ("what", "how many", *FAULTS, "peak MB", "allowed", "seconds")


def as_json(campaign: Campaign, minutes: float) -> dict[str, Any]:
    """All rows and findings, as JSON values."""
    return {
        "seed": campaign.seed,
        "minutes": minutes,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "held": held(campaign),
        "rows": [dataclasses.asdict(row) for row in campaign.rows.values()],
        "findings": [dataclasses.asdict(finding) for finding in campaign.findings],
    }


def held(campaign: Campaign) -> bool:
    """Whether nothing of what may not happen did."""
    return all(row.held for row in campaign.rows.values())


def as_markdown(campaign: Campaign) -> str:
    """The table, with a line that adds up each kind, and what was remarked below it."""
    lines = [_line(_HEADER), _line(["---", *["---:"] * (len(_HEADER) - 1)])]
    for kind in dict.fromkeys(name.partition("/")[0] for name in campaign.rows):
        rows = [row for row in campaign.rows.values() if row.name.partition("/")[0] == kind]
        lines.append(_line(_cells(_sum(kind, rows), bold=True)))
        if len(rows) > 1:
            lines += [_line(_cells(row)) for row in rows]
    remarks = [
        f"- {row.name}: {remark}" for row in campaign.rows.values() for remark in row.remarks
    ]
    return "\n".join([*lines, *([""] if remarks else []), *remarks]) + "\n"


def write_between_marks(document: Path, text: str) -> None:
    """Put a text between :data:`BEGIN` and :data:`END` of a document.

    Raises:
        ValueError: it has not both marks.
    """
    content = document.read_text(encoding="utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document}: must hold the lines {BEGIN} and {END}, in this order.")
    document.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def _sum(kind: str, rows: list[Row]) -> Row:
    return Row(
        kind,
        max(row.allowed_mb for row in rows),
        sum(row.count for row in rows),
        max(row.peak_mb for row in rows),
        sum(row.seconds for row in rows),
        {fault: sum(row.faults[fault] for row in rows) for fault in FAULTS},
    )


def _cells(row: Row, bold: bool = False) -> list[str]:
    name = f"**{row.name}**" if bold else row.name
    peak = [f"{row.peak_mb:.0f}", f"{row.allowed_mb:.0f}"] if row.peak_mb else ["", ""]
    return [
        name, f"{row.count:,}", *(str(row.faults[fault]) for fault in FAULTS), *peak,
        f"{row.seconds:.0f}",
    ]  # fmt: skip


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"

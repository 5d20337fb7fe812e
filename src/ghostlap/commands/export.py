"""``ghostlap export``: a pilot's network for other programs."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import Console

from ghostlap.pilots.export.config import ExportConfig

console = Console(stderr=True)


def export(config: ExportConfig, console: Console = console) -> dict[str, Any]:
    """Write a pilot's network for other programs.

        >>> ghostlap.export(ghostlap.ExportConfig("runs/a", to="onnx", out="a.onnx"))["format"]
        'onnx'

    Returns:
        ``{"out", "format", "about", "measured": {...}}``, ready for JSON.

    Raises:
        GhostlapError: no pilot there, or it cannot be written in that format.
    """
    from ghostlap.pilots.export.exporting import export_pilot

    about = export_pilot(config, console)
    return {"out": str(config.out), "format": config.to, **dataclasses.asdict(about)}

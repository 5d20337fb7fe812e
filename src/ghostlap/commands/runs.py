"""``ghostlap runs``: the run folders below here, the best driver first.

ghostlap runs
ghostlap runs --trained-on lake
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ghostlap.base.errors import PilotError
from ghostlap.base.options import Options
from ghostlap.base.platform import quoted
from ghostlap.base.terminal import plain, say
from ghostlap.commands.here import find
from ghostlap.driving.measured import newest_evaluation, worst_line
from ghostlap.driving.metrics import is_number
from ghostlap.pilots.run_folder import read_description

_SHOWN = 100


@dataclasses.dataclass(frozen=True)
class RunsConfig(Options, error=PilotError):
    """List the run folders in a folder and below: how each drives, its loss, what it learned from.

    How it drives is the autonomy on the track on which its last evaluation went worst. Runs that
    were not measured follow, by validation loss.

    Example: ghostlap runs --trained-on lake
    """

    folder: tyro.conf.Positional[Path] = Path()
    """Where to look: there and a few levels below."""
    trained_on: str = ""
    """Only runs that learned from a recording with this in its path, or of this hash."""


def runs(config: RunsConfig) -> dict[str, Any]:
    """Find runs, by what they were trained on, and sort them by driving, then loss.

        >>> ghostlap.runs(ghostlap.RunsConfig())["runs"][0]["run"]
        'runs/a'

    Returns:
        ``{"runs": [{"run", "autonomy_percent", "track", "val_loss", "epochs", "model",
        "trained_on": [{"folder", "rows", "blake2b"}]}]}``, ready for JSON; None for what is not
        known.

    Raises:
        PilotError: there is no such folder, or no such run in it.
    """
    if not config.folder.is_dir():
        raise PilotError(f"{config.folder}: no such folder. Name the one that your runs are below.")
    folders = [one.path for one in find(config.folder) if one.kind == "run"]
    found = [run for folder in folders if (run := _facts(folder)) is not None]
    chosen = [run for run in found if _learned_from(run, config.trained_on)]
    if not chosen:
        raise PilotError(_none(config, len(found)))
    chosen.sort(key=_rank)
    _show(chosen)
    return {"runs": chosen}


def trained_on(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The recordings that a pilot learned from, as its ``pilot.json`` has them; nothing else."""
    training = description.get("training")
    seen = training.get("recordings_seen") if isinstance(training, dict) else None
    return [
        {name: one.get(name) for name in ("folder", "rows", "blake2b")}
        for one in (seen if isinstance(seen, list) else [])
        if isinstance(one, dict)
    ]


def _facts(folder: Path) -> dict[str, Any] | None:
    try:
        description = read_description(folder)
    except PilotError:
        return None
    evaluation = newest_evaluation(folder)
    worst = (worst_line(evaluation) if evaluation else None) or {}
    training = description.get("training")
    training = training if isinstance(training, dict) else {}
    loss = training.get("val_loss")
    return {
        "run": str(folder),
        "autonomy_percent": worst.get("autonomy_percent"),
        "track": worst.get("track"),
        "val_loss": loss if is_number(loss) else None,
        "epochs": training.get("best_epoch"),
        "model": training.get("model"),
        "trained_on": trained_on(description),
    }


def _learned_from(run: dict[str, Any], wanted: str) -> bool:
    return not wanted or any(
        wanted in str(one["folder"]) or wanted == one["blake2b"] for one in run["trained_on"]
    )


def _rank(run: dict[str, Any]) -> tuple[float, float, str]:
    autonomy, loss = run["autonomy_percent"], run["val_loss"]
    return (
        math.inf if autonomy is None else -autonomy, math.inf if loss is None else loss, run["run"]
    )  # fmt: skip


def _none(config: RunsConfig, others: int) -> str:
    if others:
        return (
            f"{config.folder}: none of {others} runs learned from {config.trained_on!r}. "
            "'ghostlap runs' shows what each learned from."
        )
    return (
        f"{config.folder}: no run in it or below. Train one, 'ghostlap train REC --out runs/a', or "
        "name the folder that runs are in."
    )


def _show(found: list[dict[str, Any]]) -> None:
    console = Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("autonomy %", justify="right")
    table.add_column("on")
    table.add_column("val. loss", justify="right")
    table.add_column("trained on", overflow="fold")
    for run in found[:_SHOWN]:
        autonomy, loss = run["autonomy_percent"], run["val_loss"]
        seen = ", ".join(f"{_short(one['folder'])} ({one['rows']})" for one in run["trained_on"])
        table.add_row(
            plain(run["run"]),
            "" if autonomy is None else f"{autonomy:.1f}",
            plain(run["track"] or "not measured"),
            "" if loss is None else f"{loss:.4f}",
            plain(seen or "not known"),
        )
    console.print(table)
    if len(found) > _SHOWN:
        say(console, f"and {len(found) - _SHOWN} more: --json tells all")
    if unmeasured := [run["run"] for run in found if run["autonomy_percent"] is None]:
        say(console, f"Measure one: ghostlap evaluate {quoted(unmeasured[0])}")


def _short(folder: Any) -> str:
    """A recording's folder as one would name it from here."""
    path = Path(str(folder))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

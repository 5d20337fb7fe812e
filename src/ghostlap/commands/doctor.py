"""``ghostlap doctor``: problems of a recording, and a clean copy without them.

ghostlap doctor my-drive
ghostlap doctor my-drive --fix my-drive-clean
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from ghostlap.base.errors import RecordingError
from ghostlap.base.options import Options
from ghostlap.base.terminal import plain, say
from ghostlap.data.doctor import checks, images
from ghostlap.data.doctor.clean_copy import CleanCopy, check_out, write_clean_copy
from ghostlap.data.doctor.findings import Finding, finding
from ghostlap.data.formats.config import Columns
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import Recording, require_images

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


@dataclasses.dataclass(frozen=True)
class DoctorConfig(Options):
    """Find what is wrong with a recording, and what was mended while reading it.

    The exit status is 1 where something is an error, 0 where nothing is.

    Example: ghostlap doctor my-drive --fix my-drive-clean
    """

    recordings: tyro.conf.Positional[tuple[Path, ...]]
    """Recordings of any format: driving_log.csv and IMG, donkeycar tubs, LeRobot datasets, tables
    with pictures."""
    fix: Path | None = None
    """Write a clean copy into this new folder; the original is never touched. Of several
    recordings, each gets a folder of its own in it."""
    columns: Columns = ()


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """All findings about a recording, and the part that a clean copy would keep."""

    findings: tuple[Finding, ...]
    good_rows: NDArray[np.bool_]
    """Mask of the rows worth keeping, shape ``(rows,)``."""
    usable_images: NDArray[np.bool_]
    """Mask of whole images of the usual size, shape ``(rows, 3)`` by camera."""
    cameras_swapped: bool


def diagnose(recording: Recording) -> Diagnosis:
    """Check the table and every image of a recording."""
    findings = [
        *checks.check_reading(recording),
        *checks.check_values(recording),
        *checks.check_duplicates(recording),
        *checks.check_times(recording),
        *checks.check_steering(recording),
    ]
    scan = images.scan_images(recording)
    swapped = False
    try:
        require_images(recording)
    except RecordingError as error:
        count = int((recording.frames[["center", "left", "right"]] != "").to_numpy().sum())
        findings.append(finding("no-images", count, problem=error))
    else:
        findings += images.check_images(recording, scan)
        swaps = list(images.check_cameras(recording, scan))
        swapped = bool(swaps)
        findings += swaps
    good = ~checks.bad_values(recording) & ~checks.duplicates(recording)
    good &= not checks.is_of_another_unit(recording, "steering")
    order = list(_STYLES)
    return Diagnosis(
        findings=tuple(sorted(findings, key=lambda one: order.index(one.severity))),
        good_rows=good & scan.usable[:, 0],
        usable_images=scan.usable,
        cameras_swapped=swapped,
    )


def examine(recording: Recording) -> list[Finding]:
    """Findings about a recording, the worst first."""
    return list(diagnose(recording).findings)


def doctor(config: DoctorConfig) -> dict[str, Any]:
    """Examine recordings, print the findings, and write clean copies if asked to.

        >>> found = ghostlap.doctor(ghostlap.DoctorConfig(("my-drive",)))
        >>> found["recordings"][0]["rows"]
        120

    Returns:
        ``{"recordings": [{"folder", "rows", "seconds", "findings": [...]}], "clean_copies":
        [...], "errors": kinds of error}``, ready for JSON.

    Raises:
        RecordingError: none was given, one cannot be read at all, or ``fix`` is in use.
    """
    from rich.console import Console

    console = Console()
    if not config.recordings:
        raise RecordingError("doctor: no recording was given. Name its folder: ghostlap doctor REC")
    outs = _outs(config)
    result: dict[str, Any] = {"recordings": [], "clean_copies": [], "errors": 0}
    for path, out in zip(config.recordings, outs, strict=True):
        start_s = time.perf_counter()
        recording = read_recording(path, config.columns)
        diagnosis = diagnose(recording)
        seconds = time.perf_counter() - start_s
        _print(console, recording, diagnosis.findings, seconds)
        result["recordings"].append(
            {
                "folder": str(recording.folder),
                "rows": len(recording.frames),
                "seconds": round(seconds, 2),
                "findings": [dataclasses.asdict(one) for one in diagnosis.findings],
            }
        )
        result["errors"] += sum(one.severity == "error" for one in diagnosis.findings)
        if out is not None:
            copy = write_clean_copy(
                recording,
                out,
                keep=diagnosis.good_rows,
                usable_images=diagnosis.usable_images,
                swap_sides=diagnosis.cameras_swapped,
            )
            _print_copy(console, copy)
            result["clean_copies"].append(dataclasses.asdict(copy))
    return result


def _outs(config: DoctorConfig) -> list[Path | None]:
    """Folders of the clean copies, checked before any work."""
    if config.fix is None:
        return [None] * len(config.recordings)
    check_out(config.fix)
    if len(config.recordings) == 1:
        return [config.fix]
    outs: list[Path | None] = []
    for path in config.recordings:
        folder = path.resolve().parent if path.is_file() else path.resolve()
        out = config.fix / folder.name
        if out in outs:
            out = config.fix / f"{folder.name}-{len(outs) + 1}"
        outs.append(out)
    return outs


def _print(console: Any, recording: Recording, findings: Sequence[Finding], seconds: float) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    errors = sum(one.severity == "error" for one in findings)
    verdict = f"{errors} kind{'s' * (errors > 1)} of error" if errors else "no errors"
    title = f"{recording.folder}: {len(recording.frames)} rows, {verdict} ({seconds:.1f} s)"
    table = Table(title=plain(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("count", justify="right")
    table.add_column("what", ratio=3, overflow="fold")
    table.add_column("for example", ratio=2, overflow="fold")
    table.add_column("what to do", ratio=2)
    for one in findings:
        severity = Text(one.severity, style=_STYLES[one.severity])
        words = map(plain, (one.message, one.example, one.fix))
        table.add_row(severity, str(one.count), *words)
    console.print(table)


def _print_copy(console: Any, copy: CleanCopy) -> None:
    parts = [f"{copy.rows} rows", f"{copy.rows_left_out} left out"]
    if copy.side_images_left_out:
        parts.append(f"{copy.side_images_left_out} side images left out")
    if copy.cameras_swapped_back:
        parts.append("left and right swapped back")
    say(console, f"Clean copy in {copy.folder}: {', '.join(parts)}.")

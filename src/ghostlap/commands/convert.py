"""``ghostlap convert``: a recording in another format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.errors import ExchangeError
from ghostlap.base.terminal import say
from ghostlap.data.formats.config import ConvertConfig
from ghostlap.data.formats.frames import Moment, Source, new_folder, source_of
from ghostlap.data.recordings import Recording
from ghostlap.data.recordings.tables_beside import copy_tables, has_tables

console = Console(stderr=True)


def convert(config: ConvertConfig, console: Console = console) -> dict[str, Any]:
    """Write a recording, tub, dataset or table in another format.

        >>> ghostlap.convert(ghostlap.ConvertConfig("my-drive", to="tub", out="my-tub"))["moments"]
        120

    Returns:
        ``{"out", "format", "moments", "left_out", "notes"}``, ready for JSON.

    Raises:
        GhostlapError: the source cannot be read, none of it can be used, or ``out`` is in use.
    """
    recording, source = _open(config)
    centers: list[str] = []
    with console.status("reading …") as status, new_folder(config.out) as folder:
        moments = _counted(source, status, centers)
        names: list[str] = []
        if config.to == "lerobot":
            from ghostlap.data.formats.lerobot_writing import write_lerobot

            written = write_lerobot(moments, folder, source, config.fps, config.task)
        elif config.to == "tub":
            from ghostlap.data.formats.tub import write_tub

            names = write_tub(moments, folder, source.has_speed)
            written = len(names)
            if len(source.cameras) > 1:
                source.notes.append("a tub has one camera: the side pictures are left out")
        else:
            from ghostlap.data.formats.udacity import write_udacity

            names = write_udacity(moments, folder, config.shard_bytes)
            written = len(names)
        if not written:
            raise ExchangeError(_nothing_left(config.source, source))
        if names:
            copy_tables(folder, [(recording.folder, dict(zip(centers, names, strict=True)))])
        elif has_tables(recording.folder):
            source.notes.append("a LeRobot dataset has no tables beside its log: they are left out")
    if source.left_out:
        source.notes.insert(
            0, f"{len(source.left_out)} of {source.total} rows are left out: {source.left_out[0]}"
        )
    for note in source.notes:
        say(console, f"note: {note}")
    say(console, f"{written} moments in {config.out} ({config.to})")
    return {
        "out": str(config.out),
        "format": config.to,
        "moments": written,
        "left_out": len(source.left_out),
        "notes": source.notes,
    }


def _open(config: ConvertConfig) -> tuple[Recording, Source]:
    from ghostlap.data.formats.readers import read_recording
    from ghostlap.data.recordings import require_images

    path = config.source
    recording = read_recording(path, config.columns, config.where)
    require_images(recording)
    source = source_of(recording)
    source.notes += [note.message for note in recording.notes if note.kind == "columns"]
    others = [note for note in recording.notes if note.kind != "columns"]
    if others:
        source.notes.append(
            f"{len(others)} rows were mended or passed over while reading; the first: "
            f"{recording.counts} {others[0].line}, {others[0].message}"
        )
    return recording, source


def _counted(source: Source, status: Any, centers: list[str]) -> Iterator[Moment]:
    for number, moment in enumerate(source.moments, 1):
        centers.append(moment.name)
        if number % 100 == 0:
            status.update(f"{number} of {source.total} moments …")
        yield moment


def _nothing_left(path: Path, source: Source) -> str:
    first = f" The first: {source.left_out[0]}" if source.left_out else ""
    return f"{path}: none of its {source.total} rows can be used.{first}"

"""The folder of a recording in the making.

Pictures go straight to where they belong, because each stretch has image names of its own. The rows
of a stretch go to a file in ``parts/``, next to one with the truth, and these get their final names
when the stretch is finished. Log and ground truth are put together from them again and again, so
that a kill at any moment leaves a recording; ``parts/`` goes when everything is recorded.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from ghostlap.base.engine.travel import DELIVERY
from ghostlap.base.errors import RecordingError
from ghostlap.base.files import own_folder, read_json, remove, replacing
from ghostlap.base.folder_lock import is_free
from ghostlap.base.options import differing
from ghostlap.base.platform import quoted
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH
from ghostlap.driving.expert_recording.config import NOT_WHAT_IS_RECORDED, RecordConfig
from ghostlap.driving.expert_recording.plan import Stretch

ABOUT_NAME = "recording.json"
"""The recording's options, seeds and versions, and whether it is complete."""

_PARTS = "parts"
_PICTURE = re.compile(r"\.?(center|left|right)_[\d_]+\.jpg(\.part)?")


class Part:
    """The files of one stretch."""

    def __init__(self, folder: Path, number: int) -> None:
        parts = folder / _PARTS
        self.log = parts / f"{number:05d}.log.csv"
        self.truth = parts / f"{number:05d}.truth.csv"
        self.unfinished_log = parts / f"{number:05d}.log.unfinished.csv"
        self.unfinished_truth = parts / f"{number:05d}.truth.unfinished.csv"

    @property
    def is_finished(self) -> bool:
        """Whether all of the stretch is recorded."""
        return self.log.exists() and self.truth.exists()

    def finish(self) -> None:
        """Give the files their final names; both together mark the stretch finished."""
        self.unfinished_truth.replace(self.truth)
        self.unfinished_log.replace(self.log)

    def whole_rows(self) -> int:
        """The moments of which both the row and its truth are whole."""
        if self.is_finished:
            return min(map(_whole_lines, (self.log, self.truth)))
        return min(map(_whole_lines, (self.unfinished_log, self.unfinished_truth)))

    def copy(self, rows: int, log: BinaryIO, truth: BinaryIO) -> None:
        """Append the first rows and their truth to open files."""
        if not rows:
            return
        log_path, truth_path = self.unfinished_log, self.unfinished_truth
        if self.is_finished:
            log_path, truth_path = self.log, self.truth
        with log_path.open("rb") as log_rows, truth_path.open("rb") as truth_rows:
            log.writelines(islice(log_rows, rows))
            truth.writelines(map(_with_all_columns, islice(truth_rows, rows)))


def _with_all_columns(row: bytes) -> bytes:
    """A row of truth with empty cells for the columns that an earlier version had not."""
    missing = GROUND_TRUTH.header.count(b",") - row.count(b",")
    return row.rstrip(b"\n") + b"," * missing + b"\n"


def _whole_lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(line.endswith(b"\n") for line in file)
    except FileNotFoundError:
        return 0


def checked(config: RecordConfig) -> RecordConfig:
    """Look whether the folder can be recorded into; gives the options to record with.

    Raises:
        RecordingError: it holds something else, or nothing to resume.
    """
    out = config.out
    if config.resume:
        return _resumed(config)
    if not is_free(out):
        raise RecordingError(f"{out}: {_why_taken(out)}")
    return config


def begin_folder(out: Path) -> None:
    """Make the folders that pictures and parts go to; ``recording.json`` is there already.

    Raises:
        FolderError: there is a link to elsewhere in place of one.
    """
    for name in (_PARTS, "IMG"):
        own_folder(out / name)


def has_parts(out: Path) -> bool:
    """Whether there is what only a recording in the making needs."""
    return (out / _PARTS).exists()


def finished_before(out: Path) -> dict[str, Any] | None:
    """What ``recording.json`` says of a recording that is complete; None if there is none.

    A kill may have kept its parts from being removed, which is done now.
    """
    try:
        about = read_json(out / ABOUT_NAME)
        summary = {name: about[name] for name in ("rows", "share_of_recovery")}
        complete = about["complete"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not complete:
        return None
    remove_parts(out)
    return {"out": str(out), "seconds": 0.0, "frames_per_s": 0.0, **summary}


def _why_taken(out: Path) -> str:
    if not out.is_dir():
        return "this is a file. Name a folder with --out."
    if not (out / ABOUT_NAME).exists():
        return "the folder is not empty. Name another --out."
    if has_parts(out) and not _about(out / ABOUT_NAME)[0]:
        return (
            "the folder holds a recording that is not finished. Finish it with "
            f"'ghostlap record --resume --out {quoted(out)}', or name another --out."
        )
    return "the folder holds a recording already. Name another --out."


def _resumed(config: RecordConfig) -> RecordConfig:
    path = config.out / ABOUT_NAME
    if not path.exists():
        raise RecordingError(f"{config.out}: no {ABOUT_NAME} there, so nothing to resume.")
    complete, saved = _about(path)
    if complete:
        raise RecordingError(f"{config.out}: the recording there is complete. Name another --out.")
    before, now, untold = saved.to_json(), config.to_json(), RecordConfig().to_json()
    left = [name for name in now if now[name] == untold.get(name)]
    if changed := differing(before, now, (*NOT_WHAT_IS_RECORDED, *left)):
        raise RecordingError(
            f"{config.out}: a recording is resumed with the options that it began with. Differing: "
            f"{changed}. 'ghostlap record --resume --out {quoted(config.out)}' takes "
            f"them all from its {ABOUT_NAME}."
        )
    return dataclasses.replace(
        saved, **{name: getattr(config, name) for name in NOT_WHAT_IS_RECORDED}
    )


def _about(path: Path) -> tuple[bool, RecordConfig]:
    """Whether a recording is complete, and the options that it began with."""
    try:
        about = read_json(path)
        return bool(about["complete"]), RecordConfig.from_json(about["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path}: cannot be read ({error}).") from error


def what_is_there(out: Path, stretches: Sequence[Stretch]) -> str:
    """Put together what is recorded so far, and say truly what that is."""
    go_on = f"'ghostlap record --resume --out {quoted(out)}'"
    try:
        rows = put_together(out, stretches, unfinished=True)
    except OSError as error:
        kept = sum(Part(out, stretch.number).whole_rows() for stretch in stretches)
        return (
            f"{kept} moments are kept in {out / _PARTS}, but the log and the truth cannot be put "
            f"together from them ({error.strerror}): {LOG_NAME} holds "
            f"{_whole_lines(out / LOG_NAME)}. Make room, then finish it with {go_on}"
        )
    return f"stopped after {rows} moments, which are a recording. Finish it with {go_on}"


def put_together(out: Path, stretches: Sequence[Stretch], *, unfinished: bool) -> int:
    """Write log and truth from what is recorded, unfinished parts too if asked; gives the rows."""
    rows = 0
    with (
        replacing(out / GROUND_TRUTH.name) as truth_path,
        replacing(out / LOG_NAME) as log_path,
        truth_path.open("wb") as truth,
        log_path.open("wb") as log,
    ):
        truth.write(GROUND_TRUTH.header)
        for stretch in stretches:
            part = Part(out, stretch.number)
            if part.is_finished or unfinished:
                whole = part.whole_rows()
                part.copy(whole, log, truth)
                rows += whole
    return rows


def clean_up_unfinished(out: Path, stretches: Sequence[Stretch]) -> None:
    """Take away what a recording left of unfinished stretches, so that they can begin anew."""
    remove(out / DELIVERY, out)
    put_together(out, stretches, unfinished=False)
    named = set()
    for stretch in stretches:
        part = Part(out, stretch.number)
        if part.is_finished:
            with part.log.open(encoding="utf-8") as rows:
                named |= {image_name_of(cell) for row in rows for cell in row.split(",")[:3]}
        else:
            remove(part.unfinished_log, out)
            remove(part.unfinished_truth, out)
    for picture in (out / "IMG").glob("*"):
        if _PICTURE.fullmatch(picture.name) and picture.name not in named:
            remove(picture, out)


def remove_parts(out: Path) -> None:
    """Take away what only a recording in the making needs."""
    remove(out / _PARTS, out)

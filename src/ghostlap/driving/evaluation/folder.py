"""The folder of one evaluation: what is finished is kept at once, so that one can go on.

``evaluation.json`` stands there from the beginning and says whether the evaluation is complete;
``finished.jsonl`` gets a line for each task whose drives and pictures have been written.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostlap.base.errors import EvaluationError
from ghostlap.base.files import (
    MAX_RESULTS_BYTES,
    content_hash,
    named_in_errors,
    own_folder,
    read_file,
    read_json,
    refuse_link,
    remove,
    replacing,
    write_json,
    write_text,
)
from ghostlap.base.folder_lock import is_free
from ghostlap.base.named import named_function
from ghostlap.base.options import differing
from ghostlap.data.provenance import machine, versions
from ghostlap.driving.evaluation.episode_files import SUBFOLDERS, Driven, drive_file
from ghostlap.driving.evaluation.results import Finished, drive_name, read_drive
from ghostlap.driving.measured import EVALUATION_FILE
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.rollout.episode import EpisodesResult
from ghostlap.driving.rollout.plan import EpisodesTask
from ghostlap.pilots.onnx_check import read_network
from ghostlap.pilots.run_folder import ONNX_FILE, run_file

FINISHED_FILE = "finished.jsonl"

_CLEARING = "clearing"
"""Stands in ``evaluation.json`` while what an earlier evaluation left is being removed."""
_NO_DIFFERENCE = ("processes", "cluster", "resume", "against", "columns")
"""Options that make no difference to what is driven."""


def heading(config: EvaluateConfig) -> dict[str, Any]:
    """What an evaluation rests on, as JSON values."""
    values = {
        **config.to_json(),
        "pilot": str(config.pilot if config.is_policy else config.pilot.resolve()),
    }
    return {
        "config": values,
        "network_blake2b": content_hash(_what_drives(config)),
        "versions": versions(),
        "machine": machine(),
    }


def _what_drives(config: EvaluateConfig) -> bytes:
    """The pilot's network; of a function, the file that it is written in, if that can be found."""
    if not config.is_policy:
        return read_network(run_file(config.pilot, ONNX_FILE)).data
    function = named_function(str(config.pilot), "the pilot", EvaluationError)
    with contextlib.suppress(OSError, TypeError):
        return Path(inspect.getfile(function)).read_bytes()
    return str(config.pilot).encode()


def begin_folder(
    folder: Path, now: dict[str, Any], tasks: Sequence[EpisodesTask], resume: bool
) -> Finished:
    """Make the folder ready, and write down what it rests on (:func:`heading`).

    With ``resume``, gives what had been finished before; else nothing, and what an earlier
    evaluation of that name left is removed.

    Raises:
        EvaluationError: the folder holds something else, or nothing that can be resumed.
    """
    if resume:
        return _finished_before(folder, now, tasks)
    if not (folder / EVALUATION_FILE).exists() and not is_free(folder):
        raise EvaluationError(
            f"{folder}: the folder is not empty, and no evaluation wrote it. Take another --name."
        )
    _clear(folder, now)
    return []


def _clear(folder: Path, now: dict[str, Any]) -> None:
    """Remove what an earlier evaluation left; a kill on the way leaves what can be resumed."""
    begun = {"complete": False, **now}
    write_json(folder / EVALUATION_FILE, {**begun, _CLEARING: True})
    pictures = folder.glob("map-*.png")
    for path in (folder / FINISHED_FILE, *_subfolders(folder), *pictures):
        remove(path, folder)
    write_json(folder / EVALUATION_FILE, begun)
    _make_subfolders(folder)


def _subfolders(folder: Path) -> list[Path]:
    return [folder / name for name in SUBFOLDERS]


def _make_subfolders(folder: Path) -> None:
    """Where results go, all of it in the folder itself, whatever links lie there."""
    refuse_link(folder / FINISHED_FILE)
    for path in _subfolders(folder):
        own_folder(path)


def keep(folder: Path, index: int, driven: Driven) -> EpisodesResult:
    """Write what came of a task, and that it is finished.

    Returns:
        The result as it will be read back.
    """
    for name, content in driven.files.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)
    result = driven.result
    line = {
        "task": index,
        "not_a_number": result.not_a_number,
        "out_of_range": result.out_of_range,
        "seconds": result.seconds,
        "faults": dict(result.faults),
        "problem": result.problem,
    }
    path = folder / FINISHED_FILE
    with named_in_errors(path), open(path, "a", encoding="utf-8", newline="") as file:
        file.write(json.dumps(line) + "\n")
    return result


def _read_back(folder: Path, task: EpisodesTask, line: dict[str, Any]) -> EpisodesResult:
    names = [drive_name(task, episode) for episode in task.episodes]
    return EpisodesResult(
        drives=tuple(read_drive(drive_file(folder, name)) for name in names),
        incidents=(),
        not_a_number=tuple(line["not_a_number"]),
        out_of_range=tuple(line["out_of_range"]),
        seconds=line["seconds"],
        faults=line.get("faults", {}),
        problem=line.get("problem", ""),
    )


def _finished_before(folder: Path, now: dict[str, Any], tasks: Sequence[EpisodesTask]) -> Finished:
    path = folder / EVALUATION_FILE
    try:
        begun = read_json(path, MAX_RESULTS_BYTES)
        begun_config, network = begun["config"], begun["network_blake2b"]
    except FileNotFoundError:
        raise EvaluationError(
            f"{folder}: no {EVALUATION_FILE} there, so nothing to resume. Leave out --resume."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{path}: cannot be read ({type(error).__name__}: {error}), so nothing can be "
            "resumed. Leave out --resume."
        ) from error
    changed = differing(begun_config, now["config"], _NO_DIFFERENCE, EvaluateConfig)
    if network != now["network_blake2b"]:
        changed = changed or "the pilot has been trained anew"
    if changed:
        raise EvaluationError(
            f"{folder}: what was begun there is another evaluation ({changed}). Use "
            "its options, or leave out --resume to begin again, or take another --name."
        )
    if begun.get(_CLEARING):
        _clear(folder, now)
    _make_subfolders(folder)
    return [
        (tasks[line["task"]], _read_back(folder, tasks[line["task"]], line))
        for line in finished_lines(folder)
    ]


def finished_lines(folder: Path) -> list[dict[str, Any]]:
    """What is noted of each finished task; of a line that a kill has cut off, nothing."""
    path = folder / FINISHED_FILE
    if not path.exists():
        return []
    text = read_file(path, MAX_RESULTS_BYTES).decode("utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(path, whole)
    return [json.loads(line) for line in whole.splitlines()]

"""A pilot's run folder: its files, and what ``pilot.json`` in it says."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from ghostlap.base.earlier_names import todays_names
from ghostlap.base.engine.travel import located
from ghostlap.base.errors import GhostlapError, PilotError
from ghostlap.base.files import read_json
from ghostlap.base.platform import quoted
from ghostlap.data.labels import AHEAD
from ghostlap.data.lines import BRANCHES
from ghostlap.data.vision.preprocessing import Preprocessing

PILOT_FILE = "pilot.json"
ONNX_FILE = "model.onnx"
KERAS_FILE = "model.keras"
FORMAT = 1

BUILT_IN = Path(__file__).parent / "builtin"
"""Run folders of the pilots that come along; their names stand for them."""

OUTPUTS = ("steering", "speed", *AHEAD, *list(BRANCHES.values())[1:], "steering_std")
"""Outputs that a network may have, in this order: steering, the speed to drive, the steering of
moments ahead and for other lines than the centre, and the standard deviation that the pilot expects
of its steering's error."""


_OBJECTS = ("critic", "memory", "preprocessing", "training", "metrics", "versions", "imported")
"""Parts of a description that must be JSON objects."""


def _problem(description: Any) -> str:
    """The first problem of a description, types above all; "" if there is none."""
    if not isinstance(description, dict):
        return f"must be an object. Got {type(description).__name__}"
    found = description.get("format")
    if type(found) is not int or found != FORMAT:
        return f"must be a pilot description of format {FORMAT}. Got {str(found)[:40]}"
    if missing := [name for name in ("outputs", "preprocessing") if name not in description]:
        return f"does not say its {' and '.join(missing)}"
    for name in _OBJECTS:
        if not isinstance(description.get(name, {}), dict):
            return f"{name} must be an object. Got {str(description[name])[:40]!r}"
    outputs = description["outputs"]
    if (
        not isinstance(outputs, list)
        or outputs != [name for name in OUTPUTS if name in outputs]
        or "steering" not in outputs
    ):
        return (
            f"outputs must be some of {', '.join((*OUTPUTS[:3], '…', *OUTPUTS[-2:]))}, in this "
            "order and with the steering. "
            f"Got {', '.join(map(str, outputs if isinstance(outputs, list) else [outputs]))[:80]}"
        )
    return ""


def run_file(folder: Path, name: str) -> Path:
    """Path of a file of a run folder; or, if it holds no pilot, of the one in ``BUILT_IN``."""
    along = BUILT_IN / folder.name
    there = located(folder / PILOT_FILE).exists()
    if str(folder) != folder.name or there or not along.is_dir():
        return located(folder / name)
    return along / name


def pilot_files(folder: Path) -> tuple[Path, ...]:
    """The files of a run folder that driving needs, for nodes of a cluster."""
    return tuple(path for name in (PILOT_FILE, ONNX_FILE) if (path := folder / name).exists())


def read_description(folder: Path) -> dict[str, Any]:
    """Read ``pilot.json`` of a run folder, with today's names.

    Raises:
        PilotError: the file is missing, broken, of a newer Ghostlap, or describes no pilot.
    """
    path = run_file(folder, PILOT_FILE)
    try:
        description: dict[str, Any] = todays_names(read_json(path))
    except (FileNotFoundError, NotADirectoryError):
        told, meant = _no_pilot(folder)
        raise PilotError(told).meaning(folder, meant) from None
    except (OSError, ValueError) as error:
        raise PilotError(f"{path}: cannot be read ({error}). Is it a copy cut off?") from error
    if problem := _problem(description):
        raise PilotError(f"{path}: {problem}. A newer Ghostlap may have written it.")
    try:
        Preprocessing.from_json(description["preprocessing"])
    except GhostlapError as error:
        raise PilotError(f"{path}: {error}") from None
    return description


def _import_first(model: Path) -> str:
    script = model.with_name("drive.py")
    how = f"--script {quoted(script)}" if script.is_file() else "--like RECORDING"
    out = Path("runs", f"{model.resolve().parent.name}-{model.stem}")
    return (
        f"{model}: is no run folder of a pilot, but a model. Import it first: 'ghostlap import "
        f"{quoted(model)} {how} --out {quoted(out)}', then name {out}."
    )


def _no_pilot(folder: Path) -> tuple[str, Path | None]:
    """What is there instead, and the run folder that seems to be meant."""
    inside = [folder / name for name in ("model.h5", KERAS_FILE) if (folder / name).is_file()]
    for model in inside if not (folder / "config.json").exists() else []:
        return _import_first(model), None
    if folder.is_file():
        if folder.suffix in (".h5", ".hdf5", ".keras"):
            return _import_first(folder), None
        if (folder.parent / PILOT_FILE).is_file():
            return f"{folder}: a file of a run folder. Name the folder.", folder.parent
        if folder.suffix in (".onnx", ".tflite"):
            return (
                f"{folder}: is no run folder of a pilot, but a model. 'ghostlap benchmark "
                f"{quoted(folder)} --quick' lets it drive."
            ), None
        return (
            f"{folder}: must be the run folder of a pilot. Got a file. 'ghostlap runs' lists those "
            "that are below here."
        ), None
    if not folder.exists():
        known = [path.parent for path in folder.parent.glob(f"*/{PILOT_FILE}")]
        close = difflib.get_close_matches(folder.name, [path.name for path in known], 1)
        meant = folder.with_name(close[0]) if close else None
        question = f"Did you mean {meant}? " if meant else ""
        along = ", ".join(sorted(path.parent.name for path in BUILT_IN.glob(f"*/{PILOT_FILE}")))
        return (
            f"{folder}: no such run folder. {question}'ghostlap train REC --out "
            f"{quoted(folder)}' makes one. Pilots that come along: {along or 'none'}."
        ), meant
    if (folder / "config.json").exists():
        return (
            f"{folder}: the training there is not finished, so there is no {PILOT_FILE} yet. "
            f"'ghostlap train --resume --out {quoted(folder)}' continues it."
        ), None
    if (folder / "driving_log.csv").is_file():
        words = ["ghostlap", "train", str(folder), "--out", f"runs/{folder.resolve().name}"]
        return (
            f"{folder}: a recording, and not the run folder of a pilot. Make a pilot of it: "
            f"{quoted(*words)} (or name one that comes along: generalist)."
        ), None
    if below := sorted(path.parent for path in folder.glob(f"*/{PILOT_FILE}")):
        return (
            f"{folder}: no run folder itself, but {len(below)} below it, such as {below[0]}."
        ), below[0]
    return (
        f"{folder}: holds no {PILOT_FILE}, so it is not the run folder of a pilot. 'ghostlap runs' "
        "lists those that are below here."
    ), None

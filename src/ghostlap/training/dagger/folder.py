"""The folder of an improvement: what is finished is kept at once, and gone on from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ghostlap.base.errors import DaggerError
from ghostlap.base.files import MAX_RESULTS_BYTES, content_hash, read_json, write_json
from ghostlap.base.options import differing
from ghostlap.base.platform import quoted
from ghostlap.base.so_far import tell
from ghostlap.data.provenance import machine, versions
from ghostlap.pilots.onnx_check import read_network
from ghostlap.pilots.run_folder import ONNX_FILE, run_file
from ghostlap.training.dagger.config import NO_DIFFERENCE, DaggerConfig
from ghostlap.training.dagger.results import Measured, Row

DAGGER_FILE = "dagger.json"
"""Options, the rows of the table so far, and the best pilot once it is complete."""


@dataclasses.dataclass
class Kept:
    """What is finished of an improvement."""

    rows: list[Row] = dataclasses.field(default_factory=list)
    expert: Measured | None = None
    """How the expert drives where the pilots are measured."""


def resumed_config(config: DaggerConfig) -> DaggerConfig:
    """The options that an improvement was begun with.

    Raises:
        DaggerError: there is none.
    """
    saved = _read(config.folder)
    if saved is None:
        raise DaggerError(
            f"{config.folder}: no {DAGGER_FILE} there, so nothing to resume. Leave out --resume."
        )
    begun = DaggerConfig.from_json(saved["config"])
    return dataclasses.replace(
        begun,
        pilot=config.pilot,  # as it is written now, or table and pictures would name it otherwise
        out=config.folder,
        processes=config.processes,
        cluster=config.cluster,
        cache=config.cache or begun.cache,
        simulation=config.simulation,  # what stands in a folder is never imported
    )


def kept_in(config: DaggerConfig) -> Kept:
    """What is finished already.

    Raises:
        DaggerError: it cannot be read, or is of other options or another pilot.
    """
    folder = config.folder
    saved = _read(folder)
    if saved is None:
        return Kept()
    before, now = dict(saved["config"]), what_is_improved(config)
    changed = differing(before, now["config"], (*NO_DIFFERENCE, "out"), DaggerConfig)
    if saved["network_blake2b"] != now["network_blake2b"]:
        changed = changed or "the pilot has been trained anew"
    if changed:
        raise DaggerError(
            f"{folder}: what was begun there had other options ({changed}). Use its "
            f"options ('ghostlap dagger {quoted(config.pilot)} --out "
            f"{quoted(folder)} --resume' takes them), or name another --out."
        )
    try:
        expert = saved["expert"]
        return Kept(
            [Row.from_json(row) for row in saved["rows"]],
            None if expert is None else Measured(**expert),
        )
    except (KeyError, TypeError) as error:
        raise _unreadable(folder / DAGGER_FILE, error) from error


def what_is_improved(config: DaggerConfig) -> dict[str, Any]:
    """The options and the pilot to begin with, as JSON values."""
    network = read_network(run_file(config.pilot, ONNX_FILE)).data
    return {
        "config": config.to_json(),
        "network_blake2b": content_hash(network),
    }


def save(config: DaggerConfig, kept: Kept, **more: Any) -> dict[str, Any]:
    """Write ``dagger.json``, and give what it holds."""
    values = {
        "complete": False,
        "rows": [dataclasses.asdict(row) for row in kept.rows],
        "expert": None if kept.expert is None else dataclasses.asdict(kept.expert),
        **more,
        **what_is_improved(config),
        "versions": versions(),
        "machine": machine(),
    }
    write_json(config.folder / DAGGER_FILE, values)
    tell(config.folder, lambda: values)
    return values


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / DAGGER_FILE
    try:
        saved = read_json(path, MAX_RESULTS_BYTES)
        if not isinstance(saved["config"], dict) or "network_blake2b" not in saved:
            raise ValueError("it is of something else")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error
    return dict(saved)


def _unreadable(path: Path, error: Exception) -> DaggerError:
    return DaggerError(
        f"{path}: cannot be read ({type(error).__name__}: {error}). Name another --out."
    )

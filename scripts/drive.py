"""Drive the simulator with a model: the same as ``ghostlap drive``, whose options can follow.

python scripts/drive.py model.h5 [image_folder]

A model from elsewhere is imported first, by the options of ``ghostlap import`` among the others,
and kept where it is found again the next time.
"""

import hashlib
import sys
from pathlib import Path
from typing import NoReturn

from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import cache_folder
from ghostlap.commands.cli import main
from ghostlap.pilots.run_folder import KERAS_FILE, ONNX_FILE, PILOT_FILE

MODEL_FILES = ("model.h5", KERAS_FILE, ONNX_FILE)
"""The same network in each, so that any of them may be named for it."""

FOREIGN_ENDINGS = (".h5", ".hdf5", ".keras")

IMPORT_OPTIONS = (
    "--like", "--crop", "--colour", "--blur", "--scale", "--lambda", "--output", "--backend",
    "--steering-scale", "--frame-height-px", "--frame-width-px",
)  # fmt: skip
"""Those of ``ghostlap import``; all others are ``ghostlap drive``'s."""


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)


def arguments_for(given: list[str]) -> list[str]:
    """What ``ghostlap`` is told: the run folder of the model, and where to record."""
    if not given or given[0].startswith("-"):
        _fail("usage: python scripts/drive.py model.h5 [image_folder] [options]")
    model, *rest = given
    recorded = []
    if rest and not rest[0].startswith("-"):
        recorded = ["--record", rest.pop(0)]
    importing, rest = _divided(rest)
    return ["drive", str(run_folder_of(Path(model), importing)), *recorded, *rest]


def _divided(options: list[str]) -> tuple[list[str], list[str]]:
    """The options of importing, and those of driving, each with its values."""
    importing: list[str] = []
    driving: list[str] = []
    chosen = driving
    for word in options:
        if word.startswith("--"):
            chosen = importing if word.split("=")[0] in IMPORT_OPTIONS else driving
        chosen.append(word)
    return importing, driving


def run_folder_of(model: Path, importing: list[str]) -> Path:
    """The run folder that a model lies in, or is, or is imported into."""
    if model.is_dir():
        return model
    if model.name in MODEL_FILES and (model.parent / PILOT_FILE).is_file():
        return model.parent
    if model.suffix == ".json" and model.is_file():  # people's older drive.py were given this one
        model = model.with_suffix(".h5")
    if model.is_file() and model.suffix in FOREIGN_ENDINGS:
        return imported(model, importing)
    what = "is no model that can be driven" if model.exists() else "no such file"
    _fail(
        f"error: {model}: {what}. Give the run folder of a pilot, or the "
        f"{', '.join(MODEL_FILES[:-1])} or {MODEL_FILES[-1]} in it; 'ghostlap train' makes one. "
        "A model of Keras from elsewhere is a model.h5, with its model.json beside it if it holds "
        "weights only, or a .keras file."
    )


def imported(model: Path, options: list[str]) -> Path:
    """The run folder of a model from elsewhere, made now unless the same was made before."""
    digest = hashlib.blake2b("\0".join(options).encode(), digest_size=12)
    for path in (model, model.with_suffix(".json"), model.with_name("model.json")):
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, hashlib.blake2b).digest())
    try:
        folder = cache_folder() / "imported" / digest.hexdigest()
        if not (folder / PILOT_FILE).is_file():
            _import(model, folder, options)
    except GhostlapError as error:
        _fail(f"error: {error}")
    except ModuleNotFoundError as error:
        _fail(
            f"error: {model}: a model from elsewhere is imported first, which needs the package "
            f"{error.name}. Install Ghostlap with it: pip install 'ghostlap[train]'"
        )
    return folder


def _import(model: Path, folder: Path, options: list[str]) -> None:
    import tyro

    from ghostlap.commands.import_model import import_model
    from ghostlap.pilots.keras_import.config import ImportConfig

    arguments = [str(model), "--out", str(folder), *options]
    import_model(tyro.cli(ImportConfig, prog="drive.py", args=arguments))


if __name__ == "__main__":
    main(arguments_for(sys.argv[1:]))

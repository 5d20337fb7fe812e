"""Drive the simulator with a model: the same as ``ghostlap drive``, whose options can follow.

python scripts/drive.py model.h5 [image_folder]
"""

import sys
from pathlib import Path
from typing import NoReturn

from ghostlap.cli import main
from ghostlap.pilot import KERAS_FILE, ONNX_FILE, PILOT_FILE

MODEL_FILES = ("model.h5", KERAS_FILE, ONNX_FILE)
"""The same network in each, so that any of them may be named for it."""


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
    return ["drive", str(run_folder_of(Path(model))), *recorded, *rest]


def run_folder_of(model: Path) -> Path:
    """The run folder that a model lies in, or is."""
    if model.is_dir():
        return model
    if model.name in MODEL_FILES and (model.parent / PILOT_FILE).is_file():
        return model.parent
    what = "lies in no run folder" if model.exists() else "no such file"
    _fail(
        f"error: {model}: {what}. Give the run folder of a pilot, or the "
        f"{', '.join(MODEL_FILES[:-1])} or {MODEL_FILES[-1]} in it; 'ghostlap train' makes one. "
        "Models from elsewhere cannot be driven yet."
    )


if __name__ == "__main__":
    main(arguments_for(sys.argv[1:]))

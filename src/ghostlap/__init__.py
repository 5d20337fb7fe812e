"""Ghostlap clones how a person drives.

The verbs of the command line, for a notebook:

    >>> import ghostlap
    >>> frames = ghostlap.read_recording("my-drive").frames
    >>> ghostlap.train(ghostlap.TrainConfig(recordings=("my-drive",), out="runs/a"))
    >>> ghostlap.Pilot.load("runs/a").steer(rgb_frame)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ghostlap.augmentation import Augmentation, Chance
    from ghostlap.dataset import balance
    from ghostlap.errors import GhostlapError
    from ghostlap.pilot import Pilot
    from ghostlap.recording import Recording, read_recording
    from ghostlap.recording.recorder import Recorder
    from ghostlap.training.config import RECIPES, TrainConfig
    from ghostlap.training.fit import TrainResult, train
    from ghostlap.vision import Preprocessing, preprocess, read_rgb

__version__ = "0.1.0"

# Imported on first use, so that `import ghostlap` costs nothing that is not asked for.
_HOME = {
    "Augmentation": "augmentation",
    "Chance": "augmentation",
    "GhostlapError": "errors",
    "Pilot": "pilot",
    "Preprocessing": "vision",
    "RECIPES": "training.config",
    "Recorder": "recording.recorder",
    "Recording": "recording",
    "TrainConfig": "training.config",
    "TrainResult": "training.fit",
    "balance": "dataset",
    "preprocess": "vision",
    "read_recording": "recording",
    "read_rgb": "vision",
    "train": "training.fit",
}

__all__ = [
    "RECIPES",
    "Augmentation",
    "Chance",
    "GhostlapError",
    "Pilot",
    "Preprocessing",
    "Recorder",
    "Recording",
    "TrainConfig",
    "TrainResult",
    "balance",
    "preprocess",
    "read_recording",
    "read_rgb",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ghostlap' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ghostlap.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

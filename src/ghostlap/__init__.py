"""Ghostlap clones how a person drives.

The verbs of the command line, for a notebook; each has one config, whose fields are its options:

    >>> import ghostlap
    >>> frames = ghostlap.read_recording("my-drive").frames
    >>> result = ghostlap.train(ghostlap.TrainConfig(("my-drive",), epochs=1, out="runs/b"))
    >>> steering = ghostlap.Pilot.load("runs/b").steer(ghostlap.read_rgb(frames.center.iloc[0]))
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if sys.version_info < (3, 11):  # noqa: UP036 - pip keeps it out, a copy of the source does not
    sys.exit(
        f"Ghostlap needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}. "
        "Make its environment with a newer one: python3.12 -m venv .venv"
    )

if TYPE_CHECKING:
    from ghostlap.base.errors import GhostlapError
    from ghostlap.commands.benchmark import benchmark
    from ghostlap.commands.compare import compare
    from ghostlap.commands.convert import convert
    from ghostlap.commands.critic import CriticConfig, critic
    from ghostlap.commands.dagger import dagger
    from ghostlap.commands.demo.command import demo
    from ghostlap.commands.demo.config import DemoConfig
    from ghostlap.commands.doctor import DoctorConfig, doctor
    from ghostlap.commands.drive import drive
    from ghostlap.commands.edit import EditConfig, edit
    from ghostlap.commands.evaluate import evaluate
    from ghostlap.commands.explain import explain
    from ghostlap.commands.explore import explore
    from ghostlap.commands.export import export
    from ghostlap.commands.failures import failures
    from ghostlap.commands.import_model import import_model
    from ghostlap.commands.record import record
    from ghostlap.commands.report import report
    from ghostlap.commands.runs import RunsConfig, runs
    from ghostlap.commands.search import search
    from ghostlap.commands.sim import simulate
    from ghostlap.commands.sim_config import SimulateConfig
    from ghostlap.commands.train import train
    from ghostlap.commands.video import video
    from ghostlap.data.balance import balance
    from ghostlap.data.formats.config import ConvertConfig
    from ghostlap.data.formats.readers import read_recording
    from ghostlap.data.recordings import Recording
    from ghostlap.data.recordings.recorder import Recorder
    from ghostlap.data.vision.augmentation import Augmentation, RandomRange
    from ghostlap.data.vision.pictures import read_rgb
    from ghostlap.data.vision.preprocessing import Preprocessing, preprocess
    from ghostlap.driving.benchmark.config import BenchmarkConfig, CompareConfig
    from ghostlap.driving.expert_recording.config import RecordConfig
    from ghostlap.driving.failures.config import FailuresConfig
    from ghostlap.driving.rollout.config import EvaluateConfig
    from ghostlap.driving.server.config import DriveConfig
    from ghostlap.pilots.export.config import ExportConfig
    from ghostlap.pilots.keras_import.config import ImportConfig
    from ghostlap.pilots.pilot import Pilot
    from ghostlap.reports.explain.config import ExplainConfig
    from ghostlap.reports.explore.config import ExploreConfig
    from ghostlap.reports.report.config import ReportConfig
    from ghostlap.reports.video.config import VideoConfig
    from ghostlap.training.config import RECIPES, TrainConfig
    from ghostlap.training.dagger.config import DaggerConfig
    from ghostlap.training.fit import TrainResult
    from ghostlap.training.search.config import SearchConfig

__version__ = "0.1.0"

# From 1.29 on ONNX Runtime keeps a number of the device in the home folder, and reports models to
# Microsoft, unless this is set before its library is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Imported on first use, so that `import ghostlap` costs nothing that is not asked for. A verb that
# is not named here is at home in the module of `commands` that is called as it is.
_HOME = {
    "RECIPES": "training.config",
    "Augmentation": "data.vision.augmentation",
    "RandomRange": "data.vision.augmentation",
    "BenchmarkConfig": "driving.benchmark.config",
    "CompareConfig": "driving.benchmark.config",
    "ConvertConfig": "data.formats.config",
    "CriticConfig": "commands.critic",
    "DaggerConfig": "training.dagger.config",
    "DemoConfig": "commands.demo.config",
    "DoctorConfig": "commands.doctor",
    "DriveConfig": "driving.server.config",
    "EditConfig": "commands.edit",
    "EvaluateConfig": "driving.rollout.config",
    "ExplainConfig": "reports.explain.config",
    "ExploreConfig": "reports.explore.config",
    "ExportConfig": "pilots.export.config",
    "FailuresConfig": "driving.failures.config",
    "GhostlapError": "base.errors",
    "ImportConfig": "pilots.keras_import.config",
    "Pilot": "pilots.pilot",
    "Preprocessing": "data.vision.preprocessing",
    "RecordConfig": "driving.expert_recording.config",
    "Recorder": "data.recordings.recorder",
    "Recording": "data.recordings",
    "ReportConfig": "reports.report.config",
    "RunsConfig": "commands.runs",
    "SearchConfig": "training.search.config",
    "SimulateConfig": "commands.sim_config",
    "TrainConfig": "training.config",
    "TrainResult": "training.fit",
    "VideoConfig": "reports.video.config",
    "balance": "data.balance",
    "demo": "commands.demo.command",
    "preprocess": "data.vision.preprocessing",
    "read_recording": "data.formats.readers",
    "read_rgb": "data.vision.pictures",
    "simulate": "commands.sim",
}

__all__ = [
    "RECIPES", "Augmentation", "BenchmarkConfig", "CompareConfig", "ConvertConfig", "CriticConfig",
    "DaggerConfig", "DemoConfig", "DoctorConfig", "DriveConfig", "EditConfig", "EvaluateConfig",
    "ExplainConfig", "ExploreConfig", "ExportConfig", "FailuresConfig", "GhostlapError",
    "ImportConfig", "Pilot", "Preprocessing", "RandomRange", "RecordConfig", "Recorder",
    "Recording", "ReportConfig", "RunsConfig", "SearchConfig", "SimulateConfig", "TrainConfig",
    "TrainResult", "VideoConfig", "balance", "benchmark", "compare", "convert", "critic", "dagger",
    "demo", "doctor", "drive", "edit", "evaluate", "explain", "explore", "export", "failures",
    "import_model", "preprocess", "read_recording", "read_rgb", "record", "report", "runs",
    "search", "simulate", "train", "video",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ghostlap' has no attribute {name!r}")
    home = _HOME.get(name, f"commands.{name}")
    return getattr(importlib.import_module(f"ghostlap.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

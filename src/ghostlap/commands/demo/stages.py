"""The stages of a demo in order, each a function that leaves a folder or a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from rich.console import Console

from ghostlap.base.files import remove
from ghostlap.commands.demo.config import FULL, QUICK, DemoConfig


class Demo:
    """One demo: its options, paths and finished stages."""

    def __init__(self, config: DemoConfig, console: Console, finished: dict[str, Any]) -> None:
        self.config, self.console = config, console
        self.finished = finished
        """``seconds`` and ``result`` of each finished stage."""
        self.amount = QUICK if config.quick else FULL
        self.recording, self.explored = config.out / "recording", config.out / "explore"
        self.run = config.out / "run"
        self.drive = self.run / "drive-1"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of the demo."""

    name: str
    what: str
    """Description shown while it runs."""
    work: Callable[[Demo], dict[str, Any]]
    """Function that does what is missing of the stage and returns JSON values to keep."""
    full_s: float
    quick_s: float
    """Duration on two cores, from which the time left is estimated."""


def record_expert(demo: Demo) -> dict[str, Any]:
    """A lap, or some each way round, with recoveries from beside the line."""
    from ghostlap.commands.record import record
    from ghostlap.driving.expert_recording.config import RecordConfig
    from ghostlap.driving.expert_recording.folder import ABOUT_NAME, finished_before

    before = finished_before(demo.recording)
    if before is not None:  # killed before that was written down
        return before
    config = RecordConfig(
        track=(demo.config.track,),
        laps=demo.amount.laps,
        both_ways=demo.amount.both_ways,
        recovery=0.25,
        rate_hz=demo.amount.rate_hz,
        speed_limit=demo.config.speed_limit,
        seed=demo.config.seed,
        out=demo.recording,
        resume=(demo.recording / ABOUT_NAME).exists(),
    )
    return record(config, demo.console)


def examine_recording(demo: Demo) -> dict[str, Any]:
    from ghostlap.commands.doctor import DoctorConfig, doctor

    (examined,) = doctor(DoctorConfig((demo.recording,)))["recordings"]
    return {"rows": examined["rows"], "findings": len(examined["findings"])}


def draw_pictures(demo: Demo) -> dict[str, Any]:
    from ghostlap.commands.explore import explore
    from ghostlap.reports.explore.config import ExploreConfig

    page = explore(ExploreConfig((demo.recording,), out=demo.explored), demo.console)["page"]
    return {"page": str(page)}


def train_pilot(demo: Demo) -> dict[str, Any]:
    from ghostlap.commands.train import train
    from ghostlap.pilots.pilot import Pilot
    from ghostlap.pilots.run_folder import PILOT_FILE
    from ghostlap.training.config import TrainConfig
    from ghostlap.training.run_folder import CONFIG_FILE

    if (demo.run / PILOT_FILE).exists():  # killed before that was written down
        return {"val_loss": Pilot.load(demo.run).description["training"]["val_loss"]}
    config = TrainConfig(
        recordings=(demo.recording,),
        out=demo.run,
        steps_per_epoch=demo.amount.steps_per_epoch,
        epochs=demo.amount.epochs,
        seed=demo.config.seed,
        resume=(demo.run / CONFIG_FILE).exists(),
    )
    result = train(config, demo.console)
    return {"val_loss": result.val_loss}


def evaluate_pilot(demo: Demo) -> dict[str, Any]:
    from ghostlap.commands.evaluate import evaluate
    from ghostlap.driving.rollout.config import EvaluateConfig

    config = EvaluateConfig(
        pilot=demo.run,
        track=(demo.config.track,),
        seeds=demo.amount.seeds,
        # Light and places that were not drawn for the recording either.
        first_seed=1000 + demo.config.seed,
        speed_limit=demo.config.speed_limit,
        against=(demo.recording,),
    )
    resume = (config.folder / "evaluation.json").exists()
    lines = evaluate(dataclasses.replace(config, resume=resume), demo.console)["lines"]
    return {"line": next(line for line in lines if line["driver"] == "pilot")}


def drive_once(demo: Demo) -> dict[str, Any]:
    from ghostlap.commands.demo.wire_drive import drive_over_the_wire

    remove(demo.drive, demo.run)  # of an interrupted drive
    return drive_over_the_wire(
        demo.run,
        demo.drive,
        track=demo.config.track,
        speed_limit=demo.config.speed_limit,
        seconds=demo.amount.drive_s,
        seed=1000 + demo.config.seed,
        console=demo.console,
    )


def make_video(demo: Demo) -> dict[str, Any]:
    from ghostlap.commands.video import video
    from ghostlap.data.formats.readers import read_recording
    from ghostlap.reports.video.config import VideoConfig

    # The drive did not keep to real time, so its file names do not tell its pace.
    driven_s = demo.finished["drive"]["result"]["score"]["elapsed_s"]
    fps = len(read_recording(demo.drive).frames) / driven_s
    config = VideoConfig(demo.drive, fps=fps, pilot=demo.run, saliency=True, force=True)
    return video(config, demo.console)


def write_report(demo: Demo) -> dict[str, Any]:
    from ghostlap.commands.report import report
    from ghostlap.reports.report.config import ReportConfig

    return report(ReportConfig(demo.run), demo.console)


STAGES: tuple[Stage, ...] = (
    Stage("record", "the expert drives and is recorded", record_expert, 20, 8),
    Stage("doctor", "is the recording any good?", examine_recording, 4, 3),
    Stage("explore", "pictures of what was recorded", draw_pictures, 7, 6),
    Stage("train", "a network learns to steer", train_pilot, 110, 35),
    Stage("evaluate", "it drives, and is measured", evaluate_pilot, 32, 14),
    Stage("drive", "it drives over the simulator's own protocol", drive_once, 15, 8),
    Stage("video", "a video of that drive", make_video, 22, 10),
    Stage("report", "everything on one page", write_report, 8, 8),
)

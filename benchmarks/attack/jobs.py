"""Every command that writes a folder or a file, small: what it is called with, and how it goes on.

All run in an empty folder, and everything that they leave there is compared.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from benchmarks.attack.campaign import TRAINING_MB, USUAL_MB
from benchmarks.attack.forks import Weight
from benchmarks.attack.material import TRAINING, Material
from benchmarks.attack.running import PATIENCE_S

_SIM = ("--size", "48", "24", "--processes", "1", "--conditions", "fixed")
_IMPORT = ("--crop", "0:16", "--colour", "rgb", "--blur", "0", "--scale", "x/255",
           "--frame-height-px", "16", "--frame-width-px", "32")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Job:
    """One command as it is attacked."""

    name: str
    arguments: tuple[str, ...]
    share: float = 1
    """Of the attempts; cheap ones have more."""
    resumes: bool = False
    """``--resume`` goes on; else the same command again."""
    weight: Weight = "light"
    allowed_mb: float = USUAL_MB
    brought: tuple[Path, ...] = ()
    """Copied into the empty folder first."""
    varies: tuple[str, ...] = ()
    """Endings of files whose bytes no two runs share, of whatever was or was not killed."""
    compared: bool = True
    """What it comes to is compared; else, only that it ends well after kills."""
    most_kills: int = 6
    """Of one attempt; more where what follows them takes long."""
    ends_within_s: float = PATIENCE_S

    @property
    def replaces(self) -> bool:
        """Writes one file, in place of any that is there: two of it do no harm."""
        return any(
            name in self.name for name in ("export", "report", "video", "explain", "explore")
        )

    def prepare(self, place: Path) -> None:
        for path in self.brought:
            shutil.copytree(path, place / path.name)

    @property
    def going_on(self) -> tuple[str, ...]:
        return (*self.arguments, "--resume") if self.resumes else self.arguments


def all_jobs(material: Material) -> list[Job]:
    """The commands of the table."""
    rec, oval = str(material.recording), str(material.track)
    return [
        Job("doctor --fix", ("doctor", rec, "--fix", "out"), 8),
        Job(
            "edit", ("edit", rec, "--drop", "3:6", "--split", "0.5", "--mirror", "--out", "out"), 8,
        ),
        Job("convert tub", ("convert", rec, "--as", "tub", "--out", "out"), 8),
        Job("convert udacity", ("convert", str(material.tub), "--out", "out"), 6),
        Job("convert lerobot", ("convert", rec, "--as", "lerobot", "--out", "out"), 6),
        Job("video", ("video", rec, "--out", "out.mp4"), 6),
        Job("export", ("export", "pilot", "--out", "out.onnx"), 6, brought=(material.pilot,)),
        Job("report", ("report", "pilot", "--out", "out.html"), 6, brought=(material.pilot,)),
        Job("explore", ("explore", rec, "--out", "out"), 2),
        Job(
            "record", ("record", "--track", oval, "--laps", "1", "--rate-hz", "5", *_SIM,
                       "--variants", "2", "--out", "out"), 16, resumes=True,
        ),
        Job(
            "evaluate", ("evaluate", material.tiny_pilot.name, "--track", oval, "--seeds", "2",
                         "--seconds", "3", "--no-pushes", *_SIM), 12, resumes=True,
            brought=(material.tiny_pilot,),
        ),
        Job(
            "import", ("import", str(material.model), "--out", "out", *_IMPORT), 3,
            weight="heavy", allowed_mb=TRAINING_MB,
        ),
        Job(
            "explain", ("explain", material.trained.name, rec, "--frames", "4", "--shown", "2",
                        "--no-video", "--out", "out"), 3, brought=(material.trained,),
        ),
        Job(
            "train", ("train", rec, "--out", "out", *TRAINING), 4, resumes=True, weight="heavy",
            allowed_mb=TRAINING_MB, varies=(".h5",),
        ),
        Job(
            "search", ("search", rec, "--out", "out", "--trials", "2", "--subset", "0.9",
                       "--space", "learning_rate=1e-4..1e-2:log", "--set",
                       "model=pilotnet_small", "epochs=1", "batch_size=8", "warmup_steps=0",
                       "steps_per_epoch=1"), 2, weight="heavy", allowed_mb=TRAINING_MB,
            varies=(".h5",), most_kills=12,
        ),
        Job(
            "dagger", ("dagger", material.trained.name, "--out", "out", "--track", oval,
                       "--iterations", "1", "--metres", "10", "--seeds", "1", "--conditions",
                       "fixed", "--processes", "1", "--epochs", "1", "--no-control"), 2,
            resumes=True, weight="heavy", allowed_mb=TRAINING_MB,
            brought=(material.trained,), varies=(".h5",), most_kills=12,
        ),
    ]  # fmt: skip


def demo_job(material: Material) -> Job:
    """All commands in one. It takes a minute and a half, so that it is tried once or twice."""
    return Job(
        "demo", ("demo", "--quick", "--track", str(material.track), "--out", "out"), 0.5,
        weight="heavy", allowed_mb=TRAINING_MB, compared=False, most_kills=12, ends_within_s=600,
    )  # fmt: skip


def job_named(material: Material, name: str) -> Job:
    """The job of a row's part.

    Raises:
        KeyError: there is none.
    """
    return {job.name: job for job in all_jobs(material)}[name]

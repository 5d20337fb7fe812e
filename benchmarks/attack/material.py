"""Small inputs for the attacks: recordings, pilots, a track and a model, made once."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from benchmarks.attack.running import ROOT, command, environment, run

sys.path.insert(0, str(ROOT / "tests"))  # the tests' own small things

import drives
import legacy_models
import recordings
import small_pilot

ROWS = 24


@dataclasses.dataclass(frozen=True)
class Material:
    """What the attacked commands work on; none of it is changed."""

    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def recording(self) -> Path:
        return self.folder / "rec"

    @property
    def pilot(self) -> Path:
        """Steers by brightness; frames of 160x320."""
        return self.folder / "pilot"

    @property
    def tiny_pilot(self) -> Path:
        """Straight on, whatever it sees; frames of 24x48."""
        return self.folder / "tiny"

    @property
    def trained(self) -> Path:
        """A run folder of a training of two steps."""
        return self.folder / "trained"

    @property
    def track(self) -> Path:
        return self.folder / "oval.csv"

    @property
    def model(self) -> Path:
        """A model of Keras 2."""
        return self.folder / "model.h5"

    @property
    def tub(self) -> Path:
        return self.folder / "tub"

    @property
    def lerobot(self) -> Path:
        return self.folder / "lerobot"


def make_material(folder: Path) -> Material:
    """What takes no command to make; gone on with where it is there already."""
    material = Material(folder)
    if not material.model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        recordings.make_recording(material.recording, rows=ROWS)
        small_pilot.make_pilot(material.pilot)
        drives.make_pilot(material.tiny_pilot, 0.0)
        drives.write_track(material.track)
        legacy_models.small_model(material.model)
    return material


def make_exchanged(material: Material) -> None:
    """The recording as a tub and as a LeRobot dataset."""
    for kind, out in (("tub", material.tub), ("lerobot", material.lerobot)):
        if not out.exists():
            _do(material, "convert", str(material.recording), "--as", kind, "--out", str(out))


def make_trained(material: Material) -> None:
    """A pilot that was really trained, for what goes on from one."""
    if not (material.trained / "pilot.json").exists():
        _do(material, "train", str(material.recording), "--out", str(material.trained), *TRAINING)


TRAINING = (
    "--model", "pilotnet_small", "--epochs", "2", "--steps-per-epoch", "2", "--batch-size", "8",
    "--warmup-steps", "0", "--cameras", "center",
)  # fmt: skip


def _do(material: Material, *arguments: str) -> None:
    ended = run(command(*arguments), material.folder, environment(material.cache))
    if ended.status != 0:
        said = json.dumps(ended.last_words)
        raise RuntimeError(f"ghostlap {' '.join(arguments)}: status {ended.status}: {said}")

"""Record and train the pilot that comes along, anew: ``make generalist``, most of an hour.

Everything that it learns from is driven by the expert: first lake, jungle and random tracks with
seeds under 1000, under wide conditions; then fewer roads under any, and hairpins: markings, edges
and cameras that vary apart, and a speed that is braked for a second ahead. What is finished is
kept, so it can be interrupted. ``--install`` puts the pilot into the package.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import Any

from ghostlap.commands.record import record
from ghostlap.commands.train import train
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.pilots.run_folder import BUILT_IN, KERAS_FILE, ONNX_FILE, PILOT_FILE
from ghostlap.pilots.saliency import SALIENCY_FILE
from ghostlap.training.config import TrainConfig
from ghostlap.training.run_folder import CONFIG_FILE

NAME = "generalist"

_EASY = [f"random:{seed}" for seed in range(15)]
_TWISTY = [f"random:{seed},twist=0.9" for seed in range(15, 30)]
_WIDE_ROADS = [f"random:{seed},twist=1,width={8 + seed % 5 * 2}" for seed in range(30, 40)]
_THEIR_SHOULDERS_ARE_DIRT = [f"random:{seed}" for seed in (42, 44, 50, 53, 59, 61)]
_ANY_WIDTH = tuple(f"random:{seed},width={5 + seed % 6 * 2}" for seed in range(62, 70))
_HAIRPINS = tuple(f"random:{seed},radius={7 + seed % 3}" for seed in range(80, 89))

RECORDINGS = {
    "varied": RecordConfig(
        track=(*_EASY, *_TWISTY, *_WIDE_ROADS, "lake", "jungle"), laps=1, variants=4, seed=0,
        conditions="wide",
    ),
    # A road of dirt beside a shoulder of dirt is what pilots fail on most.
    "dirt": RecordConfig(
        track=(*_THEIR_SHOULDERS_ARE_DIRT, "lake"), laps=1, both_ways=True, road="dirt",
        variants=6, seed=1, conditions="wide",
    ),
    "built-in-tracks": RecordConfig(
        track=("lake", "jungle"), laps=1, both_ways=True, variants=8, seed=2,
        conditions="wide",
    ),
}  # fmt: skip

FURTHER = {
    # Markings, edges, kerbs and cameras of every kind, whatever the theme: no shortcuts.
    "any": RecordConfig(
        track=("lake", "jungle", *_ANY_WIDTH), laps=1, variants=6, seed=3, conditions="any"
    ),
    "hairpins": RecordConfig(
        track=_HAIRPINS, laps=1, variants=4, seed=4, conditions="any"
    ),
    # What it could before is not to be forgotten.
    "again": RecordConfig(
        track=("lake", "jungle", *_EASY[:6], *_TWISTY[:6]), laps=1, variants=3, seed=5,
        conditions="wide",
    ),
}  # fmt: skip
"""What the pilot of the recordings above is trained on further."""

FIRST: dict[str, Any] = {"epochs": 20}
THEN: dict[str, Any] = {
    "epochs": 10, "learning_rate": 5e-4, "speed_lead_s": 1.2, "speed_weight": 1.0,
}  # fmt: skip

AUGMENTATION = (
    "default,hue.p=0.3,hue.low=-20,hue.high=20,saturation.p=0.4,saturation.low=0.3,"
    "saturation.high=1.6,brightness.low=0.35,brightness.high=1.4,contrast.p=0.4,contrast.low=0.6,"
    "contrast.high=1.4,shadow.p=0.4"
)


def main() -> None:
    """Record what is missing, train what is not trained, install if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/generalist"))
    parser.add_argument("--cluster", default="", help="address of a Ray cluster that records")
    parser.add_argument("--install", action="store_true", help="replace the package's copy")
    arguments = parser.parse_args()
    began_s = time.perf_counter()
    first = _stage("run", RECORDINGS, FIRST, arguments)
    run = _stage(NAME, FURTHER, {**THEN, "init": first}, arguments)
    print(f"{run}: recorded and trained in {(time.perf_counter() - began_s) / 60:.1f} min")
    if arguments.install:
        print(f"installed in {_install(run)}")


def _stage(
    name: str, configs: dict[str, RecordConfig], options: dict[str, Any], arguments: Any
) -> Path:
    recordings = [
        _recorded(of, dataclasses.replace(config, cluster=arguments.cluster), arguments.out)
        for of, config in configs.items()
    ]
    return _trained(tuple(recordings), arguments.out / name, options)


def _recorded(name: str, config: RecordConfig, out: Path) -> Path:
    folder = out / name
    about = folder / "recording.json"
    if about.exists() and json.loads(about.read_text())["complete"]:
        return folder
    record(
        dataclasses.replace(
            config,
            out=folder,
            recovery=0.25,
            rate_hz=5.0,
            resume=about.exists(),
        )
    )
    return folder


def _trained(recordings: tuple[Path, ...], run: Path, options: dict[str, Any]) -> Path:
    if not (run / PILOT_FILE).exists():
        train(
            TrainConfig(
                recordings=recordings,
                out=run,
                cache=run.parent / "cache",
                speed=True,
                steering_correction=0.25,
                lead_s=0.1,
                min_speed_share=0.2,
                cap=3000,
                validation=0.1,
                augment=AUGMENTATION,
                batch_size=100,
                precision="bfloat16",
                resume=(run / CONFIG_FILE).exists(),
                **options,
            )
        )
    return run


def _install(run: Path) -> Path:
    """Copy what is needed to drive, to look inside and to train further; without local paths."""
    folder = BUILT_IN / NAME
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ONNX_FILE, SALIENCY_FILE, KERAS_FILE):
        shutil.copyfile(run / name, folder / name)
    description = json.loads((run / PILOT_FILE).read_text())
    training = description["training"]
    training["recordings"] = [Path(path).name for path in training["recordings"]]
    for seen in training["recordings_seen"]:
        seen["folder"] = Path(seen["folder"]).name
    training.update(out=NAME, cache=None, init=training["init"] and Path(training["init"]).name)
    (folder / PILOT_FILE).write_text(json.dumps(description, indent=1) + "\n")
    return folder


if __name__ == "__main__":
    main()

"""Trainings that are over in seconds, for tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ghostlap.base.files import write_json
from ghostlap.pilots.run_folder import PILOT_FILE, read_description
from ghostlap.training.config import TrainConfig


def short_training(recording: Path, out: Path, cache: Path, **options: Any) -> TrainConfig:
    """PilotNet, three epochs of four steps of sixteen samples."""
    config = TrainConfig(
        recordings=(recording,),
        out=out,
        cache=cache,
        epochs=3,
        steps_per_epoch=4,
        batch_size=16,
        warmup_steps=2,
    )
    return dataclasses.replace(config, **options)


def add_to_description(folder: Path, more: dict[str, Any]) -> None:
    """Add to what ``pilot.json`` of a run folder says."""
    write_json(folder / PILOT_FILE, {**read_description(folder), **more})

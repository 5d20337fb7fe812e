"""``train --seeds``: a pilot for each seed, how far they differ, and the best driver kept."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
from pathlib import Path

import numpy as np
import pytest
from clusters import nodes_of
from drives import write_track
from rich.console import Console
from trainings import short_training

from ghostlap.base.engine import run_tasks
from ghostlap.base.errors import TrainingError
from ghostlap.commands.train import train
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import read_description
from ghostlap.training import selection
from ghostlap.training.config import TrainConfig


@pytest.fixture
def config(
    small_recording: Path, cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TrainConfig:
    monkeypatch.setattr(selection, "_SECONDS", 1.0)
    monkeypatch.setattr(selection, "_SEEDS", 1)
    oval = str(write_track(tmp_path / "oval.csv"))
    return short_training(
        small_recording, tmp_path / "run", cache_folder,
        epochs=1, steps_per_epoch=2, seeds=2, seed=4, select_track=oval, select_speed=15.0,
    )  # fmt: skip


def test_the_best_of_several_seeds_is_kept_and_the_spread_is_told(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "run_tasks", functools.partial(run_tasks, processes=1))
    shown = Console(file=io.StringIO(), width=200)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ghostlap.training.seeds.drive_each", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(config, shown)
    trained = config.out / "seed-4" / "pilot.json"
    before = trained.stat().st_mtime_ns
    with pytest.raises(TrainingError, match="holds a run already, which is not finished"):
        train(config, shown)
    result = train(TrainConfig(out=config.out, resume=True), shown)
    assert trained.stat().st_mtime_ns == before, "trained twice"
    about = json.loads((config.out / "seeds.json").read_text())
    losses = [one["val_loss"] for one in about["seeds"]]
    assert [one["seed"] for one in about["seeds"]] == [4, 5]
    assert losses[0] != losses[1]
    assert about["std"]["val_loss"] == pytest.approx(np.std(losses, ddof=1))
    best = config.out / f"seed-{about['best']}"
    assert Pilot.load(config.out).description["training"] == {
        **read_description(best)["training"], "out": str(config.out.resolve()),
    }  # fmt: skip
    assert result.val_loss in losses
    assert isinstance(shown.file, io.StringIO)
    assert "val loss: " in shown.file.getvalue()
    assert "on average over 2 seeds" in shown.file.getvalue()


def test_a_cluster_for_one_training_is_refused(config: TrainConfig) -> None:
    with pytest.raises(TrainingError, match=r"--cluster: one training .*--seeds 5 or --select-by"):
        train(dataclasses.replace(config, cluster="auto", seeds=1))


@pytest.mark.slow
def test_seeds_on_a_cluster_come_to_the_same_pilots(config: TrainConfig, tmp_path: Path) -> None:
    train(config, Console(quiet=True))
    with nodes_of(tmp_path / "nodes", 2) as nodes:
        there = dataclasses.replace(config, out=tmp_path / "there", cluster=nodes.address)
        train(there, Console(quiet=True))
    for name in ("seeds.json", "model.onnx", "seed-4/model.onnx", "seed-5/history.csv"):
        assert (config.out / name).read_bytes() == (there.out / name).read_bytes(), name
    described = json.loads((there.out / "seed-5" / "pilot.json").read_text())
    assert described["training"]["out"] == str(there.out / "seed-5")
    assert described["training"]["recordings"] == [str(path) for path in config.recordings]

"""``train --select-by driving``: the epoch that drives best becomes the pilot."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drives import make_drive, write_track
from rich.console import Console
from trainings import short_training

from ghostlap.base.engine import run_tasks
from ghostlap.base.errors import TrackError, TrainingError
from ghostlap.commands.train import train
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.driving.rollout.episode import EpisodesResult
from ghostlap.driving.rollout.plan import EpisodesTask
from ghostlap.pilots.pilot import Pilot
from ghostlap.training import selection
from ghostlap.training.config import TrainConfig
from ghostlap.training.selection import Candidates, Selection, select_by_driving


class FakeNetwork:
    """Weights are a name."""

    def __init__(self) -> None:
        self.weights = ""

    @property
    def network(self) -> FakeNetwork:
        """As of a trainer: it is its own network."""
        return self

    def load_weights(self, path: Path) -> None:
        self.weights = path.read_text(encoding="utf-8")

    def save_weights(self, path: Path) -> None:
        path.write_text(self.weights, encoding="utf-8")


@pytest.fixture
def oval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path / "scenes"))
    return str(write_track(tmp_path / "oval.csv"))


Select = Callable[..., tuple[Selection, FakeNetwork, list[str]]]


@pytest.fixture
def select(oval: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Select:
    """Select among epochs of which it is made up how they drive."""

    def select(
        kept: Sequence[int], best_loss: int, drives: dict[int, tuple[int, float]]
    ) -> tuple[Selection, FakeNetwork, list[str]]:
        folder = tmp_path / "checkpoint"
        folder.mkdir(exist_ok=True)
        for epoch in kept:
            (folder / f"candidate-{epoch:04d}.weights.h5").write_text(f"epoch {epoch}")
        (folder / "best.weights.h5").write_text(f"epoch {best_loss}")
        driven: list[str] = []

        def fake_run(
            function: object, tasks: Sequence[EpisodesTask], cluster: str
        ) -> Iterator[tuple[int, EpisodesResult]]:
            for index, task in reversed(list(enumerate(tasks))):
                assert isinstance(task.driver, Path)
                assert (task.driver / "model.onnx").read_text() == "the network of " + (
                    f"epoch {int(task.driver.name.split('-')[1])}"
                )
                driven.append(task.driver.name)
                count, cte_m = drives[int(task.driver.name.split("-")[1])]
                made = tuple(make_drive(60.0, count, cte_m=cte_m) for _ in task.episodes)
                yield index, EpisodesResult(made, (), (0, 0), (0, 0), 1.0)

        def fake_export(network: FakeNetwork, path: Path) -> None:
            path.write_text(f"the network of {network.weights}", encoding="utf-8")

        monkeypatch.setattr(selection, "run_tasks", fake_run)
        monkeypatch.setattr("ghostlap.pilots.pilot_saving.export_onnx", fake_export)
        network = FakeNetwork()
        trainer: Any = network
        checkpoints: Any = SimpleNamespace(folder=folder, epochs_done=9, best_epoch=best_loss)
        config = TrainConfig(select_by="driving", select_track=oval)
        console = Console(file=io.StringIO())
        chosen = select_by_driving(config, trainer, checkpoints, Preprocessing(), console)
        return chosen, network, driven

    return select


def test_the_epoch_with_the_fewest_interventions_is_chosen(select: Select) -> None:
    chosen, network, _ = select([3, 6, 9], 9, {3: (2, 0.1), 6: (0, 0.4), 9: (1, 0.1)})
    assert chosen.epoch == 6
    assert network.weights == "epoch 6"
    assert [one["autonomy_percent"] for one in chosen.candidates] == pytest.approx([80, 100, 90])
    assert [one["epoch"] for one in chosen.candidates] == [3, 6, 9]


def test_among_equals_the_one_that_keeps_to_the_middle(select: Select) -> None:
    chosen, _, _ = select([3, 6, 9], 3, {3: (0, 0.5), 6: (0, -0.3), 9: (0, 0.4)})
    assert chosen.epoch == 6


def test_the_epoch_of_the_lowest_loss_is_a_candidate_too(select: Select) -> None:
    chosen, network, _ = select([6, 9], 4, {4: (0, 0.2), 6: (1, 0.2), 9: (1, 0.2)})
    assert chosen.epoch == 4
    assert network.weights == "epoch 4"


def test_after_a_kill_no_candidate_drives_twice(select: Select, tmp_path: Path) -> None:
    select([3], 3, {3: (1, 0.2)})
    noted = json.loads((tmp_path / "checkpoint" / "driving.json").read_text())
    assert noted == {"3": {"autonomy_percent": 90.0, "mean_abs_cte_m": pytest.approx(0.2)}}
    chosen, _, driven = select([3, 6], 3, {6: (2, 0.2)})
    assert set(driven) == {"candidate-0006"}
    assert chosen.epoch == 3


@pytest.mark.parametrize(("every", "kept"), [(1, [1, 2, 3, 4, 5, 6, 7]), (3, [1, 4, 7]), (9, [7])])
def test_every_so_many_epochs_one_is_kept_counted_from_the_last(
    tmp_path: Path, every: int, kept: list[int]
) -> None:
    callback = Candidates(tmp_path / "checkpoint", every, epochs=7)
    callback.set_model(FakeNetwork())
    for epoch in range(7):
        callback.on_epoch_end(epoch)
    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == [f"candidate-{epoch:04d}.weights.h5" for epoch in kept]


def test_a_training_that_ends_with_a_drive(
    small_recording: Path,
    cache_folder: Path,
    oval: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selection, "_SECONDS", 1.0)
    monkeypatch.setattr(selection, "_SEEDS", 1)
    monkeypatch.setattr(selection, "run_tasks", functools.partial(run_tasks, processes=1))
    shown = Console(file=io.StringIO(), width=200)
    config = short_training(
        small_recording, tmp_path / "run", cache_folder,
        epochs=2, select_by="driving", select_every=1, select_track=oval, select_speed=15.0,
    )  # fmt: skip
    result = train(config, shown)
    training = Pilot.load(tmp_path / "run").description["training"]
    candidates = training["candidates"]
    assert [one["epoch"] for one in candidates] == [1, 2]
    best = min(candidates, key=lambda one: (-one["autonomy_percent"], one["mean_abs_cte_m"]))
    assert result.best_epoch == training["best_epoch"] == best["epoch"]
    assert isinstance(shown.file, io.StringIO)
    assert shown.file.getvalue().count("drives with autonomy") == 2


def test_a_track_that_is_not_there_is_said_before_training(
    small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    config = short_training(
        small_recording, tmp_path / "run", cache_folder, select_by="driving", select_track="moon"
    )
    with pytest.raises(TrackError, match="There is no track 'moon'"):
        train(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", ["select_every", "select_speed"])
def test_options_of_the_selection_have_limits(option: str) -> None:
    wrong: dict[str, Any] = {option: 0}
    with pytest.raises(TrainingError, match=f"--{option.replace('_', '-')}"):
        TrainConfig(**wrong)

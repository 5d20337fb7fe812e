"""Results noted in MLflow while a command runs, and what a stop leaves there."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ghostlap.base.platform import quoted
from ghostlap.base.so_far import heard, tell
from ghostlap.commands.cli import main
from ghostlap.commands.tracking import tracked
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.training.config import TrainConfig
from ghostlap.training.dagger.config import DaggerConfig
from ghostlap.training.fit import TrainResult
from ghostlap.training.search.config import SearchConfig

NEEDS = "pip install 'ghostlap[mlflow]'"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "rec", "--tracker", "cake"], "--tracker must be one of mlflow. Got 'cake'"),
        (["doctor", "rec", "--tracker=mlflow"], "--tracker is for train, search, dagger, evaluate"),
    ],
)
def test_a_tracker_that_cannot_be(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_that_mlflow_is_missing_is_said_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["train", "rec", "--tracker", "mlflow"])
    assert NEEDS in capsys.readouterr().err


def test_a_tracker_that_fails_says_so_once_and_leaves_the_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("no database")

    def evaluation(config: EvaluateConfig) -> dict[str, Any]:
        tell(config.folder, lambda: {"lines": []})
        return {"lines": [], "complete": True}

    monkeypatch.setattr("ghostlap.commands.tracking._Run._note", broken)
    config = EvaluateConfig(Path("runs/a"), name="x")
    assert tracked("evaluate", config, evaluation)["complete"]
    said = capsys.readouterr().err
    assert said.count(f"(no database). The result is in {Path('runs/a/evaluate/x')}") == 1


class Database:
    """MLflow's own client, in a folder of its own."""

    def __init__(self) -> None:
        from mlflow.tracking import MlflowClient

        self.client: Any = MlflowClient()

    def run(self) -> Any:
        """The only run that there is."""
        (run,) = self.runs()
        return run

    def runs(self, where: str = "") -> list[Any]:
        experiment = self.client.get_experiment_by_name("ghostlap")
        return list(self.client.search_runs([experiment.experiment_id], where))

    def history(self, name: str) -> list[tuple[int, float]]:
        history = self.client.get_metric_history(self.run().info.run_id, name)
        return [(one.step, one.value) for one in history]


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to make one."""
    pytest.importorskip("mlflow", reason=NEEDS)
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").create_experiment("ghostlap", str(path.parent / "files"))
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    shutil.copy(empty_database, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it called somebody"))
    return Database()


pytestmark = pytest.mark.filterwarnings("ignore")  # its libraries' own


def test_what_came_of_a_training_and_a_drive_is_noted(
    trained: TrainResult,
    small_recording: Path,
    tmp_path: Path,
    database: Database,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(trained.out, tmp_path / "a", ignore=shutil.ignore_patterns("evaluate"))
    line = {"driver": "pilot", "track": "oval:1", "stress": "none", "episodes": 2}
    line["autonomy_percent"] = 50.0
    lines = [line, {**line, "stress": "fog", "interval_95": {}}]
    tracked("train", TrainConfig(resume=True, out=Path("a")), lambda _: trained)
    config = EvaluateConfig(Path("a"))
    config.folder.mkdir(parents=True)
    tracked("evaluate", config, lambda _: {"lines": lines})
    said = capsys.readouterr().err
    uri = database.client.tracking_uri
    assert uri.endswith("mlflow.db")
    assert f"'mlflow ui --backend-store-uri {quoted(uri)}' shows it" in said
    drive, training = database.runs(f"tags.trained_on LIKE '%{small_recording.name}'")
    assert (drive.info.status, training.info.status) == ("FINISHED", "FINISHED")
    assert training.data.params["epochs"] == "3"
    losses = database.client.get_metric_history(training.info.run_id, "val_loss")
    assert [one.step for one in losses] == [1, 2, 3]
    assert training.data.metrics["best_val_loss"] == trained.val_loss
    assert drive.data.metrics["pilot/oval_1/autonomy_percent"] == 50.0
    assert drive.data.metrics["pilot/oval_1/fog/autonomy_percent"] == 50.0
    assert training.data.tags["trained_on_blake2b"] == drive.data.tags["trained_on_blake2b"]


def trials(count: int) -> Mapping[str, Any]:
    one = {"options": {"learning_rate": 0.1}, "val_loss": 0.5}
    return {"trials": [{**one, "number": number} for number in range(count)], "val_loss": 0.5}


def rows(count: int) -> Mapping[str, Any]:
    one = {"arm": "dagger", "measured": {"autonomy_percent": 90.0}}
    return {"rows": [{**one, "iteration": number} for number in range(count)], "config": {"b": 1}}


def lines(count: int) -> Mapping[str, Any]:
    one = {"driver": "pilot", "track": "lake", "stress": "none", "autonomy_percent": 90.0}
    return {"lines": [{**one, "episodes": count}]}


@pytest.mark.parametrize(
    ("command", "config", "so_far", "name"),
    [
        ("search", SearchConfig(out=Path("s")), trials, "val_loss"),
        ("dagger", DaggerConfig(Path("a"), out=Path("s")), rows, "dagger.autonomy_percent"),
        (
            "evaluate", EvaluateConfig(Path("a"), resume=True), lines,
            "pilot/lake/autonomy_percent",
        ),
    ],
)  # fmt: skip
def test_a_stopped_command_goes_on_in_its_run(
    command: str,
    config: Any,
    so_far: Callable[[int], Mapping[str, Any]],
    name: str,
    database: Database,
) -> None:
    folder = getattr(config, "folder", None) or config.out
    folder.mkdir(parents=True)

    def stopped(_: Any) -> None:
        tell(folder, lambda: so_far(1))
        assert database.run().info.status == "RUNNING"
        assert len(database.history(name)) == 1
        tell(Path("elsewhere"), lambda: so_far(5))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracked(command, config, stopped)
    assert database.run().info.status == "KILLED"
    tracked(command, config, lambda _: so_far(2))
    assert database.run().info.status == "FINISHED"
    steps = [step for step, _ in database.history(name)]
    assert steps == sorted(set(steps))
    assert len(steps) == 2


def test_a_failed_command_is_said_to_have_failed(database: Database) -> None:
    def fails(config: SearchConfig) -> None:
        tell(config.out, lambda: trials(1))
        raise MemoryError

    Path("s").mkdir()
    with pytest.raises(MemoryError):
        tracked("search", SearchConfig(out=Path("s")), fails)
    assert database.run().info.status == "FAILED"


@pytest.mark.parametrize("of", ["nothing", "a copy", "another database", "an evaluation anew"])
def test_what_does_not_go_on_has_a_run_of_its_own(database: Database, of: str) -> None:
    first = EvaluateConfig(Path("a"), resume=True)
    first.folder.mkdir(parents=True)
    tracked("evaluate", first, lambda _: lines(1))
    noted = first.folder / "mlflow.json"
    second = first
    if of == "nothing":
        noted.write_text("[")
    elif of == "a copy":
        shutil.copytree("a", "b")
        second = EvaluateConfig(Path("b"), resume=True)
    elif of == "another database":
        noted.write_text(json.dumps({"run": "../../of-another"}))
    else:
        second = EvaluateConfig(Path("a"))
    tracked("evaluate", second, lambda _: lines(1))
    assert [run.info.status for run in database.runs()] == ["FINISHED", "FINISHED"]


def test_a_training_is_noted_epoch_by_epoch_and_goes_on_where_it_was_stopped(
    small_recording: Path,
    cache_folder: Path,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = ["--steps-per-epoch", "2", "--batch-size", "8", "--model", "pilotnet_small"]
    begun = [str(small_recording), "--epochs", "2", "--cache", str(cache_folder), *short]

    def stop(folder: Path, result: Mapping[str, Any]) -> None:
        if result["history"]:
            raise KeyboardInterrupt

    with heard(stop), pytest.raises(SystemExit) as ended:
        main(["train", *begun, "--out", "a", "--tracker", "mlflow"])
    assert ended.value.code == 130
    run = database.run()
    assert (run.info.status, run.data.params["steps_per_epoch"]) == ("KILLED", "2")
    assert database.history("loss") == []
    # What a kill kept MLflow from hearing of, it hears as the training goes on.
    with pytest.raises(SystemExit) as ended:
        main(["train", "--resume", "--out", "a", "--tracker", "mlflow"])
    assert ended.value.code == 0, capsys.readouterr().err
    assert database.run().info.status == "FINISHED"
    assert [step for step, _ in database.history("loss")] == [1, 2]
    assert database.run().data.tags["trained_on_blake2b"].strip()


def test_nothing_is_reckoned_for_nobody() -> None:
    """An evaluation's table takes longer the more was driven."""
    tell(Path("a"), lambda: pytest.fail("nobody listens"))
    told: list[Mapping[str, Any]] = []
    with heard(lambda _, result: told.append(result)):
        tell(Path("a"), lambda: {"loss": 1.0})
    assert told == [{"loss": 1.0}]

"""The search: its space, its folder, its table, and the command that uses the winner."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tyro
from kills import kills_of
from recordings import make_recording
from rich.console import Console
from systems import linux

import ghostlap.commands.train as training
from ghostlap.base.errors import CacheError, RecordingError, TrainingError
from ghostlap.base.platform import words_of
from ghostlap.base.so_far import heard
from ghostlap.commands import cli
from ghostlap.commands import search as command
from ghostlap.data.dataset import Samples, make_samples
from ghostlap.data.formats.readers import read_recording
from ghostlap.training.config import RECIPES, TrainConfig
from ghostlap.training.fit import TrainResult
from ghostlap.training.run_folder import claim_run_folder
from ghostlap.training.search.config import SearchConfig
from ghostlap.training.search.space import (
    parse_settings,
    parse_space,
    train_command,
    with_options,
)
from ghostlap.training.search.trial import Trial, draw_options, run_trial, time_subset

SPACE = ("learning_rate=1e-4..1e-2:log", "epochs=2..10", "model=pilotnet|pilotnet_bn")


class FakeTraining:
    """Instead of a training: the loss is lowest at a learning rate of 1e-3 with pilotnet."""

    def __init__(self, stop_before: int | None = None) -> None:
        self.seen: list[TrainConfig] = []
        self.stop_before = stop_before

    def __call__(self, config: TrainConfig, subset: float, console: Console) -> TrainResult:
        if len(self.seen) == self.stop_before:
            raise KeyboardInterrupt
        self.seen.append(config)
        console.print("epoch 1/1")
        loss = 0.02 + math.log10(config.learning_rate / 1e-3) ** 2 / 10
        loss += 0.05 * (config.model != "pilotnet")
        return TrainResult(config.out, config.epochs, 1, loss, {}, 1.0)


def search(config: SearchConfig, console: Console, run_trial: Any = run_trial) -> dict[str, Any]:
    """Search with a stand-in for what trains a trial."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "run_trial", run_trial)
        return command.search(config, console)


@pytest.fixture
def quiet() -> Console:
    return Console(quiet=True)


@pytest.fixture
def config(tmp_path: Path) -> SearchConfig:
    return SearchConfig(
        recordings=(tmp_path / "my drive",), out=tmp_path / "s", trials=6, space=SPACE
    )


# The space


def test_a_space_is_read_by_the_types_of_the_options() -> None:
    rate, steps, model, cap, speed, offset = parse_space(
        [
            "learning_rate=1e-4..1e-2:log",
            "steps-per-epoch=50..300",
            "model=pilotnet|pilotnet_bn",
            "cap=100|200|none",
            "speed=true|false",
            "steering_correction=0.1..0.4",
        ]
    )
    assert rate.examples() == (1e-4, 1e-2)
    assert steps.name == "steps_per_epoch"
    assert steps.examples() == (50, 300)
    assert isinstance(steps.examples()[0], int)
    assert model.examples() == ("pilotnet", "pilotnet_bn")
    assert cap.examples() == (100, 200, None)
    assert speed.examples() == (True, False)
    assert offset.examples() == (0.1, 0.4)


def test_earlier_names_of_options_are_read_as_before() -> None:
    (dimension,) = parse_space(["side_offset=0.1..0.4"])
    assert dimension == parse_space(["steering_correction=0.1..0.4"])[0]
    config = TrainConfig(steering_correction=0.2, steering_std=True)
    saved = config.to_json()
    saved["side_offset"], saved["spread"] = (
        saved.pop(name) for name in ("steering_correction", "steering_std")
    )
    assert TrainConfig.from_json(saved).steering_correction == 0.2
    assert TrainConfig.from_json(saved).steering_std
    flags = ["--side-offset", "0.2", "--spread"]
    assert tyro.cli(TrainConfig, args=flags) == config


def test_texts_with_commas_equals_signs_and_dots_are_choices() -> None:
    augment, colour, cameras = parse_space(
        [
            "augment=default|default,shear.p=0.2|../mine.json",
            "preprocessing.colour=yuv|rgb",
            "cameras=center|center+left+right",
        ]
    )
    assert augment.examples() == ("default", "default,shear.p=0.2", "../mine.json")
    assert colour.examples() == ("yuv", "rgb")
    assert cameras.examples() == (("center",), ("center", "left", "right"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat=1..2", "'learning_rat' is no option .* Did you mean learning_rate?"),
        ("zzz=1..2", "'zzz' is no option .* Options: model, speed, .*, preprocessing"),
        ("out=a|b", "'out' is no option"),
        ("epochs", "must be written like learning_rate=1e-4..1e-2:log. Got 'epochs'"),
        ("epochs=", "must be written like"),
        ("epochs=9..2", "lower bound comes first and must be below .* Got '9..2'"),
        ("epochs=2..2", "lower bound comes first"),
        ("epochs=1.5..3", "epochs: must be a whole number. Got '1.5'"),
        ("epochs=two..3", "epochs: must be a whole number. Got 'two'"),
        ("epochs=2..", "epochs: must be a whole number. Got ''"),
        ("epochs=2..9:ln", "only ':log' may follow a range. Got ':ln'"),
        ("epochs=3", "at least two choices, one|other or a range such as epochs=1..9. Got '3'"),
        ("epochs=3|3", "every choice may be named once"),
        ("cap=none..9", "the bounds must be numbers. Got 'none..9'"),
        ("cap=1|x", "cap: must be a whole number or none. Got 'x'"),
        ("learning_rate=0..1:log", "':log' range must be above 0. Got '0..1:log'"),
        ("learning_rate=nan..1", "learning_rate: must be a number. Got 'nan'"),
        ("model=pilotnet", "at least two choices, one|other. .* --set model=pilotnet"),
        ("model=a..b", "at least two choices"),
        ("speed=yes|no", "speed: must be true or false. Got 'yes'"),
        ("speed=0..1", "must be true or false. Got '0..1'"),
        ("loss=mse|mae", "loss: must be one of mse, huber. Got 'mae'"),
        ("cameras=center|rear", r"cameras: must be center\+left\+right or some of these"),
    ],
)
def test_a_wrong_space_is_said_clearly(text: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message.replace("?", r"\?").replace("|", r"\|")):
        parse_space([text])


def test_a_space_must_not_be_empty_nor_name_an_option_twice() -> None:
    with pytest.raises(TrainingError, match="at least one option"):
        parse_space([])
    with pytest.raises(TrainingError, match="Got epochs twice"):
        parse_space(["epochs=1..2", "epochs=3|4"])


def test_settings_are_read_and_checked() -> None:
    assert parse_settings(["augment=none", "cap=none", "cameras=center"]) == {
        "augment": "none", "cap": None, "cameras": ("center",)
    }  # fmt: skip
    with pytest.raises(TrainingError, match="--set batch_size: must be a whole number. Got 'x'"):
        parse_settings(["batch_size=x"])


# The draw


def _trials(options: list[dict[str, Any]], losses: list[float | None]) -> list[Trial]:
    pairs = zip(options, losses, strict=True)
    return [Trial(n, drawn, loss, 1, 1.0) for n, (drawn, loss) in enumerate(pairs)]


def test_a_draw_depends_on_the_seed_and_the_trials_before_only() -> None:
    dimensions = parse_space(SPACE)
    first = draw_options(dimensions, 3, [])
    assert draw_options(dimensions, 3, []) == first
    assert draw_options(dimensions, 4, []) != first
    assert draw_options(dimensions, 3, _trials([first], [0.1])) != first


def test_drawn_values_are_of_the_right_type_inside_the_bounds_and_short() -> None:
    dimensions = parse_space(["learning_rate=0.00123456..0.00123459", "cap=5..6", "epochs=3|4"])
    trials: list[Trial] = []
    for number in range(12):
        drawn = draw_options(dimensions, 0, trials)
        trials.append(Trial(number, drawn, float(number), 1, 1.0))
        assert 0.00123456 <= drawn["learning_rate"] <= 0.00123459
        assert drawn["cap"] in (5, 6)
        assert type(drawn["cap"]) is int
        assert drawn["epochs"] in (3, 4)
    rate = draw_options(parse_space(["learning_rate=1e-4..1e-2:log"]), 0, [])["learning_rate"]
    assert float(f"{rate:.4g}") == rate


def test_the_search_keeps_away_from_where_trials_failed() -> None:
    dimensions = parse_space(["learning_rate=1e-4..1:log"])
    rates = np.geomspace(1e-4, 1, 20)
    options = [{"learning_rate": float(rate)} for rate in rates]
    trials = _trials(options, [0.1 if rate < 1e-2 else None for rate in rates])
    drawn = [draw_options(dimensions, seed, trials)["learning_rate"] for seed in range(10)]
    assert np.median(drawn) < 1e-2


# The subset


def _samples(tmp_path: Path, *rows: int) -> Samples:
    recordings = [
        read_recording(make_recording(tmp_path / f"rec{n}", rows=r, step_ms=500))
        for n, r in enumerate(rows)
    ]
    return make_samples(recordings, cap=None)


def test_a_subset_is_whole_blocks_of_time_of_about_the_share(tmp_path: Path) -> None:
    samples = _samples(tmp_path, 150, 90)
    inside = time_subset(samples, 0.3, seed=1)
    assert inside.mean() == pytest.approx(0.3, abs=0.05)
    in_first = inside & (samples.recording == 0)
    changes = np.count_nonzero(np.diff(in_first[samples.recording == 0]))
    assert changes <= 2 * 20  # a block has 7 or 8 rows of 3 views; thinning by row would be 150
    moments = samples.time_s[in_first]
    assert (np.unique(moments, return_counts=True)[1] == 3).all()  # views stay together
    np.testing.assert_array_equal(inside, time_subset(samples, 0.3, seed=1))
    assert (inside != time_subset(samples, 0.3, seed=2)).any()


def test_a_larger_subset_holds_the_smaller_one_and_1_holds_all(tmp_path: Path) -> None:
    samples = _samples(tmp_path, 80)
    small, large = (time_subset(samples, share, seed=0) for share in (0.2, 0.6))
    assert (large[small]).all()
    assert time_subset(samples, 1.0, seed=0).all()
    assert time_subset(samples, 1e-9, seed=0).any()


# The search


def test_a_search_finds_the_best_and_says_how_to_use_it(
    config: SearchConfig, quiet: Console
) -> None:
    fake, told = FakeTraining(), list[int]()
    with heard(lambda folder, result: told.append(len(result["trials"]))):
        found = search(dataclasses.replace(config, trials=25), quiet, fake)

    assert told == list(range(26))
    assert len(fake.seen) == len(found["trials"]) == 25
    assert found["val_loss"] == min(trial["val_loss"] for trial in found["trials"])
    assert found["best"]["model"] == "pilotnet"
    assert 3e-4 < found["best"]["learning_rate"] < 3e-3
    assert [seen.out.name for seen in fake.seen[:2]] == ["trial-000", "trial-001"]
    assert json.loads((config.out / "best.json").read_text()) == json.loads(json.dumps(found))
    assert (config.out / "search.png").read_bytes().startswith(b"\x89PNG")
    assert "epoch 1/1" in (config.out / "trial-003.log").read_text()
    with (config.out / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["val_loss"]) for row in rows]
    assert losses == sorted(losses)
    assert rows[0]["model"] == "pilotnet"


def test_a_stopped_search_goes_on_as_if_nothing_had_happened(
    config: SearchConfig, tmp_path: Path, quiet: Console
) -> None:
    undisturbed = FakeTraining()
    search(dataclasses.replace(config, out=tmp_path / "other", trials=14), quiet, undisturbed)

    first, second, third = FakeTraining(stop_before=3), FakeTraining(), FakeTraining()
    with pytest.raises(KeyboardInterrupt):
        search(dataclasses.replace(config, trials=12), quiet, first)
    assert len((config.out / "trials.csv").read_text().splitlines()) == 1 + 3
    search(dataclasses.replace(config, trials=12), quiet, second)
    found = search(dataclasses.replace(config, trials=14), quiet, third)

    assert [len(fake.seen) for fake in (first, second, third)] == [3, 9, 2]
    parts = [seen for fake in (first, second, third) for seen in fake.seen]
    assert [dataclasses.replace(seen, out=Path()) for seen in parts] == [
        dataclasses.replace(seen, out=Path()) for seen in undisturbed.seen
    ]
    again = FakeTraining()
    assert search(dataclasses.replace(config, trials=14), quiet, again) == found
    assert not again.seen


def test_ctrl_c_shows_the_table_so_far(config: SearchConfig) -> None:
    shown = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        search(config, Console(file=shown, width=150), FakeTraining(stop_before=2))
    assert "stopped after 2 of 6 trials; the same command goes on" in shown.getvalue()
    assert "lowest validation loss first" in shown.getvalue()


def test_choices_that_json_does_not_know_survive_a_stop(
    config: SearchConfig, quiet: Console
) -> None:
    config = dataclasses.replace(config, space=("cameras=center|center+left+right", "cap=9|none"))
    with pytest.raises(KeyboardInterrupt):
        search(config, quiet, FakeTraining(stop_before=4))
    assert search(config, quiet, FakeTraining())["best"]["cameras"][0] == "center"


def test_every_trial_has_a_line_with_the_time_left(config: SearchConfig) -> None:
    shown = io.StringIO()
    search(config, Console(file=shown, width=60), FakeTraining())
    lines = [line for line in shown.getvalue().splitlines() if line.startswith("trial ")]
    assert len(lines) == 6
    assert "val_loss" in lines[0]
    assert "best so far  about 0 s left" in lines[0]
    assert "left" not in lines[-1]


def test_a_failed_trial_is_recorded_and_the_search_goes_on(config: SearchConfig) -> None:
    class FailsFirst(FakeTraining):
        def __call__(self, config: TrainConfig, subset: float, console: Console) -> TrainResult:
            if config.out.name in ("trial-000", "trial-001"):
                raise TrainingError("the loss is not finite")
            return super().__call__(config, subset, console)

    shown = io.StringIO()
    found = search(config, Console(file=shown, width=150), FailsFirst())
    failed = found["trials"][0]
    assert (failed["val_loss"], failed["error"]) == (None, "the loss is not finite")
    assert len(found["trials"]) == 6
    assert "failed: the loss is not finite" in shown.getvalue()
    last_row = (config.out / "trials.csv").read_text().splitlines()[-1]
    assert last_row.endswith("the loss is not finite")


def test_a_search_in_which_everything_fails_stops_early(
    config: SearchConfig, quiet: Console
) -> None:
    def fails(config: TrainConfig, subset: float, console: Console) -> TrainResult:
        raise TrainingError("no such model.")

    with pytest.raises(TrainingError, match="first 3 trials all failed. The last: no such model."):
        search(config, quiet, fails)
    config = dataclasses.replace(config, trials=1, out=config.out / "one")
    with pytest.raises(TrainingError, match="none of 1 trials came to an end. The first: no such"):
        search(config, quiet, fails)


@pytest.mark.parametrize("error", [RecordingError, CacheError])
def test_what_would_befall_every_trial_stops_the_search(
    config: SearchConfig, quiet: Console, error: type[Exception]
) -> None:
    def fails(config: TrainConfig, subset: float, console: Console) -> TrainResult:
        raise error("the disk is full")

    with pytest.raises(error, match="the disk is full"):
        search(config, quiet, fails)
    assert len(search(config, quiet, FakeTraining())["trials"]) == 6


def test_time_can_be_limited(config: SearchConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Any = SimpleNamespace(now_s=0.0, perf_counter=lambda: clock.now_s)
    monkeypatch.setattr(command, "time", clock)

    class Slow(FakeTraining):
        def __call__(self, config: TrainConfig, subset: float, console: Console) -> TrainResult:
            clock.now_s += 0.6
            return super().__call__(config, subset, console)

    shown = io.StringIO()
    limited = dataclasses.replace(config, timeout_s=0.5)
    assert len(search(limited, Console(file=shown), Slow())["trials"]) == 1
    assert "time is up after 1 of 6 trials" in shown.getvalue()


def test_options_that_change_the_measure_are_warned_of(config: SearchConfig) -> None:
    shown = io.StringIO()
    space = ("steering_correction=0.1..0.4", "cap=100|200", "epochs=1..3")
    console = Console(file=shown, width=1000)
    search(dataclasses.replace(config, space=space), console, FakeTraining())
    assert "warning: cap, steering_correction in --space" in shown.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recordings": ()}, "name at least one recording"),
        ({"space": ("epochs=0..5",)}, "--epochs must be at least 1. Got 0."),
        ({"set": ("epochs=3",)}, "--set epochs: it is in --space too"),
        ({"set": ("cap=0",)}, "--cap must be at least 1. Got 0."),
    ],
)
def test_wrong_options_are_said_before_anything_is_written(
    config: SearchConfig, quiet: Console, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        search(dataclasses.replace(config, **changes), quiet, FakeTraining())
    assert not config.out.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "--trials must be at least 1. Got 0."),
        ({"subset": 0.0}, "--subset must be above 0 and at most 1. Got 0.0."),
        ({"subset": 1.5}, "--subset must be"),
        ({"timeout_s": 0.0}, "--timeout-s must be above 0. Got 0.0."),
        ({"seed": -1}, "--seed must be at least 0. Got -1."),
    ],
)
def test_the_config_checks_itself(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        SearchConfig(**changes)


# The folder


def test_another_search_does_not_go_on_in_the_same_folder(
    config: SearchConfig, quiet: Console
) -> None:
    search(config, quiet, FakeTraining())
    other = dataclasses.replace(config, seed=1, trials=9)
    with pytest.raises(TrainingError, match=r"Differing: seed was 0, now 1\. Name another --out"):
        search(other, quiet, FakeTraining())


def test_a_folder_that_holds_something_else_is_left_alone(
    config: SearchConfig, quiet: Console
) -> None:
    config.out.mkdir()
    (config.out / "thesis.txt").write_text("mine")
    with pytest.raises(TrainingError, match=r"holds thesis.txt and no search\. Name another --out"):
        search(config, quiet, FakeTraining())
    config.out.joinpath("thesis.txt").unlink()
    config.out.rmdir()
    config.out.write_text("a file")
    with pytest.raises(TrainingError, match="cannot be written"):
        search(config, quiet, FakeTraining())


def test_a_damaged_search_file_is_said(config: SearchConfig, quiet: Console) -> None:
    config.out.mkdir()
    (config.out / "search.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"search.json: cannot be read .* Name another --out"):
        search(config, quiet, FakeTraining())


def test_two_searches_do_not_write_into_one_folder(config: SearchConfig, quiet: Console) -> None:
    messages = []

    def runs_another(seen: TrainConfig, subset: float, console: Console) -> TrainResult:
        with pytest.raises(TrainingError) as caught:
            search(config, quiet, FakeTraining())
        messages.append(str(caught.value))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(config, quiet, runs_another)
    assert messages == [
        f"{config.out}: another process is writing there. Wait until it has ended, or name another "
        "one."
    ]


@linux("the harness of kills looks at /proc")
def test_a_kill_at_any_step_leaves_what_the_same_call_goes_on_with(
    config: SearchConfig, quiet: Console
) -> None:
    config = dataclasses.replace(config, trials=2)
    whole = dataclasses.replace(config, out=config.out.with_name("whole"))
    search(whole, quiet, FakeTraining())

    def trials_in(out: Path) -> list[dict[str, Any]]:
        trials = json.loads((out / "best.json").read_text())["trials"]
        return [{name: one[name] for name in one if name != "seconds"} for one in trials]

    names = sorted(path.name for path in whole.out.iterdir())
    for _ in kills_of(lambda: search(config, quiet, FakeTraining()), config.out, most=12):
        search(config, quiet, FakeTraining())
        assert trials_in(config.out) == trials_in(whole.out)
        assert sorted(path.name for path in config.out.iterdir()) == names


# The command


def _typed(command: str, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    """The config that ``ghostlap train`` makes of a command."""
    seen: list[TrainConfig] = []

    def train(config: TrainConfig) -> None:
        seen.append(config)

    monkeypatch.setattr(training, "train", train)
    program, *arguments = words_of(command)
    assert program == "ghostlap"
    with pytest.raises(SystemExit, match="0"):
        cli.main(arguments)
    return seen[0]


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_the_command_gives_the_same_config(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {
        "model": "package.module:function", "speed": True, "cameras": ("center", "left"),
        "steering_correction": 0.1234, "cap": None, "augment": "none,shear.p=0.2", "split": "image",
        "learning_rate": 1e-5, "steps_per_epoch": 7, "patience": 3, "seed": 5,
        "preprocessing.colour": "rgb", "preprocessing.offset": -0.5,
    }  # fmt: skip
    config = dataclasses.replace(
        with_options(RECIPES[recipe], options),
        recordings=(Path("my drive's"), Path("two")),
        out=Path("runs/s best"),
        cache=Path("c"),
        columns=("steering=angle:deg", "center=the picture"),
    )
    assert _typed(train_command(config), monkeypatch) == config


def test_the_command_names_only_what_differs() -> None:
    config = dataclasses.replace(
        RECIPES["seed003"], recordings=(Path("rec/a"),), out=Path("runs/b"), epochs=4
    )
    expected = f"ghostlap train {Path('rec/a')} --out {Path('runs/b')} --recipe seed003 --epochs 4"
    assert train_command(config) == expected


def test_the_winner_s_command_is_for_all_data_in_a_new_folder(
    config: SearchConfig, quiet: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(config, base="seed003", set=("augment=none",), seed=2)
    fake = FakeTraining()
    found = search(config, quiet, fake)
    number = min(found["trials"], key=lambda trial: trial["val_loss"])["number"]
    expected = dataclasses.replace(fake.seen[number], out=Path(f"{config.out}-best"))
    assert (expected.recipe, expected.augment, expected.seed) == ("seed003", "none", 2)
    assert _typed(found["command"], monkeypatch) == expected


# In earnest


def test_two_true_trials_end_to_end(tmp_path: Path, quiet: Console) -> None:
    recording = make_recording(tmp_path / "rec", rows=60)
    config = SearchConfig(
        recordings=(recording,),
        out=tmp_path / "s",
        trials=2,
        subset=0.5,
        space=("learning_rate=1e-4..1e-2:log", "steps_per_epoch=1..3"),
        set=("model=pilotnet_small", "epochs=1", "batch_size=8", "warmup_steps=0"),
        cache=tmp_path / "cache",
    )
    found = search(config, quiet)
    assert all(math.isfinite(trial["val_loss"]) for trial in found["trials"])
    assert (config.out / "trial-001" / "pilot.json").exists()
    described = json.loads((config.out / "trial-000" / "pilot.json").read_text())
    assert 0 < described["training"]["training_samples"] < 100
    assert described["training"]["learning_rate"] == found["trials"][0]["options"]["learning_rate"]


def test_a_killed_trial_goes_on_from_its_last_epoch(
    tmp_path: Path, quiet: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainConfig(
        recordings=(make_recording(tmp_path / "rec", rows=60),),
        out=tmp_path / "trial-000",
        cache=tmp_path / "cache",
        epochs=2,
        steps_per_epoch=1,
        batch_size=8,
        model="pilotnet_small",
    )
    claim = tmp_path / "trial-000" / "config.json"
    claim.parent.mkdir()
    seen: list[bool] = []

    def fit(config: TrainConfig, *_: Any) -> TrainResult:
        seen.append(config.resume)
        claim_run_folder(config)
        return TrainResult(config.out, 1, 1, 0.1, {}, 1.0)

    monkeypatch.setattr("ghostlap.training.fit.fit", fit)
    claim.write_text("{}")  # of another config, or cut off
    (claim.parent / "left-over").touch()
    run_trial(config, 0.5, quiet)
    assert not (claim.parent / "left-over").exists()
    assert json.loads(claim.read_text())["epochs"] == config.to_json()["epochs"]
    run_trial(config, 0.5, quiet)
    run_trial(dataclasses.replace(config, epochs=3), 0.5, quiet)
    assert seen == [False, True, False]


def test_importing_the_search_is_quick() -> None:
    code = (
        "import sys, ghostlap.commands.search;"
        "heavy = {'optuna', 'matplotlib', 'pandas', 'keras', 'tensorflow'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""The yardstick: the same for everybody, to the byte; nothing edited passes for measured."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_suite
from rich.console import Console
from small_pilot import make_pilot

import ghostlap.commands.benchmark as command
from ghostlap.base.errors import BenchmarkError, PilotError
from ghostlap.base.files import remove
from ghostlap.commands.benchmark import benchmark
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.driving.benchmark import suite
from ghostlap.driving.benchmark.config import BenchmarkConfig
from ghostlap.driving.benchmark.result import fingerprint, followed
from ghostlap.driving.evaluation.episode_files import drive_episodes
from ghostlap.driving.policies.policy import Policy, policy_of
from ghostlap.driving.rollout.seen_through import PICTURE_CHANGES, SeenThrough, first_row_behind
from ghostlap.sim.track.tracks import track_named

QUIET = Console(file=io.StringIO())
V1 = "a9e6fc"
"""Of what the suite v1 drives. It never changes: what would change it becomes a suite v2."""

MODULE = """
import os, time

def straight(frame, speed_mph):
    return 0.0

def not_a_number(frame, speed_mph):
    return float("nan")

def text(frame, speed_mph):
    return "left"

def crashes(frame, speed_mph):
    raise ValueError("out of road")

def exits(frame, speed_mph):
    os._exit(0)

def hangs(frame, speed_mph):
    time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_suite.use(monkeypatch)


def measured(*policies: str, **options: Any) -> list[dict[str, Any]]:
    config = BenchmarkConfig(policies, processes=1, **options)
    results: list[dict[str, Any]] = benchmark(config, QUIET)["results"]
    return results


@pytest.mark.parametrize(("name", "drives"), [("v1", 632), ("v1-quick", 134)])
def test_the_suite_is_whole(name: str, drives: int) -> None:
    found = suite.suite_named(name)
    tasks = found.tasks(policy_of("expert"))
    assert len(tasks) == drives
    assert {scenario.group for scenario in found.scenarios} == set(found.groups)
    graded = [one for one in found.scenarios if one.group == "graded"]
    assert len(graded) == 36
    for scenario in found.scenarios:
        assert set(scenario.stress.picture) <= set(PICTURE_CHANGES)


NEWER = {
    "strokes", "shoulder", "hills", "camera_height", "camera_focal", "camera_pitch_deg", "vehicle",
    "parked_per_km",
}  # fmt: skip
"""Fields that there were not when the suite was made."""


def as_it_was(value: Any, newer: set[str] = NEWER) -> str:
    """How a dataclass was written then; its newer fields have to be at their defaults."""
    fields = dataclasses.fields(value)
    newer = {field.name for field in fields} & newer
    usual = type(value)()
    assert all(getattr(value, name) == getattr(usual, name) for name in newer)
    told = [f"{one.name}={getattr(value, one.name)!r}" for one in fields if one.name not in newer]
    return f"{type(value).__name__}({', '.join(told)})"


def to_microns(number: re.Match[str]) -> str:
    """Systems differ in a sine's last digit, and so in that of where a car starts."""
    return f"{float(number[0]):.6f}"


def test_the_suite_v1_is_frozen() -> None:
    tasks = suite.suite_named("v1").tasks(policy_of("expert"))
    digest = hashlib.blake2b(digest_size=3)
    for name in sorted({task.track for task in tasks}):
        track = track_named(name)
        for values in (track.points_m, track.half_left_m, track.elevation_m):
            digest.update((np.round(values, 3) + 0.0).tobytes())
    for task in tasks:
        conditions, stress = as_it_was(task.conditions), as_it_was(task.stress)
        control = as_it_was(task.control, {"delay_s", "line"})
        digest.update(f"{conditions} {stress} {task.seconds} {control}".encode())
        digest.update(re.sub(r"\d+\.[\de-]+", to_microns, repr(task.episodes)).encode())
    assert digest.hexdigest() == V1, "v1 must drive what it always drove: make another suite"


@pytest.mark.usefixtures("small")
def test_measured_again_the_files_have_the_same_bytes(tmp_path: Path) -> None:
    make_pilot(tmp_path / "a")
    (first,) = measured("a")
    files = [Path(first[name]) for name in ("file", "page")]
    before = [file.read_bytes() for file in files]
    assert [one["scenario"] for one in first["episodes"]] == ["road", "road", "rain", "rain"]
    assert {one["group"] for one in first["groups"]} == {"plain", "wet"}
    (again,) = measured("a", out=tmp_path / "elsewhere")
    assert [Path(again[name]).read_bytes() for name in ("file", "page")] == before
    assert str(tmp_path) not in before[0].decode()
    assert again["fingerprint"] in before[1].decode()


@pytest.mark.usefixtures("small")
def test_an_interrupted_one_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pilot(tmp_path / "a")
    (whole,) = measured("a", out=tmp_path / "whole")
    driven: list[Any] = []

    def stops(task: Any, report: Callable[[float], None]) -> Any:
        if driven:
            raise KeyboardInterrupt
        driven.append(task)
        return drive_episodes(task, report)

    with monkeypatch.context() as patch:
        patch.setattr("ghostlap.commands.evaluate.drive_episodes", stops)
        with pytest.raises(KeyboardInterrupt):
            measured("a")
    (task,) = driven
    assert [episode.way for episode in task.episodes] == ["forward", "backward"]
    driven.clear()
    finished = tmp_path / "benchmark" / "v1" / "a" / "finished.jsonl"
    first, _ = finished.read_bytes().splitlines(keepends=True)
    finished.write_bytes(first)  # killed between the two
    (resumed,) = measured("a", resume=True)
    assert Path(resumed["file"]).read_bytes() == Path(whole["file"]).read_bytes()
    make_pilot(tmp_path / "b")
    with pytest.raises(BenchmarkError, match="nothing to resume"):
        measured("b", resume=True)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["generalist", "expert"])
def test_side_by_side_each_drives_as_alone(tmp_path: Path, name: str) -> None:
    measured(name)
    drives = tmp_path / "benchmark" / "v1" / name / "drives"
    policy = policy_of(name)
    assert policy.can_drive_abreast
    for task in suite.suite_named("v1").tasks(policy):
        for path, content in drive_episodes(task, lambda metres: None).files.items():
            assert (drives / Path(path).name).read_bytes() == content, path
    assert len(list(drives.iterdir())) == 4


def test_who_reckons_for_all_cars_at_once_drives_alone(tmp_path: Path) -> None:
    make_pilot(tmp_path / "a")
    description = json.loads((tmp_path / "a" / "pilot.json").read_text())
    for name in ("critic", "memory"):
        (tmp_path / "a" / "pilot.json").write_text(json.dumps({**description, name: {}}))
        assert not Policy("a", "run folder", tmp_path / "a", "").can_drive_abreast
    assert not policy_of("mine:straight").can_drive_abreast


FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "not_a_number": ("not a number", {}),
    "text": ("text", {"answer_s": 1.0}),
    "crashes": ("crashed", {}),
    "exits": ("crashed", {}),
    "hangs": ("late", {"answer_s": 1.0}),
}


@pytest.mark.usefixtures("small")
def test_whatever_a_policy_does_the_suite_goes_on_and_it_is_scored(tmp_path: Path) -> None:
    told = io.StringIO()
    for name, (fault, options) in FAULTS.items():
        config = BenchmarkConfig((f"mine:{name}",), processes=1, **options)
        (result,) = benchmark(config, Console(file=told, width=500))["results"]
        assert result["score"]["autonomy_percent"] == 0.0, name
        assert all(fault in one["faults"] for one in result["episodes"]), name
        assert all(one["interventions"] >= 1 for one in result["lines"]), name
        assert f"{fault}: in 4 drives" in Path(result["page"]).read_text(encoding="utf-8")
    text = told.getvalue()
    assert "ended before its time (exit status 1): ValueError: out of road: ended in 4 of 4" in text
    assert "mine:hangs did not answer within 1 s" in text


@pytest.mark.usefixtures("small")
def test_a_policy_that_cannot_start_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    make_pilot(tmp_path / "a")
    (tmp_path / "broken.py").write_text("import no_such_library\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="broken:policy: cannot be started: it ended before"):
        measured("broken:policy", "a")
    assert (tmp_path / "benchmark" / "v1" / "a" / "result.json").exists()


@pytest.mark.usefixtures("small")
def test_a_model_file_drives_as_its_run_folder(tmp_path: Path, trained: Any) -> None:
    from ghostlap.commands.export import export
    from ghostlap.pilots.export.config import ExportConfig

    export(ExportConfig(trained.out, out=tmp_path / "raw.onnx"), QUIET)
    export(ExportConfig(trained.out, to="keras", out=tmp_path / "net.h5"), QUIET)
    of_run, of_file, imported = measured(str(trained.out), "raw.onnx", "net.h5")
    for other in (of_file, imported):
        for one, two in zip(of_run["episodes"], other["episodes"], strict=True):
            assert np.allclose(one["sums"][:3], two["sums"][:3], atol=0.5)
    assert (of_file["policy"]["kind"], imported["policy"]["kind"]) == ("model file", "run folder")


@pytest.mark.usefixtures("small")
def test_files_of_a_model_of_several_answers_steer_alike(tmp_path: Path) -> None:
    from ghostlap.commands.export import export
    from ghostlap.pilots.export.config import ExportConfig
    from ghostlap.pilots.models import build_model
    from ghostlap.pilots.pilot_saving import save_pilot

    spec = Preprocessing()
    network = build_model("pilotnet_small", spec.input_shape, 3)
    save_pilot(network, tmp_path / "run", spec, ("steering", "speed", "steering_std"), {})
    export(ExportConfig(tmp_path / "run", out=tmp_path / "raw.onnx"), QUIET)
    export(ExportConfig(tmp_path / "run", to="keras", out=tmp_path / "net.h5"), QUIET)
    export(ExportConfig(tmp_path / "run", to="tflite", out=tmp_path / "net.tflite"), QUIET)
    first, *others = measured("raw.onnx", "net.h5", "net.tflite")
    for other in others:
        assert not any(one["faults"] for one in other["episodes"])
        for one, two in zip(first["episodes"], other["episodes"], strict=True):
            assert np.allclose(one["sums"][:3], two["sums"][:3], atol=0.5)
    (tmp_path / "net.tflite.json").unlink()
    with pytest.raises(BenchmarkError, match="net.tflite: sees preprocessed pictures, and net"):
        measured("net.tflite", out=tmp_path / "again")


@pytest.mark.usefixtures("small")
def test_a_model_without_its_preprocessing_is_told_how_to_come_by_it(tmp_path: Path) -> None:
    (tmp_path / "lone.h5").write_bytes(b"x")
    with pytest.raises(BenchmarkError, match="ghostlap import lone.h5 --like RECORDING --out"):
        measured("lone.h5")


def edit_score(result: dict[str, Any]) -> None:
    result["score"]["autonomy_percent"] = 99.9


def edit_line(result: dict[str, Any]) -> None:
    result["lines"][0]["mean_abs_cte_m"] = 0.01
    result["fingerprint"] = fingerprint(result)


def edit_drives(result: dict[str, Any]) -> None:
    """As one who knows how the file is made."""
    for one in result["episodes"]:
        one["sums"][result["columns"].index("interventions")] = 0.0
        one["sums"][result["columns"].index("of_mean_abs_cte_m")] /= 10
    result |= followed(small_suite.SMALL, result["episodes"])
    result["fingerprint"] = fingerprint(result)


def leave_out(result: dict[str, Any]) -> None:
    del result["episodes"][-1]
    result |= followed(small_suite.SMALL, result["episodes"])
    result["fingerprint"] = fingerprint(result)


def edit_one_sum(result: dict[str, Any]) -> None:
    """Of a single drive, which need not be among those driven again."""
    result["episodes"][2]["sums"][0] += 1e-3
    result |= followed(small_suite.SMALL, result["episodes"])
    result["fingerprint"] = fingerprint(result)


def edit_drive_hash(result: dict[str, Any]) -> None:
    result["episodes"][2]["drive_blake2b"] = "0" * 32
    result["fingerprint"] = fingerprint(result)


def edit_kind(result: dict[str, Any]) -> None:
    result["policy"]["kind"] = "run folder"
    result["fingerprint"] = fingerprint(result)


def edit_frames(result: dict[str, Any]) -> None:
    result["policy"]["frames"] = "jpeg"
    result["fingerprint"] = fingerprint(result)


def edit_training(result: dict[str, Any]) -> None:
    result["about"]["training.epochs"] = 3


EDITS = {
    edit_one_sum: "1 of its drives, which lie beside it, are not as it says",
    edit_drive_hash: "1 of its drives, which lie beside it, are not as it says",
    edit_kind: "it is of another policy than mine:straight",
    edit_frames: "it is of another policy than mine:straight",
    edit_training: "it tells of another training or preprocessing than mine:straight does",
    edit_score: "its fingerprint is not that of what stands in it",
    edit_line: "its lines do not follow from its drives",
    edit_drives: "driven again, ",
    leave_out: "its drives are not those of the suite",
}


@pytest.mark.usefixtures("small")
def test_the_check_finds_what_was_edited(tmp_path: Path) -> None:
    (result,) = measured("mine:straight")
    file = Path(result["file"])
    config = BenchmarkConfig(("mine:straight",), check=file, processes=1, drives=4)
    checked = benchmark(config, QUIET)
    assert checked == {"problems": (), "driven": 4, "same_bytes": 4}
    whole = file.read_text(encoding="utf-8")
    config = dataclasses.replace(config, drives=1)
    for edit, words in EDITS.items():
        values = json.loads(whole)
        edit(values)
        file.write_text(json.dumps(values), encoding="utf-8")
        with pytest.raises(BenchmarkError, match=words):
            benchmark(config, QUIET)
    file.write_text(whole, encoding="utf-8")
    drive = next((file.parent / "drives").glob("*.csv"))
    kept = drive.read_bytes()
    drive.write_bytes(kept + kept.splitlines(keepends=True)[-1])
    with pytest.raises(BenchmarkError, match="1 of its drives, which lie beside it"):
        benchmark(config, QUIET)
    drive.write_bytes(kept)
    (tmp_path / "other.py").write_text(MODULE + "\n# another\n", encoding="utf-8")
    other = BenchmarkConfig(("other:straight",), check=file, processes=1, drives=0)
    with pytest.raises(BenchmarkError, match="of another policy than other:straight"):
        benchmark(other, QUIET)
    with pytest.raises(BenchmarkError, match="a result alone never says what is to be run"):
        benchmark(BenchmarkConfig(check=file), QUIET)


@pytest.mark.usefixtures("small")
def test_the_check_finds_faults_that_were_taken_out() -> None:
    (result,) = measured("mine:not_a_number")
    for one in result["episodes"]:
        one["faults"] = {}
    result["fingerprint"] = fingerprint(result)
    Path(result["file"]).write_text(json.dumps(result), encoding="utf-8")
    config = BenchmarkConfig(("mine:not_a_number",), check=Path(result["file"]), processes=1)
    with pytest.raises(BenchmarkError, match="of which it says other sums or faults"):
        benchmark(config, QUIET)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "fingerprint": 3}']
)
def test_a_file_that_is_no_result(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(BenchmarkError, match="is no result of 'ghostlap benchmark'"):
        benchmark(BenchmarkConfig(("expert",), check=tmp_path / "x.json"), QUIET)


def test_what_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="There is no suite 'v9' here. Known are v1"):
        measured("expert", suite="v9")
    with pytest.raises(BenchmarkError, match="Name a policy"):
        BenchmarkConfig()
    with pytest.raises(BenchmarkError, match="--name names one policy, and 2 are given"):
        BenchmarkConfig(("expert", "generalist"), name="x")
    with pytest.raises(BenchmarkError, match="each with a --name of its own"):
        measured("expert", "expert")
    with pytest.raises(PilotError, match="no such run folder"):
        measured("runs/nothing")
    with pytest.raises(BenchmarkError, match="there is no such result"):
        benchmark(BenchmarkConfig(("expert",), check=tmp_path / "none.json"), QUIET)
    (tmp_path / "benchmark" / "v1-quick" / "expert").mkdir(parents=True)
    page = tmp_path / "benchmark" / "v1-quick" / "expert" / command.PAGE_FILE
    page.write_text("mine", encoding="utf-8")
    with pytest.raises(Exception, match="not made by 'ghostlap benchmark'"):
        measured("expert", quick=True)
    remove(page, page.parent)


class Still:
    """A simulation that does not move."""

    time_s = 3.0

    def frames(self) -> np.ndarray:
        return np.full((2, 1, 40, 60, 3), 100, np.uint8)


def test_the_same_moment_is_seen_the_same_whatever_rows_are_kept() -> None:
    changes = dict.fromkeys(PICTURE_CHANGES, 3.0) | {"contrast": 0.5}
    whole = SeenThrough(Still(), changes, [1, 2], None).frames()  # type: ignore[arg-type]
    part = SeenThrough(Still(), changes, [1, 2], (10, 30)).frames()  # type: ignore[arg-type]
    assert np.array_equal(whole[:, :, 10:30], part)
    assert not np.array_equal(whole[0], whole[1]), "each drive has its own rain"
    alone = SeenThrough(Still(), {}, [1, 2], None).frames()  # type: ignore[arg-type]
    assert (alone == 100).all()


class From(Still):
    """The lower rows of pictures in which no row is like another."""

    def __init__(self, first: int) -> None:
        self.first = first

    def frames(self) -> np.ndarray:
        whole = np.random.default_rng(0).integers(0, 256, (2, 1, 90, 60, 3), np.uint8)
        return whole[:, :, self.first :]


@pytest.mark.parametrize("name", [*PICTURE_CHANGES, "all"])
@pytest.mark.parametrize("much", [0.4, 1.5, 3.0])
@pytest.mark.parametrize("rows", [(40, 60), (2, 88), (0, 90)])
def test_rows_that_do_not_show_need_not_be_painted(
    name: str, much: float, rows: tuple[int, int]
) -> None:
    changes = {one: much for one in PICTURE_CHANGES if name in (one, "all")}
    whole = SeenThrough(From(0), changes, [1, 2], rows)  # type: ignore[arg-type]
    first = first_row_behind(rows, changes)
    assert first >= rows[0] - 10
    part = SeenThrough(From(first), changes, [1, 2], rows, first)  # type: ignore[arg-type]
    assert np.array_equal(whole.frames(), part.frames())

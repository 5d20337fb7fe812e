"""Commands on a cluster of real one-core nodes come to the same bytes as on this machine."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Nodes, content_of, need_ray, nodes_of
from drives import TINY, make_pilot, write_track
from rich.console import Console

from ghostlap.base.engine.processes import python
from ghostlap.commands.dagger import dagger
from ghostlap.commands.evaluate import evaluate
from ghostlap.commands.record import record
from ghostlap.commands.search import search
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.training.dagger.config import DaggerConfig
from ghostlap.training.fit import TrainResult
from ghostlap.training.search.config import SearchConfig

need_ray()

QUIET = Console(quiet=True)
SIZE = (TINY.frame_width_px, TINY.frame_height_px)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with nodes_of(tmp_path_factory.mktemp("nodes"), 2) as started:
        yield started


@pytest.fixture(scope="module")
def oval(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_track(tmp_path_factory.mktemp("tracks") / "oval.csv"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path / "cache"))


def evaluation(pilot: Path, oval: str, **options: Any) -> EvaluateConfig:
    usual: dict[str, Any] = {
        "track": (oval,), "seeds": 3, "seconds": 4.0, "size": SIZE, "speed_limit": 25.0,
    }  # fmt: skip
    return EvaluateConfig(pilot=pilot, **{**usual, **options})


def test_an_evaluation_comes_to_the_same_bytes(nodes: Nodes, oval: str, tmp_path: Path) -> None:
    pilot = make_pilot(tmp_path / "run", steering=0.1)
    evaluate(evaluation(pilot, oval, processes=1, name="here"), QUIET)
    evaluate(evaluation(pilot, oval, cluster=nodes.address, name="there"), QUIET)
    here, there = (content_of(pilot / "evaluate" / name) for name in ("here", "there"))
    assert here == there


def test_a_recording_comes_to_the_same_bytes(nodes: Nodes, oval: str, tmp_path: Path) -> None:
    config = RecordConfig(
        track=(oval,), laps=1, size=(64, 32), rate_hz=2.0, variants=2, recovery=0.2, noise=0.1,
        out=tmp_path / "here",
    )  # fmt: skip
    record(dataclasses.replace(config, processes=1), QUIET)
    record(dataclasses.replace(config, out=tmp_path / "there", cluster=nodes.address), QUIET)
    assert content_of(tmp_path / "here") == content_of(tmp_path / "there")


@pytest.mark.slow
def test_an_improvement_comes_to_the_same_bytes(
    nodes: Nodes, oval: str, trained: TrainResult, tmp_path: Path
) -> None:
    place = tmp_path / "place"  # the same for both, for maps have it in their titles

    def improved(**options: Any) -> dict[str, Any]:
        shutil.rmtree(place, ignore_errors=True)
        pilot = place / "run"
        shutil.copytree(trained.out, pilot)
        config = DaggerConfig(
            pilot=pilot, track=(oval,), iterations=1, metres=30.0, seeds=2, epochs=1,
            speed_limit=25.0, control=False, **options,
        )  # fmt: skip
        dagger(config, QUIET)
        return content_of(place)

    assert improved(processes=1) == improved(cluster=nodes.address)


@pytest.mark.slow
def test_a_search_comes_to_the_same_bytes(
    nodes: Nodes, small_recording: Path, tmp_path: Path
) -> None:
    config = SearchConfig(
        recordings=(small_recording,), out=tmp_path / "here", trials=4, at_once=2,
        space=("learning_rate=1e-4..1e-2:log", "steps_per_epoch=2..3"), set=("epochs=2",),
    )  # fmt: skip
    search(config, QUIET)
    search(dataclasses.replace(config, out=tmp_path / "there", cluster=nodes.address), QUIET)
    here, there = content_of(tmp_path / "here"), content_of(tmp_path / "there")
    assert here.keys() == there.keys()
    differing = [name for name in here if here[name] != there[name]]
    assert not differing


@pytest.mark.slow
def test_a_node_and_the_driver_killed_in_the_middle(oval: str, tmp_path: Path) -> None:
    """Begun there, finished here: the same bytes, and nothing recorded twice that was finished."""
    options = ["--track", oval, "--laps", "6", "--size", "64", "32", "--rate-hz", "4"]
    there, here = (tmp_path / name for name in ("there", "here"))
    command = python("-m", "ghostlap", "record", *options)
    with nodes_of(tmp_path / "nodes", 2) as nodes:
        driver = subprocess.Popen([*command, "--out", str(there), "--cluster", nodes.address])

        def wait_for_parts(count: int) -> list[Path]:
            while len(parts := list((there / "parts").glob("*.log.csv"))) < count:
                assert driver.poll() is None
                time.sleep(0.1)
            return parts

        wait_for_parts(1)
        nodes.kill(nodes.nodes[0])
        wait_for_parts(3)
        driver.kill()
        driver.wait()
        logs = [path.read_text() for path in (there / "parts").glob("*[0-9].log.csv")]
        pictures = [there / row.split(",")[0] for log in logs for row in log.splitlines()]
        finished = {path: path.stat().st_mtime_ns for path in pictures}
        record(RecordConfig(out=there, resume=True, processes=1), QUIET)
    subprocess.run([*command, "--out", str(here), "--processes", "1"], check=True)
    assert content_of(there) == content_of(here)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished

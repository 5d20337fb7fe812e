"""The benchmarks: that each measures what it says, not how fast this machine is."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tyro
from rich.console import Console
from rings import ring_file

from benchmarks import command, sim
from benchmarks.command import BenchConfig, bench
from benchmarks.measures import (
    in_fresh_process,
    median_s,
    one_core_limits,
    peak_mb,
    times_s,
)
from benchmarks.sim_tables import show
from ghostlap.base.errors import GhostlapError
from ghostlap.sim.track.tracks import track_named

SMALL_PX = (24, 48)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All figures, of small pictures of a small track."""
    folder = tmp_path_factory.mktemp("bench")
    name = ring_file(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTLAP_CACHE", str(folder))
        return {
            "limit": one_core_limits(3),
            "limit_after": one_core_limits(3),
            "start": sim.starts(name, 1),
            "pictures": sim.picture_rates(track_named(name), 3, SMALL_PX),
            "physics": [sim.physics(track_named(name), cars, 3) for cars in (1, 3)],
            # More cars than a round has pictures, too.
            "batch": sim.batches((3, 40), "cpu", 3, name, SMALL_PX),
            "recording": sim.recording(1, name, SMALL_PX, rate_hz=5.0),
        }


def test_all_is_measured(figures: dict[str, Any]) -> None:
    assert all(value > 0 for value in figures["limit"].values())
    assert all(value > 0 for value in figures["pictures"].values())
    assert all(value > 0 for row in figures["physics"] for value in row.values())
    assert [row["cars"] for row in figures["batch"]] == [3, 40]
    assert all(row["frames_per_s"] > 0 and row["peak_mb"] > 50 for row in figures["batch"])
    assert {row["device_mb"] for row in figures["batch"]} == {None}
    recorded = figures["recording"]
    assert recorded["moments"] > 50
    assert recorded["frames_per_s"] == pytest.approx(3 * recorded["moments"] / recorded["seconds"])
    assert recorded["processor_s"] > 0


def test_one_core_is_one_core(figures: dict[str, Any]) -> None:
    assert figures["pictures"]["cores_used"] < 1.1


def test_empty_caches_are_empty_and_full_ones_full(figures: dict[str, Any]) -> None:
    uncached, cached = figures["start"]["uncached"], figures["start"]["cached"]
    assert cached["kernels_s"] < uncached["kernels_s"] / 2
    assert cached["scene_s"] < uncached["scene_s"] / 2


def test_the_tables_show_it(figures: dict[str, Any]) -> None:
    text = io.StringIO()
    console = Console(file=text, width=120)
    show(figures, console)
    on_gpu = [row | {"device_mb": 12.0} for row in figures["batch"]]
    off = {"mean": 0.25, "by_more_than_3": 0.001}
    show(figures | {"cuda_batch": on_gpu, "cuda_difference": off}, console)
    shown = text.getvalue()
    assert f"{figures['pictures']['pilot_rows_per_s']:.0f}" in shown
    assert f"{figures['recording']['seconds']:.1f}" in shown
    assert "recording 1 laps, three cameras" in shown
    assert "mean difference 0.250 of 255, 0.10% of the values off by more than 3" in shown
    assert "one core's limit, before and after: copying" in shown


def test_the_same_pictures_do_not_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path))
    found = sim.difference(track_named(ring_file(tmp_path)), "cpu", SMALL_PX)
    assert found == {"mean": 0.0, "by_more_than_3": 0.0}


def test_sim_measures_every_part_and_writes_json(
    figures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def noting(result: Any) -> Callable[..., Any]:
        def note(*given: Any) -> Any:
            asked.append(given)
            return result

        return note

    monkeypatch.setattr(sim, "one_core_limits", lambda repeats: figures["limit"])
    monkeypatch.setattr(sim, "starts", noting(figures["start"]))
    monkeypatch.setattr(sim, "picture_rates", lambda *_: figures["pictures"])
    monkeypatch.setattr(sim, "physics", lambda *_: figures["physics"][0])
    monkeypatch.setattr(sim, "batches", noting(figures["batch"]))
    monkeypatch.setattr(sim, "recording", noting(figures["recording"]))
    monkeypatch.setattr(sim, "difference", lambda *_: {"mean": 0.0, "by_more_than_3": 0.0})
    monkeypatch.setattr("warp.get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(command, "console", Console(file=io.StringIO()))
    found = bench(BenchConfig("sim", out=tmp_path / "sim.json", repeats=16, laps=3))
    assert asked == [
        ("lake", 2), (sim.CPU_CARS, "cpu", 16), (3,), (sim.CUDA_CARS, "cuda", 16),
    ]  # fmt: skip
    assert json.loads((tmp_path / "sim.json").read_text()) == found
    assert set(figures) < set(found)
    assert {"machine", "versions", "cuda_batch", "cuda_difference"} < set(found)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BenchConfig("sim", repeats=2), "--repeats must be at least 3. Got 2."),
        (BenchConfig("sim", laps=0), "--laps must be at least 1. Got 0."),
        (BenchConfig("train"), "bench train needs a recording .* python -m benchmarks train REC"),
        (BenchConfig("sim", Path("rec")), "bench sim makes its own recording. Got rec; leave it"),
    ],
)
def test_impossible_options_are_told(config: BenchConfig, message: str) -> None:
    with pytest.raises(GhostlapError, match=message):
        bench(config)


def test_options_of_the_command_line() -> None:
    assert tyro.cli(BenchConfig, args=["sim", "--laps", "2"]) == BenchConfig("sim", laps=2)
    train = tyro.cli(BenchConfig, args=["train", "rec/lake", "--repeats", "5"])
    assert train == dataclasses.replace(BenchConfig("train", Path("rec/lake")), repeats=5)


def test_a_median_is_over_repeats_after_a_first() -> None:
    calls: list[int] = []
    assert len(times_s(lambda: calls.append(1), 4)) == 4
    assert len(calls) == 5
    assert median_s(lambda: None, 3) >= 0


def test_memory_is_that_of_the_process() -> None:
    before = peak_mb()
    held = bytearray(int(before + 64) * 2**20)
    held[::4096] = bytes(len(held[::4096]))
    assert peak_mb() > before + 30


def test_a_process_that_fails_is_told() -> None:
    with pytest.raises(GhostlapError, match=r"measured failed \(benchmarks.sim_process .*work"):
        in_fresh_process("benchmarks.sim_process", {"work": "nothing"})

"""Results side by side."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import av
import pytest
import small_suite
from rich.console import Console

from ghostlap.base.errors import BenchmarkError
from ghostlap.commands.benchmark import benchmark
from ghostlap.commands.compare import compare
from ghostlap.driving.benchmark.config import BenchmarkConfig, CompareConfig

QUIET = Console(file=io.StringIO())

MODULE = """
def straight(frame, speed_mph):
    return 0.0

def left(frame, speed_mph):
    return -0.3

def silent(frame, speed_mph):
    return None
"""


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders of three results."""
    small_suite.use(monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    policies = ("expert", "mine:silent", "mine:left")
    results = benchmark(BenchmarkConfig(policies, processes=1), QUIET)["results"]
    return [Path(one["file"]).parent for one in results]


def test_three_results_side_by_side(both: list[Path], tmp_path: Path) -> None:
    told = io.StringIO()
    config = CompareConfig(tuple(both), out=tmp_path / "c.html", video=tmp_path / "c.mp4")
    found = compare(config, Console(file=told, width=300))
    assert [one["name"] for one in found["scores"]] == ["expert", "mine:silent", "mine:left"]
    score, *groups = found["differences"]["mine:silent"]
    assert score["value"] == -100.0
    assert tuple(score["interval"]) == (-100.0, -100.0)
    assert [one["name"] for one in groups] == ["plain", "wet"]
    assert found["told_apart"]["policy.name"] == ["expert", "mine:silent", "mine:left"]
    assert "columns" not in found["told_apart"]
    assert 1 <= len(found["partings"]) <= 6
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "Differences to expert" in page
    assert '<table class="words">' in page, "long values break, or the next policy is out of sight"
    assert "expert: 0 interventions in this drive" in page
    assert "mine:silent: 1 intervention in this drive" in page
    assert page.count("<article") == 2 * len(found["partings"])
    assert "-100.0 to expert (-100.0 to -100.0)" in told.getvalue()
    with av.open(str(tmp_path / "c.mp4")) as video:
        frames = sum(1 for _ in video.decode(video=0))
        assert (video.streams.video[0].width, frames > 20) == (1280, True)


def test_a_policy_does_not_differ_from_itself(both: list[Path], tmp_path: Path) -> None:
    config = CompareConfig((both[1], both[1] / "result.json"), out=tmp_path / "c.html")
    found = compare(config, QUIET)
    assert [one["value"] for one in found["differences"]["mine:silent (2)"]] == [0.0, 0.0, 0.0]
    assert found["told_apart"] == {}
    assert "no clear" not in (tmp_path / "c.html").read_text(encoding="utf-8")
    with pytest.raises(BenchmarkError, match="the first two nowhere differ in interventions"):
        compare(CompareConfig(config.results, config.out, video=tmp_path / "c.mp4"), QUIET)


def edited(folder: Path, tmp_path: Path, **changes: Any) -> Path:
    values = json.loads((folder / "result.json").read_text(encoding="utf-8")) | changes
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def test_what_cannot_be_compared(both: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "c.html"
    later = edited(both[0], tmp_path, suite={"name": "v2", "blake2b": "1" * 32})
    with pytest.raises(BenchmarkError, match="by the suite v2 .*Only results of the same version"):
        compare(CompareConfig((both[0], later), out), QUIET)
    other = edited(both[0], tmp_path, suite={"name": "v1", "blake2b": "1" * 32})
    with pytest.raises(BenchmarkError, match=r"v1 \(11111111\)"):
        compare(CompareConfig((both[0], other), out), QUIET)
    with pytest.raises(BenchmarkError, match="by another version of the suite v1 than"):
        compare(CompareConfig((other, other), out), QUIET)
    episodes = json.loads((both[0] / "result.json").read_text(encoding="utf-8"))["episodes"]
    short = edited(both[0], tmp_path, episodes=episodes[:-1])
    with pytest.raises(BenchmarkError, match="has other drives than"):
        compare(CompareConfig((both[0], short), out), QUIET)
    better = edited(both[2], tmp_path, score={"autonomy_percent": 99.0, "interval_95": [98, 100]})
    with pytest.raises(BenchmarkError, match=r"edited.json: its fingerprint .* so it was edited"):
        compare(CompareConfig((both[0], better), out), QUIET)
    with pytest.raises(BenchmarkError, match="takes two results at least. Got 1"):
        CompareConfig((both[0],))
    with pytest.raises(BenchmarkError, match="--video must end with .mp4"):
        CompareConfig(tuple(both), video=tmp_path / "x.avi")
    with pytest.raises(BenchmarkError, match="there is no such result"):
        compare(CompareConfig((tmp_path / "none", both[0]), out), QUIET)

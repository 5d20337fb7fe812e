"""The recipes of ``docs/extending.md`` are short, and do what they say."""

from __future__ import annotations

import importlib
import io
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from drives import make_drive
from numpy.typing import NDArray
from recordings import draw_frame
from rings import ring_file

from ghostlap.data.formats import readers
from ghostlap.driving.metrics import FIGURES

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
RECIPES = {
    found[1]: found[2]
    for found in re.finditer(r"```python\n# (\w+)\.py\n(.*?)```", PAGE.read_text("utf-8"), re.S)
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the recipes in it, as a user has them."""
    for name, code in RECIPES.items():
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


def recipe(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_each_is_short() -> None:
    assert len(RECIPES) == 5
    for name, code in RECIPES.items():
        assert len([line for line in code.splitlines() if line.strip()]) <= 30, name


def test_a_model() -> None:
    from ghostlap.pilots.models import build_model

    assert build_model("my_model:tiny", (66, 200, 3), 2).count_params() == 626


def steer_in_fog(frame: NDArray[np.uint8], speed_mph: float) -> float:
    return (float(frame.mean()) - 128) / 120


def test_a_simulator(tmp_path: Path) -> None:
    from ghostlap.commands.evaluate import evaluate
    from ghostlap.driving.rollout.config import EvaluateConfig

    config = EvaluateConfig(
        Path("test_extending:steer_in_fog"), track=(ring_file(tmp_path),),
        simulation="my_simulator:Fog", seconds=12.0, seeds=1, speed_limit=15.0, processes=1,
    )  # fmt: skip
    pilots = [line for line in evaluate(config)["lines"] if line["driver"] == "pilot"]
    assert pilots[0]["autonomy_percent"] == 100
    assert pilots[0]["distance_km"] > 0.05
    assert pilots[0]["mean_abs_cte_m"] < 1.5


def test_a_recording_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "READERS", readers.READERS)
    recipe("my_format")
    rows = [{"image": f"{i}.jpg", "angle": i / 10, "gas": 0.5, "mph": 20} for i in range(3)]
    (tmp_path / "drive.jsonl").write_text("\n".join(map(json.dumps, rows)))
    frames = readers.read_recording(tmp_path).frames
    assert frames["steering"].tolist() == [0.0, 0.1, 0.2]
    assert Path(frames["center"][2]) == tmp_path / "2.jpg"


def test_an_augmentation() -> None:
    from ghostlap.base.errors import DatasetError
    from ghostlap.data.vision.augment import draw
    from ghostlap.data.vision.augmentation import RandomRange

    weather: Any = recipe("my_augmentation").Weather
    frame = draw_frame(0.1)
    batch = draw(weather(rain=RandomRange(1.0, 5, 9)), np.zeros(1), np.random.default_rng(0))
    assert batch.steering[0] == 0
    assert 0 < (batch.apply(0, frame) != frame[60:135]).any(axis=(0, 2)).sum() <= 9
    with pytest.raises(DatasetError, match="rain needs a range within 1 to 50"):
        weather(rain=RandomRange(1.0, 5, 90))


def test_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from ghostlap.driving.evaluation.results import TableLine, line_as_json
    from ghostlap.driving.evaluation.table import show
    from ghostlap.driving.metrics import in_words
    from ghostlap.driving.summary import summarise

    before = dict(FIGURES)
    try:
        recipe("my_metric")
        drives = [make_drive(10.0, steering=steering) for steering in (-0.25, 0.5)]
        line = TableLine("lake", "pilot", "none", summarise(drives, [0, 1]))
        as_json = line_as_json(line)
        assert as_json["mean_abs_steering"] == pytest.approx(0.375)
        assert as_json["interval_95"]["mean_abs_steering"] == pytest.approx([0.25, 0.5])
        console = Console(file=io.StringIO(), width=200)
        show([line], console)
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert "mean |steering|" in shown
        assert "0.375" in shown
        assert "0.250–0.500" in shown
        assert "mean |steering| 0.375" in in_words(as_json)  # in the cockpit
    finally:
        FIGURES.clear()
        FIGURES.update(before)

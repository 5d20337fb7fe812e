"""What a notebook imports, used as the README shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ghostlap


def test_the_readmes_notebook(small_recording: Path, cache_folder: Path, tmp_path: Path) -> None:
    recording = ghostlap.read_recording(str(small_recording))
    assert list(recording.frames) == [
        "center", "left", "right", "steering", "throttle", "brake", "speed_mph", "time",
    ]  # fmt: skip
    balanced = ghostlap.balance(recording.frames, bins=25, cap=10, seed=0)
    assert 0 < len(balanced) < 120
    rgb = ghostlap.read_rgb(balanced.center.iloc[0])
    seen = ghostlap.preprocess(rgb)
    assert seen.shape == (66, 200, 3)
    out = str(tmp_path / "a")
    config = ghostlap.TrainConfig(
        recordings=str(small_recording), out=out, cache=str(cache_folder), epochs=1,  # type: ignore[arg-type]
        steps_per_epoch=2, batch_size=8, model="pilotnet_small",
    )  # fmt: skip
    result = ghostlap.train(config)
    assert result.out == Path(out)
    assert isinstance(ghostlap.Pilot.load(out).steer(rgb), float)
    assert np.isfinite(result.val_loss)


@pytest.mark.parametrize("name", ghostlap.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(ghostlap, name) is not None
    assert name in dir(ghostlap)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        _ = ghostlap.fly

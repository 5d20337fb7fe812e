"""Pilots trained and driven: minutes each, so only ``make test-all`` runs these.

That a pilot trained on nothing but pictures of Udacity's simulator drives the embedded one is the
test that the embedded one's pictures are true.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostlap.commands.evaluate import evaluate
from ghostlap.commands.record import record
from ghostlap.commands.train import train
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.training.config import TrainConfig

pytestmark = pytest.mark.slow


def autonomy(run: Path, track: str, speed_limit_mph: float) -> float:
    """Over ten episodes, five seeds' light and materials each way round."""
    config = EvaluateConfig(pilot=run, track=(track,), seeds=5, speed_limit=speed_limit_mph)
    lines = evaluate(config)["lines"]
    (pilot,) = [line for line in lines if line["driver"] == "pilot"]
    assert pilot["episodes"] == 10
    return float(pilot["autonomy_percent"])


def test_a_pilot_of_real_pictures_drives_the_embedded_lake(
    shared_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(TrainConfig(recordings=(shared_data / "udacity-track1",), out=run))
    assert autonomy(run, "lake", 30.0) == 100.0


@pytest.mark.parametrize(("track", "speed_limit_mph"), [("lake", 30.0), ("jungle", 25.0)])
def test_a_pilot_of_the_expert_drives_the_same_track(
    track: str, speed_limit_mph: float, tmp_path: Path
) -> None:
    recording, run = tmp_path / "rec", tmp_path / "run"
    record(
        RecordConfig(
            track=(track,), both_ways=True, recovery=0.2, speed_limit=speed_limit_mph, out=recording
        )
    )
    train(TrainConfig(recordings=(recording,), out=run, epochs=12))
    assert autonomy(run, track, speed_limit_mph) == 100.0

"""A pilot's steering against a person's, picture by picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from drives import make_pilot
from rich.console import Console

from ghostlap.base.errors import ImageError, RecordingError
from ghostlap.data.dataset import seconds
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.labels import steering_error
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.driving.evaluation.offline import compare, show_compared
from ghostlap.pilots.pilot import Pilot


def test_a_pilot_that_answers_the_same_everywhere(small_recording: Path, tmp_path: Path) -> None:
    pilot = Pilot.load(make_pilot(tmp_path, 0.25, Preprocessing()))
    (compared,) = compare(pilot, [small_recording])
    person = read_recording(small_recording).frames["steering"].to_numpy()
    assert compared.moments == len(person) == 120
    assert compared.error.mae == pytest.approx(np.mean(np.abs(person - 0.25)), abs=1e-6)
    assert compared.error.zero_mae == pytest.approx(np.mean(np.abs(person)))
    assert compared.error.pearson_r == pytest.approx(0.0, abs=1e-6)
    console = Console(file=io.StringIO(), width=100)
    show_compared([compared], console)
    assert f"{compared.error.mae:.4f}" in console.file.getvalue()  # type: ignore[attr-defined]


def test_taps_are_judged_by_what_they_come_to(small_recording: Path, tmp_path: Path) -> None:
    """A pilot that steers evenly is right about a person who taps, over a second."""
    (compared,) = compare(
        Pilot.load(make_pilot(tmp_path, 0.25, Preprocessing())), [small_recording]
    )
    frames = read_recording(small_recording).frames
    steering, step_s = frames["steering"].to_numpy(), np.diff(seconds(frames)).mean()
    reach = int(0.5 / step_s + 1e-6)
    meant = [steering[max(k - reach, 0) : k + reach + 1].mean() for k in range(len(steering))]
    assert compared.averaged.zero_mse == pytest.approx(np.mean(np.square(meant)), rel=1e-6)
    assert compared.averaged.zero_mse < compared.error.zero_mse


def test_the_person_agrees_with_himself() -> None:
    wanted = np.array([-0.5, 0.0, 0.25, 1.0])
    same = steering_error(wanted, wanted)
    assert (same.mse, same.mae, same.pearson_r) == (0.0, 0.0, pytest.approx(1.0))
    assert same.zero_mae == pytest.approx(0.4375)
    assert steering_error(-wanted, wanted).pearson_r == pytest.approx(-1.0)


def test_what_cannot_be_compared_is_said(small_recording: Path, tmp_path: Path) -> None:
    other = Preprocessing().for_frames(120, 240)
    with pytest.raises(ImageError, match=r"a frame must be uint8 of shape \(120, 240, 3\)"):
        compare(Pilot.load(make_pilot(tmp_path / "small", 0.0, other)), [small_recording])
    with pytest.raises(RecordingError, match="no such folder"):
        compare(
            Pilot.load(make_pilot(tmp_path / "usual", 0.0, Preprocessing())), [tmp_path / "none"]
        )

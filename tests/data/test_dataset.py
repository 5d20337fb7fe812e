"""Samples: the seed's golden counts, fair balance, and splits that do not leak."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import make_recording

from ghostlap.base.errors import DatasetError
from ghostlap.data.balance import balance, balanced_rows
from ghostlap.data.dataset import Samples, labels_ahead, make_samples, seconds, steering_averaged
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import CAMERAS, Recording
from ghostlap.data.splits import split
from ghostlap.training.config import TrainConfig


def samples_of(moments_s: np.ndarray, recording: np.ndarray | None = None) -> Samples:
    """Three views of each moment."""
    n = len(moments_s) * 3
    number = np.zeros(len(moments_s)) if recording is None else recording
    return Samples(
        images=np.array([f"{i}.jpg" for i in range(n)], object),
        image=np.arange(n, dtype=np.int32),
        camera=np.tile(np.arange(3), len(moments_s)).astype(np.uint8),
        steering=np.zeros(n, np.float32),
        speed_mph=np.zeros(n, np.float32),
        recording=np.repeat(number, 3).astype(np.int32),
        row=np.repeat(np.arange(len(moments_s)), 3).astype(np.int32),
        time_s=np.repeat(moments_s, 3).astype(np.float64),
    )


def test_golden_counts_of_seed_003(shared_data) -> None:  # type: ignore[no-untyped-def]
    recording = read_recording(shared_data / "udacity-track1")
    assert len(recording.frames) == 4053
    kept = balance(recording.frames, bins=25, cap=400, seed=0)
    assert len(recording.frames) - len(kept) == 2590
    assert len(kept) == 1463
    samples = make_samples([recording], steering_correction=0.15)
    assert len(samples) == 4389
    training, validation = split(samples, by="image", fraction=0.2)
    assert (len(training), len(validation)) == (3511, 878)


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=300),
    st.integers(1, 30),
    st.integers(1, 40),
    st.integers(0, 5),
)
def test_balance_caps_every_bin_and_takes_no_more_than_it_must(
    steering: list[float], bins: int, cap: int, seed: int
) -> None:
    values = np.array(steering)
    keep = balanced_rows(values, bins, cap, seed)
    edges = np.histogram_bin_edges(values, bins)
    bin_of = np.digitize(values, edges[1:-1])
    before, after = np.bincount(bin_of), np.bincount(bin_of[keep], minlength=bin_of.max() + 1)
    np.testing.assert_array_equal(after, np.minimum(before, cap))
    np.testing.assert_array_equal(keep, balanced_rows(values, bins, cap, seed))


def test_balance_is_a_fair_draw() -> None:
    kept = sum(balanced_rows(np.zeros(10), 25, 5, seed).astype(int) for seed in range(400))
    assert np.abs(kept - 200).max() < 50


def test_balance_keeps_order_and_index_and_can_be_off() -> None:
    frames = pd.DataFrame({"steering": [0.0] * 10 + [1.0]}, index=range(5, 16))
    kept = balance(frames, bins=5, cap=3)
    assert kept.index.is_monotonic_increasing
    assert 15 in kept.index
    assert len(kept) == 4
    assert len(balance(frames, cap=None)) == 11


def test_balance_refuses_what_it_cannot_bin() -> None:
    with pytest.raises(DatasetError, match="Got 1 rows of NaN or infinity; 'ghostlap doctor"):
        balance(pd.DataFrame({"steering": [0.0, np.nan]}))
    with pytest.raises(DatasetError, match="bins and cap must be at least 1. Got 0 and 400"):
        balance(pd.DataFrame({"steering": [0.0]}), bins=0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return read_recording(make_recording(tmp_path_factory.mktemp("rec") / "a", rows=60))


def test_side_cameras_get_the_offset(recording: Recording) -> None:
    samples = make_samples([recording], steering_correction=0.3, cap=None)
    assert len(samples) == 180
    steering = recording.frames["steering"].to_numpy()
    for camera, offset in (("center", 0.0), ("left", 0.3), ("right", -0.3)):
        view = samples.camera == CAMERAS.index(camera)
        np.testing.assert_allclose(samples.steering[view], steering + offset, atol=1e-6)
        names = [Path(path).name for path in samples.images[samples.image[view]]]
        assert all(name.startswith(camera) for name in names)
    centre_only = make_samples([recording], cameras=("center",), cap=None)
    assert len(centre_only) == 60


def test_rows_that_cannot_be_learned_from_are_left_out(recording: Recording) -> None:
    frames = recording.frames.copy()
    frames.loc[3, "steering"] = np.nan
    frames.loc[4, "steering"] = 7.3
    frames.loc[5, "steering"] = -np.inf
    frames.loc[6, "center"] = ""
    frames.loc[7, "left"] = ""
    damaged = Recording(recording.folder, frames, recording.lines)
    samples = make_samples([damaged], cap=None)
    assert len(samples) == (60 - 4) * 3 - 1
    assert np.abs(samples.steering).max() < 1.4
    frames["steering"] = np.nan
    with pytest.raises(DatasetError, match="no row can be learned from"):
        make_samples([damaged])


def test_standing_reversing_and_turning_round_is_no_driving(recording: Recording) -> None:
    frames = recording.frames.copy()
    frames.loc[10:19, "speed_mph"] = 9.0  # the median is about 28
    frames.loc[30, "speed_mph"] = np.nan
    slow = Recording(recording.folder, frames, recording.lines)
    assert len(make_samples([slow], cap=None, min_speed_share=0.5)) == 50 * 3
    assert len(make_samples([slow], cap=None)) == 60 * 3
    frames["speed_mph"] = np.nan
    assert len(make_samples([slow], cap=None, min_speed_share=0.5)) == 60 * 3


def test_unknown_cameras_are_named(recording: Recording) -> None:
    with pytest.raises(DatasetError, match=r"center, left, right. Got \['middle'\]"):
        make_samples([recording], cameras=("middle",))


def test_seconds_go_on_where_a_name_holds_no_time() -> None:
    stamps = ["2020-01-01T00:00:00", "NaT", "NaT", "2020-01-01T00:00:01"]
    found = seconds(pd.DataFrame({"time": np.array(stamps, "datetime64[ms]")}))
    np.testing.assert_allclose(found, [0, 1 / 15, 2 / 15, 1])
    nothing_known = seconds(pd.DataFrame({"time": np.array(["NaT"] * 2, "datetime64[ms]")}))
    np.testing.assert_allclose(nothing_known, [0, 1 / 15])


@given(
    st.integers(4, 400), st.floats(0.03, 0.5), st.floats(0.1, 0.5), st.integers(0, 3),
    st.integers(1, 3),
)  # fmt: skip
def test_time_blocks_never_put_neighbours_on_both_sides(
    rows: int, step_s: float, fraction: float, seed: int, recordings: int
) -> None:
    moments_s = np.tile(np.arange(rows) * step_s, recordings)
    number = np.repeat(np.arange(recordings), rows)
    samples = samples_of(moments_s, number)
    try:
        training, validation = split(samples, "time", fraction, seed)
    except DatasetError:
        assert rows < 30  # too short to hold blocks and what must lie between them
        return
    for recording in range(recordings):
        trained_s = training.time_s[training.recording == recording]
        held_out_s = validation.time_s[validation.recording == recording]
        if len(trained_s) and len(held_out_s):
            nearest_s = np.abs(trained_s[:, None] - held_out_s[None]).min()
            assert nearest_s > 1.5 * step_s - 1e-9  # a frame lies between any two
    for side in (training, validation):
        views = pd.Series(side.camera).groupby([side.recording, side.time_s]).nunique()
        assert (views == 3).all()


def test_time_blocks_hold_about_the_share_asked_for() -> None:
    samples = samples_of(np.arange(4000) / 15)
    training, validation = split(samples, "time", 0.2)
    assert len(validation) / len(samples) == pytest.approx(0.2, abs=0.04)
    assert len(training) / len(samples) > 0.7
    guard_s = np.abs(training.time_s[:, None] - np.unique(validation.time_s)[None]).min()
    assert guard_s > 0.5


def test_time_blocks_hold_straights_and_bends_alike() -> None:
    """Most of this drive is straight; one stretch of twenty seconds is a hairpin."""
    samples = samples_of(np.arange(4000) / 15)
    hairpin = (samples.time_s > 100) & (samples.time_s < 120)
    steering = np.where(hairpin, 1.0, np.where(samples.camera == 1, 0.3, 0.0))
    samples = dataclasses.replace(samples, steering=steering.astype(np.float32))
    for seed in range(20):
        training, validation = split(samples, "time", 0.2, seed)
        for side in (training, validation):
            assert np.mean(side.steering == 1) == pytest.approx(hairpin.mean(), rel=0.6)


def test_split_by_recording_holds_out_whole_ones() -> None:
    samples = samples_of(np.tile(np.arange(50) / 15, 4), np.repeat(np.arange(4), 50))
    training, validation = split(samples, "recording", 0.25)
    assert not set(training.recording) & set(validation.recording)
    assert len(validation) == 150
    with pytest.raises(DatasetError, match="Give two recordings or more"):
        split(samples_of(np.arange(50) / 15), "recording")


def test_what_cannot_be_split_is_said() -> None:
    with pytest.raises(DatasetError, match="3 samples of 1 moments in 1 recording"):
        split(samples_of(np.zeros(1)), "time")
    with pytest.raises(DatasetError, match=r"must be in \(0, 1\). Got 1.5"):
        split(samples_of(np.arange(50) / 15), "time", 1.5)


def driven(times_ms: list[int], steering: list[float]) -> pd.DataFrame:
    start = np.datetime64("2020-01-01", "ms")
    time = start + np.array(times_ms, "timedelta64[ms]")
    return pd.DataFrame({"time": time, "steering": steering, "speed_mph": [20.0] * len(steering)})


def test_labels_ahead_are_what_the_driver_does_a_moment_later() -> None:
    frames = driven([0, 100, 200, 300], [0.0, 0.2, 0.4, 0.0])
    later = labels_ahead(frames, 0.15)
    np.testing.assert_allclose(later["steering"], [0.3, 0.2, np.nan, np.nan])
    assert labels_ahead(frames, 0.0)["steering"].tolist() == frames["steering"].tolist()


def test_steering_averaged_is_what_taps_come_to() -> None:
    # Two taps, a pause of ten seconds, and a moment of unknown steering.
    frames = driven([0, 100, 200, 300, 10_000, 10_100], [0.0, 0.6, 0.0, 0.6, -0.4, np.nan])
    meant = steering_averaged(frames, 0.2)["steering"]
    np.testing.assert_allclose(meant, [0.3, 0.2, 0.4, 0.3, -0.4, np.nan], atol=1e-12)
    assert steering_averaged(frames, 0.0) is frames


def test_the_speed_learned_is_the_lower_one_of_now_and_later() -> None:
    frames = driven([0, 500, 1000, 1500, 2000], [0.0, 0.1, 0.2, 0.3, 0.4])
    frames["speed_mph"] = [30.0, 30.0, 20.0, 10.0, 25.0]
    braking = labels_ahead(frames, 0.5, speed_lead_s=1.0)
    np.testing.assert_allclose(braking["speed_mph"], [20, 10, 10, 25, np.nan])
    np.testing.assert_allclose(braking["steering"], [0.1, 0.2, 0.3, 0.4, np.nan])
    np.testing.assert_allclose(
        labels_ahead(frames, 0.0, speed_lead_s=1.0)["speed_mph"], [20, 10, 20, 10, 25]
    )


def test_labels_ahead_do_not_reach_into_another_stretch() -> None:
    # A pause of ten seconds, then a clock that was set back.
    frames = driven([0, 100, 10_000, 10_100, 50, 150], [0.0, 0.1, 0.5, 0.6, -0.5, -0.6])
    later = labels_ahead(frames, 0.1)["steering"]
    np.testing.assert_allclose(later, [0.1, np.nan, 0.6, np.nan, -0.6, np.nan], atol=1e-12)


def test_samples_with_a_lead_leave_out_rows_without_a_later_label(tmp_path: Path) -> None:
    recording = read_recording(make_recording(tmp_path / "rec", rows=6))
    plain, early = make_samples([recording]), make_samples([recording], lead_s=0.05)
    assert len(early) == len(plain) - 3
    np.testing.assert_array_equal(early.time_s, plain.time_s[:-3])


def test_a_training_says_all_that_its_samples_depend_on() -> None:
    """:func:`samples_as` takes each option by its name, and passes over one that is not there."""
    asked = inspect.signature(make_samples).parameters.keys() - {"recordings", "auxiliaries"}
    assert asked <= {field.name for field in dataclasses.fields(TrainConfig)}

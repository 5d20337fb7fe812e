"""Batches: the same seed gives the same ones, whoever makes them and wherever one starts."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from recordings import make_recording

from ghostlap.data.dataset import Samples, make_samples
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.frame_cache import FrameCache
from ghostlap.data.loader import Batch, BatchLoader, closing_stream
from ghostlap.data.vision.augmentation import PRESETS
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.data.vision.preprocessing import SEED, preprocess, scale


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Samples, np.ndarray, FrameCache]:
    folder = tmp_path_factory.mktemp("loader")
    samples = make_samples([read_recording(make_recording(folder / "rec", rows=20))], cap=None)
    cache = FrameCache(folder / "cache", SEED.frame_shape)
    return samples, cache.locate(samples.images).slots, cache


def loader(parts: Any, **options: Any) -> BatchLoader:
    samples, slots, cache = parts
    settings = {"augmentation": PRESETS["default"], "batch_size": 8, **options}
    return BatchLoader(samples, slots, cache, SEED, **settings)


def test_batches_have_the_shape_that_the_network_wants(parts: Any) -> None:
    seen, labels = loader(parts).batch(0)
    assert isinstance(seen, np.ndarray)
    assert seen.shape == (8, 66, 200, 3)
    assert (seen.dtype, labels.dtype) == (np.uint8, np.float32)
    assert labels.shape == (8, 1)


def test_without_augmentation_a_batch_is_preprocess_of_the_pictures(parts: Any) -> None:
    samples: Samples = parts[0]
    batches = list(loader(parts, augmentation=None, batch_size=25).in_order())
    assert [len(labels) for _, labels in batches] == [25, 25, 10]
    seen = np.concatenate([pictures for pictures, _ in batches])
    for i in (0, 1, 31, 59):
        expected = preprocess(read_rgb(Path(samples.images[samples.image[i]])))
        np.testing.assert_array_equal(scale(seen[i]), expected)
    labels = np.concatenate([batch_labels for _, batch_labels in batches])[:, 0]
    np.testing.assert_array_equal(labels, samples.steering)


@pytest.mark.parametrize("order", ["shuffled", "drawn"])
def test_the_same_seed_gives_the_same_batches_whichever_thread_makes_them(
    parts: Any, order: Any
) -> None:
    alone = [loader(parts, order=order).batch(k) for k in range(12)]
    streamed = loader(parts, order=order).stream(workers=3, ahead=5)
    later = loader(parts, order=order).stream(start=7, workers=2)
    for (seen, labels), (seen_again, labels_again) in zip(alone, streamed, strict=False):
        np.testing.assert_array_equal(seen, seen_again)
        np.testing.assert_array_equal(labels, labels_again)
    np.testing.assert_array_equal(next(later)[0], alone[7][0])
    other = loader(parts, order=order, seed=1).batch(0)
    assert not np.array_equal(np.asarray(other[0]), np.asarray(alone[0][0]))


def test_shuffled_shows_every_sample_once_before_any_comes_again(parts: Any) -> None:
    plain = loader(parts, augmentation=None, batch_size=7)
    members = np.concatenate([plain._members(k) for k in range(60)])
    for n in range(7):
        assert sorted(members[n * 60 : (n + 1) * 60]) == list(range(60))
    assert (members[:60] != members[60:120]).any()


def test_drawn_repeats_samples_as_the_seeds_generator_does(parts: Any) -> None:
    members = np.concatenate([loader(parts, order="drawn")._members(k) for k in range(200)])
    counts = np.bincount(members, minlength=60)
    assert counts.min() > 0
    assert counts.std() == pytest.approx(np.sqrt(1600 / 60), rel=0.4)


def test_speed_is_a_second_label_in_units_of_thirty_mph(parts: Any) -> None:
    _, labels = loader(parts, outputs=("steering", "speed"), augmentation=None).in_order_batch(0)
    assert labels.shape == (8, 2)
    np.testing.assert_allclose(labels[:, 1], parts[0].speed_mph[:8] / 30)


def test_threads_that_get_no_processor_are_replaced(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As patient ones are on a machine that works for others: the batches are the same."""
    released = threading.Event()
    monkeypatch.setattr("ghostlap.data.loader.make_thread_patient", released.wait)
    monkeypatch.setattr("ghostlap.data.loader._STARVED_S", 0.01)
    stream = loader(parts).stream(start=3, workers=2)
    for k, (seen, labels) in enumerate(itertools.islice(stream, 6), start=3):
        expected, expected_labels = loader(parts).batch(k)
        np.testing.assert_array_equal(seen, expected)
        np.testing.assert_array_equal(labels, expected_labels)
    released.set()
    stream.close()


def test_a_stream_that_is_closed_ends_its_threads(parts: Any) -> None:
    import threading

    before = threading.active_count()
    stream = loader(parts).stream(workers=2)
    list(itertools.islice(stream, 3))
    stream.close()
    for thread in threading.enumerate():
        if thread.name.startswith("ghostlap-loader"):
            thread.join(timeout=5)
    assert threading.active_count() <= before


def test_a_stream_is_ended_while_another_thread_takes_a_batch_from_it() -> None:
    """As TensorFlow's does when Ctrl-C ends a training."""
    entered, ended = threading.Event(), []

    def slow() -> Generator[Batch, None, None]:
        try:
            while True:
                entered.set()
                time.sleep(0.2)
                yield np.zeros((0, 66, 200, 3), np.uint8), np.zeros((0, 1), np.float32)
        finally:
            ended.append(True)

    batches = slow()
    taker = threading.Thread(target=next, args=(batches,))
    with closing_stream(batches):
        taker.start()
        entered.wait()
    taker.join()
    assert ended == [True]


def test_opencv_has_its_threads_back_after_a_stream(parts: Any) -> None:
    before = cv2.getNumThreads()
    batches = loader(parts).stream()
    next(batches)
    assert cv2.getNumThreads() == 1
    batches.close()
    assert cv2.getNumThreads() == before

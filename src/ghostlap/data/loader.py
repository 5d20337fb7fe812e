"""From samples to batches: frames from the cache, augmented, preprocessed, a few batches ahead.

Batch ``k`` depends on samples, settings and ``k`` alone, not on threads or interruptions.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.base.platform import make_thread_patient
from ghostlap.data.auxiliary import auxiliary_labels
from ghostlap.data.dataset import Samples
from ghostlap.data.frame_cache import FrameCache
from ghostlap.data.labels import SPEED_UNIT_MPH
from ghostlap.data.vision.augment import draw
from ghostlap.data.vision.augmentation import Augmentation
from ghostlap.data.vision.preprocessing import Preprocessing, crop, finish

Order = Literal["shuffled", "drawn"]
"""``shuffled``: every sample once before any comes again; ``drawn``: at random, as seed 003."""

Batch = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""Preprocessed pictures ``(n, height, width, 3)``, not yet scaled, and labels ``(n, labels)``."""

_BATCH_TAKES_S = 0.01

LABELLED = ("steering", "speed")
"""Outputs for which a recording has labels."""


class BatchLoader:
    """Batches of samples.

    Args:
        samples: samples to learn from.
        slots: place of each of ``samples.images`` in the cache, shape ``(m,)``, none -1.
        cache: cache with the frames.
        spec: preprocessing with the cache's ``frame_shape``.
        augmentation: changes of the pictures; None for validation.
        steering_correction: gain with which labels follow geometric augmentation.
        batch_size: number of samples in a batch.
        order: see :data:`Order`.
        outputs: names of the network's outputs; batches hold a label for each that is
            ``LABELLED``, the speed's in ``SPEED_UNIT_MPH``.
        auxiliaries: what labels follow these, see :func:`auxiliary_labels`.
        seed: seed of order and augmentation.
    """

    def __init__(
        self,
        samples: Samples,
        slots: NDArray[np.int64],
        cache: FrameCache,
        spec: Preprocessing,
        *,
        augmentation: Augmentation | None = None,
        steering_correction: float = 0.30,
        batch_size: int = 100,
        order: Order = "shuffled",
        outputs: tuple[str, ...] = ("steering",),
        auxiliaries: tuple[str, ...] = (),
        seed: int = 0,
    ) -> None:
        self.samples = samples
        self.slots = slots
        self.cache = cache
        self.spec = spec
        self.augmentation = augmentation
        self.steering_correction = steering_correction
        self.batch_size = batch_size
        self.order = order
        self.outputs = outputs
        self.auxiliaries = auxiliaries
        self.seed = seed
        self._shuffled = lru_cache(maxsize=2)(self._shuffled_pass)

    def batch(self, k: int) -> Batch:
        """Training batch ``k``, from 0 without end."""
        return self._make(self._members(k), np.random.default_rng([self.seed, 1, k]))

    def in_order(self) -> Iterator[Batch]:
        """Every sample once, in order, not augmented; the last batch may be smaller."""
        for i in range(-(-len(self.samples) // self.batch_size)):
            yield self.in_order_batch(i)

    def in_order_batch(self, i: int) -> Batch:
        """Batch ``i`` of :meth:`in_order`."""
        start = i * self.batch_size
        batch = self._make(np.arange(start, min(start + self.batch_size, len(self.samples))), None)
        self.cache.release()
        return batch

    def stream(
        self, start: int = 0, *, workers: int = 1, ahead: int = 4
    ) -> Generator[Batch, None, None]:
        """Training batches from ``start`` on, without end, made by background threads.

        Args:
            start: number of the first batch.
            workers: number of threads.
            ahead: number of batches ready or in the making, which bounds the memory.
        """
        # OpenCV's own threads would only get in the way on pictures this small.
        # The network's operations are split evenly over the cores: one core taken away holds up the
        # others. Not all of the work here fits into the gaps (docs/benchmarks.md says how much).
        opencvs_threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        pool = ThreadPoolExecutor(
            workers, thread_name_prefix="ghostlap-loader", initializer=make_thread_patient
        )
        pending: deque[Future[Batch]] = deque()
        try:
            for k in range(start, start + ahead):
                pending.append(pool.submit(self.batch, k))
            k = start + ahead
            while True:
                yield pending.popleft().result()
                pending.append(pool.submit(self.batch, k))
                k += 1
                if k % 16 == 0:
                    self.cache.release()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            cv2.setNumThreads(opencvs_threads)

    def _members(self, k: int) -> NDArray[np.int64]:
        n = len(self.samples)
        if self.order == "drawn":
            return np.random.default_rng([self.seed, 0, k]).integers(0, n, self.batch_size)
        positions = np.arange(k * self.batch_size, (k + 1) * self.batch_size)
        passes = positions // n
        return np.concatenate(
            [self._shuffled(int(p))[positions[passes == p] % n] for p in np.unique(passes)]
        )

    def _shuffled_pass(self, number: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, 2, number]).permutation(len(self.samples))

    def _make(self, members: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        steering = self.samples.steering[members].astype(np.float64)
        pixels = np.empty((len(members), *self.spec.input_shape), np.uint8)
        frames = self.cache.frames_at(self.slots[self.samples.image[members]])
        matrices = np.broadcast_to(np.eye(3)[:2], (len(members), 2, 3))
        if self.augmentation is None or rng is None:
            for i, frame in enumerate(frames):
                pixels[i] = finish(crop(frame, self.spec), self.spec)
        else:
            plan = draw(self.augmentation, steering, rng, self.spec, self.steering_correction)
            steering, matrices = plan.steering, plan.matrices
            for i, frame in enumerate(frames):
                pixels[i] = finish(plan.apply(i, frame), self.spec)
        label: dict[str, NDArray[np.floating]] = {"steering": steering}
        if "speed" in self.outputs:
            label["speed"] = self.samples.speed_mph[members] / SPEED_UNIT_MPH
        columns = [label[name] for name in self.outputs if name in LABELLED]
        labels = np.stack(columns, axis=1).astype(np.float32)
        if self.auxiliaries:
            assert self.samples.truth is not None
            truth, camera = self.samples.truth[members], self.samples.camera[members]
            size = self.spec.frame_shape[:2]
            more = auxiliary_labels(self.auxiliaries, truth, camera, matrices, size)
            labels = np.concatenate([labels, more], axis=1)
        return pixels, labels


@contextlib.contextmanager
def closing_stream(batches: Generator[Batch, None, None]) -> Iterator[None]:
    """Close a stream after this context, even while another thread takes a batch from it."""
    try:
        yield
    finally:
        while True:
            try:
                batches.close()
                break
            except ValueError:  # TensorFlow's thread is within it, for a moment
                time.sleep(_BATCH_TAKES_S)

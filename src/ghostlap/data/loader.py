"""From samples to batches: frames from the cache, augmented, preprocessed, a few batches ahead.

Batch ``k`` depends on samples, settings and ``k`` alone, not on threads or interruptions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.base.platform import make_thread_patient
from ghostlap.data.auxiliary import auxiliary_labels
from ghostlap.data.dataset import Samples
from ghostlap.data.frame_cache import FrameCache
from ghostlap.data.labels import AHEAD, AHEAD_S, SPEED_UNIT_MPH
from ghostlap.data.lines import BRANCHES, SIDES, steering_on
from ghostlap.data.motion import motion_of
from ghostlap.data.vision.augment import AugmentedBatch, draw
from ghostlap.data.vision.augmentation import Augmentation
from ghostlap.data.vision.camera import LEFT_OF_CENTER_M, SIDE_CAMERA_M, Camera, share_left
from ghostlap.data.vision.preprocessing import Preprocessing, crop, finish

Order = Literal["shuffled", "drawn"]
"""``shuffled``: every sample once before any comes again; ``drawn``: at random, as seed 003."""

Inputs = NDArray[np.uint8] | dict[str, NDArray[Any]]
"""Preprocessed pictures ``(n, height, width, 3)``, not yet scaled. For a network with a memory
``pictures``, the newest first, ``(n, moments, height, width, 3)``, and ``motion``, see
:func:`ghostlap.data.motion.motion_of`."""

Batch = tuple[Inputs, NDArray[np.float32]]
"""Inputs, and labels ``(n, labels)``."""

_BATCH_TAKES_S = 0.01
_STARVED_S = 0.5
"""A batch that is waited for so long is not being made: it takes 10 to 20 ms of a core."""

LABELLED = ("speed", *AHEAD, *BRANCHES.values())
"""Outputs for which a recording has labels."""

_STEERING_STD = 0.1
_SPEED_STD = 0.03
"""Of noise in training on what a network is told of its own motion."""


@dataclasses.dataclass(eq=False)
class BatchLoader:
    """Batches of samples."""

    samples: Samples
    slots: NDArray[np.int64]
    """Place of each of ``samples.images`` in the cache, shape ``(m,)``, none -1."""
    cache: FrameCache
    spec: Preprocessing
    """With the cache's ``frame_shape``."""
    _: dataclasses.KW_ONLY
    augmentation: Augmentation | None = None
    """Changes of the pictures; None for validation."""
    steering_correction: float = 0.30
    """Gain with which labels follow geometric augmentation."""
    batch_size: int = 100
    order: Order = "shuffled"
    outputs: tuple[str, ...] = ("steering",)
    """The network's. Each of ``LABELLED`` has a label, the speed in ``SPEED_UNIT_MPH``."""
    auxiliaries: tuple[str, ...] = ()
    """What labels follow these, see :func:`auxiliary_labels`."""
    hidden: float = 0.0
    """Share of training samples that are not told their speed, of those that are not told their
    steering, and of those that see the newest picture only. A driver nearly always steers as
    before, and a network that is told so learns nothing else (de Haan et al., arXiv 1905.11979): it
    has to do without, and what it is told is not quite right."""
    seed: int = 0

    def __post_init__(self) -> None:
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
        self.cache.store.release()
        return batch

    def stream(
        self, start: int = 0, *, workers: int = 1, ahead: int = 4
    ) -> Generator[Batch, None, None]:
        """Training batches from ``start`` on, without end, made by threads a few batches ahead."""
        # OpenCV's own threads would only get in the way on pictures this small.
        # The network's operations are split evenly over the cores: one core taken away holds up the
        # others. Not all of the work here fits into the gaps (docs/benchmarks.md says how much).
        opencvs_threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        pool = ThreadPoolExecutor(
            workers, thread_name_prefix="ghostlap-loader", initializer=make_thread_patient
        )
        pending: deque[Future[Batch]] = deque()
        k, patience_s = start, cast(float | None, _STARVED_S)
        try:
            while True:
                while len(pending) < ahead:
                    pending.append(pool.submit(self.batch, k + len(pending)))
                try:
                    batch = pending[0].result(patience_s)
                except TimeoutError:
                    # Others want all cores, and threads this patient get next to nothing then.
                    # Only root can hurry them: new ones make the same batches once more.
                    pool.shutdown(wait=False, cancel_futures=True)
                    pool = ThreadPoolExecutor(workers, thread_name_prefix="ghostlap-loader")
                    pending.clear()
                    patience_s = None
                    continue
                pending.popleft()
                yield batch
                k += 1
                if k % 16 == 0:
                    self.cache.store.release()
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
        samples, plan = self.samples.take(members), None
        steering = samples.steering.astype(np.float64)
        if self.augmentation is not None and rng is not None:
            plan = draw(self.augmentation, steering, rng, self.spec, self.steering_correction)
            steering = plan.steering
        unmoved = np.broadcast_to(np.eye(3)[:2], (len(members), 2, 3))
        matrices = unmoved if plan is None else plan.matrices
        labels = self._labels(samples, steering, matrices)
        images = samples.image[:, None]
        if samples.earlier is None or samples.motion is None:
            return self._pictures(images, plan)[:, 0], labels
        images = np.concatenate([images, samples.earlier], axis=1)
        if rng is not None:
            alone = rng.random(len(images)) < self.hidden
            images = np.where(alone[:, None], samples.image[:, None], images)
        motion = self._motion(samples.motion, np.sign(matrices[:, 0, 0]), rng)
        return {"pictures": self._pictures(images, plan), "motion": motion}, labels

    def _pictures(
        self, images: NDArray[np.int32], plan: AugmentedBatch | None
    ) -> NDArray[np.uint8]:
        """What the network sees of pictures ``(n, moments)``; all of a sample change alike."""
        pixels = np.empty((*images.shape, *self.spec.input_shape), np.uint8)
        for place, frame in enumerate(self.cache.frames_at(self.slots[images.ravel()])):
            i, moment = divmod(place, images.shape[1])
            if moment and images[i, moment] == images[i, moment - 1]:
                pixels[i, moment] = pixels[i, moment - 1]
            else:
                rows = crop(frame, self.spec) if plan is None else plan.apply(i, frame)
                pixels[i, moment] = finish(rows, self.spec)
        return pixels

    def _labels(
        self,
        samples: Samples,
        steering: NDArray[np.float64],
        matrices: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """A column for each output that has labels, then those of auxiliaries.

        Args:
            steering: labels after augmentation.
            matrices: of the warps, ``(n, 2, 3)``.
        """
        label: dict[str, NDArray[np.floating]] = {"steering": steering}
        if "speed" in self.outputs:
            label["speed"] = samples.speed_mph / SPEED_UNIT_MPH
        sides = np.sign(matrices[:, 0, 0])  # -1 where a picture is mirrored
        moved = steering - sides * samples.steering
        if samples.line is not None and samples.known is not None:
            gain_per_m = self.steering_correction / SIDE_CAMERA_M
            camera_m = sides * LEFT_OF_CENTER_M[samples.camera]
            aside_m = camera_m + Camera().height_m * matrices[:, 0, 1]
            moved_in_all = moved + gain_per_m * camera_m
            for line, name in BRANCHES.items():
                known = steering_on(line, samples.known, sides, moved_in_all, aside_m, gain_per_m)
                commanded = samples.line * sides == SIDES[line]
                driven = np.where(commanded, steering, np.nan)
                label[name] = np.where(np.isnan(known), driven, known)
        if samples.ahead is not None and samples.motion is not None:
            ahead_s, speed = np.array(AHEAD_S[: samples.ahead.shape[1]]), samples.motion[:, 0]
            left = share_left(ahead_s, speed, self.steering_correction)
            later = sides[:, None] * samples.ahead + moved[:, None] * left
            label |= dict(zip(AHEAD, later.T, strict=False))
        columns = [label[name] for name in self.outputs if name in LABELLED]
        labels = np.stack(columns, axis=1).astype(np.float32)
        if self.auxiliaries:
            assert samples.truth is not None
            size = self.spec.frame_shape[:2]
            more = auxiliary_labels(self.auxiliaries, samples.truth, samples.camera, matrices, size)
            labels = np.concatenate([labels, more], axis=1)
        return labels

    def _motion(
        self,
        motion: NDArray[np.float32],
        sides: NDArray[np.float64],
        rng: np.random.Generator | None,
    ) -> NDArray[np.float32]:
        """What samples are told of their motion; in validation no steering, nearly the answer."""
        speed, steering = motion[:, 0].astype(np.float64), sides[:, None] * motion[:, 1:]
        if rng is None:
            steering = np.full_like(steering, np.nan)
        else:
            speed += _SPEED_STD * rng.standard_normal(len(speed))
            steering += _STEERING_STD * rng.standard_normal((len(steering), 1))
            for untold in (speed, steering):  # so that a network can do with either
                untold[rng.random(len(untold)) < self.hidden] = np.nan
        return motion_of(speed, steering).astype(np.float32)


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

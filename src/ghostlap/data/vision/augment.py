"""Label-aware, seeded augmentation.

Each kind has its own probability and range. All geometry of one sample is composed into *one*
warp, and the steering label follows it (see :mod:`ghostlap.data.vision.camera`); all that is linear
in the colours into one colour matrix. Everything is drawn for a whole batch at once, for each kind
from a stream of its own: the same seed gives the same pictures whichever thread makes them, and a
kind that is added leaves all others as they were.

    >>> plan = draw(PRESETS["default"], steering, np.random.default_rng(0))
    >>> pictures = [plan.apply(i, frame) for i, frame in enumerate(frames)]
    >>> labels = plan.steering
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.data.vision import photometry
from ghostlap.data.vision.augmentation import Augmentation, RandomRange, kinds_of
from ghostlap.data.vision.camera import Camera, steering_after_warp
from ghostlap.data.vision.pictures import Rgb
from ghostlap.data.vision.preprocessing import SEED, Preprocessing

Step = tuple[Callable[..., Rgb], float, NDArray[np.float64]]
"""What is done to a picture, how much, and four more numbers in [0, 1)."""


@dataclasses.dataclass(frozen=True)
class AugmentedBatch:
    """What was drawn for a batch of ``n`` samples."""

    steering: NDArray[np.float64]
    """Labels after augmentation, shape ``(n,)``."""
    matrices: NDArray[np.float64]
    """Warps from old to new pixel ``(column, row)``, shape ``(n, 2, 3)``."""
    warped: NDArray[np.bool_]
    """Which samples have a warp at all, shape ``(n,)``."""
    colours: NDArray[np.float64]
    """Colour matrices, shape ``(n, 4, 4)``."""
    recoloured: NDArray[np.bool_]
    """Which samples change colour at all, shape ``(n,)``."""
    mirrored_only: NDArray[np.bool_]
    """Which of the warps only mirror, shape ``(n,)``; that is quicker done, and exact."""
    steps: list[list[Step]]
    """What else is done to each sample."""
    border: int
    spec: Preprocessing

    def apply(self, i: int, frame: Rgb, *, whole: bool = False) -> Rgb:
        """Augment the frame of sample ``i``.

        Args:
            frame: RGB ``uint8``, shape ``spec.frame_shape``; left as it is.
            whole: give the whole frame back (to look at) instead of the rows that are kept.

        Returns:
            RGB ``uint8``: the rows ``crop_top_px:crop_bottom_px`` after the warp.
        """
        top = 0 if whole else self.spec.crop_top_px
        bottom = self.spec.frame_height_px if whole else self.spec.crop_bottom_px
        picture: Rgb
        if self.mirrored_only[i]:
            picture = cast(Rgb, cv2.flip(frame[top:bottom], 1))
        elif self.warped[i]:
            matrix = self.matrices[i].copy()
            matrix[1, 2] -= top
            size = (self.spec.frame_width_px, bottom - top)
            picture = cast(
                Rgb,
                cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR, borderMode=self.border),
            )
        else:
            picture = frame[top:bottom]
        if self.recoloured[i]:
            picture = photometry.recolour(picture, self.colours[i])
        for change, amount, extra in self.steps[i]:
            picture = change(picture, amount, extra)
        return picture


def draw(
    augmentation: Augmentation,
    steering: NDArray[np.floating[Any]],
    rng: np.random.Generator,
    spec: Preprocessing = SEED,
    steering_correction: float = 0.30,
) -> AugmentedBatch:
    """Draw what happens to each sample of a batch.

    Args:
        steering: labels, shape ``(n,)``.
        rng: the only source of chance.
        spec: of the frames that :meth:`AugmentedBatch.apply` will get.
        steering_correction: for a camera 0.83 m to the side: the gain with which labels follow.

    Returns:
        The plan; its ``steering`` holds the labels that belong to the augmented pictures.
    """
    n = len(steering)
    camera = Camera().for_frames(spec.frame_height_px, spec.frame_width_px)
    matrices = np.broadcast_to(np.eye(3), (n, 3, 3)).copy()
    colours = np.broadcast_to(np.eye(4), (n, 4, 4)).copy()
    warps = np.zeros(n, int)
    recoloured, mirrored = np.zeros(n, bool), np.zeros(n, bool)
    steps: list[list[Step]] = [[] for _ in range(n)]
    seed = int(rng.integers(2**63))
    for name, kind in kinds_of(type(augmentation)).items():
        chance = cast(RandomRange, getattr(augmentation, name))
        if chance.p == 0:
            continue
        # A stream of its own: another kind, or none, changes nothing here.
        own = np.random.Generator(np.random.PCG64(seed ^ zlib.crc32(name.encode())))
        numbers = own.random((n, 6))
        at = np.flatnonzero(numbers[:, 0] < chance.p)
        first, second = chance.low + (chance.high - chance.low) * numbers[at, 1:3].T
        if kind.warp is not None:
            matrices[at] = kind.warp(first, second, camera) @ matrices[at]
            warps[at] += 1
            mirrored[at] |= name == "flip"
        elif kind.colour is not None:
            colours[at] = kind.colour(first) @ colours[at]
            recoloured[at] = True
        elif kind.change is not None:
            for i, amount in zip(at.tolist(), first.tolist(), strict=True):
                steps[i].append((kind.change, amount, numbers[i, 2:]))
    labels = np.asarray(steering, np.float64)
    if augmentation.correct_labels:
        moved = steering_after_warp(labels, matrices, camera, steering_correction)
        labels = np.where(warps > 0, moved, labels)  # what is not warped keeps its last digit
    else:
        labels = np.where(mirrored, -labels, labels)
    return AugmentedBatch(
        steering=labels,
        matrices=matrices[:, :2],
        warped=warps > 0,
        mirrored_only=mirrored & (warps == 1),
        colours=colours,
        recoloured=recoloured,
        steps=steps,
        border=cv2.BORDER_CONSTANT if augmentation.border == "black" else cv2.BORDER_REPLICATE,
        spec=spec,
    )

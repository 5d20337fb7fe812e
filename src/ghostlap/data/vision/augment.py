"""Label-aware, seeded augmentation.

Each kind has its own probability and range. All geometry of one sample is composed into *one*
warp, and the steering label follows it (see :mod:`ghostlap.data.vision.camera`); all that is linear
in the colours into one colour matrix. Chance is drawn for a whole
batch at once from one generator, so that the same seed gives the same pictures whichever thread
makes them.

    >>> plan = draw(PRESETS["default"], steering, np.random.default_rng(0))
    >>> pictures = [plan.apply(i, frame) for i, frame in enumerate(frames)]
    >>> labels = plan.steering
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.data.vision import photometry
from ghostlap.data.vision.augmentation import (
    GEOMETRIC,
    KINDS,
    LINEAR_COLOUR,
    PHOTOMETRIC,
    Augmentation,
    Chance,
)
from ghostlap.data.vision.camera import Camera, steering_after_warp
from ghostlap.data.vision.preprocessing import SEED, Preprocessing, Rgb

_CHANGES: dict[str, Callable[..., Rgb]] = {
    "equalise": photometry.equalise,
    "shadow": photometry.shadow,
    "motion_blur": photometry.motion_blur,
    "blur": photometry.gaussian_blur,
    "noise": photometry.noise,
    "jpeg": photometry.jpeg,
}


@dataclasses.dataclass(frozen=True)
class Plan:
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
    steps: tuple[tuple[tuple[Callable[..., Rgb], float, NDArray[np.float64]], ...], ...]
    """For each sample what else is done: what, how much, and four more numbers in [0, 1)."""
    border: int
    spec: Preprocessing

    def apply(self, i: int, frame: Rgb, *, whole: bool = False) -> Rgb:
        """Augment the frame of sample ``i``.

        Args:
            i: which sample of the batch.
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
) -> Plan:
    """Draw what happens to each sample of a batch.

    Args:
        augmentation: probabilities and ranges.
        steering: labels, shape ``(n,)``.
        rng: the only source of chance.
        spec: of the frames that :meth:`Plan.apply` will get.
        steering_correction: for a camera 0.83 m to the side: the gain with which labels follow.

    Returns:
        The plan; its ``steering`` holds the labels that belong to the augmented pictures.
    """
    n = len(steering)
    chances = [cast(Chance, getattr(augmentation, kind)) for kind in KINDS]
    happens = rng.random((n, len(KINDS))) < np.array([chance.p for chance in chances])
    low = np.array([chance.low for chance in chances])
    high = np.array([chance.high for chance in chances])
    numbers = rng.random((n, len(KINDS), 5))

    def of(kind: str, otherwise: float = 0.0, number: int = 0) -> NDArray[np.float64]:
        """What was drawn for a kind, shape ``(n,)``; ``otherwise`` where it does not happen."""
        k = KINDS.index(kind)
        drawn = low[k] + (high[k] - low[k]) * numbers[:, k, number]
        return np.where(happens[:, k], drawn, otherwise)

    geometric, linear = len(GEOMETRIC), len(GEOMETRIC) + len(LINEAR_COLOUR)
    warped = np.any(happens[:, :geometric], axis=1)
    mirrored = happens[:, KINDS.index("flip")]
    camera = Camera().for_frames(spec.frame_height_px, spec.frame_width_px)
    matrices = _compose_warps(of, mirrored, camera)
    labels = np.asarray(steering, np.float64)
    if augmentation.correct_labels:
        moved = steering_after_warp(labels, matrices, camera, steering_correction)
        labels = np.where(warped, moved, labels)  # what is not warped keeps its last digit
    else:
        labels = np.where(mirrored, -labels, labels)

    colours = photometry.colour_matrices(
        brightness=of("brightness", 1.0),
        contrast=of("contrast", 1.0),
        hue_deg=of("hue"),
        saturation=of("saturation", 1.0),
        inverted=happens[:, KINDS.index("invert")],
    )
    amounts = low + (high - low) * numbers[:, :, 0]
    changes = [_CHANGES[kind] for kind in PHOTOMETRIC]
    steps = tuple(
        tuple(
            (changes[k - linear], float(amounts[i, k]), numbers[i, k, 1:])
            for k in range(linear, len(KINDS))
            if happens[i, k]
        )
        for i in range(n)
    )
    return Plan(
        steering=labels,
        matrices=matrices,
        warped=warped,
        mirrored_only=mirrored & (happens[:, :geometric].sum(axis=1) == 1),
        colours=colours,
        recoloured=np.any(happens[:, geometric:linear], axis=1),
        steps=steps,
        border=cv2.BORDER_CONSTANT if augmentation.border == "black" else cv2.BORDER_REPLICATE,
        spec=spec,
    )


def _compose_warps(
    of: Callable[..., NDArray[np.float64]], mirrored: NDArray[np.bool_], camera: Camera
) -> NDArray[np.float64]:
    """One warp for each sample, from old to new pixel ``(column, row)``; shape ``(n, 2, 3)``."""
    n = len(mirrored)
    middle, centre_row = camera.centre_px
    px = camera.frame_height_px / 160  # ranges count pixels of a 320x160 frame

    def identity() -> NDArray[np.float64]:
        return np.broadcast_to(np.eye(3), (n, 3, 3)).copy()

    shift = identity()
    shift[:, 0, 2] = of("pan") * camera.frame_width_px + of("translate") * px
    shift[:, 1, 2] = of("pan", number=1) * camera.frame_height_px + of("horizon") * px

    zoom = identity()
    factor = of("zoom", 1.0)
    zoom[:, 0, 0] = zoom[:, 1, 1] = factor
    zoom[:, 0, 2], zoom[:, 1, 2] = (1 - factor) * middle, (1 - factor) * centre_row

    shear = identity()
    # A camera further to the right sees the ground move to the left.
    shear[:, 0, 1] = -of("shear") * camera.shear_per_m()
    shear[:, 0, 2] = of("shear") * camera.shear_per_m() * camera.horizon_px

    rotate = identity()
    cos, sin = np.cos(np.radians(of("rotate"))), np.sin(np.radians(of("rotate")))
    rotate[:, 0, 0], rotate[:, 0, 1], rotate[:, 1, 0], rotate[:, 1, 1] = cos, -sin, sin, cos
    rotate[:, 0, 2] = middle - cos * middle + sin * centre_row
    rotate[:, 1, 2] = centre_row - sin * middle - cos * centre_row

    flip = identity()
    flip[:, 0, 0] = np.where(mirrored, -1.0, 1.0)
    flip[:, 0, 2] = np.where(mirrored, camera.frame_width_px - 1.0, 0.0)

    return (flip @ rotate @ shear @ zoom @ shift)[:, :2]

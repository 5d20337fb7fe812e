"""Label-aware, seeded augmentation.

Each kind has its own probability and range. All geometry of one sample is composed into *one*
warp, and the steering label follows it (see :mod:`ghostlap.camera`); all that is linear in the
colours into one colour matrix. Chance is drawn for a whole
batch at once from one generator, so that the same seed gives the same pictures whichever thread
makes them.

    >>> plan = draw(PRESETS["default"], steering, np.random.default_rng(0))
    >>> pictures = [plan.apply(i, frame) for i, frame in enumerate(frames)]
    >>> labels = plan.steering
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap import photometry
from ghostlap.camera import Camera, steering_after_warp
from ghostlap.errors import DatasetError
from ghostlap.vision import SEED, Preprocessing, Rgb


@dataclasses.dataclass(frozen=True)
class Chance:
    """How often, and how much: a value is drawn evenly from ``low`` to ``high``."""

    p: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1 or not self.low <= self.high:
            raise DatasetError(
                "augment: a chance needs 0 <= p <= 1 and low <= high. "
                f"Got p={self.p}, low={self.low}, high={self.high}."
            )


LIMITS = {
    "zoom": (0.2, 5.0),
    "pan": (-0.5, 0.5),
    "translate": (-160.0, 160.0),
    "shear": (-5.0, 5.0),
    "horizon": (-80.0, 80.0),
    "rotate": (-45.0, 45.0),
    "brightness": (0.01, 10.0),
    "contrast": (0.01, 10.0),
    "shadow": (0.0, 1.0),
    "motion_blur": (1.0, 50.0),
    "blur": (0.1, 20.0),
    "noise": (0.0, 128.0),
    "hue": (-180.0, 180.0),
    "saturation": (0.0, 10.0),
    "jpeg": (1.0, 100.0),
}
"""What the ranges must lie in, for the kinds that have one."""


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What may happen to a training picture. Pixels are those of a 320x160 frame."""

    flip: Chance = Chance()
    """Mirror left and right."""
    zoom: Chance = Chance()
    """Factor about the middle of the picture."""
    pan: Chance = Chance()
    """Shift both ways, each by its own share of the picture's size (the seeds' pan)."""
    translate: Chance = Chance()
    """Shift sideways, in pixels: as if the car pointed elsewhere (1 pixel is 0.41 degrees)."""
    shear: Chance = Chance()
    """Shear about the horizon: as if the camera stood that many metres to the right."""
    horizon: Chance = Chance()
    """Shift down, in pixels: as on a hill."""
    rotate: Chance = Chance()
    """Degrees about the middle of the picture: as on a sloping road."""
    brightness: Chance = Chance()
    """Factor."""
    contrast: Chance = Chance()
    """Factor about mid grey."""
    shadow: Chance = Chance()
    """A cast shadow across the road; what it leaves of the brightness."""
    motion_blur: Chance = Chance()
    """Length in pixels, along or across."""
    blur: Chance = Chance()
    """Gaussian; standard deviation in pixels."""
    noise: Chance = Chance()
    """Gaussian; standard deviation in grey levels of 255."""
    equalise: Chance = Chance()
    """Histogram equalisation of the luminance."""
    invert: Chance = Chance()
    """Every colour to its opposite."""
    hue: Chance = Chance()
    """Turn of the colour circle in degrees."""
    saturation: Chance = Chance()
    """Factor."""
    jpeg: Chance = Chance()
    """Quality of one more JPEG compression, 1 to 100."""
    border: Literal["black", "edge"] = "edge"
    """What a warp shows where there was no picture."""
    correct_labels: bool = True
    """Whether the label follows the warp. The seeds only ever corrected it for the mirror."""

    def __post_init__(self) -> None:
        for kind, (least, most) in LIMITS.items():
            chance = getattr(self, kind)
            if chance.p and not least <= chance.low <= chance.high <= most:
                raise DatasetError(
                    f"augment: {kind} needs a range within {least:g} to {most:g}, "
                    f"{kind}.low and {kind}.high. Got {chance.low:g} to {chance.high:g}."
                )


GEOMETRIC = ("flip", "zoom", "pan", "translate", "shear", "horizon", "rotate")
"""Composed into one warp, in this order but for the mirror, which comes last."""

LINEAR_COLOUR = ("brightness", "contrast", "hue", "saturation", "invert")
"""Composed into one colour matrix, in this order."""

PHOTOMETRIC: dict[str, Callable[..., Rgb]] = {
    "equalise": photometry.equalise,
    "shadow": photometry.shadow,
    "motion_blur": photometry.motion_blur,
    "blur": photometry.gaussian_blur,
    "noise": photometry.noise,
    "jpeg": photometry.jpeg,
}
"""What remains, in the order in which a sample gets them, after warp and colour matrix."""

KINDS = (*GEOMETRIC, *LINEAR_COLOUR, *PHOTOMETRIC)

PRESETS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "seed003": Augmentation(
        flip=Chance(0.5),
        zoom=Chance(0.5, 1.0, 1.3),
        pan=Chance(0.5, -0.1, 0.1),
        brightness=Chance(0.5, 0.2, 1.2),
        border="black",
        correct_labels=False,
    ),
    "default": Augmentation(
        flip=Chance(0.5),
        zoom=Chance(0.25, 1.0, 1.15),
        translate=Chance(0.3, -12, 12),
        shear=Chance(0.4, -0.6, 0.6),
        horizon=Chance(0.4, -8, 8),
        rotate=Chance(0.25, -1.5, 1.5),
        brightness=Chance(0.6, 0.4, 1.3),
        contrast=Chance(0.3, 0.7, 1.3),
        shadow=Chance(0.3, 0.3, 0.8),
        hue=Chance(0.15, -10, 10),
        saturation=Chance(0.2, 0.5, 1.4),
        blur=Chance(0.1, 0.5, 1.2),
        noise=Chance(0.15, 2, 10),
    ),
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
    side_offset: float = 0.30,
) -> Plan:
    """Draw what happens to each sample of a batch.

    Args:
        augmentation: probabilities and ranges.
        steering: labels, shape ``(n,)``.
        rng: the only source of chance.
        spec: of the frames that :meth:`Plan.apply` will get.
        side_offset: steering for a camera 0.83 m to the side: the gain with which labels follow.

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
        moved = steering_after_warp(labels, matrices, camera, side_offset)
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
    changes = list(PHOTOMETRIC.values())
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


def parse_augmentation(text: str) -> Augmentation:
    """Read ``PRESET[,kind.p=0.2][,kind.low=-5][,kind.high=5]…``, or the path of a JSON file.

    Raises:
        DatasetError: an unknown preset, kind or field, or a value that is no number.
    """
    head, *changes = text.split(",")
    if head.endswith(".json"):
        augmentation = _read_json(Path(head))
    elif head in PRESETS:
        augmentation = PRESETS[head]
    else:
        raise DatasetError(
            f"augment: {head!r} is neither a .json file nor a preset ({', '.join(PRESETS)})."
        )
    changed: dict[str, dict[str, float]] = {}
    for change in changes:
        name, _, value = change.partition("=")
        kind, _, field = name.partition(".")
        if kind not in KINDS or field not in ("p", "low", "high"):
            raise DatasetError(
                f"augment: {change!r} must read KIND.p=…, KIND.low=… or KIND.high=…, "
                f"with KIND one of {', '.join(KINDS)}."
            )
        try:
            number = float(value)
        except ValueError:
            raise DatasetError(f"augment: {change!r} needs a number after '='.") from None
        changed.setdefault(kind, {})[field] = number
    return dataclasses.replace(
        augmentation,
        **{
            kind: dataclasses.replace(getattr(augmentation, kind), **fields)
            for kind, fields in changed.items()
        },
    )


def augmentation_from_json(values: dict[str, Any]) -> Augmentation:
    """Read back what ``dataclasses.asdict`` of an augmentation gives.

    Raises:
        DatasetError: an unknown name.
    """
    unknown = set(values) - {field.name for field in dataclasses.fields(Augmentation)}
    if unknown:
        raise DatasetError(f"augment: unknown {sorted(unknown)}; kinds are {', '.join(KINDS)}.")
    settings: dict[str, Any] = {
        name: Chance(**value) if name in KINDS else value for name, value in values.items()
    }
    return Augmentation(**settings)


def _read_json(path: Path) -> Augmentation:
    try:
        return augmentation_from_json(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(
            f"augment: {path} cannot be read as an augmentation ({error})."
        ) from error

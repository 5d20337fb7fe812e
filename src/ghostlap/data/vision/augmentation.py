"""What may happen to a training picture, how often and how much: kinds, ranges, presets."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from ghostlap.base.errors import DatasetError
from ghostlap.base.files import read_json


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

PHOTOMETRIC = ("equalise", "shadow", "motion_blur", "blur", "noise", "jpeg")
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
        return augmentation_from_json(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(
            f"augment: {path} cannot be read as an augmentation ({error})."
        ) from error

"""What may happen to a training picture, how often and how much: kinds, ranges, presets."""

# ruff: noqa: RUF009 (a field declares its kind)
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ghostlap.base.errors import DatasetError
from ghostlap.base.files import read_json
from ghostlap.data.vision import photometry, warps
from ghostlap.data.vision.camera import Camera
from ghostlap.data.vision.pictures import Rgb
from ghostlap.data.vision.warps import Floats


@dataclasses.dataclass(frozen=True)
class RandomRange:
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


@dataclasses.dataclass(frozen=True)
class Kind:
    """What may happen to a picture: one of ``warp``, ``colour`` and ``change``."""

    form: str
    """How an amount reads, as a format."""
    meaning: str
    """What it stands for, in a sentence."""
    warp: Callable[[Floats, Floats, Camera], Floats] | None = None
    """See :mod:`ghostlap.data.vision.warps`."""
    colour: Callable[[Floats], Floats] | None = None
    """See :mod:`ghostlap.data.vision.photometry`, as for ``change``."""
    change: Callable[[Rgb, float, Floats], Rgb] | None = None
    limits: tuple[float, float] | None = None
    """What its range must lie in; None for a kind that has no range."""
    shown: tuple[float, float] = (0.0, 0.0)
    """Amounts to look at where an augmentation has no range of its own."""
    neutral: float = 0.0
    """The amount that changes nothing."""


def kind(form: str, meaning: str, **more: Any) -> Any:
    """A field of :class:`Augmentation` that is a :class:`Kind`."""
    return dataclasses.field(default=RandomRange(), metadata={"kind": Kind(form, meaning, **more)})


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What may happen to a training picture. Pixels are those of a 320x160 frame.

    A kind is declared here, and nowhere else. All warps of a sample are composed into one, in this
    order, and so are all colours; what remains comes after them, in this order, too.
    """

    pan: RandomRange = kind(
        "{:+.0%}", "Shifted both ways, as the seeds do it.",
        warp=warps.pan, limits=(-0.5, 0.5), shown=(-0.1, 0.1),
    )  # fmt: skip
    """Shift both ways, each by its own share of the picture's size (the seeds' pan)."""
    translate: RandomRange = kind(
        "{:+.0f} px", "As if the car pointed elsewhere.",
        warp=warps.translate, limits=(-160.0, 160.0), shown=(-25.0, 25.0),
    )  # fmt: skip
    """Shift sideways, in pixels: as if the car pointed elsewhere (1 pixel is 0.41 degrees)."""
    horizon: RandomRange = kind(
        "{:+.0f} px", "As on a hill.",
        warp=warps.horizon, limits=(-80.0, 80.0), shown=(-12.0, 12.0),
    )  # fmt: skip
    """Shift down, in pixels: as on a hill."""
    zoom: RandomRange = kind(
        "factor {:.2f}", "Nearer, or another lens.",
        warp=warps.zoom, limits=(0.2, 5.0), shown=(1.05, 1.3), neutral=1.0,
    )  # fmt: skip
    """Factor about the middle of the picture."""
    shear: RandomRange = kind(
        "{:+.1f} m", "As if the camera stood further left (\N{MINUS SIGN}) or right (+).",
        warp=warps.shear, limits=(-5.0, 5.0), shown=(-0.8, 0.8),
    )  # fmt: skip
    """Shear about the horizon: as if the camera stood that many metres to the right."""
    rotate: RandomRange = kind(
        "{:+.1f}°", "As on a road that slopes sideways.",
        warp=warps.rotate, limits=(-45.0, 45.0), shown=(-6.0, 6.0),
    )  # fmt: skip
    """Degrees about the middle of the picture: as on a sloping road."""
    flip: RandomRange = kind("mirrored", "Left becomes right.", warp=warps.flip)
    """Mirror left and right."""
    brightness: RandomRange = kind(
        "factor {:.2f}", "Dusk, or bright sun.",
        colour=photometry.brightness, limits=(0.01, 10.0), shown=(0.4, 1.4), neutral=1.0,
    )  # fmt: skip
    """Factor."""
    contrast: RandomRange = kind(
        "factor {:.2f}", "Haze, or hard light.",
        colour=photometry.contrast, limits=(0.01, 10.0), shown=(0.5, 1.5), neutral=1.0,
    )  # fmt: skip
    """Factor about mid grey."""
    hue: RandomRange = kind(
        "{:+.0f}°", "A cast of colour.",
        colour=photometry.hue, limits=(-180.0, 180.0), shown=(-30.0, 30.0),
    )  # fmt: skip
    """Turn of the colour circle in degrees."""
    saturation: RandomRange = kind(
        "factor {:.2f}", "Paler, or more colourful.",
        colour=photometry.saturation, limits=(0.0, 10.0), shown=(0.0, 1.8), neutral=1.0,
    )  # fmt: skip
    """Factor."""
    invert: RandomRange = kind(
        "inverted", "Every colour becomes its opposite.", colour=photometry.invert
    )
    """Every colour to its opposite."""
    equalise: RandomRange = kind(
        "equalised", "Brightness spread over its whole range.", change=photometry.equalise
    )
    """Histogram equalisation of the luminance."""
    shadow: RandomRange = kind(
        "{:.0%} of the light", "A shadow lies across the road.",
        change=photometry.shadow, limits=(0.0, 1.0), shown=(0.3, 0.7), neutral=1.0,
    )  # fmt: skip
    """A cast shadow across the road; what it leaves of the brightness."""
    motion_blur: RandomRange = kind(
        "{:.0f} px", "A camera that shakes or moves fast.",
        change=photometry.motion_blur, limits=(1.0, 50.0), shown=(4.0, 10.0),
    )  # fmt: skip
    """Length in pixels, along or across."""
    blur: RandomRange = kind(
        "sigma {:.1f} px", "A camera out of focus.",
        change=photometry.gaussian_blur, limits=(0.1, 20.0), shown=(1.0, 2.5),
    )  # fmt: skip
    """Gaussian; standard deviation in pixels."""
    noise: RandomRange = kind(
        "sigma {:.0f}", "Grain, as in the dark.",
        change=photometry.noise, limits=(0.0, 128.0), shown=(8.0, 25.0),
    )  # fmt: skip
    """Gaussian; standard deviation in grey levels of 255."""
    jpeg: RandomRange = kind(
        "quality {:.0f}", "Strong compression, as over a slow link.",
        change=photometry.jpeg, limits=(1.0, 100.0), shown=(8.0, 30.0),
    )  # fmt: skip
    """Quality of one more JPEG compression, 1 to 100."""
    border: Literal["black", "edge"] = "edge"
    """What a warp shows where there was no picture."""
    correct_labels: bool = True
    """Whether the label follows the warp. The seeds only ever corrected it for the mirror."""

    def __post_init__(self) -> None:
        for name, one in kinds_of(type(self)).items():
            chance, (least, most) = getattr(self, name), one.limits or (-math.inf, math.inf)
            if chance.p and not least <= chance.low <= chance.high <= most:
                raise DatasetError(
                    f"augment: {name} needs a range within {least:g} to {most:g}, "
                    f"{name}.low and {name}.high. Got {chance.low:g} to {chance.high:g}."
                )


def kinds_of(augmentation: type[Augmentation]) -> dict[str, Kind]:
    """The kinds of an augmentation, by name."""
    fields = dataclasses.fields(augmentation)
    return {one.name: one.metadata["kind"] for one in fields if "kind" in one.metadata}


KINDS = kinds_of(Augmentation)

PRESETS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "seed003": Augmentation(
        flip=RandomRange(0.5),
        zoom=RandomRange(0.5, 1.0, 1.3),
        pan=RandomRange(0.5, -0.1, 0.1),
        brightness=RandomRange(0.5, 0.2, 1.2),
        border="black",
        correct_labels=False,
    ),
    "default": Augmentation(
        flip=RandomRange(0.5),
        zoom=RandomRange(0.25, 1.0, 1.15),
        translate=RandomRange(0.3, -12, 12),
        shear=RandomRange(0.4, -0.6, 0.6),
        horizon=RandomRange(0.4, -8, 8),
        rotate=RandomRange(0.25, -1.5, 1.5),
        brightness=RandomRange(0.6, 0.4, 1.3),
        contrast=RandomRange(0.3, 0.7, 1.3),
        shadow=RandomRange(0.3, 0.3, 0.8),
        hue=RandomRange(0.15, -10, 10),
        saturation=RandomRange(0.2, 0.5, 1.4),
        blur=RandomRange(0.1, 0.5, 1.2),
        noise=RandomRange(0.15, 2, 10),
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
        name: RandomRange(**value) if name in KINDS else value for name, value in values.items()
    }
    return Augmentation(**settings)


def _read_json(path: Path) -> Augmentation:
    try:
        return augmentation_from_json(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(
            f"augment: {path} cannot be read as an augmentation ({error})."
        ) from error

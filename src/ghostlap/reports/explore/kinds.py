"""How the page shows each kind of augmentation: how much, and in what words."""

from __future__ import annotations

import dataclasses
from typing import cast

from ghostlap.data.vision.augmentation import Augmentation, Chance


@dataclasses.dataclass(frozen=True)
class Telling:
    """What to show of a kind."""

    low: float
    high: float
    """Amounts to show where the chosen augmentation has no range of its own."""
    form: str
    """How an amount reads."""
    meaning: str
    """One sentence: what it stands for."""


_SAME = "The label stays."
_FOLLOWS = "The label follows the aim point."

TELLING: dict[str, Telling] = {
    "flip": Telling(0, 0, "mirrored", "Left becomes right, and the label changes its sign."),
    "zoom": Telling(1.05, 1.3, "factor {:.2f}", f"Nearer, or another lens. {_FOLLOWS}"),
    "pan": Telling(-0.1, 0.1, "{:+.0%}", f"Shifted both ways, as the seeds do it. {_FOLLOWS}"),
    "translate": Telling(-25, 25, "{:+.0f} px", f"As if the car pointed elsewhere. {_FOLLOWS}"),
    "shear": Telling(
        -0.8, 0.8, "{:+.1f} m",
        f"As if the camera stood further left (\N{MINUS SIGN}) or right (+). {_FOLLOWS}",
    ),
    "horizon": Telling(-12, 12, "{:+.0f} px", f"As on a hill. {_SAME}"),
    "rotate": Telling(-6, 6, "{:+.1f}°", f"As on a road that slopes sideways. {_FOLLOWS}"),
    "brightness": Telling(0.4, 1.4, "factor {:.2f}", f"Dusk, or bright sun. {_SAME}"),
    "contrast": Telling(0.5, 1.5, "factor {:.2f}", f"Haze, or hard light. {_SAME}"),
    "hue": Telling(-30, 30, "{:+.0f}°", f"A cast of colour. {_SAME}"),
    "saturation": Telling(0.0, 1.8, "factor {:.2f}", f"Paler, or more colourful. {_SAME}"),
    "invert": Telling(0, 0, "inverted", f"Every colour becomes its opposite. {_SAME}"),
    "equalise": Telling(0, 0, "equalised", f"Brightness spread over its whole range. {_SAME}"),
    "shadow": Telling(0.3, 0.7, "{:.0%} of the light", f"A shadow lies across the road. {_SAME}"),
    "motion_blur": Telling(4, 10, "{:.0f} px", f"A camera that shakes or moves fast. {_SAME}"),
    "blur": Telling(1.0, 2.5, "sigma {:.1f} px", f"A camera out of focus. {_SAME}"),
    "noise": Telling(8, 25, "sigma {:.0f}", f"Grain, as in the dark. {_SAME}"),
    "jpeg": Telling(8, 30, "quality {:.0f}", f"Strong compression, as over a slow link. {_SAME}"),
}  # fmt: skip


_UNCHANGED = {"zoom": 1.0, "brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "shadow": 1.0}
"""Amounts that leave a picture as it is, and so are not worth showing."""


def amounts(kind: str, augmentation: Augmentation) -> list[tuple[str, float]]:
    """What to show of a kind: the ends of the augmentation's own range, or of a telling one.

    Returns:
        One or two pairs of words and amount.
    """
    telling = TELLING[kind]
    chance = cast(Chance, getattr(augmentation, kind))
    low, high = telling.low, telling.high
    if chance.p > 0 and (chance.low < chance.high or chance.low != 0):
        low, high = chance.low, chance.high
    ends = list(dict.fromkeys((low, high)))
    if len(ends) == 2 and _UNCHANGED.get(kind) in ends:
        ends.remove(_UNCHANGED[kind])
    return [(telling.form.format(end).replace("-", "\N{MINUS SIGN}"), end) for end in ends]


def words(kind: str, augmentation: Augmentation) -> str:
    """What a kind stands for, and whether and how often the augmentation has it."""
    chance = cast(Chance, getattr(augmentation, kind))
    how_often = (
        f"It happens to {chance.p:.0%} of the training pictures."
        if chance.p > 0
        else "Your training would not use it (p is 0)."
    )
    telling = TELLING[kind]
    if chance.p > 0 and chance.low == chance.high == 0 and telling.low < telling.high:
        how_often += (
            " But always by 0: give it a range, as in "
            f"`--augment default,{kind}.low={telling.low:g},{kind}.high={telling.high:g}`."
        )
    meaning = telling.meaning
    if not augmentation.correct_labels and meaning.endswith(_FOLLOWS):
        meaning = f"{meaning.removesuffix(_FOLLOWS)}The label stays: correct_labels is off."
    return f"{meaning} {how_often}"

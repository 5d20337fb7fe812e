"""How the page shows each kind of augmentation: how much, and in what words."""

from __future__ import annotations

from typing import cast

from ghostlap.data.vision.augmentation import KINDS, Augmentation, RandomRange


def amounts(kind: str, augmentation: Augmentation) -> list[tuple[str, float]]:
    """One or two amounts of a kind to show, each in words and as a number.

    They are the ends of the augmentation's own range, or of a telling one.
    """
    shown = KINDS[kind]
    chance = cast(RandomRange, getattr(augmentation, kind))
    low, high = shown.shown
    if chance.p > 0 and (chance.low < chance.high or chance.low != 0):
        low, high = chance.low, chance.high
    ends = list(dict.fromkeys((low, high)))
    if len(ends) == 2 and shown.neutral in ends:
        ends.remove(shown.neutral)
    return [(shown.form.format(end).replace("-", "\N{MINUS SIGN}"), end) for end in ends]


def words(kind: str, augmentation: Augmentation) -> str:
    """What a kind stands for, and whether and how often the augmentation has it."""
    chance = cast(RandomRange, getattr(augmentation, kind))
    how_often = (
        f"It happens to {chance.p:.0%} of the training pictures."
        if chance.p > 0
        else "Your training would not use it (p is 0)."
    )
    shown = KINDS[kind]
    low, high = shown.shown
    if chance.p > 0 and chance.low == chance.high == 0 and low < high:
        how_often += (
            " But always by 0: give it a range, as in "
            f"`--augment default,{kind}.low={low:g},{kind}.high={high:g}`."
        )
    return f"{shown.meaning} {_label(kind, augmentation)} {how_often}"


def _label(kind: str, augmentation: Augmentation) -> str:
    if KINDS[kind].warp is None or kind == "horizon":
        return "The label stays."
    if kind == "flip":
        return "The label changes its sign."
    if augmentation.correct_labels:
        return "The label follows the aim point."
    return "The label stays: correct_labels is off."

"""What :mod:`ghostlap.commands.explore` can be told; names and defaults are those of a training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import DatasetError
from ghostlap.base.options import settle
from ghostlap.data.dataset import MIN_SPEED_SHARE
from ghostlap.data.splits import SplitBy


@dataclasses.dataclass(frozen=True)
class ExploreConfig:
    """Draw pictures of recordings to look at before training.

    Example: ghostlap explore rec/lake --out explore
    """

    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Recordings of any format. Several are looked at together."""
    out: Path = Path("explore")
    """Folder for the pictures and the page, index.html; an earlier explore in it is replaced."""
    columns: tuple[str, ...] = ()
    """Which column, key or feature holds what, where names do not tell: steering=angle:deg. See
    ghostlap convert --help."""

    cameras: tuple[Literal["center", "left", "right"], ...] = ("center", "left", "right")
    """Views to learn from."""
    steering_correction: Annotated[float, tyro.conf.arg(aliases=("--side-offset",))] = 0.30
    """Steering added for the left camera and taken off for the right one: the feedback gain."""
    min_speed_share: float = MIN_SPEED_SHARE
    """Rows slower than this share of their recording's median speed are left out: standing,
    reversing and turning round are not driving. 0 keeps all."""
    bins: int = 25
    """Histogram bins over the steering, for balancing."""
    cap: int | None = 400
    """At most so many rows a bin are kept; None keeps all."""
    split: SplitBy = "time"
    """How validation samples are chosen: blocks of time, whole recordings, or single images."""
    validation: float = 0.2
    """Share of the samples for validation."""
    augment: str = "default"
    """none, default, seed003 or a .json file; then changes such as default,shear.p=0.2"""
    seed: int = 0
    """Of balance, split, augmentation and the frames shown."""

    def __post_init__(self) -> None:
        settle(self)
        for name, least in {
            "steering_correction": 1e-6,
            "min_speed_share": 0.0,
            "bins": 1,
            "cap": 1,
            "seed": 0,
        }.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise DatasetError(
                    f"--{name.replace('_', '-')} must be at least {least}. Got {value}."
                )
        if not 0 < self.validation < 1:
            raise DatasetError(f"--validation must be in (0, 1). Got {self.validation}.")

"""What :mod:`ghostlap.commands.explore` can be told; names and defaults are those of a training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import DatasetError
from ghostlap.base.options import Count, Options, Seed
from ghostlap.data.dataset import MIN_SPEED_SHARE
from ghostlap.data.formats.config import Columns
from ghostlap.data.splits import SplitBy
from ghostlap.training.config import Bins, SpeedShare, SteeringCorrection, ValidationShare


@dataclasses.dataclass(frozen=True)
class ExploreConfig(Options, error=DatasetError):
    """Draw pictures of recordings to look at before training.

    Example: ghostlap explore rec/lake --out explore
    """

    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Recordings of any format. Several are looked at together."""
    out: Path = Path("explore")
    """Folder for the pictures and the page, index.html; an earlier explore in it is replaced."""
    columns: Columns = ()

    cameras: tuple[Literal["center", "left", "right"], ...] = ("center", "left", "right")
    """Views to learn from."""
    steering_correction: SteeringCorrection = 0.30
    """Steering added for the left camera and taken off for the right one: the feedback gain."""
    min_speed_share: SpeedShare = MIN_SPEED_SHARE
    """Rows slower than this share of their recording's median speed are left out: standing,
    reversing and turning round are not driving. 0 keeps all."""
    bins: Bins = 25
    """Histogram bins over the steering, for balancing."""
    cap: Count | None = 400
    """At most so many rows a bin are kept; None keeps all."""
    split: SplitBy = "time"
    """How validation samples are chosen: blocks of time, whole recordings, or single images."""
    validation: ValidationShare = 0.2
    """Share of the samples for validation."""
    augment: str = "default"
    """none, default, seed003 or a .json file; then changes such as default,shear.p=0.2"""
    seed: Seed = 0
    """Seed of balance, split, augmentation and the frames shown."""

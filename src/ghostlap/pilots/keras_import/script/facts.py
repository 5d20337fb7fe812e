"""What is known besides a script, and what has to be assumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ghostlap.pilots.keras_import.script.picture import Picture
from ghostlap.pilots.keras_import.script.values import Arguments


@dataclasses.dataclass
class Facts:
    """What is known besides the script, and what had to be assumed."""

    frame: tuple[int, int]
    """Height and width of the frames."""
    old: bool = False
    """Whether the model is of 2019 or before, when some libraries did otherwise."""
    chosen: dict[str, str] = dataclasses.field(default_factory=dict)
    """What to assume, by question."""
    asked: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Questions that came up, and what may be answered; the likeliest first."""

    network: tuple[int, ...] = ()
    """Height, width and channels that the network sees; empty if that is not known."""
    typed: dict[str, float] = dataclasses.field(default_factory=dict)
    """Numbers of its command line that were asked for: as if nothing were typed."""

    def assume(self, question: str, now: str, before: str) -> str:
        options = (before, now) if self.old else (now, before)
        self.asked[question] = options
        return self.chosen.get(question, options[0])

    def opened(self, where: str, what: str, *, pillow: bool) -> Picture:
        return Picture((*self.frame, 3)).but(where, what, pillow=pillow)


Call = Callable[[Arguments, Facts], Any]

PILLOW_DEFAULT = "Pillow's resize without a filter"
SKIMAGE_DEFAULT = "scikit-image's resize without anti_aliasing"

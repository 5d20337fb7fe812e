"""When to tell a person that a car is slowed down because its pilot is unsure."""

from __future__ import annotations

import math

_SLOWS_FROM = 0.5
"""Uncertainty from which a person is told."""

_OVER_AFTER_S = 5.0
"""A pilot that has been sure for so long may be unsure anew."""


class UncertaintyNotice:
    """Tells apart the occurrences of a pilot being unsure, so that each is said once.

    Nothing is said with a ``slow_when_unsure`` of 0.
    """

    def __init__(self, slow_when_unsure: float) -> None:
        self.slows = False
        """Whether the car is slowed down now."""
        self._works = slow_when_unsure > 0
        self._last_s = -math.inf

    def begins(self, unsure: float, now_s: float) -> bool:
        """Whether an occurrence begins now; ``unsure`` is how the pilot has been, from 0 to 1."""
        self.slows = self._works and unsure > _SLOWS_FROM
        if not self.slows:
            return False
        is_new = now_s - self._last_s > _OVER_AFTER_S
        self._last_s = now_s
        return is_new

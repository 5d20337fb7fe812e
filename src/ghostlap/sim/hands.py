"""Hands: how what a driver wants becomes what the controls say.

A person sees late, looks now and then, and has keys, a mouse or a stick in place of a wheel. Keys
know full lock and nothing; a person taps them, so that the steering is right on average.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Style = Literal["steady", "taps", "mouse", "gamepad"]


class _Habits(NamedTuple):
    """How a person steers with one kind of control."""

    reaction_s: float
    """Time from what is seen to what is done about it."""
    looks_s: tuple[float, float]
    """From one decision to the next, drawn evenly."""
    slew_per_s: float
    """Fastest change of steering."""
    dead: float = 0.0
    """Steering below which nothing is done."""
    step: float = 0.0
    """The control's resolution."""
    slip: float = 0.0
    """Standard deviation of a decision."""


_HABITS: dict[str, _Habits] = {
    "taps": _Habits(0.06, (0.03, 0.18), 3.0, slip=0.15),
    "mouse": _Habits(0.2, (0.15, 0.5), 8.0, slip=0.02),
    "gamepad": _Habits(0.15, (0.05, 0.2), 5.0, dead=0.06, step=1 / 128, slip=0.01),
}
_SMALLEST_TAP_S = 0.05
"""Steering missed, in full locks times seconds, below which no key is tapped."""
_LONGEST_TAP_S = 0.35
_MOST_MISSED_S = 0.2
"""Steering missed that is made up for, at most: a bend that is over is over."""
_LOOKS_AWAY, _AWAY_S, _STRAIGHT = 0.03, (0.3, 0.8), 0.06
"""Share of decisions after which a person looks away, for how long, and the most steering then."""


class Hand:
    """A person's hand on the controls of one car."""

    def __init__(self, style: Style, draw: np.random.Generator) -> None:
        self._habits, self._taps, self._draw = _HABITS[style], style == "taps", draw
        self._seen: list[tuple[float, float]] = []
        self._time_s = self._decides_s = 0.0
        self._aim = self._missed_s = 0.0

    def move(self, steering: float, wanted: float, seconds: float) -> float:
        """The steering after so much time, from the steering now and what is wanted now."""
        habits = self._habits
        self._time_s += seconds
        self._seen.append((self._time_s, wanted))
        while len(self._seen) > 1 and self._seen[1][0] <= self._time_s - habits.reaction_s:
            self._seen.pop(0)
        seen = self._seen[0][1]
        missed_s = self._missed_s + (seen - steering) * seconds
        self._missed_s = min(max(missed_s, -_MOST_MISSED_S), _MOST_MISSED_S)
        if self._time_s >= self._decides_s:
            self._decide(seen)
        reach = habits.slew_per_s * seconds
        return float(np.clip(self._aim, steering - reach, steering + reach))

    def _decide(self, seen: float) -> None:
        habits, slip = self._habits, self._draw.normal()
        wait_s = self._draw.uniform(*habits.looks_s)
        if self._draw.random() < _LOOKS_AWAY and abs(seen) < _STRAIGHT:
            wait_s += self._draw.uniform(*_AWAY_S)
        if not self._taps:
            aim = seen + habits.slip * slip if abs(seen) > habits.dead else 0.0
            self._aim = round(aim / habits.step) * habits.step if habits.step else aim
        elif self._aim == 0 and abs(self._missed_s) > _SMALLEST_TAP_S:
            # Up to a peak and down again at the slew: peak**2 / slew is what a tap amounts to.
            self._aim = float(np.sign(self._missed_s))
            hold_s = np.sqrt(abs(self._missed_s) / habits.slew_per_s) * np.exp(habits.slip * slip)
            wait_s = min(float(hold_s), _LONGEST_TAP_S)
        else:
            self._aim = 0.0
        self._aim = min(max(self._aim, -1.0), 1.0)
        self._decides_s = self._time_s + wait_s

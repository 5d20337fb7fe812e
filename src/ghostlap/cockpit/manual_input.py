"""Manual input: keys and sticks become steering and throttle."""

from __future__ import annotations

from ghostlap.cockpit.protocol import Input

SLEW_PER_S = 3.0
"""A held key turns the wheel so fast, as in Udacity's simulator."""
RETURN_PER_S = 6.0
"""A wheel that is let go, or turned back, moves so fast."""
HANDS_OFF_AFTER_S = 0.5
"""Held controls are let go where nothing is heard of them for so long."""
_NEUTRAL = 0.05
"""A stick at rest is never quite in the middle."""


def is_neutral(held: Input) -> bool:
    """Whether nobody touches the controls."""
    if held.steering is None or held.throttle is None:
        return not held.keys
    return abs(held.steering) < _NEUTRAL and abs(held.throttle) < _NEUTRAL


class ManualInput:
    """The hands of the person in the driver's seat."""

    def __init__(self) -> None:
        self.held = Input(0)
        """Controls as last heard, or nothing once that is too long ago."""
        self.steering = 0.0
        """In [-1, 1], positive to the right."""
        self.throttle = 0.0
        """In [-1, 1], negative brakes."""
        self._heard_before_s = 0.0

    def hold(self, held: Input) -> None:
        """Take in how the controls are held now."""
        self.held, self._heard_before_s = held, 0.0

    def let_go(self) -> None:
        """Forget what was held; the wheel turns back by itself."""
        self.held = Input(self.held.n)

    def start_from(self, steering: float) -> None:
        """Put the hands on a wheel that stands somewhere."""
        self.steering, self.throttle = steering, 0.0

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._heard_before_s += seconds
        if self._heard_before_s > HANDS_OFF_AFTER_S and not is_neutral(self.held):
            self.let_go()
        held = self.held
        if held.steering is not None and held.throttle is not None:
            self.steering, self.throttle = held.steering, held.throttle
            return
        wanted = float("right" in held.keys) - float("left" in held.keys)
        turns_out = wanted * self.steering >= 0 and wanted != 0
        reach = (SLEW_PER_S if turns_out else RETURN_PER_S) * seconds
        self.steering += max(-reach, min(reach, wanted - self.steering))
        self.throttle = float("up" in held.keys) - float("down" in held.keys)

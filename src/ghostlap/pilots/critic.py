"""A pilot's critic: how likely a failure is within the next seconds, by what its network computed.

The network answers, beside its steering, what a picture contributes to the critic's first layer:
now, a quarter of a second later, and so on. :class:`Foresight` adds up the contributions of the
last second, and does the rest of the critic, a few hundred multiplications.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import PilotError
from ghostlap.pilots.memory import Layers, Moments, problem_of, read_lags, read_layers, through

Floats = NDArray[np.float64]

JUDGED_S = 3.0


@dataclasses.dataclass(frozen=True, eq=False)
class Critic:
    """What ``pilot.json`` says of a critic."""

    output: str
    """Name of the network's output that belongs to it."""
    lags_s: tuple[float, ...]
    """How long ago pictures count, the first is 0; the output has as many parts."""
    layers: Layers
    """Weights ``(inputs, outputs)`` and bias of each layer after the first, which the network
    computes; before each is an ELU."""
    horizons_s: tuple[float, ...]
    """It answers for each the log-odds of a failure within that time."""
    thresholds: dict[str, tuple[float, ...]]
    """By the rate of false alarms, ``0.01`` and ``0.05``: what nominal drives' answers are above at
    that rate, for each horizon."""

    @classmethod
    def from_json(cls, told: Any, where: str) -> Critic:
        """Read and check what a ``pilot.json`` says.

        Raises:
            PilotError: it is no critic.
        """
        try:
            made = cls(
                output=str(told["output"]),
                lags_s=read_lags(told["lags_s"]),
                layers=read_layers(told["layers"]),
                horizons_s=tuple(map(float, told["horizons_s"])),
                thresholds={
                    rate: tuple(map(float, values)) for rate, values in told["thresholds"].items()
                },
            )
            if problem := made._problem():
                raise ValueError(problem)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise PilotError(
                f"{where}: its critic cannot be read ({type(error).__name__}: {error}). Make it "
                "anew with 'ghostlap critic', or remove \"critic\" from the file."
            ) from error
        return made

    def _problem(self) -> str:
        if problem := problem_of(self.layers, len(self.horizons_s)):
            return problem
        each = len(self.horizons_s)
        if not each or any(len(values) != each for values in self.thresholds.values()):
            return f"it must have horizons, and a threshold for each; it has {each} horizons"
        numbers = (*self.horizons_s, *sum(self.thresholds.values(), ()))
        if not all(map(math.isfinite, numbers)) or {"0.01", "0.05"} - set(self.thresholds):
            return "a number is not finite, or a threshold missing"
        return ""

    @property
    def width(self) -> int:
        """Numbers that the network answers for it."""
        return len(self.lags_s) * len(self.layers[0][0])

    def doubt(self, log_odds: Floats) -> Floats:
        """How much to slow down: 0 up to what 5 % of nominal moments are above, 1 from 1 % on.

        Shape ``(cars,)``, of log odds ``(cars, horizons)``; 0 where nothing is known yet.
        """
        at = self.judged_at
        low, high = self.thresholds["0.05"][at], self.thresholds["0.01"][at]
        doubt = (log_odds[:, at] - low) / max(high - low, 1e-6)
        return np.clip(np.nan_to_num(doubt, nan=0.0), 0.0, 1.0)

    def warning_s(self, log_odds: Floats) -> float | None:
        """Within how many seconds one car fails, by its log odds ``(horizons,)``; None if not."""
        alarmed = log_odds > np.array(self.thresholds["0.01"])
        return min(
            (s for s, yes in zip(self.horizons_s, alarmed, strict=True) if yes), default=None
        )

    @property
    def alarm(self) -> float:
        """The log-odds at the horizon that decides which 1 % of nominal moments are above."""
        return self.thresholds["0.01"][self.judged_at]

    @property
    def judged_at(self) -> int:
        """Which horizon decides: the one nearest to 3 s."""
        return int(np.argmin(np.abs(np.array(self.horizons_s) - JUDGED_S)))


class Evidence(NamedTuple):
    """What a network has computed for its critic."""

    critic: Critic
    computed: NDArray[np.floating]
    """Shape ``(cars, width)``."""


class Foresight:
    """A critic at work for some cars, each with a second of history."""

    def __init__(self, critic: Critic, cars: int = 1) -> None:
        self.critic = critic
        self._moments = Moments(critic.lags_s[-1], cars)
        self.log_odds: Floats = np.full((cars, len(critic.horizons_s)), np.nan)
        """Of a failure within each horizon, ``(cars, horizons)``; NaN before the first look."""

    @property
    def judged(self) -> Floats:
        """The log-odds at the horizon that decides, shape ``(cars,)``."""
        return self.log_odds[:, self.critic.judged_at]

    @property
    def warning_s(self) -> float | None:
        """Within how many seconds the first car is to fail; None if nothing is to be feared."""
        return self.critic.warning_s(self.log_odds[0])

    def reset(self, car: int | slice = slice(None)) -> None:
        """Forget what a car, or all, has seen: it was put somewhere else."""
        self._moments.reset(car)
        self.log_odds[car] = np.nan

    def look(self, computed: NDArray[np.floating], elapsed_s: float) -> Floats:
        """Take in what the network computed, ``(cars, width)``, and give :attr:`log_odds`."""
        lags = self.critic.lags_s
        rows = np.asarray(computed, float).reshape(len(computed), len(lags), -1)
        self._moments.add(rows, elapsed_s)
        for car in range(len(rows)):
            parts = [self._moments.at(car, lag_s)[i] for i, lag_s in enumerate(lags)]
            self.log_odds[car] = through(self.critic.layers, np.sum(parts, axis=0))
        return self.log_odds

"""What a pilot remembers: what its network computed of a car's last pictures, and the steering.

A network with a memory answers, beside its outputs, what a picture contributes to the first layer
of a few more: now, some tenths of a second later, and so on. So each picture is looked at once.
:class:`Recollection` adds up the contributions of earlier moments, and does those last layers. A
pilot's critic keeps what it has seen in the same way.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import PilotError
from ghostlap.data.motion import EARLY_S, STRETCH_GAP_S, motion_of

Floats = NDArray[np.float64]
Layers = tuple[tuple[Floats, Floats], ...]
"""Weights ``(inputs, outputs)`` and bias of each; before each is an ELU."""

_MOST_WEIGHTS = 16384
_MOST_LAGS = 32
_LONGEST_LAG_S = 100.0


def read_layers(told: Any) -> Layers:
    """Layers as a ``pilot.json`` holds them, at least one."""
    if not told:
        raise ValueError("it has no layers")
    return tuple((np.array(one["weights"], float), np.array(one["bias"], float)) for one in told)


def read_lags(told: Any, least: int = 1) -> tuple[float, ...]:
    """How long ago pictures count, as a ``pilot.json`` says it, at least so many.

    Raises:
        ValueError: they do not begin now, are too many or too long ago.
    """
    if not least <= len(told) <= _MOST_LAGS:
        raise ValueError(f"it has {len(told)} moments, not {least} to {_MOST_LAGS}")
    lags_s = tuple(map(float, told))
    if lags_s[0] != 0 or not all(0 <= lag_s <= _LONGEST_LAG_S for lag_s in lags_s):
        raise ValueError(
            f"its moments must begin with 0 and be at most {_LONGEST_LAG_S:g} s ago. Got {lags_s}"
        )
    return lags_s


def problem_of(layers: Layers, outputs: int) -> str:
    """What is wrong with layers that are to answer so many numbers; "" for nothing."""
    width = len(layers[0][0])
    if any(weights.size > _MOST_WEIGHTS for weights, _ in layers):
        return f"a layer has more than {_MOST_WEIGHTS} weights"
    for weights, bias in layers:
        if weights.shape != (width, len(bias)):
            return f"a layer's weights are {weights.shape} for {width} inputs"
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            return "a weight is not finite"
        width = len(bias)
    return "" if width == outputs else f"it answers {width} numbers for {outputs}"


def through(layers: Layers, values: Floats) -> Floats:
    """What layers make of values ``(…, inputs)``."""
    for weights, bias in layers:
        values = np.where(values > 0, values, np.expm1(np.minimum(values, 0)))
        values = values @ weights + bias
    return values


class Moments:
    """What was computed for some cars of late, with its time.

    Args:
        reach_s: how far back is asked for.
        cars: how many.
    """

    def __init__(self, reach_s: float, cars: int) -> None:
        self._seen: list[deque[tuple[float, Floats]]] = [deque() for _ in range(cars)]
        self._reach_s, self._time_s = reach_s, 0.0

    def reset(self, car: int | slice = slice(None)) -> None:
        """Forget what a car, or all, has seen."""
        for seen in self._seen[car] if isinstance(car, slice) else [self._seen[car]]:
            seen.clear()

    def add(self, rows: Iterable[Floats], elapsed_s: float) -> None:
        """Take in a row for each car, so long after the last one."""
        self._time_s += elapsed_s
        for seen, row in zip(self._seen, rows, strict=True):
            seen.append((self._time_s, row))
            while len(seen) > 1 and seen[1][0] <= self._time_s - self._reach_s + EARLY_S:
                seen.popleft()

    def at(self, car: int, lag_s: float) -> Floats:
        """A car's row of so long ago; the oldest where there is nothing older."""
        wanted = self._time_s - lag_s + EARLY_S
        seen = self._seen[car]
        return next((row for at_s, row in reversed(seen) if at_s <= wanted), seen[0][1])


@dataclasses.dataclass(frozen=True, eq=False)
class Memory:
    """What ``pilot.json`` says of a network's memory."""

    lags_s: tuple[float, ...]
    """How long ago pictures count, the first is 0; the network contributes as many parts."""
    motion: Floats
    """Weights of a car's :func:`~ghostlap.data.motion.motion_of`, ``(numbers, hidden)``."""
    layers: Layers
    """All after the sum of contributions."""

    @classmethod
    def from_json(cls, told: Any, outputs: int, where: str) -> Memory:
        """Read and check what a ``pilot.json`` says.

        Raises:
            PilotError: it is no memory of a network with so many outputs.
        """
        try:
            lags_s = read_lags(told["lags_s"], 2)
            made = cls(lags_s, np.array(told["motion"], float), read_layers(told["layers"]))
            wanted = (len(lags_s) + 2, len(made.layers[0][0]))
            if made.motion.shape != wanted or not np.isfinite(made.motion).all():
                raise ValueError(f"motion must be finite numbers of shape {wanted}")
            if problem := problem_of(made.layers, outputs):
                raise ValueError(problem)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise PilotError(
                f"{where}: its memory cannot be read ({type(error).__name__}: {error}). Copy the "
                "whole run folder again, or train anew."
            ) from error
        return made

    @property
    def width(self) -> int:
        """Numbers that the network contributes for a picture."""
        return len(self.lags_s) * len(self.layers[0][0])

    def answers(self, contributed: NDArray[np.floating], motion: NDArray[np.floating]) -> Floats:
        """The network's outputs, ``(n, outputs)``.

        Args:
            contributed: what each moment's picture contributes, ``(n, moments, width)``.
            motion: see :func:`~ghostlap.data.motion.motion_of`, ``(n, numbers)``.
        """
        count = len(self.lags_s)
        parts = contributed.reshape(len(contributed), count, count, -1)
        hidden = parts[:, range(count), range(count)].sum(1) + motion @ self.motion
        return through(self.layers, hidden)


class Recollection:
    """A memory at work for some cars.

    Args:
        memory: whose.
        cars: how many.
        delay_s: a command takes effect so much later.
    """

    def __init__(self, memory: Memory, cars: int, delay_s: float = 0.0) -> None:
        self.memory, self._delay_s = memory, delay_s
        self._moments = Moments(memory.lags_s[-1] + delay_s, cars)
        self._newest: list[Floats] = []

    def reset(self, car: int | slice = slice(None)) -> None:
        """Forget a car, or all: it was put somewhere else."""
        self._moments.reset(car)

    def recall(
        self, contributed: NDArray[np.floating], speed: NDArray[np.floating], elapsed_s: float
    ) -> Floats:
        """The network's outputs, ``(cars, outputs)``.

        Args:
            contributed: by what each car sees now, ``(cars, width)``.
            speed: see :func:`~ghostlap.data.motion.motion_of`, ``(cars,)``.
            elapsed_s: since the last one; after a pause all is forgotten.
        """
        if elapsed_s > STRETCH_GAP_S:
            self.reset()
        self._newest = [np.append(row, math.nan) for row in contributed.astype(float)]
        self._moments.add(self._newest, elapsed_s)
        then = self._at(self.memory.lags_s)[:, :, :-1]
        steering = self._at([lag_s + self._delay_s for lag_s in self.memory.lags_s[1:]])[:, :, -1]
        return self.memory.answers(then, motion_of(speed, steering))

    def _at(self, lags_s: Sequence[float]) -> Floats:
        """Each car's rows of so long ago, ``(cars, lags, numbers)``."""
        cars = range(len(self._newest))
        return np.array([[self._moments.at(car, lag_s) for lag_s in lags_s] for car in cars])

    def told(self, steering: Floats) -> None:
        """What each car was told after the last :meth:`recall`, ``(cars,)``."""
        for row, value in zip(self._newest, steering, strict=False):
            row[-1] = value

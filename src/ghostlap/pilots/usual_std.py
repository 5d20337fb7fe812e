"""How large a pilot's steering_std usually is, and so how unsure one makes it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


def usual_steering_std(steering_std: NDArray[np.floating]) -> dict[str, float]:
    """Percentiles of validation samples' steering_std ``(n,)``, for ``pilot.json``'s metrics."""
    return {
        f"steering_std_p{percent}": float(np.percentile(steering_std, percent))
        for percent in (50, 95, 99)
    }


class UsualStd(NamedTuple):
    """The median and the 99th percentile of the steering_std of validation samples."""

    usual: float
    rare: float

    @classmethod
    def of(cls, description: dict[str, Any]) -> UsualStd | None:
        """As ``pilot.json`` says; None where it does not."""
        try:
            validation = description["metrics"]["validation"]
            said = float(validation["steering_std_p50"]), float(validation["steering_std_p99"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return cls(*said) if all(map(math.isfinite, said)) else None

    def unsure(self, steering_std: NDArray[np.floating]) -> NDArray[np.float64]:
        """0 up to the usual one, 1 from the rare one on, linear between; NaN stays NaN."""
        above = steering_std.astype(float) - self.usual
        return np.clip(above / max(self.rare - self.usual, 1e-6), 0.0, 1.0)

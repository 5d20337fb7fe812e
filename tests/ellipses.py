"""A small track for tests that need just any."""

from __future__ import annotations

import numpy as np

from ghostlap.sim.track.track import Track


def ellipse(
    half_length_m: float = 120.0, half_breadth_m: float = 60.0, hill_m: float = 0.0
) -> Track:
    """An oval, counterclockwise, 7 m wide, with two hills of ``hill_m`` above its middle."""
    angle = np.arange(200) * (2 * np.pi / 200)
    codes = np.zeros(len(angle), np.uint8)
    return Track(
        name="ellipse",
        theme="lake",
        markings="double_yellow",
        points_m=np.stack([half_length_m * np.cos(angle), half_breadth_m * np.sin(angle)], -1),
        half_left_m=np.full(len(angle), 3.5),
        half_right_m=np.full(len(angle), 3.5),
        elevation_m=hill_m * np.sin(2 * angle),
        surface=codes,
        edge_left=codes,
        edge_right=codes,
    )

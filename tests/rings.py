"""Small round tracks, which are driven and painted in no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ghostlap.sim.track.track import Track


def ring(name: str = "ring", radius_m: float = 20.0, width_m: float = 8.0) -> Track:
    """A flat round track, driven counterclockwise."""
    points = 60
    angle = 2 * np.pi * np.arange(points) / points
    half = np.full(points, width_m / 2)
    codes = np.zeros(points, np.uint8)
    return Track(
        name=name,
        theme="circuit",
        markings="white_edges",
        points_m=radius_m * np.stack([np.cos(angle), np.sin(angle)], -1),
        half_left_m=half,
        half_right_m=half,
        elevation_m=np.zeros(points),
        surface=codes,
        edge_left=codes,
        edge_right=codes,
    )


def ring_file(folder: Path, radius_m: float = 30.0) -> str:
    """The path of a file with such a track in it, by which other processes can name it."""
    path = folder / "ring.csv"
    points_m = ring(radius_m=radius_m).points_m
    rows = "".join(f"{x_m:.4f},{y_m:.4f},4,4\n" for x_m, y_m in points_m)
    path.write_text("x_m,y_m,w_tr_right_m,w_tr_left_m\n" + rows)
    return str(path)

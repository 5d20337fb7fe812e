"""Draw docs/simulator.jpg: frames of Udacity's simulator above, of the embedded one below.

python tools/contact_sheet.py UDACITY_LAKE_RECORDING UDACITY_JUNGLE_RECORDING docs/simulator.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.data.formats.readers import read_recording
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.world import World

REAL_FRAMES = {"lake": (10, 705, 745, 1240, 2000), "jungle": (0, 318, 636, 742, 1060)}
"""Of the recordings, one of each kind of place."""
OUR_PLACES_M = {"lake": (1060, 728, 770, 118, 520), "jungle": (60, 120, 250, 450, 650)}
"""Distances along our tracks where it looks alike."""


def main(lake: str, jungle: str, out: str) -> None:
    rows = []
    for name, folder in (("lake", lake), ("jungle", jungle)):
        rows += [real_row(Path(folder), REAL_FRAMES[name]), our_row(name, OUR_PLACES_M[name])]
    sheet = np.concatenate(rows, 0)
    cv2.imwrite(out, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


def real_row(folder: Path, frames: tuple[int, ...]) -> NDArray[np.uint8]:
    paths = read_recording(folder).frames["center"]
    return np.concatenate([read_rgb(paths.iloc[frame]) for frame in frames], 1)


def our_row(name: str, places_m: tuple[int, ...]) -> NDArray[np.uint8]:
    track = track_named(name)
    aside_m = -2.0 if track.markings == "two_lanes" else 0.0
    starts = [Start(s_m=float(place), cte_m=aside_m) for place in places_m]
    world = World(track, FIXED[track.theme], starts)
    return np.concatenate(list(world.frames()[:, 0]), 1)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Materials of road and ground: two colours each, and a pattern that runs between them."""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from ghostlap.sim.scene.conditions import Material
from ghostlap.sim.scene.noise import PATTERN_SIZE, normal, ramp, tile

LEVEL_TEXELS = (0.0, 1.2, 3.0, 8.0)
"""Standard deviation of the Gaussian that smooths each level of detail."""


class Pattern(enum.IntEnum):
    """A texture of one channel."""

    GRAINS = 0
    COBBLES = 1
    BLADES = 2
    SMOOTH = 3


class Substance(NamedTuple):
    """Colours of a material, as fractions of full light, and its pattern."""

    dark: tuple[float, float, float]
    light: tuple[float, float, float]
    pattern: Pattern


def _rgb(red: int, green: int, blue: int) -> tuple[float, float, float]:
    return red / 255, green / 255, blue / 255


SUBSTANCES: dict[Material, Substance] = {
    "asphalt_old": Substance(_rgb(58, 58, 46), _rgb(213, 211, 192), Pattern.GRAINS),
    "asphalt_new": Substance(_rgb(52, 53, 56), _rgb(118, 118, 120), Pattern.GRAINS),
    "asphalt_jungle": Substance(_rgb(118, 115, 111), _rgb(192, 190, 184), Pattern.GRAINS),
    "concrete": Substance(_rgb(158, 155, 146), _rgb(212, 208, 198), Pattern.SMOOTH),
    "dirt": Substance(_rgb(148, 98, 56), _rgb(206, 160, 104), Pattern.SMOOTH),
    "gravel": Substance(_rgb(96, 92, 86), _rgb(214, 208, 198), Pattern.GRAINS),
    "sand": Substance(_rgb(190, 164, 112), _rgb(232, 212, 164), Pattern.SMOOTH),
    "snow": Substance(_rgb(214, 220, 230), _rgb(250, 252, 255), Pattern.SMOOTH),
    "dry_grass": Substance(_rgb(146, 128, 58), _rgb(240, 220, 148), Pattern.BLADES),
    "grass": Substance(_rgb(48, 58, 20), _rgb(132, 140, 70), Pattern.BLADES),
}
COBBLES = Substance(_rgb(104, 84, 70), _rgb(244, 228, 204), Pattern.COBBLES)
ROCK: dict[str, Substance] = {
    "lake": Substance(_rgb(128, 122, 84), _rgb(214, 206, 158), Pattern.BLADES),
    "jungle": Substance(_rgb(34, 38, 26), _rgb(140, 138, 98), Pattern.BLADES),
    "circuit": Substance(_rgb(110, 112, 76), _rgb(190, 184, 150), Pattern.BLADES),
}


@lru_cache(maxsize=4)
def patterns(seed: int) -> NDArray[np.uint8]:
    """All patterns at all levels of detail.

    Returns:
        ``uint8``, shape ``(patterns, levels, 256, 256)``: rows along the road, columns across it;
        0 is the dark colour of a substance, 255 the light one.
    """
    draw = np.random.default_rng([seed, 5])
    made = _grains(draw), _cobbles(draw), _blades(draw), _smooth(draw)  # in Pattern's order
    levels = [[gaussian_filter(finest, t, mode="wrap") for t in LEVEL_TEXELS] for finest in made]
    return (np.clip(levels, 0, 1) * 255).astype(np.uint8)


def _grains(draw: np.random.Generator) -> NDArray[np.float32]:
    """Stones in tar: mostly even, with bright specks."""
    specks = ramp(0.8, 2.6, tile(draw, 0.8))
    coarse = tile(draw, 1.5) * 0.10 + tile(draw, 5) * 0.06
    wide = tile(draw, 14) * 0.035
    return np.asarray(0.45 + coarse + wide + 0.45 * specks, np.float32)


def _cobbles(draw: np.random.Generator) -> NDArray[np.float32]:
    """Stones with pale joints: cells around jittered points, joints where two are as near."""
    per_side, size = 26, PATTERN_SIZE
    spacing = size / per_side
    points = np.stack(np.meshgrid(np.arange(per_side), np.arange(per_side)), -1).reshape(-1, 2)
    centres = (points + 0.5 + draw.uniform(-0.33, 0.33, points.shape)) * spacing
    shifts = np.array([(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]) * size
    every = (centres + shifts[:, None]).reshape(-1, 2)
    owner = np.full((3 * size, 3 * size), -1)
    # The nearest point of each texel, through a distance transform of the points.
    seeds = np.ones((3 * size, 3 * size), bool)
    at = (every + size).astype(int)
    keep = ((at >= 0) & (at < 3 * size)).all(1)
    seeds[at[keep, 1], at[keep, 0]] = False
    owner[at[keep, 1], at[keep, 0]] = np.arange(len(every))[keep] % len(centres)
    nearest = distance_transform_edt(seeds, return_distances=False, return_indices=True)
    cells = owner[nearest[0], nearest[1]]
    joint = (cells != np.roll(cells, 1, 0)) | (cells != np.roll(cells, 1, 1))
    joint = gaussian_filter(joint.astype(np.float32), 0.8)[size : 2 * size, size : 2 * size]
    shade = draw.uniform(0.22, 0.80, len(centres))[cells[size : 2 * size, size : 2 * size]]
    rough = 0.05 * tile(draw, 1.2)
    return np.asarray(np.clip(shade + rough, 0, 1) * (1 - joint) + joint, np.float32)


def _blades(draw: np.random.Generator) -> NDArray[np.float32]:
    rough = tile(draw, 1.5) * 0.10 + tile(draw, 6) * 0.09
    return np.asarray(0.5 + rough, np.float32)


def _smooth(draw: np.random.Generator) -> NDArray[np.float32]:
    rough = tile(draw, 1.0) * 0.07 + tile(draw, 9) * 0.11
    return np.asarray(0.5 + rough + 0.05 * normal(tile(draw, 30)), np.float32)

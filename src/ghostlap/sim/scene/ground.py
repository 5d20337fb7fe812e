"""The colour of the land, lit: material by slope and height, sun, and cast shadows."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.sim.scene.conditions import Conditions
from ghostlap.sim.scene.materials import ROCK, SUBSTANCES, Substance
from ghostlap.sim.scene.noise import Grid, field, ramp
from ghostlap.sim.scene.terrain import Terrain, beside_road
from ghostlap.sim.track.track import Edge, Track

AMBIENT = 0.56
"""Share of full light that comes from the whole sky."""
SKY_LIGHT = np.array((0.86, 0.98, 1.2), np.float32)
"""Colour of the sky's light, which shadows have: bluish."""
_WATER = np.array((0.65, 0.76, 0.84), np.float32)
_SHADOW_REACH_M = 90.0


def sun_direction(conditions: Conditions) -> NDArray[np.float64]:
    """Unit vector to the sun: east, north, up."""
    azimuth = math.radians(conditions.sun_azimuth_deg)
    elevation = math.radians(conditions.sun_elevation_deg)
    flat = math.cos(elevation)
    return np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])


def land_shadow(terrain: Terrain, conditions: Conditions) -> Grid:
    """Share of the sun that the land itself hides at each cell, 0 to 1.

    Land hides the sun where, at some distance towards it, it stands above the line to the sun;
    computed on every second cell.
    """
    coarse = cv2.resize(terrain.height_m, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cell_m = terrain.cell_m * 2
    east, north, up = sun_direction(conditions)
    flat = math.hypot(east, north)
    hidden = np.zeros(coarse.shape, np.float32)
    distance_m = 2 * cell_m
    while distance_m < _SHADOW_REACH_M:
        shift = (distance_m * east / flat / cell_m, distance_m * north / flat / cell_m)
        moved = cv2.warpAffine(
            coarse,
            np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32),
            (coarse.shape[1], coarse.shape[0]),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        above_m = moved - coarse - distance_m * up / flat
        np.maximum(hidden, np.clip(above_m / 0.6, 0, 1), out=hidden)
        distance_m *= 1.12
    full = (terrain.height_m.shape[1], terrain.height_m.shape[0])
    return np.asarray(cv2.resize(hidden, full, interpolation=cv2.INTER_LINEAR), np.float32)


def sunlight(terrain: Terrain, conditions: Conditions) -> Grid:
    """Light of the unhidden sun on each cell's slope, from 0 to 1.35; 1 on flat land."""
    slope_y, slope_x = np.gradient(terrain.height_m, np.float32(terrain.cell_m))
    east, north, up = sun_direction(conditions)
    facing = (up - slope_x * east - slope_y * north) / np.sqrt(1 + slope_x**2 + slope_y**2)
    return np.clip(facing / max(float(up), 0.2), 0, 1.35).astype(np.float32)


def lit(colour: NDArray[np.float32], sun: Grid, shadow: Grid, depth: float) -> NDArray[np.float32]:
    """Colours ``(rows, columns, 3)`` under sun and sky."""
    direct = (sun * (1 - shadow))[..., None]
    return colour * ((1 - depth) * AMBIENT * 2.2 * SKY_LIGHT * (1 - direct) + direct)


def ground_colours(
    track: Track, terrain: Terrain, conditions: Conditions, shadow: Grid
) -> NDArray[np.uint8]:
    """The lit ground, seen from above.

    Args:
        shadow: share of the sun that land and props hide, 0 to 1, of the terrain's shape.

    Returns:
        ``uint8``, shape ``(rows, columns, 4)``: red, green, blue of the land beside the road, and
        255 for full sun down to 0 for full shadow.
    """
    draw = np.random.default_rng([conditions.texture_seed, 11])
    shape = terrain.height_m.shape
    wide = field(draw, shape, 18 / terrain.cell_m)
    middle = field(draw, shape, 4 / terrain.cell_m)
    fine = field(draw, shape, 1.2 / terrain.cell_m)
    verge = SUBSTANCES[conditions.verge]
    colour = _between(verge, 0.5 + 0.22 * wide + 0.12 * middle + 0.06 * fine)

    slope_y, slope_x = np.gradient(terrain.height_m, np.float32(terrain.cell_m))
    steep = ramp(0.5, 0.95, np.hypot(slope_x, slope_y) + 0.1 * middle)
    rock = _between(ROCK[track.theme], 0.5 + 0.4 * fine + 0.2 * middle)
    colour += (rock - colour) * steep[..., None]
    dirt = _dirt(track, terrain, 0.5 * middle)
    earth = _between(SUBSTANCES["dirt"], 0.55 + 0.2 * fine + 0.12 * middle)
    colour += (earth - colour) * dirt[..., None]

    colour = lit(colour, sunlight(terrain, conditions), shadow, conditions.shadow_depth)
    wet = ramp(0.0, 0.12, terrain.water_m)[..., None]
    colour += (_WATER * (1 + 0.02 * middle[..., None]) - colour) * wet
    packed = np.empty((*shape, 4), np.uint8)
    packed[..., :3] = np.clip(colour, 0, 1) * 255
    packed[..., 3] = (1 - np.clip(shadow, 0, 1)) * 255
    return packed


def _between(substance: Substance, share: Grid) -> NDArray[np.float32]:
    dark, light = np.array(substance.dark, np.float32), np.array(substance.light, np.float32)
    return dark + (light - dark) * np.clip(share, 0, 1)[..., None]


def _dirt(track: Track, terrain: Terrain, rough: Grid) -> Grid:
    """Share of bare earth at each cell: at edges of dirt, and a little along the lake's road."""
    _, _, beyond_m, edge = beside_road(track, terrain.distance_m, terrain.arc_m)
    wide = ramp(8.0, 5.5, beyond_m + rough) * (edge == Edge.DIRT)
    narrow = ramp(3.6, 2.2, beyond_m + rough) * (0.75 if track.theme == "lake" else 0.0)
    return np.maximum(wide, narrow).astype(np.float32)

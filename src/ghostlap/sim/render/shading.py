"""What the renderer's kernels are told, and what all shading is made of; sky, hills and haze."""
# Warp compiles these functions from their source: no `from __future__ import annotations` here.

from typing import Any

import warp as wp

SKY_TOP = wp.constant(wp.vec3(0.48, 0.61, 0.83))
SKY_LOW = wp.constant(wp.vec3(0.68, 0.83, 0.99))
JUNGLE_SKY_TOP = wp.constant(wp.vec3(0.26, 0.38, 0.62))
JUNGLE_SKY_LOW = wp.constant(wp.vec3(0.66, 0.75, 0.86))
HAZE = wp.constant(wp.vec3(0.72, 0.78, 0.84))


@wp.struct
class Land:
    """The grids of a :class:`ghostlap.sim.scene.scenery.Scene` on the device."""

    height: wp.array2d(dtype=float)
    distance: wp.array2d(dtype=float)
    arc: wp.array2d(dtype=float)
    ground: wp.array2d(dtype=wp.uint32)
    stations: wp.array2d(dtype=float)
    patterns: wp.array(dtype=wp.uint8, ndim=4)
    horizon: wp.array(dtype=wp.vec2)
    strokes: wp.array2d(dtype=float)
    per_cell: float
    x0: float
    y0: float
    last_column: float
    last_row: float
    highest: float
    stations_per_m: float
    dark: wp.vec3
    light: wp.vec3
    bridge_dark: wp.vec3
    bridge_light: wp.vec3
    road_pattern: int
    verge_pattern: int
    sun: wp.vec3
    shadow: wp.vec3
    shoulder: int
    theme: int
    gain: wp.vec3
    haze_per_m: float


@wp.struct
class Optics:
    """The camera, in pixels of the whole picture."""

    focal: float
    horizon: float
    height_m: float
    middle: float
    width: int
    first_row: int
    end_row: int


@wp.func
def unpacked(c: wp.uint32):
    return (
        wp.vec4(
            float(c & wp.uint32(255)),
            float((c >> wp.uint32(8)) & wp.uint32(255)),
            float((c >> wp.uint32(16)) & wp.uint32(255)),
            float(c >> wp.uint32(24)),
        )
        * 0.00392156862745098
    )


@wp.func
def band(x: float, low: float, high: float, footprint: float):
    """Share of a footprint around ``x`` that lies between ``low`` and ``high``."""
    covered = wp.min(high, x + footprint * 0.5) - wp.max(low, x - footprint * 0.5)
    return wp.clamp(covered / footprint, 0.0, 1.0)


@wp.func
def stripes(x: float, period: float, share: float, footprint: float):
    """Share of a footprint around ``x`` within bands that cover ``share`` of each period."""
    phase = x / period
    phase = phase - wp.floor(phase)
    wide = wp.min(footprint / period, 1.0)
    return band(phase, 0.0, share, wide) + band(phase, 1.0, 1.0 + share, wide)


@wp.func
def mixed(a: Any, b: Any, share: float):
    return a + (b - a) * share


@wp.func
def hazed(land: Land, colour: wp.vec3, distance: float):
    g = distance * land.haze_per_m
    g = g * g
    return mixed(colour, HAZE, wp.min(0.85, 1.6 * g / (1.0 + g)))


@wp.func
def grain(land: Land, pattern: int, across: float, along: float, texels: float):
    """The brightness of a pattern at a place in metres, for a footprint in texels."""
    level = int(0)
    if texels > 1.6:
        level = 1
    if texels > 4.5:
        level = 2
    if texels > 16.0:
        level = 3
    row = int(wp.floor(along * 16.0)) & 255
    column = int(wp.floor(across * 36.0)) & 255
    return float(land.patterns[pattern, level, row, column]) * 0.00392156862745098


@wp.func
def hills_at(land: Land, azimuth: float):
    """Rise of the far and of the nearer hills above the horizon at an azimuth."""
    bins = land.horizon.shape[0]
    at = azimuth * (float(bins) * 0.15915494309189535)
    k = int(at)
    return mixed(land.horizon[k % bins], land.horizon[(k + 1) % bins], at - float(k))


@wp.func
def sky(land: Land, hills: wp.vec2, rise: float, per_pixel: float):
    """Colour seen ``rise`` above the horizon: of far hills, or of the sky above them."""
    blue = wp.clamp(rise * 2.2, 0.0, 1.0)
    colour = mixed(SKY_LOW, SKY_TOP, blue)
    far = wp.vec3(0.56, 0.63, 0.64)
    near = wp.vec3(0.42, 0.47, 0.40)
    if land.theme == 1:
        colour = mixed(JUNGLE_SKY_LOW, JUNGLE_SKY_TOP, blue)
        far = wp.vec3(0.20, 0.24, 0.20)
        near = wp.vec3(0.13, 0.17, 0.10)
    colour = mixed(colour, far, wp.clamp((hills[0] - rise) / per_pixel + 0.5, 0.0, 1.0))
    return mixed(colour, near, wp.clamp((hills[1] - rise) / per_pixel + 0.5, 0.0, 1.0))

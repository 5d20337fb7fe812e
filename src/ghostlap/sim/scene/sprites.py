"""Sprites: the props' pictures, painted from a seed.

All are lit from the right; the renderer mirrors them when the sun stands on the left.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 128, 64
Picture = NDArray[np.float32]
"""Red, green, blue, opacity in [0, 1], shape ``(128, 64, 4)``."""


class Sprite(enum.IntEnum):
    """The look of a prop."""

    PINE_SLIM = 0
    PINE_TALL = 1
    PINE_WIDE = 2
    PINE_AUTUMN = 3
    BUSH = 4
    PALM_LEFT = 5
    PALM_RIGHT = 6
    BOULDER = 7
    POST = 8
    PYLON = 9
    SIGN = 10
    JUNGLE_TREE = 11
    WHITE_CAR = 12
    RED_CAR = 13
    BLUE_CAR = 14
    BLACK_CAR = 15


@lru_cache(maxsize=4)
def sprites(seed: int) -> NDArray[np.uint8]:
    """All sprites, ``uint8``, shape ``(sprites, 128, 64, 4)``, in the order of :class:`Sprite`."""
    draw = np.random.default_rng([seed, 23])
    green, olive = (0.36, 0.40, 0.16), (0.50, 0.46, 0.17)
    painted = {
        Sprite.PINE_SLIM: _pine(draw, green, crown_from=0.10, crown_to=0.62, reach=13),
        Sprite.PINE_TALL: _pine(draw, green, crown_from=0.05, crown_to=0.50, reach=19),
        Sprite.PINE_WIDE: _pine(draw, green, crown_from=0.05, crown_to=0.72, reach=24),
        Sprite.PINE_AUTUMN: _pine(draw, olive, crown_from=0.06, crown_to=0.66, reach=18),
        Sprite.BUSH: _bush(draw),
        Sprite.PALM_LEFT: _palm(draw, lean=-9),
        Sprite.PALM_RIGHT: _palm(draw, lean=10),
        Sprite.BOULDER: _boulder(draw),
        Sprite.POST: _post(),
        Sprite.PYLON: _pylon(),
        Sprite.SIGN: _sign(),
        Sprite.JUNGLE_TREE: _pine(draw, (0.16, 0.2, 0.1), crown_from=0.02, crown_to=0.92, reach=13),
        Sprite.WHITE_CAR: _car((0.86, 0.87, 0.88)),
        Sprite.RED_CAR: _car((0.66, 0.10, 0.10)),
        Sprite.BLUE_CAR: _car((0.12, 0.22, 0.52)),
        Sprite.BLACK_CAR: _car((0.10, 0.10, 0.12)),
    }
    stack = np.stack([painted[sprite] for sprite in Sprite])
    return (np.clip(stack, 0, 1) * 255).astype(np.uint8)


def _empty() -> Picture:
    return np.zeros((ROWS, COLUMNS, 4), np.float32)


def _pine(
    draw: np.random.Generator,
    leaf: tuple[float, float, float],
    crown_from: float,
    crown_to: float,
    reach: float,
) -> Picture:
    """A trunk and clumps of needles; ``crown_from`` and ``crown_to`` are shares of the height."""
    picture = _empty()
    sway = draw.uniform(-3, 3)
    trunk = [(30, 128), (34, 128), (33 + sway, 12), (31 + sway, 12)]
    _fill(picture, trunk, (0.22, 0.16, 0.10))
    for height in np.sort(draw.uniform(crown_from, crown_to, 34)):
        share = (height - crown_from) / (crown_to - crown_from)
        wide = reach * (0.30 + 0.85 * np.sin(np.pi * min(1.0, 0.12 + 0.8 * share)) ** 0.7)
        x = 32 + sway * (1 - height) + draw.uniform(-1, 1) * wide * 0.75
        _clump(picture, draw, x, height * ROWS, draw.uniform(4, 8), leaf, wide)
    return picture


def _clump(
    picture: Picture,
    draw: np.random.Generator,
    x: float,
    y: float,
    radius: float,
    leaf: tuple[float, float, float],
    reach: float,
) -> None:
    """One ragged clump of leaves: light where it faces up and right, dark below and left."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    across, down = (columns - x) / radius, (rows - y) / (radius * 0.7)
    ragged = across**2 + down**2 + 0.5 * draw.standard_normal((ROWS, COLUMNS))
    where = ragged < 1
    side = (columns - 32) / max(reach, 1.0)
    light = 0.62 + 0.42 * across - 0.38 * down + 0.55 * side
    light = np.clip(light * draw.uniform(0.8, 1.15), 0.22, 1.75)[..., None]
    picture[..., :3][where] = (np.array(leaf, np.float32) * light)[where]
    picture[..., 3][where] = 1


def _bush(draw: np.random.Generator) -> Picture:
    picture = _empty()
    for _ in range(46):
        x, y = draw.uniform(6, 58), draw.uniform(44, 122)
        if abs(x - 32) / 30 + (122 - y) / 95 < 1.05:
            _clump(picture, draw, x, y, draw.uniform(5, 11), (0.27, 0.30, 0.11), 28)
    return picture


def _palm(draw: np.random.Generator, lean: float) -> Picture:
    picture = _empty()
    top = (32 + lean, 34.0)
    for share in np.linspace(0, 1, 60):
        x, y = 32 - lean * 0.4 + (top[0] - 32 + lean * 0.4) * share**1.6, 127 - share * (127 - 34)
        light = 0.18 + 0.05 * float(draw.random())
        spot = [(x - 1.6, y - 2), (x + 1.6, y - 2), (x + 1.6, y + 2), (x - 1.6, y + 2)]
        _fill(picture, spot, (light + 0.05, light, light * 0.6))
    for angle in np.linspace(-0.25, np.pi + 0.25, 11):
        length, droop = draw.uniform(22, 31), draw.uniform(10, 20)
        shade = 0.75 + 0.5 * np.cos(angle)
        leaf = np.array((0.22, 0.26, 0.08)) * shade + np.array((0.10, 0.10, 0.02))
        for share in np.linspace(0.05, 1, 26):
            x = top[0] + np.cos(angle) * length * share
            y = top[1] - np.sin(angle) * length * 0.75 * share + droop * share**2
            half = 3.6 * (1 - share) + 1.2
            ragged = draw.uniform(0.6, 1.3) * half
            spot = [
                (x - 1.1, y - half * 0.5),
                (x + 1.1, y - half * 0.5),
                (x + 1, y + ragged),
                (x - 1, y + ragged),
            ]
            _fill(picture, spot, tuple(leaf * draw.uniform(0.7, 1.25)))
    return picture


def _boulder(draw: np.random.Generator) -> Picture:
    picture = _empty()
    rows, columns = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    across, down = (columns - 32) / 31, (rows - 118) / 104
    wave = 0.08 * np.cos(3 * np.arctan2(down, across) + draw.uniform(0, 6))
    where = (across**2 + down**2 < 0.9 + wave) & (rows > 12)
    light = np.clip(0.34 - 0.34 * down + 0.20 * across, 0.08, 1)
    light = light * (1 + 0.12 * draw.standard_normal((ROWS, COLUMNS)))
    picture[..., :3][where] = (light[..., None] * np.array((0.70, 0.66, 0.56)))[where]
    picture[..., 3][where] = 1
    return picture


def _post() -> Picture:
    """A guard post: white, with a red and white board."""
    picture = _empty()
    _fill(picture, [(24, 127), (34, 127), (34, 10), (24, 10)], (0.72, 0.74, 0.76))
    _fill(picture, [(34, 127), (38, 127), (38, 10), (34, 10)], (0.46, 0.48, 0.52))
    _fill(picture, [(4, 22), (60, 22), (60, 2), (4, 2)], (0.92, 0.9, 0.9))
    _fill(picture, [(4, 18), (60, 18), (60, 12), (4, 12)], (0.80, 0.22, 0.24))
    _fill(picture, [(4, 7), (60, 7), (60, 2), (4, 2)], (0.80, 0.22, 0.24))
    return picture


def _pylon() -> Picture:
    """A lattice mast with three cross arms."""
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    for side in (-1, 1):
        cv2.line(mask, (32 + side * 14, 127), (32 + side * 3, 4), 255, 1)
    for y in range(124, 8, -10):
        wide, narrow = 14 * y / 127 + 2, 14 * max(y - 10, 0) / 127 + 2
        cv2.line(mask, (int(32 - wide), y), (int(32 + narrow), y - 10), 255, 1)
        cv2.line(mask, (int(32 + wide), y), (int(32 - narrow), y - 10), 255, 1)
    for y, arm in ((10, 16), (24, 26), (40, 20)):
        cv2.line(mask, (32 - arm, y), (32 + arm, y), 255, 1)
        cv2.line(mask, (32 - arm, y), (32, y - 6), 255, 1)
        cv2.line(mask, (32 + arm, y), (32, y - 6), 255, 1)
    picture = _empty()
    picture[mask > 0] = (0.22, 0.31, 0.45, 1)
    return picture


def _sign() -> Picture:
    picture = _empty()
    _fill(picture, [(29, 127), (35, 127), (35, 40), (29, 40)], (0.24, 0.16, 0.10))
    _fill(picture, [(6, 62), (58, 62), (58, 10), (6, 10)], (0.84, 0.80, 0.72))
    _fill(picture, [(6, 44), (58, 44), (58, 26), (6, 26)], (0.76, 0.24, 0.18))
    return picture


def _car(paint: tuple[float, float, float]) -> Picture:
    """A car from behind: wheels, body, rear window, lights, number plate."""
    picture = _empty()
    red, green, blue = paint
    body, dark = (red, green, blue), (0.7 * red, 0.7 * green, 0.7 * blue)
    for left in (6, 46):
        _fill(picture, [(left, 127), (left + 12, 127), (left + 12, 100), (left, 100)], (0.06,) * 3)
    _fill(picture, [(10, 62), (54, 62), (47, 6), (17, 6)], body)
    _fill(picture, [(15, 56), (49, 56), (44, 14), (20, 14)], (0.16, 0.19, 0.23))
    _fill(picture, [(2, 114), (62, 114), (60, 60), (4, 60)], body)
    _fill(picture, [(2, 117), (62, 117), (62, 100), (2, 100)], dark)
    for left in (4, 49):
        _fill(
            picture, [(left, 80), (left + 10, 80), (left + 10, 66), (left, 66)], (0.75, 0.1, 0.08)
        )
    _fill(picture, [(24, 92), (40, 92), (40, 82), (24, 82)], (0.88, 0.88, 0.80))
    return picture


def _fill(
    picture: Picture, corners: Sequence[tuple[float, float]], colour: tuple[float, ...]
) -> None:
    """Fill a polygon of ``(column, row)`` corners."""
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(corners)).astype(np.int32)], 1)
    picture[mask > 0] = (*colour, 1)

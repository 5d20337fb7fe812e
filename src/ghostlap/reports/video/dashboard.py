"""The strip at the bottom of a picture: steering wheel, steering and speed in figures."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ghostlap.data.vision.pictures import Rgb

LOG_COLOUR = (255, 45, 160)
"""Colour of what was steered, by the log."""

PILOT_COLOUR = (0, 225, 255)
"""Colour of what a pilot would steer."""

STRIP_ROWS = 25
"""Of the 160 rows of the simulator's picture, at the bottom; they show the bonnet only."""

WHEEL_TURN_RAD = math.radians(110)
"""Turn of the drawn wheel at full lock."""

_FULL_SPEED_MPH = 30.0
_WHITE, _GREY, _DARK = (255, 255, 255), (150, 155, 165), (14, 16, 22)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_CAPITAL_PX = 21.0
"""Height of a capital letter of the font at scale 1."""
_SUBPIXEL_BITS = 4


def draw_dashboard(
    rgb: Rgb, steering: float | None, speed_mph: float | None, pilot_steering: float | None
) -> None:
    """Draw the strip; in place.

    Args:
        steering: by the log, positive to the right; NaN where it says nothing, None without a log.
        speed_mph: likewise.
        pilot_steering: what a pilot would steer; NaN or None likewise.
    """
    height, width = rgb.shape[:2]
    unit = min(height / 160, width / 320)  # a pixel of the simulator's picture
    strip = rgb[height - round(STRIP_ROWS * unit) :]
    strip[:] = (strip.astype(np.uint16) + 3 * np.array(_DARK, np.uint16)) // 4
    known = [
        (name, value, colour)
        for name, value, colour in (
            ("steering", steering, LOG_COLOUR),
            ("pilot", pilot_steering, PILOT_COLOUR),
        )
        if value is not None
    ]
    if known:
        _wheel(strip, unit, [(value, colour) for _, value, colour in known])
    for line, (name, value, colour) in enumerate(known):
        row = (16.0 if len(known) == 1 else 10.5 + 10 * line) * unit
        _text(strip, 30 * unit, row, name, 6 * unit, colour)
        _text(strip, 104 * unit, row, _signed(value), 6 * unit, _WHITE, right=True)
    if speed_mph is not None:
        _speed(strip, unit, speed_mph)


def _wheel(strip: Rgb, unit: float, marks: list[tuple[float, tuple[int, int, int]]]) -> None:
    """A wheel turned as the first mark says; on its rim a mark for each steering."""
    middle = np.array([14 * unit, 12.5 * unit])
    radius = 9.5 * unit
    turn_rad = _turn_rad(marks[0][0])
    known = math.isfinite(marks[0][0])
    colour = _WHITE if known else _GREY
    thick = max(1, round(2 * unit))
    _circle(strip, middle, radius, colour, thick)
    for spoke_deg in (-90, 90, 180):  # from the top, clockwise
        end = middle + radius * _direction(turn_rad + math.radians(spoke_deg))
        _line(strip, middle, end, colour, thick)
    _circle(strip, middle, 2.2 * unit, colour, cv2.FILLED)
    for value, mark_colour in reversed(marks):  # the log's on top
        if math.isfinite(value):
            towards = _direction(_turn_rad(value))
            inner, outer = middle + 6.8 * unit * towards, middle + 11.4 * unit * towards
            _line(strip, inner, outer, _DARK, max(3, round(4.5 * unit)))
            _line(strip, inner, outer, mark_colour, max(2, round(3 * unit)))


def _speed(strip: Rgb, unit: float, speed_mph: float) -> None:
    width = strip.shape[1] / unit
    text = f"{speed_mph:.1f}" if math.isfinite(speed_mph) else "--"
    _text(strip, (width - 29) * unit, 13 * unit, text, 8 * unit, _WHITE, right=True)
    _text(strip, (width - 8) * unit, 13 * unit, "mph", 5.5 * unit, _GREY, right=True)
    left, right, row = (width - 70) * unit, (width - 8) * unit, 19 * unit
    thick = max(1, round(2 * unit))
    _line(strip, np.array([left, row]), np.array([right, row]), (70, 75, 85), thick)
    if math.isfinite(speed_mph) and speed_mph > 0:
        share = min(speed_mph / _FULL_SPEED_MPH, 1.0)
        end = np.array([left + share * (right - left), row])
        _line(strip, np.array([left, row]), end, _WHITE, thick)


def _turn_rad(steering: float) -> float:
    return WHEEL_TURN_RAD * min(max(steering, -1.0), 1.0) if math.isfinite(steering) else 0.0


def _direction(turn_rad: float) -> np.ndarray:
    """Vector from a wheel's middle to its top, after a clockwise turn."""
    return np.array([math.sin(turn_rad), -math.cos(turn_rad)])


def _signed(steering: float) -> str:
    return f"{steering:+.2f}" if math.isfinite(steering) else "--"


def _text(
    picture: Rgb,
    column: float,
    row: float,
    text: str,
    capital_px: float,
    colour: tuple[int, int, int],
    right: bool = False,
) -> None:
    """Text on a base line, beginning at a column or, with ``right``, ending there."""
    size = capital_px / _FONT_CAPITAL_PX
    thick = max(1, round(capital_px / 9))
    if right:
        column -= cv2.getTextSize(text, _FONT, size, thick)[0][0]
    cv2.putText(picture, text, (round(column), round(row)), _FONT, size, colour, thick, cv2.LINE_AA)


def _circle(
    picture: Rgb, middle: np.ndarray, radius: float, colour: tuple[int, int, int], thick: int
) -> None:
    cv2.circle(
        picture, _fixed_point(middle), round(radius * (1 << _SUBPIXEL_BITS)), colour, thick,
        cv2.LINE_AA, _SUBPIXEL_BITS,
    )  # fmt: skip


def _line(
    picture: Rgb, begin: np.ndarray, end: np.ndarray, colour: tuple[int, int, int], thick: int
) -> None:
    cv2.line(
        picture, _fixed_point(begin), _fixed_point(end), colour, thick, cv2.LINE_AA, _SUBPIXEL_BITS
    )


def _fixed_point(place: np.ndarray) -> tuple[int, int]:
    """A place as OpenCV takes fractions of pixels."""
    column, row = (place * (1 << _SUBPIXEL_BITS)).round().astype(int)
    return int(column), int(row)

"""Small charts as SVG inside the page: drawn for a phone's width, in the page's own colours.

Colours are classes of the page's style sheet, so that a chart is right in light, in dark and on
paper. A chart is about as wide in its own units as a phone is in pixels, so that letters are read
there as they are on a desk.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostlap.base.terminal import in_html
from ghostlap.reports.page import number

WIDTH = 360
_LEFT, _RIGHT, _TOP, _BELOW = 46, 8, 10, 36

Floats = NDArray[np.float64]


class Figure(NamedTuple):
    """A chart and the words around it."""

    svg: str
    title: str
    caption: str = ""
    key: Sequence[tuple[str, str]] = ()
    """What colours mean: pairs of a class of the style sheet and words."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """Values become places in the chart."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, values: ArrayLike) -> Floats:
        share = (np.asarray(values, float) - self.low) / (self.high - self.low)
        return np.asarray(self.begin + share * (self.end - self.begin), float)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values from ``low`` to ``high``."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


class Chart:
    """A chart under construction; marks are drawn in the order in which they are added.

    Args:
        x, y: the lowest and the highest value shown.
        height: in the chart's units, of which it is :data:`WIDTH` wide.
        x_ticks, y_ticks: where there is to be a number; round values by default.
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        x_name: str,
        y_name: str,
        height: int = 210,
        x_ticks: Sequence[float] | None = None,
        y_ticks: Sequence[float] | None = None,
    ) -> None:
        self.height = height
        self.x = Scale(*_wide(x), _LEFT, WIDTH - _RIGHT)
        self.y = Scale(*_wide(y), height - _BELOW, _TOP + 14)
        self._marks: list[str] = []
        self._axes(
            x_name,
            y_name,
            ticks(self.x.low, self.x.high) if x_ticks is None else x_ticks,
            ticks(self.y.low, self.y.high, 4) if y_ticks is None else y_ticks,
        )

    def line(self, x: ArrayLike, y: ArrayLike, kind: str) -> None:
        """A line; it breaks off where a value is NaN."""
        self._marks.append(f'<path class="line {kind}" d="{path(self.x(x), self.y(y))}"/>')

    def points(self, x: ArrayLike, y: ArrayLike, kind: str) -> None:
        """Dots, all in one path."""
        dots = zip(self.x(x), self.y(y), strict=True)
        data = "".join(f"M{_short(px)} {_short(py)}h0" for px, py in dots)
        self._marks.append(f'<path class="dots {kind}" d="{data}"/>')

    def bars(self, edges: Floats, heights: Floats, kind: str, base: Floats | float = 0.0) -> None:
        """A bar between each two edges, from ``base`` on."""
        low = np.broadcast_to(np.asarray(base, float), heights.shape)
        left, right = self.x(edges[:-1]), self.x(edges[1:])
        bottom, top = self.y(low), self.y(low + heights)
        gap = 0.5 if len(heights) < 80 else 0.0
        data = "".join(
            f"M{_short(a + gap)} {_short(b)}V{_short(t)}H{_short(c - gap)}V{_short(b)}z"
            for a, c, b, t, h in zip(left, right, bottom, top, heights, strict=True)
            if h > 0
        )
        self._marks.append(f'<path class="{kind}" d="{data}"/>')

    def stairs(self, edges: Floats, heights: Floats, kind: str) -> None:
        """The outline of a histogram."""
        x = np.repeat(edges, 2)
        y = np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
        self.line(x, y, kind)

    def band(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, kind: str) -> None:
        """The area between two lines."""
        x = np.asarray(x, float)
        outline = path(
            np.concatenate([self.x(x), self.x(x[::-1])]),
            np.concatenate([self.y(low), self.y(np.asarray(high, float)[::-1])]),
        )
        self._marks.append(f'<path class="{kind}" d="{outline}z"/>')

    def level(self, y: float, kind: str, text: str = "") -> None:
        """A line across, with words above its right end."""
        at = float(self.y(y))
        self._marks.append(
            f'<path class="line {kind}" d="M{_LEFT} {_short(at)}H{WIDTH - _RIGHT}"/>'
        )
        if text:
            self.text(WIDTH - _RIGHT, at - 4, text, "end")

    def upright(self, x: float, kind: str, text: str = "", row: int = 0) -> None:
        """A line from bottom to top, with words beside its upper end."""
        at = float(self.x(x))
        begin, end = self.height - _BELOW, _TOP + 6
        self._marks.append(f'<path class="line {kind}" d="M{_short(at)} {begin}V{end}"/>')
        if text:
            left = at > 0.62 * WIDTH
            shift, anchor = (-4, "end") if left else (4, "start")
            self.text(at + shift, _TOP + 12 + 13 * row, text, anchor)

    def text(self, x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> None:
        """Words at a place of the chart."""
        self._marks.append(
            f'<text class="{kind}" x="{_short(x)}" y="{_short(y)}" text-anchor="{anchor}">'
            f"{in_html(text)}</text>"
        )

    def raw(self, mark: str) -> None:
        """A mark in SVG."""
        self._marks.append(mark)

    def svg(self, alt: str) -> str:
        """The chart; ``alt`` says what it shows to those who do not see it."""
        return svg(WIDTH, self.height, self._marks, alt)

    def _axes(
        self, x_name: str, y_name: str, x_ticks: Sequence[float], y_ticks: Sequence[float]
    ) -> None:
        bottom, right = self.height - _BELOW, WIDTH - _RIGHT
        for value, label in zip(y_ticks, labels(y_ticks), strict=True):
            at = float(self.y(value))
            self._marks.append(f'<path class="rule" d="M{_LEFT} {_short(at)}H{right}"/>')
            self.text(_LEFT - 6, at + 4, label, "end", "tick")
        for value, label in zip(x_ticks, labels(x_ticks), strict=True):
            self.text(float(self.x(value)), bottom + 15, label, "middle", "tick")
        self._marks.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
        self.text(right, self.height - 4, x_name, "end", "name")
        self.text(0, _TOP, y_name, "start", "name")


def svg(width: float, height: float, marks: Sequence[str], alt: str, kind: str = "chart") -> str:
    """Marks as a picture that scales with the page."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {_short(width)} {_short(height)}" role="img" '
        f'aria-label="{in_html(alt)}">{"".join(marks)}</svg>'
    )


def path(x: Floats, y: Floats) -> str:
    """The ``d`` of a line through places; NaN breaks it off, and a lone place is a dot."""
    pieces, pen_down = [], False
    for px, py in zip(x, y, strict=True):
        if not (math.isfinite(px) and math.isfinite(py)):
            pen_down = False
            continue
        pieces.append(f"{'L' if pen_down else 'M'}{_short(px)} {_short(py)}")
        pen_down = True
    return "".join(pieces)


def labels(values: Sequence[float]) -> list[str]:
    """Numbers at an axis, all with the decimals that the finest needs."""
    for digits in range(7):
        if all(math.isclose(value, round(value, digits), abs_tol=1e-9) for value in values):
            break
    return [number(value, digits) for value in values]


def _wide(limits: tuple[float, float]) -> tuple[float, float]:
    """Limits that are not the same."""
    low, high = limits
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _short(value: float) -> str:
    """One decimal at most."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text

"""What is painted, laid or built along a road: strokes, each a band along it in one colour.

A line is a stroke, and so are a tyre mark, a seam of tar, a patch of newer asphalt, a kerb, a
pavement and a wall; dashes, stop lines, zebra crossings and arrows are strokes with gaps. A
track's own markings are strokes too; drawn ones know nothing of edges, materials or theme.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ghostlap.sim.track.track import Markings

Paint = tuple[float, float, float]

WHITE, YELLOW, FADED_YELLOW = (0.93, 0.93, 0.91), (0.90, 0.70, 0.12), (0.68, 0.59, 0.22)
RED, BLUE, TAR, STONE = (
    (0.78, 0.20, 0.16),
    (0.20, 0.36, 0.74),
    (0.16, 0.16, 0.17),
    (0.7, 0.69, 0.66),
)


class Stroke(NamedTuple):
    """A band along the road, and beside it up to 2.6 m from its edges."""

    place: float
    """What its sides are measured from, as a share of the half width: 0 is the middle of the road,
    1 its edge, -0.5 the middle of the right half."""
    from_m: float
    to_m: float
    """Its sides: metres outwards, or with ``one_side`` to the left, seen in the track's direction.
    A stroke at the edge is left out where the edge is dirt; with ``from_m`` of 0 or more it lies
    beside the road."""
    paint: Paint = WHITE
    """Red, green and blue in full light."""
    strength: float = 1.0
    """Share of the ground that it covers."""
    one_side: bool = False
    """Only where ``place`` says, not mirrored."""
    period_m: float = 0.0
    """Distance from one dash to the next; 0 for a stroke without gaps."""
    painted: float = 1.0
    """Share of the period that a dash takes."""
    shift_m: float = 0.0
    """Moves the dashes towards the start of the lap."""
    taper: float = 0.0
    """Share of its width that a dash loses from its begin to its end: 1 for an arrow's head."""
    wear: float = 0.0
    """Share of it that is worn off, in patches."""
    joined: bool = False
    """Whether it is one coat with the next stroke: where they meet, the shares are added."""
    rise_m: float = 0.0
    """How high it stands where it lies beside the road: a wall, or a barrier."""

    @property
    def is_beside(self) -> bool:
        """Whether it lies beside the road."""
        return self.place == 1 and self.from_m >= 0


OWN: dict[Markings, tuple[Stroke, ...]] = {
    "double_yellow": (
        Stroke(1, -0.38, -0.23, FADED_YELLOW, joined=True),
        Stroke(1, -0.62, -0.50, FADED_YELLOW, strength=0.5),
    ),
    "two_lanes": (
        Stroke(0, -0.10, 0.10, one_side=True, period_m=6.5, painted=0.55, joined=True),
        Stroke(1, -0.30, -0.12),
    ),
    "white_edges": (Stroke(1, -0.32, -0.17),),
}
"""A track's own markings."""

ARRAY_COLUMNS = 16


def as_array(strokes: Iterable[Stroke]) -> NDArray[np.float32]:
    """Strokes as the renderer's kernel reads them, shape ``(strokes, 16)``."""
    rows = [
        (s.place, s.from_m, s.to_m, *s.paint, s.strength, s.one_side, s.period_m, s.painted,
         s.shift_m, s.taper, s.wear, s.joined, s.is_beside, s.place == 1)
        for s in strokes
    ]  # fmt: skip
    return np.array(rows, np.float32).reshape(-1, ARRAY_COLUMNS)


def drawn_strokes(draw: np.random.Generator, lined: bool) -> tuple[Stroke, ...]:
    """Strokes of every kind, each by its own chance; with ``lined`` lines at the edges for sure."""
    strokes: list[Stroke] = []
    if draw.random() < 0.45:
        strokes += _asphalt(draw)
    if lined or draw.random() < 0.6:
        inset_m, width_m = draw.uniform(0.02, 0.6), draw.uniform(0.08, 0.25)
        strokes += _line(draw, 1, -inset_m - width_m, -inset_m, sound=lined)
    if draw.random() < 0.55:
        half_m = draw.uniform(0.05, 0.13)
        strokes += _line(draw, 0, -half_m, half_m, one_side=True)
    if draw.random() < 0.25:
        half_m = draw.uniform(0.05, 0.12)
        strokes += _line(draw, float(draw.choice([1 / 3, 0.5, 0.25, 2 / 3])), -half_m, half_m)
    if draw.random() < 0.15:
        half_m = draw.uniform(0.05, 0.15)
        strokes += _line(draw, draw.uniform(-0.8, 0.8), -half_m, half_m, one_side=True)
    if draw.random() < 0.35:
        strokes += _across(draw)
    if draw.random() < 0.45:
        strokes += _beside(draw)
    return tuple(Stroke(*map(_plain, stroke)) for stroke in strokes)


def _plain(value: Any) -> Any:
    """A value as Python's own, which JSON has."""
    return value.item() if isinstance(value, np.generic) else value


def _paint(draw: np.random.Generator) -> Paint:
    chosen = draw.choice([WHITE, YELLOW, FADED_YELLOW, RED, BLUE], p=(0.42, 0.24, 0.14, 0.1, 0.1))
    red, green, blue = map(float, np.clip(chosen * np.exp(draw.normal(0, 0.1, 3)), 0, 1))
    return red, green, blue


def _line(
    draw: np.random.Generator, place: float, from_m: float, to_m: float, one_side: bool = False,
    sound: bool = False,
) -> list[Stroke]:  # fmt: skip
    """A line in a colour: solid, dashed, double, or solid beside dashed; perhaps worn."""
    style = "solid" if sound else draw.choice(["solid", "dashed", "double", "solid beside dashed"])
    worn = not sound and draw.random() < 0.35
    line = Stroke(
        place, from_m, to_m, _paint(draw), one_side=one_side,
        wear=draw.uniform(0.2, 0.75) if worn else 0.0,
    )  # fmt: skip
    dashed = line._replace(
        period_m=draw.uniform(3, 18), painted=draw.uniform(0.3, 0.7), shift_m=draw.uniform(0, 9)
    )
    aside_m = (to_m - from_m) * draw.uniform(2, 3)
    other = (solid := line if style == "double" else dashed)._replace(
        from_m=from_m - aside_m, to_m=to_m - aside_m
    )
    return {"solid": [line], "dashed": [dashed], "double": [solid, other]}.get(style, [line, other])


def _asphalt(draw: np.random.Generator) -> list[Stroke]:
    """Patches, seams of tar, and the marks of tyres."""
    strokes = []
    for _ in range(draw.integers(1, 4)):
        kind, at_m = draw.integers(3), draw.uniform(-3, 3)
        tar = Stroke(
            0, at_m, at_m, TAR, one_side=True, period_m=draw.uniform(15, 90),
            shift_m=draw.uniform(0, 90), wear=draw.uniform(0, 0.4),
        )  # fmt: skip
        if kind == 0:
            strokes.append(
                tar._replace(
                    to_m=at_m + draw.uniform(0.5, 3), painted=draw.uniform(0.03, 0.4),
                    strength=draw.uniform(0.2, 0.8), wear=0.0,
                    paint=TAR if draw.random() < 0.7 else STONE,
                )
            )  # fmt: skip
        elif kind == 1:
            strokes.append(tar._replace(to_m=at_m + 0.07, painted=draw.uniform(0.3, 1)))
        else:
            strokes += [
                tar._replace(
                    from_m=at_m + wheel_m - 0.13, to_m=at_m + wheel_m + 0.13,
                    painted=draw.uniform(0.3, 1), strength=draw.uniform(0.15, 0.5),
                )
                for wheel_m in (-0.75, 0.75)
            ]  # fmt: skip
    return strokes


def _across(draw: np.random.Generator) -> list[Stroke]:
    """Stop lines, zebra crossings or arrows, every so many metres."""
    paint, period_m = _paint(draw), draw.uniform(40, 160)
    dash = Stroke(0, -30, 30, paint, one_side=True, period_m=period_m, wear=draw.uniform(0, 0.3))
    kind = draw.integers(3)
    if kind == 0:
        side_m = draw.choice([-30.0, 0.0])
        dash = dash._replace(from_m=side_m, to_m=draw.choice([side_m + 30, 30.0]))
        return [dash._replace(painted=draw.uniform(0.3, 0.6) / period_m)]
    if kind == 1:
        painted, width_m = draw.uniform(2, 4) / period_m, draw.uniform(0.4, 0.6)
        return [
            dash._replace(from_m=at * 2 * width_m, to_m=(at * 2 + 1) * width_m, painted=painted)
            for at in range(-7, 7)
        ]
    place, one_side = draw.choice([0.0, 0.5, -0.5]), bool(draw.random() < 0.5)
    shaft = dash._replace(
        place=place, from_m=-0.08, to_m=0.08, one_side=one_side or place <= 0, painted=3 / period_m
    )
    head = shaft._replace(
        from_m=-0.4, to_m=0.4, taper=1.0, painted=1.8 / period_m, shift_m=period_m - 3
    )
    return [shaft, head]


def _beside(draw: np.random.Generator) -> list[Stroke]:
    """A gutter, a kerb of stones of one colour or two, and a pavement; each perhaps."""
    at_m, strokes = 0.0, []
    if draw.random() < 0.4:
        width_m = draw.uniform(0.15, 0.4)
        strokes.append(Stroke(1, 0.0, width_m, TAR, strength=draw.uniform(0.4, 1)))
        at_m = width_m
    if draw.random() < 0.7:
        width_m = draw.uniform(0.15, 1.1)
        kerb = Stroke(1, at_m, at_m + width_m, STONE if draw.random() < 0.5 else WHITE)
        strokes.append(kerb)
        if draw.random() < 0.6:
            period_m = draw.uniform(1, 4)
            strokes.append(kerb._replace(paint=_paint(draw), period_m=period_m, painted=0.5))
        at_m += width_m
    if draw.random() < 0.4:
        red, green, blue = (share * draw.uniform(0.6, 1.2) for share in STONE)
        grey = (red, green, blue)
        strokes.append(Stroke(1, at_m, 2.6, grey, strength=draw.uniform(0.7, 1)))
    return strokes


def drawn_walls(draw: np.random.Generator) -> tuple[Stroke, ...]:
    """A wall or a row of barriers along one side of the road or both, in one colour or two."""
    from_m, thick_m = draw.uniform(0.2, 1.4), draw.uniform(0.8, 1.2)
    wall = Stroke(
        1, from_m, from_m + thick_m, STONE if draw.random() < 0.6 else _paint(draw),
        one_side=draw.random() < 0.3, rise_m=draw.uniform(0.3, 1.3),
    )  # fmt: skip
    if draw.random() < 0.3:  # barriers with gaps between them
        wall = wall._replace(period_m=draw.uniform(5, 30), painted=draw.uniform(0.4, 0.9))
    walls = [wall]
    if draw.random() < 0.4:
        walls.append(wall._replace(paint=_paint(draw), period_m=draw.uniform(2, 6), painted=0.5))
    return tuple(Stroke(*map(_plain, stroke)) for stroke in walls)

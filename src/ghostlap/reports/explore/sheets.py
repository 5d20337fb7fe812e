"""The sheets of frames of :mod:`ghostlap.commands.explore`.

On each frame stands what its label means: the path over the ground that the car would take with
that steering, up to the **aim point** (a dot) that labels follow when a picture is warped; see
:mod:`ghostlap.data.vision.camera`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ghostlap.base.files import replacing
from ghostlap.base.terminal import escaped
from ghostlap.data.vision.augment import draw
from ghostlap.data.vision.augmentation import Augmentation, RandomRange
from ghostlap.data.vision.camera import FULL_LOCK_RAD, WHEELBASE_M, Camera, aim_distance_m
from ghostlap.data.vision.pictures import Rgb
from ghostlap.data.vision.preprocessing import SEED, Preprocessing, crop, finish

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAME_PX = 320
"""Width at which frames are drawn, whatever their own size."""

_MARGIN_PX = 12
_TEXT_PX = 27
_LINE_PX = 36
_PATH_COLOUR = "#FF2DA0"
_PATH_BEGINS_M = 2.2
"""The ground nearer than that is hidden by the bonnet."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """A picture and its label."""

    rgb: Rgb
    steering: float


class _Sheet:
    """A page to put pictures and text on, in pixels from the top left corner."""

    def __init__(self, width_px: int, height_px: int) -> None:
        from matplotlib.figure import Figure

        self._figure = Figure(figsize=(width_px / 100, height_px / 100), dpi=100)
        self.axes: Axes = self._figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set(xlim=(0, width_px), ylim=(height_px, 0), autoscale_on=False)

    def text(self, left: float, top: float, text: str, **how: Any) -> None:
        style = {"fontsize": _TEXT_PX * 0.72, "va": "top", "parse_math": False}
        self.axes.text(left, top, escaped(text), **{**style, **how})

    def picture(self, rgb: Rgb, left: float, top: float, width: float, **how: Any) -> None:
        height = width * rgb.shape[0] / rgb.shape[1]
        self.axes.imshow(rgb, extent=(left, left + width, top + height, top), aspect="auto", **how)

    def frame(self, frame: Frame, left: float, top: float, steering_correction: float) -> None:
        """A frame with its label drawn in."""
        from matplotlib.patheffects import Normal, Stroke

        self.picture(frame.rgb, left, top, FRAME_PX)
        ratio = FRAME_PX / frame.rgb.shape[1]
        columns, rows = _path_px(frame.steering, frame.rgb.shape, steering_correction)
        outline = [Stroke(linewidth=5, foreground="white"), Normal()]
        style: dict[str, Any] = {"color": _PATH_COLOUR, "path_effects": outline}
        inside = (columns >= 0) & (columns < frame.rgb.shape[1])
        x, y = left + columns * ratio, top + rows * ratio
        self.axes.plot(x[inside], y[inside], lw=3, **style)
        if inside[-1]:
            self.axes.plot(x[-1], y[-1], "o", ms=8, **style)

    def save(self, picture: Path) -> None:
        with replacing(picture) as temporary:
            # The usual level 6 takes twice the time to save a few per cent on photographs.
            self._figure.savefig(temporary, dpi=100, pil_kwargs={"compress_level": 2})


def _path_px(
    steering: float, frame_shape: tuple[int, ...], steering_correction: float
) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the ground that a car steering so passes over, up to the aim point."""
    camera = Camera().for_frames(*frame_shape[:2])
    ahead_m = np.linspace(_PATH_BEGINS_M, max(aim_distance_m(steering_correction), 3.0), 40)
    sideways_m = steering * FULL_LOCK_RAD * ahead_m**2 / (2 * WHEELBASE_M)
    columns = camera.centre_px[0] + camera.focal_px * sideways_m / ahead_m
    return columns, np.array([camera.row_at(distance_m) for distance_m in ahead_m])


def _frame_height_px(rgb: Rgb) -> int:
    return round(FRAME_PX * rgb.shape[0] / rgb.shape[1])


def _width_px(columns: int) -> int:
    return columns * FRAME_PX + (columns + 1) * _MARGIN_PX


def _column_px(column: int) -> int:
    return _MARGIN_PX + column * (FRAME_PX + _MARGIN_PX)


def draw_bins(
    picture: Path, rows: Sequence[tuple[str, Sequence[Frame | None]]], steering_correction: float
) -> None:
    """One row for each steering bin: its title, and the frame of each camera with its label."""
    tallest = max(_frame_height_px(f.rgb) for _, row in rows for f in row if f is not None)
    row_px = tallest + 2 * _LINE_PX + 2 * _MARGIN_PX
    sheet = _Sheet(_width_px(3), _LINE_PX + _MARGIN_PX + len(rows) * row_px)
    for column, camera in enumerate(("left camera", "centre camera", "right camera")):
        middle = _column_px(column) + FRAME_PX / 2
        sheet.text(middle, _MARGIN_PX / 2, camera, ha="center", weight="bold")
    for i, (title, frames) in enumerate(rows):
        top = _LINE_PX + _MARGIN_PX + i * row_px
        sheet.text(_MARGIN_PX, top, title, weight="bold", color="#374151")
        for column, frame in enumerate(frames):
            left, below = _column_px(column), top + _LINE_PX + tallest + 3
            if frame is not None:
                sheet.frame(frame, left, top + _LINE_PX, steering_correction)
            label = "no picture" if frame is None else _signed(frame.steering)
            sheet.text(left + FRAME_PX / 2, below, label, ha="center")
    sheet.save(picture)


def draw_kind(
    picture: Path,
    frame: Frame,
    kind: str,
    ends: Sequence[tuple[str, float]],
    look: Augmentation,
    spec: Preprocessing,
    steering_correction: float,
    seed: int,
) -> None:
    """The original beside what one kind of augmentation makes of it.

    Args:
        ends: what to show: each a title and an amount.
        look: whose border and label rule are taken.
    """
    shown = [("original", frame)]
    alone = Augmentation(border=look.border, correct_labels=look.correct_labels)
    for title, amount in ends:
        changes: dict[str, Any] = {kind: RandomRange(1.0, amount, amount)}
        only = dataclasses.replace(alone, **changes)
        plan = draw(
            only, np.array([frame.steering]), np.random.default_rng(seed), spec, steering_correction
        )
        after = Frame(plan.apply(0, frame.rgb, whole=True), float(plan.steering[0]))
        shown.append((title, after))
    height = _frame_height_px(frame.rgb)
    sheet = _Sheet(_width_px(len(shown)), height + 2 * _LINE_PX + 2 * _MARGIN_PX)
    for column, (title, one) in enumerate(shown):
        left = _column_px(column)
        sheet.text(left, _MARGIN_PX, title, weight="bold")
        sheet.frame(one, left, _MARGIN_PX + _LINE_PX, steering_correction)
        same = column > 0 and math.isclose(one.steering, frame.steering, abs_tol=1e-6)
        label = f"label {_signed(one.steering)}" + (" (same)" if same else "")
        sheet.text(left, _MARGIN_PX + _LINE_PX + height + 3, label)
    sheet.save(picture)


def draw_together(
    picture: Path,
    frames: Sequence[Frame],
    augmentation: Augmentation,
    spec: Preprocessing,
    steering_correction: float,
    seed: int,
) -> None:
    """What an augmentation does all together: each frame after it, with both its labels."""
    steering = np.array([frame.steering for frame in frames], np.float64)
    plan = draw(augmentation, steering, np.random.default_rng(seed), spec, steering_correction)
    columns = min(3, len(frames))
    rows = -(-len(frames) // columns)
    height = round(FRAME_PX * spec.frame_height_px / spec.frame_width_px)
    row_px = height + _LINE_PX + _MARGIN_PX
    sheet = _Sheet(_width_px(columns), rows * row_px + _MARGIN_PX)
    for i, frame in enumerate(frames):
        left, top = _column_px(i % columns), _MARGIN_PX + i // columns * row_px
        after = Frame(plan.apply(i, frame.rgb, whole=True), float(plan.steering[i]))
        sheet.frame(after, left, top, steering_correction)
        change = f"{_signed(frame.steering)} → {_signed(after.steering)}"
        sheet.text(left + FRAME_PX / 2, top + height + 3, change, ha="center")
    sheet.save(picture)


def draw_preprocessing(picture: Path, rgb: Rgb, spec: Preprocessing = SEED) -> None:
    """A frame with its crop, and what the network sees: as a picture and channel by channel."""
    seen = finish(crop(rgb, spec), spec)
    width = _width_px(3)
    half = (width - 3 * _MARGIN_PX) // 2
    ratio = half / spec.frame_width_px
    top = _MARGIN_PX + _LINE_PX
    below = top + round(spec.frame_height_px * ratio) + _LINE_PX + _MARGIN_PX
    channel_px = round(FRAME_PX * spec.height_px / spec.width_px)
    sheet = _Sheet(width, below + channel_px + _MARGIN_PX)

    def show(pixels: Any, title: str, left: int, top: int, width: int, **how: Any) -> None:
        sheet.text(left, top - _LINE_PX, title, weight="bold")
        sheet.picture(pixels, left, top, width, **how)

    size = f"{spec.frame_width_px}\N{MULTIPLICATION SIGN}{spec.frame_height_px}"
    show(rgb, f"frame, {size} pixels", _MARGIN_PX, top, half)
    for row in (spec.crop_top_px, spec.crop_bottom_px):
        y = top + row * ratio
        sheet.axes.plot([_MARGIN_PX, _MARGIN_PX + half], [y, y], color=_PATH_COLOUR, lw=2.5)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
        sheet.text(_MARGIN_PX + 8, y + 6, f"row {row}", color="#9D0059", bbox=box)
    size = f"{spec.width_px}\N{MULTIPLICATION SIGN}{spec.height_px}"
    as_rgb = cv2.cvtColor(seen, cv2.COLOR_YUV2RGB)
    show(as_rgb, f"seen, {size} pixels", half + 2 * _MARGIN_PX, top, half, interpolation="nearest")
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "nearest"}
    for channel, title in enumerate(("Y: brightness", "U: blueness", "V: redness")):
        show(seen[..., channel], title, _column_px(channel), below, FRAME_PX, **grey)
    sheet.save(picture)


def _signed(steering: float) -> str:
    """``+0.30``, ``-0.12`` or ``0``."""
    return f"{steering:+.2f}".replace("-", "\N{MINUS SIGN}") if abs(steering) >= 0.005 else "0"

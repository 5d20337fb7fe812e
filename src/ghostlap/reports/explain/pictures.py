"""The pictures of :mod:`ghostlap.commands.explain`: frames with maps, and steering responses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.base.files import replacing
from ghostlap.data.frame_sampling import SampledFrames
from ghostlap.data.vision.camera import SIDE_CAMERA_M
from ghostlap.data.vision.pictures import Rgb
from ghostlap.pilots.saliency import Saliency, overlay
from ghostlap.reports.explain.counterfactual import UNIT, Floats, Response, verdict
from ghostlap.reports.explore.charts import BLUE, GREY, ORANGE
from ghostlap.reports.video.dashboard import LOG_COLOUR, PILOT_COLOUR, draw_dashboard
from ghostlap.reports.video.path import draw_band, draw_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3
_LEAST_WIDTH_PX = 480
_GAP_PX = 8

_X_LABELS = {
    "sideways_m": "car moved to the right, m",
    "heading_deg": "car turned to the right, degrees",
}


def draw_sheet(picture: Path, saliency: Saliency, sampled: SampledFrames, shown: int) -> None:
    """Frames from hard left to hard right, each with its map, and both paths drawn in."""
    chosen = np.unique(np.linspace(0, len(sampled.frames) - 1, shown).round().astype(int))
    tiles = [_tile(saliency, sampled.frames[i], float(sampled.steering[i])) for i in chosen]
    height, width = tiles[0].shape[:2]
    columns = min(_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.full(
        (rows * (height + _GAP_PX) + _GAP_PX, columns * (width + _GAP_PX) + _GAP_PX, 3),
        255,
        np.uint8,
    )
    for i, tile in enumerate(tiles):
        top, left = (_GAP_PX + k * (side + _GAP_PX) for k, side in zip(
            divmod(i, columns), (height, width), strict=True))  # fmt: skip
        sheet[top : top + height, left : left + width] = tile
    with replacing(picture) as temporary:
        if not cv2.imwrite(str(temporary), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
            raise OSError(f"{temporary} cannot be written")


def _tile(saliency: Saliency, frame: Rgb, steering: float) -> Rgb:
    look = saliency.look(frame)
    rgb = overlay(frame, look.maps, saliency.preprocessing)
    ratio = max(1.0, _LEAST_WIDTH_PX / rgb.shape[1])
    tile = np.asarray(
        cv2.resize(rgb, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_CUBIC), np.uint8
    )
    draw_band(tile, steering, LOG_COLOUR)
    draw_line(tile, look.steering, PILOT_COLOUR)
    draw_dashboard(tile, steering, None, look.steering)
    return tile


def draw_counterfactual(picture: Path, found: Sequence[Response], side_gains: Floats) -> None:
    """How steering answers to each kind of move and at side cameras, and what labels ask for."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.2 * len(found), 5.0), layout="constrained")
    for axes, response in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        _draw_response(axes, response)
        if response.kind == "sideways_m" and len(side_gains):
            _draw_side_cameras(axes, side_gains)
        axes.legend(loc="upper right", frameon=False)
    with replacing(picture) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw_response(axes: Axes, response: Response) -> None:
    x = response.amounts
    p10, p25, middle, p75, p90 = _percentiles(response.change)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.axvline(0, color=GREY, lw=0.8)
    axes.fill_between(x, p10, p90, color=BLUE, alpha=0.15, lw=0, label="10 to 90 % of frames")
    axes.fill_between(x, p25, p75, color=BLUE, alpha=0.25, lw=0, label="25 to 75 %")
    axes.plot(x, middle, "o-", color=BLUE, lw=2, ms=4, label="the pilot, median")
    rule = np.median(response.rule, axis=1)
    axes.plot(x, rule, "--", color="black", lw=1.8, label="what the labels ask for")
    answer, _ = verdict(response)
    axes.set_title(
        f"Steers back: {answer}. Gain {np.median(response.gains):.2f} per "
        f"{UNIT[response.kind]:g} {response.kind.rpartition('_')[2]}, label "
        f"{response.rule_gain:.2f}",
        fontsize=11,
        loc="left",
    )
    # Asymmetric extremes of single frames would squeeze what matters.
    limit = 1.25 * max(float(np.abs(rule).max()), float(np.abs(middle).max()), 0.05)
    axes.set(
        xlabel=_X_LABELS[response.kind],
        ylabel="change of steering (left is negative)",
        xlim=(x[0], x[-1]),
        ylim=(-limit, limit),
    )
    axes.grid(alpha=0.25)


def _draw_side_cameras(axes: Axes, gains: Floats) -> None:
    low, middle, high = np.percentile(gains, (10, 50, 90))
    axes.errorbar(
        [-SIDE_CAMERA_M, SIDE_CAMERA_M], [middle, -middle],
        yerr=[[middle - low, high - middle], [high - middle, middle - low]],
        fmt="s", ms=7, capsize=4, color=ORANGE, label="at the real side cameras",
    )  # fmt: skip


def _percentiles(change: Floats) -> NDArray[np.float64]:
    return np.asarray(np.percentile(change, (10, 25, 50, 75, 90), axis=1))

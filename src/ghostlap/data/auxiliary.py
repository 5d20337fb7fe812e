"""Auxiliary labels: what a simulator knows of the road, learned beside the steering.

``ghostlap record`` writes it beside the log. Cross-track error, heading error, curvature and width
are learned in units of which one asks for full lock, so that they weigh as steering does; the road
mask says which cells of the picture show road.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import RecordingError
from ghostlap.base.remote import local_of
from ghostlap.data.recordings.image_names import image_name_of
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH
from ghostlap.data.vision import warps
from ghostlap.data.vision.camera import (
    FULL_LOCK_RAD,
    LEFT_OF_CENTER_M,
    SIDE_CAMERA_M,
    WHEELBASE_M,
    Camera,
    aim_distance_m,
    road_after_warp,
)

if TYPE_CHECKING:
    from ghostlap.data.recordings import Recording

COLUMNS = {
    "cte": "cte_m",
    "heading": "heading_error_rad",
    "curvature": "curvature_ahead_per_m",
    "width": "width_m",
    "mask": "road_mask",
}
"""Auxiliaries, and their columns of ``ground_truth.csv``."""
AUXILIARIES = tuple(COLUMNS)

MASK_ROWS, MASK_COLUMNS = 10, 20
MASK_TOP = 3 / 8
"""Cells of the mask, and the share of the picture above it, which is sky."""
MASK_CELLS = MASK_ROWS * MASK_COLUMNS

TRUTH = np.dtype([("road", np.float32, 4), ("has_mask", np.bool_), ("mask", np.uint8, 25)])
"""What is known of a row: four numbers of the road, NaN if unknown, and the mask's bits."""

_USUAL_WIDTH_M = 8.0
_AIM_M = aim_distance_m(0.30)
_CTE_M = SIDE_CAMERA_M / 0.30
_UNITS = np.array([_CTE_M, _CTE_M / _AIM_M, FULL_LOCK_RAD / WHEELBASE_M, 2 * _CTE_M])


def mask_text(mask: NDArray[np.bool_]) -> str:
    """A mask ``(MASK_ROWS, MASK_COLUMNS)`` as 50 hexadecimal digits, row by row from above."""
    return np.packbits(mask).tobytes().hex()


def size_of(names: tuple[str, ...]) -> int:
    """Labels of so many numbers a sample belong to these auxiliaries."""
    return sum(MASK_CELLS if name == "mask" else 1 for name in names)


def truth_of(recording: Recording) -> NDArray[Any]:
    """What is known of each row of a recording, of :data:`TRUTH`, shape ``(rows,)``.

    Raises:
        RecordingError: ``ground_truth.csv`` cannot be read, or holds a mask that is none.
    """
    truth = np.zeros(len(recording.frames), TRUTH)
    truth["road"] = np.nan
    folder = local_of(recording.folder)
    if not (folder / GROUND_TRUTH.name).is_file():
        return truth
    said = {row[0]: row[1:] for row in GROUND_TRUTH.rows(folder, *COLUMNS.values(), some=True)}
    for row, path in enumerate(recording.frames["center"]):
        *road, text = said.get(center := image_name_of(str(path)), (None,) * 5)
        truth["road"][row] = [np.nan if value is None else value for value in road]
        if text is not None:
            try:
                truth["mask"][row] = np.array([*bytes.fromhex(text)], np.uint8).reshape(25)
            except ValueError:
                raise RecordingError(
                    f"{folder / GROUND_TRUTH.name}: the road_mask of {center} must be 50 "
                    f"hexadecimal digits or empty. Got {text[:60]!r}. Empty it, or record anew."
                ) from None
            truth["has_mask"][row] = True
    return truth


def unknown(truth: NDArray[Any], names: tuple[str, ...]) -> list[str]:
    """Those of some auxiliaries of which no row knows anything."""
    nowhere = [*np.isnan(truth["road"]).all(axis=0), not truth["has_mask"].any()]
    return [name for name, none in zip(AUXILIARIES, nowhere, strict=True) if none and name in names]


def auxiliary_labels(
    names: tuple[str, ...],
    truth: NDArray[Any],
    camera: NDArray[np.uint8],
    matrices: NDArray[np.float64],
    frame_px: tuple[int, int],
) -> NDArray[np.float32]:
    """Labels of pictures that cameras took and warps changed.

    Args:
        truth: of the samples' rows, of :data:`TRUTH`, shape ``(n,)``.
        camera: index into ``CAMERAS``, shape ``(n,)``.
        matrices: warps from old to new pixel ``(column, row)``, shape ``(n, 2, 3)``.
        frame_px: height and width of the frames.

    Returns:
        Shape ``(n, size_of(names))``, NaN where nothing is known: a side camera or a warp shows
        cells that the center camera's mask does not reach.
    """
    lens = Camera().for_frames(*frame_px)
    aside_m = -LEFT_OF_CENTER_M[camera]
    whole = matrices @ warps.shear(aside_m, aside_m, lens)
    road = road_after_warp(truth["road"].astype(np.float64), whole, lens)
    road[:, 3] -= _USUAL_WIDTH_M
    parts = [
        _masks(truth, whole, frame_px) if name == "mask" else column[:, None]
        for name, column in zip(AUXILIARIES, [*(road / _UNITS).T, road], strict=True)
        if name in names
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _masks(
    truth: NDArray[Any], matrices: NDArray[np.float64], frame_px: tuple[int, int]
) -> NDArray[np.float32]:
    """The masks after warps, in [0, 1], shape ``(n, MASK_CELLS)``."""
    height_px, width_px = frame_px
    to_pixel = np.diag([width_px / MASK_COLUMNS, height_px * (1 - MASK_TOP) / MASK_ROWS, 1.0])
    to_pixel[:2, 2] = np.diag(to_pixel)[:2] / 2 - 0.5
    to_pixel[1, 2] += MASK_TOP * height_px
    square = np.concatenate([matrices, np.zeros_like(matrices[:, :1])], axis=1)
    square[:, 2, 2] = 1
    of_cells = np.linalg.inv(to_pixel) @ square @ to_pixel
    bits = np.unpackbits(truth["mask"], axis=1).reshape(-1, MASK_ROWS, MASK_COLUMNS)
    seen = np.stack([bits, np.ones_like(bits)], axis=-1).astype(np.float32)
    labels = np.full((len(truth), MASK_CELLS), np.nan, np.float32)
    for i in np.flatnonzero(truth["has_mask"]):
        cells = cv2.warpAffine(seen[i], of_cells[i, :2], (MASK_COLUMNS, MASK_ROWS)).reshape(-1, 2)
        labels[i] = np.where(cells[:, 1] > 0.99, cells[:, 0], np.nan)
    return labels

"""Where a pilot looks, drawn into a picture of any size."""

from __future__ import annotations

import cv2
import numpy as np

from ghostlap.data.vision.pictures import Rgb
from ghostlap.pilots.saliency import Saliency, overlay


def with_saliency(saliency: Saliency, picture: Rgb) -> Rgb:
    """A picture of any size with where a pilot looks drawn in."""
    spec = saliency.preprocessing
    small = cv2.resize(
        picture, (spec.frame_width_px, spec.frame_height_px), interpolation=cv2.INTER_AREA
    )
    found = saliency.look(np.asarray(small, np.uint8)).maps
    larger = spec.for_frames(*picture.shape[:2])
    rows = larger.crop_bottom_px - larger.crop_top_px
    maps = cv2.resize(found, (larger.frame_width_px, rows), interpolation=cv2.INTER_LINEAR)
    return overlay(picture, np.asarray(maps, np.float32), larger)

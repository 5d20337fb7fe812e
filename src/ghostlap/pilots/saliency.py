"""Saliency of a pilot: VisualBackProp in ONNX Runtime, while it drives.

A run folder holds ``saliency.onnx``, the pilot's network with a second output: how much each pixel
contributed to the convolutions' activity (:mod:`ghostlap.pilots.saliency_graph` writes it).

    >>> saliency = Saliency.load("runs/a")
    >>> look = saliency.look(frame)
    >>> shown = overlay(frame, look.maps, saliency.preprocessing)

A map shows *activity*. Only convolutions take part, so it tells which parts of the picture the
network responds to, not whether they made it steer left or right, nor by how much; the dense layers
could be exchanged without changing it. A network with random weights has a map, too, which favours
edges. ``ghostlap explain`` measures both for a pilot: how far its map is from that of the same
network with shuffled weights, and whether hiding salient parts changes the steering more than
hiding as much elsewhere.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import PilotError
from ghostlap.base.platform import quoted
from ghostlap.data.vision.pictures import Rgb
from ghostlap.data.vision.preprocessing import Preprocessing, crop, preprocess
from ghostlap.pilots.onnx_check import Network, read_network
from ghostlap.pilots.onnx_runner import Runner
from ghostlap.pilots.run_folder import read_description, run_file

SALIENCY_FILE = "saliency.onnx"
SALIENCY_OUTPUT = "saliency"

_DIMMED, _COLOUR_KEPT = 0.75, 0.35
"""Shares of brightness and of colour kept below a map."""
_LOW_COLOUR, _HIGH_COLOUR = (255, 105, 0), (255, 245, 120)
_MOST_OPACITY, _OPACITY_POWER = 0.9, 0.6


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """Saliency maps and steering for one frame, or for ``n``."""

    maps: NDArray[np.float32]
    """Saliency in [0, 1], shape ``(crop rows, frame width)`` or ``(n, crop rows, frame width)``."""
    steering: Any
    """Steering: a float, or ``float32`` of shape ``(n,)``; not clipped to [-1, 1]."""


class Saliency:
    """A pilot that also computes its saliency. Make one with :meth:`load`."""

    def __init__(self, network: Network, preprocessing: Preprocessing, threads: int = 1) -> None:
        steering = next(iter(network.outputs))
        self._network = Runner(network, threads, steering, SALIENCY_OUTPUT)
        self.preprocessing = preprocessing

    @classmethod
    def load(cls, folder: str | Path, threads: int = 1) -> Saliency:
        """Read a run folder.

        Raises:
            PilotError: there is no pilot or no saliency, or it is broken.
        """
        folder = Path(folder)
        description = read_description(folder)
        path = run_file(folder, SALIENCY_FILE)
        if not path.is_file():
            raise PilotError(_none_message(folder, description))
        preprocessing = Preprocessing.from_json(description["preprocessing"])
        again = f"Remove it; 'ghostlap explain {quoted(folder)} REC' makes it again."
        try:
            network = read_network(path)
        except PilotError as error:
            raise PilotError(f"{error} {again}") from None
        rows = network.input_shape[:2]
        names = list(network.outputs)
        if (
            network.input_shape != preprocessing.input_shape
            or len(names) < 2
            or names[-1] != SALIENCY_OUTPUT
            or network.outputs[SALIENCY_OUTPUT] != (1, 1, *rows)
        ):
            raise PilotError(
                f"{path}: is not of the pilot there. It takes pictures of {network.input_shape} "
                f"and gives {', '.join(names)}; expected were {preprocessing.input_shape}, "
                f"steering and {SALIENCY_OUTPUT}. {again}"
            )
        return cls(network, preprocessing, threads)

    def maps(self, frames: Rgb | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Saliency maps for frames.

        Args:
            frames: one RGB frame, ``uint8`` ``(height, width, 3)``, or several ``(n, …)``.

        Returns:
            ``float32`` in [0, 1], shape ``(n, crop rows, frame width)``, n = 1 for one frame, in
            the frame's own pixels. Each map reaches from 0 to 1, so maps tell where, not how much;
            a map without any activity is 0.

        Raises:
            ImageError: frames of another size than the pilot was trained for.
        """
        return self.look(frames if frames.ndim == 4 else frames[None]).maps

    def look(self, frames: Rgb | NDArray[np.uint8]) -> Look:
        """Saliency maps and steering for frames, in one run of the network.

        Args:
            frames: one RGB frame, ``uint8`` ``(height, width, 3)``, or several ``(n, …)``.

        Raises:
            ImageError: frames of another size than the pilot was trained for.
        """
        if frames.ndim == 3:
            several = self.look(frames[None])
            return Look(several.maps[0], float(several.steering[0]))
        spec = self.preprocessing
        shape = len(frames), spec.crop_bottom_px - spec.crop_top_px, spec.frame_width_px
        if len(frames) == 0:
            return Look(np.empty(shape, np.float32), np.empty(0, np.float32))
        seen = np.stack([preprocess(frame, spec) for frame in frames])
        answers, found = self._network.run(seen)
        maps = np.zeros(shape, np.float32)
        top, bottom, left, right = spec.view_px
        rows = slice(top - spec.crop_top_px, bottom - spec.crop_top_px)
        for i, one in enumerate(found[:, 0]):
            larger = cv2.resize(one, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
            maps[i, rows, left:right] = _normalised(larger)
        return Look(maps, answers[:, 0])


def _normalised(found: Any) -> NDArray[np.float32]:
    least, most = float(found.min()), float(found.max())
    if not 0 < most - least < np.inf:
        return np.zeros(found.shape, np.float32)
    return np.asarray((found - least) / (most - least), np.float32)


def _none_message(folder: Path, description: dict[str, Any]) -> str:
    if reason := description.get("no_saliency"):
        return f"{folder}: this pilot has no saliency: {reason}"
    return (
        f"{folder}: holds no {SALIENCY_FILE}, as run folders of an earlier Ghostlap do. "
        f"'ghostlap explain {quoted(folder)} REC' makes it."
    )


def overlay(frame: Rgb, saliency_map: NDArray[np.float32], preprocessing: Preprocessing) -> Rgb:
    """A copy of a frame with a saliency map drawn over the rows that the pilot sees.

    These rows lose most of their colour, and salient parts glow on them from dark orange to bright
    yellow, to be told from road and grass with any kind of colour vision.

    Args:
        saliency_map: in [0, 1], shape ``(crop rows, frame width)`` or with a 1 in front.

    Raises:
        ImageError: the frame has another size.
    """
    rows = crop(frame, preprocessing)
    share = np.clip(saliency_map.reshape(rows.shape[:2]), 0, 1)[..., None]
    grey = np.repeat(cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    ground = _DIMMED * ((1 - _COLOUR_KEPT) * grey + _COLOUR_KEPT * rows)
    glow = np.array(_LOW_COLOUR) + share * (np.array(_HIGH_COLOUR, float) - _LOW_COLOUR)
    opacity = _MOST_OPACITY * share**_OPACITY_POWER
    shown = frame.copy()
    shown[preprocessing.crop_top_px : preprocessing.crop_bottom_px] = (
        ground + opacity * (glow - ground)
    ).round()
    return shown

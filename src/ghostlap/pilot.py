"""The artifact: a trained network that knows its own preprocessing.

A pilot is a run folder:

- ``pilot.json``: preprocessing, outputs, training data, versions, metrics;
- ``model.onnx``: what drives, in ONNX Runtime, without any training framework;
- ``model.keras``, ``model.h5``, ``model.json`` + ``model.weights.h5``: the same network for Keras.

    >>> pilot = Pilot.load("runs/a")
    >>> pilot.steer(frame)          # one RGB frame, uint8 (160, 320, 3)
    -0.034
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.errors import GhostlapError, PilotError
from ghostlap.files import write_json
from ghostlap.vision import Preprocessing, Rgb, crop, finish, scale

if TYPE_CHECKING:
    import onnxruntime

PILOT_FILE = "pilot.json"
ONNX_FILE = "model.onnx"
KERAS_FILE = "model.keras"
FORMAT = 1

SPEED_UNIT_MPH = 30.0
"""The speed output counts in this unit, the simulator's top speed, so that it is about 1."""


class Pilot:
    """A network with its preprocessing, ready to drive. Make one with :meth:`load`."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        preprocessing: Preprocessing,
        outputs: tuple[str, ...],
        description: dict[str, Any],
    ) -> None:
        self.session = session
        self.preprocessing = preprocessing
        self.outputs = outputs
        self.description = description
        """All that ``pilot.json`` says."""
        self._input = session.get_inputs()[0].name

    @classmethod
    def load(cls, folder: str | Path, threads: int = 1) -> Pilot:
        """Read a run folder.

        Args:
            folder: with ``pilot.json`` and ``model.onnx``.
            threads: for one inference; one is fastest for single frames.

        Raises:
            PilotError: no pilot there, or a broken one.
        """
        import onnxruntime

        folder = Path(folder)
        description = read_description(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                str(folder / ONNX_FILE), options, providers=["CPUExecutionProvider"]
            )
            preprocessing = Preprocessing.from_json(description["preprocessing"])
            outputs = tuple(description["outputs"])
        except GhostlapError:
            raise
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise PilotError(
                f"{folder}: the pilot cannot be read ({type(error).__name__}: {error}). "
                "Copy the whole run folder again, or train anew."
            ) from error
        shape = tuple(session.get_inputs()[0].shape[1:])
        if shape != preprocessing.input_shape:
            raise PilotError(
                f"{folder}: {ONNX_FILE} wants pictures of {shape}, {PILOT_FILE} says "
                f"{preprocessing.input_shape}. The two files are not of one run."
            )
        return cls(session, preprocessing, outputs, description)

    def steer(self, frames: Rgb | NDArray[np.uint8]) -> Any:
        """Steering for what the camera sees.

        Args:
            frames: one RGB frame, ``uint8`` ``(height, width, 3)``, or several ``(n, …)``.

        Returns:
            A float for one frame, else ``float32`` of shape ``(n,)``; not clipped to [-1, 1].

        Raises:
            ImageError: frames of another size than the pilot was trained for.
        """
        answers = self.predict(frames)[..., 0]
        return float(answers) if answers.ndim == 0 else answers

    def predict(self, frames: Rgb | NDArray[np.uint8]) -> NDArray[np.float32]:
        """All outputs, in the order of ``outputs``; speed in mph.

        Args:
            frames: one RGB frame, ``uint8`` ``(height, width, 3)``, or several ``(n, …)``.

        Returns:
            ``float32``, shape ``(outputs,)`` for one frame, else ``(n, outputs)``.
        """
        single = frames.ndim == 3
        batch = frames[None] if single else frames
        if len(batch) == 0:
            return np.empty((0, len(self.outputs)), np.float32)
        answers = self.predict_cropped([crop(frame, self.preprocessing) for frame in batch])
        return answers[0] if single else answers

    def predict_cropped(self, cropped: Iterable[Rgb]) -> NDArray[np.float32]:
        """Like :meth:`predict`, of frames of which there is only what the crop keeps.

        Args:
            cropped: at least one, ``uint8`` of shape ``(bottom - top, width, 3)``, RGB: rows
                ``crop_top_px`` to ``crop_bottom_px`` of a frame.

        Returns:
            ``float32``, shape ``(n, outputs)``.
        """
        seen = np.stack([finish(rows, self.preprocessing) for rows in cropped])
        return self.predict_seen(scale(seen, self.preprocessing))

    def predict_seen(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """Like :meth:`predict`, of preprocessed pictures ``(n, height, width, 3)``."""
        answers: NDArray[np.float32] = self.session.run(None, {self._input: seen})[0]
        if "speed" in self.outputs:
            answers = answers * np.array([1.0, SPEED_UNIT_MPH], np.float32)
        return answers


def read_description(folder: Path) -> dict[str, Any]:
    """What ``pilot.json`` of a run folder says.

    Raises:
        PilotError: it is missing, broken, or of a newer Ghostlap.
    """
    path = folder / PILOT_FILE
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PilotError(_no_pilot_message(folder)) from None
    except (OSError, ValueError) as error:
        raise PilotError(f"{path}: cannot be read ({error}). Is it a copy cut off?") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise PilotError(
            f"{path}: must be a pilot description of format {FORMAT}. Got "
            f"{description.get('format') if isinstance(description, dict) else type(description)}."
            " A newer Ghostlap may have written it."
        )
    return description


def _no_pilot_message(folder: Path) -> str:
    if not folder.exists():
        return f"{folder}: no such run folder. 'ghostlap train REC --out {folder}' makes one."
    if (folder / "config.json").exists():
        return (
            f"{folder}: the training there is not finished, so there is no {PILOT_FILE} yet. "
            f"'ghostlap train --resume --out {folder}' continues it."
        )
    return f"{folder}: holds no {PILOT_FILE}, so it is not the run folder of a pilot."


def add_to_description(folder: Path, more: dict[str, Any]) -> None:
    """Add to what ``pilot.json`` of a run folder says."""
    write_json(folder / PILOT_FILE, {**read_description(folder), **more})

"""A pilot as the file that donkeycar's ``manage.py drive --type tflite_linear --model`` loads.

It takes donkeycar's pictures, ``img_in``, RGB ``float32`` ``(1, 120, 160, 3)`` in [0, 1], and
answers angle and throttle, ``n_outputs0`` and ``n_outputs1``. The preprocessing is within, in
TensorFlow's own operators.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import ExchangeError
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.data.vision.steps import Step

HEIGHT_PX, WIDTH_PX = 120, 160
THROTTLE, SLOW_IN_BENDS = 0.2, 0.5

_COLOURS = {
    # Rows of new channels over red, green, blue; and what is added.
    "RGB2YUV": (((0.299, 0.587, 0.114), (-0.147, -0.289, 0.436), (0.615, -0.515, -0.1)), 128.0),
    "BGR2YUV": (((0.114, 0.587, 0.299), (0.436, -0.289, -0.147), (-0.1, -0.515, 0.615)), 128.0),
    "RGB2GRAY": (((0.299, 0.587, 0.114),), 0.0),
}


def require_known(spec: Preprocessing) -> None:
    """Make sure that a preprocessing can be done in TensorFlow's own operators.

    Raises:
        ExchangeError: one of its steps cannot.
    """
    for step in spec.plan:
        known = (
            (step.kind == "colour" and step.name in _COLOURS)
            or step.kind in ("channels", "crop")
            or (step.kind == "blur" and len(step.numbers) == 2)
            or (step.kind == "resize" and step.name in ("", "linear"))
        )
        if not known:
            raise ExchangeError(
                f"--as donkeycar: the step {str(step)!r} of this pilot's preprocessing cannot be "
                "written as TensorFlow Lite. Use the pilot itself in the car: "
                "ghostlap.pilots.donkeycar.GhostlapPilot."
            )


def donkeycar_file(network: Any, spec: Preprocessing) -> bytes:
    """The content of the ``.tflite`` file, for frames of 160x120 pixels."""
    import tensorflow as tf

    class Car(tf.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.weights = [variable.value for variable in network.variables]  # to be saved, too

        @tf.function(  # type: ignore[untyped-decorator, unused-ignore]
            input_signature=[tf.TensorSpec((1, HEIGHT_PX, WIDTH_PX, 3), tf.float32, name="img_in")]
        )
        def drive(self, img_in: Any) -> dict[str, Any]:
            seen = img_in[:, spec.crop_top_px : spec.crop_bottom_px]
            seen = tf.round(seen * 255.0)
            for step in spec.plan:
                seen = tf.round(_applied(step, seen))  # to whole grey levels, as OpenCV does
            answers = network(seen / spec.divide_by + spec.offset, training=False)
            angle = tf.clip_by_value(answers[:, :1], -1.0, 1.0)
            throttle = THROTTLE * (1.0 - SLOW_IN_BENDS * tf.abs(angle))
            return {"n_outputs0": angle, "n_outputs1": throttle}

    car = Car()
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(car, folder, signatures={"serving_default": car.drive})
        content: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    return content


def _applied(step: Step, seen: Any) -> Any:
    import tensorflow as tf

    whole = [int(number) for number in step.numbers]
    if step.kind == "colour":
        rows, added = _COLOURS[step.name]
        mixed = tf.linalg.matmul(seen, tf.constant(np.array(rows).T, tf.float32))
        shift = [0.0, *[added] * (len(rows) - 1)]
        return tf.clip_by_value(mixed + tf.constant(shift, tf.float32), 0.0, 255.0)
    if step.kind == "channels":
        return tf.gather(seen, whole, axis=3)
    if step.kind == "crop":
        top, bottom, left, right = whole
        return seen[:, top:bottom, left:right]
    if step.kind == "resize":
        return tf.image.resize(seen, (whole[1], whole[0]), "bilinear")
    return _blurred(seen, whole[0], whole[1])


def _blurred(seen: Any, width_px: int, height_px: int) -> Any:
    """OpenCV's Gaussian blur; at the borders pixels are mirrored, as there."""
    import cv2
    import tensorflow as tf

    channels = seen.shape[3]
    kernel = cv2.getGaussianKernel(height_px, 0) @ cv2.getGaussianKernel(width_px, 0).T
    filters = np.repeat(kernel[:, :, None, None], channels, axis=2).astype(np.float32)
    around = [[0, 0], [height_px // 2] * 2, [width_px // 2] * 2, [0, 0]]
    padded = tf.pad(seen, around, "REFLECT")
    return tf.nn.depthwise_conv2d(padded, filters, [1, 1, 1, 1], "VALID")


def answers_of(content: bytes, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Angles that a file's content answers to frames ``(n, 120, 160, 3)``, shape ``(n, 1)``."""
    import tensorflow as tf

    network = tf.lite.Interpreter(model_content=content).get_signature_runner("serving_default")
    found = [network(img_in=frame[None] / np.float32(255))["n_outputs0"][0] for frame in frames]
    return np.array(found, np.float32)

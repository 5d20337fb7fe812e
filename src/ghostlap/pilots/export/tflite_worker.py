"""Conversion of a Keras network to TensorFlow Lite, as a process of its own.

TensorFlow needs its own Keras backend, and writes to standard error.

    python -m ghostlap.pilots.export.tflite_worker model.keras out.tflite int8 pictures.npz \\
        answers.npy
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.files import read_json
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.pilots.export import donkeycar_graph


def convert(network: Any, number: str, calibration: NDArray[np.float32]) -> bytes:
    """The content of a ``.tflite`` file.

    Args:
        number: type of the weights, ``float32``, ``float16`` or ``int8``; int8 is that of the
            computation, too. Input and output stay ``float32``.
        calibration: preprocessed pictures for int8, ``(n, height, width, channels)``.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    if number != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if number == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if number == "int8":

        def pictures() -> Iterator[list[NDArray[np.float32]]]:
            for picture in calibration:
                yield [picture[None]]

        converter.representative_dataset = pictures
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    content: bytes = converter.convert()
    return content


def answers(content: bytes, seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Answers ``(n, outputs)`` of a ``.tflite`` file's content to preprocessed pictures."""
    import tensorflow as tf

    network = tf.lite.Interpreter(model_content=content)
    network.allocate_tensors()
    (asked,), (answer,) = network.get_input_details(), network.get_output_details()
    found = []
    for picture in seen:
        network.set_tensor(asked["index"], picture[None])
        network.invoke()
        found.append(network.get_tensor(answer["index"])[0])
    return np.array(found, np.float32).reshape(len(seen), -1)


def main(keras_file: str, out: str, number: str, pictures: str, answers_file: str) -> None:
    """Convert, write, and save the written file's answers."""
    from ghostlap.pilots.keras_files import load_network

    warnings.simplefilter("ignore")
    with np.load(pictures) as arrays:
        calibration, seen = arrays["calibration"], arrays["seen"]
    network = load_network(Path(keras_file), keras_file)
    if number == "donkeycar":
        spec = Preprocessing.from_json(read_json(Path(pictures).with_suffix(".json")))
        content = donkeycar_graph.donkeycar_file(network, spec)
        found = donkeycar_graph.answers_of(content, seen)
    else:
        content = convert(network, number, calibration)
        found = answers(content, seen)
    Path(out).write_bytes(content)
    np.save(answers_file, found)


if __name__ == "__main__":
    main(*sys.argv[1:])

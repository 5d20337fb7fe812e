"""A function or a model file as a policy in a process of its own.

    python -m ghostlap.driving.policies.serve my_module:policy

It speaks the protocol of :mod:`ghostlap.driving.policies.foreign` on its standard streams. What the
policy prints goes to standard error, and it ends when its standard input does.
"""

from __future__ import annotations

import json
import math
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import BenchmarkError
from ghostlap.base.named import named_function
from ghostlap.data.vision.pictures import Rgb, decode_rgb
from ghostlap.data.vision.preprocessing import Preprocessing, preprocess

Answers = Callable[[Rgb, float], Any]

ABOUT = ".json"
"""Ending of the file beside a model that ``ghostlap export`` writes, preprocessing and all."""


def answers_of(what: str) -> Answers:
    """The function that answers a frame and the speed; its ``reset``, if it has one, is called
    at the start of each drive.

    Args:
        what: ``package.module:function``, or of a class, of which one is made; or a model file.

    Raises:
        BenchmarkError: it cannot be loaded.
    """
    if what.endswith(".onnx"):
        return _onnx(Path(what))
    if what.endswith(".tflite"):
        return _tflite(Path(what))
    found = named_function(what, "the policy", BenchmarkError)
    return found() if isinstance(found, type) else found


def _onnx(path: Path) -> Answers:
    """A network of raw frames, as ``ghostlap export --as onnx`` writes it; or of preprocessed ones
    with the JSON file beside it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0]
    seen = _as_frames if taken.type == "tensor(uint8)" else _preprocessed(path)

    def answers(frame: Rgb, _: float) -> Any:
        return session.run(None, {taken.name: seen(frame)})[0].reshape(-1)[0]

    return answers


def _as_frames(frame: Rgb) -> NDArray[Any]:
    return frame[None]


def _preprocessed(path: Path) -> Callable[[Rgb], NDArray[Any]]:
    about = path.with_name(path.name + ABOUT)
    try:
        told = json.loads(about.read_text(encoding="utf-8"))
        spec = Preprocessing.from_json(told["preprocessing"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(
            f"{path.name}: sees preprocessed pictures, and {about.name}, which 'ghostlap export' "
            f"writes beside it, does not say how they are made ({error}). Write it, or answer "
            "frames in a function of yours: my_module:policy."
        ) from None
    return lambda frame: preprocess(frame, spec)[None]


def _tflite(path: Path) -> Answers:
    try:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]
    except ModuleNotFoundError:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter
    network = Interpreter(model_path=str(path), num_threads=1)
    network.allocate_tensors()
    (taken, *_), (answer, *_) = network.get_input_details(), network.get_output_details()
    seen = _preprocessed(path)

    def answers(frame: Rgb, _: float) -> Any:
        network.set_tensor(taken["index"], seen(frame))
        network.invoke()
        return network.get_tensor(answer["index"]).reshape(-1)[0]

    return answers


def as_json(answer: Any) -> bytes:
    """A line that says what a function answered; what is no answer is said as a text."""
    try:
        values: Any = np.asarray(answer, np.float64).reshape(-1).tolist()
    except (TypeError, ValueError):
        values = repr(answer)[:80]
    return json.dumps(values).encode() + b"\n"


def main(what: str) -> None:
    """Answer until standard input ends."""
    asked, said = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions: queue.SimpleQueue[tuple[dict[str, Any], bytes]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(asked, questions), daemon=True).start()
    try:
        answers = answers_of(what)
        shape: tuple[int, ...] = ()
        while True:
            told, data = questions.get()
            if "start" in told:
                shape = told["height"], told["width"], 3
                getattr(answers, "reset", lambda: None)()
                said.write(b'{"ready": true}\n')
            else:
                said.write(as_json(answers(_frame(data, shape), told["speed_mph"])))
            said.flush()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def _read(stream: BinaryIO, questions: queue.SimpleQueue[tuple[dict[str, Any], bytes]]) -> None:
    """Read what is asked; at the end, end the process, whatever the policy is doing."""
    while line := stream.readline():
        told = json.loads(line)
        questions.put((told, stream.read(told.get("frame", 0))))
    os._exit(0)


def _frame(data: bytes, shape: tuple[int, ...]) -> Rgb:
    if len(data) == math.prod(shape):
        return np.frombuffer(data, np.uint8).reshape(shape)
    return decode_rgb(data, "frame")  # JPEG


if __name__ == "__main__":
    main(sys.argv[1])

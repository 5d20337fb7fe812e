"""Saving a trained network as a pilot, in every format, with a check that all agree."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import io
import logging
import math
import os
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ghostlap.base.engine.processes import python
from ghostlap.base.errors import ModelError, PilotError
from ghostlap.base.files import replacing, write_json, write_text
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.pilots.keras_files import write_keras
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import FORMAT, KERAS_FILE, ONNX_FILE, PILOT_FILE
from ghostlap.pilots.saliency import SALIENCY_FILE
from ghostlap.pilots.saliency_graph import write_saliency_graph

ONNX_TOLERANCE = 1e-4
"""Largest difference of answers between ONNX Runtime and Keras."""


def save_pilot(
    network: Any,
    folder: Path,
    preprocessing: Preprocessing,
    outputs: tuple[str, ...],
    description: dict[str, Any],
    measure: Callable[[Pilot], dict[str, Any]] | None = None,
    lags_s: Sequence[float] = (0.0,),
) -> Pilot:
    """Write a trained Keras network as a pilot; ``pilot.json`` comes last, in one write.

    Args:
        network: uncompiled Keras model with inputs ``(n, *preprocessing.input_shape)``.
        outputs: names of its outputs, of :data:`ghostlap.pilots.run_folder.OUTPUTS`.
        measure: computes the ``metrics`` in ``pilot.json`` with the pilot as it will be.
        lags_s: how long ago the moments are that a network with a memory sees.

    Returns:
        The pilot, loaded from the files written.

    Raises:
        PilotError: ONNX Runtime and Keras disagree by more than ``ONNX_TOLERANCE``, or the network
            answers NaN.
        OSError: a file cannot be written; an earlier ``pilot.json`` stays then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = _without_optimizer(network)
    for name in (KERAS_FILE, "model.h5", "model.weights.h5"):
        with replacing(folder / name) as temporary:
            save = network.save_weights if name == "model.weights.h5" else network.save
            with _no_advice():
                write_keras(save, temporary)
    write_text(folder / "model.json", network.to_json(indent=1))
    memory = write_driving(network, folder, lags_s)
    no_saliency = _save_saliency(folder)
    whole = {
        "format": FORMAT,
        "outputs": list(outputs),
        "preprocessing": dataclasses.asdict(preprocessing),
        **memory,
        **description,
        **({"no_saliency": no_saliency} if no_saliency else {}),
    }
    pilot = Pilot.load(folder.absolute(), description=whole)
    from ghostlap.pilots.backend import full_precision  # Keras, which takes its time

    with full_precision():
        difference = _difference(network, pilot)
    if math.isnan(difference):
        raise PilotError(
            f"{folder}: the network answers numbers that are not finite. {KERAS_FILE} is kept. "
            "Has its training run off? Train with a lower --learning-rate."
        )
    if difference > ONNX_TOLERANCE:
        raise PilotError(
            f"{folder}: {ONNX_FILE} differs from Keras by {difference:.1e}, more than "
            f"{ONNX_TOLERANCE:.0e}. {KERAS_FILE} is kept; is there a layer that ONNX cannot hold?"
        )
    whole["onnx_difference"] = difference
    if measure is not None:
        whole["metrics"] = measure(pilot)
    write_json(folder / PILOT_FILE, whole)
    return Pilot.load(folder)


def write_driving(network: Any, folder: Path, lags_s: Sequence[float]) -> dict[str, Any]:
    """Write a pilot's ONNX file; returns what ``pilot.json`` has to say of its memory, if any."""
    described = {}
    if len(lags_s) > 1:
        from ghostlap.pilots.memory_network import contributing, memory_described

        described = {"memory": memory_described(network, lags_s)}
        network = contributing(network)
    with replacing(folder / ONNX_FILE) as temporary:
        export_onnx(network, temporary)
    return described


def _save_saliency(folder: Path) -> str:
    """Write the pilot's saliency graph; returns why not, for it drives without, or ""."""
    (folder / SALIENCY_FILE).unlink(missing_ok=True)
    try:
        write_saliency_graph(folder / ONNX_FILE, folder / SALIENCY_FILE)
    except ModelError as error:
        return str(error)
    return ""


def _without_optimizer(network: Any) -> Any:
    """The network uncompiled: compiled ones save files that other Keras versions cannot open."""
    plain = type(network).from_config(network.get_config())
    plain.set_weights(network.get_weights())
    return plain


@contextlib.contextmanager
def _no_advice() -> Iterator[None]:
    """Silence advice of Keras and tf2onnx about formats that are written on purpose."""
    loggers = [logging.getLogger(name) for name in ("absl", "tf2onnx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def export_onnx(network: Any, path: Path) -> None:
    """Write a Keras model as ONNX, from ``(n, height, width, 3)`` to its outputs ``(n, …)``."""
    network(np.zeros((1, *network.input_shape[1:]), np.float32))  # Keras wants it called once
    try:
        with _no_advice():
            network.export(str(path), format="onnx", verbose=False)
    except ImportError:  # Keras on JAX wants one more package; TensorFlow writes the same file
        _export_with_tensorflow(network, path)
    else:
        path.write_bytes(_in_one_order(onnx.load(str(path))).SerializeToString())


def _in_one_order(model: Any) -> Any:
    """The graph with names and constants in the order of its nodes, so that bytes repeat.

    tf2onnx takes them from sets, and counts on from what the process has exported before.
    """
    graph = model.graph
    if any(one.HasField("g") for node in graph.node for one in node.attribute):
        return model  # graphs within, which own layers may have, use names of this one
    constants = {one.name: one for one in graph.initializer}
    names = {one: one for one in ("", *(one.name for one in (*graph.input, *graph.output)))}
    for place, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{place}"
        for name in node.input:
            names.setdefault(name, f"constant_{len(names)}")
        for name in node.output:
            names.setdefault(name, f"{node.op_type}_{len(names)}")
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    used = [copy.deepcopy(constants[name]) for name in names if name in constants]
    for constant in used:
        constant.name = names[constant.name]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(used)
    graph.doc_string = ""
    for one in (*graph.input, *graph.output):
        for size in one.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = "n"
    return model


_EXPORT = """
import sys
from pathlib import Path
from ghostlap.pilots.keras_files import load_network
from ghostlap.pilots.pilot_saving import export_onnx
export_onnx(load_network(Path(sys.argv[1]), sys.argv[1]), Path(sys.argv[2]))
"""


def _export_with_tensorflow(network: Any, path: Path) -> None:
    """Export in a process of its own, because a process has only one Keras backend."""
    with tempfile.TemporaryDirectory() as folder:
        keras_path = Path(folder) / KERAS_FILE
        network.save(keras_path)
        ended = subprocess.run(
            python("-c", _EXPORT, str(keras_path), str(path)),
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    if ended.returncode:
        raise PilotError(
            f"{path.parent}: the network cannot be written as ONNX. {KERAS_FILE} is kept. "
            f"TensorFlow says: {ended.stderr.strip()[-300:]}"
        )


def _difference(network: Any, pilot: Pilot) -> float:
    """The largest difference between Keras and ONNX Runtime over random pictures, or NaN.

    It is relative where an answer is larger than full lock, as a bad network's may be.
    """
    shape = (32, *pilot.preprocessing.input_shape)
    draw = np.random.default_rng(0)
    seen = draw.random(shape, np.float32)
    keras_answers = np.asarray(network(seen, training=False))
    onnx_answers = pilot.network.run(seen)[0]
    if pilot.memory is not None:
        from ghostlap.pilots.memory_network import remembering

        moments = draw.random((8, len(pilot.memory.lags_s), *shape[1:]), np.float32)
        motion = draw.random((8, len(pilot.memory.motion)), np.float32)
        both = np.asarray(remembering(network, moments, motion, training=False))
        keras_answers = np.concatenate([keras_answers, both])
        parts = pilot.network.run(moments.reshape(-1, *shape[1:]))[1]
        recalled = pilot.memory.answers(parts.reshape(*moments.shape[:2], -1), motion)
        onnx_answers = np.concatenate([onnx_answers, recalled])
    if not (np.isfinite(keras_answers).all() and np.isfinite(onnx_answers).all()):
        return math.nan
    size = np.maximum(1.0, np.abs(keras_answers))
    return float((np.abs(keras_answers - onnx_answers) / size).max())
